"""`amanah dlq`, as an operator uses it, on a database of the routing service with letters in it."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from tests.support.ledger_service import DAY, headers
from tests.support.stack import Embedded

from amanah import project
from amanah.embedded.home import State
from amanah_chassis import dead_letter
from amanah_chassis.batch import Origin
from amanah_chassis.database import migrate
from amanah_contracts.intake import ComplaintSubmitted

PACK = project.pack("nyc311")


class Operator:
    """Runs the command in a process of its own, told only what an operator would tell it."""

    def __init__(self, *where: str) -> None:
        self._where = where

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("AMANAH_")}
        environment = kept | {"AMANAH_PACK": str(PACK)}
        command = [sys.executable, "-m", "amanah.main", "dlq", *words, *self._where]
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=60)


@pytest.fixture
async def routing(embedded: Embedded) -> str:
    name = f"amanah_routing_{uuid4().hex[:8]}"
    dsn = embedded.database(name)
    await migrate(dsn, ("amanah_chassis", "amanah_routing"))
    return dsn


@pytest.fixture
def operator(routing: str) -> Operator:
    return Operator("--service", "routing", "--database", routing)


def submitted(offset: int, seq: int = 1, **changed: bytes | None) -> Origin:
    subject = uuid4()
    example = next((project.ROOT / "contracts/amanah_contracts/examples").glob("complaint.submitted.v1*.json"))
    body = json.loads(example.read_text()) | {"complaint_id": str(subject)}
    named = headers(subject, seq, **{"ce_type": b"complaint.submitted.v1", "ce_source": b"amanah.intake"} | changed)
    value = json.dumps(body).encode()
    return Origin(ComplaintSubmitted.topic, 0, offset, DAY, str(subject).encode(), tuple(named), value)


async def bury(dsn: str, letters: Sequence[tuple[Origin, str]]) -> None:
    db = await asyncpg.connect(dsn)
    for origin, reason in letters:
        await dead_letter.bury(db, origin, reason, "as it was", DAY)
    await db.close()


async def fetch(dsn: str, sql: str) -> list[tuple[object, ...]]:
    db = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await db.fetch(sql)]
    finally:
        await db.close()


async def test_list_shows_what_helps_and_nothing_private(routing: str, operator: Operator) -> None:
    secret = submitted(7, ce_type=b"complaint.dreamt.v1", **{"x-odd": b"\xff secret"})
    await bury(routing, [(secret, "unknown_type"), (submitted(8, ce_type=b"\xff"), "undecodable")])
    done = operator("list", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        {
            "service": "routing",
            "id": n,
            "topic": "amanah.complaints",
            "partition": 0,
            "offset": 6 + n,
            "type": kind,
            "reason": reason,
            "detail": "as it was",
            "dead_at": DAY.isoformat(),
        }
        for n, kind, reason in ((1, "complaint.dreamt.v1", "unknown_type"), (2, "", "undecodable"))
    ]
    table = operator("list").stdout
    assert "amanah.complaints/0/7" in table
    assert "secret" not in table


async def test_an_empty_list_says_so(operator: Operator) -> None:
    assert operator("list").stdout == "No dead letters.\n"
    assert operator("list", "--json").stdout == "[]\n"
    assert operator("replay", "--all").returncode == 0


async def test_replay_applies_what_is_mended_and_keeps_what_fails_with_its_new_reason(
    routing: str, operator: Operator
) -> None:
    good, still_unknown = submitted(1), submitted(2, ce_type=b"complaint.dreamt.v1")
    await bury(routing, [(good, "handler_failed"), (still_unknown, "handler_failed")])
    done = operator("replay", "--all")
    assert done.returncode == 1, done.stderr
    assert "replayed routing 1 amanah.complaints/0/1: applied" in done.stdout
    assert "FAILED   routing 2 amanah.complaints/0/2: unknown_type: " in done.stdout
    assert "1 replayed, 1 failed." in done.stdout
    assert await fetch(routing, "select id, reason, replayed_at is null from chassis_dead_letter order by id") == [
        (1, "handler_failed", False),
        (2, "unknown_type", True),
    ]
    [(told, subject)] = await fetch(
        routing, "select type, subject from chassis_outbox where topic = 'amanah.assignments'"
    )
    assert told in {"complaint.routed.v1", "triage.requested.v1"}
    assert str(subject).encode() == good.key


async def test_replay_of_named_letters_leaves_the_others(routing: str, operator: Operator) -> None:
    await bury(routing, [(submitted(1), "handler_failed"), (submitted(2), "handler_failed")])
    done = operator("replay", "2")
    assert (done.returncode, done.stdout.count("applied")) == (0, 1), done.stderr
    assert [letter["id"] for letter in json.loads(operator("list", "--json").stdout)] == [1]
    again = operator("replay", "2")
    assert again.returncode == 1
    assert "no dead letter 2 that waits" in again.stderr


async def test_one_that_comes_too_early_says_what_it_waits_for(routing: str, operator: Operator) -> None:
    await bury(routing, [(submitted(1, seq=2), "handler_failed")])
    done = operator("replay", "--all")
    assert "it waits for those before it" in done.stdout
    assert await fetch(routing, "select seq, waiting_for from chassis_parked") == [(2, "gap")]


async def test_one_that_can_never_be_handled_is_given_up_with_its_reason(routing: str, operator: Operator) -> None:
    await bury(routing, [(submitted(1), "undecodable"), (submitted(2, seq=2), "undecodable")])
    early = operator("drop", "2", "--reason", "sent by a broken release")
    assert early.returncode == 1
    assert (
        "routing 2 cannot be given up yet: it is number 2 of its stream, and number 1 is still missing" in early.stderr
    )
    done = operator("drop", "1", "--reason", "sent by a broken release")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "given up routing 1 amanah.complaints/0/1: what waits behind it goes on\n"
    assert [letter["id"] for letter in json.loads(operator("list", "--json").stdout)] == [2]
    assert await fetch(routing, "select given_up, replayed_at is null from chassis_dead_letter order by id") == [
        ("sent by a broken release", False),
        (None, True),
    ]
    assert await fetch(routing, "select source, seq from chassis_position") == [("amanah.intake", 1)]
    again = operator("drop", "1", "--reason", "twice")
    assert again.returncode == 1
    assert "no dead letter 1 that waits" in again.stderr


async def test_a_running_stack_is_found_by_its_data(embedded: Embedded, tmp_path: Path) -> None:
    dsn = embedded.database("amanah_routing")
    await migrate(dsn, ("amanah_chassis", "amanah_routing"))
    ours = submitted(offset=uuid4().int % 2**40)
    await bury(dsn, [(ours, "handler_failed")])
    stack = embedded.stack
    state = State(
        data=str(stack.data),
        pack=str(PACK),
        pid=0,
        kafka=stack.kafka,
        postgres=stack.admin_dsn(),
        ports={"routing": 1, "intake": 2},
        services=["routing"],
    )
    (tmp_path / "stack.json").write_text(json.dumps(asdict(state)))
    operator = Operator("--data", str(tmp_path))
    listed = json.loads(operator("list", "--json").stdout)
    assert [letter["offset"] for letter in listed] == [ours.offset]
    done = operator("replay", "--all")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(operator("list", "--json").stdout) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("replay",), "Name the letters by id, or say --all."),
        (("replay", "3", "--all"), "Name the letters by id, or say --all."),
        (("replay", "3"), "Ids belong to one service"),
        (("drop", "3", "--service", "routing", "--reason", " "), "Say with --reason why"),
        (("list", "--database", "postgresql://nobody@127.0.0.1:1/none"), "Say with --service"),
        (("list", "--service", "dreams"), "There is no service 'dreams'"),
        (
            ("list", "--service", "routing", "--database", "postgresql://nobody@127.0.0.1:1/none"),
            "The database of routing cannot be reached",
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(words: Sequence[str], said: str) -> None:
    done = Operator()(*words)
    assert done.returncode in {1, 2}
    assert said in done.stderr
    assert "Traceback" not in done.stderr
