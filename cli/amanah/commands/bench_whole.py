"""Benches of the whole: what a complaint meets on its way, a rebuild, and what all of it holds and takes to start."""

from amanah import project
from amanah.commands.bench_run import Json, in_a_directory, one, run


def pipeline(*, complaints: int = 20_000, rounds: int = 3, json: Json = False) -> None:
    """Complaints from the committed row to the agency's topic, with clocks that know their agency: complaints per second.

    Parameters
    ----------
    complaints
        How many each round commits at once.
    rounds
        Rounds of each; figures are medians.
    """
    from amanah.bench.pipeline import pipeline as measure

    run(
        lambda stack, progress: one(measure(stack, complaints, rounds, progress)),
        ("intake", "routing", "sla_monitor"),
        start=False,
        quiet=json,
    )


def intake(*, seconds: float = 5, rounds: int = 3, json: Json = False) -> None:
    """Filings over HTTP with a durable commit: filings per second with 1, 8 and 32 clients.

    Parameters
    ----------
    seconds
        How long clients file in each round.
    rounds
        Rounds of each; figures are medians.
    """
    from amanah.bench.intake import intake as measure

    run(lambda stack, progress: measure(stack, seconds, rounds, progress), ("intake",), quiet=json)


def journey(*, rate: float = 50, seconds: float = 20, rounds: int = 3, json: Json = False) -> None:
    """From a filing to the record on its agency's topic, all services running: p99 in ms at a steady rate.

    Parameters
    ----------
    rate
        Filings per second.
    seconds
        How long each round lasts.
    rounds
        Rounds of each; figures are medians.
    """
    from amanah.bench.journey import journey as measure
    from amanah.embedded.services import SERVICES

    run(lambda stack, progress: one(measure(stack, rate, seconds, rounds, progress)), SERVICES, sinks=True, quiet=json)


def replay(*, complaints: int = 20_000, rounds: int = 3, json: Json = False) -> None:
    """The monitor rebuilt from its topics on an empty database: events per second, four of each complaint.

    Parameters
    ----------
    complaints
        How many the topics tell of.
    rounds
        Rounds of each; figures are medians.
    """
    from amanah.bench.rebuild import rebuild as measure

    run(
        lambda stack, progress: one(measure(stack, complaints, rounds, progress)),
        ("sla_monitor",),
        start=False,
        quiet=json,
    )


def footprint(*, complaints: int = 3000, starts: int = 3, json: Json = False) -> None:
    """The whole system started anew and again, and what it holds after some complaints: seconds and megabytes.

    Parameters
    ----------
    complaints
        How many are filed before memory is looked at once more.
    starts
        Warm starts; the figure is their median.
    """
    from amanah.bench.footprint import footprint as measure

    in_a_directory(
        lambda data, progress: measure(data, project.pack("nyc311"), complaints, starts, progress), quiet=json
    )
