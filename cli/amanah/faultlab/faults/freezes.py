"""Processes that stand still where they are and then go on as if nothing had happened."""

import asyncio
from typing import Any

import asyncpg
from confluent_kafka import ConsumerGroupState

from amanah.embedded.topics import admin
from amanah.faultlab.hands import SECOND, frozen, second, until
from amanah.faultlab.lab import Figures, Lab, Nemesis, Proof, Traces
from amanah.faultlab.locks import Trap, trap

SESSION_SECONDS = 10.0
"""After so long without a heartbeat Kafka gives a consumer's partitions to another."""
BROKER_SECONDS = 15.0
SETTLING_SECONDS = 5.0
OPEN = "idle in transaction"
CLAIM = "with due as materialized"
"""How the ticker's statement begins: of a longer one PostgreSQL shows the first thousand letters."""
TRIES = 6
FIRST = ""
"""The name of the connections of a process that is not the second: none."""


async def _in_transaction(caught: Trap, statement: str, name: str, pid: int, stop: Any) -> bool:
    """Freezes a process, whose connections have this name, while a statement of its own is under way; calls `stop` in that
    time. False when it never came by, or went on all the same."""
    backend = await caught.catch(statement, of=name)
    if backend is None:
        return False
    async with frozen(pid):
        await caught.release()
        await asyncio.sleep(0.6)  # the statement ends, and the transaction stands open
        if await caught.state(backend) != OPEN:
            return False
        await stop()
    return True


async def _zombie(lab: Lab) -> Figures:
    """The first of two consumers is frozen inside a transaction until its partitions belong to the second."""
    service = lab.chance.choice(["routing", "casework"])
    figures: Figures = {"service": service, "moved": []}

    async def stop() -> None:
        await asyncio.sleep(SESSION_SECONDS + 4)
        figures["moved"] = await asyncio.to_thread(_owners, lab.stack.kafka, f"amanah.{service}")

    async def shared() -> bool:
        return len(await asyncio.to_thread(_owners, lab.stack.kafka, f"amanah.{service}")) == 2

    async with second(lab.stack, service), trap(lab.stack, service, "chassis_position") as caught:
        await until(shared, f"two of {service} to share the work")  # frozen before, it would only be waited for
        for _ in range(TRIES):
            if await _in_transaction(caught, "into chassis_position", FIRST, lab.stack.pid(service), stop):
                break
        await asyncio.sleep(2)
    return figures


def _owners(kafka: str, group: str) -> list[str]:
    """Which members have partitions now, by their static names."""
    client = admin(kafka)  # kept until the answer is there: with it ends what it was asked
    described = client.describe_consumer_groups([group], request_timeout=10)[group].result()
    if described.state not in (ConsumerGroupState.STABLE, ConsumerGroupState.COMPLETING_REBALANCING):
        return []
    return sorted(str(m.group_instance_id) for m in described.members if m.assignment.topic_partitions)


def _was_replaced(traces: Traces) -> Proof:
    service, owners = traces.figures["service"], traces.figures["moved"]
    refused = traces.found.logs.get(f"{service}.log", "").count("offsets not committed")
    to = ", ".join(owners) or "nobody"
    words = f"{service} frozen in a transaction; its partitions went to {to}; {refused} stale commits refused"
    return Proof(owners == [f"amanah.{service}.1"], words)


async def _two_tickers(lab: Lab) -> Figures:
    """One of two monitors is frozen between its claim and its COMMIT; the other goes on."""
    figures: Figures = {"claimed": 0, "fired_meanwhile": 0, "caught": False}
    db = await asyncpg.connect(lab.stack.admin_dsn("amanah_sla_monitor"))

    async def stop() -> None:
        due = "select complaint_id from deadline where next_fire_at <= clock_timestamp() - interval '400 milliseconds'"
        all_due, free = await db.fetch(due), await db.fetch(f"{due} for update skip locked")
        figures["claimed"] = len(all_due) - len(free)
        if not figures["claimed"]:
            return
        before = await db.fetchval("select count(*) from fired")
        # By then Kafka has given away what the frozen one should read; until it is read, the other may have to be silent.
        await asyncio.sleep(SESSION_SECONDS + 3)
        figures["fired_meanwhile"] = await db.fetchval("select count(*) from fired") - before
        figures["caught"] = True

    try:
        async with second(lab.stack, "sla_monitor") as other, trap(lab.stack, "sla_monitor", "fired") as caught:
            pair = lab.chance.sample([(FIRST, lab.stack.pid("sla_monitor")), (SECOND, other.pid)], 2)
            for name, pid in pair * (TRIES // 2):
                bit = await _in_transaction(caught, CLAIM, name, pid, stop)
                if bit and figures["claimed"] and figures["fired_meanwhile"]:
                    break
                await asyncio.sleep(SETTLING_SECONDS)  # one that has just been frozen has to catch up, and is silent
            await asyncio.sleep(1)
    finally:
        await db.close()
    return figures


def _ticked_on(traces: Traces) -> Proof:
    claimed, fired = traces.figures["claimed"], traces.figures["fired_meanwhile"]
    words = f"one frozen with {claimed} deadlines claimed and not committed; the other said {fired} breaches meanwhile"
    return Proof(claimed > 0 and fired > 0, words)


async def _hung_broker(lab: Lab) -> Figures:
    """Connections stay open, nobody answers."""
    async with frozen(lab.stack.pid("kafka")):
        await asyncio.sleep(BROKER_SECONDS)
    return {"seconds": BROKER_SECONDS}


def _relay_began_anew(traces: Traces) -> Proof:
    anew = {
        name: text.count("relay starts anew") for name, text in traces.found.logs.items() if "relay starts anew" in text
    }
    words = ", ".join(f"{name.removesuffix('.log')} {count}" for name, count in sorted(anew.items()))
    return Proof(
        bool(anew), f"broker frozen for {BROKER_SECONDS:.0f} s; relays that gave up and began anew: {words or 'none'}"
    )


FAULTS = (
    Nemesis(
        id="F4",
        title="a consumer frozen past its session, then alive again",
        does="Routing or casework, of which a second process runs, is frozen inside a transaction for 14 s.",
        proven_by="Kafka names the second process as owner of all partitions while the first is frozen",
        strike=_zombie,
        proof=_was_replaced,
    ),
    Nemesis(
        id="F5",
        title="two monitors at once, one frozen in mid-claim",
        does="A second monitor is started; one of the two is frozen for 13 s with claimed deadlines in an open transaction.",
        proven_by="deadlines that are locked by the frozen one, and breaches that the other says meanwhile",
        strike=_two_tickers,
        proof=_ticked_on,
    ),
    Nemesis(
        id="F8",
        title="the broker frozen",
        does=f"Kafka stands still for {BROKER_SECONDS:.0f} s with all its connections open.",
        proven_by="relays that ran into their timeout and began anew with another producer",
        strike=_hung_broker,
        proof=_relay_began_anew,
    ),
)
