"""Which ports a stack listens on."""

import hashlib
import socket
from collections.abc import Iterator, Mapping, Sequence

from amanah.fault import Fault

LOWEST, SPAN, STRIDE = 20_000, 12_000, 20
"""Below 32768, where Linux begins to hand out ports to outgoing connections: one of those could take a service's place."""


def free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


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
    names: Sequence[str], seed: str, earlier: Mapping[str, int], asked: Mapping[str, int], base: int | None
) -> dict[str, int]:
    """A port for each name. What was asked for must be free; what was used earlier is taken again if it is free."""
    wanted = layout(base, names) if base is not None else {}
    wanted.update({name: port for name, port in asked.items() if name in names})
    for name, port in wanted.items():
        if not free(port):
            raise Fault(f"Port {port} for {name} is taken. Stop what listens there, or give another port.")
    rest = [name for name in names if name not in wanted]
    if all(free(earlier.get(name, 1)) for name in rest) and len({earlier.get(name) for name in rest}) == len(rest):
        return {name: wanted.get(name) or earlier[name] for name in names}
    for start in bases(seed):
        found = layout(start, rest)
        if all(map(free, found.values())) and not set(found.values()) & set(wanted.values()):
            return wanted | found
    raise Fault(f"No {len(rest)} free ports between {LOWEST} and {LOWEST + SPAN}. Give some with --port-base.")
