"""The law of `bench recalculate`: the pack of South Kalimantan, in which one more day is decreed free. No server."""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random

from amanah.fault import Fault
from amanah_sla_monitor.domain.calendars import Calendar
from amanah_sla_monitor.domain.facts import ROUTED, SUBMITTED, Fact

HARI_KERJA = 5
"""Working days of the longest term that the cases are chosen by: what was filed before has no such clock running."""
PROMISED = "promised"
"""The stage of the deadlines that fall due one by one: clocks at any instant, as a source's promise gives them."""

_PROMISED_RULE = f"""rules:
  - id: given
    version: "1"
    stage: {PROMISED}
    bound_to: citizen
    unit: given
    start: [complaint.submitted]
    stop: [case.resolved]
    law: an instant that the source promised
    verified: false
"""


@dataclass(frozen=True, slots=True)
class Start:
    """A case that many others are like: filed at an instant, routed soon after to an agency."""

    filed_at: datetime
    routed_at: datetime
    agency: str


def copied(pack: Path, folder: Path) -> Path:
    """A copy of a pack that may be changed, with a rule for promises as the first one."""
    shutil.copytree(pack, folder)
    _edit(folder / "rules.yaml", r"(?m)^rules:\n", lambda _: _PROMISED_RULE)
    return folder


def free(pack: Path, day: date) -> None:
    """Decrees one more day off: every calendar of the pack has it, and a version of its own."""
    calendars = pack / "calendars.yaml"
    listed = f"      - {{day: {day}, name: A day of mourning, kind: libur_nasional}}\n"
    _edit(calendars, rf"(?ms)^  id-{day.year}:\n.*?^    days:\n", lambda found: found.group() + listed)
    _edit(calendars, r'version: "([^"]*)"', lambda found: f'version: "{found.group(1)} and {day}"')


def _edit(path: Path, pattern: str, new: Callable[[re.Match[str]], str]) -> None:
    text, count = re.subn(pattern, new, path.read_text(encoding="utf-8"))
    if not count:
        raise Fault(f"{path} is not as this bench knows it: there is no {pattern!r}")
    path.write_text(text, encoding="utf-8")


def next_working_day(calendar: Calendar, now: datetime) -> date:
    """The first after today: freed, it moves every clock of working days but those that run out today."""
    today = calendar.local(now).toordinal()
    return date.fromordinal(calendar.nth(calendar.rank(today) + 1))


def starts(count: int, calendar: Calendar, agencies: Sequence[str], now: datetime, chance: Random) -> Iterator[Start]:
    """Cases filed at instants all over the last days, by day and by night, each routed within some minutes."""
    today = calendar.local(now).toordinal()
    first = calendar.end_of_day(calendar.nth(calendar.rank(today) - HARI_KERJA + 1) - 1)
    newest = now - timedelta(hours=1)
    for _ in range(count):
        filed_at = first + chance.random() * (newest - first)
        yield Start(filed_at, filed_at + timedelta(minutes=chance.uniform(1, 50)), chance.choice(agencies))


def facts(start: Start, promised: datetime | None = None) -> tuple[Fact, Fact]:
    """What is known of such a case."""
    filed = Fact(
        SUBMITTED,
        "amanah.intake",
        1,
        start.filed_at,
        start.filed_at,
        channel="web",
        category="jalan-rusak",
        classification="pengaduan_tbp",
        region="63.03",
        visibility="open",
        given_due_at=promised,
    )
    routed = Fact(
        ROUTED,
        "amanah.routing",
        1,
        start.routed_at,
        start.routed_at,
        actor="system",
        agency=start.agency,
        assignment=1,
    )
    return filed, routed
