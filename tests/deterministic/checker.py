"""The promises of the design, asked of what is left when nothing moves any more. Pure: evidence in, anomalies out.

It knows no handler, no domain and no store. Whom to tell is read from the pack's file anew; what was due is recounted by
`reconciler/`, which shares no line with the engine, from the events on the topics and not from the monitor's own rows.
"""

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

import yaml
from tests.deterministic.evidence import OWNERS, Evidence, Said, complaint_ids
from tests.deterministic.postgres import SERVICES
from tests.deterministic.process import TABLES

from amanah_sla_monitor.reconciler import law as laws
from amanah_sla_monitor.reconciler.compare import gaps


class Anomaly(NamedTuple):
    """A promise that was not kept, by a name that does not change, and where."""

    promise: str
    name: str
    detail: str


Found = Iterator[Anomaly]
_A_MILLISECOND = timedelta(milliseconds=1)
"""The broker's stamp has no finer hand."""


def check(seen: Evidence) -> list[Anomaly]:
    return [anomaly for promise in PROMISES for anomaly in promise(seen)]


# -- G1, G2: filed once, and everywhere ------------------------------------------------------------------------------------


def complaints(seen: Evidence) -> Found:
    rows = {row["id"] for row in seen.tables["intake.intake_complaint"]}
    announced = Counter(said.subject for said in seen.of("complaint.submitted"))
    acked = set()
    for filed in seen.filed:
        ids = {str(one) for one in complaint_ids(filed)}
        acked |= ids
        if len(ids) > 1:
            yield Anomaly("G2", "double-accept", f"{filed.key} gave {len(ids)} complaints")
        if len(set(filed.answers)) > 1:
            yield Anomaly("G2", "other-answer", f"{filed.key} was answered in {len(set(filed.answers))} ways")
        if b"refused" in filed.answers:
            yield Anomaly("G2", "refused", f"{filed.key} is a sound form and was refused")
    for lost in sorted(acked - rows):
        yield Anomaly("G1", "lost-write", f"{lost} was acknowledged and is not in intake")
    for lost in sorted(rows - announced.keys()):
        yield Anomaly("G1", "never-announced", f"{lost} is in intake and never came to Kafka")
    for phantom in sorted(announced.keys() - rows):
        yield Anomaly("G2", "phantom", f"{phantom} was announced and is not in intake")
    for twice in sorted(one for one, count in announced.items() if count > 1):
        yield Anomaly("G2", "announced-twice", f"{twice} has {announced[twice]} submissions")
    unresolved = sum(1 for filed in seen.filed if filed.unknown and not filed.answers)
    if not len(acked) <= len(rows) <= len(acked) + unresolved:
        yield Anomaly("G2", "double-accept", f"{len(rows)} complaints of {len(acked)} answers, {unresolved} unknown")


def everywhere(seen: Evidence) -> Found:
    """Whatever was announced has reached everybody who is to know of it."""
    submitted = {said.subject for said in seen.of("complaint.submitted")}
    routed: dict[str, int] = {}
    for said in seen.of("complaint.routed"):
        routed[said.subject] = max(said.body["assignment"], routed.get(said.subject, 0))
    known = {
        "routing.complaint": {row["complaint_id"] for row in seen.tables["routing.complaint"]},
        "sla_monitor.casefile": {row["complaint_id"] for row in seen.tables["sla_monitor.casefile"]},
        "notifier.notifier_complaint": {row["id"] for row in seen.tables["notifier.notifier_complaint"]},
    }
    for table, ids in known.items():
        for lost in sorted(submitted - ids):
            yield Anomaly("G1", "not-applied", f"{table} does not know {lost}")
    cases = {row["complaint_id"]: row["assignment"] for row in seen.tables["casework.case"]}
    if cases != routed:
        yield Anomaly("G1", "not-applied", f"cases stand at {cases}, routed was {routed}")
    for row in seen.tables["routing.complaint"]:
        if row["state"] == "routed" and routed.get(row["complaint_id"], 0) != row["assignment"]:
            yield Anomaly("G1", "never-announced", f"assignment {row['assignment']} of {row['complaint_id']}")


def orders(seen: Evidence) -> Found:
    """Each order is carried out once or refused once, and its agency learns which."""
    wanted = Counter((complaint, agency) for complaint, agency, _, _ in seen.orders())
    rows = Counter((row["complaint_id"], row["agency"]) for row in seen.tables["casework.action"])
    answers = Counter((said.subject, said.body["agency"]) for said in seen.facts_on("amanah.cases"))
    for which in sorted(wanted | rows | answers):
        counts = wanted[which], rows[which], answers[which]
        if len(set(counts)) > 1:
            name = "order-lost" if counts[1] < counts[0] or counts[2] < counts[0] else "order-doubled"
            yield Anomaly("G1" if name == "order-lost" else "G2", name, f"given, done, answered: {counts} of {which}")


# -- G3: order -------------------------------------------------------------------------------------------------------------


def order(seen: Evidence) -> Found:
    """What any reader of any topic sees, who drops what it has read before."""
    last: dict[tuple[str, str, str], int] = defaultdict(int)
    known: dict[tuple[str, str, str, int], tuple[str, str]] = {}
    ids: dict[tuple[str, str], int] = {}
    for said in seen.events:
        stream = (said.topic, said.source, said.subject)
        same = known.setdefault((*stream, said.seq), (said.id, json.dumps(said.body)))
        if same != (said.id, json.dumps(said.body)):
            yield Anomaly("G3", "seq-reused", f"{stream} has two events numbered {said.seq}")
        if ids.setdefault((said.topic, said.id), said.seq) != said.seq:
            yield Anomaly("G2", "duplicate", f"{said.stem} {said.id} has two numbers on {said.topic}")
        if said.seq > last[stream] + 1:
            yield Anomaly("G3", "seq-gap", f"{said.seq} follows {last[stream]} in {stream}")
        last[stream] = max(last[stream], said.seq)


def positions(seen: Evidence) -> Found:
    """Whoever reads a topic has come to the end of each stream of it."""
    ends: dict[tuple[str, str], int] = {}
    for said in seen.events:
        if OWNERS.get(said.source) == said.topic:
            ends[said.source, said.subject] = max(said.seq, ends.get((said.source, said.subject), 0))
    for service in SERVICES:
        read = TABLES[service].topics()
        at = {(row["source"], row["subject"]): row["seq"] for row in seen.tables[f"{service}.chassis_position"]}
        for (source, subject), end in ends.items():
            if OWNERS[source] in read and at.get((source, subject), 0) != end:
                stands = at.get((source, subject), 0)
                yield Anomaly("G3", "position", f"{service} stands at {stands} of {end} of {source} about {subject}")


def facts_in_order(seen: Evidence) -> Found:
    """The monitor keeps its facts as they were applied: of each source 1, 2, 3 … but for what is no fact."""
    for row in seen.tables["sla_monitor.casefile"]:
        by_source: dict[str, list[int]] = defaultdict(list)
        for fact in row["facts"]:
            by_source[fact["source"]].append(fact["seq"])
        for source, seqs in by_source.items():
            if seqs != sorted(set(seqs)):
                yield Anomaly("G3", "applied-out-of-order", f"{row['complaint_id']}: {source} as {seqs}")


# -- G4: breaches ----------------------------------------------------------------------------------------------------------


def breaches(seen: Evidence) -> Found:
    """Those said, less those withdrawn, are those that a second count finds."""
    law = laws.read(seen.pack)
    stored: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in seen.tables["sla_monitor.deadline"]:
        stored[row["complaint_id"]].append(row)
    standing = _standing(seen)
    for complaint, facts in _facts(seen).items():
        clocks = stored[complaint] if seen.law_changed else []
        for gap in gaps(law, facts, clocks, standing.get(complaint, ()), seen.now):
            yield Anomaly(
                "G4", gap.reason.value.replace("_", "-"), f"{complaint} {gap.stage}/{gap.holder}: {gap.detail}"
            )


def by_the_law_in_force(seen: Evidence) -> Found:
    """Clocks that run have been told of the last edition."""
    law = laws.read(seen.pack)
    versions = {(rule.id, rule.version) for rule in law.rules}
    labels = {office.label for office in law.offices.values()}
    for row in seen.tables["sla_monitor.deadline"]:
        ours = (row["rule"], row["rule_version"]) in versions and row["calendar"] in labels
        if row["state"] in ("running", "paused") and not ours:
            where = f"{row['complaint_id']} {row['stage']}/{row['holder']}"
            yield Anomaly("G4", "old-law", f"{where} runs by {row['rule']}@{row['rule_version']} {row['calendar']}")


def said_once(seen: Evidence) -> Found:
    """A breach, a warning and a level once for each version of a deadline; a breach again only after it was taken back."""
    clocks: dict[tuple[Any, ...], list[Said]] = defaultdict(list)
    for said in seen.of("deadline.breached", "deadline.breach_withdrawn"):
        clocks[_version(said)].append(said)
    for version, told in clocks.items():
        told.sort(key=lambda said: said.seq)
        for n, said in enumerate(told):
            if (said.stem == "deadline.breached") == bool(n % 2):
                name = "double-breach" if said.stem == "deadline.breached" else "withdrawn-unsaid"
                yield Anomaly("G4", name, f"{version}: {[one.stem for one in told]}")
                break
    withdrawn = Counter(_version(said) for said in seen.of("deadline.breach_withdrawn"))
    levels = Counter(
        (_version(said), said.body.get("level") or said.body.get("threshold"))
        for said in seen.of("deadline.at_risk", "escalation.raised", "escalation.impossible")
    )
    for (version, what), count in levels.items():
        if count > 1 + withdrawn[version]:
            yield Anomaly("G4", "double-mark", f"{version} {what}: {count} times")


def none_early(seen: Evidence) -> Found:
    for stem, field in (
        ("deadline.breached", "breached_at"),
        ("deadline.at_risk", "at_risk_at"),
        ("escalation.raised", "escalated_at"),
        ("escalation.impossible", "escalated_at"),
    ):
        for said in seen.of(stem):
            due = _instant(said.body[field])
            if said.at + _A_MILLISECOND < due or _instant(said.body["detected_at"]) < due:
                yield Anomaly("G4", "early-breach", f"{stem} of {due} was said at {said.at}")


def second_pair_of_eyes(seen: Evidence) -> Found:
    """The running system's own recount finds nothing either."""
    for said in seen.of("oversight.gap"):
        yield Anomaly("G4", "oversight-gap", f"{said.subject} {said.body['reason']}: {said.body['detail']}")


def _facts(seen: Evidence) -> dict[str, list[dict[str, Any]]]:
    """The facts of each complaint as the topics have them; what was taken back never was."""
    withdrawn = {(said.source, said.body["withdraws"]) for said in seen.of("case.action_withdrawn")}
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for stem, said in ((said.stem, said) for said in seen.of(*FACTS)):
        if (said.source, said.body.get("action")) in withdrawn:
            continue
        fact = {name: said.body[name] for name in _FIELDS if said.body.get(name) is not None}
        actor = said.body.get("actor", "agency") if stem.startswith("case.") else said.body.get("decided_by", "system")
        found[said.subject].append(fact | {"kind": stem, "source": said.source, "seq": said.seq, "actor": actor})
    return found


FACTS = (
    "complaint.submitted", "complaint.routed", "case.acknowledged", "case.replied", "case.resolved", "case.declined",
    "case.information_requested", "case.information_received", "case.extended",
)  # fmt: skip
_FIELDS = (
    "occurred_at", "received_at", "channel", "category", "classification", "region", "visibility", "agency", "assignment",
    "given_due_at",
)  # fmt: skip


def _standing(seen: Evidence) -> dict[str, list[dict[str, Any]]]:
    """By complaint, the breaches said and not withdrawn."""
    by_version: dict[tuple[Any, ...], list[Said]] = defaultdict(list)
    for said in seen.of("deadline.breached", "deadline.breach_withdrawn"):
        by_version[_version(said)].append(said)
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for told in by_version.values():
        last = max(told, key=lambda said: said.seq)
        if last.stem == "deadline.breached":
            body = last.body
            found[last.subject].append(
                {"stage": body["stage"], "holder": body["holder"], "due_at": body["breached_at"]}
            )
    return found


def _version(said: Said) -> tuple[Any, ...]:
    return (said.subject, said.body["stage"], said.body["holder"], said.body["deadline_version"])


def _instant(value: str) -> datetime:
    return datetime.fromisoformat(value)


# -- G6: told --------------------------------------------------------------------------------------------------------------


def told(seen: Evidence) -> Found:
    """One notice for each recipient entitled and each thing to tell, and none beside."""
    expected: Counter[tuple[str, str, str]] = Counter()
    for complaint, stem, recipient in _entitled(seen):
        expected[complaint, stem, recipient] += 1
    found = Counter(
        (row["complaint_id"], row["stem"], row["recipient"])
        for row in seen.tables["notifier.notifier_delivery"]
        if row["stem"] != _WITHDRAWAL
    )
    for which in sorted(expected | found):
        if found[which] != expected[which]:
            name = "missed-notification" if found[which] < expected[which] else "double-notification"
            if not expected[which]:
                name = "wrong-recipient"
            yield Anomaly("G6", name, f"{which}: {found[which]} instead of {expected[which]}")


def stable_ids(seen: Evidence) -> Found:
    """The id of a notice follows from what it tells, and from nothing else: so it comes out the same at any replay."""
    for row in seen.tables["notifier.notifier_delivery"]:
        what = (row["complaint_id"], row["stem"], row["occasion"], row["recipient"], row["channel"])
        if row["id"] != str(uuid5(_NOTICES, "|".join(what))):
            yield Anomaly("G6", "unstable-id", f"{row['id']} of {what}")


_NOTICES = uuid5(NAMESPACE_URL, "urn:amanah:notice")


def delivered(seen: Evidence) -> Found:
    """What the queue says was sent was received, under that id, by that recipient; and what was not due later was sent."""
    got: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for sent in seen.sent:
        got[str(sent.notice)].add((sent.recipient, sent.address))
    rows = {row["id"]: row for row in seen.tables["notifier.notifier_delivery"]}
    for notice in sorted(got.keys() - rows.keys()):
        yield Anomaly("G6", "wrong-recipient", f"{notice} was sent and is in no queue")
    emails = {str(one): filed.form.contact for filed in seen.filed for one in complaint_ids(filed)}
    for notice, row in rows.items():
        if row["state"] == "sent" and len(got[notice]) != 1:
            yield Anomaly("G6", "missed-notification", f"{notice} to {row['recipient']} is sent, but not received")
        if row["state"] == "pending" and not row["attempts"]:
            yield Anomaly("G6", "missed-notification", f"{notice} to {row['recipient']} was never tried")
        if row["state"] in ("failed", "not_wanted"):
            yield Anomaly("G6", "missed-notification", f"{notice} to {row['recipient']} ended as {row['state']}")
        for recipient, address in got[notice]:
            mine = row["complaint_id"] in emails and address != emails[row["complaint_id"]]
            if recipient != row["recipient"] or (recipient == "citizen" and mine):
                yield Anomaly("G6", "wrong-recipient", f"{notice} to {row['recipient']} went to {recipient}")


def corrected(seen: Evidence) -> Found:
    """Whoever was told of a breach that was taken back was told of that too; nobody else was."""
    breached: dict[tuple[str, str], set[str]] = defaultdict(set)
    received = {str(sent.notice) for sent in seen.sent}
    rows = seen.tables["notifier.notifier_delivery"]
    for row in rows:
        if row["stem"] in _OF_BREACH:
            breached[row["complaint_id"], row["stage"]].add(row["recipient"])
    for row in rows:
        if row["stem"] == _WITHDRAWAL and row["recipient"] not in breached[row["complaint_id"], row["stage"]]:
            yield Anomaly("G6", "wrong-recipient", f"{row['recipient']} was never told of what {row['id']} takes back")
    corrections = Counter(
        (row["complaint_id"], row["stage"], row["holder"], row["recipient"])
        for row in rows
        if row["stem"] == _WITHDRAWAL
    )
    untrue = Counter(
        (row["complaint_id"], row["stage"], row["holder"], row["recipient"])
        for row in rows
        if row["stem"] == "deadline.breached" and row["untrue"] and row["id"] in received
    )
    for which, count in untrue.items():
        cancelled = which[0], which[1], which[2]
        if corrections[which] < count and cancelled not in _cancelled(seen):
            yield Anomaly(
                "G6", "not-corrected", f"{which} was told {count} times, corrected {corrections[which]} times"
            )


def _cancelled(seen: Evidence) -> set[tuple[str, str, int]]:
    """Clocks whose notices a cancellation made needless: those are untrue without a correction."""
    return {(said.subject, said.body["stage"], said.body["holder"]) for said in seen.of("deadline.cancelled")}


_WITHDRAWAL = "deadline.breach_withdrawn"
_OF_BREACH = frozenset({"deadline.breached", "escalation.raised", "escalation.impossible"})


def _entitled(seen: Evidence) -> Iterator[tuple[str, str, str]]:
    """From the words at the head of `recipients.yaml`, not from the notifier's code."""
    plan = yaml.safe_load((seen.pack / "recipients.yaml").read_text())["notices"]
    filed = {said.subject: said.body for said in seen.of("complaint.submitted")}
    for stem, lines in plan.items():
        for said in seen.of(stem) if stem != _WITHDRAWAL else ():
            for line in lines:
                if recipient := _recipient(line["to"], said.body, filed[said.subject]):
                    yield said.subject, stem, recipient


def _recipient(to: str, event: Mapping[str, Any], filed: Mapping[str, Any]) -> str | None:
    office, agency = event.get("office"), event.get("agency")
    if to == "ombudsman":
        return to if office in (None, "ombudsman") else None
    if filed.get("visibility") == "whistle_blower":
        return None
    if to == "citizen":
        return to if filed.get("contactable", True) else None
    if to == "office":
        return f"office:{office}/{event['role']}" if office not in (None, "ombudsman") else None
    return f"{to}:{agency}" if agency else None


# -- G8: private -----------------------------------------------------------------------------------------------------------


def private(seen: Evidence) -> Found:
    """No personal datum on a topic, in a log line, or set aside. What an agency writes stays on its own topic."""
    places = {
        "a topic": b"\n".join(
            part
            for record in seen.records
            if not record.topic.endswith(".replies")
            for part in (record.key or b"", record.value or b"", *(value or b"" for _, value in record.headers))
        ),
        "a log": "\n".join(seen.logs).encode(),
    }
    kept = [
        row["value"]
        for service in SERVICES
        for table in ("chassis_parked", "chassis_dead_letter")
        for row in seen.tables[f"{service}.{table}"]
        if row["value"] and not row["topic"].endswith(".replies")
    ]
    places["set aside"] = b"\n".join(bytes.fromhex(value.removeprefix("\\x")) for value in kept)
    for where, text in places.items():
        for canary in seen.canaries:
            word = canary.text.encode()
            if word in text or base64.b64encode(word) in text:
                yield Anomaly("G8", "pii-leak", f"{canary.text!r} in {where}")


# -- G9: at rest -----------------------------------------------------------------------------------------------------------


def at_rest(seen: Evidence) -> Found:
    """Nothing waits; dead is what cannot be read, and nothing else."""
    for service in SERVICES:
        if parked := seen.tables[f"{service}.chassis_parked"]:
            waits = Counter((row["topic"], row["waiting_for"]) for row in parked)
            yield Anomaly("G9", "parked", f"{service}: {dict(waits)}")
        if unsent := seen.tables[f"{service}.unsent"]:
            yield Anomaly("G9", "unsent", f"{service}: {len(unsent)} rows")
        dead = {
            (row["topic"], row["partition"], row["offset"])
            for row in seen.tables[f"{service}.chassis_dead_letter"]
            if row["replayed_at"] is None
        }
        expected = set(seen.poison) if service == "casework" else set()
        for place in sorted(dead ^ expected):
            name = "dead-letter" if place in dead else "dead-letter-lost"
            yield Anomaly("G9", name, f"{service}: {place}")


PROMISES: tuple[Callable[[Evidence], Found], ...] = (
    complaints, everywhere, orders, order, positions, facts_in_order, breaches, by_the_law_in_force, said_once, none_early,
    second_pair_of_eyes, told, stable_ids, delivered, corrected, private, at_rest,
)  # fmt: skip
