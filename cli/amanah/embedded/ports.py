"""Which ports a stack listens on."""

import hashlib
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from amanah.fault import Fault

LOWEST, SPAN, STRIDE = 20_000, 12_000, 20
"""Below 32768, where Linux begins to hand out ports to outgoing connections: one of those could take a service's place."""


class Claims:
    """Ports that nobody listens on yet, but that another stack must not choose meanwhile.

    A claim is the UDP port of the same number, which none of our servers needs. However its holder dies, it is gone.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def hold(self, ports: Iterable[int]) -> bool:
        """Claims all of these in place of the earlier ones; False, and none, when another stack was faster with one."""
        self.release()
        for port in ports:
            claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._held.append(claim)
            if not _bound(claim, port):
                self.release()
                return False
        return True

    def release(self) -> None:
        """Gives them all up."""
        while self._held:
            self._held.pop().close()


def free(port: int) -> bool:
    """Whether a server could listen there now, and no other stack is about to."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server, socket.socket(type=socket.SOCK_DGRAM) as claim:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return _bound(server, port) and _bound(claim, port)


def _bound(probe: socket.socket, port: int) -> bool:
    with suppress(OSError, OverflowError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


def bases(seed: str) -> Iterator[int]:
    """Where to look for a run of free ports: begins at a place of the seed's own, so that two stacks rarely meet."""
    slots = SPAN // STRIDE
    first = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") % slots
    for step in range(slots):
        yield LOWEST + (first + step) % slots * STRIDE


def layout(base: int, names: Sequence[str]) -> dict[str, int]:
    """A run of ports: the first name's is `base`."""
    return {name: base + offset for offset, name in enumerate(names)}


def choose(
    names: Sequence[str],
    seed: str,
    earlier: Mapping[str, int],
    asked: Mapping[str, int],
    base: int | None,
    first: Iterable[int] = (),
) -> dict[str, int]:
    """A port for each name. What was asked for (`asked`, `base`) must be free. The others get what they had earlier, else
    a run that begins at one of `first`, else any run; always one that is free."""
    wanted = layout(base, names) if base is not None else {}
    wanted.update({name: port for name, port in asked.items() if name in names})
    _refuse(wanted)
    rest = [name for name in names if name not in wanted]
    had = {name: earlier[name] for name in rest if name in earlier}
    runs = (layout(start, rest) for start in (*first, *bases(seed)))
    for found in (had, *runs):
        if (
            len(found) == len(rest)
            and not set(found.values()) & set(wanted.values())
            and all(map(free, found.values()))
        ):
            return {name: (wanted | found)[name] for name in names}
    raise Fault(f"No {len(rest)} free ports between {LOWEST} and {LOWEST + SPAN}. Give some with --port-base.")


def _refuse(wanted: Mapping[str, int]) -> None:
    """Fault if one of these cannot be listened on."""
    for name, port in wanted.items():
        if not 0 < port < 65536:
            raise Fault(f"Port {port} for {name} does not exist: ports go from 1 to 65535.")
        if not free(port):
            raise Fault(f"Port {port} for {name} is taken. Stop what listens there, or give another port.")
    if len(set(wanted.values())) < len(wanted):
        raise Fault("One port was given twice: " + ", ".join(f"{name} {port}" for name, port in wanted.items()))
