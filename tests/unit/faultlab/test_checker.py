"""Each anomaly is seen where it is, and not where it is not."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.faultlab.evidence import (
    AGENCY,
    END,
    MAIL,
    REF,
    START,
    TOKEN,
    C,
    World,
    breached,
    filed,
    resolved,
    without,
)

from amanah.faultlab.checker.breaches import PROMPT_MS, RECOVERY_MS
from amanah.faultlab.model import NAMES, Rows

DUE = START + 5_000


@pytest.mark.parametrize(
    "world",
    [filed(), filed(END + 1_000), resolved(DUE - 500, DUE), resolved(DUE, DUE), resolved(DUE - 1, None), breached()],
    ids=["filed", "due later", "resolved in time", "at the very instant", "without a deadline", "breached"],
)
def test_where_all_went_well_nothing_is_found(world: World) -> None:
    assert world.found() == []


# -- complaints ----------------------------------------------------------------------------------------------------------


def test_lost_write_an_acknowledged_complaint_is_nowhere() -> None:
    for kind in ("complaint.submitted.v1", "complaint.routed.v1"):
        world = filed()
        world.records = without(world.records, kind)
        assert "lost-write" in world.names(), kind
    world = filed()
    world.rows = Rows()
    assert "lost-write" in world.names()


def test_lost_write_a_committed_complaint_was_never_sent_though_nobody_got_an_answer() -> None:
    world = World()
    world.file("info", None)
    world.rows = Rows(complaints={C: REF})
    world.op("drain", "ok", {"seconds": 1.0}, END)
    assert world.names() == ["lost-write"]


def test_lost_write_an_acknowledged_order_is_not_where_the_broker_said() -> None:
    world = resolved(DUE - 500, DUE)
    world.records = without(world.records, "case.resolve.v1")
    assert "lost-write" in world.names()


def test_lost_write_an_order_has_no_effect() -> None:
    world = filed()
    world.order("acknowledge", START + 100)
    assert world.names() == ["lost-write"]


def test_an_outcome_that_nobody_knows_may_be_a_complaint_or_none() -> None:
    nothing = World()
    nothing.file("info", None)
    nothing.op("drain", "ok", {"seconds": 1.0}, END)
    assert nothing.found() == []
    something = filed()
    something.ops = [op for op in something.ops if (op.f, op.type) != ("file", "ok")]
    something.file("info", None)
    assert something.found() == []


def test_phantom_a_complaint_that_nobody_filed() -> None:
    world = filed()
    world.rows = Rows(complaints={C: REF, "c-2": "unheard-of"})
    world.record("amanah.complaints", "complaint.submitted.v1", START, subject="c-2", source_ref="unheard-of")
    assert "phantom" in world.names()


def test_phantom_a_complaint_that_was_refused_for_certain() -> None:
    world = filed()
    world.ops = [op for op in world.ops if op.f != "file"]
    world.file("fail", None)
    assert "phantom" in world.names()
    world.file("info", None)  # another attempt may have been taken
    assert world.found() == []


def test_phantom_an_event_without_a_row() -> None:
    world = filed()
    world.file("ok", C)
    world.rows = Rows(complaints={})
    assert "phantom" in world.names()


def test_phantom_an_effect_that_nobody_ordered() -> None:
    world = filed()
    world.record("amanah.cases", "case.acknowledged.v1", START + 100)
    assert world.names() == ["phantom"]


def test_double_accept_one_key_is_two_complaints() -> None:
    world = filed()
    world.file("ok", "c-2")
    assert "double-accept" in world.names()
    world = filed()
    world.rows = Rows(complaints={C: REF, "c-2": REF})
    assert "double-accept" in world.names()


def test_double_accept_one_complaint_has_two_events_or_two_assignments() -> None:
    for topic, kind in (
        ("amanah.complaints", "complaint.submitted.v1"),
        ("amanah.assignments", "complaint.routed.v1"),
    ):
        world = filed()
        world.record(topic, kind, START + 50, 2, source_ref=REF, agency=AGENCY)
        assert world.names() == ["double-accept"], kind


def test_double_accept_one_order_is_carried_out_twice() -> None:
    world = filed()
    world.order("reply", START + 100)
    world.record("amanah.cases", "case.replied.v1", START + 110, 1)
    world.record("amanah.cases", "case.replied.v1", START + 120, 2)
    world.tell("case.replied.v1", MAIL)
    assert world.names() == ["double-accept"]


def test_a_retry_that_gets_the_same_answer_is_no_double() -> None:
    world = filed()
    world.file("ok", C)
    assert world.found() == []


# -- streams -------------------------------------------------------------------------------------------------------------


def test_seq_gap_a_number_is_missing() -> None:
    world = breached()
    world.records = [replace(r, sequence=3) if r.type == "deadline.breached.v1" else r for r in world.records]
    assert world.names() == ["seq-gap"]


def test_seq_inversion_a_later_number_comes_first() -> None:
    world = breached()
    numbers = {"deadline.started.v1": 2, "deadline.breached.v1": 1}
    world.records = [replace(r, sequence=numbers.get(r.type, r.sequence)) for r in world.records]
    assert world.names() == ["seq-inversion"]


def test_seq_inversion_one_number_is_two_events() -> None:
    world = breached()
    world.records = [replace(r, sequence=1) if r.type == "deadline.breached.v1" else r for r in world.records]
    assert world.names() == ["seq-inversion"]


def test_a_record_that_lies_there_twice_under_one_id_is_no_finding() -> None:
    world = breached()
    world.records += [replace(record, offset=record.offset + 100) for record in world.records]
    assert world.found() == []
    world.records.append(replace(world.records[0], offset=999, sequence=7))
    assert world.names() == ["seq-inversion"]


# -- orders --------------------------------------------------------------------------------------------------------------


def test_illegal_transition_after_the_end() -> None:
    world = resolved(DUE - 500, DUE)
    world.order("reply", DUE - 400)
    world.record("amanah.cases", "case.replied.v1", DUE - 390, 2)
    assert "illegal-transition" in world.names()


def test_an_order_that_came_too_late_for_its_state_is_none() -> None:
    world = resolved(DUE - 500, DUE)
    world.order("acknowledge", DUE - 400)
    assert world.found() == []


# -- breaches ------------------------------------------------------------------------------------------------------------


def test_missed_breach_nothing_is_said() -> None:
    assert filed(DUE).names() == ["missed-breach"]
    assert resolved(DUE + 1, DUE).names() == ["missed-breach"]


def test_missed_breach_it_was_withdrawn_and_stays_so() -> None:
    world = breached()
    body = {"stage": "resolution", "holder": 0, "deadline_version": 1, "threshold": "due"}
    world.record("amanah.deadlines", "deadline.breach_withdrawn.v1", DUE + 500, 3, **body)
    assert world.names() == ["missed-breach"]


def test_early_breach_before_its_instant_or_without_one() -> None:
    assert breached(said_ms=DUE - 1).names() == ["early-breach"]
    world = breached()
    for op in world.ops:
        if op.f == "file":
            op.value["due_ms"] = None  # type: ignore[index]
    assert "early-breach" in world.names()


def test_double_breach_of_one_deadline() -> None:
    world = breached()
    world.breach(DUE + 100, 3)
    assert world.names() == ["double-breach"]
    world = breached()
    world.breach(DUE + 100, 3, deadline_version=2)
    assert world.names() == ["double-breach"]


def test_a_breach_that_is_withdrawn_and_comes_true_is_one() -> None:
    world = breached()
    body = {"stage": "resolution", "holder": 0, "deadline_version": 1, "threshold": "due"}
    world.record("amanah.deadlines", "deadline.breach_withdrawn.v1", DUE + 500, 3, **body)
    world.breach(DUE + 900, 4)
    assert world.found() == []


def test_breach_after_completion() -> None:
    world = resolved(DUE - 1, DUE)
    world.breach(DUE + 50, 1)
    world.tell("deadline.breached.v1", MAIL, f"/agency/{AGENCY}", f"superior+{AGENCY}@sink.invalid", "/ombudsman")
    assert world.names() == ["breach-after-completion"]


def test_slow_breach() -> None:
    assert breached(said_ms=DUE + PROMPT_MS).found() == []
    assert breached(said_ms=DUE + PROMPT_MS + 1).names() == ["slow-breach"]


def test_a_fault_excuses_a_breach_until_a_while_after_its_end() -> None:
    healed = DUE + 2_000
    for late, names in ((RECOVERY_MS, []), (RECOVERY_MS + 1, ["slow-breach"])):
        world = breached(said_ms=healed + late)
        world.op("nemesis", "info", {"what": "start"}, DUE - 1_000)
        world.op("nemesis", "info", {"what": "heal"}, healed)
        world.op("drain", "ok", {"seconds": 1.0}, healed + RECOVERY_MS + 10_000)
        assert world.names() == names


# -- notices -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [MAIL, f"/agency/{AGENCY}", f"superior+{AGENCY}@sink.invalid", "/ombudsman"])
def test_missed_notification_of_a_breach(target: str) -> None:
    world = breached()
    world.notices = [n for n in world.notices if (n.about, n.target) != ("deadline.breached.v1", target)]
    assert world.names() == ["missed-notification"]


def test_while_notices_wait_nobody_is_missed_yet_and_the_run_is_stuck() -> None:
    world = breached()
    world.notices = []
    world.rows = replace(world.rows, waiting_notices=4)
    assert world.names() == ["stuck"]


def test_missed_notification_of_an_answer() -> None:
    world = resolved(DUE - 500, DUE)
    world.notices = [notice for notice in world.notices if notice.about != "case.resolved.v1"]
    assert world.names() == ["missed-notification"]


def test_missed_notification_a_breach_names_nobody() -> None:
    world = breached()
    world.records = [
        replace(r, body={**r.body, "agency": None}) if r.type == "deadline.breached.v1" else r for r in world.records
    ]
    world.notices = [n for n in world.notices if not n.target.startswith(("/agency", "superior"))]
    assert world.names() == ["missed-notification"]
    # An agency that got the complaint only after the instant did not miss it, and nobody can know at once who has got it.
    for before_ms, missed in ((500, True), (499, False), (-1, False)):
        at = DUE - before_ms
        world.records = [replace(r, appended_ms=at) if r.type == "complaint.routed.v1" else r for r in world.records]
        assert bool(world.found()) is missed


def test_a_recipient_that_is_gone_is_excused_only_where_the_history_says_so() -> None:
    world = breached()
    world.notices = [notice for notice in world.notices if notice.target != "/ombudsman"]
    world.record(
        "amanah.notices", "notice.failed.v1", DUE + 100, 1, recipient="ombudsman", about="deadline.breached.v1"
    )
    assert world.names() == ["missed-notification"]
    world.op("nemesis", "info", {"what": "gone"}, DUE)
    assert world.found() == []


def test_double_notification_under_another_id() -> None:
    world = breached()
    world.tell("deadline.breached.v1", "/ombudsman", tag="-again")
    assert world.names() == ["double-notification"]
    world = breached()
    world.tell("deadline.breached.v1", "/ombudsman")  # sent again under its id, as after a lost answer
    assert world.found() == []


def test_wrong_recipient() -> None:
    for about, target in (
        ("deadline.breached.v1", "/agency/nypd"),
        ("deadline.breached.v1", "superior+nypd@sink.invalid"),
        ("deadline.breached.v1", "cnry00000000000b@citizen.invalid"),
        ("complaint.routed.v1", "/ombudsman"),
        ("case.resolved.v1", MAIL),
    ):
        world = breached()
        world.tell(about, target)
        assert world.names() == ["wrong-recipient"], target


def test_wrong_recipient_of_a_topic() -> None:
    world = filed()
    world.record("amanah.agency.nypd", "complaint.routed.v1", START + 30)
    assert world.names() == ["wrong-recipient"]


# -- people --------------------------------------------------------------------------------------------------------------


def test_pii_leak_in_kafka_dead_letters_logs_and_metrics() -> None:
    said = f"reply to {TOKEN}@citizen.invalid"
    in_kafka, in_rows, in_logs = filed(), filed(), filed()
    in_kafka.records = [replace(in_kafka.records[0], text=said), *in_kafka.records[1:]]
    in_rows.rows = replace(in_rows.rows, texts={"routing chassis_dead_letter x": said})
    in_logs.logs["metrics intake"] = said
    for world in (in_kafka, in_rows, in_logs):
        assert world.names() == ["pii-leak"]


def test_a_token_that_this_run_did_not_plant_is_nobodys() -> None:
    world = filed()
    world.logs["intake.log"] = "cnryffffffffffff 7000912345678"
    assert world.found() == []


# -- rest ----------------------------------------------------------------------------------------------------------------


def test_stuck_it_did_not_drain_or_nobody_looked() -> None:
    world = filed()
    world.ops = [op for op in world.ops if op.f != "drain"]
    assert world.names() == ["stuck"]
    for kind, seconds in (("fail", 60.0), ("ok", 61.0)):
        spoilt = filed()
        spoilt.ops = [op for op in spoilt.ops if op.f != "drain"]
        spoilt.op("drain", kind, {"seconds": seconds}, END)
        assert spoilt.names() == ["stuck"]


@pytest.mark.parametrize(
    "left", [{"unsent": ["x"]}, {"parked": ["x"]}, {"waiting_notices": 1}, {"dead": [("t/0@1", "undecodable")]}]
)
def test_stuck_something_is_left_over(left: dict[str, object]) -> None:
    world = filed()
    world.rows = replace(world.rows, **left)  # type: ignore[arg-type]
    assert world.names() == ["stuck"]


def test_what_was_put_there_on_purpose_must_be_a_dead_letter() -> None:
    world = filed()
    world.op("poison", "ok", {"place": "amanah.complaints/0@1"})
    assert world.names() == ["stuck"]
    world.rows = replace(world.rows, dead=[("amanah.complaints/0@1", "undecodable")])
    assert world.found() == []


def test_the_checker_names_every_anomaly_that_the_model_lists() -> None:
    """A name that no test above provokes would be one that cannot be found."""
    said = Path(__file__).read_text()
    assert [name for name in NAMES if f'"{name}"' not in said] == []
