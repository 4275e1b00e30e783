"""Says at the end how many cases were generated."""

from typing import Any

from tests.fuzz.tried import CASES


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if CASES:
        terminalreporter.write_line(f"fuzz: {sum(CASES.values())} cases generated")
        for name, count in sorted(CASES.items()):
            terminalreporter.write_line(f"  {count:>8}  {name}")
