"""Receivers that misbehave, others' locks, a rush of citizens, a wire that is cut in one direction."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from time import time

import asyncpg
import psutil

from amanah.faultlab.gather import counted
from amanah.faultlab.lab import Figures, Lab, Nemesis, Proof, Traces
from amanah.faultlab.locks import trap
from amanah.faultlab.proxy import Remote
from amanah.sinks import SmtpFault, WebhookFault

EACH_SECONDS, MET_WITHIN = 3.0, 15.0
WEBHOOK = (
    WebhookFault.SERVER_ERROR, WebhookFault.TOO_MANY, WebhookFault.RESET_AFTER, WebhookFault.TIMEOUT, WebhookFault.MOVED
)  # fmt: skip
SMTP = (SmtpFault.TEMPORARY, SmtpFault.DROP_AFTER_DATA)


async def _bad_receivers(lab: Lab) -> Figures:
    """Both receivers at once, each through all that it can do wrong; at the end one address is gone for good."""
    sinks = lab.stack.sinks
    assert sinks is not None
    smtp = list(SMTP)
    for fault in lab.chance.sample(WEBHOOK, len(WEBHOOK)):
        sinks.webhook_fault, sinks.smtp_fault = fault, smtp[0]
        smtp.reverse()
        await asyncio.sleep(EACH_SECONDS)
        last = time() + MET_WITHIN  # after a 429 nobody may come for a while
        while time() < last and not any(attempt.fault == fault for attempt in sinks.attempts):
            await asyncio.sleep(0.1)
    sinks.smtp_fault = SmtpFault.NONE
    lab.history.note("nemesis", "nemesis", {"what": "gone"})
    sinks.webhook_fault, sinks.webhook_fault_left = WebhookFault.GONE, 1
    await asyncio.sleep(EACH_SECONDS)
    sinks.webhook_fault, sinks.webhook_fault_left = WebhookFault.NONE, None
    attempts = list(sinks.attempts)
    gone = next((attempt for attempt in attempts if attempt.fault == WebhookFault.GONE), None)
    return {
        "attempts": dict(Counter(str(attempt.fault) for attempt in attempts if attempt.fault != "none")),
        "moved": sum(attempt.target == "/moved" for attempt in attempts),
        "gone": gone.target if gone else None,
        # A second is enough for whatever was on its way when the answer came.
        "sent_to_gone": sum(a.target == gone.target and a.at > gone.at + 1 for a in attempts) if gone else 0,
    }


def _met_them_all(traces: Traces) -> Proof:
    f = traces.figures
    wanted = {str(fault) for fault in (*WEBHOOK, *SMTP, WebhookFault.GONE)}
    words = ", ".join(f"{fault} {count}" for fault, count in sorted(f["attempts"].items()))
    unmet = []
    if f["moved"]:
        unmet.append(f"a redirect was followed {f['moved']} times")
    if f["sent_to_gone"]:
        unmet.append(f"{f['gone']} had answered 410 and was tried {f['sent_to_gone']} times more")
    return Proof(wanted <= f["attempts"].keys(), f"attempts by answer: {words}", tuple(unmet))


LOCKED = {"intake": "intake_complaint", "sla_monitor": "deadline", "notifier": "notifier_delivery"}
LOCK_SECONDS = 12.0
"""Longer than a service waits for a lock, which is ten seconds."""


async def _locks(lab: Lab) -> Figures:
    """Tables that nobody can write for a while; then circles in which the service is the one that must give way."""
    async with AsyncExitStack() as held:
        for service, table in LOCKED.items():
            caught = await held.enter_async_context(trap(lab.stack, service, table))
            await caught.set()
        await asyncio.sleep(LOCK_SECONDS)
    circles = 0
    for service, table in (("sla_monitor", "casefile"), ("routing", "complaint"), ("sla_monitor", "deadline")):
        async with trap(lab.stack, service, "chassis_outbox") as caught:
            if await caught.catch("chassis_outbox") is not None:
                circles += await caught.close_circle(table)
        await asyncio.sleep(0.5)
    return {"circles": circles, "deadlocks": await _deadlocks(lab)}


async def _deadlocks(lab: Lab) -> int:
    db = await asyncpg.connect(lab.stack.admin_dsn())
    try:
        return int(await db.fetchval("select sum(deadlocks) from pg_stat_database"))
    finally:
        await db.close()


def _gave_way(traces: Traces) -> Proof:
    retries = {
        error: int(sum(counted(page, "amanah_batch_retries_total", error=error) for page in traces.found.logs.values()))
        for error in ("LockNotAvailableError", "DeadlockDetectedError")
    }
    words = (
        f"{len(LOCKED)} tables locked for {LOCK_SECONDS:.0f} s; {traces.figures['deadlocks']} deadlocks;"
        f" tried again: {', '.join(f'{error} {count}' for error, count in retries.items())}"
    )
    return Proof(all(retries.values()) and traces.figures["deadlocks"] > 0, words)


RUSH, RUSH_SECONDS, TICK = 20, 4.0, 0.1


AT_ONCE = 64
LARGEST_MB = 256


async def _narrow(lab: Lab) -> None:
    """So that two cores can bring it to its limit."""
    lab.told["intake"] = {"AMANAH_FILINGS_AT_ONCE": str(AT_ONCE)}


async def _rush(lab: Lab) -> Figures:
    """Twenty times the steady rate, whether or not anybody answers in time."""
    before, begun, start = lab.load.accepted, 0, time()
    for _ in range(int(RUSH_SECONDS / TICK)):
        lab.load.burst(int(RUSH * lab.load.rate * TICK))
        begun += int(RUSH * lab.load.rate * TICK)
        await asyncio.sleep(TICK)
    while lab.load.accepted - before < begun and time() < start + 60:
        await asyncio.sleep(0.1)
    processes = (psutil.Process(lab.stack.pid(service)) for service in lab.stack.options.services)
    return {
        "begun": begun,
        "accepted": lab.load.accepted - before,
        "seconds": round(time() - start, 1),
        "largest_mb": max(process.memory_info().rss for process in processes) // 2**20,
    }


def _rushed(traces: Traces) -> Proof:
    f = traces.figures
    later = int(counted(traces.page("intake"), "amanah_complaints_rejected_total", reason="too_busy"))
    words = (
        f"{f['begun']} more complaints offered within {RUSH_SECONDS:.0f} s, {later} times one was told to come later, all"
        f" taken after {f['seconds']} s; the largest service then had {f['largest_mb']} MB"
    )
    unmet = [
        *(["not all of them were taken within a minute"] if f["accepted"] < f["begun"] else []),
        *([f"a service took more than {LARGEST_MB} MB"] if f["largest_mb"] > LARGEST_MB else []),
    ]
    return Proof(later > 0, words, tuple(unmet))


CUTS, CUT_SECONDS = 2, 5.0


class Cut:
    """The wire of a run lives from before the services' start to the end of the fault."""

    def __init__(self) -> None:
        self.wires: dict[int, Remote] = {}

    async def prepare(self, lab: Lab) -> None:
        wire = self.wires[id(lab)] = await Remote.start(lab.stack.dsn("intake"))
        lab.closing.push_async_callback(wire.end)
        lab.told["intake"] = {"AMANAH_DATABASE": wire.through}

    async def strike(self, lab: Lab) -> Figures:
        """Answers of the database to intake are dropped; what it is told, it does."""
        wire = self.wires.pop(id(lab))
        spans = []
        for _ in range(CUTS):
            await asyncio.sleep(lab.chance.uniform(0.2, 1.0))
            lab.load.burst(15)
            await asyncio.sleep(lab.chance.uniform(0.02, 0.2))
            start = time()
            await wire.ask("cut")
            await asyncio.sleep(CUT_SECONDS)
            await wire.ask("mend")
            spans.append((start, time()))
        return {"spans": spans} | await wire.ask("count")


def _unheard(traces: Traces) -> Proof:
    """Filings that were kept during a cut and whose sender heard of it only after it, or never: how soon depends on the
    machine, for intake tries again at once when the wire is whole."""
    f, committed = traces.figures, traces.found.rows.committed_ms
    outcomes = [op for op in traces.history if op.f == "file" and op.type in ("ok", "info")]
    kept = {op.value["source_ref"]: committed.get(op.value["complaint_id"]) for op in outcomes if op.type == "ok"}
    late, never = set[str](), set[str]()
    for op in outcomes:
        ref = op.value["source_ref"]
        at = (kept.get(ref) or float("inf")) / 1000
        if any(start - 1 <= at <= end <= op.wall for start, end in f["spans"]):  # an answer takes no second
            (late if op.type == "ok" else never).add(ref)
    late -= never
    words = (
        f"the answers to {f['commits']} COMMITs dropped ({f['swallowed']} bytes); of filings that were kept meanwhile"
        f" {len(never)} got no answer, {len(late)} one after the wire was whole again"
    )
    return Proof(bool(f["swallowed"] and f["commits"] and (late or never)), words)


_CUT = Cut()
FAULTS = (
    Nemesis(
        id="F10",
        title="PostgreSQL's answers to intake are lost",
        does="A proxy between intake and PostgreSQL passes statements on and drops the answers to COMMITs, twice for 5 s.",
        proven_by="COMMITs that went through unanswered, and filings kept and not answered until the wire was whole",
        strike=_CUT.strike,
        proof=_unheard,
        prepare=_CUT.prepare,
    ),
    Nemesis(
        id="F16",
        title="receivers that misbehave",
        does="Webhooks get 500, 429 with Retry-After, a reset after the notice was taken, no answer, 301 and one 410; mails"
        " get 451 and a connection dropped after DATA.",
        proven_by="attempts that met each of these answers",
        strike=_bad_receivers,
        proof=_met_them_all,
    ),
    Nemesis(
        id="F17",
        title=f"a rush of {RUSH} times the load",
        does=f"For {RUSH_SECONDS:.0f} s {RUSH} times as many complaints are filed, of which intake takes {AT_ONCE} at once.",
        proven_by="filings that were told to come later (429); all must be taken in the end, by no more than 256 MB",
        prepare=_narrow,
        strike=_rush,
        proof=_rushed,
    ),
    Nemesis(
        id="F20",
        title="locks and deadlocks",
        does="Three tables cannot be written for 12 s; then services are drawn into deadlocks in which they are the victim.",
        proven_by="PostgreSQL's count of deadlocks, and the services' of what they tried again",
        strike=_locks,
        proof=_gave_way,
    ),
)
