"""The published retry schedule and what recipients may ask of it."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_notifier.schedule import JITTER, LONGEST_WAIT, Schedule, TryAgain, retry_after
from amanah_notifier.settings import NotifierSettings

PUBLISHED = (0, 5, 300, 1800, 7200, 18_000, 36_000, 36_000)
SCHEDULE = Schedule(PUBLISHED)


def test_the_default_is_the_published_one() -> None:
    assert NotifierSettings.model_fields["retry_seconds"].default == PUBLISHED


@given(st.uuids(), st.integers(1, len(PUBLISHED) - 1))
def test_each_wait_is_the_published_one_within_the_jitter(notice, attempts) -> None:
    wait = SCHEDULE.wait_after(notice, attempts, TryAgain("http 500"))
    assert PUBLISHED[attempts] * (1 - JITTER) <= wait <= PUBLISHED[attempts] * (1 + JITTER)
    assert wait == SCHEDULE.wait_after(notice, attempts, TryAgain("timeout")), "no chance in it"


def test_the_jitter_spreads_evenly() -> None:
    waits = [SCHEDULE.wait_after(uuid4(), 2, TryAgain("")) for _ in range(2000)]
    assert 295 < sum(waits) / len(waits) < 305
    assert min(waits) < 246
    assert max(waits) > 354


def test_after_the_last_attempt_there_is_none() -> None:
    assert SCHEDULE.wait_after(uuid4(), len(PUBLISHED), TryAgain("http 500", wait=60)) is None


@pytest.mark.parametrize(("asked", "least", "most"), [(60, 60, 60), (1, 4, 6), (1e9, LONGEST_WAIT, LONGEST_WAIT)])
def test_a_recipient_may_ask_for_more_time_but_not_for_less_nor_for_ever(asked, least, most) -> None:
    assert least <= SCHEDULE.wait_after(uuid4(), 1, TryAgain("http 429", asked)) <= most


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        (None, None, None),
        ("120", None, 120),
        (" 7 ", None, 7),
        ("-1", None, None),
        ("soon", None, None),
        ("99999999999999999999", None, 999_999_999),
        ("²", None, None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:27:00 GMT", 60),
        ("Wed, 21 Oct 2026 07:26:00 GMT", "Wed, 21 Oct 2026 07:27:00 GMT", 0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None, None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", "yesterday", None),
    ],
)
def test_retry_after(value, date, seconds) -> None:
    assert retry_after(value, date) == seconds
