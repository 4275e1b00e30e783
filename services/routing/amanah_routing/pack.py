"""Reads `agencies.yaml` and `routing.yaml` of a pack. A rule set that fails one of its own tests is refused."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from amanah_chassis.errors import Misconfigured
from amanah_contracts.vocabulary import AgencyCode
from amanah_routing.domain import NAMED, Assignment, Matter, Registry, Rule, Triage, folded, route

File = TypeVar("File", bound=BaseModel)
Accepted = Annotated[list[str], Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AgencyEntry(BaseModel):
    """One agency; fields that other services read (`name`, `superior`, `calendar`) pass."""

    model_config = ConfigDict(extra="allow", frozen=True)

    code: AgencyCode
    aliases: list[str] = []


class AgencyFile(BaseModel):
    agencies: list[AgencyEntry] = Field(min_length=1)


class RuleEntry(_Strict):
    id: str
    when: dict[Literal["category", "classification", "region", "agency_named", "visibility"], Accepted] = {}
    to: str
    explanation: str = Field(min_length=10)


class MatterEntry(_Strict):
    category: str = ""
    classification: str | None = None
    region: str | None = None
    agency_named: str | None = None
    visibility: str = "open"


class TestEntry(_Strict):
    given: MatterEntry
    expect: str


class RuleFile(_Strict):
    rules: list[RuleEntry] = Field(min_length=1)
    tests: list[TestEntry] = Field(min_length=1)


def load_agencies(pack: Path) -> Registry:
    """Raises Misconfigured and names file and entry when the data contradicts itself."""
    path = pack / "agencies.yaml"
    entries = _read(path, AgencyFile).agencies
    spellings: dict[str, str] = {}
    for entry in entries:
        for spelling in dict.fromkeys(folded(name) for name in (entry.code, *entry.aliases)):
            if spelling in spellings:
                raise Misconfigured(f"{path}: {spelling!r} names both {spellings[spelling]} and {entry.code}")
            spellings[spelling] = entry.code
    return Registry(frozenset(entry.code for entry in entries), spellings)


def load_rules(pack: Path, agencies: Registry) -> tuple[Rule, ...]:
    """The ordered rules, after they have passed the tests of their own file."""
    path = pack / "routing.yaml"
    file = _read(path, RuleFile)
    doubled = [rule_id for rule_id, count in Counter(rule.id for rule in file.rules).items() if count > 1]
    if doubled:
        raise Misconfigured(f"{path}: rule ids must be unique, doubled: {', '.join(doubled)}")
    for entry in file.rules:
        if entry.to != NAMED and entry.to not in agencies.codes:
            raise Misconfigured(f"{path}: rule {entry.id}: to: {entry.to} is no agency of agencies.yaml")
    rules = tuple(_rule(entry, agencies) for entry in file.rules)
    for number, test in enumerate(file.tests, 1):
        decision = route(Matter(**test.given.model_dump()), rules, agencies)
        outcome, why = _outcome(decision)
        if outcome != test.expect:
            raise Misconfigured(f"{path}: test {number} expects {test.expect}, but gets {outcome}: {why}")
    return rules


def _outcome(decision: Assignment | Triage) -> tuple[str, str]:
    """What a rule test may expect, and why it came about."""
    if isinstance(decision, Triage):
        return "triage", decision.reason
    return decision.agency, f"rule {decision.rule} matches first"


def _rule(entry: RuleEntry, agencies: Registry) -> Rule:
    conditions: dict[str, frozenset[str]] = {}
    for field, values in entry.when.items():
        plain = frozenset(folded(value) for value in values)
        # A complaint may name an agency by any of its spellings, so a condition holds codes where it can.
        conditions[field] = frozenset(agencies.find(v) or v for v in plain) if field == "agency_named" else plain
    return Rule(entry.id, conditions, entry.to, entry.explanation)


def _read(path: Path, model: type[File]) -> File:
    try:
        # The parser in C reads a province's rules in a tenth of the time that the other takes.
        return model.model_validate(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
    except OSError as missing:
        raise Misconfigured(f"{path}: {missing.strerror}") from None
    except ValidationError as invalid:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in invalid.errors()[:5])
        raise Misconfigured(_one_line(f"{path}: {faults}")) from None
    except _NOT_YAML as broken:
        raise Misconfigured(f"{path}: not YAML: {_one_line(broken)}") from None


_NOT_YAML = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError)
"""What PyYAML raises: besides its own errors, those of Python where a value is no date or number after all (2026-13-45)."""


def _one_line(words: object) -> str:
    return " ".join(str(words).split())
