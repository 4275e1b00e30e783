"""Warnings and levels: whom they reach, and what is not sent because it is no longer so. What ends the clocks of the rule
`given` in the pack is `case.resolved`."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.integration.notifier.support import DUE, Intake, mails, now, settled, webhooks
from tests.support.events import case, deadline, routed, submitted
from tests.support.process import ServiceProcess
from tests.support.wire import Reader, Wire, eventually

from amanah.sinks import Sinks, SmtpFault, WebhookFault
from amanah_contracts.envelope import Event
from amanah_contracts.vocabulary import Visibility

LATE = DUE + timedelta(hours=3)


def refuse(sinks: Sinks, refuses: bool = True) -> None:
    """Receivers that turn everything away for a while, so that notices wait."""
    sinks.webhook_fault = WebhookFault.SERVER_ERROR if refuses else WebhookFault.NONE
    sinks.smtp_fault = SmtpFault.TEMPORARY if refuses else SmtpFault.NONE


def raised(complaint: UUID, level: int = 1, role: str = "head", office: str = "dot", **more: Any) -> Event:
    return deadline("escalation.raised", complaint, DUE, level=level, role=role, office=office, **more)


def breached(complaint: UUID, **more: Any) -> Event:
    return deadline("deadline.breached", complaint, DUE, **more)


def states(notifier: ServiceProcess, complaint: UUID) -> dict[tuple[str, str], str]:
    """The state of each notice by stem and recipient."""
    rows = notifier.sql("select stem, recipient, state from notifier_delivery where complaint_id = %s", complaint)
    return {(stem, recipient): state for stem, recipient, state in rows}


async def until_tried(notifier: ServiceProcess, complaint: UUID, notices: int) -> None:
    tried = "select count(*) from notifier_delivery where complaint_id = %s and attempts > 0 and state = 'pending'"
    await eventually(lambda: notifier.sql(tried, complaint) == [(notices,)], f"{notices} notices tried in vain")


async def until_dropped(notifier: ServiceProcess, complaint: UUID, notices: int) -> None:
    """The receivers must go on refusing until then: an attempt that is under way may still succeed."""
    dropped = "select count(*) from notifier_delivery where complaint_id = %s and state = 'superseded'"
    await eventually(lambda: notifier.sql(dropped, complaint) == [(notices,)], f"{notices} notices to be dropped")


async def until_applied(notifier: ServiceProcess, complaint: UUID, source: str, seq: int) -> None:
    applied = "select seq from chassis_position where subject = %s and source = %s"
    await eventually(
        lambda: notifier.sql(applied, complaint, f"amanah.{source}") == [(seq,)], f"event {seq} of {source}"
    )


def subjects_of(sinks: Sinks, complaint: UUID) -> list[str]:
    return [json.loads(line["body"])["type"] for line in webhooks(sinks, complaint)]


async def test_a_warning_goes_to_the_agency_once_and_never_to_the_citizen(
    notifier: ServiceProcess, sinks: Sinks, intake: Intake, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    intake.contacts[complaint] = "somebody@example.org"
    warning = deadline("deadline.at_risk", complaint, DUE)
    wire.send(submitted(complaint, now(), contactable=True), warning, warning)
    await until_applied(notifier, complaint, "sla_monitor", 2)
    assert (await settled(notifier, notices, complaint, 1)).keys() == {"agency:dot"}
    [line] = webhooks(sinks, complaint)
    body = json.loads(line["body"])
    assert (body["type"], body["threshold"], body["stage"]) == ("deadline.at_risk.v1", "half", "resolution")
    assert not mails(sinks, complaint)


@pytest.mark.parametrize("later", ["deadline.met", "deadline.cancelled", "deadline.recalculated", "deadline.breached"])
async def test_wish_24_a_warning_that_events_overtook_is_not_sent(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader, later: str
) -> None:
    complaint = uuid4()
    refuse(sinks)
    other = deadline("deadline.at_risk", complaint, DUE, stage="another")
    wire.send(submitted(complaint, now()), deadline("deadline.at_risk", complaint, DUE), other)
    await until_tried(notifier, complaint, 2)
    more = {"deadline_version": 2} if later == "deadline.recalculated" else {}
    wire.send(deadline(later, complaint, DUE + timedelta(hours=1), **more))
    await until_dropped(notifier, complaint, 1)
    refuse(sinks, False)
    breaches = 3 if later == "deadline.breached" else 0
    await settled(notifier, notices, complaint, 2 + breaches)
    warnings = [b for b in (json.loads(w["body"]) for w in webhooks(sinks, complaint)) if "at_risk" in b["type"]]
    assert [warning["stage"] for warning in warnings] == ["another"], "the warning of the other clock, and no other"
    ended = "select stage, state from notifier_delivery where complaint_id = %s and stem = 'deadline.at_risk'"
    assert dict(notifier.sql(ended, complaint)) == {"resolution": "superseded", "another": "sent"}


async def test_after_a_recalculation_the_new_deadline_is_warned_of(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    refuse(sinks)
    wire.send(submitted(complaint, now()), deadline("deadline.at_risk", complaint, DUE))
    await until_tried(notifier, complaint, 1)
    moved = DUE + timedelta(days=1)
    wire.send(
        deadline("deadline.recalculated", complaint, moved, deadline_version=2),
        deadline("deadline.at_risk", complaint, moved, deadline_version=2),
    )
    await until_dropped(notifier, complaint, 1)
    refuse(sinks, False)
    await settled(notifier, notices, complaint, 2)
    [line] = webhooks(sinks, complaint)
    assert datetime.fromisoformat(json.loads(line["body"])["due_at"]) == moved


async def test_wish_16_after_a_cancellation_nothing_further_is_sent_for_that_clock(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    refuse(sinks)
    wire.send(
        submitted(complaint, now()),
        breached(complaint),
        raised(complaint),
        deadline("escalation.impossible", complaint, DUE, level=2),
        raised(complaint, stage="another"),
    )
    await until_tried(notifier, complaint, 6)
    wire.send(deadline("deadline.cancelled", complaint, DUE))
    await until_dropped(notifier, complaint, 5)
    before = len(sinks.attempts)
    refuse(sinks, False)
    told = await settled(notifier, notices, complaint, 6)
    assert told.keys() == {"office:dot/head"}
    [mail] = mails(sinks, complaint)
    assert "another" in mail["subject"], "the other clock goes on"
    assert not webhooks(sinks, complaint)
    accepted = [attempt.target for attempt in list(sinks.attempts)[before:] if attempt.fault == "none"]
    assert accepted == ["head+dot@sink.invalid"]


async def test_wish_18_three_levels_call_upon_three_different_people_once_each(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    levels = [(1, "liaison", "dot"), (2, "head", "dot"), (3, "secretary", "mayor-office"), (4, "keeper", "ombudsman")]
    wire.send(submitted(complaint, now()), *(raised(complaint, *level) for level in levels))
    told = await settled(notifier, notices, complaint, 4)
    assert told.keys() == {"office:dot/liaison", "office:dot/head", "office:mayor-office/secretary", "ombudsman"}
    assert [mail["recipients"] for mail in sorted(mails(sinks, complaint), key=lambda mail: mail["subject"])] == [
        ["liaison+dot@sink.invalid"],
        ["head+dot@sink.invalid"],
        ["secretary+mayor-office@sink.invalid"],
    ]
    [line] = webhooks(sinks, complaint)
    assert (line["path"], json.loads(line["body"])["level"]) == ("/ombudsman", "4")
    wire.send(*(raised(complaint, *level) for level in levels))  # said again under the next numbers
    await until_applied(notifier, complaint, "sla_monitor", 8)
    wire.send(raised(complaint, 1, "liaison", deadline_version=2), raised(complaint, 1, "liaison", holder=3))
    await settled(notifier, notices, complaint, 6)
    assert len(mails(sinks, complaint)) == 5, "another deadline and another holder are told anew, and nothing else"


async def test_wish_19_who_cannot_be_reached_is_said_by_an_event_and_the_next_level_is_called_upon(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    ombudsman = wire.reader("amanah.ombudsman")
    wire.send(submitted(complaint, now()))
    sinks.smtp_fault, sinks.smtp_fault_left = SmtpFault.PERMANENT, 1
    wire.send(raised(complaint, 1))
    failed = (await settled(notifier, notices, complaint, 1))["office:dot/head"]
    assert (failed.type, failed.body["about"]) == ("notice.failed.v1", "escalation.raised.v1")
    assert [r.id for r in await ombudsman.wait_for(complaint, "notice.failed")] == [failed.id]
    ombudsman.close()
    wire.send(
        deadline("escalation.impossible", complaint, DUE, None, level=2, role="superior", reason="no_superior"),
        raised(complaint, 3, "secretary", "mayor-office"),
    )
    told = await settled(notifier, notices, complaint, 3)
    assert told["ombudsman"].type == told["office:mayor-office/secretary"].type == "notice.sent.v1"
    [line] = webhooks(sinks, complaint)
    body = json.loads(line["body"])
    assert (line["path"], body["type"], body["reason"]) == ("/ombudsman", "escalation.impossible.v1", "no_superior")


async def test_a_role_that_is_no_part_of_an_address_is_a_failed_notice_and_reaches_nobody_else(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    wire.send(submitted(complaint, now()), raised(complaint, role="x@example.org, head"))
    [failed] = (await settled(notifier, notices, complaint, 1)).values()
    assert (failed.type, failed.body["reason"]) == ("notice.failed.v1", "unsafe_header")
    assert not sinks.attempts


async def test_a_withdrawal_reaches_each_of_those_called_upon_and_unsent_levels_are_dropped(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    complaint, whole = uuid4(), uuid4()
    wire.send(submitted(complaint, now()), breached(complaint), raised(complaint, 1, "liaison"))
    wire.send(raised(complaint, 3, "keeper", "ombudsman"))
    await settled(notifier, notices, complaint, 5)
    refuse(sinks)
    wire.send(raised(complaint, 2, "head"))
    await until_tried(notifier, complaint, 1)  # an attempt may succeed without our knowing
    wire.send(deadline("deadline.breach_withdrawn", complaint, DUE))
    await until_dropped(notifier, complaint, 1)
    refuse(sinks, False)
    await settled(notifier, notices, complaint, 11)
    assert states(notifier, complaint)["escalation.raised", "office:dot/head"] == "superseded"
    told = ["agency:dot", "superior:dot", "office:dot/liaison", "office:dot/head", "ombudsman"]
    assert sorted(r for stem, r in states(notifier, complaint) if stem == "deadline.breach_withdrawn") == sorted(told)
    assert subjects_of(sinks, complaint).count("deadline.breach_withdrawn.v1") == 2, "the ombudsman once"

    wire.send(submitted(whole, now()), deadline("deadline.breach_withdrawn", whole, DUE))
    wire.send(breached(complaint), raised(complaint, 1, "liaison"))
    await settled(notifier, notices, complaint, 15)
    assert not states(notifier, whole), "nobody had been told"
    liaison = [m["subject"].split(":")[0] for m in mails(sinks, complaint) if m["recipients"][0].startswith("liaison+")]
    assert liaison == ["You are called upon, level 1", "Correction", "You are called upon, level 1"]


LATE_ANSWERS: dict[str, Callable[[UUID], list[Event]]] = {
    "resolved": lambda c: [case("resolved", c, LATE)],
    "resolved, taken back, resolved anew": lambda c: [
        case("resolved", c, LATE, action=UUID(int=1)),
        case("action_withdrawn", c, LATE, withdraws=UUID(int=1)),
        case("resolved", c, LATE, action=UUID(int=2)),
    ],
}
NO_ANSWERS: dict[str, Callable[[UUID], list[Event]]] = {
    "a reply, which does not end this clock": lambda c: [case("replied", c, LATE)],
    "another agency's": lambda c: [case("resolved", c, LATE, "dep")],
    "one of before the deadline, of an assignment before": lambda c: [case("resolved", c, DUE - timedelta(days=1))],
    "one that was taken back": lambda c: [
        case("resolved", c, LATE, action=UUID(int=1)),
        case("action_withdrawn", c, LATE, withdraws=UUID(int=1)),
    ],
}


@pytest.mark.parametrize("answer", LATE_ANSWERS)
async def test_wish_24_nobody_is_called_upon_about_what_was_answered_late(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader, answer: str
) -> None:
    """The clock says nothing of a late answer; `case.resolved` does."""
    complaint = uuid4()
    answers = LATE_ANSWERS[answer](complaint)
    refuse(sinks)
    warning = deadline("deadline.at_risk", complaint, DUE, stage="second")
    wire.send(submitted(complaint, now()), raised(complaint, 1, holder=1), warning)
    await until_tried(notifier, complaint, 2)
    wire.send(*answers)
    await until_dropped(notifier, complaint, 2)
    await until_applied(notifier, complaint, "casework", len(answers))
    refuse(sinks, False)
    wire.send(raised(complaint, 2, "superior", holder=1))  # raised before the answer, and known here after it
    await settled(notifier, notices, complaint, 3)
    assert set(states(notifier, complaint).values()) == {"superseded"}
    assert not mails(sinks, complaint) + webhooks(sinks, complaint)


@pytest.mark.parametrize("answer", NO_ANSWERS)
async def test_what_does_not_end_a_clock_silences_no_level_of_it(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader, answer: str
) -> None:
    complaint = uuid4()
    answers = NO_ANSWERS[answer](complaint)
    wire.send(submitted(complaint, now()), *answers)
    await until_applied(notifier, complaint, "casework", len(answers))
    wire.send(raised(complaint, holder=1))
    assert (await settled(notifier, notices, complaint, 1)).keys() == {"office:dot/head"}


async def test_a_breach_is_told_also_when_the_answer_has_come_since(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    """It has happened: everybody entitled learns of it. Only calling upon somebody about it is needless."""
    complaint = uuid4()
    wire.send(submitted(complaint, now()), case("resolved", complaint, LATE))
    await until_applied(notifier, complaint, "casework", 1)
    wire.send(breached(complaint), raised(complaint))
    assert (await settled(notifier, notices, complaint, 4)).keys() == {"agency:dot", "superior:dot", "ombudsman"}


async def test_of_a_whistle_blower_s_complaint_no_office_and_no_agency_is_told(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    wire.send(
        submitted(complaint, now(), visibility=Visibility.WHISTLE_BLOWER, contactable=True),
        case("information_requested", complaint, now()),
        case("extended", complaint, now()),
        deadline("deadline.at_risk", complaint, DUE),
        raised(complaint, 1),
        raised(complaint, 2, "keeper", "ombudsman"),
        deadline("escalation.impossible", complaint, DUE, level=3),
    )
    await until_applied(notifier, complaint, "sla_monitor", 4)
    await until_applied(notifier, complaint, "casework", 2)
    await settled(notifier, notices, complaint, 2)
    assert {recipient for _, recipient in states(notifier, complaint)} == {"ombudsman"}
    assert not mails(sinks, complaint)


async def test_the_citizen_is_told_of_a_question_and_of_a_longer_term_and_reads_them_on_the_site(
    notifier: ServiceProcess, sinks: Sinks, intake: Intake, wire: Wire, notices: Reader
) -> None:
    """`case.information_requested` and `case.extended`."""
    complaint, silent = uuid4(), uuid4()
    intake.contacts[complaint] = "somebody@example.org"
    for one in (complaint, silent):
        wire.send(submitted(one, now(), contactable=one is complaint), routed(one, now()))
        wire.send(case("information_requested", one, now()), case("extended", one, now()))
    await settled(notifier, notices, complaint, 3)
    await until_applied(notifier, silent, "casework", 2)
    sent = {mail["event"]: mail for mail in mails(sinks, complaint)}
    assert sent.keys() == {"complaint.routed.v1", "case.information_requested.v1", "case.extended.v1"}
    assert sent["case.information_requested.v1"]["template"] == "case.information_requested.citizen@1"
    assert "CANARY" not in str(sent), "what the agency wrote does not travel by mail"
    assert not states(notifier, silent), "who cannot be reached is not told"


async def test_the_citizen_is_not_told_of_an_answer_that_was_taken_back(
    notifier: ServiceProcess, sinks: Sinks, intake: Intake, wire: Wire, notices: Reader
) -> None:
    """`case.action_withdrawn` before the mail went out."""
    complaint, action = uuid4(), uuid4()
    intake.contacts[complaint] = "somebody@example.org"
    refuse(sinks)
    wire.send(
        submitted(complaint, now(), contactable=True),
        case("replied", complaint, now(), action=action),
        case("resolved", complaint, now(), action=uuid4()),
    )
    await until_tried(notifier, complaint, 2)
    wire.send(case("action_withdrawn", complaint, now(), withdraws=action))
    await until_dropped(notifier, complaint, 1)
    refuse(sinks, False)
    await settled(notifier, notices, complaint, 2)
    assert [mail["event"] for mail in mails(sinks, complaint)] == ["case.resolved.v1"]
