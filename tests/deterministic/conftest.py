"""One PostgreSQL and one world for the whole run; an event loop of its own, for nothing here runs beside anything else."""

import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop
from tests.deterministic.postgres import Server
from tests.deterministic.world import World, opened

T = TypeVar("T")


class Stage:
    """Where stories are told: a world, and the loop that it lives in."""

    def __init__(self, server: Server, world: World) -> None:
        self.server = server
        self.world = world

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.server.do(work)


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    loop = uvloop.new_event_loop()
    with tempfile.TemporaryDirectory(prefix="amanah-deterministic-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o711)  # under root, PostgreSQL's own user must get through
        server, stack = Server(loop, folder), AsyncExitStack()
        try:
            server.do(server.start())
            yield Stage(server, server.do(stack.enter_async_context(opened(server, folder))))
        finally:
            server.do(stack.aclose())
            server.do(server.stop())
            loop.close()
