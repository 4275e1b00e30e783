"""Lets aiokafka notice that a connection was closed under it.

A broker that dies closes its connections. uvloop says so of a write by RuntimeError, where asyncio's own loop says nothing
or OSError; aiokafka 0.14 takes only that for a lost connection. The RuntimeError then ends its routine that keeps the member
in its group: the process lives on and never reads again. Here it is told in the words that aiokafka heals from.
"""

from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

_send = AIOKafkaConnection.send


def install() -> None:
    """For every connection to Kafka of this process; calling it again changes nothing."""
    AIOKafkaConnection.send = _send_or_close


def _send_or_close(self: Any, request: Any, expect_response: bool = True) -> Any:
    try:
        return _send(self, request, expect_response)
    except RuntimeError as closed:
        self.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"Connection at {self.host}:{self.port} closed: {closed}") from closed
