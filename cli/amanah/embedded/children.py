"""Child processes: each in a session of its own (Ctrl-C reaches only us, and we stop them in order) and never an orphan."""

import asyncio
import os
import pwd
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

LOG_LIMIT = 20 * 2**20


async def start(
    program: Sequence[str],
    log: Path,
    death_signal: signal.Signals = signal.SIGKILL,
    account: pwd.struct_passwd | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Process:
    """Starts a program under the guard, its output appended to `log`. `death_signal` reaches it if we die first."""
    guard = str(Path(__file__).with_name("guard.py"))
    identity = (account.pw_uid, account.pw_gid) if account else (-1, -1)
    _rotate(log)
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", guard, str(os.getpid()), str(int(death_signal)), *map(str, identity), *program,
            stdin=DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd=cwd, env=env,
        )  # fmt: skip


async def run(
    program: Sequence[str],
    log: Path,
    account: pwd.struct_passwd | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> int:
    """Runs a program to its end and returns its exit code; if we are cancelled, ends it and all that it started."""
    process = await start(program, log, account=account, cwd=cwd, env=env)
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def stop(process: Process, by: signal.Signals, patience: float) -> None:
    """Asks a process to end with `by`, and ends it after `patience` seconds."""
    for sign, wait in ((by, patience), (signal.SIGKILL, 10.0)):
        if process.returncode is not None:
            return
        try:
            process.send_signal(sign)
            await asyncio.wait_for(process.wait(), wait)
        except ProcessLookupError:
            return
        except TimeoutError:
            continue


def last_words(log: Path, lines: int = 3) -> str:
    """The end of a log, for a message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            tail = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    # Where in Java's code it happened says nothing to the reader of a message.
    said = [line.strip() for line in tail if not line.lstrip().startswith(("at ", "... "))]
    return " | ".join(said[-lines:])


def _rotate(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
