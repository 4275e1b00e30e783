"""Offices: whom a level of escalation calls upon, and how it is known that it can call upon nobody."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Seat(StrEnum):
    """Where a role sits, seen from the case."""

    AGENCY = "agency"
    """In the agency that holds the case."""
    SUPERIOR = "superior"
    """In the agency above that."""
    OMBUDSMAN = "ombudsman"
    OPERATOR = "operator"
    """With whoever runs this deployment."""
    NOBODY = "nobody"
    """There is no way to it yet."""


class Impossible(StrEnum):
    """Why a level can call upon nobody."""

    NO_HOLDER = "no_holder"
    NO_SUPERIOR = "no_superior"
    NO_CHANNEL = "no_channel"
    UNKNOWN_ROLE = "unknown_role"


class Call(NamedTuple):
    """The office that a level calls upon, or why there is none."""

    office: str | None
    why_not: Impossible | None


@dataclass(frozen=True, slots=True, eq=False)
class Offices:
    """Who sits where, as the pack says it. Equal only to itself, so that what it decides can be kept."""

    seats: Mapping[str, Seat] = field(default_factory=dict)
    """By role."""
    superiors: Mapping[str, str] = field(default_factory=dict)
    """By code of agency."""

    def call(self, role: str, agency: str | None) -> Call:
        """The office of a role for a case that `agency` holds."""
        match self.seats.get(role):
            case None:
                return Call(None, Impossible.UNKNOWN_ROLE)
            case Seat.NOBODY:
                return Call(None, Impossible.NO_CHANNEL)
            case Seat.OMBUDSMAN | Seat.OPERATOR as seat:
                return Call(seat.value, None)
            case Seat.AGENCY:
                return Call(agency, None) if agency else Call(None, Impossible.NO_HOLDER)
            case Seat.SUPERIOR:
                if not agency:
                    return Call(None, Impossible.NO_HOLDER)
                superior = self.superiors.get(agency)
                return Call(superior, None) if superior else Call(None, Impossible.NO_SUPERIOR)


NO_OFFICES = Offices()
