"""Real PostgreSQL and Kafka for integration tests: one embedded stack for the whole session, a fresh database for each test.

The stack lives in a thread with an event loop of its own, because pytest gives every test another loop.
"""

import asyncio
import os
import secrets
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.support.containers import servers

from amanah import project
from amanah.embedded.stack import Options, Stack
from amanah.embedded.topics import Topic

T = TypeVar("T")


class Embedded:
    """What an integration test asks for."""

    def __init__(self, data: Path, **servers: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="embedded stack", daemon=True)
        self._thread.start()
        # Children die with the thread that started them, so this thread lives until the session ends.
        options = Options(services=(), start_services=False, sinks=False, **servers)
        self.stack = Stack(data, project.pack("nyc311"), options)

    def start(self) -> None:
        self._do(self.stack.__aenter__())

    def stop(self) -> None:
        self._do(self.stack.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def kafka(self) -> str:
        """Bootstrap servers."""
        return self.stack.kafka

    def database(self, name: str | None = None) -> str:
        """DSN of a new, empty database with a role of its own."""
        return self._do(self.stack.create_database(name or f"test_{secrets.token_hex(6)}"))

    def topic(self, name: str | None = None, partitions: int = 1, **settings: str) -> str:
        """A new topic, which the broker stamps and unpacks like all of ours; `max_message_bytes` sets max.message.bytes."""
        name = name or f"test.{secrets.token_hex(6)}"
        configured = {"message.timestamp.type": "LogAppendTime", "compression.type": "uncompressed"}
        configured |= {key.replace("_", "."): value for key, value in settings.items()}
        self._do(self.stack.create_topics([Topic(name, partitions, configured)]))
        return name

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


@pytest.fixture(scope="session")
def embedded() -> Iterator[Embedded]:
    """One stack without services. `AMANAH_TEST_DATA` keeps it in a named folder, which makes repeated runs start faster."""
    with tempfile.TemporaryDirectory(prefix="amanah-test-") as temporary, servers() as existing:
        Path(temporary).chmod(0o711)  # under root, PostgreSQL's own user must get through
        stack = Embedded(Path(os.environ.get("AMANAH_TEST_DATA", temporary)) / "stack", **existing)
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()


@pytest.fixture
def database(embedded: Embedded) -> str:
    """DSN of a fresh database."""
    return embedded.database()
