"""Says at the end how many cases were generated."""

from typing import Any

from tests.fuzz.tried import CASES, STATUSES


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if CASES:
        terminalreporter.write_line(f"fuzz: {sum(CASES.values())} cases generated")
        for name, count in sorted(CASES.items()):
            terminalreporter.write_line(f"  {count:>8}  {name}")
    if STATUSES:
        told = ", ".join(f"{status}: {count}" for status, count in sorted(STATUSES.items()))
        terminalreporter.write_line(f"  answers over HTTP by status: {told}")
