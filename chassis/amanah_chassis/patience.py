"""Waiting out the world: a database that is away, a lock that another holds."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from amanah_chassis import metrics
from amanah_chassis.errors import TRANSIENT
from amanah_chassis.logs import logger

log = logger(__name__)
T = TypeVar("T")


async def patiently(attempt: Callable[[], Awaitable[T]], records: int = 0) -> T:
    """Tries until the world lets it: transient faults back off from 50 ms to 5 s, all others are raised. `records`: how many
    wait meanwhile, for the log."""
    pause = 0.05
    while True:
        try:
            return await attempt()
        except TRANSIENT as error:
            metrics.RETRIES.labels(type(error).__name__).inc()
            log.warning("tried again", extra={"error": type(error).__name__, "records": records})
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)
