"""What the citizen reads by the secret, as the other services' events arrive, in any order."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.integration.intake.support import Door, is_problem
from tests.support import events
from tests.support.process import ServiceProcess
from tests.support.wire import Wire, eventually

from amanah_contracts.envelope import Event
from amanah_contracts.sla_monitor import DeadlineBreached, DeadlineBreachWithdrawn, DeadlineMet, DeadlineStarted

START = datetime(2026, 11, 25, 8, tzinfo=UTC)


def hour(number: int) -> datetime:
    return START + timedelta(hours=number)


async def shown(door: Door, secret: str) -> dict[str, object]:
    answer = await door.status(secret)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()  # type: ignore[no-any-return]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
async def test_the_status_does_not_depend_on_arrival(
    door: Door, intake: ServiceProcess, wire: Wire, order: tuple[int, ...]
) -> None:
    told = await door.filed()
    complaint = UUID(told["complaint_id"])
    streams: list[list[Event]] = [
        [events.routed(complaint, hour(1), "dot")],
        [
            events.case("acknowledged", complaint, hour(2)),
            events.case("resolved", complaint, hour(3), outcome="Mended."),
        ],
        [_deadline(DeadlineStarted, complaint), _deadline(DeadlineMet, complaint)],
    ]
    for number in order:
        wire.send(*streams[number])
        await eventually(lambda n=number: known(intake, complaint, streams[n][-1]), f"stream {number}")
    status = await shown(door, told["tracking_secret"])
    assert (status["status"], status["agency"]) == ("resolved", "dot")
    assert [step["what"] for step in status["timeline"]] == ["submitted", "routed", "acknowledged", "resolved"]  # type: ignore[attr-defined]
    assert status["timeline"][-1]["words"] == "Mended."  # type: ignore[index]
    assert status["deadlines"] == [{"stage": "given", "due_at": hour(9).isoformat(), "state": "met"}]


def _deadline(kind: type[Event], complaint: UUID, **more: object) -> Event:
    given = {"stage": "given", "rule": "given", "rule_version": "1", "due_at": hour(9), "agency": "dot"}
    return kind(complaint_id=complaint, occurred_at=hour(1), received_at=hour(1), **given | more)  # type: ignore[arg-type]


def known(intake: ServiceProcess, complaint: UUID, event: Event) -> bool:
    if event.topic == "amanah.deadlines":
        state = {"started": "running", "withdrawn": "running"}.get(event.stem.split(".")[1], event.stem.split(".")[1])
        rows = intake.sql("select state from intake_deadline where complaint_id = %s", complaint)
        return rows == [({"breach_withdrawn": "running"}.get(state, state),)]
    at = "select 1 from intake_fact where complaint_id = %s and occurred_at = %s"
    return bool(intake.sql(at, complaint, event.occurred_at))


async def test_a_deadline_breached_and_withdrawn_runs_again(door: Door, intake: ServiceProcess, wire: Wire) -> None:
    told = await door.filed()
    complaint = UUID(told["complaint_id"])
    steps = {
        "running": _deadline(DeadlineStarted, complaint),
        "breached": _deadline(DeadlineBreached, complaint, breached_at=hour(9), detected_at=hour(9)),
        "withdrawn": _deadline(DeadlineBreachWithdrawn, complaint, reason="a reply of 08:00 arrived"),
        "met": _deadline(DeadlineMet, complaint),
    }
    for state, event in steps.items():
        wire.send(event)
        await eventually(lambda e=event: known(intake, complaint, e), state)
        [deadline] = (await shown(door, told["tracking_secret"]))["deadlines"]  # type: ignore[misc]
        assert deadline["state"] == {"withdrawn": "running"}.get(state, state)


async def test_a_deadline_that_stands_runs_again_and_moves_is_shown_as_last_said(
    door: Door, intake: ServiceProcess, wire: Wire
) -> None:
    told = await door.filed()
    complaint = UUID(told["complaint_id"])
    steps: list[tuple[str, dict[str, Any], str, datetime | None]] = [
        ("deadline.started", {"due_at": hour(9)}, "running", hour(9)),
        ("deadline.paused", {"due_at": None}, "paused", None),
        ("deadline.resumed", {"due_at": hour(12)}, "running", hour(12)),
        ("deadline.at_risk", {"due_at": hour(10)}, "running", hour(12)),
        ("deadline.recalculated", {"due_at": hour(15), "deadline_version": 2}, "running", hour(15)),
        ("escalation.raised", {"due_at": hour(10)}, "running", hour(15)),
        ("deadline.paused", {"due_at": hour(20)}, "paused", None),
        ("deadline.met", {"due_at": hour(15)}, "met", hour(15)),
    ]
    applied = "select seq from chassis_position where subject = %s and source = 'amanah.sla_monitor'"
    for number, (stem, more, state, due) in enumerate(steps, 1):
        wire.send(events.deadline(stem, complaint, hour(9), **more))
        await eventually(lambda n=number: intake.sql(applied, complaint) == [(n,)], f"step {number}")
        expected = {"stage": "resolution", "due_at": due and due.isoformat(), "state": state}
        assert (await shown(door, told["tracking_secret"]))["deadlines"] == [expected], stem


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
async def test_the_citizen_reads_what_is_asked_whatever_is_known_first(
    door: Door, intake: ServiceProcess, wire: Wire, order: tuple[int, ...]
) -> None:
    """`case.extended`, `case.information_requested`, `case.information_received`: what the desk says comes in its own order;
    routing and deadlines may come at any time."""
    told = await door.filed()
    complaint = UUID(told["complaint_id"])
    streams: list[list[Event]] = [
        [events.routed(complaint, hour(1), "dot")],
        [
            events.case("extended", complaint, hour(2), reason="The spare part is late.", article="Art. 7"),
            events.case("information_requested", complaint, hour(3), question="Which lamp?"),
        ],
        [_deadline(DeadlineStarted, complaint)],
    ]
    for number in order:
        wire.send(*streams[number])
        await eventually(lambda n=number: known(intake, complaint, streams[n][-1]), f"stream {number}")
    status = await shown(door, told["tracking_secret"])
    assert (status["status"], status["question"], status["agency"]) == ("waiting_for_you", "Which lamp?", "dot")
    steps = [(step["what"], step["words"]) for step in status["timeline"]]  # type: ignore[attr-defined]
    assert steps[2:] == [("extended", "The spare part is late. (Art. 7)"), ("information_requested", "Which lamp?")]

    answered = events.case("information_received", complaint, hour(4))
    wire.send(answered)
    await eventually(lambda: known(intake, complaint, answered), "the answer")
    status = await shown(door, told["tracking_secret"])
    assert (status["status"], status["question"]) == ("routed", None)


async def test_what_an_agency_takes_back_no_longer_counts_and_stays_readable(
    door: Door, intake: ServiceProcess, wire: Wire
) -> None:
    """`case.action_withdrawn` names the action that never was."""
    told = await door.filed()
    complaint, action = UUID(told["complaint_id"]), uuid4()
    back = events.case("action_withdrawn", complaint, hour(3), withdraws=action, reason="It was another case.")
    wire.send(
        events.routed(complaint, hour(1), "dot"),
        events.case("resolved", complaint, hour(2), outcome="Mended.", action=action),
        back,
    )
    await eventually(lambda: known(intake, complaint, back), "the withdrawal")
    await eventually(lambda: known(intake, complaint, events.routed(complaint, hour(1))), "the routing")
    status = await shown(door, told["tracking_secret"])
    assert status["status"] == "routed"
    steps = [(s["what"], s["words"], s["withdrawn"]) for s in status["timeline"]]  # type: ignore[attr-defined]
    assert steps[2:] == [
        ("resolved", "Mended.", True),
        ("action_withdrawn", "It was another case.", False),
    ]


async def test_the_answer_is_described_in_the_open_api_document(door: Door) -> None:
    document = (await door.http.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    answer = document["paths"]["/complaints/status"]["get"]["responses"]["200"]["content"]["application/json"]
    assert answer["schema"] == {"$ref": "#/components/schemas/Followed"}
    told = await door.filed()
    assert (await shown(door, told["tracking_secret"])).keys() == schemas["Followed"]["properties"].keys()
    assert "waiting_for_you" in schemas["Status"]["enum"]


async def test_events_of_a_complaint_that_is_not_ours_are_kept_quietly(
    door: Door, intake: ServiceProcess, wire: Wire
) -> None:
    """Intake's topics may be older than its database: nothing stops, and nobody sees them."""
    stranger = UUID(int=2026)
    wire.send(events.routed(stranger, hour(1)))
    told = await door.filed()
    wire.send(events.routed(UUID(told["complaint_id"]), hour(1), "dot"))
    await eventually(
        lambda: intake.sql("select 1 from intake_fact where complaint_id = %s", told["complaint_id"]), "the routing"
    )
    assert intake.sql("select count(*) from chassis_dead_letter") == [(0,)]


async def test_only_the_secret_opens(door: Door) -> None:
    told = await door.filed()
    for wrong in (told["tracking_code"], told["complaint_id"], told["tracking_secret"][:-1], "x" * 8000, "é", "%00"):
        headers = {"Authorization": f"Bearer {wrong}".encode()}
        answer = await door.http.get("/complaints/status", headers=headers)
        assert is_problem(answer, 404, "not_found")
    for authorization in ("", "Bearer", told["tracking_secret"], f"Basic {told['tracking_secret']}"):
        answer = await door.http.get("/complaints/status", headers={"Authorization": authorization})
        assert is_problem(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
    in_the_address = await door.http.get(f"/complaints/status?secret={told['tracking_secret']}")
    assert is_problem(in_the_address, 401, "unauthorized")
