"""Gathers the evidence of a deployment and judges it."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from amanah.verify import books, history, records
from amanah.verify.checks import CHECKS
from amanah.verify.evidence import Evidence
from amanah.verify.result import Checked, Finding, Result

if TYPE_CHECKING:
    from amanah.embedded.stack import Stack


@dataclass(frozen=True)
class Place:
    """Where a deployment's traces are."""

    kafka: str
    dsns: Mapping[str, str]
    """Each service's database."""
    pack: Path
    sinks: Path | None = None
    """Folder in which the receivers of an embedded stack write down what they received."""
    history: Path | None = None


async def verify_stack(stack: "Stack", history_path: Path | None) -> Result:
    """Verifies a running stack."""
    sinks = stack.data / "sinks"
    place = Place(
        stack.kafka,
        {name: stack.dsn(name) for name in stack.options.services},
        stack.pack,
        sinks if sinks.is_dir() else None,
        history_path,
    )
    return await asyncio.to_thread(verify, place)


def verify(place: Place) -> Result:
    """Reads the databases first and Kafka after them, so that what a database calls sent must be there."""
    told = history.read(place.history) if place.history else None
    kept = books.read(place.dsns)
    found, unreadable = records.read(place.kafka)
    return judge(
        Evidence.of(
            found,
            books=kept,
            history=told,
            unreadable=unreadable,
            told_of_breach=_plan(place.pack),
            received=_received(place.sinks) if place.sinks else None,
        )
    )


def judge(e: Evidence) -> Result:
    """All checks and figures. Pure."""
    result = Result(redelivered=e.redelivered)
    for check in CHECKS:
        checked = Checked(check.__name__, (check.__doc__ or "").partition("\n")[0])
        for said in check(e):
            if isinstance(said, Finding):
                checked.findings.append(said)
            else:
                checked.examined = said
        result.checks.append(checked)
    resolved = {record.subject for record in e.by_type["case.resolved.v1"]}
    result.filed = len({filing.complaint_id for filing in e.history.filings}) if e.history else len(e.submitted)
    result.routed = len({record.subject for record in e.by_type["complaint.routed.v1"]})
    result.met = len(e.by_type["deadline.met.v1"])
    result.open = len(e.submitted.keys() - resolved)
    result.withdrawn = len(e.by_type["deadline.breach_withdrawn.v1"])
    result.notices = len({(record.body or {})["notice_id"] for record in e.by_type["notice.sent.v1"]})
    result.breaches = sorted(
        (_breach(e, record.subject, record.body or {}) for record in e.standing),
        key=lambda breach: (breach["breached_at"], breach["source_id"] or ""),
    )
    return result


def _breach(e: Evidence, complaint: str, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "source_id": e.source_ids.get(complaint) or body.get("source_ref") or complaint,
        "stage": body["stage"],
        "due_at": body.get("due_at") or body["breached_at"],
        "breached_at": body["breached_at"],
    }


def _plan(pack: Path) -> list[str]:
    """Whom the pack's plan has told of a breach, besides the citizen, who is told only where there is an address."""
    file = pack / "recipients.yaml"
    notices = yaml.safe_load(file.read_text()).get("notices", {}) if file.is_file() else {}
    return sorted({entry["to"] for entry in notices.get("deadline.breached", [])} - {"citizen"})


def _received(sinks: Path) -> set[str]:
    found: set[str] = set()
    for name in ("webhooks.jsonl", "mail.jsonl"):
        with suppress(FileNotFoundError):
            for line in (sinks / name).read_text().splitlines():
                found.add(json.loads(line)["notice"])
    return found
