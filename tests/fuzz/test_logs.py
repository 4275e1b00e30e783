"""A city's complaint log, however it is written: no crash, each row that is refused is named with its line and reason, by
the reader or by intake, and every good row among bad ones is read and taken."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import strategies as st
from tests.fuzz.junk import NASTY, instants, not_json, texts, values, written
from tests.fuzz.tried import tiers, tried

from amanah import project
from amanah.fault import Fault
from amanah.replay.log import Rejected, Row, load_format, read
from amanah_chassis.problems import Problem
from amanah_intake.api import parsed

FORMAT = load_format(project.pack("nyc311"))
COLUMNS = ["Unique Key", "Created Date", "Closed Date", "Due Date", "Agency", "Complaint Type", "Descriptor", "Borough"]
GOOD = [
    [
        "good-1",
        "06/26/2018 10:58:54 AM",
        "06/26/2018 12:50:01 PM",
        "06/26/2018 06:58:54 PM",
        "NYPD",
        "Noise",
        "Loud",
        "QUEENS",
    ],
    ["good-2", "2018-06-27T10:58:54", "", "", "DOT", "Street Light", "Dark", "BROOKLYN"],
]


def is_read(path: Path, content: bytes) -> tuple[list[Row], list[Rejected]]:
    """What holds of any file at all; a file that is no log is one plain sentence."""
    path.write_bytes(content)
    said = ""
    try:
        rows, rejected = read(path, FORMAT)
    except Fault as fault:
        said, rows, rejected = str(fault), [], []
    assert len(said.splitlines()) <= 1
    assert len(said) < 600
    assert len({row.source_id for row in rows}) == len(rows)
    assert not {row.line for row in rows} & {row.line for row in rejected}
    for bad in rejected:
        assert bad.line >= 1
        assert bad.reason
        assert len(bad.reason.splitlines()) == 1
        assert len(bad.reason) < 300
        (bad.reason + (bad.source_id or "")).encode()  # it can be printed
    return [row for row in rows if taken(row)], rejected


def taken(row: Row) -> bool:
    """Whether intake takes it; if not, it names a field, and the replay goes on."""
    refused = None
    try:
        parsed(filed(row))
    except Problem as problem:
        refused = problem
    assert refused is None or refused.errors
    return refused is None


def filed(row: Row) -> bytes:
    """What `citizen.py` sends of a row."""
    body = {
        "category": row.category,
        "narrative": row.narrative,
        "region": row.region,
        "agency_named": row.agency,
        "channel": "import",
        "source_ref": row.source_id,
        "given_due_at": row.due.isoformat() if row.due else None,
    }
    return json.dumps({name: value for name, value in body.items() if value is not None}, ensure_ascii=False).encode()


def ids(rows: list[Row]) -> list[str]:
    return [row.source_id for row in rows if row.source_id.startswith("good-")]


# -- CSV -----------------------------------------------------------------------------------------------------------------

dates = instants | st.sampled_from(
    ["06/26/2018", "06/26/2018 10:00:00 AM", "13/13/2018", "00/00/0000", "1/1/1", "12/31/9999"]
)
cells = texts | st.sampled_from([*NASTY, '"', '""', ",", "\r", "\n", "'", ";", "\t", '"a', 'a"b', "x" * 140_000])
csv_rows = st.one_of(
    st.tuples(texts, dates, dates, dates, cells, cells, cells, cells).map(list),
    st.lists(cells, max_size=12),
)
ENCODINGS = ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-32", "cp1252", "utf-7"]


def as_csv(rows: list[list[str]], end: str = "\n") -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator=end).writerows(rows)
    return out.getvalue()


@tiers(150, 10_000)
def test_bad_rows_of_csv_take_no_good_one_with_them(examples: int, tmp_path: Path) -> None:
    """Well-quoted rows of anything, between two good ones."""

    def check(case: tuple[list[list[str]], str]) -> None:
        bad, end = case
        content = as_csv([COLUMNS, GOOD[0], *bad, GOOD[1]], end).encode("utf-8", "surrogatepass")
        rows, _ = is_read(tmp_path / "log", content)
        assert ids(rows) == ["good-1", "good-2"]

    bad = st.lists(csv_rows.filter(lambda row: not any(cell.startswith("good-") for cell in row)), max_size=4)
    tried("replay, rows of CSV", examples, st.tuples(bad, st.sampled_from(["\n", "\r\n"])), check)


@tiers(150, 10_000)
def test_lines_of_rubbish_take_no_good_row_with_them(examples: int, tmp_path: Path) -> None:
    """Quotes that nobody closes, bytes that are no text, lines without an end."""

    def check(lines: list[bytes]) -> None:
        good = [as_csv([row]).encode().strip() for row in (COLUMNS, *GOOD)]
        rows, _ = is_read(tmp_path / "log", b"\n".join([good[0], good[1], *lines, good[2], b""]))
        assert ids(rows) == ["good-1", "good-2"]

    line = st.one_of(
        st.binary(max_size=60),
        cells.map(lambda t: t.encode("utf-8", "surrogatepass")),
        csv_rows.map(lambda r: ",".join(r).encode("utf-8", "surrogatepass")),
    ).filter(lambda line: b"good-" not in line)
    tried("replay, lines of rubbish", examples, st.lists(line, max_size=4), check)


@tiers(60, 5_000)
def test_any_encoding_and_any_cut(examples: int, tmp_path: Path) -> None:
    def check(case: tuple[str, int, bytes]) -> None:
        encoding, at, by = case
        content = as_csv([COLUMNS, *GOOD]).encode(encoding)
        is_read(tmp_path / "log", content[: len(content) * at // 100] + by + content[len(content) * at // 100 :])

    cases = st.tuples(
        st.sampled_from(ENCODINGS), st.integers(0, 100), st.binary(max_size=8) | st.sampled_from([b"\0", b'"', b"\xff"])
    )
    tried("replay, encodings", examples, cases, check)


# -- JSON ----------------------------------------------------------------------------------------------------------------

NAMES = ["unique_key", "created_date", "closed_date", "due_date", "agency", "complaint_type", "descriptor", "borough"]
elements = st.one_of(
    st.fixed_dictionaries(
        {"unique_key": values, "created_date": dates | values}, optional=dict.fromkeys(NAMES[2:], dates | values)
    ),
    st.dictionaries(texts | st.sampled_from(NAMES), values, max_size=4),
    values,
)


@tiers(150, 10_000)
def test_bad_elements_of_json_take_no_good_one_with_them(examples: int, tmp_path: Path) -> None:
    def check(bad: list[bytes]) -> None:
        first, second = (written(dict(zip(NAMES, row, strict=True))) for row in GOOD)
        rows, _ = is_read(tmp_path / "log", b"[" + b",".join([first, *bad, second]) + b"]")
        assert ids(rows) == ["good-1", "good-2"]

    bad = st.lists(elements.map(written).filter(lambda text: b"good-" not in text), max_size=4)
    tried("replay, elements of JSON", examples, bad, check)


@tiers(60, 5_000)
def test_what_begins_like_json(examples: int, tmp_path: Path) -> None:
    def check(content: bytes) -> None:
        is_read(tmp_path / "log", content)

    tried("replay, broken JSON", examples, not_json | not_json.map(lambda text: b"[" + text + b"]"), check)


# -- found by the above --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "element",
    [
        '{"unique_key": 1, "created_date": "2018-06-26", "descriptor": "half a \\ud800 pair"}',
        '{"unique_key": 1, "created_date": "2018-06-26", "zip": %s}' % ("9" * 5000),
        '{"unique_key": 1, "created_date": "2018-06-26", "agency": "\\ud800", "complaint_type": 7, "borough": "\\u0000"}',
        '{"unique_key": 1, "created_date": "2018-06-26", "descriptor": Infinity}',
    ],
    ids=["surrogate", "5000 digits", "surrogate alone", "infinity"],
)
def test_what_cannot_be_sent_as_it_stands_is_cleaned(element: str, tmp_path: Path) -> None:
    """The first two ended the whole replay."""
    rows, rejected = is_read(tmp_path / "log", f"[{element}]".encode())
    assert [row.source_id for row in rows] == ["1"], rejected


def test_a_date_that_intake_cannot_hold_is_named(tmp_path: Path) -> None:
    rows, rejected = is_read(
        tmp_path / "log", b'[{"unique_key": 1, "created_date": "2018-06-26", "due_date": "9999-12-31"}]'
    )
    assert (rows, [(r.line, r.source_id) for r in rejected]) == ([], [(1, "1")])
    assert "due_date" in rejected[0].reason


def test_the_reason_is_one_short_line(tmp_path: Path) -> None:
    rows, [bad] = is_read(
        tmp_path / "log", json.dumps([{"unique_key": "a\nb" * 900, "created_date": "x\ny" * 900}]).encode()
    )
    assert rows == []
    assert bad.source_id is not None
    assert len(bad.source_id) <= 120


def test_the_number_of_a_row_is_what_intake_keeps(tmp_path: Path) -> None:
    """It comes back as `source_ref`, and the replay looks its rows up by it."""
    [row], _ = is_read(tmp_path / "log", b'[{"unique_key": "17\\u00a0\\tb", "created_date": "2018-06-26"}]')
    assert parsed(filed(row)).source_ref == row.source_id == "17  b"
