"""A broken plan or catalogue is refused with the file, the field and the reason."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.unit.notifier.support import NYC311, environment

from amanah_chassis.errors import Misconfigured
from amanah_notifier import app, endings, recipients, words
from amanah_notifier.domain import FACTS

GOOD = """
version: 1
recipients:
  agency: {webhook: "https://notices.example/{agency}"}
  office: {email: "{role}+{office}@offices.example"}
  ombudsman: {email: desk@ombudsman.example}
  citizen: {email: contact}
notices:
  deadline.breached:
    - {to: agency, by: webhook, template: deadline.breached.office}
    - {to: citizen, by: email, template: deadline.breached.citizen}
"""


def plan(tmp_path: Path, text: str, https_only: bool = True) -> recipients.Plan:
    (tmp_path / "recipients.yaml").write_text(text)
    return recipients.load(tmp_path, {}, https_only)


def test_a_good_plan(tmp_path: Path) -> None:
    assert [t.recipient for t in plan(tmp_path, GOOD).of("deadline.breached")] == ["agency", "citizen"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version: 1", "version: 2", "version: Input should be 1"),
        ("version: 1", "version: [", "is not YAML"),
        ("by: webhook", "by: pigeon", "notices.deadline.breached.0.by"),
        ("to: citizen", "to: mayor", "notices.deadline.breached.1.to"),
        ("to: agency", "whom: agency", "notices.deadline.breached.0"),
        ("  deadline.breached:", "  deadline.missed:", "notices.deadline.missed: not an event that can be told of"),
        ("to: citizen, by: email", "to: superior, by: email", "recipients.superior.email has no address"),
        ("to: citizen, by: email", "to: agency, by: webhook", "agency is told twice by webhook"),
        ("{agency}", "{officer}", "recipients.agency.webhook: {officer} is unknown"),
        ("https://notices.example", "http://notices.example", "recipients.agency.webhook: https is required"),
        ("https://notices.example", "ftp://notices.example", "recipients.agency.webhook: not a web address"),
        ("https://notices.example", "https://user:pw@notices.example", "no user name"),
        ("https://notices.example", "${AMANAH_ELSEWHERE}", "recipients.agency.webhook: set AMANAH_ELSEWHERE"),
        ("desk@ombudsman.example", "desk at ombudsman", "recipients.ombudsman.email: not an e-mail address"),
        ("desk@ombudsman.example", '"desk@ombudsman.example\\r\\nBcc: x@y.example"', "not an e-mail address"),
        ("desk@ombudsman.example", "'{agency}@ombudsman.example'", "{agency} has no value"),
        ("{role}+{office}@", "head+{office}@", "recipients.office.email: without {role} and {office} two levels"),
        (
            "{role}+{office}@",
            "{role}+{agency}@",
            "recipients.office.email: {agency} is unknown; only {office} and {role}",
        ),
        ("{role}+{office}@", "{role} {office}@", "recipients.office.email: not an e-mail address"),
        ("to: agency, by: webhook", "to: office, by: email", "notices.deadline.breached.0: an office is told only of"),
        (
            "  deadline.breached:",
            "  deadline.at_risk:",
            "notices.deadline.at_risk.1: deadline.at_risk is between the offices",
        ),
        (
            "  deadline.breached:",
            "  escalation.raised:",
            "notices.escalation.raised.1: escalation.raised is between the",
        ),
        ("email: contact", "email: someone@example.org", "a citizen, and nobody else"),
        ("email: desk@ombudsman.example", "email: contact", "a citizen, and nobody else"),
    ],
)
def test_a_broken_plan_names_file_and_field(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(Misconfigured) as refused:
        plan(tmp_path, GOOD.replace(old, new, 1))
    assert said in str(refused.value)
    assert "recipients.yaml" in str(refused.value)


def test_a_missing_plan_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"recipients\.yaml: No such file"):
        recipients.load(tmp_path, {}, https_only=True)


def test_plain_http_needs_the_setting() -> None:
    with pytest.raises(Misconfigured, match="AMANAH_WEBHOOK_ALLOW_LOCAL"):
        app.read_pack(environment(webhook_allow_local=False))  # type: ignore[arg-type]
    with pytest.raises(Misconfigured, match="set AMANAH_SINK_URL in the environment"):
        app.read_pack(environment(sink_url=None))  # type: ignore[arg-type]


@pytest.mark.parametrize("pack", ["nyc311", "id"])
def test_the_packs_tell_of_every_event_that_can_be_told_of(pack: str) -> None:
    told = app.read_pack(environment(NYC311.parent / pack)).plan  # type: ignore[arg-type]
    assert set(told.tellings) == set(FACTS)


WORDS = """
deadline.breached.office:
  version: 7
  en: {subject: "Late: {{ tracking_code }}", text: "{{ stage }}"}
  id: {subject: "Terlambat: {{ tracking_code }}", text: "{{ stage }}"}
"""


def catalogue(tmp_path: Path, text: str, languages: tuple[str, ...] = ("en",)) -> words.Catalogue:
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "own.yaml").write_text(text)
    return words.load(tmp_path, plan(tmp_path, GOOD), ZoneInfo("Asia/Makassar"), languages)


def test_a_pack_s_own_words_take_the_place_of_the_shipped_ones(tmp_path: Path) -> None:
    known = catalogue(tmp_path, WORDS)
    assert known.reference("deadline.breached.office") == "deadline.breached.office@7"
    assert known.reference("deadline.breached.citizen") == "deadline.breached.citizen@1"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  version: 7\n", "", "deadline.breached.office.version: Field required"),
        ("  id:", "  nl:", "deadline.breached.office.id: Field required"),
        ("{{ stage }}", "{{ stage", "deadline.breached.office"),
        ("{{ stage }}", "{{ narrative }}", "'narrative' is undefined"),
        ("{{ tracking_code }}", "{{ source_ref }}", "'source_ref' is undefined"),
        ('subject: "Late', 'subject: "Late\\r\\nBcc: x@y.example', "deadline.breached.office.en.subject"),
        ("deadline.breached.office:", "[", "not YAML"),
    ],
)
def test_broken_words_are_refused_at_the_start(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in WORDS
    with pytest.raises(Misconfigured) as refused:
        catalogue(tmp_path, WORDS.replace(old, new, 1))
    assert said in str(refused.value)


def test_languages_of_a_pack_without_wording_are_passed_over(tmp_path: Path) -> None:
    known = catalogue(tmp_path, WORDS, ("bjn", "id"))
    assert known.languages == ("id",)
    assert known.choose("bjn") == "id"


def test_a_pack_in_whose_languages_there_is_no_wording_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"pack\.yaml: languages: there is wording in \['en', 'id'\] only"):
        catalogue(tmp_path, WORDS, ("bjn",))


@pytest.mark.parametrize("pack", ["nyc311", "id"])
def test_the_packs_tell_of_breach_and_withdrawal_alike(pack: str) -> None:
    told = app.read_pack(environment(NYC311.parent / pack)).plan  # type: ignore[arg-type]
    ways = [(t.recipient, t.channel) for t in told.of("deadline.breached")]
    corrected = {(t.recipient, t.channel) for t in told.of("deadline.breach_withdrawn")}
    assert corrected == {*ways, *((t.recipient, t.channel) for t in told.of("escalation.raised"))}
    assert corrected >= {(t.recipient, t.channel) for t in told.of("escalation.impossible")}
    assert [str(recipient) for recipient, _ in ways] == ["agency", "superior", "ombudsman", "citizen"]


def test_what_ends_a_clock_is_read_from_the_rules_of_the_pack(tmp_path: Path) -> None:
    known = endings.load(NYC311.parent / "id")
    assert known.of("SP4N-2", "1") == ("case.replied", "case.resolved")
    assert known.of("SP4N-1", "1") == ("complaint.routed",)
    assert known.of("SP4N-2", "of another time") == ()
    assert (known.any_ends_with("case.replied"), known.any_ends_with("case.extended")) == (True, False)
    assert endings.load(tmp_path).of("SP4N-2", "1") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: [{id: a, version: '1', stop: case.replied}]", "rules.0.stop: Input should be a valid list"),
        ("rules: [{version: '1'}]", "rules.0.id: Field required"),
        ("rules: [", "not YAML"),
        ("- a list", "the whole file"),
    ],
)
def test_broken_rules_name_file_and_field(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "rules.yaml").write_text(text)
    with pytest.raises(Misconfigured) as refused:
        endings.load(tmp_path)
    assert said in str(refused.value)
    assert "rules.yaml" in str(refused.value)
