"""A home small enough to know by heart: five agencies, five rules, and a few editions of its law that differ in what moves
dates.

Hours of rules are few and days are short in number, so that a walk of fifty steps meets deadlines, warnings, pauses and
levels.
"""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

START = datetime(2026, 3, 2, 0, 30, tzinfo=UTC)
"""A Monday, an hour after the offices of the home have opened."""

AGENCIES = ("roads", "water", "board", "lonely", "inspectorate")
CATEGORIES = {"street": "roads", "pipe": "water", "forest": "lonely"}
UNROUTED = "unheard-of"
"""A category that no rule routes: a person in triage decides."""

SUPERIORS = {"roads": "board", "water": "board"}
EDITIONS = 4
"""Editions of the law, from 0: the first; a holiday decreed; a longer term beside it; the holiday taken back."""

_HOLIDAYS: tuple[tuple[date, ...], ...] = ((), (date(2026, 3, 4), date(2026, 3, 9)), (date(2026, 3, 4),), ())
_REPLY_DAYS = (2, 2, 3, 1)


def write(folder: Path) -> list[Path]:
    """Writes one pack for each edition and answers their folders."""
    return [_edition(folder / f"edition-{number}", number) for number in range(EDITIONS)]


def _edition(pack: Path, number: int) -> Path:
    pack.mkdir(parents=True)
    files = {
        "pack": {"name": "home", "zone": "Asia/Makassar", "calendar": "office", "languages": ["en"]},
        "agencies": {"agencies": [_agency(code) for code in AGENCIES]},
        "routing": _routing(),
        "rules": _law(number),
        "calendars": _calendars(number),
        "recipients": RECIPIENTS,
    }
    for name, content in files.items():
        (pack / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return pack


def _agency(code: str) -> dict[str, str]:
    return {"code": code} | ({"superior": SUPERIORS[code]} if code in SUPERIORS else {})


def _routing() -> dict[str, Any]:
    rules: list[dict[str, Any]] = [
        {
            "id": "whistle-blower",
            "when": {"visibility": ["whistle_blower"]},
            "to": "inspectorate",
            "explanation": "A whistle-blower is heard by the inspectorate.",
        },
        {
            "id": "named",
            "when": {"agency_named": ["*"]},
            "to": "named",
            "explanation": "The source named this agency.",
        },
    ]
    rules += [
        {"id": category, "when": {"category": [category]}, "to": agency, "explanation": f"{agency} answers for this."}
        for category, agency in CATEGORIES.items()
    ]
    return {"rules": rules, "tests": [{"given": {"category": "street"}, "expect": "roads"}]}


def _law(number: int) -> dict[str, Any]:
    shared = {"law": "Law of a home of tests", "verified": True}
    days = _REPLY_DAYS[number]
    return {
        "backdating": {"channels": ["counter"], "actors": ["officer"]},
        "roles": {"head": "agency", "chief": "superior", "ombudsman": "ombudsman"},
        "rules": [
            shared
            | {
                "id": "F", "version": "1", "stage": "forwarding", "bound_to": "citizen", "unit": "hour", "length": 6,
                "start": ["complaint.submitted"], "stop": ["complaint.routed"],
            },
            shared
            | {
                "id": "A", "version": "1", "stage": "acknowledgement", "bound_to": "holder", "unit": "hour", "length": 24,
                "start": ["complaint.routed"], "stop": ["case.acknowledged", "case.replied", "case.resolved"],
            },
            shared
            | {
                "id": "R", "version": str(days), "stage": "first_reply", "bound_to": "holder", "unit": "working_day",
                "length": days, "start": ["complaint.routed"], "stop": ["case.replied", "case.resolved"],
                "pause": {
                    "start": ["case.information_requested"],
                    "end": ["case.information_received", "case.replied", "case.resolved"],
                    "budget": 2,
                },
                "extension": {"length": 1, "facts": ["case.extended"]},
                "thresholds": [{"name": "half", "percent": 50}, {"name": "last_day"}],
                "escalations": [
                    {"level": 1, "role": "head", "after": 0},
                    {"level": 2, "role": "chief", "after": 1},
                    {"level": 3, "role": "ombudsman", "after": 2},
                ],
            },
            shared
            | {
                "id": "C", "version": "1", "stage": "resolution", "bound_to": "citizen", "unit": "calendar_day", "length": 4,
                "start": ["complaint.submitted"], "stop": ["case.resolved"],
                "escalations": [{"level": 1, "role": "ombudsman", "after": 1}],
            },
        ],
    }  # fmt: skip


def _calendars(number: int) -> dict[str, Any]:
    days = [{"day": day, "name": "decreed"} for day in _HOLIDAYS[number]]
    return {
        "default": "office",
        "calendars": [
            {
                "id": "office",
                "version": f"2026.{number}",
                "zone": "Asia/Makassar",
                "week": {"mon-fri": ["07:30-16:00"]},
                "holidays": ["home"],
            }
        ],
        "holiday_lists": {"home": {"years": [2026], "source": "tests", "days": days}},
    }


RECIPIENTS: dict[str, Any] = {
    "version": 1,
    "recipients": {
        "agency": {"webhook": "https://sink.invalid/agency/{agency}"},
        "superior": {"email": "superior+{agency}@sink.invalid"},
        "office": {"email": "{role}+{office}@sink.invalid"},
        "ombudsman": {"webhook": "https://sink.invalid/ombudsman"},
        "citizen": {"email": "contact"},
    },
    "notices": {
        "complaint.routed": [{"to": "citizen", "by": "email", "template": "complaint.routed.citizen"}],
        "case.replied": [{"to": "citizen", "by": "email", "template": "case.replied.citizen"}],
        "case.resolved": [{"to": "citizen", "by": "email", "template": "case.resolved.citizen"}],
        "deadline.at_risk": [{"to": "agency", "by": "webhook", "template": "deadline.at_risk.office"}],
        "deadline.breached": [
            {"to": "agency", "by": "webhook", "template": "deadline.breached.office"},
            {"to": "superior", "by": "email", "template": "deadline.breached.office"},
            {"to": "ombudsman", "by": "webhook", "template": "deadline.breached.office"},
            {"to": "citizen", "by": "email", "template": "deadline.breached.citizen"},
        ],
        "deadline.breach_withdrawn": [
            {"to": "agency", "by": "webhook", "template": "deadline.breach_withdrawn.office"},
            {"to": "superior", "by": "email", "template": "deadline.breach_withdrawn.office"},
            {"to": "office", "by": "email", "template": "deadline.breach_withdrawn.office"},
            {"to": "ombudsman", "by": "webhook", "template": "deadline.breach_withdrawn.office"},
            {"to": "citizen", "by": "email", "template": "deadline.breach_withdrawn.citizen"},
        ],
        "escalation.raised": [
            {"to": "office", "by": "email", "template": "escalation.raised.office"},
            {"to": "ombudsman", "by": "webhook", "template": "escalation.raised.office"},
        ],
        "escalation.impossible": [{"to": "ombudsman", "by": "webhook", "template": "escalation.impossible.office"}],
    },
}
