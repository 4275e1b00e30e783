"""Reads a complaint log, CSV or a JSON array of objects. Broken rows are reported with line and reason; the rest goes on."""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict

from amanah.fault import Fault

CODE = re.compile(r"[^0-9A-Za-z .'-]")
EARLIEST, LATEST = datetime(1, 2, 1, tzinfo=UTC), datetime(9999, 12, 1, tzinfo=UTC)
"""What intake takes for an instant."""
_SPACE = re.compile(r"\r\n|\s")
_LONE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Row:
    """One sound row. Instants are UTC. `closed` stands as the log has it, even when before `created`."""

    line: int
    source_id: str
    created: datetime
    closed: datetime | None
    due: datetime | None
    agency: str | None
    category: str
    narrative: str
    region: str | None

    @property
    def met(self) -> bool:
        """Whether its own dates say that it was closed in time; a closing dated before the filing counts for nothing."""
        return self.due is not None and self.closed is not None and self.created <= self.closed <= self.due


@dataclass(frozen=True, slots=True)
class Rejected:
    """One row that cannot be filed. `line` counts as an editor does for CSV, and as elements from 1 for JSON."""

    line: int
    source_id: str | None
    reason: str


class Columns(BaseModel):
    model_config = ConfigDict(extra="forbid")

    source_id: list[str]
    created: list[str]
    closed: list[str] = []
    due: list[str] = []
    agency: list[str] = []
    category: list[str] = []
    narrative: list[str] = []
    region: list[str] = []


class Format(BaseModel):
    """`replay.yaml` of a pack, and the pack's zone."""

    model_config = ConfigDict(extra="forbid")

    columns: Columns
    formats: list[str] = []
    unspecified_category: str = "Unspecified"
    triage_to: str | None = None
    zone: str


def load_format(pack: Path) -> Format:
    """Raises Fault when the pack cannot read logs."""
    path = pack / "replay.yaml"
    if not path.is_file():
        raise Fault(f"{path} is missing: this pack does not say how a log is read.")
    zone = yaml.safe_load((pack / "pack.yaml").read_text())["zone"]
    return Format.model_validate({**yaml.safe_load(path.read_text()), "zone": zone})


def read(path: Path, form: Format) -> tuple[list[Row], list[Rejected]]:
    """Every row of the file, sorted into sound and rejected. Raises Fault when the file as a whole cannot be read."""
    rows: list[Row] = []
    rejected: list[Rejected] = []
    seen: dict[str, int] = {}
    zone = ZoneInfo(form.zone)
    for line, record in _records(path, form):
        source_id = None
        try:
            if isinstance(record, str):
                raise ValueError(record)
            source_id = _source_id(record, form.columns)
            row = _row(line, record, form, zone)
            if row.source_id in seen:
                raise ValueError(f"its number stands already on line {seen[row.source_id]}")
        except (ValueError, OverflowError) as fault:
            rejected.append(Rejected(line, source_id, str(fault)))
        else:
            seen[row.source_id] = line
            rows.append(row)
    return rows, rejected


def _row(line: int, record: dict[str, Any], form: Format, zone: ZoneInfo) -> Row:
    columns = form.columns
    created = _instant(record, columns.created, form.formats, zone)
    if created is None:
        raise ValueError(f"{columns.created[0]} is empty")
    region = _text(record, columns.region)
    return Row(
        line=line,
        source_id=_source_id(record, columns) or f"line-{line}",
        created=created,
        closed=_instant(record, columns.closed, form.formats, zone),
        due=_instant(record, columns.due, form.formats, zone),
        agency=(_text(record, columns.agency) or "")[:63] or None,
        category=(_text(record, columns.category) or form.unspecified_category)[:120],
        narrative=(_text(record, columns.narrative) or _text(record, columns.category) or form.unspecified_category)[
            :8000
        ],
        region=CODE.sub(" ", region)[:64].strip() or None if region else None,
    )


def _source_id(record: dict[str, Any], columns: Columns) -> str | None:
    """In one line and no longer than intake keeps it: what comes back as `source_ref` is the same."""
    return _SPACE.sub(" ", _text(record, columns.source_id) or "")[:120].strip() or None


def _text(record: dict[str, Any], names: Sequence[str]) -> str | None:
    for name in names:
        value = record.get(name)
        if value is not None and not isinstance(value, dict | list) and str(value).strip():
            # Half a character, as JSON may escape it, is none: no encoding can carry it on.
            return _LONE.sub("\ufffd", str(value)).replace("\x00", "").strip() or None
    return None


def _instant(record: dict[str, Any], names: Sequence[str], formats: Sequence[str], zone: ZoneInfo) -> datetime | None:
    text = _text(record, names)
    if text is None:
        return None
    found = _parsed(text, formats)
    if found is None:
        raise ValueError(f"{names[0]} is no date: {text[:40]!r}")
    instant = (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    if not EARLIEST <= instant < LATEST:
        raise ValueError(f"{names[0]} lies beyond what can be counted: {text[:40]!r}")
    return instant


def _parsed(text: str, formats: Sequence[str]) -> datetime | None:
    if text[:4].isdigit():
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    for form in formats:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the zone is the pack's, set by the caller
        except ValueError:
            continue
    return None


def _records(path: Path, form: Format) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """(line, record) or (line, what is wrong with it)."""
    try:
        with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
            first = file.read(1024).lstrip()[:1]
            file.seek(0)
            yield from _json_records(file.read(), path) if first in {"[", "{"} else _csv_records(file, path, form)
    except OSError as missing:
        raise Fault(f"{path} cannot be read: {missing.strerror}.") from None


def _csv_records(file: Any, path: Path, form: Format) -> Iterator[tuple[int, dict[str, Any] | str]]:
    lines = list(file)
    values, done, broken = _csv_record(lines, 0)
    header = [_plain(name) for name in values]
    if broken or not set(header) & set(form.columns.created):
        raise Fault(f"{path} has no column {form.columns.created[0]!r}; its header reads: {', '.join(header)[:200]}")
    while done < len(lines):
        first = done
        values, done, broken = _csv_record(lines, first)
        if not broken and values and len(values) != len(header):
            broken = f"has {len(values)} fields where the header has {len(header)}"
        if broken:
            # A quote that is never closed takes in the lines below it: they are read again, as rows of their own.
            done = first + 1
            yield first + 1, broken
        elif values:
            yield first + 1, dict(zip(header, values, strict=True))


def _csv_record(lines: Sequence[str], first: int) -> tuple[list[str], int, str]:
    """The record that begins on this line, the line after it, and what is wrong with it. Of several lines it must be
    strictly quoted: a quote that somebody forgot would else swallow rows up to the next one."""
    values: list[str] = []
    done = first
    try:
        for strict in (False, True):
            reader = csv.reader((lines[number] for number in range(first, len(lines))), strict=strict)
            values = next(reader, [])
            done = first + reader.line_num
            if done == first + 1:
                break
    except csv.Error as broken:
        return [], done, f"not CSV: {broken}"
    return values, done, ""


def _json_records(text: str, path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    try:
        # A number stays as it is written: one of thousands of digits is no fault of its neighbours.
        elements = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as broken:
        raise Fault(f"{path} is not JSON: {broken}.") from None
    if not isinstance(elements, list):
        raise Fault(f"{path} is JSON but no array of objects.")
    for number, element in enumerate(elements, 1):
        if isinstance(element, dict):
            yield number, {_plain(name): value for name, value in element.items()}
        else:
            yield number, "is no object"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
