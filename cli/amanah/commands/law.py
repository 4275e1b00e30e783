"""`amanah law`: another law for clocks that run, first as a dry run, then for good."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cyclopts
from cyclopts import Parameter

from amanah.fault import Fault

if TYPE_CHECKING:
    from amanah.law.place import Place
    from amanah.law.tally import Tally
    from amanah.progress import Progress

app = cyclopts.App(name="law", help="Changed rules, calendars or holidays: whom they would move, and moving them.")

Data = Annotated[Path | None, Parameter(help="Data directory of the stack [default: the stack started last].")]
Database = Annotated[str | None, Parameter(help="DSN of a monitor's database, instead of a stack on this machine.")]
Limit = Annotated[int, Parameter(help="How many moves are named one by one.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print data instead of text.")]


@app.command
def diff(
    *,
    data: Data = None,
    database: Database = None,
    pack: Annotated[
        str | None, Parameter(help="Another folder with the changed law [default: the pack itself].")
    ] = None,
    limit: Limit = 1000,
    as_json: Json = False,
) -> None:
    """Show which running clocks the law on disk would move, and change nothing."""
    _go(_find(data, database, pack), limit, as_json, for_good=False)


@app.command
def apply(
    *,
    data: Data = None,
    database: Database = None,
    pack: Annotated[str | None, Parameter(help="With --database: the pack that its monitors read.")] = None,
    limit: Limit = 1000,
    as_json: Json = False,
) -> None:
    """Put the law on disk in force: each running clock that it moves is said once, as `deadline.recalculated`.

    The monitors read their pack anew by themselves. Finished clocks stay as they are. Interrupted, it can be begun again.
    """
    if pack is not None and database is None:
        raise Fault("A stack applies the law of its own pack: change the files there, then apply.", 2)
    _go(_find(data, database, pack), limit, as_json, for_good=True)


@app.command
def past(
    folder: Path,
    /,
    *,
    rule: Annotated[str | None, Parameter(help="A version that it held, as a receipt names it: SP4N-2@1.")] = None,
    calendar: Annotated[str | None, Parameter(help="A version that it held: five-day@2026.1.")] = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Write the law of an earlier time into a new folder, for `amanah explain --receipt FILE --pack FOLDER`.

    Of several laws that held these versions, the latest.

    Parameters
    ----------
    folder
        A folder that is not there yet.
    """
    from amanah.law.place import database_of, past_law
    from amanah.running import run
    from amanah_sla_monitor.past import write

    parts = [f"{kind}:{label}" for kind, label in (("rule", rule), ("calendar", calendar)) if label]
    if not parts:
        raise Fault("Name what it held: --rule ID@VERSION, --calendar ID@VERSION, or both.", 2)
    if folder.exists():
        raise Fault(f"{folder} is there already; name a new one.", 2)
    files = run(past_law(database_of(data, database), parts))
    if files is None:
        raise Fault(f"No law that was in force here held {' and '.join(parts)}.")
    write(files, folder)
    print(f"{folder}: {', '.join(sorted(files))}")


def _find(data: Path | None, database: str | None, pack: str | None) -> "Place":
    """While we read our modules, those who are to share the work read theirs."""
    from amanah.law import processes

    processes.prepare()
    from amanah.law.place import find

    return find(data, database, pack)


def _go(place: "Place", limit: int, as_json: bool, *, for_good: bool) -> None:
    from amanah.law import words
    from amanah.progress import shown
    from amanah.running import run

    with shown() as progress:
        tally = run(_tally(place, limit, progress, for_good=for_good))
    if as_json:
        print(json.dumps(tally.as_dict(), ensure_ascii=False, indent=1))
    else:
        words.tell(tally, done=for_good)


async def _tally(place: "Place", limit: int, progress: "Progress", *, for_good: bool) -> "Tally":
    from amanah.law.place import law, opened
    from amanah.law.walk import walk
    from amanah_sla_monitor import recalculate

    read = law(place)
    progress.step(f"Holding the law of {place.pack} against every clock that runs")
    try:
        async with opened(place) as chassis:
            await (recalculate.put_in_force if for_good else recalculate.check)(chassis, read)
            stretches = [stretch async for stretch in recalculate.stretches(chassis)]
        return await walk(place, stretches, limit, for_good=for_good)
    except recalculate.NoNewVersion as unversioned:
        raise Fault(f"{place.pack}: {unversioned}") from None
