"""The five services as processes: what each is told by its environment."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from amanah.embedded.secrets import Secrets

SERVICES = ("intake", "routing", "casework", "sla_monitor", "notifier")


def module(name: str) -> Sequence[str]:
    """The command that runs a service."""
    return [sys.executable, "-m", f"amanah_{name}"]


def told(
    name: str,
    *,
    kafka: str,
    database: str,
    pack: Path,
    http: Mapping[str, int],
    secrets: Secrets,
    extra: Mapping[str, str],
) -> dict[str, str]:
    """Everything a service needs to know; each is told only the secrets it uses."""
    known = {
        "AMANAH_KAFKA": kafka,
        "AMANAH_DATABASE": database,
        "AMANAH_PACK": str(pack),
        "AMANAH_HTTP": f"127.0.0.1:{http[name]}",
        "AMANAH_INSTANCE": "0",
        "AMANAH_SERVICE_TOKEN_FILE": str(secrets.token()),
        "PYTHONUNBUFFERED": "1",
        "MALLOC_ARENA_MAX": "2",
        # Few cores have no use for more connections, and each is a process of PostgreSQL's.
        "AMANAH_POOL_SIZE": "4" if name == "intake" else "3",
    }
    if "intake" in http:
        known["AMANAH_INTAKE_URL"] = f"http://127.0.0.1:{http['intake']}"
    if name == "intake":
        known["AMANAH_KEY_FILE"] = str(secrets.key())
    if name == "notifier":
        known["AMANAH_WEBHOOK_SECRET_FILE"] = str(secrets.webhook())
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("AMANAH_", "PG"))}
    return inherited | known | dict(extra)


async def answers(port: int, path: str = "/readyz") -> bool:
    """Whether a service says that it is ready. Written by hand, because a start asks it often and waits for nothing else."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            status = await reader.readline()
            writer.close()
    except (OSError, TimeoutError):
        return False
    return status.split(b" ")[1:2] == [b"200"]
