"""One replay from its file to its figures: a fresh virtual deployment, the run, and the check of what it left behind."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from time import monotonic

import yaml

from amanah.embedded import topics
from amanah.embedded.home import Home
from amanah.embedded.stack import Options, Stack
from amanah.fault import Fault
from amanah.progress import Progress
from amanah.replay import draft as drafts
from amanah.replay import outcome
from amanah.replay.agenda import agenda, chunks
from amanah.replay.citizen import Citizen, History
from amanah.replay.draft import Draft
from amanah.replay.drive import Drive, Pace
from amanah.replay.log import Format, Rejected, load_format, read
from amanah.replay.office import Office
from amanah.replay.pipeline import Pipeline
from amanah.replay.what_if import WhatIf, check, compare, fold, overruled
from amanah.verify.result import Checked, Result
from amanah.verify.run import verify_stack
from amanah_sla_monitor.domain.law import Law

HISTORY = "history.jsonl"
"""Only a replay's data directory has it; so no deployment with real complaints is emptied for a new replay."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did. `seconds`: real time from the first filing to the last notice."""

    rows: int
    rejected: list[Rejected]
    """Rows that could not be read and rows that intake refused."""
    refused: dict[str, str]
    """Closings that were refused: source id to reason."""
    pace: Pace | None
    seconds: float
    verified: Result
    what_if: WhatIf | None = None
    """Only of a replay under a draft of the rules."""


def fresh(data: Path) -> None:
    """Makes an empty data directory, also of an earlier replay's. Raises Fault for a folder that is something else, and
    for one on which a stack runs."""
    home = Home(data.resolve())
    try:
        if data.is_dir() and not {entry.name for entry in data.iterdir()} <= {"lock"} and not (data / HISTORY).exists():
            raise Fault(f"{data} is not empty and no data directory of a replay; name another with --data.")
        home.take()
        (data / HISTORY).touch()  # first of all, so that what is left after any interruption is known as a replay's
        for entry in data.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name not in (HISTORY, "lock"):
                entry.unlink()
    except OSError as failure:
        raise Fault(f"{data} cannot be emptied for a replay: {failure.strerror}; name another with --data.") from None
    finally:
        home.release()


async def replay(
    file: Path, pack: Path, data: Path, killed: int, options: Options, progress: Progress, rules: Path | None = None
) -> Replayed:
    """Files the log into a fresh deployment in `data` and checks the outcome; with `rules` under that draft, in place of
    the pack's own. Raises Fault when it cannot go on; for a log, pack or draft that is wrong before `data` is touched."""
    form = load_format(pack)
    draft = drafts.load(rules, pack) if rules is not None else None
    rows, rejected = read(file, form)
    if not rows:
        raise Fault(f"{file} has no row that can be filed; the first is rejected because: {_first(rejected)}")
    instants = list(chunks(agenda(rows)))
    end = max(time for row in rows for time in (row.created, row.due, row.closed) if time is not None)
    fresh(data)
    used = draft.lay_out(data.resolve() / "pack") if draft else pack
    # The clock starts at the earliest instant of the log, so that everything that follows is a step forward.
    options = replace(options, virtual_clock_start=instants[0].at)
    async with Stack(data, used, options, progress) as stack:
        started = monotonic()
        async with _drive(stack, form, draft.law if draft else None) as drive:
            await drive.run(instants, end, killed, progress)
            seconds = monotonic() - started
            drive.citizen.history.note(op="end", at=end)
            refused, pace = dict(drive.office.refused), drive.pace()
        progress.step("Checking what the replay left behind")
        compared = await _compare(stack, draft, end) if draft else None
        verified = await verify_stack(stack, data / HISTORY)
    if compared is not None:
        verified.checks.append(compared[1])
    every = sorted([*rejected, *drive.citizen.filed.rejected], key=lambda row: row.line)
    what_if = compared[0] if compared else None
    return Replayed(len(rows) + len(rejected), every, refused, pace, round(seconds, 1), verified, what_if)


async def _compare(stack: Stack, draft: Draft, end: datetime) -> tuple[WhatIf, Checked]:
    """The draft's outcome beside that of the rules in force, and whether the run said what the draft's rules give."""
    facts, said = await outcome.facts(stack), await outcome.said(stack)
    by_draft, by_present = fold(facts, draft.law, end), fold(facts, draft.present, end)
    outcome.strike(stack.data / HISTORY, overruled(by_draft, facts))
    return compare(draft.name, said, by_present), check(said, by_draft, by_present)


@asynccontextmanager
async def _drive(stack: Stack, form: Format, law: Law | None) -> AsyncIterator[Drive]:
    agencies = topics.agencies(stack.pack)
    groups = _groups(agencies)
    dsns = {name: stack.dsn(name) for name in stack.options.services}
    async with AsyncExitStack() as closing:
        history = History(stack.data / HISTORY)
        closing.callback(history.close)
        citizen = Citizen(stack.url("intake"), stack.token(), history)
        closing.push_async_callback(citizen.close)
        pipeline = await closing.enter_async_context(Pipeline.open(dsns, stack.kafka, groups))
        office = Office(stack.kafka, agencies, stack.url("routing"), stack.token(), form.triage_to, history)
        closing.push_async_callback(office.close)
        await office.open()
        yield Drive(stack, citizen, office, pipeline, _given_only(stack.pack), law)


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
    """Whether nothing happens but at the instants that the source itself names: no days are counted, nobody is warned."""
    rules = yaml.safe_load((pack / "rules.yaml").read_text())["rules"]
    return all(r["unit"] == "given" and not r.get("thresholds") and not r.get("escalations") for r in rules)


def _first(rejected: list[Rejected]) -> str:
    return f"line {rejected[0].line}: {rejected[0].reason}" if rejected else "it has no rows"


def as_json(done: Replayed) -> str:
    """The object of `--json`."""
    v = done.verified
    figures = {
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
    }
    if done.what_if is not None:
        figures["what_if"] = done.what_if.as_dict()
    return json.dumps(figures, indent=1)
