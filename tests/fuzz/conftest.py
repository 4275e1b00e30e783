"""The services that are fuzzed, and at the end how many cases were generated."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.fuzz.town import Town, opened
from tests.fuzz.tried import CASES, STATUSES


@pytest.fixture(scope="package")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with opened(tmp_path_factory.mktemp("town")) as town:
        yield town


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if CASES:
        terminalreporter.write_line(f"fuzz: {sum(CASES.values())} cases generated")
        for name, count in sorted(CASES.items()):
            terminalreporter.write_line(f"  {count:>8}  {name}")
    if STATUSES:
        told = ", ".join(f"{status}: {count}" for status, count in sorted(STATUSES.items()))
        terminalreporter.write_line(f"  answers over HTTP by status: {told}")
