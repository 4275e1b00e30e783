"""Processes killed with SIGKILL, each between two steps of which only one had happened."""

import asyncio
import os
import signal
from time import time

from amanah.faultlab import hands
from amanah.faultlab.gather import counted
from amanah.faultlab.hands import frozen, until
from amanah.faultlab.lab import Figures, Lab, Nemesis, Proof, Traces
from amanah.faultlab.locks import commit_trap, trap
from amanah.faultlab.model import Record

ROUNDS = 6


async def _kill_intake(lab: Lab) -> Figures:
    """Frozen for a moment first: what was sent to the database is done there, and no answer leaves."""
    kills: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        lab.load.burst(40)
        await asyncio.sleep(lab.chance.uniform(0.01, 0.15))
        pid, at = lab.stack.pid("intake"), time() * 1000
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(0.1)
        await hands.kill(lab.stack, "intake")
        kills.append({"pid": pid, "at_ms": at})
        await asyncio.sleep(lab.chance.uniform(0.5, 1.5))
    return {"kills": kills}


def _intake_killed(traces: Traces) -> Proof:
    """Of each attempt without an answer the database knows whether it had been committed before the kill."""
    answered = {op.value["source_ref"]: op.value["complaint_id"] for op in traces.history if _is(op, "file", "ok")}
    begun = {op.op_id: op for op in traces.history if op.f == "file" and op.type == "invoke"}
    before = after = replied = 0
    for kill in traces.figures["kills"]:
        for op in traces.history:
            if _is(op, "file", "info") and begun[op.op_id].wall * 1000 < kill["at_ms"] < op.wall * 1000:
                committed = traces.found.rows.committed_ms.get(answered.get(op.value["source_ref"], ""), float("inf"))
                after += committed <= kill["at_ms"]
                before += committed > kill["at_ms"]
            replied += _is(op, "file", "ok") and 0 <= kill["at_ms"] - op.wall * 1000 < 200
    words = (
        f"killed {len(traces.figures['kills'])} times: {before} filings before COMMIT, {after} after COMMIT and before"
        f" the reply, {replied} up to 200 ms after it"
    )
    return Proof(bool(before and after), words)


def _is(op: object, f: str, kind: str) -> bool:
    return getattr(op, "f", "") == f and getattr(op, "type", "") == kind


async def _kill_relays(lab: Lab) -> Figures:
    """The relay marks as sent what Kafka has acknowledged: caught in that statement, its process is killed."""
    killed: list[str] = []
    for service in lab.chance.sample(["intake", "routing", "casework", "sla_monitor"], 2):
        async with trap(lab.stack, service, "chassis_outbox") as caught:
            backend = await caught.catch("update chassis_outbox set sent_at")
            if backend is None:
                continue
            os.kill(lab.stack.pid(service), signal.SIGKILL)
            await caught.abort(backend)
            killed.append(service)
        await asyncio.sleep(0.2)
        await hands.serving(lab.stack, service)
        await asyncio.sleep(lab.chance.uniform(0.2, 1.0))
    return {"killed": killed}


def _doubled_in_kafka(traces: Traces) -> Proof:
    doubles = redelivered(traces.found.kafka)
    killed = traces.figures["killed"]
    return Proof(
        doubles > 0, f"killed between ack and mark: {', '.join(killed) or 'none'}; {doubles} records doubled in Kafka"
    )


def redelivered(records: list[Record]) -> int:
    """Events that lie on a topic a second time under the same id."""
    events = [(record.topic, record.id) for record in records if record.sequence]
    return len(events) - len(set(events))


async def _kill_consumers(lab: Lab) -> Figures:
    """A COMMIT is held up in the database until its client is frozen: then it is done, its client never hears of it, so no
    offset is committed, and the client is killed."""
    killed: list[str] = []
    for service in lab.chance.sample(["routing", "sla_monitor", "notifier"], 2):
        async with commit_trap(lab.stack, service, "chassis_position") as caught:
            backend = await caught.catch("COMMIT")
            if backend is None:
                continue
            async with frozen(lab.stack.pid(service)):
                await caught.release()

                async def committed(backend: int = backend) -> bool:
                    return await caught.state(backend) in ("idle", None)

                await until(committed, f"{service} to commit", 10)
                os.kill(lab.stack.pid(service), signal.SIGKILL)
                killed.append(service)
        await asyncio.sleep(0.2)
        await hands.serving(lab.stack, service)
        await asyncio.sleep(lab.chance.uniform(0.2, 1.0))
    return {"killed": killed}


def _delivered_again(traces: Traces) -> Proof:
    killed = traces.figures["killed"]
    again = {s: int(counted(traces.page(s), "amanah_records_total", outcome="duplicate")) for s in killed}
    words = ", ".join(f"{service} met {count} records again" for service, count in again.items())
    return Proof(bool(again) and all(again.values()), f"killed between COMMIT and offsets: {words or 'none'}")


FAULTS = (
    Nemesis(
        id="F1",
        title="kill -9 intake while complaints are being filed",
        does="Intake is frozen and killed in the midst of forty filings at once, six times over.",
        proven_by="filings without an answer, of which some had been committed and some had not",
        strike=_kill_intake,
        proof=_intake_killed,
    ),
    Nemesis(
        id="F2",
        title="kill -9 a relay after Kafka's ack and before its mark",
        does="Two relays are caught by a lock in the statement that marks what was sent, and killed there.",
        proven_by="events that lie in Kafka twice under one id",
        strike=_kill_relays,
        proof=_doubled_in_kafka,
    ),
    Nemesis(
        id="F3",
        title="kill -9 a consumer after its COMMIT and before its offsets",
        does="Two of routing, monitor and notifier are caught in a COMMIT, frozen, and killed once PostgreSQL has done it.",
        proven_by="records that the next process counts as duplicates",
        strike=_kill_consumers,
        proof=_delivered_again,
    ),
)
