"""Fingerprints: what of a law moves dates, as a short text, so that a change without a new version is noticed.

Words (the law cited, caveats, sources) are no part of it: they may be corrected at any time.
"""

from collections.abc import Iterator
from dataclasses import fields
from hashlib import sha256
from typing import Any

from amanah_sla_monitor.domain.calendars import Calendar, Calendars
from amanah_sla_monitor.domain.law import Law
from amanah_sla_monitor.domain.rules import Rule, Term

Part = tuple[str, str, str]
"""`rule` or `calendar`, its id and its version."""


def parts(law: Law) -> dict[Part, str]:
    """The fingerprint of each rule that keeps clocks and of each calendar."""
    return dict(_parts(law))


def whole(law: Law) -> str:
    """The fingerprint of all of it, also of what has no version: the order of rules, who may backdate, whose calendar is
    whose, who sits where."""
    by_agency = sorted(law.calendars.by_agency.items())
    seats = sorted((role, seat.value) for role, seat in law.offices.seats.items())
    offices = (seats, sorted(law.offices.superiors.items()))
    backdating = (sorted(law.rules.backdating.channels), sorted(law.rules.backdating.actors))
    return _mark([[*_parts(law)], law.calendars.default, by_agency, offices, backdating])


def _parts(law: Law) -> Iterator[tuple[Part, str]]:
    for rules in law.rules.by_stage.values():
        for rule in rules:
            yield ("rule", rule.id, rule.version), of_rule(rule)
    yield from of_calendars(law.calendars)


def of_rule(rule: Rule) -> str:
    applies = rule.applies
    return _mark(
        [
            rule.stage,
            rule.bound.value,
            _term(rule.term),
            rule.valid_from,
            rule.valid_to,
            rule.calendar,
            *(sorted(facts) for facts in (rule.starts, rule.stops, rule.pauses, rule.resumes)),
            (rule.extension.length, sorted(rule.extension.facts)) if rule.extension else None,
            *(sorted(asked) for asked in (applies.classifications, applies.categories, applies.agencies)),
            *(sorted(asked) for asked in (applies.regions, applies.visibilities)),
            [(t.name, t.percent) for t in rule.thresholds],
            [(e.level, e.role, e.after, e.unit.value) for e in rule.escalations],
        ]
    )


def _term(term: Term) -> list[tuple[str, str]]:
    """Only what differs from the defaults, so that a convention of a later release does not change what was there before."""
    given = ((f.name, getattr(term, f.name), f.default) for f in fields(term))
    return [(name, str(value)) for name, value, default in given if value != default]


def of_calendars(calendars: Calendars) -> Iterator[tuple[Part, str]]:
    for calendar in calendars.by_id.values():
        yield ("calendar", calendar.id, calendar.version), of_calendar(calendar)


def of_calendar(calendar: Calendar) -> str:
    return _mark(
        [
            calendar.zone.key,
            sorted(calendar.week.items()),
            sorted((holiday.day, holiday.kind.value) for holiday in calendar.holidays),
            calendar.cuti_bersama_off,
            sorted((override.day, override.hours) for override in calendar.overrides),
            [(season.first, season.last, sorted(season.week.items())) for season in calendar.seasons],
        ]
    )


def _mark(what: Any) -> str:
    return sha256(repr(what).encode()).hexdigest()[:16]
