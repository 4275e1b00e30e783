"""A draft of a pack's rules: checked against the pack before anything starts, then laid out as the pack of one replay."""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from amanah.fault import Fault

if TYPE_CHECKING:
    from amanah_sla_monitor.domain.law import Law
    from amanah_sla_monitor.domain.rules import Rule

RULES, CALENDARS = "rules.yaml", "calendars.yaml"
GIVEN = "given"
"""The rule by which a log's own dates bind. `amanah verify` holds the log against every breach that names it."""


@dataclass(frozen=True, slots=True)
class Draft:
    """`law` is what the draft makes of the pack, `present` what the pack itself says."""

    name: str
    pack: Path
    files: Mapping[str, bytes]
    """By their names in a pack, as they were when they were checked."""
    law: "Law"
    present: "Law"

    def lay_out(self, folder: Path) -> Path:
        """Makes the pack that the replay runs with in `folder`, and names it: the draft's files beside the pack's others."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{self.pack.name}-{self.name}")[:100]
        return _lay_out(self.pack, self.files, folder / name)


def load(path: Path, pack: Path) -> Draft:
    """A file in the form of a pack's `rules.yaml`, or a folder with one and perhaps a `calendars.yaml`. Raises Fault, in
    the words of the monitor's own loader, when it contradicts itself or the pack."""
    origins = _origins(path)
    files = {name: _read(origin) for name, origin in origins.items()}
    with tempfile.TemporaryDirectory(prefix="amanah-draft-") as temporary:
        law = _law(_lay_out(pack, files, Path(temporary) / "pack"), origins, pack)
    for rule in law.rules:
        _as_verified(rule, origins[RULES])
    file = origins[RULES]
    name = path.resolve().name if path.is_dir() else file.resolve().parent.name if file.name == RULES else file.stem
    return Draft(name, pack, files, law, _law(pack, {}, pack))


def _origins(path: Path) -> dict[str, Path]:
    """Where each file of the draft comes from. What a folder has beyond the law would be passed over in silence: refused."""
    if not path.is_dir():
        return {RULES: path}
    others = sorted({file.name for file in path.glob("*.y*ml")} - {RULES, CALENDARS})
    if others:
        raise Fault(f"{path}: a draft has {RULES} and perhaps {CALENDARS}, nothing else; there is {', '.join(others)}.")
    return {name: path / name for name in (RULES, CALENDARS) if name == RULES or (path / name).exists()}


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        content.decode("utf-8")
    except OSError as missing:
        raise Fault(f"{path}: {missing.strerror}") from None
    except UnicodeDecodeError:
        raise Fault(f"{path}: not UTF-8, so no rules") from None
    return content


def _law(folder: Path, origins: Mapping[str, Path], pack: Path) -> "Law":
    """The law of a folder. Fault names the files from which it was laid out."""
    from amanah_chassis.errors import Misconfigured
    from amanah_sla_monitor import calculator

    try:
        return calculator.load(folder)
    except Misconfigured as wrong:
        words = str(wrong)
        for name, origin in origins.items():
            words = words.replace(str(folder / name), str(origin))
        raise Fault(words.replace(str(folder), str(pack))) from None


def _as_verified(rule: "Rule", path: Path) -> None:
    """Refuses a rule that calls itself the log's promise and is none."""
    from amanah_sla_monitor.domain.rules import Unit

    if rule.id != GIVEN:
        return
    for field, holds in (("unit", rule.term.unit is Unit.GIVEN), ("stop", rule.stops == {"case.resolved"})):
        if not holds:
            words = "this id is of the log's own dates, met by case.resolved; give a rule of another kind another id"
            raise Fault(f"{path}: rule {rule.id}: {field}: {words}")


def _lay_out(pack: Path, files: Mapping[str, bytes], folder: Path) -> Path:
    """Links, so that a pack may hold whatever it likes; the draft's files are copies, so that they stay what was run."""
    folder.mkdir(parents=True)
    for entry in pack.resolve().iterdir():
        if entry.name not in files:
            (folder / entry.name).symlink_to(entry)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
