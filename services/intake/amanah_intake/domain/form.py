"""The form of a complaint, as filed. Pure: what is wrong with it is known without asking anyone."""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from amanah_contracts.vocabulary import Channel, RegionCode, Visibility
from amanah_intake.domain.masking import Kind, find, mask

NARRATIVE_LIMIT = 8000
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _printable(text: str) -> str:
    if _FORBIDDEN.search(text):
        raise ValueError("holds a control character")
    return text


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds a line end or a control character")
    return text


def _in_reach(instant: datetime) -> datetime:
    if not _EARLIEST <= instant < _LATEST:
        raise ValueError("must lie between 1970 and 2199")
    return instant


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_one_line)]
Instant = Annotated[AwareDatetime, AfterValidator(_in_reach)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Identity(_Form):
    """Who files. Everything is optional; everything is sealed."""

    name: Annotated[Line | None, Field(max_length=200)] = None
    nik: Annotated[str | None, Field(pattern=r"^[0-9]{16}$")] = None
    phone: Annotated[str | None, Field(pattern=r"^\+?[0-9 ().-]{6,30}$")] = None
    email: Annotated[
        str | None, Field(max_length=254, pattern=r"^[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\[\]\\]{3,189}$")
    ] = None
    address: Annotated[str | None, StringConstraints(min_length=1, max_length=500), AfterValidator(_printable)] = None

    def is_empty(self) -> bool:
        return not self.model_dump(exclude_none=True)


class Form(_Form):
    """One complaint."""

    category: Annotated[Line, Field(max_length=120)]
    narrative: Annotated[
        str, StringConstraints(min_length=1, max_length=NARRATIVE_LIMIT, pattern=r"\S"), AfterValidator(_printable)
    ]
    classification: Annotated[Line | None, Field(max_length=60)] = None
    region: RegionCode | None = None
    agency_named: Annotated[Line | None, Field(max_length=63)] = None
    visibility: Visibility = Visibility.OPEN
    channel: Channel = Channel.API
    source_ref: Annotated[Line | None, Field(max_length=120)] = None
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
    open_fields = {"category": form.category, "classification": form.classification, "agency_named": form.agency_named}
    for name, text in open_fields.items():
        if text and find(text):
            yield name, "holds what looks like a personal number or address; such things belong in `identity`"
    numbers = {"region": form.region, "source_ref": None if trusted else form.source_ref}
    for name, text in numbers.items():
        allowed = {Kind.ACCOUNT, Kind.PHONE} if name == "region" else {Kind.ACCOUNT}
        if text and any(span.kind not in allowed for span in find(text)):
            yield name, "holds what looks like a personal number or address; such things belong in `identity`"


def _unknown_category(form: Form, categories: frozenset[str] | None) -> Iterator[Fault]:
    if categories is not None and form.category not in categories:
        yield "category", "not a category of this home; see its list"
