"""The act of filing: check, seal, store and announce a complaint in one commit, or answer as before."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

from uuid_utils.compat import uuid7

from amanah_chassis.batch import Transaction
from amanah_chassis.chassis import Chassis
from amanah_chassis.problems import Problem
from amanah_contracts.intake import ComplaintSubmitted
from amanah_contracts.vocabulary import Channel, Visibility
from amanah_intake import metrics, store
from amanah_intake.domain import tracking
from amanah_intake.domain.form import Form, faults, unentitled
from amanah_intake.pack import IntakePack
from amanah_intake.together import Together
from amanah_intake.vault import ANSWER, IDENTITY, NARRATIVE, Vault

_FINGERPRINT_LENGTH = 64
_TRIES = 5
READ_AT_ONCE = 2
"""Contacts. The notifier asks for one with each mail, after an outage for thousands; citizens wait for their 201."""


@dataclass(frozen=True)
class Intake:
    """What intake's code needs besides the chassis."""

    vault: Vault
    pack: IntakePack
    reading: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, READ_AT_ONCE))
    """Held while a contact is read: of the connections to the database, filings must always find some."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who files: `trusted` callers hold the service token. A key of one kind of caller is not the other's."""

    trusted: bool
    idempotency_key: str

    def scoped_key(self) -> bytes:
        return f"{'service' if self.trusted else 'public'}:{self.idempotency_key}".encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of a 201, byte for byte the same each time; `repeated` when it was given before."""

    body: bytes
    repeated: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """An accepted form on its way into a commit."""

    form: Form
    caller: Caller
    traceparent: str | None


Outcome = Answer | Problem | None
"""None: file again."""


class Desk:
    """Where filings over HTTP come in: those that arrive while others are being committed share the next commit."""

    def __init__(self, intake: Intake, chassis: Chassis) -> None:
        self._intake = intake
        self._commit: Together[Asked, Answer | None] = Together(partial(_file_together, intake, chassis))

    async def file(self, form: Form, caller: Caller, traceparent: str | None) -> Answer:
        """As `file`."""
        return await _insist(self._intake, form, caller, traceparent, self._commit)


async def file(intake: Intake, chassis: Chassis, form: Form, caller: Caller, traceparent: str | None) -> Answer:
    """One filing by itself. Answers only after COMMIT. Raises Problem: 403 or 422 naming the fields, 410 when the complaint
    was erased."""

    async def alone(asked: Asked) -> Answer | None:
        [outcome] = await _file_together(intake, chassis, [asked])
        if isinstance(outcome, Problem):
            raise outcome
        return outcome

    return await _insist(intake, form, caller, traceparent, alone)


async def _insist(
    intake: Intake,
    form: Form,
    caller: Caller,
    traceparent: str | None,
    commit: Callable[[Asked], Awaitable[Answer | None]],
) -> Answer:
    asked = Asked(accepted(intake, form, caller.trusted), caller, traceparent)
    for _ in range(_TRIES):
        answer = await commit(asked)
        if answer is not None:
            (metrics.REPEATED if answer.repeated else metrics.ACCEPTED.labels(asked.form.channel.value)).inc()
            return answer
    raise Problem(
        503, "unavailable", "Send the request again with the same Idempotency-Key.", headers={"Retry-After": "1"}
    )


def accepted(intake: Intake, form: Form, trusted: bool) -> Form:
    """The form as it will be kept. Raises Problem for what is wrong with it as a whole."""
    if not trusted and (forbidden := unentitled(form)):
        raise _problem(403, "not_entitled", forbidden)
    if trusted and form.channel is Channel.IMPORT:
        form = form.masked()
    if wrong := faults(form, trusted, intake.pack.categories):
        raise _problem(422, "invalid_request", wrong)
    return form


async def _file_together(intake: Intake, chassis: Chassis, asked: Sequence[Asked]) -> list[Outcome]:
    """One commit for all; each has an outcome of its own."""
    try:
        async with chassis.transaction() as tx:
            return await _file_all(intake, tx, asked)
    except store.TrackingCodeTaken:
        return [None] * len(asked)


async def _file_all(intake: Intake, tx: Transaction, asked: Sequence[Asked]) -> list[Outcome]:
    drafts = [_draft(intake, one, tx.now) for one in asked]
    filed = await store.file(tx.db, [draft.filing for draft in drafts if isinstance(draft, _Draft)])
    outcomes: list[Outcome] = []
    for one, draft in zip(asked, drafts, strict=True):
        if isinstance(draft, Problem):
            outcomes.append(draft)
        elif draft.filing.complaint_id in filed:
            tx.emit(_submitted(draft.filing), one.traceparent)
            outcomes.append(Answer(draft.body, repeated=False))
        else:
            outcomes.append(await _as_before(intake.vault, tx, draft.filing.key_digest, one.form))
    return outcomes


class _Draft(NamedTuple):
    """A filing and the body of its 201, should its key be free."""

    filing: store.Filing
    body: bytes


def _draft(intake: Intake, asked: Asked, now: datetime) -> _Draft | Problem:
    form = asked.form
    if form.occurred_at is not None and form.occurred_at > now:
        return _problem(422, "invalid_request", [("occurred_at", "lies in the future")])
    complaint_id, code, secret = uuid7(), tracking.new_code(intake.pack.tracking_prefix), tracking.new_secret()
    body = _body(complaint_id, code, secret, now)
    filing = store.Filing(
        complaint_id=complaint_id,
        key_digest=intake.vault.digest(asked.caller.scoped_key()),
        tracking_code=code,
        tracking_hash=tracking.hashed(secret),
        occurred_at=form.occurred_at or now,
        submitted_at=now,
        form=form,
        sealed=_sealed(intake.vault, complaint_id, form, body),
    )
    return _Draft(filing, body)


async def _as_before(vault: Vault, tx: Transaction, key_digest: bytes, form: Form) -> Outcome:
    """None when the key was taken and then forgotten under our eyes."""
    memory = await store.remembered(tx.db, key_digest)
    if memory is None:
        return None
    if memory.wrapped_key is None:
        return Problem(410, "complaint_erased", "This complaint's personal data, and with it this answer, was erased.")
    key = vault.unwrap(memory.complaint_id, memory.wrapped_key)
    known = key.open(ANSWER, memory.sealed_answer)
    if known[:_FINGERPRINT_LENGTH] != form.fingerprint().encode():
        return Problem(
            422,
            "idempotency_key_reused",
            "This Idempotency-Key was used for another body. Send a new complaint with a new key.",
            [{"field": "Idempotency-Key", "reason": "used for another body"}],
        )
    return Answer(known[_FINGERPRINT_LENGTH:], repeated=True)


def _body(complaint_id: UUID, code: str, secret: str, now: datetime) -> bytes:
    return json.dumps(
        {
            "complaint_id": str(complaint_id),
            "tracking_code": code,
            "tracking_secret": secret,
            "submitted_at": now.isoformat(),
            "status": "submitted",
        }
    ).encode()


def _sealed(vault: Vault, complaint_id: UUID, form: Form, body: bytes) -> store.Sealed:
    key, wrapped = vault.new_key(complaint_id)
    has_identity = form.identity is not None and not form.identity.is_empty()
    return store.Sealed(
        wrapped_key=wrapped,
        identity=key.seal(IDENTITY, form.identity.model_dump_json(exclude_none=True).encode())
        if form.identity and has_identity
        else None,
        narrative=key.seal(NARRATIVE, form.narrative.encode()),
        # With the body goes the fingerprint of what was asked, sealed too: a narrative could be guessed from its hash.
        answer=key.seal(ANSWER, form.fingerprint().encode() + body),
    )


def _submitted(filing: store.Filing) -> ComplaintSubmitted:
    form = filing.form
    return ComplaintSubmitted(
        complaint_id=filing.complaint_id,
        occurred_at=filing.occurred_at,
        received_at=filing.submitted_at,
        tracking_code=filing.tracking_code,
        channel=form.channel,
        category=form.category,
        classification=form.classification,
        region=form.region,
        agency_named=form.agency_named,
        visibility=form.visibility,
        narrative=form.published_narrative(),
        source_ref=form.source_ref,
        given_due_at=form.given_due_at,
        contactable=form.contact is not None and form.visibility is not Visibility.WHISTLE_BLOWER,
    )


def _problem(status: int, kind: str, wrong: list[tuple[str, str]]) -> Problem:
    fields = ", ".join(dict.fromkeys(field for field, _ in wrong))
    errors = [{"field": field, "reason": reason} for field, reason in wrong]
    return Problem(status, kind, f"Not accepted: {fields}. See `errors` for each reason.", errors)
