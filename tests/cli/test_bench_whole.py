"""`amanah bench` pipeline, journey, replay and footprint: what is planned and reckoned, without servers."""

import json
from datetime import UTC, datetime
from itertools import pairwise
from random import Random
from types import SimpleNamespace
from uuid import UUID

import pytest

from amanah.bench import bare, life, monitor_bare, pipeline, rebuild
from amanah.bench.footprint import Held, memory_line, part_of, seconds_line
from amanah.bench.journey import instants, journey_line, taken
from amanah_contracts.envelope import Event
from amanah_contracts.intake import ComplaintSubmitted

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ONE, TWO = UUID(int=1), UUID(int=2)


# -- pipeline ------------------------------------------------------------------------------------------------------------


def went(at_agency: float, clocks: float) -> pipeline.Round:
    return pipeline.Round(at_agency, clocks, {"routing": 0.4, "sla_monitor": 0.8}, 230.0)


def test_a_pipeline_takes_as_long_as_its_slower_end() -> None:
    line = json.loads(pipeline.pipeline_line(1000, [went(1.0, 2.0)], [went(1.0, 0.5)], 0.5).as_json())
    assert (line["figure"], line["bare"], line["ratio"]) == (500, 1000, 0.5)
    assert line["cpu_us"] == {"routing": 400, "sla_monitor": 800}


def test_the_row_that_a_pipeline_begins_with_is_an_event_of_intake() -> None:
    before, after = pipeline._form("dot", NOW)
    event = ComplaintSubmitted.model_validate_json(str(ONE).encode().join((before, after)))
    assert (event.complaint_id, event.agency_named) == (ONE, "dot")
    assert event.given_due_at is not None
    assert event.given_due_at > NOW


# -- the bare loop -------------------------------------------------------------------------------------------------------


def told(event: Event, seq: int) -> monitor_bare.Read:
    record = SimpleNamespace(
        headers=[
            ("ce_type", event.type().encode()),
            ("ce_source", life.SOURCES[event.topic]),
            ("ce_sequence", str(seq).encode()),
        ],
        value=event.view(None),
    )
    return monitor_bare.read(record)


def facts(events: list[Event]) -> list[dict[str, object]]:
    return [json.loads(monitor_bare.fact(told(event, 1))) for event in events]


def test_the_bare_fold_comes_to_the_same_in_any_order() -> None:
    known = facts(life.life("dot", NOW))
    whole = monitor_bare.fold(ONE, known)
    assert whole is not None
    assert (whole.agency, whole.state, whole.source_ref) == ("dot", "met", "bench")
    assert monitor_bare.fold(ONE, reversed(known)) == whole
    assert monitor_bare.fold(ONE, known[1:]) is None, "without the filing there is no clock"
    unresolved = monitor_bare.fold(ONE, known[:3])
    assert unresolved is not None
    assert (unresolved.state, unresolved.ended_at) == ("running", None)


def test_the_copies_of_one_event_share_its_id() -> None:
    events = bare.outgoing([("t.deadlines", ""), ("t.agency.dot", "t.agency.dot")], ONE, "deadline.met.v1", {"a": 1})
    assert len({event.event_id for event in events}) == 1
    assert [event.audience for event in events] == ["", "t.agency.dot"]


# -- journey -------------------------------------------------------------------------------------------------------------


def test_filings_come_at_the_rate_and_not_in_step() -> None:
    planned = instants(50, 20, Random(1))
    assert len(planned) == 1000
    assert planned == sorted(planned)
    assert max(planned) < 20
    assert len({round(later - earlier, 4) for earlier, later in pairwise(planned)}) > 300


def test_a_journey_ends_at_the_stamp_which_was_cut_off() -> None:
    assert taken({ONE: 100.0, TWO: 100.25}, {ONE: 100_040, TWO: 100_260}) == [40.5, 10.5]


def test_the_line_of_a_journey() -> None:
    ours, others = [list(map(float, range(1, 101)))] * 3, [[10.0] * 100] * 3
    line = json.loads(journey_line(50, ours, others, 410.0, 0.4).as_json())
    assert (line["figure"], line["p50_ms"], line["worst_ms"]) == (99.0, 50.0, 100.0)
    assert (line["bare"], line["ratio"], line["filings"]) == (10.0, 9.9, 300)


# -- replay --------------------------------------------------------------------------------------------------------------


def test_a_life_is_told_by_three_owners_and_ends_well_in_time() -> None:
    events = life.life("dot", NOW)
    assert [event.type() for event in events] == list(monitor_bare.LIFE)
    assert {event.topic for event in events} == set(life.SOURCES)
    assert [event.occurred_at for event in events] == sorted(event.occurred_at for event in events)
    assert len(events) == rebuild.EVENTS_OF_A_COMPLAINT


def test_events_a_core_count_the_time_on_it() -> None:
    ours, other = rebuild.Round(4000, 2.0, 1.0, 0.8, 0.2, 90.0), rebuild.Round(4000, 1.0, 0.8, 0.9, 0.2, 60.0)
    line = json.loads(rebuild.rebuild_line(1000, [ours], [other], 0.3).as_json())
    assert (line["figure"], line["bare"], line["ratio"]) == (2000, 4000, 0.5)
    assert (line["a_core"], line["bare_a_core"], line["share"], line["events"]) == (4000, 5000, 0.5, 4000)


# -- footprint -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "name", "part"),
    [
        (["python", "-m", "amanah_sla_monitor"], "python", "sla_monitor"),
        (["postgres: amanah_intake amanah_intake [local] idle"], "postgres", "postgres"),
        (["java", "-Xms48m"], "java", "kafka"),
    ],
)
def test_each_process_belongs_to_a_part(command: list[str], name: str, part: str) -> None:
    assert part_of(command, name, root=False) == part
    assert part_of(command, name, root=True) == "command"


def test_a_footprint_stands_beside_its_goal() -> None:
    line = json.loads(seconds_line(31.04, [7.5, 9.0, 6.0], 0.2).as_json())
    assert (line["figure"], line["bare"], line["ratio"], line["bare_is"]) == (7.5, 15.0, 0.5, "the goal")
    assert (line["cold_seconds"], line["worst"], line["best"]) == (31.0, 9.0, 6.0)
    held = Held(1200.0, 536.9, {"kafka": 200.0})
    line = json.loads(memory_line(3000, Held(900.0, 400.0, {}), held, 0.2).as_json())
    assert (line["figure"], line["ratio"], line["rss_mb_at_start"]) == (536.9, 0.5, 900.0)
