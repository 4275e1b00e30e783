"""Random packs, terms and cases. Everything comes from one `Random`, so a number in a failure makes the same world again."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import yaml

KINDS = ("case.acknowledged", "case.replied", "case.resolved", "case.declined")
ZONES = ("Asia/Makassar", "Asia/Makassar", "Asia/Jakarta", "America/New_York", "UTC")
AGENCIES = ("dinas", "six", "odd")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SPRING = datetime(2026, 3, 2, tzinfo=UTC)


def maybe(chance: Random, part: float = 0.5) -> bool:
    return chance.random() < part


def instant(chance: Random, since: datetime = SPRING, days: int = 60) -> datetime:
    """Mostly at full half hours, so that instants meet closing times, midnights and each other; sometimes to the µs."""
    at = since + HOUR / 2 * chance.randrange(days * 48)
    return at + timedelta(microseconds=chance.randrange(1, 10**9)) if maybe(chance, 0.2) else at


# -- packs ---------------------------------------------------------------------------------------------------------------


def write_pack(folder: Path, rules: list[dict[str, Any]], calendars: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    agencies = [
        {"code": "dinas", "kind": "dinas"},
        {"code": "six", "kind": "rsud", "calendar": "six-day"},
        {"code": "odd", "kind": "badan", "calendar": "odd"},
    ]
    files = {
        "rules": {"backdating": {"channels": ["counter"], "actors": ["officer"]}, "rules": rules},
        "calendars": calendars,
        "pack": {"calendar": "five-day"},
        "agencies": {"agencies": agencies},
    }
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return folder


def calendars(chance: Random) -> dict[str, Any]:
    """A five-day office, a six-day office, and one with noon breaks, decrees, half days and a season of its own."""
    plain = {"version": "1", "zone": chance.choice(ZONES), "holidays": ["some"], "cuti_bersama_off": maybe(chance)}
    days = [date(2026, 3, 2) + timedelta(days=n) for n in range(240)]
    free = sorted(chance.sample(days, chance.randrange(30)))
    decreed = chance.sample(days, 12)
    return {
        "default": "five-day",
        "calendars": [
            plain | {"id": "five-day", "week": {"mon-thu": ["07:30-16:00"], "fri": ["07:30-16:30"]}},
            plain | {"id": "six-day", "week": {"mon-sat": ["08:00-14:00"]}},
            plain
            | {
                "id": "odd",
                "week": {"mon-thu": ["07:30-12:00", "13:00-16:00"], "fri": ["07:30-11:30", "13:30-16:30"]},
                "overrides": [
                    {"day": day, "name": "flood", "decree": f"{n}/2026", **({"hours": hours} if hours else {})}
                    for n, day in enumerate(decreed)
                    for hours in [chance.choice([[], ["07:30-11:00"], ["09:00-12:00", "13:00-15:00"]])]
                ],
                "seasons": [
                    {
                        "name": "Ramadan",
                        "from": date(2026, 3, 10),
                        "to": date(2026, 4, 9),
                        "week": {"mon-thu": ["08:00-15:00"], "fri": ["08:00-15:30"]},
                    }
                ],
            },
        ],
        "holiday_lists": {
            "some": {
                "source": "chance",
                "years": [2026, 2027],
                "days": [
                    {"day": day, "name": "free", "kind": chance.choice(["libur_nasional", "cuti_bersama"])}
                    for day in free
                ],
            }
        },
    }


def rule(chance: Random, name: str, **fixed: Any) -> dict[str, Any]:
    """A rule with any conventions that the words of the law define for its unit."""
    unit = chance.choice(["working_day"] * 4 + ["calendar_day"] * 2 + ["hour", "month"])
    counting: dict[str, Any] = {}
    if unit == "working_day":
        counting = {"cut_off": chance.choice(["closing", "closing", "none", "15:00"])}
        counting["start_day_counts"] = maybe(chance, 0.2)
        counting["due_at"] = chance.choice(["end_of_day", "end_of_day", "close_of_business"])
    if unit in ("calendar_day", "month"):
        counting["roll"] = chance.choice(["none", "next_working_day"])
    entry = {
        "id": name,
        "version": "1",
        "stage": name.replace("-", "_"),
        "bound_to": "citizen",
        "unit": unit,
        "length": chance.randint(1, {"hour": 400, "month": 14}.get(unit, 30)),
        "start": ["complaint.submitted"],
        "stop": ["case.resolved"],
        "counting": counting,
        "law": "chance",
        "verified": False,
    }
    if unit != "month" and maybe(chance, 0.7):
        entry["pause"] = {"start": ["case.declined"], "end": ["case.replied", "case.acknowledged"]}
        if maybe(chance):
            entry["pause"]["budget"] = chance.randrange(8)
    if maybe(chance, 0.3):
        entry["extension"] = {"length": chance.randint(1, 9), "facts": ["case.acknowledged"], "article": "x"}
    if unit != "month" and not counting.get("start_day_counts"):
        percents = chance.sample(range(1, 101), 2)
        entry["thresholds"] = [{"name": f"p{p}", "percent": p} for p in percents] + [{"name": "last_day"}]
    return entry | fixed


def pauses(chance: Random, start: datetime) -> list[tuple[datetime, datetime | None]]:
    """Apart, overlapping, within a day, from before the start, backward; the last one may still last."""
    found: list[tuple[datetime, datetime | None]] = []
    for _ in range(chance.choice([0, 0, 1, 2, 3, 5])):
        begins = instant(chance, start.replace(minute=0, second=0, microsecond=0) - 3 * DAY, 40)
        found.append((begins, begins + HOUR / 2 * chance.choice([0, -4, 1, 9, 48, 96, 480, chance.randrange(900)])))
    if found and maybe(chance, 0.15):
        found[chance.randrange(len(found))] = (found[0][0], None)
    return found


# -- cases ---------------------------------------------------------------------------------------------------------------


def case_rules(chance: Random) -> list[dict[str, Any]]:
    """The stages of a case: some with several rules, of which validity and conditions choose; some that facts pause."""
    split = date(2026, 3, 2) + timedelta(days=chance.randrange(40))
    holder = {"bound_to": "holder", "start": ["complaint.routed"], "stop": ["case.replied", "case.resolved"]}
    answered = {"start": ["case.acknowledged", "case.replied"], "stop": ["case.resolved"]}
    paused = {"pause": {"start": ["case.declined"], "end": ["case.replied", "case.acknowledged"]}}
    condition = chance.choice(
        [
            {"agency_type": ["rsud", "badan"]},
            {"category": ["fire"]},
            {"region": ["63.03"]},
            {"visibility": ["open"]},
            {"agency": ["six"]},
            {"classification": ["x"]},
        ]
    )
    given = {"unit": "given", "start": ["complaint.submitted"], "stop": ["case.resolved"], "bound_to": "citizen"}
    return [
        {"id": "given", "version": "1", "stage": "promise", "law": "chance", "verified": False, **given},
        rule(chance, "forwarding", stop=["complaint.routed"]),
        rule(chance, "reply-old", stage="reply", valid={"to": split}, **holder),
        rule(chance, "reply-urgent", stage="reply", valid={"from": split + DAY}, applies_when=condition, **holder),
        rule(chance, "reply-new", stage="reply", valid={"from": split + DAY}, **holder),
        rule(chance, "response", stop=["case.acknowledged", "case.replied", "case.resolved", "case.declined"]),
        rule(chance, "settlement", **answered),
        rule(chance, "patience", unit="working_day", counting={}, **paused),
        rule(chance, "hold", unit="hour", length=60, counting={}, **paused, **(holder | {"stop": ["case.resolved"]})),
    ]


def case(chance: Random) -> list[dict[str, Any]]:
    """The facts of one complaint: routed up to three times; late, retroactive and premature claims, by anybody."""
    filed = instant(chance, days=20)
    facts = [
        _fact(chance, "complaint.submitted", "intake", 1, filed)
        | {
            "channel": chance.choice(["web", "counter"]),
            "category": chance.choice(["fire", "roads"]),
            "region": chance.choice(["63.03.05", "63.04", None]),
            "visibility": chance.choice(["open", "confidential"]),
            "classification": chance.choice(["x", None]),
            "given_due_at": filed + HOUR * chance.randrange(-9, 500) if maybe(chance) else None,
        }
    ]
    for number in range(1, 1 + chance.choice([0, 1, 1, 1, 2, 3])):
        agency, decided_by = chance.choice(AGENCIES), chance.choice(["system", "triage", "officer"])
        fact = _fact(chance, "complaint.routed", "routing", number, instant(chance, filed, 25))
        facts.append(fact | {"assignment": number, "agency": agency, "actor": decided_by})
    for number in range(1, 1 + chance.choice([0, 1, 2, 3, 4, 6])):
        fact = _fact(chance, chance.choice(KINDS), "casework", number, instant(chance, filed, 50))
        facts.append(
            fact | {"agency": chance.choice(AGENCIES), "actor": chance.choice(["agency", "officer", "citizen"])}
        )
    return [{name: value for name, value in fact.items() if value is not None} for fact in facts]


def _fact(chance: Random, kind: str, source: str, seq: int, received: datetime) -> dict[str, Any]:
    claimed = received + HOUR * chance.choice([0, 0, 0, -1, -30, -200, 5])
    return {"kind": kind, "source": source, "seq": seq, "received_at": received, "occurred_at": claimed}
