"""What was lost and is brought back by an operator's command: all that Kafka had."""

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from amanah.embedded import topics
from amanah.embedded.kafka import Kafka
from amanah.embedded.stack import Stack
from amanah.fault import Fault
from amanah.faultlab.gather import counted, dump
from amanah.faultlab.hands import held_down, until
from amanah.faultlab.lab import Figures, Lab, Nemesis, Proof, Traces

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


FAULTS = (
    Nemesis(
        id="F7b",
        title="all that Kafka had is gone",
        does="Kafka is killed and its disk emptied; `amanah topics rebuild` makes the topics anew from the outboxes.",
        proven_by="another cluster, events that are sent again, and duplicates that each service counts",
        strike=_kafka_emptied,
        proof=_rebuilt,
    ),
)
