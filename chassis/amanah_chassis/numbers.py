"""Reads a run of digit groups: which of them are a NIK, a phone number or an account. See `masking`."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Group(NamedTuple):
    """Digits without a gap, and what stands between them and the group before them."""

    start: int
    end: int
    digits: str
    lead: str


_NIK_DIGITS = 16
_ACCOUNT_DIGITS = 8
_ACCOUNT_GROUPS = 40
"""How far an account is followed; what lies behind is read anew. Bounded, so that the whole stays linear."""


def masked_numbers(run: Sequence[Group]) -> Iterator[tuple[int, int, str]]:
    """Start, end and kind (`NIK`, `PHONE`, `ACCOUNT`) of each number to mask. Linear: every look ahead is bounded."""
    here = 0
    while here < len(run):
        for kind, last in (("NIK", _nik(run, here)), ("PHONE", _phone(run, here)), ("ACCOUNT", _account(run, here))):
            if last is not None:
                yield run[here].start, run[last].end, kind
                here = last
                break
        here += 1


def _nik(run: Sequence[Group], here: int) -> int | None:
    """Groups of exactly 16 digits together. No NIK begins with 0: it begins with its province."""
    if run[here].digits[0] == "0" or "+" in run[here].lead:
        return None
    total, years = 0, True
    for last in range(here, min(len(run), here + _NIK_DIGITS)):
        if last > here and not _joins(run[last].lead):
            return None
        total += len(run[last].digits)
        years = years and _is_year(run[last])
        if total >= _NIK_DIGITS:
            return last if total == _NIK_DIGITS and not years else None
    return None


def _phone(run: Sequence[Group], here: int) -> int | None:
    """+, 00, 0 or 62 in front, and as many groups as one number can have. A number written in one piece ends with it."""
    limits = _phone_length(run, here)
    if limits is None:
        return here + 2 if _is_bracketed(run[here : here + 3]) else None
    shortest, longest = limits
    total = len(run[here].digits)
    if total > longest:
        return None
    last = here
    while last + 1 < len(run) and _continues(run, here, last, total, longest):
        last += 1
        total += len(run[last].digits)
    # "01.234.567.8-901.000" goes on where a phone number would have ended: it is something else.
    longer = last + 1 < len(run) and _joins(run[last + 1].lead) and not any(c.isspace() for c in run[last + 1].lead)
    return last if total >= shortest and not longer else None


def _phone_length(run: Sequence[Group], here: int) -> tuple[int, int] | None:
    """How few and how many digits a number that begins here has; None when none begins here."""
    start = "".join(group.digits for group in run[here : here + 4])[:4]
    if "+" in run[here].lead:
        return (8, 15) if not start.startswith("62") else (8, 15 if start.startswith("620") else 14)
    if start.startswith("00"):
        return 10, 17
    if start.startswith("0"):
        return 8, 13
    if start.startswith("62") and start[2:3] not in ("", "0"):
        return 10, 14
    if start.startswith("620"):
        return 11, 15  # 62 (0) 812 ..., as often written
    return None


def _is_bracketed(run: Sequence[Group]) -> bool:
    """(212) 555-0134, as North America writes a number at home."""
    return (
        [len(group.digits) for group in run] == [3, 3, 4]
        and run[0].digits[0] not in "01"
        and run[1].lead.strip() == ")"
        and _joins(run[2].lead)
    )


def _continues(run: Sequence[Group], here: int, last: int, total: int, longest: int) -> bool:
    following = run[last + 1]
    if total + len(following.digits) > longest:
        return False
    if "/" in following.lead:
        # 0511/330123: only between an area code and the rest.
        return last == here and following.lead == "/" and run[here].digits[0] == "0" and len(run[here].digits) in (3, 4)
    if not _joins(following.lead, brackets=True):
        return False
    if not following.lead.strip() and following.lead:
        whole = last == here and total >= 10
        # "0812 3456 7890, 2 times": a complete number and then a small one.
        small = total >= 12 and len(following.digits) <= 2 < len(run[last].digits)
        return not whole and not small
    return True


def _account(run: Sequence[Group], here: int) -> int | None:
    """Everything that hangs together, when it is 8 digits or more and not only years."""
    last, total = here, len(run[here].digits)
    while last + 1 < min(len(run), here + _ACCOUNT_GROUPS) and _joins(run[last + 1].lead):
        last += 1
        total += len(run[last].digits)
        if total >= _ACCOUNT_DIGITS and _starts_phone(run, last + 1):
            break
    # A year before or after, set off by a space, is a year: "70614 2026" is a postcode and a year.
    while last > here and _is_year(run[last]) and run[last].lead.isspace():
        total -= len(run[last].digits)
        last -= 1
    if total < _ACCOUNT_DIGITS or all(_is_year(group) for group in run[here : last + 1]):
        return None
    return last


def _starts_phone(run: Sequence[Group], here: int) -> bool:
    return here < len(run) and run[here].digits.startswith("08") and len(run[here].digits) >= 4


def _joins(lead: str, brackets: bool = False) -> bool:
    """Whether digits on both sides of this may be one number: a space, a line end, a dot, a dash; not a paragraph."""
    if "/" in lead or lead.count("\n") > 1 or (not brackets and ("(" in lead or ")" in lead)):
        return False
    return "," not in lead or lead == ","


def _is_year(group: Group) -> bool:
    return len(group.digits) == 4 and group.digits[:2] in ("19", "20")
