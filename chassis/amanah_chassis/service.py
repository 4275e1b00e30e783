"""A service as a table of what it consumes and produces, and the process that runs it.

`python -m amanah_<name>` runs it; `python -m amanah_<name> migrate` brings its database up to date and ends.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Generic, TypeVar

import asyncpg
import uvicorn
import uvloop

from amanah_chassis import broker as brokers
from amanah_chassis import dead_letter, garbage, health, logs, metrics, outbox, parked, retention, telemetry
from amanah_chassis.batch import Handler
from amanah_chassis.chassis import Chassis
from amanah_chassis.consumer import Consumer
from amanah_chassis.database import connection, migrate
from amanah_chassis.errors import TRANSIENT, Misconfigured
from amanah_chassis.reading import Reading
from amanah_chassis.retention import Rule
from amanah_chassis.settings import ChassisSettings
from amanah_contracts.envelope import Command, Event, Message, Registry

STALLED_SECONDS = 5.0
STALLED_LOOKS = 20
"""A second apart: longer than a broker is missed for before others lead in its place."""
C = TypeVar("C")
log = logs.logger(__name__)


@dataclass(frozen=True)
class Service(Generic[C]):
    """One service. `consumes` and `orders` name the handler of each message, `produces` what it may emit."""

    name: str
    package: str
    settings: type[ChassisSettings]
    make_context: Callable[[Chassis], Awaitable[C]]
    consumes: Mapping[type[Event], Handler]
    produces: frozenset[type[Event]]
    registry: Registry
    """Every message that may be met; one it does not hold is dead-lettered as of unknown type."""
    orders: Mapping[type[Command], Handler] = field(default_factory=dict)
    orders_pattern: str | None = None
    """Regular expression of the topics where outsiders write their orders."""
    http: Callable[[C, Chassis], Any] | None = None
    background: Sequence[Callable[[C, Chassis], Coroutine[Any, Any, None]]] = ()
    """Work that never ends, such as a ticker. When one fails, the process ends and its supervisor starts it anew."""
    forgets: Callable[[Any], Sequence[Rule]] = lambda _: ()
    """By the settings: which of its own tables' rows may go, and when. The chassis's own tables need no mention."""

    def topics(self) -> list[str]:
        """The owners' topics it reads."""
        return sorted({event.topic for event in self.consumes})

    def handlers(self) -> dict[type[Message], Handler]:
        return dict((*self.consumes.items(), *self.orders.items()))


def main(service: Service[Any]) -> None:
    """The process. Exit 0 after SIGTERM or SIGINT, 2 when misconfigured (one line says how), 1 when a part failed."""
    try:
        settings = service.settings.load()
        logs.configure(service.name, settings.log_level)
        applied = asyncio.run(migrate(settings.database, ("amanah_chassis", service.package)))
        if sys.argv[1:] == ["migrate"]:
            print(f"{service.name}: {len(applied)} migrations applied")  # noqa: T201 - the command's answer
            return
        telemetry.configure(service.name, settings.traces_file)
        uvloop.run(run(service, settings))
        telemetry.flush()
    except Misconfigured as wrong:
        print(f"amanah {service.name}: {wrong}", file=sys.stderr)  # noqa: T201 - read by a person
        sys.exit(2)
    except (OSError, asyncpg.PostgresError) as away:
        log.error("stopped", extra={"why": type(away).__name__}, exc_info=away)
        sys.exit(1)


async def run(service: Service[Any], settings: ChassisSettings) -> None:
    """Runs until SIGTERM or SIGINT, or until a part fails, which is raised."""
    stop = asyncio.get_running_loop().create_future()
    _stop_on_signals(stop)
    async with Chassis.open(settings, service.name) as chassis:
        context = await service.make_context(chassis)
        consumer = Consumer(chassis, context, service.registry, service.handlers())
        broker = brokers.make_broker(settings.kafka)
        chassis.readings += _subscribe(service, settings, consumer, broker, stop)
        server = _http_server(service, context, chassis, broker)
        garbage.tune()
        tasks = [
            asyncio.create_task(chassis.relay.run(), name="relay"),
            asyncio.create_task(_housekeeping(chassis, consumer), name="housekeeping"),
            asyncio.create_task(_watch_reading(chassis, broker), name="reading"),
            asyncio.create_task(retention.run(chassis, _rules(service, settings)), name="retention"),
            asyncio.create_task(server.serve(), name="http"),
            asyncio.create_task(_start_broker(broker), name="broker"),
            *(asyncio.create_task(work(context, chassis), name=work.__name__) for work in service.background),
        ]
        try:
            await _first_failure(stop, tasks)
        finally:
            await _wind_down(broker, server, tasks)


def _stop_on_signals(stop: "asyncio.Future[None]") -> None:
    def end() -> None:
        if not stop.done():
            stop.set_result(None)

    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, end)


def _subscribe(
    service: Service[Any],
    settings: ChassisSettings,
    consumer: Consumer,
    broker: Any,
    stop: "asyncio.Future[None]",
) -> list[Reading]:
    def crash(error: BaseException) -> None:
        if not stop.done():
            stop.set_exception(error)

    group = f"amanah.{service.name}"
    options: dict[str, Any] = {"instance": settings.instance, "batch_size": settings.batch_size}
    readings = []
    if topics := service.topics():
        readings.append(brokers.subscribe(broker, consumer.apply, crash, group=group, topics=topics, **options))
    if pattern := service.orders_pattern:
        orders = f"{group}.orders"
        readings.append(brokers.subscribe(broker, consumer.apply, crash, group=orders, pattern=pattern, **options))
    return readings


async def _start_broker(broker: Any) -> None:
    """Kafka may come later than we do: liveness does not wait for it, readiness does."""
    pause = 0.2
    while True:
        try:
            await broker.start()
        except (OSError, *brokers.KAFKA_ERRORS) as error:
            log.warning("kafka is away", extra={"error": type(error).__name__})
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)
        else:
            await asyncio.Event().wait()


async def _first_failure(stop: "asyncio.Future[None]", tasks: Sequence["asyncio.Task[None]"]) -> None:
    done, _ = await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for finished in done:
        finished.result()
    if stop not in done:
        names = ", ".join(task.get_name() for task in tasks if task in done)
        raise RuntimeError(f"ended by itself: {names}")


async def _wind_down(broker: Any, server: uvicorn.Server, tasks: Sequence["asyncio.Task[None]"]) -> None:
    server.should_exit = True
    with suppress(Exception):
        await asyncio.wait_for(broker.stop(), 5)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _http_server(service: Service[Any], context: Any, chassis: Chassis, broker: Any) -> uvicorn.Server:
    async def postgres() -> str | None:
        try:
            async with asyncio.timeout(2):
                async with connection(chassis.pool) as db:
                    await db.fetchval("select 1")
        except TRANSIENT as error:
            return f"Postgres does not answer ({type(error).__name__})"
        return None

    async def kafka() -> str | None:
        return None if await broker.ping(timeout=2) else "Kafka does not answer"

    app = health.make_http(
        {"postgres": postgres, "kafka": kafka}, service.http(context, chassis) if service.http else None
    )
    host, port = chassis.settings.listen()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,  # its own would print tracebacks, and an error's text may quote what was sent
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
        )
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    return server


def _rules(service: Service[Any], settings: ChassisSettings) -> list[Rule]:
    return [*retention.of_chassis(settings), *service.forgets(settings)]


async def _housekeeping(chassis: Chassis, consumer: Consumer) -> None:
    """Sweeps parked records and brings the gauges up to date, every second; waits out a database that is away."""
    for second in count(1):
        try:
            await consumer.sweep()
            await _measure(chassis)
            garbage.sweep(second)
        except TRANSIENT as error:
            log.warning("housekeeping waits", extra={"error": type(error).__name__})
        await asyncio.sleep(1)


async def _watch_reading(chassis: Chassis, broker: Any) -> None:
    """Ends the process when it reads no more from a Kafka that answers. Its client heals by itself, but not from the death
    of one of its routines, as when a broker's connection closed in the midst of a request; a new process reads again. Looks
    are counted, not seconds: a process that was frozen sees at its first look that it stood still, and reads by the next."""
    looks = 0
    while looks < STALLED_LOOKS or not await broker.ping(timeout=2):
        await asyncio.sleep(1)
        looks = looks + 1 if await chassis.stalled_for() > STALLED_SECONDS else 0
    raise RuntimeError(f"nothing was read in {looks} s, though Kafka answers")


async def _measure(chassis: Chassis) -> None:
    async with connection(chassis.pool) as db:
        unsent, oldest = await outbox.unsent(db)
        metrics.OUTBOX_UNSENT.set(unsent)
        metrics.OUTBOX_OLDEST.set(oldest)
        count, age = await parked.oldest(db)
        metrics.PARKED.set(count)
        metrics.PARKED_OLDEST.set(age)
        metrics.DEAD_LETTER_DEPTH.set(await dead_letter.depth(db))
    if age > chassis.settings.parked_alarm_seconds:
        log.error("records have been set aside for long", extra={"parked": count, "oldest_seconds": int(age)})
