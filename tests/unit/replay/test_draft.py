"""A draft of the rules: refused in the loader's own words before anything starts, else laid out as a pack."""

import json
from pathlib import Path

import pytest

from amanah import project
from amanah.commands.replay import replay
from amanah.fault import Fault
from amanah.replay import draft as drafts
from amanah.replay.outcome import strike
from amanah_sla_monitor import calculator

NYC = project.ROOT / "packs" / "nyc311"
TEN_DAYS = NYC / "drafts" / "ten-days.yaml"
SOUND = TEN_DAYS.read_text()


def written(folder: Path, text: str, name: str = "draft.yaml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


# -- what is taken ---------------------------------------------------------------------------------------------------------


def test_the_sample_is_sound_and_says_that_it_is_a_draft() -> None:
    draft = drafts.load(TEN_DAYS, NYC)
    assert draft.name == "ten-days"
    [rule] = draft.law.rules
    assert (rule.term.unit.value, rule.term.length, rule.verified) == ("working_day", 10, False)
    assert rule.law.startswith("Draft")
    assert [r.id for r in draft.present.rules] == ["given"]


def test_a_draft_takes_the_place_of_the_rules_alone(tmp_path: Path) -> None:
    pack = drafts.load(TEN_DAYS, NYC).lay_out(tmp_path)
    assert pack == tmp_path / "nyc311-ten-days"
    assert (pack / "rules.yaml").read_text() == SOUND
    for name in ("agencies.yaml", "calendars.yaml", "pack.yaml", "recipients.yaml", "replay.yaml", "routing.yaml"):
        assert (pack / name).read_bytes() == (NYC / name).read_bytes()
    assert [rule.id for rule in calculator.load(pack).rules] == ["ten-days"]
    assert [rule.id for rule in calculator.load(NYC).rules] == ["given"]


def test_what_was_checked_is_what_is_run_whatever_becomes_of_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, SOUND)
    draft = drafts.load(file, NYC)
    file.write_text("rules: []")
    assert (draft.lay_out(tmp_path / "data") / "rules.yaml").read_text() == SOUND


def test_a_folder_may_bring_calendars_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "six days"
    folder.mkdir()
    written(folder, SOUND, "rules.yaml")
    calendars = (NYC / "calendars.yaml").read_text().replace("mon-fri", "mon-sat")
    written(folder, calendars, "calendars.yaml")
    written(folder, "why", "README.md")
    draft = drafts.load(folder, NYC)
    assert draft.name == "six days"
    assert len(draft.law.calendars.by_id["nyc-business"].week) == 6
    assert len(draft.present.calendars.by_id["nyc-business"].week) == 5
    laid_out = draft.lay_out(tmp_path / "data")
    assert laid_out.name == "nyc311-six-days"
    assert (laid_out / "calendars.yaml").read_text() == calendars


# -- what is refused -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SOUND.replace("length: 10", "length: 0"), "rule ten-days: length: "),
        (SOUND.replace("length: 10", "lenght: 10"), "rule ten-days: lenght: "),
        (SOUND.replace("stop: [case.resolved]", "stop: [case.solved]"), "rule ten-days: stop.0: "),
        (
            SOUND.replace("length: 10", "length: 10\n    calendar: moon"),
            "rule ten-days: calendar: there is no calendar moon",
        ),
        (
            SOUND.replace("length: 10", "length: 10\n    applies_when: {agency_type: [royal]}"),
            "rule ten-days: applies_when.agency_type: no agency is of the kind royal",
        ),
        (SOUND.replace("id: ten-days", "id: given"), "rule given: unit: this id is of the log's own dates"),
        (SOUND + SOUND[SOUND.index("  - id") :], "rule ten-days: version: draft-1 is there twice"),
        ("rules: []", "rules: a pack without a deadline"),
        ("rules: {", "not YAML"),
        ("", "a mapping with"),
        ("lows: []", "unknown field: lows"),
    ],
)
def test_a_draft_that_contradicts_itself_or_the_pack_names_file_rule_and_field(
    tmp_path: Path, text: str, said: str
) -> None:
    file = written(tmp_path, text)
    with pytest.raises(Fault) as refused:
        drafts.load(file, NYC)
    assert str(refused.value).startswith(f"{file}: {said}")


def test_what_is_no_draft_at_all(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"nowhere\.yaml: No such file"):
        drafts.load(tmp_path / "nowhere.yaml", NYC)
    with pytest.raises(Fault, match=r"rules\.yaml: No such file"):
        drafts.load(tmp_path, NYC)
    with pytest.raises(
        Fault, match=r"a draft has rules\.yaml and perhaps calendars\.yaml, nothing else; there is agencies"
    ):
        drafts.load(NYC, NYC)
    binary = tmp_path / "picture.yaml"
    binary.write_bytes(b"\x89PNG\xff")
    with pytest.raises(Fault, match="not UTF-8"):
        drafts.load(binary, NYC)


def test_calendars_of_a_draft_are_named_by_their_own_path(tmp_path: Path) -> None:
    written(tmp_path, SOUND, "rules.yaml")
    file = written(tmp_path, "calendars: []", "calendars.yaml")
    with pytest.raises(Fault) as refused:
        drafts.load(tmp_path, NYC)
    assert str(refused.value) == f"{file}: calendar of default: there is no calendar nyc-business"


def test_a_draft_that_is_refused_leaves_an_earlier_replay_as_it_was(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "postgres").mkdir(parents=True)
    for name in ("history.jsonl", "stack.json", "postgres/kept"):
        (data / name).write_text("kept")
    before = {file: file.stat().st_mtime_ns for file in data.rglob("*")}
    log = project.ROOT / "data" / "nyc311_2018.csv"
    with pytest.raises(Fault, match="rule ten-days: length"):
        replay(log, data=data, rules=written(tmp_path, SOUND.replace("length: 10", "length: 0")))
    assert {file: file.stat().st_mtime_ns for file in data.rglob("*")} == before


# -- the client's record ---------------------------------------------------------------------------------------------------


def test_dates_that_bind_nobody_are_struck_from_the_record_and_kept_beside(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    entries = [
        {"op": "file", "complaint_id": "a", "due_at": "2018-06-05T14:00:00+00:00"},
        {"op": "file", "complaint_id": "b", "due_at": "2018-06-05T14:00:00+00:00"},
        {"op": "close", "complaint_id": "a"},
        {"op": "end", "at": "2018-06-09T14:00:00+00:00"},
    ]
    file.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    strike(file, {"a"})
    struck = {"op": "file", "complaint_id": "a", "due_at": None, "overruled_due_at": "2018-06-05T14:00:00+00:00"}
    assert [json.loads(line) for line in file.read_text().splitlines()] == [struck, *entries[1:]]
