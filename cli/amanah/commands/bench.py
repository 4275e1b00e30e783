"""`amanah bench`: figures beside a bare loop of the same run, one JSON object a line on stdout."""

import cyclopts

from amanah import project
from amanah.commands import bench_whole
from amanah.commands.bench_run import Json, one, run, say

app = cyclopts.App(name="bench", help="Measure, as a ratio against a bare hand-written loop in the same run.")

app.command(bench_whole.pipeline)
app.command(bench_whole.intake)
app.command(bench_whole.journey)
app.command(bench_whole.replay)
app.command(bench_whole.footprint)


@app.command
def consume(*, events: int = 100_000, rounds: int = 3, json: Json = False) -> None:
    """One consumer with its database effects: events per second.

    Parameters
    ----------
    events
        How many events each round applies.
    rounds
        Rounds of each; figures are medians.
    """
    from amanah.bench.consume import consume as measure

    run(lambda stack, progress: one(measure(stack, events, rounds, progress)), quiet=json)


@app.command
def burst(*, deadlines: int = 100_000, rounds: int = 3, json: Json = False) -> None:
    """Deadlines due at one instant: breaches per second from that instant to the last breach event in Kafka.

    Parameters
    ----------
    deadlines
        How many fall due at the instant.
    rounds
        Rounds of each; figures are medians.
    """
    from amanah.bench.burst import burst as measure

    run(lambda stack, progress: one(measure(stack, deadlines, rounds, progress)), ("sla_monitor",), quiet=json)


@app.command
def idle(*, ten_million: bool = False, deadlines: int = 300, rounds: int = 5, json: Json = False) -> None:
    """Single deadlines while 10,000, then 1,000,000 clocks are open: p99 of ms from each instant to its event in Kafka.

    Parameters
    ----------
    ten_million
        Then 10,000,000 as well: some minutes and 3 GB of disk more.
    deadlines
        How many fall due in each round, one by one.
    rounds
        Rounds of each; figures are medians.
    """
    from amanah.bench.idle import LARGEST, SIZES
    from amanah.bench.idle import idle as measure

    sizes = (*SIZES, LARGEST) if ten_million else SIZES
    run(
        lambda stack, progress: measure(stack, sizes, deadlines, rounds, progress),
        ("sla_monitor",),
        start=False,
        quiet=json,
    )


@app.command
def recalculate(*, clocks: int = 1_000_000, json: Json = False) -> None:
    """A new holiday over 1,000,000 open clocks: clocks per second, and how late single deadlines are said meanwhile.

    Parameters
    ----------
    clocks
        How many are open, two of each case.
    """
    from amanah.bench.recalculate import recalculate as measure

    run(
        lambda stack, progress: one(measure(stack, clocks, progress)),
        ("sla_monitor",),
        pack="id",
        start=False,
        quiet=json,
    )


@app.command
def calendar(*, rounds: int = 5, json: Json = False) -> None:
    """The n-th working day: answers per second, beside the loop of the `holidays` library. Needs no servers.

    Parameters
    ----------
    rounds
        Rounds of each; figures are medians.
    """
    from amanah.bench.calendar import calendar as measure

    say(measure(project.pack("id"), rounds), quiet=json)


@app.command(name="all")
def every(*, json: Json = False) -> None:
    """Every bench, one after the other, with sizes that take some minutes in all. For a figure to quote, run it alone."""
    calendar(rounds=3, json=json)
    bench_whole.footprint(complaints=1000, starts=2, json=json)
    bench_whole.intake(seconds=3, rounds=2, json=json)
    bench_whole.journey(seconds=10, rounds=2, json=json)
    bench_whole.pipeline(complaints=10_000, rounds=2, json=json)
    bench_whole.replay(complaints=10_000, rounds=2, json=json)
    consume(events=30_000, rounds=2, json=json)
    burst(deadlines=30_000, rounds=2, json=json)
    idle(deadlines=150, rounds=2, json=json)
    recalculate(clocks=200_000, json=json)
