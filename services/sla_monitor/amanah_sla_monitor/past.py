"""Laws of the past: what a finished clock was counted by, read again from the files that were kept with it."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from amanah_chassis.database import Connection
from amanah_sla_monitor import store
from amanah_sla_monitor.domain import fingerprints
from amanah_sla_monitor.domain.diff import Stored
from amanah_sla_monitor.domain.law import Law
from amanah_sla_monitor.pack import load_law

FILES = ("pack.yaml", "rules.yaml", "calendars.yaml", "agencies.yaml")
"""What a law is read from; the last and the first may be missing."""
REMEMBERED = 8
"""Laws kept in memory, the latest asked for."""


def files_of(pack: Path) -> dict[str, str]:
    """The files of a law by name."""
    return {name: (pack / name).read_text(encoding="utf-8") for name in FILES if (pack / name).is_file()}


def parts_of(law: Law) -> list[str]:
    """How the versions of a law are named in the table `law_text`."""
    return [part_of(kind, name, version) for kind, name, version in fingerprints.parts(law)]


def part_of(kind: str, name: str, version: str) -> str:
    return f"{kind}:{name}@{version}"


def needed(told: Stored) -> list[str]:
    """The rule and the calendar that a clock was counted by."""
    rule = part_of("rule", told.rule, told.rule_version)
    return [rule, f"calendar:{told.calendar}"] if told.calendar else [rule]


async def keep(db: Connection, law: Law, pack: Path) -> None:
    """Keeps a law that comes into force; once."""
    await store.keep_law(db, fingerprints.whole(law), files_of(pack), parts_of(law))


class Past:
    """Reads laws again that are no longer the pack's."""

    def __init__(self, pack: str) -> None:
        self._pack = pack
        self._read: dict[str, Law] = {}

    async def law_of(self, db: Connection, told: Stored) -> Law | None:
        """The latest law that held the versions a clock was counted by; None for one that was never kept."""
        found = await store.law_with(db, needed(told))
        if found is None:
            return None
        fingerprint, files = found
        if fingerprint not in self._read:
            while len(self._read) >= REMEMBERED:
                del self._read[next(iter(self._read))]
            self._read[fingerprint] = read(files, self._pack)
        return self._read[fingerprint]


def read(files: Mapping[str, str], name: str) -> Law:
    """A law from its files."""
    with tempfile.TemporaryDirectory() as folder:
        pack = Path(folder) / name
        write(files, pack)
        return load_law(pack)


def write(files: Mapping[str, str], pack: Path) -> None:
    """Writes the files of a law into a new folder."""
    pack.mkdir(parents=True)
    for name, text in files.items():
        (pack / name).write_text(text, encoding="utf-8")
