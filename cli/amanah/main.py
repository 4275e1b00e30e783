"""The `amanah` command. Each subcommand lives in `commands/` and imports what is heavy when it runs, so help is instant."""

import sys
from collections.abc import Sequence

import cyclopts

from amanah.commands import check, contracts, topics, up
from amanah.fault import Fault

app = cyclopts.App(
    name="amanah",
    help="Amanah watches how government answers people. Start with: ./amanah up",
    version_flags=["--version"],
    result_action="return_value",
)

app.command(up.up)
app.command(topics.app)
app.command(check.check)
app.command(check.test)
app.command(contracts.app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command; what is wrong outside the program is said in one line, without a traceback."""
    try:
        result = app(arguments)
    except Fault as fault:
        print(f"amanah: {fault}", file=sys.stderr)
        sys.exit(fault.code)
    sys.exit(result if isinstance(result, int) else 0)


if __name__ == "__main__":
    main()
