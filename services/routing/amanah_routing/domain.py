"""Who is responsible for a complaint: the first rule that matches decides, and says why. Pure.

filed ──rule matches──► routed ──declined──► routed to the proposed agency
  └──no rule──► triage ──a person decides──► routed
                  ▲                            │
                  └──declined by two, nobody fit proposed, or a whistle-blower's
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amanah_contracts.vocabulary import Visibility

NAMED = "named"
"""A rule's `to`: the agency that the source named."""
ANY = "*"
"""In a condition on `agency_named`: any agency of the registry."""


def folded(text: str) -> str:
    """How spellings are compared: case and the width of blanks do not count."""
    return " ".join(text.split()).casefold()


@dataclass(frozen=True, slots=True)
class Matter:
    """What rules may look at."""

    category: str
    classification: str | None = None
    region: str | None = None
    agency_named: str | None = None
    visibility: str = "open"


@dataclass(frozen=True, slots=True)
class Rule:
    """`conditions`: field of Matter to the accepted values, `folded`; all fields must match."""

    id: str
    conditions: Mapping[str, frozenset[str]]
    to: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """To whom, by which rule, and why."""

    agency: str
    rule: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Triage:
    """A person must decide, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Registry:
    """The agencies of a pack: `codes`, and every spelling (code or alias, `folded`) to its code."""

    codes: frozenset[str]
    spellings: Mapping[str, str]

    def find(self, spelling: str | None) -> str | None:
        return self.spellings.get(folded(spelling)) if spelling else None


def route(matter: Matter, rules: Sequence[Rule], agencies: Registry) -> Assignment | Triage:
    """The first match decides; no match is for a person."""
    words = _words(matter, agencies)
    for rule in rules:
        if not any(words[field].isdisjoint(accepted) for field, accepted in rule.conditions.items()):
            agency = agencies.find(matter.agency_named) if rule.to == NAMED else rule.to
            if agency is not None:
                return Assignment(agency, rule.id, rule.explanation)
    return Triage("no rule names an agency for this category and place")


def reroute(
    proposed: str | None, refused_by: Sequence[str], agencies: Registry, visibility: str
) -> Assignment | Triage:
    """After a refusal. `refused_by` lists every agency that declined so far, the latest included. The second refusal goes
    to a person, and nobody gets back what it has declined. A whistle-blower's report never follows a proposal: the agency
    proposed may be the one that it is about."""
    if visibility == Visibility.WHISTLE_BLOWER:
        return Triage("declined, and a whistle-blower's report is passed on only by a person")
    if len(refused_by) >= 2:
        return Triage("two agencies have declined")
    if proposed is None:
        return Triage("declined, and no other agency was proposed")
    agency = agencies.find(proposed)
    if agency is None:
        return Triage("declined, and the proposed agency is not in the registry")
    if agency in refused_by:
        return Triage("declined, and the proposed agency had declined before")
    return Assignment(agency, "proposed", f"The agency before proposed {agency} as the one responsible.")


def _words(matter: Matter, agencies: Registry) -> Mapping[str, frozenset[str]]:
    """By field, every word that a rule may ask for and that this matter answers to; to none in a field that it lacks."""
    named = agencies.find(matter.agency_named)
    return {
        "category": _word(matter.category),
        "classification": _word(matter.classification),
        "region": _regions(matter.region),
        "agency_named": frozenset({named, ANY}) if named else _word(matter.agency_named) - {ANY},
        "visibility": _word(matter.visibility),
    }


def _word(value: str | None) -> frozenset[str]:
    return frozenset() if value is None else frozenset({folded(value)})


def _regions(value: str | None) -> frozenset[str]:
    """A rule for a region holds for every place inside it: 63.03.05 answers to 63.03 and to 63 as well."""
    parts = folded(value).split(".") if value else []
    return frozenset(".".join(parts[:length]) for length in range(1, len(parts) + 1))
