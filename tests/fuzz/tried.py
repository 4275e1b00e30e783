"""Tries a property with generated cases, some on every run and many in the slow tier, and counts them."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CASES: Counter[str] = Counter()
"""How many cases were generated in this session, by what was fuzzed; `conftest.py` prints it."""

STATUSES: Counter[int] = Counter()
"""How many of the answers over HTTP had which status; 0 is a connection closed without one."""


def tiers(ordinary: int, slow: int) -> pytest.MarkDecorator:
    """The argument `examples` of a test: a few on every run, many more with `-m slow`."""
    return pytest.mark.parametrize("examples", [ordinary, pytest.param(slow, marks=pytest.mark.slow)])


def tried(name: str, examples: int, strategy: st.SearchStrategy[Any], check: Callable[[Any], None]) -> None:
    """Fails with the smallest case found for which `check` fails. Shrinking counts too: each call was a case."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)
    @given(strategy)
    def one(case: Any) -> None:
        CASES[name] += 1
        check(case)

    one()
