"""Who is responsible: the first rule that matches, what a condition accepts, and where a refused complaint goes."""

import pytest

from amanah_routing.domain import ANY, NAMED, Assignment, Matter, Registry, Rule, Triage, reroute, route

AGENCIES = Registry(
    frozenset({"roads", "water", "police", "inspectorate"}),
    {name: name for name in ("roads", "water", "police", "inspectorate")} | {"dinas jalan": "roads", "pdam": "water"},
)


def rule(rule_id: str, to: str, **when: list[str]) -> Rule:
    return Rule(rule_id, {field: frozenset(values) for field, values in when.items()}, to, f"Because of {rule_id}.")


RULES = (
    rule("whistle", "inspectorate", visibility=["whistle_blower"]),
    rule("called-police", "police", agency_named=["traffic people"]),
    rule("called-water", "police", agency_named=["water"], category=["theft"]),
    rule("named", NAMED, agency_named=[ANY]),
    rule("roads-west", "water", category=["pothole"], region=["63.01"]),
    rule("roads", "roads", category=["pothole", "bridge"]),
    rule("urgent", "police", classification=["urgent"], category=["noise"]),
    rule("never-reached", "police", category=["pothole"]),
)


@pytest.mark.parametrize(
    ("matter", "agency", "by"),
    [
        (Matter("pothole"), "roads", "roads"),
        (Matter("  POTHOLE "), "roads", "roads"),
        (Matter("pothole", region="63.01"), "water", "roads-west"),  # the rule before it
        (Matter("pothole", region="63.01.05.2001"), "water", "roads-west"),  # a place inside the region
        (Matter("pothole", region="63.011"), "roads", "roads"),  # begins alike and is another region
        (Matter("pothole", region="63"), "roads", "roads"),  # the whole is no part of its part
        (Matter("pothole", agency_named="water"), "water", "named"),
        (Matter("pothole", agency_named=" Dinas  Jalan "), "roads", "named"),  # an alias, whatever its blanks
        (Matter("theft", agency_named="PDAM"), "police", "called-water"),  # an alias is its agency in a condition too
        (Matter("pothole", agency_named="Traffic People"), "police", "called-police"),  # a name of no agency
        (Matter("pothole", agency_named="nobody"), "roads", "roads"),  # not in the registry: the next rules decide
        (Matter("pothole", agency_named="*"), "roads", "roads"),  # a star is no name
        (Matter("noise", classification="urgent"), "police", "urgent"),
        (Matter("pothole", agency_named="roads", visibility="whistle_blower"), "inspectorate", "whistle"),
    ],
    ids=str,
)
def test_the_first_rule_that_matches_decides_and_its_explanation_is_kept(matter: Matter, agency: str, by: str) -> None:
    assert route(matter, RULES, AGENCIES) == Assignment(agency, by, f"Because of {by}.")


@pytest.mark.parametrize(
    "matter",
    [
        Matter("unheard of"),
        Matter("noise"),  # one of two conditions does not hold: the field is absent
        Matter("noise", classification="normal"),
        Matter("unheard of", agency_named="nobody"),
        Matter(""),
    ],
    ids=str,
)
def test_what_no_rule_matches_is_for_a_person(matter: Matter) -> None:
    assert isinstance(route(matter, RULES, AGENCIES), Triage)


def test_order_decides_and_nothing_else() -> None:
    first, second = rule("a", "roads", category=["x"]), rule("b", "water", category=["x"], region=["63"])
    matter = Matter("x", region="63")
    assert route(matter, (first, second), AGENCIES) == Assignment("roads", "a", "Because of a.")
    assert route(matter, (second, first), AGENCIES) == Assignment("water", "b", "Because of b.")


def test_a_rule_for_the_named_agency_is_passed_over_when_nobody_knows_that_name() -> None:
    rules = (rule("as-named", NAMED, category=["x"]), rule("else", "water", category=["x"]))
    for named in ("nobody", None, " "):
        decision = route(Matter("x", agency_named=named), rules, AGENCIES)
        assert decision == Assignment("water", "else", "Because of else.")


@pytest.mark.parametrize(
    ("proposed", "refused_by", "agency"),
    [
        ("water", ("roads",), "water"),
        ("pdam", ("roads",), "water"),
        (None, ("roads",), None),
        ("nobody", ("roads",), None),
        ("roads", ("roads",), None),  # it proposes itself
        ("police", ("roads", "water"), None),  # two refusals are enough
        ("police", ("roads", "water", "roads"), None),
    ],
)
def test_a_refused_complaint_follows_the_proposal_once(
    proposed: str | None, refused_by: tuple[str, ...], agency: str | None
) -> None:
    decision = reroute(proposed, refused_by, AGENCIES, "open")
    assert (decision.agency if isinstance(decision, Assignment) else None) == agency


def test_every_refusal_that_ends_with_a_person_says_why() -> None:
    proposals = [(None, ("roads",)), ("nobody", ("roads",)), ("roads", ("roads",)), ("police", ("roads", "water"))]
    reasons = [reroute(proposed, refused, AGENCIES, "open") for proposed, refused in proposals]
    assert len({r.reason for r in reasons if isinstance(r, Triage)}) == len(proposals)


def test_a_whistle_blowers_report_never_follows_a_proposal() -> None:
    assert isinstance(reroute("water", ("inspectorate",), AGENCIES, "whistle_blower"), Triage)
    assert isinstance(reroute("water", ("inspectorate",), AGENCIES, "confidential"), Assignment)
