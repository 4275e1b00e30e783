"""One replay from its file to its figures: a fresh virtual deployment, the run, and the check of what it left behind."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

import yaml

from amanah.embedded import topics
from amanah.embedded.stack import Options, Stack
from amanah.fault import Fault
from amanah.progress import Progress
from amanah.replay.agenda import agenda, chunks
from amanah.replay.citizen import Citizen, History
from amanah.replay.drive import Drive, Pace
from amanah.replay.log import Format, Rejected, load_format, read
from amanah.replay.office import Office
from amanah.replay.pipeline import Pipeline
from amanah.verify.result import Result
from amanah.verify.run import verify_stack

MARK = "stack.json"
"""A folder that has it is a data directory of ours, and may be emptied for a new replay."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did. `seconds`: real time from the first filing to the last notice."""

    rows: int
    rejected: list[Rejected]
    refused: dict[str, str]
    """Closings that were refused: source id to reason."""
    pace: Pace | None
    seconds: float
    verified: Result


def fresh(data: Path) -> None:
    """Empties a data directory of an earlier replay. Raises Fault for a folder that is something else."""
    if data.exists() and any(data.iterdir()):
        if not (data / MARK).is_file() and not (data / "secrets").is_dir():
            raise Fault(f"{data} is not empty and no data directory of a replay; name another with --data.")
        shutil.rmtree(data)


async def replay(file: Path, pack: Path, data: Path, killed: int, options: Options, progress: Progress) -> Replayed:
    """Files the log into a fresh deployment in `data` and checks the outcome. Raises Fault when it cannot go on."""
    form = load_format(pack)
    rows, rejected = read(file, form)
    if not rows:
        raise Fault(f"{file} has no row that can be filed; the first is rejected because: {_first(rejected)}")
    instants = list(chunks(agenda(rows)))
    end = max(time for row in rows for time in (row.created, row.due, row.closed) if time is not None)
    fresh(data)
    # The clock starts at the earliest instant of the log, so that everything that follows is a step forward.
    options = replace(options, virtual_clock_start=instants[0].at)
    async with Stack(data, pack, options, progress) as stack:
        history = History(data / "history.jsonl")
        started = monotonic()
        async with _drive(stack, form, history) as drive:
            await drive.run(instants, end, killed, progress)
            seconds = monotonic() - started
            history.note(op="end", at=end)
            history.close()
            refused, pace = dict(drive.office.refused), drive.pace()
        progress.step("Checking what the replay left behind")
        verified = await verify_stack(stack, data / "history.jsonl")
    return Replayed(len(rows) + len(rejected), rejected, refused, pace, round(seconds, 1), verified)


@asynccontextmanager
async def _drive(stack: Stack, form: Format, history: History) -> AsyncIterator[Drive]:
    agencies = topics.agencies(stack.pack)
    citizen = Citizen(stack.url("intake"), stack.token(), history)
    office = Office(stack.kafka, agencies, stack.url("routing"), stack.token(), form.triage_to, history)
    dsns = {name: stack.dsn(name) for name in stack.options.services}
    pipeline = await Pipeline.open(dsns, stack.kafka, _groups(agencies))
    await office.open()
    try:
        yield Drive(stack, citizen, office, pipeline, _given_only(stack.pack))
    finally:
        await office.close()
        await pipeline.close()
        await citizen.close()


def _groups(agencies: list[str]) -> dict[str, list[str]]:
    """What each consumer group reads, from the services' own tables."""
    from amanah_casework.app import SERVICE as CASEWORK
    from amanah_intake.app import SERVICE as INTAKE
    from amanah_notifier.app import SERVICE as NOTIFIER
    from amanah_routing.app import SERVICE as ROUTING
    from amanah_sla_monitor.app import SERVICE as SLA_MONITOR

    groups = {f"amanah.{s.name}": s.topics() for s in (CASEWORK, INTAKE, NOTIFIER, ROUTING, SLA_MONITOR)}
    return groups | {"amanah.casework.orders": [f"amanah.agency.{code}.replies" for code in agencies]}


def _given_only(pack: Path) -> bool:
    rules = yaml.safe_load((pack / "rules.yaml").read_text())["rules"]
    return all(rule["unit"] == "given" for rule in rules)


def _first(rejected: list[Rejected]) -> str:
    return f"line {rejected[0].line}: {rejected[0].reason}" if rejected else "it has no rows"


def as_json(done: Replayed) -> str:
    """The object of `--json`."""
    v = done.verified
    return json.dumps(
        {
            "rows": done.rows,
            "filed": v.filed,
            "rejected": len(done.rejected),
            "routed": v.routed,
            "met": v.met,
            "breached": v.breached,
            "open": v.open,
            "withdrawn": v.withdrawn,
            "notices": v.notices,
            "breaches": v.breaches,
            "lost": v.lost,
            "duplicated": v.duplicated,
            "seconds": done.seconds,
            "redelivered": v.redelivered,
            "filing_to_agency_ms": {"p50": done.pace.p50_ms, "p99": done.pace.p99_ms} if done.pace else None,
            "rejections": [{"line": r.line, "source_id": r.source_id, "reason": r.reason} for r in done.rejected],
            "refused_closings": [{"source_id": s, "reason": reason} for s, reason in sorted(done.refused.items())],
            "findings": v.as_dict()["findings"],
        },
        indent=1,
    )
