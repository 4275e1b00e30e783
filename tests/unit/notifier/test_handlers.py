"""Each event in the words of notices, and the words of every template in every language."""

from uuid import uuid4

import pytest
from tests.unit.notifier.support import breached, delivered, environment, replied, resolved, routed, withdrawn

from amanah_notifier import app, handlers, words
from amanah_notifier.domain import FACTS, Complaint, decide

ID = uuid4()
HAPPENINGS = {
    happening.stem: happening
    for happening in (
        handlers.routed(delivered(routed(ID))),
        handlers.answered(delivered(replied(ID))),
        handlers.answered(delivered(resolved(ID))),
        handlers.breached(delivered(breached(ID))),
        handlers.withdrawn(delivered(withdrawn(ID))),
    )
}
COMPLAINT = Complaint(ID, "AMN-7K2", contactable=True, restricted=False)
CONTEXT = app.read_pack(environment())  # type: ignore[arg-type]


def test_every_event_that_can_be_told_of_is_consumed_and_the_other_way_round() -> None:
    assert {event.stem for event in app.CONSUMES} - {"complaint.submitted"} == set(FACTS) == set(HAPPENINGS)


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
        assert "39" not in subject, "nothing from outside in a subject"
        assert text.strip()
        assert "{{" not in text + subject


def test_a_breach_while_in_triage_has_words_too() -> None:
    happening = handlers.breached(delivered(breached(ID, agency=None, source_ref=None, due_at=None)))
    for notice in decide(happening, COMPLAINT, CONTEXT.plan):
        for language in ("en", "id"):
            assert "None" not in CONTEXT.catalogue.text(notice.template, language, notice.facts)


def test_instants_are_shown_in_the_pack_s_zone() -> None:
    [agency, *_] = decide(HAPPENINGS["deadline.breached"], COMPLAINT, CONTEXT.plan)
    assert "2018-03-05 09:30 EST" in CONTEXT.catalogue.text(agency.template, "en", agency.facts)


def test_two_answers_of_an_agency_are_two_notices_and_one_answer_delivered_twice_is_one() -> None:
    one, two = delivered(replied(ID)), delivered(replied(ID))
    ids = [{n.id for n in decide(handlers.answered(d), COMPLAINT, CONTEXT.plan)} for d in (one, one, two)]
    assert ids[0] == ids[1] != ids[2]


def test_every_shipped_template_renders_for_the_event_it_is_named_after() -> None:
    for path in sorted(words.SHIPPED.glob("*.yaml")):
        for name in words._read(path):
            for language in ("en", "id"):
                words.try_out(CONTEXT.catalogue, name, path.stem, language)
