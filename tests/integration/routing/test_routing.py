"""A complaint finds its agency, once, by the pack's rules; what is declined moves on; what nobody decides is a person's."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml
from tests.support.events import case, submitted
from tests.support.process import ServiceProcess
from tests.support.stack import Embedded
from tests.support.wire import Reader, Record, Wire, eventually

from amanah import project

NARRATIVE = "CANARY-NARRATIVE a hole before the school"


def now() -> datetime:
    return datetime.now(UTC)


def emitted(router: ServiceProcess, complaint: UUID) -> list[tuple[str, str]]:
    """Type and topic of all that routing ever committed to say about a complaint."""
    said = "select type, topic from chassis_outbox where subject = %s order by id"
    return [(kind, topic) for kind, topic in router.sql(said, complaint)]


async def route(wire: Wire, said: Reader, topic: str, **more: Any) -> tuple[UUID, Record]:
    """Files a complaint; answers it and what `topic` was told."""
    complaint = uuid4()
    wire.send(submitted(complaint, now(), **more))
    [record] = await said.wait_for(complaint, "complaint.routed", topic=topic)
    return complaint, record


async def test_a_complaint_reaches_its_agency_with_its_words_and_the_reason(
    router: ServiceProcess, wire: Wire, said: Reader
) -> None:
    filed, due = now() - timedelta(days=2), now() + timedelta(days=5)
    complaint, view = await route(
        wire,
        said,
        "amanah.agency.dot",
        category="street condition",
        narrative=NARRATIVE,
        source_ref="39-7",
        region="BROOKLYN",
        given_due_at=due,
        occurred_at=filed,
    )
    [owner] = await said.wait_for(complaint, "complaint.routed", topic="amanah.assignments")
    assert view.body == owner.body
    assert view.id == owner.id
    assert (view.sequence, owner.sequence) == (1, 1)
    [rule] = [r for r in _rules() if "Street Condition" in r["when"].get("category", [])]
    said_of_rule = {"rule": rule["id"], "explanation": rule["explanation"], "agency": rule["to"]}
    expected = {
        **said_of_rule,
        "assignment": 1,
        "decided_by": "system",
        "category": "street condition",
        "region": "BROOKLYN",
        "visibility": "open",
        "narrative": NARRATIVE,
        "source_ref": "39-7",
    }
    assert expected.items() <= view.body.items()
    assert view.instant("submitted_at") == filed  # a paper form counts from the day it was handed in
    assert view.instant("given_due_at") == due
    kept = router.sql("select state, agency, reason from complaint where complaint_id = %s", complaint)
    assert kept == [("routed", "dot", rule["explanation"])]


def _rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((project.pack("nyc311") / "routing.yaml").read_text())["rules"]
    return found


async def test_the_agency_that_was_named_comes_first(router: ServiceProcess, wire: Wire, said: Reader) -> None:
    _, view = await route(wire, said, "amanah.agency.dep", category="Street Condition", agency_named=" dep ")
    assert view.body["rule"] == "named-by-source"


async def test_a_whistle_blower_is_kept_from_the_agency_that_the_report_is_about(
    router: ServiceProcess, wire: Wire, said: Reader
) -> None:
    complaint, _ = await route(
        wire, said, "amanah.agency.doi", category="Street Condition", agency_named="DOT", visibility="whistle_blower"
    )
    assert {topic for _, topic in emitted(router, complaint)} == {"amanah.assignments", "amanah.agency.doi"}
    wire.send(case("declined", complaint, now(), "doi", proposed_agency="dot"))
    await said.wait_for(complaint, "triage.requested", topic="amanah.assignments")
    assert {topic for _, topic in emitted(router, complaint)} == {"amanah.assignments", "amanah.agency.doi"}


async def test_an_event_delivered_again_is_routed_once(router: ServiceProcess, wire: Wire, said: Reader) -> None:
    complaint = uuid4()
    again = submitted(complaint, now())
    for _ in range(3):
        wire.send(again, sequence=1)
    wire.send(case("declined", complaint, now(), proposed_agency="dep"))
    await said.wait_for(complaint, "complaint.routed", topic="amanah.agency.dep")
    kinds = [kind for kind, topic in emitted(router, complaint) if topic == "amanah.assignments"]
    assert kinds == ["complaint.routed.v1"] * 2


async def test_a_killed_router_routes_each_complaint_once(router: ServiceProcess, wire: Wire, said: Reader) -> None:
    complaints = []
    for _ in range(2):
        complaints += [uuid4() for _ in range(40)]
        wire.send(*(submitted(complaint, now()) for complaint in complaints[-40:]))
        router.kill()
        router.start()
    for complaint in complaints:
        await said.wait_for(complaint, "complaint.routed", topic="amanah.agency.dot")
        assert len(emitted(router, complaint)) == 2


async def test_a_declined_complaint_moves_to_the_agency_proposed_then_to_a_person(
    router: ServiceProcess, wire: Wire, said: Reader
) -> None:
    complaint, first = await route(wire, said, "amanah.agency.dot", narrative=NARRATIVE)
    wire.send(case("declined", complaint, now(), "dot", proposed_agency="dep"))
    [second] = await said.wait_for(complaint, "complaint.routed", topic="amanah.agency.dep")
    assert (second.body["assignment"], second.body["rule"], second.body["narrative"]) == (2, "proposed", NARRATIVE)
    assert second.sequence == 1  # the first that this agency may see
    assert second.body["submitted_at"] == first.body["submitted_at"]  # the citizen's clock does not start anew
    wire.send(case("declined", complaint, now(), "dep", proposed_agency="nypd"))
    await said.wait_for(complaint, "triage.requested", topic="amanah.assignments")
    [row] = router.sql("select state, agency, refused_by from complaint where complaint_id = %s", complaint)
    assert row == ("triage", None, ["dot", "dep"])


async def test_a_refusal_by_someone_who_is_no_longer_the_holder_changes_nothing(
    router: ServiceProcess, wire: Wire, said: Reader
) -> None:
    complaint, _ = await route(wire, said, "amanah.agency.dot")
    wire.send(case("declined", complaint, now(), "nypd", proposed_agency="doi"))
    wire.send(case("declined", complaint, now(), "dot", proposed_agency="dep"))
    await said.wait_for(complaint, "complaint.routed", topic="amanah.agency.dep")
    [row] = router.sql("select agency, assignment, refused_by from complaint where complaint_id = %s", complaint)
    assert row == ("dep", 2, ["dot"])


async def test_a_refusal_that_comes_before_its_complaint_waits_for_it(
    router: ServiceProcess, wire: Wire, said: Reader
) -> None:
    complaint = uuid4()
    wire.send(case("declined", complaint, now(), "dot", proposed_agency="dep"))
    waiting = "select count(*) from chassis_parked where subject = %s"
    await eventually(lambda: router.sql(waiting, complaint) == [(1,)], "the refusal to be set aside")
    wire.send(submitted(complaint, now()))
    await said.wait_for(complaint, "complaint.routed", topic="amanah.agency.dep")
    assert router.sql(waiting, complaint) == [(0,)]


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"expect": "nypd"}, ["test 1", "expects nypd", "gets dot", "rule "]),
        ({"expect": "triage"}, ["test 1", "expects triage", "gets dot", "rule "]),
    ],
)
def test_a_pack_that_fails_its_own_rule_test_stops_the_service_with_one_line(
    change: dict[str, str], reasons: list[str], embedded: Embedded, tmp_path: Path
) -> None:
    rules = yaml.safe_load((project.pack("nyc311") / "routing.yaml").read_text())
    rules["tests"] = [{"given": {"category": "Street Condition"}} | change]
    (tmp_path / "routing.yaml").write_text(yaml.safe_dump(rules))
    (tmp_path / "agencies.yaml").write_text((project.pack("nyc311") / "agencies.yaml").read_text())
    process = ServiceProcess(
        "routing", kafka=embedded.kafka, database=embedded.database(), pack=tmp_path, home=tmp_path
    )
    code, words = process.run_to_its_end()
    assert code == 2
    [line] = [line for line in words.splitlines() if not line.startswith("{")]  # the rest is the log, in JSON
    for reason in (*reasons, str(tmp_path / "routing.yaml")):
        assert reason in line
