"""Told at least once, under one id: the notifier as a process, with receivers that fail and a notifier that is killed."""

import json
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError
from tests.integration.notifier.conftest import Ports
from tests.integration.notifier.support import Intake, breached, mails, now, settled, webhooks, withdrawn
from tests.support.events import case, routed, submitted
from tests.support.process import ServiceProcess
from tests.support.wire import Reader, Wire, eventually

from amanah.sinks import Sinks, SmtpFault, WebhookFault
from amanah_contracts.vocabulary import Visibility


async def test_a_webhook_is_verified_by_the_library_of_standard_webhooks(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    wire.send(submitted(complaint, now(), narrative="CANARY-NARRATIVE"), breached(complaint))
    told = await settled(notifier, notices, complaint, 3)
    assert {name: record.type for name, record in told.items()} == dict.fromkeys(
        ("agency:dot", "superior:dot", "ombudsman"), "notice.sent.v1"
    )
    arrived = {line["path"]: line for line in webhooks(sinks, complaint)}
    assert arrived.keys() == {"/agency/dot", "/ombudsman"}
    verifier = Webhook(notifier.secrets.webhook().read_text().strip())
    for line in arrived.values():
        headers = {
            "webhook-id": line["notice"],
            "webhook-timestamp": line["timestamp"],
            "webhook-signature": line["signature"],
        }
        assert verifier.verify(line["body"], headers)["notice_id"] == line["notice"]
        with pytest.raises(WebhookVerificationError):
            verifier.verify(line["body"].replace("resolution", "another"), headers)
        with pytest.raises(WebhookVerificationError):
            verifier.verify(line["body"], headers | {"webhook-id": str(uuid4())})
        assert "CANARY" not in line["body"]
    assert told["agency:dot"].body["notice_id"] == arrived["/agency/dot"]["notice"]


async def test_mail_goes_through_the_relay_under_its_stable_message_id(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    wire.send(submitted(complaint, now()), breached(complaint))
    told = await settled(notifier, notices, complaint, 3)
    [mail] = mails(sinks, complaint)
    notice = told["superior:dot"].body["notice_id"]
    assert mail["message_id"] == f"<{notice}@amanah.invalid>"
    assert mail["recipients"] == ["superior+dot@sink.invalid"]
    assert (mail["template"], told["superior:dot"].body["template"]) == ("deadline.breached.office@1",) * 2
    assert "TST-7K2" in mail["subject"]


async def test_the_same_event_twice_tells_once(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    wire.send(submitted(complaint, now()), breached(complaint))
    await settled(notifier, notices, complaint, 3)
    wire.send(breached(complaint), sequence=1)  # redelivered
    wire.send(breached(complaint))  # said again under the next number
    applied = "select seq from chassis_position where subject = %s and source = 'amanah.sla_monitor'"
    await eventually(lambda: notifier.sql(applied, complaint) == [(2,)], "the second event")
    await settled(notifier, notices, complaint, 3)
    assert len(webhooks(sinks, complaint)) == 2
    assert len(mails(sinks, complaint)) == 1


async def test_a_refusing_receiver_is_tried_again_later_and_later_under_the_same_ids(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    wire.send(submitted(complaint, now()))
    sinks.smtp_fault, sinks.smtp_fault_left = SmtpFault.TEMPORARY, 3
    wire.send(breached(complaint))
    told = await settled(notifier, notices, complaint, 3)
    assert told["superior:dot"].body["attempts"] == 4
    attempts = [a for a in sinks.attempts if a.target == "superior+dot@sink.invalid"]
    assert {a.notice for a in attempts} == {told["superior:dot"].body["notice_id"]}
    gaps = [later.at - sooner.at for sooner, later in pairwise(attempts)]
    assert len(gaps) == 3
    for gap, promised in zip(gaps, (0.2, 0.4, 0.8), strict=True):
        assert gap >= promised * 0.8, "never sooner than published, less the jitter"


async def test_what_a_receiver_took_without_our_knowing_comes_again_under_the_same_id(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    wire.send(submitted(complaint, now()))
    sinks.webhook_fault, sinks.webhook_fault_left = WebhookFault.RESET_AFTER, 2
    wire.send(breached(complaint))
    told = await settled(notifier, notices, complaint, 3)
    lines = webhooks(sinks, complaint)
    assert len(lines) == 4, "each of the two twice"
    assert {line["notice"] for line in lines} == {told[name].body["notice_id"] for name in ("agency:dot", "ombudsman")}


async def test_while_the_receivers_are_down_nothing_is_lost(
    notifier: ServiceProcess, ports: Ports, wire: Wire, notices: Reader, tmp_path: Path
) -> None:
    complaint = uuid4()
    wire.send(submitted(complaint, now()), breached(complaint))
    tried = "select count(*) from notifier_delivery where complaint_id = %s and attempts >= 2 and state = 'pending'"
    await eventually(lambda: notifier.sql(tried, complaint) == [(3,)], "attempts in vain")
    async with Sinks(tmp_path / "late", ports.webhook, ports.smtp) as sinks:
        told = await settled(notifier, notices, complaint, 3)
        assert all(record.type == "notice.sent.v1" and record.body["attempts"] > 2 for record in told.values())
        assert {len(webhooks(sinks, complaint)), len(mails(sinks, complaint)) * 2} == {2}


async def test_killed_between_sending_and_noting_it_the_notice_comes_again_under_its_id(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    keep = sinks.webhooks.append
    killed: list[str] = []

    async def keep_and_kill(line: dict[str, Any]) -> None:
        await keep(line)
        if not killed:
            killed.append(line["notice"])
            notifier.kill()  # it has sent, and will never hear the answer

    sinks.webhooks.append = keep_and_kill  # type: ignore[method-assign]
    complaint = uuid4()
    wire.send(submitted(complaint, now()), breached(complaint))
    await eventually(lambda: killed, "the first webhook")
    state = "select state from notifier_delivery where id = %s"
    assert notifier.sql(state, UUID(killed[0])) == [("pending",)]
    notifier.start()
    told = await settled(notifier, notices, complaint, 3)
    lines = webhooks(sinks, complaint)
    assert [line["notice"] for line in lines].count(killed[0]) == 2
    assert {line["notice"] for line in lines} == {told[name].body["notice_id"] for name in ("agency:dot", "ombudsman")}
    assert len(mails(sinks, complaint)) >= 1
    assert {record.type for record in told.values()} == {"notice.sent.v1"}


async def test_gone_is_for_good_and_a_person_is_told(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    complaint, second = uuid4(), uuid4()
    ombudsman = wire.reader("amanah.ombudsman")
    wire.send(submitted(complaint, now()), submitted(second, now()))
    sinks.webhook_fault = WebhookFault.GONE
    wire.send(breached(complaint, "tlc"))
    failed = (await settled(notifier, notices, complaint, 3))["agency:tlc"]
    assert (failed.type, failed.body["reason"], failed.body["attempts"]) == ("notice.failed.v1", "http 410", 1)
    assert [r.id for r in await ombudsman.wait_for(complaint, "notice.failed")].count(failed.id) == 1
    ombudsman.close()

    sinks.webhook_fault, before = WebhookFault.NONE, len(sinks.attempts)
    wire.send(breached(second, "tlc"))
    refused = (await settled(notifier, notices, second, 3))["agency:tlc"]
    assert (refused.body["reason"], refused.body["attempts"]) == ("endpoint_disabled", 0)
    assert not [a for a in list(sinks.attempts)[before:] if a.target == "/agency/tlc"]
    notifier.sql("delete from notifier_endpoint_gone")


async def test_a_mailbox_that_does_not_exist_is_not_tried_again(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    sinks.smtp_fault = SmtpFault.PERMANENT
    wire.send(submitted(complaint, now()), breached(complaint))
    failed = (await settled(notifier, notices, complaint, 3))["superior:dot"]
    assert (failed.type, failed.body["reason"], failed.body["attempts"]) == ("notice.failed.v1", "smtp 550", 1)


async def test_of_a_whistle_blower_only_the_ombudsman_is_told(
    notifier: ServiceProcess, sinks: Sinks, intake: Intake, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    intake.contacts[complaint] = "whistle@example.org"
    wire.send(
        submitted(complaint, now(), visibility=Visibility.WHISTLE_BLOWER, contactable=True),
        routed(complaint, now()),
        case("replied", complaint, now()),
        breached(complaint),
    )
    told = await settled(notifier, notices, complaint, 1)
    assert told.keys() == {"ombudsman"}
    applied = "select count(*) from chassis_position where subject = %s"
    await eventually(lambda: notifier.sql(applied, complaint) == [(4,)], "all four events")
    assert not mails(sinks, complaint)
    assert not intake.asked[complaint], "not even the address was asked for"


async def test_an_event_that_overtook_the_filing_waits_for_it(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    wire.send(breached(complaint))
    parked = "select waiting_for from chassis_parked where subject = %s"
    await eventually(
        lambda: notifier.sql(parked, complaint) == [("complaint.submitted",)], "the breach to be set aside"
    )
    assert notifier.sql("select count(*) from notifier_delivery where complaint_id = %s", complaint) == [(0,)]
    wire.send(submitted(complaint, now(), visibility=Visibility.WHISTLE_BLOWER))
    assert (await settled(notifier, notices, complaint, 1)).keys() == {"ombudsman"}
    assert notifier.sql(parked, complaint) == []


async def test_a_withdrawal_goes_to_those_who_were_told(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    complaint, unbroken = uuid4(), uuid4()
    wire.send(submitted(complaint, now()), submitted(unbroken, now()), breached(complaint))
    await settled(notifier, notices, complaint, 3)
    wire.send(withdrawn(complaint, "dep"), withdrawn(unbroken))
    await settled(notifier, notices, complaint, 6)
    corrections = [m for m in webhooks(sinks, complaint) if "deadline.breach_withdrawn.v1" in m["body"]]
    assert {line["path"] for line in corrections} == {"/agency/dot", "/ombudsman"}, "not to the holder of today"
    assert not webhooks(sinks, unbroken)


async def test_a_breach_that_comes_true_after_a_withdrawal_is_told_anew(
    notifier: ServiceProcess, sinks: Sinks, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    wire.send(submitted(complaint, now()))
    for told, event in enumerate((breached, withdrawn, breached, withdrawn), 1):
        wire.send(event(complaint))
        await settled(notifier, notices, complaint, 3 * told)
    lines = [line for line in webhooks(sinks, complaint) if line["path"] == "/agency/dot"]
    kinds = [json.loads(line["body"])["type"] for line in lines]
    assert kinds == ["deadline.breached.v1", "deadline.breach_withdrawn.v1"] * 2
    assert len({line["notice"] for line in lines}) == 4


async def test_citizens_are_mailed_at_the_address_of_the_moment_of_sending(
    notifier: ServiceProcess, sinks: Sinks, intake: Intake, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    intake.contacts[complaint] = "old@example.org"
    sinks.smtp_fault, sinks.smtp_fault_left = SmtpFault.TEMPORARY, 2
    wire.send(submitted(complaint, now(), contactable=True), routed(complaint, now()))
    await eventually(lambda: len(sinks.attempts), "the first attempt")
    intake.contacts[complaint] = "new@example.org"
    await settled(notifier, notices, complaint, 1)
    [mail] = mails(sinks, complaint)
    assert mail["recipients"] == ["new@example.org"]
    assert intake.asked[complaint] == 3, "asked anew at each attempt"


async def test_while_intake_is_away_no_attempt_is_counted(
    notifier: ServiceProcess, sinks: Sinks, intake: Intake, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    intake.contacts[complaint], intake.away = "somebody@example.org", True
    wire.send(submitted(complaint, now(), contactable=True), routed(complaint, now()))
    await eventually(lambda: intake.asked[complaint], "the question")
    intake.away = False
    told = await settled(notifier, notices, complaint, 1)
    assert (told["citizen"].type, told["citizen"].body["attempts"]) == ("notice.sent.v1", 1)


async def test_who_left_no_contact_is_not_told_and_nobody_is_alarmed(
    notifier: ServiceProcess, sinks: Sinks, intake: Intake, wire: Wire, notices: Reader
) -> None:
    complaint = uuid4()
    wire.send(submitted(complaint, now(), contactable=True), routed(complaint, now()))
    assert await settled(notifier, notices, complaint, 1) == {}
    assert notifier.sql("select state from notifier_delivery where complaint_id = %s", complaint) == [("not_wanted",)]


@pytest.mark.parametrize(
    ("email", "code"),
    [
        ("x@example.org\r\nBcc: victim@example.org", "TST-7K2"),
        ("x@example.org, victim@example.org", "TST-7K2"),
        ("x@example.org", "TST-7K2\r\nBcc: victim@example.org"),
        ("x@example.org", "TST-7K2\n\nA body of my own"),
    ],
)
async def test_nothing_from_outside_becomes_a_header(
    notifier: ServiceProcess, sinks: Sinks, intake: Intake, wire: Wire, notices: Reader, email: str, code: str
) -> None:
    complaint = uuid4()
    intake.contacts[complaint] = email
    wire.send(submitted(complaint, now(), contactable=True, tracking_code=code), routed(complaint, now()))
    told = await settled(notifier, notices, complaint, 1)
    assert (told["citizen"].type, told["citizen"].body["reason"]) == ("notice.failed.v1", "unsafe_header")
    assert told["citizen"].body["attempts"] == 0
    assert not sinks.attempts, "the relay was never even spoken to"
    assert timedelta() < now() - told["citizen"].instant("occurred_at")
