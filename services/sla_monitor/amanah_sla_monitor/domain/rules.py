"""Rules: the law as data. What starts a clock, what stops it, how long it runs and how its days are counted."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from enum import StrEnum
from functools import cached_property

from amanah_sla_monitor.domain.facts import Fact


class Unit(StrEnum):
    """What a rule counts."""

    WORKING_DAY = "working_day"
    CALENDAR_DAY = "calendar_day"
    HOUR = "hour"
    MONTH = "month"
    GIVEN = "given"
    """Nothing: the source of the complaint promised an instant."""


class Bound(StrEnum):
    """Whose clock it is."""

    CITIZEN = "citizen"
    """One clock from beginning to end, whoever holds the case; holder 0."""
    HOLDER = "holder"
    """One clock per assignment; a transfer ends it and starts the next holder's."""


class CutOff(StrEnum):
    """When a start belongs to the next working day, besides on a day off."""

    CLOSING = "closing"
    """At or after the day's closing time."""
    NONE = "none"
    """Never by its hour."""


class DueAt(StrEnum):
    """At which instant of the last counted day the clock runs out."""

    END_OF_DAY = "end_of_day"
    """The next local midnight, exclusive."""
    CLOSE_OF_BUSINESS = "close_of_business"


class Basis(StrEnum):
    """What kind of text a rule stands on. Of two limits for one thing the statute's binds; the other is shown beside it."""

    STATUTE = "statute"
    """Undang-undang, or a presidential regulation that carries one out."""
    REGULATION = "regulation"
    """Of a ministry or of the Ombudsman."""
    POLICY = "policy"
    """An operator's procedure or a statement; practice, not law."""
    SOURCE = "source"
    """A promise of whoever passed the case on."""


class Roll(StrEnum):
    """Where a due date goes that is a day off."""

    NONE = "none"
    NEXT_WORKING_DAY = "next_working_day"


@dataclass(frozen=True, slots=True)
class Term:
    """A length and its way of counting. The defaults are those of working-day rules; `term` gives each unit its own."""

    unit: Unit
    length: int
    cut_off: CutOff | time = CutOff.CLOSING
    day_off_start_moves: bool = True
    """A start on a day off belongs to the next working day."""
    start_day_counts: bool = False
    """The effective start day is day 1, instead of the day after it."""
    due_at: DueAt = DueAt.END_OF_DAY
    roll: Roll = Roll.NONE
    pause_budget: int | None = None
    """At most this many days may be excluded by pauses (for hour rules: this many times 24 hours); None: any number."""


def term(
    unit: Unit,
    length: int,
    *,
    cut_off: CutOff | time | None = None,
    day_off_start_moves: bool | None = None,
    start_day_counts: bool = False,
    due_at: DueAt = DueAt.END_OF_DAY,
    roll: Roll = Roll.NONE,
    pause_budget: int | None = None,
) -> Term:
    """A term with the conventions of its unit: only working-day rules know a closing time and days off at the start."""
    working = unit is Unit.WORKING_DAY
    return Term(
        unit=unit,
        length=length,
        cut_off=cut_off if cut_off is not None else (CutOff.CLOSING if working else CutOff.NONE),
        day_off_start_moves=working if day_off_start_moves is None else day_off_start_moves,
        start_day_counts=start_day_counts,
        due_at=due_at,
        roll=roll,
        pause_budget=pause_budget,
    )


@dataclass(frozen=True, slots=True)
class Extension:
    """A prolongation that the law allows, once, in writing, with a reason."""

    length: int
    facts: frozenset[str] = frozenset()
    article: str | None = None
    in_writing: bool = True


@dataclass(frozen=True, slots=True)
class Threshold:
    """A warning before the due instant: at a share of the counted days, or at the opening of the last one."""

    name: str
    percent: int | None
    """None: the last day."""


@dataclass(frozen=True, slots=True)
class Escalation:
    """One level up after a breach, with its own limit: so many days (or hours) after the due day (the due instant)."""

    level: int
    role: str
    after: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class Applies:
    """Which cases a rule covers. An empty set does not ask; a region covers all codes that begin with it."""

    classifications: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    agencies: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    visibilities: frozenset[str] = frozenset()

    @property
    def always(self) -> bool:
        return not (self.classifications or self.categories or self.agencies or self.regions or self.visibilities)

    def covers(self, filing: Fact | None, agency: str | None) -> bool:
        """Whether the case, as filed and as held by `agency`, is covered. Unknown is not covered where it is asked."""
        if self.always:
            return True
        if self.agencies and agency not in self.agencies:
            return False
        if filing is None:
            return not (self.classifications or self.categories or self.regions or self.visibilities)
        return (
            (not self.classifications or filing.classification in self.classifications)
            and (not self.categories or filing.category in self.categories)
            and (not self.visibilities or filing.visibility in self.visibilities)
            and (not self.regions or any((filing.region or "").startswith(region) for region in self.regions))
        )


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One deadline of the law, in one version. Equal only to itself, so that what is counted by it can be kept."""

    id: str
    version: str
    stage: str
    bound: Bound
    term: Term
    starts: frozenset[str]
    stops: frozenset[str]
    valid_from: date
    law: str
    verified: bool
    valid_to: date | None = None
    """The last day of validity, included."""
    calendar: str | None = None
    """None: the calendar of the agency that holds the case, or the pack's default."""
    pauses: frozenset[str] = frozenset()
    resumes: frozenset[str] = frozenset()
    extension: Extension | None = None
    applies: Applies = field(default_factory=Applies)
    thresholds: tuple[Threshold, ...] = ()
    escalations: tuple[Escalation, ...] = ()
    source: str | None = None
    basis: Basis = Basis.POLICY
    actor: str | None = None
    """Who must act, in the words of the law."""
    caveat: str | None = None
    """What of this rule is a reading of ours, or in doubt; said with every date that it gives."""
    runs: bool = True
    """False: no clock is kept by it, since nobody tells us of its facts yet; it serves the calculator."""

    def in_force(self, day: date) -> bool:
        """Whether a clock that starts on this local day is counted by this version."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


@dataclass(frozen=True, slots=True)
class Backdating:
    """Who may claim that something happened before we received it, such as an officer typing in a paper form."""

    channels: frozenset[str] = frozenset()
    actors: frozenset[str] = frozenset()

    def allows(self, fact: Fact) -> bool:
        return (fact.channel in self.channels) if fact.channel else (fact.actor in self.actors)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A rule that is known to exist while its length is not, or is no time: nobody can count by it."""

    id: str
    stage: str
    law: str
    why: str


@dataclass(frozen=True)
class Rules:
    """The rules of a pack by stage, in the order of the file: within a stage the first that is in force and covers wins."""

    by_stage: Mapping[str, tuple[Rule, ...]]
    """Those that clocks are kept by."""
    backdating: Backdating = field(default_factory=Backdating)
    still: tuple[Rule, ...] = ()
    """Those that only the calculator counts by."""
    unknown: Mapping[str, Unknown] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Rule]:
        yield from (rule for rules in self.by_stage.values() for rule in rules)
        yield from self.still

    def find(self, rule_id: str, day: date | None = None) -> Rule | None:
        """The version of a rule that was in force on a day; else, and without a day, the newest."""
        versions = self._versions.get(rule_id, ())
        return max(versions, key=lambda r: (day is not None and r.in_force(day), r.valid_from), default=None)

    @cached_property
    def stages(self) -> Sequence[tuple[frozenset[str], tuple[Rule, ...]]]:
        """The rules of each stage, and before them the kinds of fact by which any of them begins."""
        return [(frozenset().union(*(rule.starts for rule in rules)), rules) for rules in self.by_stage.values()]

    @cached_property
    def bind_holders(self) -> bool:
        """Whether any of them gives clocks to whoever holds the case."""
        return any(rules[0].bound is Bound.HOLDER for rules in self.by_stage.values())

    @cached_property
    def _versions(self) -> Mapping[str, Sequence[Rule]]:
        by_id: dict[str, list[Rule]] = {}
        for rule in self:
            by_id.setdefault(rule.id, []).append(rule)
        return by_id


def rules(*each: Rule, backdating: Backdating | None = None, unknown: Iterable[Unknown] = ()) -> Rules:
    """Groups rules by stage, keeping their order."""
    by_stage: dict[str, tuple[Rule, ...]] = {}
    for rule in each:
        if rule.runs:
            by_stage[rule.stage] = (*by_stage.get(rule.stage, ()), rule)
    still = tuple(rule for rule in each if not rule.runs)
    return Rules(by_stage, backdating or Backdating(), still, {u.id: u for u in unknown})
