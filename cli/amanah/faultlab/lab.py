"""One run: a stack of its own, load, the fault, its end, the rest that follows, the verdict."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic, time
from typing import Any

import asyncpg
import psycopg
from confluent_kafka import KafkaException

from amanah import project
from amanah.embedded.services import module
from amanah.embedded.stack import Options, Stack
from amanah.fault import Fault
from amanah.faultlab.checker import check
from amanah.faultlab.checker.rest import PATIENCE
from amanah.faultlab.gather import Found, gather
from amanah.faultlab.history import History
from amanah.faultlab.load import Load
from amanah.faultlab.model import Anomaly, Op, Record
from amanah.faultlab.office import Office
from amanah.faultlab.plan import AGENCIES, plan
from amanah.progress import Progress
from amanah.replay.pipeline import Pipeline
from amanah.replay.session import _groups

CALM_SECONDS = 5.0
"""Of load before the fault, and again after its end."""
INSIST_SECONDS = 60.0
"""How long citizens go on asking after the load's end."""
ENVIRONMENT = {
    "AMANAH_RETRY_SECONDS": "[0,1,1,2,2,4,4,4,8,8,8,8,8,8,8,8]",
    "AMANAH_SEND_TIMEOUT_SECONDS": "4",
    "AMANAH_LEASE_SECONDS": "10",
}
"""The published schedule of notices lasts for days and a lost notice's rest for a minute: here both are shorter."""

BROKEN = (Fault, OSError, TimeoutError, KafkaException, psycopg.Error, asyncpg.PostgresError, asyncpg.InterfaceError)
"""After these a run has come to nothing, and the next one is begun."""
THREADS = 16
"""For what waits in threads: Kafka's client, and the disks under the history and the receivers' ledgers."""
Figures = dict[str, Any]


@dataclass
class Lab:
    """What a fault may lay hands on."""

    stack: Stack
    chance: Random
    progress: Progress
    closing: AsyncExitStack
    """Takes what must be ended with the run."""
    earlier: list[Record] = field(default_factory=list)
    """What Kafka had before it lost all of it."""
    told: dict[str, dict[str, str]] = field(default_factory=dict)
    """Service to what it alone is told by its environment; to be filled before the services start."""
    history: History = field(init=False)
    load: Load = field(init=False)
    office: Office = field(init=False)


@dataclass(frozen=True)
class Proof:
    """Whether the fault bit, and by what trace one knows; `unmet`: what this fault demands besides, and was not so."""

    bit: bool
    words: str
    unmet: tuple[str, ...] = ()


@dataclass(frozen=True)
class Traces:
    """What a proof is drawn from."""

    figures: Figures
    """What the fault's own hand wrote down."""
    history: list[Op]
    found: Found

    def page(self, service: str) -> str:
        """A service's metrics at the end, of its last process."""
        return self.found.logs.get(f"metrics {service}", "")


async def _nothing(_: Lab) -> None:
    return


def _as_it_is(_: Path) -> Path:
    return project.pack("nyc311")


@contextmanager
def _as_they_are() -> Iterator[Mapping[str, Mapping[str, str]]]:
    yield {}


@asynccontextmanager
async def _the_stacks_own(_above: Path, _progress: Progress) -> AsyncIterator[str]:
    yield ""


@dataclass(frozen=True)
class Nemesis:
    """One fault. `strike` returns once it is over and all parts serve again."""

    id: str
    title: str
    does: str
    proven_by: str
    strike: Callable[[Lab], Awaitable[Figures]]
    proof: Callable[[Traces], Proof]
    prepare: Callable[[Lab], Awaitable[None]] = _nothing
    """Before the services start."""
    pack: Callable[[Path], Path] = _as_it_is
    """The pack of the run, made in a folder of its own where the fault needs another than nyc311."""
    kafka: Callable[[Path, Progress], AbstractAsyncContextManager[str]] = _the_stacks_own
    """Brokers to use in place of the stack's one, while the run lasts: their bootstrap servers."""
    servers: Callable[[], AbstractContextManager[Mapping[str, Mapping[str, str]]]] = _as_they_are
    """What `postgres` and `kafka` are told by their environment while the run lasts."""


@dataclass
class Run:
    """The verdict on one run."""

    fault: str
    seed: int
    bit: bool
    proof: str
    unmet: tuple[str, ...]
    anomalies: list[Anomaly] = field(default_factory=list)
    complaints: int = 0
    """Distinct complaints with a 201."""
    orders: int = 0
    """Orders that the broker acknowledged."""
    repeated: int = 0
    """Further 201s under a key that had one."""
    unknown: int = 0
    """Attempts without an answer that says."""
    breaches: int = 0
    notices: int = 0
    drained: float | None = None
    seconds: float = 0.0
    figures: Figures = field(default_factory=dict)
    kept: str = ""
    """Where the data of a run that was not clean lies."""

    @property
    def acked(self) -> int:
        return self.complaints + self.orders

    @property
    def passed(self) -> bool:
        return self.bit and not self.anomalies and not self.unmet

    @property
    def verdict(self) -> str:
        if self.passed:
            return "passed"
        return "failed" if self.anomalies or self.unmet else "not run"


async def run(nemesis: Nemesis, seed: int, rate: float, progress: Progress, keep: Path | None = None) -> Run:
    """One run of one fault. Its data is deleted if it was clean, else kept and named in the verdict."""
    above = keep or Path(tempfile.mkdtemp(prefix=f"amanah-fault-{nemesis.id}-"))
    above.mkdir(parents=True, exist_ok=True)
    above.chmod(0o711)  # under root, PostgreSQL's own user must get through
    try:
        verdict = await _run(nemesis, seed, rate, progress, above)
    except BROKEN as broken:
        words = f"the run came to no verdict: {type(broken).__name__}: {broken}"
        verdict = Run(nemesis.id, seed, False, "", (words,))
    if verdict.passed and keep is None:
        shutil.rmtree(above, ignore_errors=True)
    else:
        verdict.kept = str(above)
    return verdict


async def _run(nemesis: Nemesis, seed: int, rate: float, progress: Progress, above: Path) -> Run:
    began = monotonic()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    told: dict[str, dict[str, str]] = {}

    def command(service: str) -> list[str]:
        own = {"AMANAH_TRACES_FILE": str(above / "stack" / f"traces-{service}.jsonl")} | told.get(service, {})
        return ["/usr/bin/env", *(f"{name}={value}" for name, value in own.items()), *module(service)]

    async with AsyncExitStack() as inside:
        kafka = await inside.enter_async_context(nemesis.kafka(above, progress))
        servers = inside.enter_context(nemesis.servers())
        options = Options(start_services=False, environment=ENVIRONMENT, command=command, kafka=kafka, servers=servers)
        stack = await inside.enter_async_context(Stack(above / "stack", nemesis.pack(above), options, progress))
        chance = Random(f"{nemesis.id}/{seed}/fault")  # noqa: S311 - to be repeated
        lab = Lab(stack, chance, progress, inside, told=told)
        await nemesis.prepare(lab)
        await stack.start_services()
        async with History(above / "history.jsonl") as history, Office(stack.kafka, AGENCIES, history) as office:
            load = Load(plan(nemesis.id, seed, rate), rate, stack.url("intake"), stack.token(), office, history)
            lab.history, lab.office, lab.load = history, office, load
            figures = await _struck(nemesis, lab)
            await _drain(lab)
            progress.step("Gathering the evidence")
            found = await asyncio.to_thread(gather, stack, lab.earlier)
            progress.step("Judging it")
            anomalies = check(history.ops, found.kafka, found.rows, found.notices, found.logs)
            proof = nemesis.proof(Traces(figures, history.ops, found))
            drained = next((op.value["seconds"] for op in history.ops if op.f == "drain" and op.type == "ok"), None)
            said = {record.id for record in found.kafka if record.type == "deadline.breached.v1"}
            return Run(
                nemesis.id, seed, proof.bit, proof.words, proof.unmet, anomalies,
                load.accepted, office.carried, load.answered - load.accepted, load.unknown,
                len(said), len({notice.id for notice in found.notices}), drained, round(monotonic() - began, 1), figures,
            )  # fmt: skip


async def _struck(nemesis: Nemesis, lab: Lab) -> Figures:
    """The load, and in the midst of it the fault."""
    filing = asyncio.create_task(lab.load.run())
    try:
        lab.progress.step(f"{nemesis.id}: load before the fault")
        await asyncio.sleep(CALM_SECONDS)
        lab.progress.step(f"{nemesis.id}: {nemesis.title}")
        lab.history.note("nemesis", "nemesis", {"what": "start"})
        try:
            figures = await nemesis.strike(lab)
        finally:
            lab.history.note("nemesis", "nemesis", {"what": "heal"})
        lab.progress.step(f"{nemesis.id}: load after its end")
        await asyncio.sleep(CALM_SECONDS)
    finally:
        lab.load.stop()
        await filing
    figures["unfinished"] = await lab.load.rest(INSIST_SECONDS)
    return figures


async def _drain(lab: Lab) -> None:
    """Waits for the last deadline and then, for a minute at most, until everything is at rest; writes down how long."""
    lab.progress.step("Waiting until everything is at rest")
    await asyncio.sleep(max(lab.load.last_due_ms / 1000 - time(), 0) + 1.5)
    since = monotonic()
    dsns = {name: lab.stack.dsn(name) for name in lab.stack.options.services}
    try:
        async with asyncio.timeout(PATIENCE):
            async with Pipeline.open(dsns, lab.stack.kafka, _groups(list(AGENCIES))) as pipeline:
                await pipeline.drain()
                await pipeline.delivered()
                await pipeline.drain()
    except (TimeoutError, Fault) as stuck:
        lab.history.note("lab", "drain", {"seconds": monotonic() - since, "left": str(stuck)}, "fail")
    else:
        lab.history.note("lab", "drain", {"seconds": round(monotonic() - since, 2)}, "ok")
