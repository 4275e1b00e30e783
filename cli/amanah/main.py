"""The `amanah` command. Each subcommand lives in `commands/` and imports what is heavy when it runs, so help is instant."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

import cyclopts

from amanah.commands import (
    bench,
    check,
    contracts,
    dlq,
    due,
    explain,
    fault,
    law,
    reconcile,
    replay,
    soak,
    topics,
    up,
    verify,
)
from amanah.fault import Fault

app = cyclopts.App(
    name="amanah",
    help="Amanah watches how government answers people. Start with: ./amanah up",
    version_flags=["--version"],
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
)

app.command(up.up)
app.command(replay.replay)
app.command(verify.verify)
app.command(explain.explain)
app.command(due.due)
app.command(law.app)
app.command(topics.app)
app.command(reconcile.reconcile)
app.command(dlq.app)
app.command(bench.app)
app.command(fault.app)
app.command(soak.soak)
app.command(check.check)
app.command(check.test)
app.command(contracts.app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command; what is wrong outside the program is said in one line, without a traceback: exit code 1, or 2 for
    a command line that cannot be understood, or 130 after Ctrl-C."""
    try:
        result = app(arguments)
    except cyclopts.CycloptsError as misunderstood:
        _end(" ".join(str(misunderstood).split()) + " More with --help.", 2)
    except Fault as fault:
        _end(str(fault), fault.code)
    except BrokenPipeError:  # who reads our answer has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        _end("Stopped.", 130)
    sys.exit(result if isinstance(result, int) else 0)


def _end(words: str, code: int) -> NoReturn:
    with suppress(OSError):  # a closed terminal
        print(f"amanah: {words}", file=sys.stderr, flush=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
