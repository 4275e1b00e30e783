"""Takes personal numbers and addresses out of free text before it is published. Pure, and linear in the text's length.

Four kinds are replaced: `[NIK]` (16 digits), `[phone]`, `[e-mail]`, `[account]` (8 digits or more that are nothing else).
Dates, times, amounts of money, co-ordinates and ticket numbers such as 2026-000123 stay: a text without them says little.
Where a number is in doubt it is masked. Whoever must keep the original keeps it sealed; nobody publishes it.

The text is read through a fold of the same length (Unicode digits, dashes, spaces and letters as their plain forms), so a
full-width or Arabic-Indic digit hides nothing. E-mail addresses go first, then what must stay is fenced off, then every
run of digit groups is read from left to right.
"""

import re
import unicodedata
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from amanah_chassis.numbers import Group, masked_numbers


class Kind(StrEnum):
    """What was found; the value is what stands in its place."""

    NIK = "[NIK]"
    PHONE = "[phone]"
    EMAIL = "[e-mail]"
    ACCOUNT = "[account]"


class Span(NamedTuple):
    start: int
    end: int
    kind: Kind


IGNORED = "\u200b"
"""What invisible characters (zero-width, combining, keycaps) become in the fold: a separator of no width."""
_LOOKS = 4
FENCE = "["
"""What stands in the fold for text already decided; no number reaches across it."""


def mask(text: str) -> str:
    """The text without NIK, phone numbers, e-mail addresses and account numbers. `mask(mask(t)) == mask(t)`."""
    # A replacement changes its neighbours' surroundings, so one more look makes sure that nothing new came to light.
    for _ in range(_LOOKS):
        found = find(text)
        if not found:
            return text
        text = _replaced(text, found)
    return _replaced(text, _everything(text))


def find(text: str) -> list[Span]:
    """What `mask` would replace, in order of place."""
    folded = text if text.isascii() else text.translate(_FOLD)
    spans: list[Span] = []
    if "@" in folded:
        spans = [Span(start, end, Kind.EMAIL) for start, end in _emails(folded)]
        folded = _fenced(folded, [(span.start, span.end) for span in spans])
    for start, end in _neighbourhoods(folded):
        near = _fenced(folded, [match.span() for match in _STAYS.finditer(folded, start, end)])
        for run in _RUN.finditer(near, start, end):
            spans += [_span(near, *number) for number in masked_numbers(_groups(near, run))]
    spans.sort()
    return spans


def _everything(text: str) -> list[Span]:
    """For text made so that each replacement brings the next to light: all that hangs together, whatever it reads like."""
    folded = text.translate(_FOLD)
    spans = [Span(start, end, Kind.EMAIL) for start, end in _emails(folded)]
    folded = _fenced(folded, [(span.start, span.end) for span in spans])
    runs = (run for run in _RUN.finditer(folded) if len(_DIGIT.findall(run.group())) >= 8)
    return sorted([*spans, *(Span(*run.span(), Kind.ACCOUNT) for run in runs)])


def _neighbourhoods(folded: str) -> Iterator[tuple[int, int]]:
    """Where at least eight digits hang together, with room for what explains them ("Rp", "WITA"); apart from another.

    Most text has none, and is not looked at closer."""
    start = end = 0
    for run in _RUN.finditer(folded):
        if run.end() - run.start() < 8 or len(_DIGIT.findall(folded, run.start(), run.end())) < 8:
            continue
        if end and run.start() - _ROOM > end:
            yield start, end
            end = 0
        start = start if end else max(0, run.start() - _ROOM)
        end = min(len(folded), run.end() + _ROOM)
    if end:
        yield start, end


def _span(folded: str, start: int, end: int, kind: str) -> Span:
    """Takes in the bracket that opens before "(0511) 3301234"."""
    opens = start > 0 and folded[start - 1] == "(" and ")" in folded[start:end]
    return Span(start - 1 if opens else start, end, Kind[kind])


def _replaced(text: str, spans: list[Span]) -> str:
    parts, done = [], 0
    for span in spans:
        parts += [text[done : span.start], span.kind.value]
        done = span.end
    return "".join([*parts, text[done:]])


def _fenced(folded: str, places: list[tuple[int, int]]) -> str:
    parts, done = [], 0
    for start, end in places:
        parts += [folded[done:start], FENCE * (end - start)]
        done = end
    return "".join([*parts, folded[done:]])


class _Fold(dict[int, str]):
    """Each character's plain form, one for one, worked out when first met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        self[code] = plain = _plain(character)
        return plain


def _plain(character: str) -> str:
    if character.isascii():
        return character
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf"):
        return IGNORED
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    if category == "Pd" or character == "\u2212":  # the minus sign
        return "-"
    if category in ("Zs", "Zl", "Zp"):
        return " "
    composed = unicodedata.normalize("NFKC", character)
    return composed if len(composed) == 1 else character


_FOLD = _Fold()

# --- e-mail -----------------------------------------------------------------------------------------------------------

_LOCAL = frozenset("._%+-!#$&'*/=?^`{|}~" + IGNORED)
_DOMAIN = re.compile(rf"[\w{IGNORED}](?:[\w.{IGNORED}-]*[\w{IGNORED}])?")
_QUAD = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")


def _emails(folded: str) -> Iterator[tuple[int, int]]:
    """From each @ outwards, so that no character is looked at more than a few times. A space or a line end beside the @
    is allowed for, as people write it."""
    floor = 0
    at = folded.find("@")
    while at >= 0:
        local_end = _skip_spaces(folded, at, -1)
        start = local_end
        while start > floor and (folded[start - 1].isalnum() or folded[start - 1] in _LOCAL):
            start -= 1
        domain_start = _skip_spaces(folded, at + 1, 1)
        domain = _DOMAIN.match(folded, domain_start)
        spaced = local_end != at or domain_start != at + 1
        if start < local_end and domain and _is_address(folded[start:local_end], domain.group(), spaced):
            yield start, domain.end()
            floor = domain.end()
        else:
            floor = at + 1
        at = folded.find("@", floor)


def _skip_spaces(folded: str, place: int, step: int) -> int:
    for _ in range(3):
        beside = place - 1 if step < 0 else place
        if not (0 <= beside < len(folded) and folded[beside].isspace()):
            break
        place += step
    return place


def _is_address(local: str, domain: str, spaced: bool) -> bool:
    labels = domain.replace(IGNORED, "").split(".")
    last = labels[-1]
    if len(labels) > 1:
        return (len(last) >= 2 and last[0].isalpha()) or _QUAD.fullmatch(domain) is not None
    # "name@gmail", cut short; but not "2 @ 5rb", a price.
    return not spaced and len(last) >= 2 and last[0].isalpha() and any(c.isalpha() for c in local)


# --- numbers ----------------------------------------------------------------------------------------------------------

# A digit, then digits after at most six characters that people put between them. Possessive: no backtracking.
_RUN = re.compile(rf"(?:(?<![0-9])\+[ (]{{0,2}})?[0-9](?:[\s{IGNORED}._,()/-]{{0,6}}+[0-9])*+")
_GROUP = re.compile(r"[0-9]+")
_DIGIT = re.compile(r"[0-9]")
_ROOM = 16


def _groups(folded: str, run: re.Match[str]) -> list[Group]:
    """The digit groups of a run, each with what stands between it and the group before; "+" before the first counts."""
    groups: list[Group] = []
    end = run.start()
    for digits in _GROUP.finditer(folded, run.start(), run.end()):
        lead = folded[end : digits.start()]
        start = end if not groups and lead else digits.start()
        groups.append(Group(start, digits.end(), digits.group(), lead))
        end = digits.end()
    return groups


# What stays. Neither side may touch another number ("12-11-2026" within "0812-11-2026" is no date).
_ALONE_LEFT = rf"(?<![0-9+])(?<![0-9][-./,+{IGNORED}])"
_ALONE_RIGHT = rf"(?![-./,{IGNORED}]?[0-9])"
_FAR_LEFT = r"(?<![0-9]\s)"
_FAR_RIGHT = r"(?!\s{1,2}[0-9])"
_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12][0-9]|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)[0-9]{2}"
_TIME = r"(?:[01]?[0-9]|2[0-4])[.:][0-5][0-9]"
_THOUSANDS = r"[1-9][0-9]{0,2}(?:(?:\.[0-9]{3}){1,4}(?:,[0-9]{1,2})?|(?:,[0-9]{3}){1,4}(?:\.[0-9]{1,2})?)"
# Up to twelve digits in a row may be money, unless they read as 62..., a phone number in its international form.
_UNGROUPED = r"(?!62[1-9][0-9]{7})[1-9][0-9]{0,11}(?:,[0-9]{1,2})?"
_COMPACT_DATE = r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_COUNTED = r"(?i:rupiah|ribu|rb|juta|jt|mili?[ay]r|triliun|orang|jiwa)\b"
_NUMBER_STAYS = (
    # 2026-11-24, 24/11/2026, 24.11.26, with a time behind it
    rf"{_YEAR}(?P<a>[-./]){_MONTH}(?P=a){_DAY}(?:\s{_TIME})?{_ALONE_RIGHT}",
    rf"{_DAY}(?P<b>[-./]){_MONTH}(?P=b)(?:{_YEAR}|[0-9]{{2}})(?:\s{_TIME})?{_ALONE_RIGHT}",
    # 08.00 - 16.00, 08.30 WITA
    rf"{_TIME}\s?(?:(?:-|s/d|sd|sampai|to)\s?{_TIME}{_ALONE_RIGHT}|(?i:WITA|WIB|WIT|AM|PM)\b)",
    # 15.750.250 rupiah, 1500000 orang; 25.000.000
    rf"{_FAR_LEFT}(?:{_THOUSANDS}|{_UNGROUPED})\s?{_COUNTED}",
    rf"[1-9][0-9]{{0,2}}(?:\.[0-9]{{3}}){{0,3}}\.000(?:,[0-9]{{1,2}})?{_ALONE_RIGHT}",
    # 2026-000123, 20261124/0001, 000123/2026, 2019-2024, 20261124
    rf"{_FAR_LEFT}(?:{_YEAR}|{_COMPACT_DATE})[-/][0-9]{{1,6}}{_ALONE_RIGHT}{_FAR_RIGHT}",
    rf"{_FAR_LEFT}[0-9]{{1,6}}/{_YEAR}{_ALONE_RIGHT}{_FAR_RIGHT}",
    rf"{_FAR_LEFT}{_COMPACT_DATE}{_ALONE_RIGHT}{_FAR_RIGHT}",
)
_OTHERWISE_STAYS = (
    # Rp 1.500.000,00; IDR 150000; $1,500,000.00
    rf"(?:\b(?i:Rp|IDR|USD|SGD|EUR)|\$)\.?\s{{0,2}}(?:{_THOUSANDS}{_ALONE_RIGHT}|{_UNGROUPED}{_ALONE_RIGHT}{_FAR_RIGHT})",
    # pukul 08.30
    rf"\b(?i:jam|pukul|pkl|at)\.?\s{_TIME}{_ALONE_RIGHT}",
    # km 12+500, kode pos 70614
    rf"\b(?i:km)\.?\s?[0-9]{{1,3}}[+.,][0-9]{{1,3}}{_ALONE_RIGHT}",
    rf"\b(?i:kode\s?pos|postcode|zip)[\s:]{{0,2}}[0-9]{{5}}{_ALONE_RIGHT}",
    # -3.442356, 114.830112
    r"(?<![0-9.])[-+]?[0-9]{1,3}\.[0-9]{4,15}\s?[,;]\s?[-+]?[0-9]{1,3}\.[0-9]{4,15}(?![0-9.])",
)
_STAYS = re.compile(
    rf"(?=[0-9]){_ALONE_LEFT}(?:{'|'.join(_NUMBER_STAYS)})|(?=[-+$0-9RrIiUuSsEeJjPpAaKkZz])(?:{'|'.join(_OTHERWISE_STAYS)})"
)
