"""A complaint log as cities write it: which rows are sound, which are not and why, and what their dates mean."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah import project
from amanah.fault import Fault
from amanah.replay.log import Rejected, Row, load_format, read

FORMAT = load_format(project.pack("nyc311"))
HEADER = "Unique Key,Created Date,Closed Date,Agency,Complaint Type,Descriptor,Due Date,Borough"
FIRST = "1,06/26/2018 10:58:54 AM,06/26/2018 12:50:01 PM,NYPD,Noise,Loud music,06/26/2018 06:58:54 PM,QUEENS"
SECOND = "2,06/27/2018 10:58:54 AM,,DOT,Street Light,Dark,,BROOKLYN"
API = {"unique_key": "1", "created_date": "2018-06-26T10:58:54.000", "complaint_type": "Noise", "agency": "NYPD"}


@pytest.fixture
def log(tmp_path: Path) -> "Log":
    return Log(tmp_path / "log")


class Log:
    """A file that is written and read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, *lines: str, end: str = "\n") -> tuple[list[Row], list[Rejected]]:
        return self.read_bytes("".join(line + end for line in lines).encode())

    def read_json(self, content: object) -> tuple[list[Row], list[Rejected]]:
        return self.read_bytes(json.dumps(content).encode())

    def read_bytes(self, content: bytes) -> tuple[list[Row], list[Rejected]]:
        self.path.write_bytes(content)
        return read(self.path, FORMAT)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def reasons(rejected: list[Rejected]) -> list[tuple[int, str | None, str]]:
    return [(r.line, r.source_id, r.reason) for r in rejected]


# -- what a row says -------------------------------------------------------------------------------------------------------


def test_a_row_of_the_download(log: Log) -> None:
    rows, rejected = log.read(HEADER, FIRST)
    assert rejected == []
    assert rows == [
        Row(
            line=2,
            source_id="1",
            created=utc(2018, 6, 26, 14, 58, 54),
            closed=utc(2018, 6, 26, 16, 50, 1),
            due=utc(2018, 6, 26, 22, 58, 54),
            agency="NYPD",
            category="Noise",
            narrative="Loud music",
            region="QUEENS",
        )
    ]
    assert rows[0].met


def test_the_shipped_log_is_sound_in_every_row() -> None:
    rows, rejected = read(project.ROOT / "data" / "nyc311_2018.csv", FORMAT)
    assert (len(rows), rejected) == (1000, [])


def test_what_is_empty_is_none_and_the_rest_has_words(log: Log) -> None:
    [row], _ = log.read(HEADER, "1,06/26/2018 10:58:54 AM,,,,,,")
    assert (row.closed, row.due, row.agency, row.region, row.met) == (None, None, None, None, False)
    assert (row.category, row.narrative) == ("Unspecified", "Unspecified")


def test_the_same_columns_by_the_names_of_the_open_data_interface(log: Log) -> None:
    [row], [] = log.read(
        "unique_key,created_date,closed_date,due_date,agency,complaint_type,descriptor,borough",
        "1,2018-06-26T10:58:54.000,2018-06-26T12:50:01.000,2018-06-26T18:58:54.000,NYPD,Noise,Loud music,QUEENS",
    )
    assert ([row], []) == log.read(HEADER, FIRST)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_byte_order_mark_and_line_ends_are_no_part_of_it(log: Log, end: str) -> None:
    plain = log.read(HEADER, FIRST)
    assert log.read("\ufeff" + HEADER, FIRST, end=end) == plain


def test_json_with_a_byte_order_mark_and_leading_blanks(log: Log) -> None:
    rows, rejected = log.read_bytes(b"\xef\xbb\xbf \n" + json.dumps([API]).encode())
    assert ([row.source_id for row in rows], rejected) == (["1"], [])


def test_numbers_null_and_nested_values_of_json(log: Log) -> None:
    element = API | {"unique_key": 17, "closed_date": None, "location": {"latitude": 1}, "agency": ["NYPD"]}
    [row], [] = log.read_json([element])
    assert (row.source_id, row.closed, row.agency) == ("17", None, None)


def test_a_row_without_a_number_is_named_by_its_line(log: Log) -> None:
    rows, _ = log.read(HEADER, FIRST, "," + SECOND.partition(",")[2])
    assert [row.source_id for row in rows] == ["1", "line-3"]


def test_long_texts_are_cut_to_what_intake_takes(log: Log) -> None:
    [row], [] = log.read_json([API | {"descriptor": "x" * 9000, "complaint_type": "y" * 200, "borough": "ü/" * 90}])
    assert (len(row.narrative), len(row.category), row.region) == (8000, 120, None)


# -- dates -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("06/26/2018 12:00:00 AM", utc(2018, 6, 26, 4)),
        ("06/26/2018 13:00:00", utc(2018, 6, 26, 17)),
        ("06/26/2018 01:00 PM", utc(2018, 6, 26, 17)),
        ("06/26/2018", utc(2018, 6, 26, 4)),
        ("2018-06-26", utc(2018, 6, 26, 4)),
        ("2018-06-26 10:00:00", utc(2018, 6, 26, 14)),
        ("2018-06-26T10:00:00Z", utc(2018, 6, 26, 10)),  # a zone that is written counts
        ("2018-06-26T10:00:00+08:00", utc(2018, 6, 26, 2)),
        ("01/15/2018 10:00:00 AM", utc(2018, 1, 15, 15)),  # winter
        ("03/11/2018 01:59:59 AM", utc(2018, 3, 11, 6, 59, 59)),  # the last second before the clocks go forward
        ("03/11/2018 03:00:00 AM", utc(2018, 3, 11, 7)),
        (
            "03/11/2018 02:30:00 AM",
            utc(2018, 3, 11, 7, 30),
        ),  # there was no such time: counted on from before the change
        ("11/04/2018 01:30:00 AM", utc(2018, 11, 4, 5, 30)),  # there were two: the first
        ("11/04/2018 02:00:00 AM", utc(2018, 11, 4, 7)),
        ("01/01/1900 12:00:00 AM", utc(1900, 1, 1, 5)),  # what the City writes where it knows no date
    ],
)
def test_dates_without_a_zone_are_in_the_packs(log: Log, written: str, meant: datetime) -> None:
    [row], [] = log.read(HEADER, f"1,{written},,,,,,")
    assert row.created == meant


def test_whether_a_row_was_met_counts_instants_and_not_what_clocks_show(log: Log) -> None:
    """Closed at 01:10 after the clocks went back, due at 01:40 before: on the wall in time, in truth half an hour late."""
    [row], [] = log.read_json(
        [
            API
            | {
                "created_date": "2018-11-03T20:00:00",
                "due_date": "2018-11-04T01:40:00",
                "closed_date": "2018-11-04T01:10:00-05:00",
            }
        ]
    )
    assert not row.met


@pytest.mark.parametrize(
    ("created", "closed", "due", "met"),
    [
        ("2018-06-01", "2018-06-05", "2018-06-05", True),  # at its very instant
        ("2018-06-01", "2018-06-05T00:00:01", "2018-06-05", False),
        ("2018-06-01", "2018-06-01", "2018-06-05", True),
        ("2018-06-01", "2018-05-31T23:59:59", "2018-06-05", False),  # closed before it was filed
        ("2018-06-01", "", "2018-06-05", False),
        ("2018-06-01", "2018-06-05", "", False),
        ("2018-06-01", "2018-06-01", "2018-05-01", False),  # due before it was filed
    ],
)
def test_met_is_closed_after_filing_and_not_after_the_due_instant(
    log: Log, created: str, closed: str, due: str, met: bool
) -> None:
    [row], [] = log.read(HEADER, f"1,{created},{closed},,,,{due},")
    assert row.met is met


# -- broken rows -----------------------------------------------------------------------------------------------------------


def test_broken_rows_are_named_by_line_and_reason_and_the_rest_goes_on(log: Log) -> None:
    rows, rejected = log.read(
        HEADER,
        FIRST,
        "3,,,,,,,",  # no filing date
        "4,yesterday,,,,,,",
        "5,06/26/2018,06/31/2018,,,,,",  # June has 30 days
        "6,06/26/2018,,,,,soon,",
        "7,06/26/2018,",  # short
        "8,06/26/2018,,,,,,,,",  # long
        "",  # no row at all
        FIRST,  # the same number again
        "9,9999-12-31T23:59:59,,,,,,",  # beyond what can be counted
        SECOND,
    )
    assert [row.source_id for row in rows] == ["1", "2"]
    assert [row.line for row in rows] == [2, 12]
    assert reasons(rejected) == [
        (3, "3", "created_date is empty"),
        (4, "4", "created_date is no date: 'yesterday'"),
        (5, "5", "closed_date is no date: '06/31/2018'"),
        (6, "6", "due_date is no date: 'soon'"),
        (7, None, "has 3 fields where the header has 8"),
        (8, None, "has 10 fields where the header has 8"),
        (10, "1", "its number stands already on line 2"),
        (11, "9", "date value out of range"),
    ]


def test_a_broken_row_does_not_take_its_number(log: Log) -> None:
    rows, rejected = log.read(HEADER, "1,never,,,,,,", FIRST, FIRST)
    assert [row.line for row in rows] == [3]
    assert reasons(rejected)[1:] == [(4, "1", "its number stands already on line 3")]


@pytest.mark.parametrize("below", ["", '3,06/28/2018,,DOT,"Noise, loud",,,'])
@pytest.mark.parametrize("broken", ['9,06/26/2018,,"NYPD,Noise,Loud,,QUEENS', '9,06/26/2018,,NYPD,Noise,Loud,,"QUEENS'])
def test_a_quote_that_is_never_closed_takes_no_other_row_with_it(log: Log, broken: str, below: str) -> None:
    rows, rejected = log.read(HEADER, broken, FIRST, SECOND, below)
    assert [row.line for row in rows] == [3, 4, 5][: 3 if below else 2]
    assert [r.line for r in rejected] == [2]


def test_a_field_that_is_too_long_for_csv_is_one_broken_row(log: Log) -> None:
    rows, rejected = log.read(HEADER, "9,06/26/2018,,,," + "x" * 200_000 + ",,", FIRST)
    assert [row.line for row in rows] == [3]
    assert [(r.line, r.reason) for r in rejected] == [(2, "not CSV: field larger than field limit (131072)")]


def test_a_quoted_field_may_have_lines_and_they_count(log: Log) -> None:
    rows, rejected = log.read(HEADER, '3,06/26/2018,,DOT,Noise,"loud\nand long, ""very""",,', SECOND, "4,,,,,,,")
    assert [(row.line, row.narrative) for row in rows] == [(2, 'loud\nand long, "very"'), (4, "Dark")]
    assert [r.line for r in rejected] == [5]


def test_elements_of_json_count_from_one(log: Log) -> None:
    rows, rejected = log.read_json(
        [API, "text", API | {"unique_key": "2", "created_date": "?"}, API, None, API | {"unique_key": "3"}]
    )
    assert [(row.line, row.source_id) for row in rows] == [(1, "1"), (6, "3")]
    assert reasons(rejected) == [
        (2, None, "is no object"),
        (3, "2", "created_date is no date: '?'"),
        (4, "1", "its number stands already on line 1"),
        (5, None, "is no object"),
    ]


SOUND = st.from_regex(r"[ -~äß☂]{0,20}", fullmatch=True)
ANYTHING = st.text(st.characters(codec="utf-8"), max_size=30)


@given(
    written=st.lists(
        st.one_of(
            st.tuples(st.just("1/2/2018"), st.tuples(SOUND, SOUND)),
            st.tuples(st.just("no date"), st.tuples(SOUND, SOUND)),
        ),
        max_size=20,
    )
)
def test_every_row_is_either_sound_or_rejected_and_keeps_its_words(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[str, tuple[str, str]]]
) -> None:
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(["unique_key", "created_date", "complaint_type", "descriptor"])
    rows.writerows((number, date, *words) for number, (date, words) in enumerate(written))
    sound, rejected = Log(tmp_path_factory.getbasetemp() / "property.csv").read_bytes(out.getvalue().encode())
    assert {row.source_id: row.narrative for row in sound} == {
        str(number): descriptor.strip() or category.strip() or "Unspecified"
        for number, (date, (category, descriptor)) in enumerate(written)
        if date == "1/2/2018"
    }
    assert [r.line for r in rejected] == [number + 2 for number, (date, _) in enumerate(written) if date == "no date"]


@given(lines=st.lists(ANYTHING, max_size=8))
def test_whatever_stands_between_two_rows_they_are_read(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    """Each line of rubbish is no row of ours, since none has a date; none takes the last row with it."""
    text = "\n".join([HEADER, FIRST, *lines, SECOND, ""])
    rows, _ = Log(tmp_path_factory.getbasetemp() / "rubbish.csv").read_bytes(text.encode())
    assert [row.source_id for row in rows] == ["1", "2"]


# -- files that are none ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no column 'created_date'; its header reads: "),
        (b"a,b\n1,2\n", "has no column 'created_date'; its header reads: a, b"),
        (HEADER.encode("utf-16"), "has no column 'created_date'"),
        (bytes(range(256)) * 20, "has no column 'created_date'"),
        (b'{"unique_key": 1}', "is JSON but no array of objects."),
        (b'[{"unique_key": 1},', "is not JSON: "),
        (b"[" * 100_000, "is not JSON: "),
    ],
)
def test_a_file_that_is_no_log_is_one_plain_sentence(log: Log, content: bytes, said: str) -> None:
    with pytest.raises(Fault) as fault:
        log.read_bytes(content)
    assert str(fault.value).startswith(f"{log.path} {said}")
    assert len(str(fault.value).splitlines()) == 1


def test_a_missing_file_and_a_folder_are_one_plain_sentence(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"cannot be read: No such file or directory\."):
        read(tmp_path / "none.csv", FORMAT)
    with pytest.raises(Fault, match=r"cannot be read: Is a directory\."):
        read(tmp_path, FORMAT)


def test_a_pack_that_cannot_read_logs_says_so(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="does not say how a log is read"):
        load_format(tmp_path)


def test_a_header_alone_is_a_log_without_rows(log: Log) -> None:
    assert log.read(HEADER) == ([], [])
    assert log.read_json([]) == ([], [])
