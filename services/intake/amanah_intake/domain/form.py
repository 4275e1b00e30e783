"""The form of a complaint, as filed. Pure: what is wrong with it is known without asking anyone."""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from amanah_chassis.masking import Kind, find, mask
from amanah_contracts.vocabulary import Channel, RegionCode, Visibility

NARRATIVE_LIMIT = 8000
OPEN_FIELDS = {"category": 120, "classification": 60, "agency_named": 63}
"""What travels as it was filed, and how long each may be."""
_MAY_BE_IN_REGION = frozenset({Kind.ACCOUNT, Kind.PHONE})
# Wide, for imported logs write 1900 or 9998 where they know no date; a month short of what a datetime holds, so that
# whoever counts from it or shows it in another zone does not fall off the end.
_EARLIEST, _LATEST = datetime(1, 2, 1, tzinfo=UTC), datetime(9999, 12, 1, tzinfo=UTC)
_FORBIDDEN = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
# C1 controls too, and what turns the direction of the text behind it: one field would rewrite its neighbours on a screen.
_FORBIDDEN_IN_LINE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}")
_PAGE_END = re.compile(r"[\x0b\x0c]")
_SPACE = re.compile(r"\r\n|\s")


def _printable(text: str) -> str:
    """With the line and page ends that word processors leave behind as plain ones."""
    if _FORBIDDEN.search(text):
        raise ValueError("holds a control character")
    return _PAGE_END.sub("\n", text)


def _one_line(text: str) -> str:
    """With every line end, tab and no-break space as a plain space."""
    if _FORBIDDEN_IN_LINE.search(text):
        raise ValueError("holds a control character")
    return _SPACE.sub(" ", text)


def _visible(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds an invisible character")
    return text


def _in_reach(instant: datetime) -> datetime:
    if not _EARLIEST <= instant < _LATEST:
        raise ValueError("must lie between the years 1 and 9999")
    return instant


def _written_out(instant: object) -> object:
    """Refuses numbers, also as text such as 20261125: they would be read as seconds since 1970."""
    if isinstance(instant, datetime) or (isinstance(instant, str) and _DATED.match(instant)):
        return instant
    raise ValueError("write it like 2026-11-25T08:00:00+08:00")


def _line(limit: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=limit)


ONE_LINE = AfterValidator(_one_line)
Address = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_printable)]
Email = Annotated[
    str,
    StringConstraints(max_length=254, pattern=r"^[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\[\]\\]{3,189}$"),
    AfterValidator(_visible),
]
Instant = Annotated[AwareDatetime, AfterValidator(_in_reach), BeforeValidator(_written_out)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Identity(_Form):
    """Who files. Everything is optional; everything is sealed."""

    name: Annotated[str, _line(200), ONE_LINE] | None = None
    nik: Annotated[str | None, Field(pattern=r"^[0-9]{16}$")] = None
    phone: Annotated[str | None, Field(pattern=r"^\+?[0-9 ().-]{6,30}$")] = None
    email: Email | None = None
    address: Address | None = None

    def is_empty(self) -> bool:
        return not self.model_dump(exclude_none=True)


class Form(_Form):
    """One complaint."""

    category: Annotated[str, _line(OPEN_FIELDS["category"]), ONE_LINE]
    narrative: Annotated[
        str, StringConstraints(min_length=1, max_length=NARRATIVE_LIMIT, pattern=r"\S"), AfterValidator(_printable)
    ]
    classification: Annotated[str, _line(OPEN_FIELDS["classification"]), ONE_LINE] | None = None
    region: RegionCode | None = None
    agency_named: Annotated[str, _line(OPEN_FIELDS["agency_named"]), ONE_LINE] | None = None
    visibility: Visibility = Visibility.OPEN
    channel: Channel = Channel.API
    source_ref: Annotated[str, _line(120), ONE_LINE] | None = None
    given_due_at: Instant | None = None
    occurred_at: Instant | None = None
    identity: Identity | None = None
    language: Literal["id", "en"] = "id"

    def fingerprint(self) -> str:
        """Two forms that say the same have the same, however their JSON was spelled."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def published_narrative(self) -> str | None:
        """What may travel: masked, and of a whistle-blower nothing."""
        if self.visibility is Visibility.WHISTLE_BLOWER:
            return None
        return mask(self.narrative)[:NARRATIVE_LIMIT]  # a mask may be longer than what it hides

    def masked(self) -> "Form":
        """For an import, whose author nobody can ask: what travels beside the narrative is masked, not refused."""
        hidden = {name: mask(text)[:limit] for name, limit in OPEN_FIELDS.items() if (text := getattr(self, name))}
        return self.model_copy(update=hidden)

    @property
    def contact(self) -> str | None:
        """Where the citizen may be written to."""
        return self.identity.email if self.identity else None


Fault = tuple[str, str]
"""A field and what is wrong with it."""


def faults(form: Form, trusted: bool, categories: frozenset[str] | None) -> list[Fault]:
    """What no single field can know. `trusted`: the caller holds the service token, and answers for what it imports."""
    return [*_private(form, trusted), *_unknown_category(form, categories)]


def unentitled(form: Form) -> list[Fault]:
    """What only a caller with the service token may say."""
    needs = "only with the service token: "
    found: list[Fault] = []
    if form.channel in (Channel.COUNTER, Channel.IMPORT):
        found.append(("channel", f"{needs}a complaint typed in or imported for someone else"))
    if form.given_due_at is not None:
        found.append(("given_due_at", f"{needs}a deadline promised by another system"))
    if form.occurred_at is not None:
        found.append(("occurred_at", f"{needs}an earlier time of filing"))
    return found


def _private(form: Form, trusted: bool) -> Iterator[Fault]:
    if form.visibility is Visibility.WHISTLE_BLOWER and form.identity is not None:
        yield (
            "identity",
            "a whistle-blower's report carries no identity: leave the field out, and follow the report by its tracking"
            " secret, or choose another visibility",
        )
    # These travel unmasked, so they may hold no personal number. An imported case number may look like any number.
    open_fields = {name: frozenset[Kind]() for name in OPEN_FIELDS} | {"region": _MAY_BE_IN_REGION}
    if not trusted:
        open_fields["source_ref"] = frozenset({Kind.ACCOUNT})
    for name, allowed in open_fields.items():
        text = getattr(form, name)
        if text and any(span.kind not in allowed for span in find(text)):
            yield name, "holds what looks like a personal number or address; such things belong in `identity`"


def _unknown_category(form: Form, categories: frozenset[str] | None) -> Iterator[Fault]:
    if categories is not None and form.category not in categories:
        yield "category", "not a category of this home; see its list"
