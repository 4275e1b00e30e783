"""Runs a command's coroutine so that Ctrl-C, SIGTERM and a closed terminal end it in order."""

import asyncio
import signal
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from amanah.fault import Fault

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Like asyncio.run, but these signals cancel `main` (whose clean-up then runs) and end the command with 128 + signal."""
    return asyncio.run(_until_signal(main))


async def _until_signal(main: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(main)
    caught: list[int] = []

    def end(number: int) -> None:
        if not caught:  # a second Ctrl-C must not interrupt the orderly end; kill -9 always remains
            caught.append(number)
            task.cancel()

    signals = [signal.SIGINT, signal.SIGTERM]  # also where SIGINT is ignored, as in a script's background job
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it, and means it
        signals.append(signal.SIGHUP)
    for number in signals:
        asyncio.get_running_loop().add_signal_handler(number, end, int(number))
    try:
        return await task
    except asyncio.CancelledError:
        if not caught:
            raise
        raise Fault("Stopped.", 128 + caught[0]) from None


async def together(*works: Awaitable[Any]) -> None:
    """Waits for all; if one fails, cancels the others, waits for their end and raises the first failure as it is."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
