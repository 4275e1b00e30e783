"""A connection that was closed under aiokafka is a lost connection, whatever the loop calls it."""

from types import SimpleNamespace
from typing import Any

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError

from amanah_chassis import closed_connections


class Request:
    """Any request."""

    def prepare(self, _: Any) -> Any:
        return self

    def build_request_header(self, **_: Any) -> Any:
        return SimpleNamespace(encode=lambda: b"")

    def encode(self) -> bytes:
        return b""


def test_a_write_after_the_end_is_a_lost_connection() -> None:
    closed_connections.install()
    closed_connections.install()
    uvloop.run(_write_after_the_end())


async def _write_after_the_end() -> None:
    def write(_: bytes) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    connection = AIOKafkaConnection("127.0.0.1", 9)
    ended: list[bool] = []
    connection._reader = SimpleNamespace(at_eof=lambda: False)
    connection._writer = SimpleNamespace(write=write, close=lambda: ended.append(True))
    connection._read_task = SimpleNamespace(done=lambda: True, cancel=lambda: None)
    with pytest.raises(KafkaConnectionError, match="the handler is closed"):
        connection.send(Request())
    assert ended == [True]
    assert not connection.connected()
