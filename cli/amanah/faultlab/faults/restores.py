"""What was lost and is brought back by an operator's command: all that Kafka had, the last seconds of a database."""

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import asyncpg

from amanah.embedded import topics
from amanah.embedded.kafka import Kafka
from amanah.embedded.stack import Stack
from amanah.fault import Fault
from amanah.faultlab.gather import counted, dump
from amanah.faultlab.hands import held_down, until
from amanah.faultlab.lab import Figures, Lab, Nemesis, Proof, Traces
from amanah.faultlab.model import Record

RESTORED = ("routing", "sla_monitor", "casework")
"""Of these one is restored: what they keep follows from what they read. What intake keeps nobody else has."""
ONCE = {
    ("amanah.assignments", "complaint.routed.v1"),
    ("amanah.deadlines", "deadline.started.v1"),
    ("amanah.deadlines", "deadline.met.v1"),
}
LOST_SECONDS = 6.0
"""Between the backup and the loss."""
AGAIN_SECONDS = 30.0
"""For what the service says again while it reads again."""
DARK_SECONDS = 3.0
"""From the loss until somebody comes: citizens file on, and what they say waits in the outbox."""
COMMAND_SECONDS = 120.0


async def _kafka_emptied(lab: Lab) -> Figures:
    """Kafka dies under load. What it had is read once more, by nobody but the lab, for the checker; then its disk is empty.
    After that the steps of an operator: services down, a new Kafka, topics, `amanah topics rebuild`, services up."""
    stack = lab.stack
    await lab.office.leave()
    async with AsyncExitStack() as without_services:
        async with held_down(stack, "kafka"):
            await asyncio.sleep(DARK_SECONDS)
            await without_services.enter_async_context(held_down(stack, *stack.options.services))
        lab.earlier = await asyncio.to_thread(dump, stack.kafka)
        cluster = _cluster(stack)
        async with held_down(stack, "kafka"):
            await _dead(stack, "kafka")
            await _format(stack)
        await stack.create_topics(topics.of(stack.pack))
        lab.progress.step("F7b: amanah topics rebuild")
        code, rebuilt = await command(stack, "topics", "rebuild")
    given = await lab.office.begin_anew()
    return {
        "records_before": len(lab.earlier),
        "another_cluster": _cluster(stack) != cluster,
        "rebuilt": rebuilt,
        "as_kept": code == 0,
        "given_again": given,
    }


async def _dead(stack: Stack, part: str) -> None:
    async def dead() -> bool:
        return not stack._parts[part].alive

    await until(dead, f"the end of {part}")


async def _format(stack: Stack) -> None:
    """An empty disk, and storage as a first start makes it."""
    directory = stack.data / "kafka"
    await asyncio.to_thread(shutil.rmtree, directory / "logs")
    ports = stack.ports["kafka"], stack.ports["controller"]
    await Kafka(directory, stack.log("kafka"), *ports, await stack._jars()).prepare()


def _cluster(stack: Stack) -> str:
    """By what Kafka knows itself again."""
    lines = (stack.data / "kafka" / "logs" / "meta.properties").read_text().splitlines()
    return next(line for line in lines if line.startswith("cluster.id="))


async def command(stack: Stack, *words: str) -> tuple[int, Any]:
    """One of ours, as an operator gives it: exit code and what it said with --json. Raises Fault with its words when it
    could not do it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AMANAH_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "amanah.main", *words, "--data", str(stack.data), "--json",
        stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=environment, cwd=Path(__file__).parent,
    )  # fmt: skip
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        return process.returncode or 0, json.loads(out)
    except ValueError:
        raise Fault(f"amanah {' '.join(words)}: {err.decode(errors='replace').strip()[-500:]}") from None


def _rebuilt(traces: Traces) -> Proof:
    f = traces.figures
    services = ("intake", "routing", "casework", "sla_monitor", "notifier")
    again = {s: int(counted(traces.page(s), "amanah_records_total", outcome="duplicate")) for s in services}
    sent, lie = sum(f["rebuilt"]["sent"].values()), sum(f["rebuilt"]["records"].values())
    words = (
        f"{f['records_before']} records wiped; {sent} events of {len(f['rebuilt']['sent'])} outboxes sent again, {lie} on"
        f" {len(f['rebuilt']['records'])} topics, all as kept: {'yes' if f['as_kept'] else 'NO'}; {f['given_again']} orders"
        f" given again; duplicates met: {', '.join(f'{service} {count}' for service, count in again.items())}"
    )
    bit = f["records_before"] > 0 and f["another_cluster"] and sent > 0 and all(again.values())
    return Proof(bit, words, () if f["as_kept"] else (f"topics differ from the outboxes: {f['rebuilt']['differing']}",))


async def _database_restored(lab: Lab) -> Figures:
    """A service's database is what it was some seconds ago, and Kafka is not. Then the steps of an operator: list, mend, and
    only then start the service."""
    stack, service = lab.stack, lab.chance.choice(RESTORED)
    async with held_down(stack, service):
        await _back_up(stack, f"amanah_{service}")
    await asyncio.sleep(LOST_SECONDS)
    async with held_down(stack, service):
        await _restore(stack, f"amanah_{service}")
        lab.progress.step(f"F19: amanah reconcile {service}")
        _, found = await command(stack, "reconcile", service)
        _, mended = await command(stack, "reconcile", service, "--apply")
        _, left = await command(stack, "reconcile", service)
    return {
        "service": service,
        "found": found,
        "mended": mended,
        "left": left,
        "not_said_again": await _not_said_again(stack, service),
    }


async def _back_up(stack: Stack, database: str) -> None:
    db = await asyncpg.connect(stack.admin_dsn())

    async def copied() -> bool:
        await db.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", database)
        try:
            await db.execute(f"create database {database}_backup owner {database} template {database}")
        except asyncpg.ObjectInUseError:  # a session of the killed service that has not ended yet
            return False
        return True

    try:
        await until(copied, f"a copy of {database}")
    finally:
        await db.close()


async def _restore(stack: Stack, database: str) -> None:
    db = await asyncpg.connect(stack.admin_dsn())
    try:
        await db.execute(f"drop database {database} with (force)")
        await db.execute(f"alter database {database}_backup rename to {database}")
        await db.execute(f"revoke connect, temporary on database {database} from public")
    finally:
        await db.close()


async def _not_said_again(stack: Stack, service: str) -> dict[str, int]:
    """Types of what was put back and the service has not said again, once it says nothing more or the time is over."""
    db = await asyncpg.connect(stack.admin_dsn(f"amanah_{service}"))

    async def explained() -> bool:
        return not await db.fetchval("select exists (select from chassis_restored)")

    try:
        with suppress(Fault):
            await until(explained, "the last of it", AGAIN_SECONDS)
        rows = await db.fetch(
            "select type, count(*) from chassis_restored r join chassis_outbox o on o.id = r.outbox_id group by 1 order by 1"
        )
    finally:
        await db.close()
    return {row[0]: row[1] for row in rows}


def _reconciled(traces: Traces) -> Proof:
    f = traces.figures
    found, mended, left = f["found"], f["mended"], f["left"]
    lacked, left_over = sum(found["lacking"].values()), sum(f["not_said_again"].values())
    words = (
        f"{f['service']} restored: Kafka had {lacked} events that it lacked, {found['streams_behind']} streams stood behind,"
        f" {found['unread']['events']} inputs would never have been read; put back {mended['put_back']}, of which it said"
        f" {mended['put_back'] - left_over} again without a second event"
    )
    words += "".join(f"; not said again: {kind} {count}" for kind, count in f["not_said_again"].items())
    open_ = {
        "events lacking": left["lacking"],
        "streams behind": left["streams_behind"],
        "numbers reused": left["numbers_reused"],
        "inputs behind its readers": left["unread"]["events"],
        "things said twice": said_twice(traces.found.kafka),
    }
    return Proof(
        lacked > 0 and found["streams_behind"] > 0 and found["unread"]["events"] > 0,
        words,
        tuple(f"after it was mended: {what} {count}" for what, count in open_.items() if count),
    )


def said_twice(records: Sequence[Record]) -> int:
    """Of what a service says once and for all, how much it has said as two events. In this load nobody transfers, and no law
    changes."""
    ids: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for record in records:
        if (record.topic, record.type) in ONCE:
            body = record.body
            thing = (body.get("stage"), body.get("holder"), body.get("deadline_version"), body.get("assignment"))
            ids[record.type, record.subject, thing].add(record.id)
    return sum(len(found) > 1 for found in ids.values())


FAULTS = (
    Nemesis(
        id="F7b",
        title="all that Kafka had is gone",
        does="Kafka is killed and its disk emptied; `amanah topics rebuild` makes the topics anew from the outboxes.",
        proven_by="another cluster, events that are sent again, and duplicates that each service counts",
        strike=_kafka_emptied,
        proof=_rebuilt,
    ),
    Nemesis(
        id="F19",
        title="a database as it was some seconds ago",
        does="A database of routing, monitor or desk becomes a copy of 6 s ago and more; `amanah reconcile` mends it.",
        proven_by="events, numbers and inputs that the database had lost, by the command's list",
        strike=_database_restored,
        proof=_reconciled,
    ),
)
