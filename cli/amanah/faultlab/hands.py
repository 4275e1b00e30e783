"""How a part of a stack is killed, frozen or held down, and how one knows that it is back."""

import asyncio
import os
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic

from amanah.embedded import children, kafka
from amanah.embedded.services import answers, module
from amanah.embedded.stack import Stack
from amanah.fault import Fault

PATIENCE = 60.0


async def until(question: Callable[[], Awaitable[bool]], what: str, patience: float = PATIENCE) -> None:
    """Asks every 10 ms until the answer is yes."""
    deadline = monotonic() + patience
    while not await question():
        if monotonic() > deadline:
            raise Fault(f"Waited {patience:.0f} s for {what}.")
        await asyncio.sleep(0.01)


async def kill(stack: Stack, part: str, by: signal.Signals = signal.SIGKILL) -> int:
    """Kills it and returns, with its id, once the supervisor has started another that serves."""
    before, pid = stack.restarts(part), stack.pid(part)
    os.kill(pid, by)
    await until(lambda: _true(stack.restarts(part) > before and stack.pid(part) != pid), f"another {part}")
    await serving(stack, part)
    return pid


async def _true(answer: bool) -> bool:
    return answer


async def serving(stack: Stack, part: str) -> None:
    """Returns once a part answers."""
    if part == "kafka":
        await kafka.serving(stack.kafka, PATIENCE)
    elif part == "postgres":
        await until(lambda: _takes_queries(stack), "PostgreSQL")
    else:
        await until(lambda: answers(stack.ports[part]), part)


async def _takes_queries(stack: Stack) -> bool:
    import asyncpg

    try:
        db = await asyncpg.connect(stack.admin_dsn(), timeout=2)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    await db.close()
    return True


@asynccontextmanager
async def frozen(pid: int) -> AsyncIterator[None]:
    """Inside, the process stands still where it is."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


SECOND = "second"
"""What PostgreSQL is told about a second process's connections, so that one can tell whose they are."""


@asynccontextmanager
async def second(stack: Stack, service: str) -> AsyncIterator[Process]:
    """Inside, another process of a service runs beside the stack's own; afterwards it has ended in order."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = stack.environment(service) | {
        "AMANAH_INSTANCE": "1",
        "AMANAH_HTTP": f"127.0.0.1:{port}",
        "AMANAH_DATABASE": f"{stack.dsn(service)}&application_name={SECOND}",
    }
    process = await children.start(module(service), stack.log(f"{service}-second"), env=told, cwd=stack.data)
    try:
        await until(lambda: answers(port), f"a second {service}")
        yield process
    finally:
        await children.stop(process, signal.SIGTERM, 10)


@asynccontextmanager
async def held_down(stack: Stack, *parts: str) -> AsyncIterator[None]:
    """Inside, the parts are dead; afterwards they serve again."""
    gate = asyncio.Event()
    killed = {part: stack.pid(part) for part in parts}
    for part in parts:
        _gated(stack, part, gate)
        os.kill(killed[part], signal.SIGKILL)
    try:
        yield
    finally:
        gate.set()
        await until(lambda: _true(all(stack.pid(p) != pid for p, pid in killed.items())), f"another {', '.join(parts)}")
        for part in parts:
            await serving(stack, part)


def _gated(stack: Stack, part: str, gate: asyncio.Event) -> None:
    """The supervisor starts a part again only once the gate is open."""
    supervised = stack._parts[part]
    launch = supervised._launch

    async def later() -> Process:
        await gate.wait()
        supervised._launch = launch
        return await launch()

    supervised._launch = later
