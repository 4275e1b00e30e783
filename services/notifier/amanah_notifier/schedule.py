"""When a failed notice is tried again, and what an attempt can come to: pure.

The schedule is the one that Standard Webhooks recommends, published in this service's README. It runs on real time, also
in a deployment whose clock is virtual: it is a promise to other people's servers, which live in real time. On a clock that
a replay moves by months a second, one refused attempt would use up eight tries at once and fail a healthy recipient.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeAlias
from uuid import UUID

JITTER = 0.2
LONGEST_WAIT = 86_400.0
"""A recipient may ask us to wait, but not to forget."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The recipient's system took it."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """This attempt failed; `wait` is what the recipient asked for, in seconds."""

    reason: str
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It will never work. `gone`: nothing may be sent to this address any more. `tried`: whether it was tried at all."""

    reason: str
    gone: bool = False
    tried: bool = True


@dataclass(frozen=True, slots=True)
class NotWanted:
    """There is nobody to tell: the citizen left no contact, or took it back."""


@dataclass(frozen=True, slots=True)
class Overtaken:
    """What it says no longer holds, or has been answered since: it was not sent."""


@dataclass(frozen=True, slots=True)
class Postponed:
    """We were not able to try; the recipient is not to blame, so it does not count as an attempt."""

    reason: str


Outcome: TypeAlias = Accepted | TryAgain | GiveUp | NotWanted | Overtaken | Postponed


@dataclass(frozen=True, slots=True)
class Schedule:
    """`delays[n]` seconds lie between the failure of attempt n and attempt n+1; the first is before attempt 1."""

    delays: Sequence[float]
    postponed: float = 5.0

    def wait_after(self, notice: UUID, attempts: int, outcome: TryAgain) -> float | None:
        """Seconds until the next attempt; None when this was the last one.

        The jitter keeps thousands of notices that failed together from coming back together. It is taken from the
        notice's id and not from chance, so that a run can be repeated."""
        if attempts >= len(self.delays):
            return None
        wait = self.delays[attempts] * (1 + JITTER * _spread(notice, attempts))
        return min(max(wait, outcome.wait or 0.0), LONGEST_WAIT)


def _spread(notice: UUID, attempts: int) -> float:
    """An even spread over -1 to 1."""
    digest = hashlib.blake2b(notice.bytes + attempts.to_bytes(4), digest_size=4).digest()
    return int.from_bytes(digest) / 0xFFFF_FFFF * 2 - 1


def retry_after(value: str | None, date: str | None) -> float | None:
    """Seconds that a `Retry-After` asks for. A date is counted from the answer's own `Date`, so no clock is compared
    with another; without one, or unreadable, it asks for nothing."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(int(value[:9]))
    until, since = _http_date(value), _http_date(date)
    if until is None or since is None:
        return None
    return max((until - since).total_seconds(), 0.0)


def _http_date(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        parsed = parsedate_to_datetime(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else None
