"""One PostgreSQL and one world for all of these tests, in an event loop of its own: nothing here runs beside anything else.
What a world replaces in the modules that it drives is put back after each test, for others run in this process too."""

import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop
from tests.deterministic.postgres import Server
from tests.deterministic.process import REPLACED, read_laws_once
from tests.deterministic.world import World, opened

T = TypeVar("T")


class Stage:
    """Where stories are told: a world, and the loop that it lives in."""

    def __init__(self, server: Server, world: World) -> None:
        self.server = server
        self.world = world

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.server.do(work)


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    before = [(owner, name, getattr(owner, name)) for owner, name in REPLACED]
    read_laws_once()
    yield
    for owner, name, value in before:
        object.__setattr__(owner, name, value)


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
