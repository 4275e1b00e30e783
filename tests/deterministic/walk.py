"""A walk at random through what may happen: one number gives one story, the same each time.

A story is made of single steps and of scenes, which are a few steps that belong together: an answer that is given in time
and learnt of late does not come about by chance within fifty steps. What happens between the steps of a scene is not said:
the next story has other steps there.
"""

from collections.abc import Callable
from datetime import timedelta
from random import Random

from tests.deterministic.checker import Anomaly, check
from tests.deterministic.evidence import gather
from tests.deterministic.people import VERBS
from tests.deterministic.postgres import SERVICES
from tests.deterministic.world import Story, World

WHO = {name: number for number, name in enumerate(SERVICES)}
WHICH = 50
"""Complaints and the like are named by any number."""
DICE = 10_000
LONG = timedelta(days=14)
"""After which no clock of the home runs any more, unless it stands."""
STEPS: dict[str, tuple[int, tuple[int, ...]]] = {
    # what: how often, and below which numbers its own are drawn
    "submit": (5, (6,)),
    "retry": (3, (WHICH,)),
    "reuse": (1, (WHICH,)),
    "order": (16, (WHICH, len(VERBS), DICE)),
    "order_again": (3, (WHICH,)),
    "poison": (1, (10,)),
    "triage": (2, (WHICH, 5)),
    "relay": (18, (len(SERVICES), 5)),
    "deliver": (24, (len(SERVICES), DICE)),
    "tick": (5, (8,)),
    "sweep": (2, (len(SERVICES),)),
    "notices": (4, (100,)),
    "kill": (2, (len(SERVICES),)),
    "fuse": (8, (len(SERVICES), 24)),
    "rewind": (1, (len(SERVICES),)),
    "rebalance": (2, (len(SERVICES),)),
    "curse": (1, (len(SERVICES), WHICH)),
    "mend": (1, ()),
    "advance": (4, (3000,)),
    "next_deadline": (6, (4,)),
    "law": (2, (40,)),
}


def flow(chance: Random) -> Story:
    """What has happened reaches everybody, in the order of the trade."""
    steps: Story = []
    for name in ("intake", "routing", "casework", "sla_monitor", "notifier"):
        steps += [("deliver", (WHO[name], chance.randrange(DICE))) for _ in range(2)]
        steps.append(("relay", (WHO[name], chance.choice((0, 0, 0, 0, 1, 2)))))
    return steps


def late_answer(chance: Random) -> Story:
    """An agency answers in time, and the desk learns of it when the breach has been said and told of."""
    verb = VERBS.index(chance.choice(("reply", "resolve", "acknowledge")))
    passed = [*_passing(3, 1), *_passing(0, chance.randint(2, 6))]
    heard: Story = [("relay", (WHO["sla_monitor"], 0))]
    heard += [("deliver", (WHO["notifier"], chance.randrange(DICE))) for _ in range(4)]
    return [("order", (chance.randrange(4), verb, chance.randrange(DICE))), *passed, *heard, ("notices", (1,))]


def question(chance: Random) -> Story:
    """An agency asks the citizen; its clock stands, or does not, over a deadline."""
    which = chance.randrange(4)
    asked: Story = [("order", (which, VERBS.index("request_information"), chance.randrange(DICE)))]
    heard: Story = [
        ("deliver", (WHO["casework"], chance.randrange(DICE))),
        ("deliver", (WHO["casework"], chance.randrange(DICE))),
        ("relay", (WHO["casework"], 0)),
        ("deliver", (WHO["sla_monitor"], chance.randrange(DICE))),
        ("deliver", (WHO["sla_monitor"], chance.randrange(DICE))),
    ]
    return [*asked, *heard, *_passing(3, 1), *_passing(0, chance.randint(1, 5))]


def taken_back(chance: Random) -> Story:
    """An agency does something, takes it back, and a deadline passes that it would have met or moved."""
    which = chance.randrange(4)
    steps: Story = []
    for verb in (chance.choice(("reply", "resolve", "acknowledge", "request_information", "extend")), "withdraw"):
        steps.append(("order", (which, VERBS.index(verb), chance.randrange(DICE))))
        steps += [("deliver", (WHO["casework"], chance.randrange(DICE))) for _ in range(2)]
    return [*steps, ("relay", (WHO["casework"], 0)), *_passing(0, chance.randint(1, 4))]


def _passing(off: int, times: int) -> Story:
    """To the next deadline, or as near as `off` says, and the ticker looks."""
    return [("next_deadline", (off,)), ("tick", (7,))] * times


def hurry(chance: Random) -> Story:
    """An agency does one thing after the other with one complaint, and all of it comes at once."""
    which = chance.randrange(4)
    verbs = ("reply", "reply", "request_information", "receive_information", "extend", "withdraw", "reply")
    first = chance.randrange(3)
    steps: Story = [("order", (which, VERBS.index(verb), chance.randrange(DICE))) for verb in verbs[first : first + 4]]
    return [*steps, *(("deliver", (WHO["casework"], chance.randrange(DICE))) for _ in range(3))]


def another_law(chance: Random) -> Story:
    """Clocks run when the law changes."""
    return [("law", (chance.choice((0, 0, chance.randrange(1, 40))),)), ("next_deadline", (0,)), ("tick", (7,))]


def transfer(chance: Random) -> Story:
    """The holder refuses, at once or the day after; another gets the case."""
    which = chance.randrange(4)
    steps: Story = [("advance", (chance.choice((10, 1500)),))]
    steps.append(("order", (which, VERBS.index("decline"), chance.randrange(DICE))))
    for name in ("casework", "routing", "casework", "sla_monitor"):
        steps += [("deliver", (WHO[name], chance.randrange(DICE))) for _ in range(2)]
        steps.append(("relay", (WHO[name], 0)))
    return steps


SCENES: tuple[tuple[Callable[[Random], Story], int], ...] = (
    (flow, 3),
    (late_answer, 4),
    (question, 3),
    (hurry, 2),
    (transfer, 3),
    (taken_back, 2),
    (another_law, 1),
)


def story(seed: int, length: int = 50) -> Story:
    """Single steps and scenes, `length` of both together. Begins with a few complaints, or much would be about nothing."""
    chance = Random(seed)
    steps: Story = [("submit", (chance.randrange(6),)) for _ in range(3)]
    steps += flow(chance) if chance.random() < 0.8 else []
    names, weights = list(STEPS), [often for often, _ in STEPS.values()]
    scenes, often = zip(*SCENES, strict=True)
    for _ in range(length - 4):
        if chance.random() < 0.15:
            steps += chance.choices(scenes, often)[0](chance)
        else:
            [name] = chance.choices(names, weights)
            steps.append((name, tuple(chance.randrange(below) for below in STEPS[name][1])))
    return steps


async def walk(world: World, seed: int, length: int = 50) -> list[Anomaly]:
    """Tells the story of a seed, lets everything settle, and answers what the checker finds."""
    await world.begin(seed)
    await world.tell(story(seed, length))
    return await settled(world)


async def settled(world: World) -> list[Anomaly]:
    """What the checker finds when nothing moves any more; if nothing, again when all deadlines have passed."""
    await world.settle()
    found = check(await gather(world))
    if not found:
        await world.pass_time(LONG)
        await world.settle()
        found = check(await gather(world))
    return found
