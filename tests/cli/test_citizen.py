"""The client of intake before a server that answers as a test wants: what it insists on, and what it gives up."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from amanah.fault import Fault
from amanah.replay.citizen import Citizen, History
from amanah.replay.log import Rejected, Row

COMPLAINT = "019ab000-0000-7000-8000-000000000001"
ROW = Row(7, "s1", datetime(2018, 6, 26, tzinfo=UTC), None, None, "DOT", "Noise", "Loud", None)
TAKEN = (201, json.dumps({"complaint_id": COMPLAINT}))


class Server:
    """Answers with each of `answers` in turn, None being a connection cut in mid-request; keeps what it was asked."""

    def __init__(self, *answers: tuple[int, str] | None) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, bytes]] = []

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                fields = dict(line.split(": ", 1) for line in head.splitlines()[1:] if line)
                self.asked.append((fields["idempotency-key"], await reader.readexactly(int(fields["content-length"]))))
                answer = self.answers.pop(0)
                if answer is None:
                    return
                status, body = answer
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def before(server: Server, tmp_path: Path) -> AsyncIterator[Citizen]:
    history = History(tmp_path / "history.jsonl")
    async with await asyncio.start_server(server.connected, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        citizen = Citizen(f"http://127.0.0.1:{port}", "token", history)
        try:
            yield citizen
        finally:
            await citizen.close()
            history.close()


def history(tmp_path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]


async def test_what_gets_no_answer_is_asked_again_under_the_same_key(tmp_path: Path) -> None:
    server = Server(None, (500, ""), (503, "{}"), (429, "{}"), (408, ""), TAKEN)
    async with before(server, tmp_path) as citizen:
        await citizen.file(ROW)
    assert len(set(server.asked)) == 1
    assert len(server.asked) == 6
    assert {name: str(complaint) for name, complaint in citizen.filed.complaints.items()} == {"s1": COMPLAINT}
    assert [(entry["op"], entry["status"], entry["complaint_id"]) for entry in history(tmp_path)] == [
        ("file", 201, COMPLAINT)
    ]


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (
            422,
            {"detail": "Not accepted.", "errors": [{"field": "narrative", "reason": "holds a control character"}]},
            "intake answered 422: narrative: holds a control character",
        ),
        (413, {"detail": "The body may have 9 bytes."}, "intake answered 413: The body may have 9 bytes."),
        (409, ["odd"], 'intake answered 409: ["odd"]'),
        (400, {"errors": ["odd"]}, 'intake answered 400: {"errors": ["odd"]}'),
    ],
)
async def test_a_row_that_is_refused_does_not_end_the_replay(
    tmp_path: Path, status: int, body: object, reason: str
) -> None:
    server = Server((status, json.dumps(body)), TAKEN)
    async with before(server, tmp_path) as citizen:
        await citizen.file(ROW)
        assert citizen.filed.rejected == [Rejected(7, "s1", reason)]
        assert history(tmp_path) == []
        await citizen.file(ROW)
    assert list(citizen.filed.complaints) == ["s1"]


@pytest.mark.parametrize("status", [401, 403, 404, 405])
async def test_a_refusal_that_every_row_would_meet_ends_it(tmp_path: Path, status: int) -> None:
    async with before(Server((status, "{}")), tmp_path) as citizen:
        with pytest.raises(Fault, match=f"Nothing can be filed: intake answered {status}"):
            await citizen.file(ROW)
