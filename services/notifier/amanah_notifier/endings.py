"""Which answers end a clock, by its rule: read from the pack's `rules.yaml`, of which the notifier needs nothing else.

An answer that comes too late is told by no event of the clock. Yet nobody is to be called upon about it any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError

from amanah_chassis.errors import Misconfigured

FILE = "rules.yaml"


class _Rule(BaseModel):
    id: str
    version: str
    stop: list[str] = []


class _File(BaseModel):
    rules: list[_Rule] = []


@dataclass(frozen=True, slots=True)
class Endings:
    """The stems that end a clock, by rule and version."""

    by_rule: Mapping[tuple[str, str], tuple[str, ...]]

    def of(self, rule: str, version: str) -> tuple[str, ...]:
        """Of a rule that the pack no longer knows nothing is known to end it: better told in vain than not told."""
        return self.by_rule.get((rule, version), ())

    def any_ends_with(self, stem: str) -> bool:
        return any(stem in stems for stems in self.by_rule.values())


def load(pack: Path) -> Endings:
    """Raises Misconfigured, naming file and field. A pack without rules has no clocks."""
    path = pack / FILE
    if not path.exists():
        return Endings({})
    try:
        content = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except yaml.YAMLError as broken:
        raise Misconfigured(f"{path}: not YAML: {broken}") from broken
    except ValidationError as invalid:
        faults = (f"{path}: {'.'.join(map(str, e['loc'])) or 'the whole file'}: {e['msg']}" for e in invalid.errors())
        raise Misconfigured("; ".join(faults)) from None
    return Endings({(rule.id, rule.version): tuple(rule.stop) for rule in content.rules})
