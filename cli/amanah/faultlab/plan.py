"""What the citizens and agencies of one run will do. Pure: all chance comes from one seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

AGENCIES = ("nypd", "dot", "hpd", "dsny", "dep", "dof")
RETRIED = 0.3
SOON = 0.25
"""The share whose due instant falls into the run itself."""
NEVER_DUE = 0.3
AFAR = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Step:
    """One order of an agency, `after` seconds from the one before it; `to_due`: so many seconds from the due instant."""

    verb: str
    after: float
    to_due: float | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """One complaint: when it is filed, what it says, how it is sent again, what becomes of it. Times are seconds."""

    at: float
    key: str
    source_ref: str
    agency: str
    category: str
    due_in: float | None
    identity: dict[str, Any] | None
    narrative: str
    canaries: tuple[str, ...]
    again: str
    """`once`; `beside`: a second time under the same key at the same moment; `later`: after the answer."""
    again_after: float
    steps: tuple[Step, ...]


def plan(name: str, seed: int, rate: float) -> Iterator[Planned]:
    """An endless stream of complaints, `rate` a second."""
    chance = Random(f"{name}/{seed}")  # noqa: S311 - to be repeated, not to be secret
    at, number = 0.0, 0
    while True:
        at += chance.expovariate(rate)
        number += 1
        yield _complaint(chance, f"{name}-{seed}-{number}", at)


def _complaint(chance: Random, ref: str, at: float) -> Planned:
    due_in = _due(chance)
    identity, canaries = _identity(chance)
    again = chance.choice(("beside", "later")) if chance.random() < RETRIED else "once"
    return Planned(
        at=at,
        key=f"fault-lab-{ref}-{chance.getrandbits(48):012x}",
        source_ref=ref,
        agency=chance.choice(AGENCIES),
        category="Street Light Condition",
        due_in=due_in,
        identity=identity,
        narrative=_narrative(chance, identity),
        canaries=canaries,
        again=again,
        again_after=chance.uniform(0.05, 3.0),
        steps=_steps(chance, due_in),
    )


def _due(chance: Random) -> float | None:
    if chance.random() < SOON:
        return round(chance.uniform(2.0, 12.0), 3)
    return None if chance.random() < NEVER_DUE else AFAR


def _identity(chance: Random) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    if chance.random() < 0.4:
        return None, ()
    name, mail = (f"cnry{chance.getrandbits(48):012x}" for _ in range(2))
    phone = f"70009{chance.randrange(10**8):08}"
    who = {"name": f"Citizen {name}", "email": f"{mail}@citizen.invalid", "phone": f"+{phone}"}
    return who, (name, mail, phone)


def _narrative(chance: Random, identity: dict[str, Any] | None) -> str:
    said = "The light before the school has been dark for two weeks."
    if identity and chance.random() < 0.3:
        said += f" Call me at {identity['phone']} or write to {identity['email']}."
    return said


def _steps(chance: Random, due_in: float | None) -> tuple[Step, ...]:
    steps = []
    if chance.random() < 0.6:
        steps.append(Step("acknowledge", chance.uniform(0.05, 1.0)))
    if chance.random() < 0.4:
        steps.append(Step("reply", chance.uniform(0.05, 1.5)))
    soon = due_in is not None and due_in < AFAR
    if soon and chance.random() < 0.7:
        # Close to the instant, on either side of it.
        steps.append(Step("resolve", 0.0, chance.choice((-1, -1, 1)) * chance.uniform(0.02, 1.5)))
    elif not soon and chance.random() < 0.5:
        steps.append(Step("resolve", chance.uniform(0.05, 2.0)))
    return tuple(steps)
