"""`amanah explain` against a running stack, and its own output counted again without one."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from tests.support.events import routed, submitted
from tests.support.process import free_port, sql
from tests.support.wire import Wire, eventually

from amanah import project
from amanah.embedded.stack import Options, Stack

AGENCY = "kalsel-pupr"


def amanah(*arguments: str) -> subprocess.CompletedProcess[str]:
    """As at a terminal."""
    command = [sys.executable, "-m", "amanah.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=project.ROOT)


@pytest.fixture
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    options = Options(services=("sla_monitor",), sinks=False, kafka_port=free_port())
    async with Stack(tmp_path_factory.mktemp("explain"), project.pack("id"), options) as running:
        yield running


async def file(stack: Stack) -> UUID:
    complaint, now = uuid4(), datetime.now(UTC)
    Wire(stack.kafka).send(submitted(complaint, now), routed(complaint, now, AGENCY))
    known = "select jsonb_array_length(facts) from casefile where complaint_id = %s"
    await eventually(lambda: sql(stack.dsn("sla_monitor"), known, complaint) == [(2,)], "both facts")
    return complaint


async def test_a_running_stack_explains_and_its_receipt_holds_without_it(stack: Stack, tmp_path: Path) -> None:
    complaint = await file(stack)
    told = amanah("explain", str(complaint), "--data", str(stack.data))
    assert (told.returncode, told.stderr) == (0, "")
    assert f"Complaint {complaint}" in told.stdout
    assert "first_reply: 5 working days, RUNNING" in told.stdout
    assert f"{AGENCY}'s, by assignment 1" in told.stdout
    assert "counted  day 5" in told.stdout

    by_url = amanah("explain", str(complaint), "--url", stack.url("sla_monitor"), "--json")
    document = json.loads(by_url.stdout)
    assert (document["complaint"], document["pack"]) == (str(complaint), "id")
    assert {clock["stage"] for clock in document["clocks"]} == {"forwarding", "first_reply", "response"}

    unknown = amanah("explain", str(uuid4()), "--data", str(stack.data))
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "knows no complaint" in unknown.stderr
    assert "Traceback" not in unknown.stderr

    saved = tmp_path / "receipt.json"
    saved.write_text(by_url.stdout)
    await stack.stop()
    holds = amanah("explain", "--receipt", str(saved))
    assert (holds.returncode, holds.stdout.count(": holds.")) == (0, 3)

    document["clocks"][0]["due_at"] = "2031-01-01T00:00:00+08:00"
    saved.write_text(json.dumps(document))
    forged = amanah("explain", "--receipt", str(saved))
    assert (forged.returncode, forged.stdout.count("DOES NOT HOLD")) == (1, 1)

    stopped = amanah("explain", str(complaint), "--data", str(stack.data))
    assert stopped.returncode == 1
    assert "does not run" in stopped.stderr
