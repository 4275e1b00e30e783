"""PostgreSQL and Kafka in containers, where an engine is found that has their images or gets them soon.

Otherwise the tests run on the embedded stack, which needs no engine; so they do when the containers do not come up.
`AMANAH_TEST_ENGINE` decides it by hand: `embedded` never asks for an engine, `docker` insists on one.
"""

import asyncio
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import psycopg

from amanah.embedded import kafka
from amanah.embedded.jars import KAFKA_VERSION
from amanah.embedded.postgres import MAJOR, SETTINGS
from amanah.fault import Fault

IMAGES = (f"postgres:{MAJOR}", f"apache/kafka:{KAFKA_VERSION}")
ANSWER_LIMIT = 5.0
PULL_LIMIT = 60.0
"""Seconds for each image. An engine without a network must not keep the tests from running."""
START_LIMIT = 60.0

Run = Callable[[Sequence[str], float], bool]


def docker(arguments: Sequence[str], limit: float) -> bool:
    """Whether the engine's client did this within `limit` seconds."""
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, timeout=limit, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def wanted(choice: str, run: Run = docker) -> bool:
    """Whether to use containers."""
    if choice in ("docker", "embedded"):
        return choice == "docker"
    return run(["info"], ANSWER_LIMIT) and all(
        run(["image", "inspect", image], ANSWER_LIMIT) or run(["pull", "--quiet", image], PULL_LIMIT)
        for image in IMAGES
    )


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Options of a stack that name servers in containers; none, if it is to start its own."""
    choice = os.environ.get("AMANAH_TEST_ENGINE", "")
    with ExitStack() as stack:
        found: dict[str, str] = {}
        given = {"AMANAH_POSTGRES", "AMANAH_KAFKA"} & os.environ.keys()
        if not given and wanted(choice):
            from docker.errors import DockerException

            try:
                found = asyncio.run(_start(stack))
            except (DockerException, OSError, RuntimeError, TimeoutError, Fault) as failure:
                if choice:
                    raise
                stack.close()
                sys.stderr.write(f"Containers did not come up, so the embedded stack is used: {failure}\n")
        yield found


async def _start(stack: ExitStack) -> dict[str, str]:
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

    testcontainers_config.ryuk_disabled = True  # one image less; the containers end with the session
    password = secrets.token_hex(12)
    database = DockerContainer(IMAGES[0]).with_env("POSTGRES_PASSWORD", password).with_exposed_ports(5432)
    settings = [f"-c {name}={SETTINGS[name]}" for name in ("max_connections", "timezone")]
    stack.enter_context(database.with_command(f"postgres {' '.join(settings)}"))
    # Kafka tells its clients where it is, so the port must be known before it starts.
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    broker = DockerContainer(IMAGES[1]).with_bind_ports(port, port)
    host = broker.get_docker_client().host()
    for name, value in _broker_settings(host, port).items():
        broker.with_env(name, value)
    stack.enter_context(broker)
    postgres = f"postgresql://postgres:{password}@{host}:{database.get_exposed_port(5432)}/postgres"
    async with asyncio.timeout(START_LIMIT):
        while not await asyncio.to_thread(_connects, postgres):
            await asyncio.sleep(0.2)
    await kafka.serving(f"{host}:{port}", START_LIMIT)
    return {"postgres": postgres, "kafka": f"{host}:{port}"}


def _broker_settings(host: str, port: int) -> dict[str, str]:
    """Those of the embedded broker, in the form and with the addresses that the image wants."""
    lines = kafka.SETTINGS.format(port=port, controller=port + 1 if port < 65535 else port - 1).splitlines()
    settings = dict(line.split("=", 1) for line in lines)
    settings["listeners"] = settings["listeners"].replace("127.0.0.1", "")
    settings["advertised.listeners"] = f"PLAINTEXT://{host}:{port}"
    settings["log.dirs"] = "/tmp/kafka-logs"
    return {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in settings.items()}


def _connects(dsn: str) -> bool:
    try:
        psycopg.connect(dsn, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
