"""What becomes of one complaint of a soak. Pure: chance comes in as an argument."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

CATEGORY = "Street Light Condition"
NARRATIVE = "The light before the school has been dark for two weeks."
AFAR = 30 * 86_400.0
SOONEST, LATEST = 15.0, 45.0
"""Seconds from filing to a due instant within the run."""


@dataclass(frozen=True, slots=True)
class Life:
    """`due_in`: seconds from filing, None for no date. `answer_in`: seconds from filing until the agency resolves it, None
    for never. What is due within the run is never answered before it, so it must breach whatever is killed meanwhile."""

    agency: str
    due_in: float | None
    answer_in: float | None
    email: str | None


def life(chance: Random, number: int, agencies: Sequence[str]) -> Life:
    email = f"citizen-{number}@citizen.invalid" if chance.random() < 0.5 else None
    agency = chance.choice(agencies)
    if chance.random() < 0.3:
        soon = round(chance.uniform(SOONEST, LATEST), 3)
        late = soon + chance.uniform(5.0, 30.0)
        return Life(agency, soon, late if chance.random() < 0.5 else None, email)
    afar = AFAR if chance.random() < 0.5 else None
    return Life(agency, afar, chance.uniform(0.5, 20.0), email)
