"""Each event in the words of notices, and the words of every template in every language."""

from uuid import uuid4

import pytest
from tests.support.events import case, deadline
from tests.unit.notifier.support import DAY, breached, delivered, environment, replied, resolved, routed, withdrawn

from amanah_contracts.sla_monitor import EscalationImpossible
from amanah_notifier import app, happenings, words
from amanah_notifier.domain import FACTS, OVERTAKES, Complaint, decide

ID = uuid4()
HAPPENINGS = {
    happening.stem: happening
    for happening in (
        happenings.routed(delivered(routed(ID))),
        happenings.acted(delivered(replied(ID))),
        happenings.acted(delivered(resolved(ID))),
        happenings.breached(delivered(breached(ID))),
        happenings.withdrawn(delivered(withdrawn(ID))),
        happenings.acted(delivered(case("information_requested", ID, DAY))),
        happenings.acted(delivered(case("extended", ID, DAY))),
        happenings.at_risk(delivered(deadline("deadline.at_risk", ID, DAY, source_ref="39"))),
        happenings.raised(delivered(deadline("escalation.raised", ID, DAY, source_ref="39"))),
        happenings.impossible(delivered(deadline("escalation.impossible", ID, DAY, source_ref="39"))),
    )
}
UNSAID = {"complaint.submitted", "case.acknowledged", "case.declined", "case.action_withdrawn"}
"""Only known, for what is told of others."""
COMPLAINT = Complaint(ID, "AMN-7K2", contactable=True, restricted=False)
CONTEXT = app.read_pack(environment())  # type: ignore[arg-type]


def test_every_event_that_can_be_told_of_is_consumed_and_the_other_way_round() -> None:
    consumed = {event.stem for event in app.CONSUMES}
    assert consumed - UNSAID - (set(OVERTAKES) - set(FACTS)) == set(FACTS) == set(HAPPENINGS)
    assert consumed >= UNSAID | set(OVERTAKES)


@pytest.mark.parametrize("stem", sorted(FACTS))
def test_a_notice_carries_exactly_the_facts_that_are_promised_for_its_words(stem: str) -> None:
    for notice in decide(HAPPENINGS[stem], COMPLAINT, CONTEXT.plan):
        assert set(notice.facts) == FACTS[stem]
        assert not any("CANARY" in value for value in notice.facts.values())


@pytest.mark.parametrize("language", ["en", "id"])
@pytest.mark.parametrize("stem", sorted(FACTS))
def test_every_template_renders_in_every_language(stem: str, language: str) -> None:
    notices = decide(HAPPENINGS[stem], COMPLAINT, CONTEXT.plan)
    assert notices
    for notice in notices:
        subject = CONTEXT.catalogue.subject(notice.template, language, notice.facts)
        text = CONTEXT.catalogue.text(notice.template, language, notice.facts)
        assert "AMN-7K2" in subject
        assert "\n" not in subject
        assert "None" not in text
        assert "39" not in subject, "nothing from outside in a subject"
        assert text.strip()
        assert "{{" not in text + subject


def test_a_breach_while_in_triage_has_words_too() -> None:
    happening = happenings.breached(delivered(breached(ID, agency=None, source_ref=None, due_at=None)))
    for notice in decide(happening, COMPLAINT, CONTEXT.plan):
        for language in ("en", "id"):
            assert "None" not in CONTEXT.catalogue.text(notice.template, language, notice.facts)


REASONS = ["no_holder", "no_superior", "no_channel", "unknown_role", "a_new_word"]


@pytest.mark.parametrize("language", ["en", "id"])
def test_why_nobody_can_be_called_upon_is_said_in_words(language: str) -> None:
    said = EscalationImpossible.model_fields["reason"].description or ""
    assert all(f"`{reason}`" in said for reason in REASONS[:-1]), "the words of the contract"
    texts = []
    for reason in REASONS:
        event = deadline("escalation.impossible", ID, DAY, None, reason=reason, due_at=None)
        [notice] = decide(happenings.impossible(delivered(event)), COMPLAINT, CONTEXT.plan)
        texts.append(CONTEXT.catalogue.text(notice.template, language, notice.facts))
    assert len(set(texts)) == len(REASONS)
    assert [("a_new_word" in text, "no_" in text) for text in texts] == [(False, False)] * 4 + [(True, False)]


def test_instants_are_shown_in_the_pack_s_zone() -> None:
    [agency, *_] = decide(HAPPENINGS["deadline.breached"], COMPLAINT, CONTEXT.plan)
    assert "2018-03-05 09:30 EST" in CONTEXT.catalogue.text(agency.template, "en", agency.facts)


def test_two_answers_of_an_agency_are_two_notices_and_one_answer_delivered_twice_is_one() -> None:
    one, two = delivered(replied(ID)), delivered(replied(ID))
    ids = [{n.id for n in decide(happenings.acted(d), COMPLAINT, CONTEXT.plan)} for d in (one, one, two)]
    assert ids[0] == ids[1] != ids[2]


def test_every_shipped_template_renders_for_the_event_it_is_named_after() -> None:
    for path in sorted(words.SHIPPED.glob("*.yaml")):
        for name in words._read(path):
            for language in ("en", "id"):
                words.try_out(CONTEXT.catalogue, name, path.stem, language)
