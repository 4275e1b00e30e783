"""A run passes only if nothing was found and the fault left its trace."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.faultlab.evidence import START, filed

from amanah.commands import fault as command
from amanah.fault import Fault
from amanah.faultlab import faults, table
from amanah.faultlab.faults import crashes, disks, records, restores, servers
from amanah.faultlab.gather import Found, counted
from amanah.faultlab.lab import Run, Traces
from amanah.faultlab.model import Anomaly, Op, Rows

CLEAN = Run("F2", 1, True, "bit", (), [], complaints=1_000, orders=500, drained=2.0)
LOST = [Anomaly("lost-write", "x")]


@pytest.mark.parametrize(
    ("run", "verdict"),
    [
        (CLEAN, "passed"),
        (replace(CLEAN, bit=False), "not run"),
        (replace(CLEAN, anomalies=LOST), "failed"),
        (replace(CLEAN, bit=False, anomalies=LOST), "failed"),
        (replace(CLEAN, unmet=("too slow",)), "failed"),
    ],
)
def test_a_run_without_a_trace_never_passed(run: Run, verdict: str) -> None:
    assert run.verdict == verdict
    assert run.passed == (verdict == "passed")


def test_the_bound_is_said_only_where_every_run_passed() -> None:
    good = table.as_dict([CLEAN, replace(CLEAN, seed=2)])
    assert (good["acked"], good["bound_95"]) == (3_000, 0.001)
    assert good["faults"] == [
        {
            "fault": "F2", "seeds": [1, 2], "verdict": "passed", "acked": 3_000, "anomalies": {}, "drained_seconds": 2.0,
            "proof": ["bit", "bit"], "unmet": [],
        }
    ]  # fmt: skip
    bad = table.as_dict([CLEAN, replace(CLEAN, seed=2, anomalies=LOST, drained=None)])
    assert (bad["anomalies"], bad["bound_95"], bad["faults"][0]["drained_seconds"]) == (1, None, None)
    assert "did not pass" in table.ended([replace(CLEAN, bit=False)])


@pytest.mark.parametrize(
    ("run", "code"), [(CLEAN, 0), (replace(CLEAN, bit=False), 1), (replace(CLEAN, unmet=("x",)), 1)]
)
def test_the_exit_code(run: Run, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def once(*_: Any) -> list[Run]:
        return [run]

    monkeypatch.setattr(command, "_every", once)
    assert command.run_("f2") == code


def test_an_unknown_fault_is_a_mistake_in_the_command_line() -> None:
    with pytest.raises(Fault, match="no fault 'F99'") as raised:
        command.run_("F99")
    assert raised.value.code == 2


def test_every_fault_has_a_number_of_its_own() -> None:
    ids = [fault.id for fault in faults.ALL]
    assert len(ids) == len(set(ids))
    assert ids == sorted(ids, key=lambda one: (int("".join(filter(str.isdigit, one))), one))


def test_a_fault_is_found_however_its_letters_are_written() -> None:
    assert command._find(" f7B ").id == "F7b"


# -- proofs --------------------------------------------------------------------------------------------------------------


def traces(figures: dict[str, Any], history: list[Op] | None = None, **found: Any) -> Traces:
    empty: dict[str, Any] = {"kafka": [], "rows": Rows(), "notices": [], "logs": {}}
    return Traces(figures, history or [], Found(**(empty | found)))


def test_the_relay_was_killed_in_time_only_if_records_are_doubled() -> None:
    records_ = filed().records
    doubled = [*records_, replace(records_[0], offset=9)]
    assert not crashes._doubled_in_kafka(traces({"killed": ["intake"]}, kafka=records_)).bit
    assert crashes._doubled_in_kafka(traces({"killed": ["intake"]}, kafka=doubled)).bit


def test_a_consumer_was_killed_in_time_only_if_it_met_records_again() -> None:
    page = 'amanah_records_total{outcome="duplicate",topic="amanah.complaints"} 3.0\n'
    again = traces({"killed": ["routing"]}, logs={"metrics routing": page})
    assert crashes._delivered_again(again).bit
    assert not crashes._delivered_again(traces({"killed": ["routing"]})).bit
    assert not crashes._delivered_again(traces({"killed": []})).bit


@pytest.mark.parametrize(("committed", "bit"), [([START + 1, START + 9_000], True), ([START + 1, START + 2], False)])
def test_intake_was_killed_in_time_only_if_some_were_committed_and_some_were_not(
    committed: list[float], bit: bool
) -> None:
    world = filed()
    world.ops = []
    for number in range(2):
        value = {"source_ref": f"r-{number}", "complaint_id": f"c-{number}"}
        begun = world.op("file", "invoke", value, START)
        world.ops.append(replace(begun, type="info", wall=(START + 200) / 1000))
        world.op("file", "ok", value, START + 9_500)
    rows = Rows(committed_ms={f"c-{n}": at for n, at in enumerate(committed)})
    proof = crashes._intake_killed(traces({"kills": [{"pid": 1, "at_ms": START + 100}]}, world.ops, rows=rows))
    assert proof.bit == bit


def test_filing_without_a_broker_must_go_on() -> None:
    figures = {"start": START / 1000, "end": START / 1000 + 20, "refused": 40, "unsent": 300}
    world = filed()
    world.ops = []
    for number in range(100):
        world.op("file", "ok" if number else "info", {}, START + 1_000)
    assert servers._filed_on(traces(figures, world.ops)).unmet == ("fewer than 99.9 % were taken",)
    assert servers._filed_on(traces(figures, world.ops[1:])).unmet == ()
    assert not servers._filed_on(traces(figures | {"refused": 0}, world.ops)).bit


FULL = {
    "postgres": {"start": 1_000.0, "end": 1_010.0, "served_seconds": 1.0, "restarts": 0},
    "kafka": {"start": 1_020.0, "end": 1_030.0, "served_seconds": 1.0, "restarts": 2},
}
SAID = {"postgres.log": f"ERROR: {disks.WORDS}\n", "kafka.log": f"java.io.IOException: {disks.WORDS}\n"}


def answered(status: int | None, at_seconds: float) -> Op:
    return filed().op("file", "info", {"status": status}, at_seconds * 1000)


REFUSED, TAKEN = answered(503, 1_005), answered(201, 1_025)


@pytest.mark.parametrize(
    ("history", "logs", "bit", "unmet"),
    [
        ([REFUSED, TAKEN], SAID, True, ()),
        ([TAKEN], SAID, False, ()),
        ([answered(503, 1_025)], SAID, False, ("fewer than 99.9 % were taken while Kafka's disk was full",)),
        ([REFUSED, TAKEN], SAID | {"kafka.log": ""}, False, ()),
        ([REFUSED, TAKEN], SAID | {"postgres.log": ""}, False, ()),
        ([REFUSED, TAKEN], SAID | {"postgres.log": "", "postgres.log.1": disks.WORDS}, True, ()),
        ([REFUSED, TAKEN, answered(500, 1_011)], SAID, True, ("1 filings were answered 500",)),
        (
            [REFUSED, TAKEN, answered(None, 1_026)],
            SAID,
            True,
            ("fewer than 99.9 % were taken while Kafka's disk was full",),
        ),
    ],
)
def test_disks_were_full_only_if_both_servers_and_the_citizens_say_so(
    history: list[Op], logs: dict[str, str], bit: bool, unmet: tuple[str, ...]
) -> None:
    proof = disks._refused_in_order(traces(FULL, history, logs=logs))
    assert (proof.bit, proof.unmet) == (bit, unmet)


WIPED = {
    "records_before": 90,
    "another_cluster": True,
    "rebuilt": {"sent": {"intake": 40, "routing": 0}, "records": {"amanah.complaints": 40}, "differing": []},
    "as_kept": True,
    "given_again": 9,
}


@pytest.mark.parametrize(
    ("changed", "bit"),
    [
        ({}, True),
        ({"records_before": 0}, False),
        ({"another_cluster": False}, False),
        ({"rebuilt": WIPED["rebuilt"] | {"sent": {"intake": 0}}}, False),  # type: ignore[operator]
    ],
)
def test_kafka_was_wiped_only_if_another_one_got_everything_again(changed: dict[str, Any], bit: bool) -> None:
    page = 'amanah_records_total{outcome="duplicate",topic="amanah.complaints"} 3.0\n'
    logs = {f"metrics {name}": page for name in ("intake", "routing", "casework", "sla_monitor", "notifier")}
    assert restores._rebuilt(traces(WIPED | changed, logs=logs)).bit == bit
    assert restores._rebuilt(traces(WIPED | changed, logs=logs)).unmet == ()
    assert not restores._rebuilt(traces(WIPED | changed, logs=logs | {"metrics casework": ""})).bit


def test_topics_that_differ_from_the_outboxes_are_said() -> None:
    [words] = restores._rebuilt(traces(WIPED | {"as_kept": False})).unmet
    assert "differ" in words


GONE = {"lacking": {"amanah.assignments": 40}, "streams_behind": 30, "numbers_reused": 0, "unread": {"events": 9}}
NOTHING = {"lacking": {}, "streams_behind": 0, "numbers_reused": 0, "unread": {"events": 0}}
RESTORED = {"service": "routing", "found": GONE, "mended": {"put_back": 40}, "left": NOTHING, "not_said_again": {}}


@pytest.mark.parametrize(
    ("lost", "bit"),
    [({}, True), ({"lacking": {}}, False), ({"streams_behind": 0}, False), ({"unread": {"events": 0}}, False)],
)
def test_a_database_was_restored_only_if_it_had_lost_something(lost: dict[str, Any], bit: bool) -> None:
    proof = restores._reconciled(traces(RESTORED | {"found": GONE | lost}))
    assert (proof.bit, proof.unmet) == (bit, ())


@pytest.mark.parametrize(
    "left",
    [{"lacking": {"amanah.assignments": 1}}, {"streams_behind": 1}, {"numbers_reused": 1}, {"unread": {"events": 1}}],
)
def test_what_a_mended_database_still_lacks_is_said(left: dict[str, Any]) -> None:
    assert len(restores._reconciled(traces(RESTORED | {"left": NOTHING | left})).unmet) == 1


def test_what_is_said_as_two_events_is_told() -> None:
    world = filed()
    assert restores.said_twice(world.records) == 0
    world.record("amanah.assignments", "complaint.routed.v1", START + 90, 2)
    world.record("amanah.deadlines", "deadline.started.v1", START + 90, 1, stage="resolution", holder=0)
    world.record("amanah.deadlines", "deadline.started.v1", START + 95, 2, stage="resolution", holder=1)
    assert restores.said_twice(world.records) == 1
    [words] = restores._reconciled(traces(RESTORED, kafka=world.records)).unmet
    assert words == "after it was mended: things said twice 1"


def test_what_was_not_said_again_is_told() -> None:
    proof = restores._reconciled(traces(RESTORED | {"not_said_again": {"deadline.at_risk.v1": 3}}))
    assert "said 37 again" in proof.words
    assert "not said again: deadline.at_risk.v1 3" in proof.words


def test_poison_that_no_service_set_aside_did_not_bite() -> None:
    world = filed()
    place = "amanah.complaints/0@1"
    world.op("poison", "ok", {"place": place})
    figures = {"buried_seconds": 2.0}
    dead = [(place, f"{service}: undecodable") for service in records.READERS]
    assert records._set_aside(traces(figures, world.ops, rows=Rows(dead=dead))).bit
    assert not records._set_aside(traces(figures, world.ops, rows=Rows(dead=dead[1:]))).bit
    assert records._set_aside(traces({"buried_seconds": 31.0}, world.ops, rows=Rows(dead=dead))).unmet


def test_counters_are_added_over_the_labels_that_are_not_named() -> None:
    page = (
        '# HELP a\na_total{x="1",y="1"} 2.0\na_total{x="1",y="2"} 3.0\na_total{x="2",y="2"} 5.0\nab_total{x="1"} 7.0\n'
    )
    assert counted(page, "a_total", x="1") == 5
    assert counted(page, "a_total") == 10
    assert counted("", "a_total") == 0
