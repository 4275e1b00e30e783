"""The engine against the second pair of eyes: two readings of the same files and two ways of counting, 0 differences.

`AMANAH_CASES` says how many of each kind are counted (100000 for the slow tier); `AMANAH_SEED` where they begin. A failure
names the world and the case; `world(number)` makes the same one again.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from tests.property import worlds

from amanah import project
from amanah_sla_monitor.domain.calendars import Calendars
from amanah_sla_monitor.domain.clocks import State, clocks
from amanah_sla_monitor.domain.counting import Pause, due
from amanah_sla_monitor.domain.facts import Fact
from amanah_sla_monitor.domain.rules import Rules
from amanah_sla_monitor.domain.thresholds import threshold
from amanah_sla_monitor.pack import load_calendars, load_rules
from amanah_sla_monitor.reconciler import law as second
from amanah_sla_monitor.reconciler.casefile import recount_case
from amanah_sla_monitor.reconciler.recount import recount

CASES = int(os.environ.get("AMANAH_CASES", "2000"))
SEED = int(os.environ.get("AMANAH_SEED", "0"))
A_WORLD = 50
"""Cases counted under one random pack."""
NEXT_YEAR = datetime(2027, 12, 31, tzinfo=UTC)


class World(NamedTuple):
    """One pack on disk, read by both."""

    number: int
    chance: Random
    pack: Path
    rules: Rules
    calendars: Calendars
    oracle: second.Law


def world(number: int, folder: Path, *, of_cases: bool) -> World:
    chance = Random(f"{SEED} {number} {of_cases}")
    written = worlds.case_rules(chance) if of_cases else [worlds.rule(chance, f"rule-{n}") for n in range(12)]
    pack = worlds.write_pack(folder / str(number), written, worlds.calendars(chance))
    calendars = load_calendars(pack)
    return World(number, chance, pack, load_rules(pack, calendars), calendars, second.read(pack))


def every_world(folder: Path, *, of_cases: bool) -> Iterator[World]:
    for number in range(max(CASES // A_WORLD, 1)):
        yield world(number, folder, of_cases=of_cases)


def test_due_instants_and_warnings(tmp_path: Path) -> None:
    for here in every_world(tmp_path, of_cases=False):
        for n in range(A_WORLD):
            differ = _count_once(here)
            assert not differ, f"world {here.number} (seed {SEED}), case {n}: {differ}"


def _count_once(here: World) -> str:
    chance = here.chance
    name, calendar = f"rule-{chance.randrange(12)}", chance.choice(["five-day", "six-day", "odd"])
    start = worlds.instant(chance)
    rule, office = here.rules.find(name), here.calendars.by_id[calendar]
    assert rule is not None
    pauses = worlds.pauses(chance, start) if here.oracle.rule(name).unit != "month" else []
    extension = rule.extension.length if rule.extension and worlds.maybe(chance) else 0
    spans = [Pause(begins, ends) for begins, ends in pauses]
    told = {
        t.name: threshold(rule.term, office, start, t.percent, pauses=spans, extension=extension)
        for t in rule.thresholds
    }
    instant = due(rule.term, office, start, spans, extension)
    expected, warnings = recount(here.oracle, name, start, calendar, pauses, extension)
    if here.oracle.rule(name).unit == "hour":
        # No counted day has an opening at which it could be said: any moment of office hours before it is due will do.
        is_open = here.oracle.offices[calendar].is_open

        def in_time(at: datetime) -> bool:
            return is_open(at) and start <= at and (expected is None or at < expected)

        warnings = {warning: at if at is None or in_time(at) else None for warning, at in told.items()}
    if (instant, told) == (expected, warnings):
        return ""
    spelt = [(str(begins), str(ends)) for begins, ends in pauses]
    return "\n".join(
        [
            f"{here.oracle.rule(name)} in {calendar} from {start}, pauses {spelt}, +{extension}",
            f"engine: {instant} {[str(at) for at in told.values()]}",
            f"oracle: {expected} {[str(at) for at in warnings.values()]}",
        ]
    )


@pytest.mark.parametrize("name", ["id", "nyc311"])
def test_the_packs_themselves(name: str) -> None:
    """Every rule that counts, in every calendar, from every hour of some weeks."""
    pack = project.pack(name)
    calendars, law = load_calendars(pack), second.read(pack)
    rules = load_rules(pack, calendars)
    for counted in law.rules:
        rule = rules.find(counted.id)
        assert rule is not None
        for calendar in law.offices if counted.unit != "given" else ():
            for hours in range(0, 24 * 60, 5):
                start = datetime(2026 if name == "id" else 2018, 3, 1, tzinfo=UTC) + worlds.HOUR * hours
                expected, warnings = recount(law, counted.id, start, calendar)
                assert due(rule.term, calendars.by_id[calendar], start) == expected, (counted, calendar, start)
                for t in rule.thresholds if counted.unit.endswith("_day") else ():
                    told = threshold(rule.term, calendars.by_id[calendar], start, t.percent)
                    assert told == warnings[t.name], (counted, calendar, start, t)


def test_whole_cases(tmp_path: Path) -> None:
    for here in every_world(tmp_path, of_cases=True):
        for n in range(A_WORLD):
            facts = worlds.case(here.chance)
            for now in (worlds.instant(here.chance, days=120), NEXT_YEAR):
                engine = engine_clocks(here, facts, now)
                oracle = oracle_clocks(here, facts, now)
                assert engine == oracle, f"world {here.number} (seed {SEED}), case {n}, at {now}: {_told(facts)}"


def test_any_permutation_of_arrivals_gives_the_same_clocks_to_both(tmp_path: Path) -> None:
    for number in range(4):
        here = world(number, tmp_path, of_cases=True)
        for _ in range(A_WORLD):
            facts = worlds.case(here.chance)
            shuffled = facts + [fact for fact in facts if worlds.maybe(here.chance)]
            here.chance.shuffle(shuffled)
            for count in (partial(engine_clocks, here), partial(oracle_clocks, here)):
                assert count(shuffled, NEXT_YEAR) == count(facts, NEXT_YEAR), _told(facts)


Found = dict[tuple[str, int], tuple[Any, ...]]


def engine_clocks(here: World, facts: list[dict[str, Any]], now: datetime) -> Found:
    """Stage and holder to rule, start, due instant, state and end. Whether an open clock runs or stands is a word only."""
    found = clocks([Fact(**fact) for fact in facts], here.rules, here.calendars, now)
    return {
        (c.stage, c.holder): (
            c.rule.id,
            c.started_at,
            c.due_at,
            "open" if c.state in (State.RUNNING, State.PAUSED) else c.state.value,
            c.ended_at if c.state in (State.MET, State.CANCELLED) else None,
        )
        for c in found
    }


def oracle_clocks(here: World, facts: list[dict[str, Any]], now: datetime) -> Found:
    found = recount_case(here.oracle, facts, now)
    return {
        key: (c.rule, c.started_at, c.due_at, c.state, c.ended_at if c.state in ("met", "cancelled") else None)
        for key, c in found.items()
    }


def _told(facts: list[dict[str, Any]]) -> str:
    def short(value: Any) -> str:
        return value.isoformat() if isinstance(value, datetime) else str(value)

    return "\n" + "\n".join(" ".join(f"{k}={short(v)}" for k, v in fact.items()) for fact in facts)
