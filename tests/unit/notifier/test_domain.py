"""Who is told of what, and under which id."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_notifier.domain import (
    BREACH,
    CONTACT,
    RAISED,
    WITHDRAWAL,
    Channel,
    Complaint,
    Happening,
    Plan,
    Recipient,
    Telling,
    Told,
    audience,
    clock_occasion,
    decide,
    decide_withdrawal,
    notice_id,
)

ID = UUID("018f4e6a-0000-7000-8000-000000000001")
COMPLAINT = Complaint(ID, "AMN-7K2", contactable=True, restricted=False)
AGENCY = Telling(Recipient.AGENCY, Channel.WEBHOOK, "office", "https://notices.example/agency/{agency}")
SUPERIOR = Telling(Recipient.SUPERIOR, Channel.EMAIL, "office", "superior+{agency}@example.org")
OMBUDSMAN = Telling(Recipient.OMBUDSMAN, Channel.WEBHOOK, "office", "https://notices.example/ombudsman")
CITIZEN = Telling(Recipient.CITIZEN, Channel.EMAIL, "citizen", CONTACT)
OFFICE = Telling(Recipient.OFFICE, Channel.EMAIL, "office", "{role}+{office}@example.org")
PLAN = Plan(
    {
        BREACH: (AGENCY, SUPERIOR, OMBUDSMAN, CITIZEN),
        WITHDRAWAL: (AGENCY, SUPERIOR, OFFICE, OMBUDSMAN, CITIZEN),
        RAISED: (OFFICE, OMBUDSMAN),
    }
)
BREACHED = Happening(
    ID,
    BREACH,
    "deadline.breached.v1",
    clock_occasion("given", 1, "due", 0),
    agency="dot",
    stage="given",
    facts={"stage": "given"},
)


def level(number: int, role: str, office: str) -> Happening:
    occasion = clock_occasion("given", 1, f"level-{number}", 0)
    return replace(BREACHED, stem=RAISED, occasion=occasion, role=role, office=office)


@pytest.mark.parametrize(
    ("complaint", "agency", "told"),
    [
        (COMPLAINT, "dot", ["agency:dot", "superior:dot", "ombudsman", "citizen"]),
        (replace(COMPLAINT, contactable=False), "dot", ["agency:dot", "superior:dot", "ombudsman"]),
        (COMPLAINT, None, ["ombudsman", "citizen"]),
        (replace(COMPLAINT, restricted=True), "dot", ["ombudsman"]),
        (replace(COMPLAINT, restricted=True), None, ["ombudsman"]),
    ],
)
def test_exactly_the_entitled_are_told(complaint: Complaint, agency: str | None, told: list[str]) -> None:
    assert [n.recipient for n in decide(replace(BREACHED, agency=agency), complaint, PLAN)] == told


def test_an_event_outside_the_plan_tells_nobody() -> None:
    assert decide(replace(BREACHED, stem="case.replied"), COMPLAINT, PLAN) == []


def test_the_agency_s_code_fills_its_address_and_a_citizen_s_address_stays_unknown() -> None:
    addresses = {n.recipient: n.address for n in decide(BREACHED, COMPLAINT, PLAN)}
    assert addresses == {
        "agency:dot": "https://notices.example/agency/dot",
        "superior:dot": "superior+dot@example.org",
        "ombudsman": "https://notices.example/ombudsman",
        "citizen": "contact",
    }


def test_an_id_is_stable_for_ever() -> None:
    # Written down once: a change of this value would tell everybody everything again after a rebuild.
    occasion = clock_occasion("given", 1, "due", 0)
    known = notice_id(ID, BREACH, occasion, "agency:dot", Channel.WEBHOOK)
    assert str(known) == "265d1089-eb43-5a10-9758-b134d9f6b0a7"


KEY = st.tuples(
    st.uuids(),
    st.sampled_from([BREACH, WITHDRAWAL]),
    st.builds(
        clock_occasion,
        st.sampled_from(["given", "reply"]),
        st.integers(1, 3),
        st.sampled_from(["due", "level-2"]),
        st.integers(0, 2),
    ),
    st.sampled_from(["agency:dot", "superior:dot", "ombudsman", "citizen"]),
    st.sampled_from(list(Channel)),
)


@given(KEY, KEY)
def test_ids_differ_exactly_when_their_keys_do(one: tuple[object, ...], other: tuple[object, ...]) -> None:
    assert (notice_id(*one) == notice_id(*other)) == (one == other)  # type: ignore[arg-type]


def test_a_withdrawal_goes_only_to_those_told_also_after_the_case_moved() -> None:
    withdrawn = replace(BREACHED, stem=WITHDRAWAL, agency="dep")
    told = [Told("agency:dot", Channel.WEBHOOK, "dot", "o"), Told("ombudsman", Channel.WEBHOOK, "dot", "o")]
    assert [n.recipient for n in decide_withdrawal(withdrawn, COMPLAINT, PLAN, told)] == ["agency:dot", "ombudsman"]
    assert decide_withdrawal(withdrawn, COMPLAINT, PLAN, []) == []


def test_a_level_calls_upon_its_own_office_and_the_ombudsman_s_level_upon_the_ombudsman() -> None:
    levels = [
        level(1, "liaison", "dot"),
        level(2, "head", "dot"),
        level(3, "mayor", "hall"),
        level(4, "o", "ombudsman"),
    ]
    told = [(n.recipient, n.address) for one in levels for n in decide(one, COMPLAINT, PLAN)]
    assert told == [
        ("office:dot/liaison", "liaison+dot@example.org"),
        ("office:dot/head", "head+dot@example.org"),
        ("office:hall/mayor", "mayor+hall@example.org"),
        ("ombudsman", "https://notices.example/ombudsman"),
    ]


def test_of_a_whistle_blower_s_complaint_no_office_is_told() -> None:
    restricted = replace(COMPLAINT, restricted=True)
    assert decide(level(1, "head", "dot"), restricted, PLAN) == []
    assert [n.recipient for n in decide(level(2, "o", "ombudsman"), restricted, PLAN)] == ["ombudsman"]


def test_a_withdrawal_reaches_each_office_called_upon_and_nobody_twice() -> None:
    withdrawn = replace(BREACHED, stem=WITHDRAWAL)
    told = [
        Told("ombudsman", Channel.WEBHOOK, "dot", "given/1/level-3/0", RAISED, "o", "ombudsman"),
        Told("office:dot/head", Channel.EMAIL, "dot", "given/1/level-1/0", RAISED, "head", "dot"),
        Told("office:hall/mayor", Channel.EMAIL, "dot", "given/1/level-2/0", RAISED, "mayor", "hall"),
        Told("ombudsman", Channel.WEBHOOK, "dot", "given/1/due/0"),
    ]
    notices = {n.recipient: n for n in decide_withdrawal(withdrawn, COMPLAINT, PLAN, told)}
    assert notices.keys() == {"ombudsman", "office:dot/head", "office:hall/mayor"}
    assert notices["ombudsman"].occasion == "given/1/due/0", "the correction of the breach, as without levels"
    assert notices["office:hall/mayor"].address == "mayor+hall@example.org"
    assert len(decide_withdrawal(withdrawn, COMPLAINT, PLAN, told)) == 3


def test_an_audience_is_a_role_without_a_code() -> None:
    assert [audience(label) for label in ("agency:dot", "office:dot/head", "citizen")] == [
        "agency",
        "office",
        "citizen",
    ]
