"""The history keeps what a citizen was told."""

import asyncio
from dataclasses import replace
from itertools import islice
from pathlib import Path

from amanah.faultlab.history import History
from amanah.faultlab.load import Load
from amanah.faultlab.office import Office
from amanah.faultlab.plan import plan

ANSWERS = [b"", b"HTTP/1.1 503 x\r\n\r\n", b"HTTP/1.1 500 x\r\n\r\n", b"HTTP/1.1 201 x\r\nContent-Length: 20\r\n\r\n"]


async def test_each_answer_is_written_down_with_its_status_and_asked_for_again_until_it_says(tmp_path: Path) -> None:
    left = iter(ANSWERS)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = next(left)
        writer.write(head + (b'{"complaint_id":"1"}' if b" 201 " in head else b""))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    one = replace(next(islice(plan("F12", 1, 25), 1)), again="once", steps=())
    async with History(tmp_path / "history.jsonl") as history, Office("127.0.0.1:9", (), history) as office:
        load = Load(iter([one]), 25, f"http://127.0.0.1:{port}", "secret", office, history)
        await load.run()
        assert await load.rest(10) == 0
    server.close()
    told = [(op.type, op.value["status"]) for op in history.ops if op.type != "invoke"]
    assert told == [("info", None), ("info", 503), ("info", 500), ("ok", 201)]
    assert (load.accepted, load.unknown) == (1, 3)
