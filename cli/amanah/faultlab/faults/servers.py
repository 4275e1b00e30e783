"""Kafka and PostgreSQL away or crashed."""

import asyncio
import signal
from time import monotonic, time

from amanah.faultlab import hands
from amanah.faultlab.hands import held_down
from amanah.faultlab.lab import Figures, Lab, Nemesis, Proof, Traces

OUTAGE_SECONDS = 20.0
AVAILABLE = 0.999


async def _no_broker(lab: Lab) -> Figures:
    """The only broker is dead for a while; citizens go on filing."""
    start = time()
    async with held_down(lab.stack, "kafka"):
        refused = 0
        until = monotonic() + OUTAGE_SECONDS
        while monotonic() < until:
            refused += not await _connects(lab.stack.kafka)
            await asyncio.sleep(0.5)
        end = time()
        unsent = await _unsent(lab)
    return {"start": start, "end": end, "refused": refused, "unsent": unsent}


async def _connects(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True


async def _unsent(lab: Lab) -> int:
    import asyncpg

    db = await asyncpg.connect(lab.stack.admin_dsn("amanah_intake"))
    try:
        return int(await db.fetchval("select count(*) from chassis_outbox where sent_at is null"))
    finally:
        await db.close()


def _filed_on(traces: Traces) -> Proof:
    f = traces.figures
    within = [op for op in traces.history if op.f == "file" and f["start"] < op.wall < f["end"] and op.type != "invoke"]
    taken = sum(op.type == "ok" for op in within)
    words = (
        f"no broker for {OUTAGE_SECONDS:.0f} s ({f['refused']} connections refused); {taken} of {len(within)} attempts got"
        f" 201; {f['unsent']} events waited in intake's outbox"
    )
    short = taken < AVAILABLE * len(within)
    return Proof(f["refused"] > 0 and f["unsent"] > 0, words, ("fewer than 99.9 % were taken",) if short else ())


async def _crash_postgres(lab: Lab) -> Figures:
    """`immediate`: every backend ends where it is, nothing is written any more."""
    times = []
    for _ in range(2):
        lab.load.burst(20)
        await asyncio.sleep(lab.chance.uniform(0.02, 0.2))
        began = monotonic()
        await hands.kill(lab.stack, "postgres", signal.SIGQUIT)
        for service in lab.stack.options.services:
            await hands.serving(lab.stack, service)
        times.append(round(monotonic() - began, 1))
        await asyncio.sleep(lab.chance.uniform(1, 3))
    return {"recovered_seconds": times}


def _recovered(traces: Traces) -> Proof:
    recoveries = traces.found.logs.get("postgres.log", "").count("automatic recovery in progress")
    took = ", ".join(map(str, traces.figures["recovered_seconds"]))
    return Proof(
        recoveries >= 2, f"{recoveries} crash recoveries in PostgreSQL's log; all services ready after {took} s"
    )


FAULTS = (
    Nemesis(
        id="F7",
        title="no broker at all",
        does=f"Kafka is killed and kept from starting for {OUTAGE_SECONDS:.0f} s.",
        proven_by="refused connections, and events that wait in the outbox; 99.9 % of filings must get their 201 meanwhile",
        strike=_no_broker,
        proof=_filed_on,
    ),
    Nemesis(
        id="F11",
        title="PostgreSQL stopped at once and started again",
        does="The server of all databases gets an immediate stop under a burst of filings, twice.",
        proven_by="crash recoveries in PostgreSQL's own log",
        strike=_crash_postgres,
        proof=_recovered,
    ),
)
