"""The whole of Amanah on one machine: PostgreSQL, Kafka, topics, databases, services, and who starts them again."""

import asyncio
import os
import signal
import threading
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from amanah import project
from amanah.embedded import children, databases, jars, kafka, ports, topics
from amanah.embedded.home import Home, State
from amanah.embedded.postgres import Postgres
from amanah.embedded.secrets import Secrets
from amanah.embedded.services import SERVICES, answers, module, told
from amanah.embedded.supervisor import Supervised
from amanah.fault import Fault
from amanah.progress import Progress, Silent
from amanah.running import together

if TYPE_CHECKING:
    from amanah.sinks import Sinks

SERVICE_PATIENCE = 90.0
SERVER_PATIENCE = 15.0
"""For servers that are not ours, and so should be there already."""
HOPELESS = 4
"""Deaths during the start after which waiting makes no sense."""
MISCONFIGURED = 2
"""The exit code of a service that no second start would help."""


@dataclass(frozen=True)
class Options:
    """What may differ between stacks."""

    services: Sequence[str] = SERVICES
    start_services: bool = True
    sinks: bool = True
    newest: bool = False
    """A person started it: commands that are given no --data mean this one from now on."""
    virtual_clock_start: datetime | None = None
    """A deployment is virtual from its first start or never."""
    port_base: int | None = None
    """Kafka's port, the services' being the next ones; all must be free."""
    first_base: int | None = None
    """The same if they are free, else others."""
    kafka_port: int | None = None
    http: Mapping[str, int] = field(default_factory=dict)
    postgres_port: int | None = None
    """Beside its Unix socket."""
    kafka_version: str = jars.KAFKA_VERSION
    postgres: str = ""
    """A superuser's DSN of an existing server to use in place of our own [default: AMANAH_POSTGRES]."""
    kafka: str = ""
    """An existing broker to use in place of our own [default: AMANAH_KAFKA]."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to what every service is told."""
    servers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """`postgres` or `kafka` to what it is told by its environment besides, where it is our own."""
    command: Callable[[str], Sequence[str]] = module
    """How a service is run."""


class Stack:
    """An async context manager: inside, everything runs and is started again when it dies; afterwards nothing is left."""

    def __init__(
        self, data: Path, pack: Path, options: Options | None = None, progress: Progress | None = None
    ) -> None:
        self.data = data.resolve()
        self.pack = pack
        self.options = options or Options()
        self.kafka = self.options.kafka or os.environ.get("AMANAH_KAFKA", "")
        self.sinks: Sinks | None = None
        self.ports: dict[str, int] = {}
        self._superuser = self.options.postgres or os.environ.get("AMANAH_POSTGRES", "")
        self._progress = progress or Silent()
        self._parts: dict[str, Supervised] = {}
        self._claims = ports.Claims()
        self._tidy: Callable[[], None] = lambda: None
        self._home = Home(self.data)
        self._secrets: Secrets

    # What others ask of a running stack.

    def dsn(self, service: str) -> str:
        """The service's own database, as its own role."""
        role = f"amanah_{service}"
        return databases.for_role(self._superuser, role, role, self._secrets.password(role))

    def admin_dsn(self, database: str = "postgres") -> str:
        """Any database, as the superuser."""
        return databases.to(self._superuser, database)

    def url(self, service: str) -> str:
        """Base URL of a service's HTTP side."""
        return f"http://127.0.0.1:{self.ports[service]}"

    def pid(self, part: str) -> int:
        """Process id of a service, of `kafka` or of `postgres`."""
        return self._parts[part].pid

    def restarts(self, part: str) -> int:
        """How often a part was started again."""
        return self._parts[part].restarts

    def kill(self, part: str) -> int:
        """Sends SIGKILL to a part and returns the id of the process; the supervisor starts it again."""
        pid = self.pid(part)
        if self._parts[part].alive:
            os.kill(pid, signal.SIGKILL)
        return pid

    def log(self, part: str) -> Path:
        """Where a part's output goes."""
        return self.data / "logs" / f"{part}.log"

    def token(self) -> str:
        """The shared secret of internal HTTP calls."""
        return self._secrets.token().read_text().strip()

    def webhook_secret(self) -> str:
        """The secret that signs webhooks."""
        return self._secrets.webhook().read_text().strip()

    async def create_database(self, name: str) -> str:
        """A fresh database with a role of the same name; returns the role's DSN."""
        await databases.create(self._superuser, name, self._secrets.password(name))
        return databases.for_role(self._superuser, name, name, self._secrets.password(name))

    async def create_topics(self, wanted: Sequence[topics.Topic]) -> list[str]:
        """Creates topics that are missing."""
        return await asyncio.to_thread(topics.create, self.kafka, wanted)

    # Start and end.

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException as failure:
            await self.stop()
            if isinstance(failure, OSError):  # a full disk, a directory we may not write to, too many open files
                raise Fault(f"The stack in {self.data} could not be started: {failure}") from failure
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _start(self) -> None:
        self._home.take()
        self._secrets = Secrets(self.data / "secrets")
        self.ports = self._choose_ports()
        await together(self._start_postgres(), self._start_kafka())
        if self.options.sinks:
            await self._start_sinks()
        self._home.write(
            State(
                data=str(self.data),
                pack=str(self.pack),
                pid=os.getpid(),
                kafka=self.kafka,
                postgres=self._superuser,
                ports=self.ports,
                services=list(self.options.services),
                told=self._told_to_all(),
            ),
            self.options.newest,
        )
        if self.options.start_services:
            await self.start_services()

    def _choose_ports(self) -> dict[str, int]:
        asked = dict(self.options.http)
        own = [] if self.kafka else ["kafka"]
        if self.options.kafka_port:
            asked["kafka"] = self.options.kafka_port
        if self.options.postgres_port and not self._superuser:
            own.append("postgres")
            asked["postgres"] = self.options.postgres_port
        names = [*own, *self.options.services, *(["controller"] if "kafka" in own else [])]
        first = [] if self.options.first_base is None else [self.options.first_base]
        earlier, base = self._home.earlier_ports(), self.options.port_base
        while True:
            chosen = ports.choose(names, str(self.data), earlier, asked, base, first)
            if self._claims.hold(chosen.values()):
                return chosen

    async def _start_postgres(self) -> None:
        if not self._superuser:
            password = self._secrets.password("postgres")
            told, port = self.options.servers.get("postgres", {}), self.ports.get("postgres")
            server = Postgres(self.data / "postgres", self.log("postgres"), password, port, told)
            self._tidy = server.tidy
            self._progress.step("Starting PostgreSQL")
            await server.prepare()
            if server.home != self.data / "postgres":
                self._progress.step(f"PostgreSQL's user cannot reach {self.data}, so its data is in {server.home}")
            await self._supervise("postgres", server.launch, server.stop_signal, patience=60)
            await self._until_ready("postgres", server.ready(), "PostgreSQL")
            self._superuser = server.dsn()
        elif not self._superuser.startswith(("postgresql://", "postgres://")):
            raise Fault(
                "AMANAH_POSTGRES is no DSN of a superuser. It looks like postgresql://postgres:secret@host:5432/"
            )
        for name in self.options.services:
            role = f"amanah_{name}"
            await databases.create(self._superuser, role, self._secrets.password(role))

    async def _start_kafka(self) -> None:
        if self.kafka:
            await self._until_ready("kafka", kafka.serving(self.kafka, SERVER_PATIENCE), f"Kafka at {self.kafka}")
        else:
            files = await self._jars()
            port, controller = self.ports["kafka"], self.ports["controller"]
            told = self.options.servers.get("kafka", {})
            broker = kafka.Kafka(self.data / "kafka", self.log("kafka"), port, controller, files, told)
            self._progress.step(f"Starting Kafka {self.options.kafka_version}")
            await broker.prepare()
            await self._supervise("kafka", broker.launch, broker.stop_signal, patience=30)
            await self._until_ready("kafka", kafka.serving(broker.bootstrap, kafka.PATIENCE), "Kafka")
            self.kafka = broker.bootstrap
        await self.create_topics(topics.of(self.pack))

    async def _jars(self) -> list[Path]:
        ended = threading.Event()
        try:
            return await asyncio.to_thread(
                jars.classpath, self.options.kafka_version, project.cache(), self._progress, ended
            )
        finally:
            ended.set()  # a thread cannot be interrupted; Ctrl-C waits only for the jars that are just coming

    async def _start_sinks(self) -> None:
        from amanah.sinks import Sinks

        self.sinks = await Sinks(self.data / "sinks").__aenter__()

    async def start_services(self) -> None:
        """Starts the services and returns when all are ready; with a virtual clock, migrates and sets it first."""
        names = self.options.services
        self._progress.step("Starting the services")
        if self.options.virtual_clock_start is not None:
            await together(*(self._migrate(name) for name in names))
            for name in names:
                database = self.admin_dsn(f"amanah_{name}")
                await databases.make_virtual(database, self.options.virtual_clock_start)
        for name in names:
            await self._supervise(name, self._launcher(name), signal.SIGTERM, patience=10)
        await together(*(self._until_ready(name, self._serving(name), name) for name in names))

    def environment(self, service: str) -> dict[str, str]:
        """What a service is told by its environment."""
        return told(
            service,
            kafka=self.kafka,
            database=self.dsn(service),
            pack=self.pack,
            http=self.ports,
            secrets=self._secrets,
            extra=self._told_to_all(),
        )

    def _told_to_all(self) -> dict[str, str]:
        if self.sinks is None:
            return dict(self.options.environment)
        receivers = {"AMANAH_SINK_URL": self.sinks.webhook_url, "AMANAH_SMTP": self.sinks.smtp}
        # They listen on loopback without TLS, which the notifier refuses everywhere else.
        return receivers | {"AMANAH_WEBHOOK_ALLOW_LOCAL": "true"} | dict(self.options.environment)

    def _launcher(self, service: str) -> Callable[[], Awaitable[Process]]:
        command, told = self.options.command(service), self.environment(service)
        return lambda: children.start(command, self.log(service), env=told, cwd=self.data)

    async def _migrate(self, service: str) -> None:
        """What each service does at its start, done here for all of them, since the clock must be set between the two."""
        from amanah_chassis.database import migrate
        from amanah_chassis.errors import Misconfigured

        try:
            await migrate(self.dsn(service), ("amanah_chassis", f"amanah_{service}"))
        except Misconfigured as wrong:
            raise Fault(f"{service} could not migrate its database: {wrong}") from None

    async def _serving(self, service: str) -> None:
        async with asyncio.timeout(SERVICE_PATIENCE):
            while not await answers(self.ports[service]):
                await asyncio.sleep(0.05)

    async def _supervise(
        self, name: str, launch: Callable[[], Awaitable[Process]], by: signal.Signals, patience: float
    ) -> None:
        self._parts[name] = part = Supervised(name, launch, by, patience, self._died)
        await part.start()

    def _died(self, name: str, code: int) -> None:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        self._progress.step(f"{name} {how} and is started again; log {self.log(name)}")

    async def _until_ready(self, name: str, ready: Coroutine[Any, Any, None], title: str) -> None:
        """Waits for a part's readiness; gives up with its last words when it keeps dying or takes too long."""
        waiting = asyncio.ensure_future(ready)
        try:
            while not waiting.done():
                await asyncio.wait([waiting], timeout=0.1)
                self._give_up_on(name, title)
            await waiting
        except TimeoutError:
            raise Fault(f"{title} does not answer.{self._words(name)}") from None
        finally:
            waiting.cancel()

    def _give_up_on(self, name: str, title: str) -> None:
        """Fault when waiting for this part makes no sense."""
        part = self._parts.get(name)
        if part is not None and part.last_code == MISCONFIGURED and name in self.options.services:
            raise Fault(f"{title} cannot start. {children.last_words(self.log(name), lines=1)}")
        if part is not None and part.restarts > HOPELESS:
            raise Fault(f"{title} ends again and again.{self._words(name)}")

    def _words(self, name: str) -> str:
        if name not in self._parts:
            return ""
        return f" Its last words in {self.log(name)}: {children.last_words(self.log(name)) or 'none'}"

    async def stop(self) -> None:
        """Stops the services, then Kafka, then PostgreSQL; may be called twice."""
        parts, self._parts = self._parts, {}
        if parts:
            self._progress.step("Stopping")
        await asyncio.gather(*(part.stop() for name, part in parts.items() if name not in ("kafka", "postgres")))
        if self.sinks is not None:
            sinks, self.sinks = self.sinks, None
            await sinks.__aexit__(None, None, None)
        for name in ("kafka", "postgres"):
            if name in parts:
                await parts[name].stop()
        self._tidy()
        self._claims.release()
        self._home.release()
