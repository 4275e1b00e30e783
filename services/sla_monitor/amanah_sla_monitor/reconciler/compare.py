"""A case as recounted against what was said of it. Pure: stored values in, differences out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from amanah_sla_monitor.reconciler.casefile import Key, Recounted, recount_case
from amanah_sla_monitor.reconciler.law import Law


class Reason(StrEnum):
    NOT_SAID = "breach_not_said"
    IN_ERROR = "breach_said_in_error"
    OTHERWISE = "breach_said_otherwise"
    NO_RULE = "no_rule"
    NOT_RECOUNTED = "not_recounted"


class Gap(NamedTuple):
    """One difference."""

    reason: Reason
    detail: str
    stage: str | None = None
    holder: int | None = None
    rule: str | None = None
    rule_version: str | None = None
    recounted_due_at: datetime | None = None
    said_due_at: datetime | None = None


def gaps(
    law: Law,
    facts: Sequence[Mapping[str, Any]],
    clocks: Iterable[Mapping[str, Any]],
    said: Iterable[Mapping[str, Any]],
    until: datetime,
) -> list[Gap]:
    """What differs for deadlines due up to `until`. `clocks` are the monitor's stored rows, asked only by which version of
    the law each was counted; `said` are the breaches that stand."""
    recounted = recount_case(law, facts, until)
    if not recounted:
        return [_no_rule()] if _received_by(facts, until) else []
    stored = {(row["stage"], row["holder"]): row for row in clocks}
    breaches = _breaches(said, until)
    found = []
    for key in sorted(recounted.keys() | breaches.keys()):
        if key in stored and not _ours(law, stored[key]):
            continue
        if gap := _difference(key, recounted.get(key), breaches.get(key, [])):
            found.append(gap)
    return found


def not_recounted(error: Exception) -> Gap:
    """A case that cannot be counted again is watched by one pair of eyes only. The error's text might quote the case."""
    return Gap(Reason.NOT_RECOUNTED, f"This case could not be counted again ({type(error).__name__}).")


def _difference(key: Key, clock: Recounted | None, said: Sequence[datetime]) -> Gap | None:
    due = clock.due_at if clock and clock.state == "breached" else None
    if (due is None and not said) or said == [due]:
        return None
    if due is None:
        how = f"is {clock.state}, due {clock.due_at}" if clock else "does not exist"
        reason, detail = Reason.IN_ERROR, f"A breach of {said[0]} was said; recounted, this deadline {how}."
    elif not said:
        reason, detail = Reason.NOT_SAID, f"The deadline passed unmet at {due}, and no breach was said."
    else:
        instants = ", ".join(str(instant) for instant in said)
        reason, detail = Reason.OTHERWISE, f"Recounted, the deadline passed unmet at {due}; said was {instants}."
    return Gap(
        reason,
        detail,
        stage=key[0],
        holder=key[1],
        rule=clock.rule if clock else None,
        rule_version=clock.rule_version if clock else None,
        recounted_due_at=due,
        said_due_at=next((instant for instant in said if instant != due), None),
    )


def _breaches(said: Iterable[Mapping[str, Any]], until: datetime) -> dict[Key, list[datetime]]:
    """By clock, in order. A second breach of one clock is a difference in itself."""
    found: dict[Key, list[datetime]] = {}
    for row in said:
        due = datetime.fromisoformat(row["due_at"])
        if due <= until:
            found.setdefault((row["stage"], row["holder"]), []).append(due)
    return {key: sorted(instants) for key, instants in found.items()}


def _ours(law: Law, row: Mapping[str, Any]) -> bool:
    """Whether a clock was counted by law that the pack still holds: a finished one keeps older versions for ever."""
    if all((rule.id, rule.version) != (row["rule"], row["rule_version"]) for rule in law.rules):
        return False
    return row["calendar"] is None or row["calendar"] in {office.label for office in law.offices.values()}


def _received_by(facts: Sequence[Mapping[str, Any]], until: datetime) -> bool:
    return any(
        fact["kind"] == "complaint.submitted" and datetime.fromisoformat(fact["received_at"]) <= until for fact in facts
    )


def _no_rule() -> Gap:
    return Gap(Reason.NO_RULE, "No rule of the pack that is in force covers this complaint: no deadline protects it.")
