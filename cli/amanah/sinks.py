"""The receiving end of notices in the embedded stack and in tests: one webhook receiver, one SMTP receiver.

A notice counts as told when its line is on disk: both receivers append one JSON line to a ledger and fsync it *before*
they answer, so a crash can double a line but never lose an answered notice. Readers count distinct `notice` ids.

`webhooks.jsonl`: {"at", "notice", "path", "timestamp", "signature", "body"} (`body` is the exact text that was signed)
`mail.jsonl`:     {"at", "notice", "message_id", "recipients", "sender", "subject", "language", "event",
                "complaint_id", "template", "body"}

Faults are switched on by attribute: `sinks.webhook_fault = WebhookFault.GONE`, `sinks.smtp_fault = SmtpFault.NONE`;
`webhook_fault_left` and `smtp_fault_left` end a fault by themselves after so many attempts.
"""

import asyncio
import email
import email.policy
import json
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Self

from aiosmtpd.smtp import SMTP, Envelope, Session

from amanah.ledger import Ledger

_MAX_HEAD = 32 * 1024
_MAX_BODY = 1024 * 1024
_REASONS = {
    200: "OK",
    301: "Moved Permanently",
    400: "Bad Request",
    405: "Method Not Allowed",
    410: "Gone",
    411: "Length Required",
    413: "Content Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
}


class WebhookFault(StrEnum):
    """What the webhook receiver does instead of accepting. Only RESET_AFTER keeps the notice."""

    NONE = "none"
    SERVER_ERROR = "500"
    TIMEOUT = "timeout"
    TOO_MANY = "429"
    MOVED = "301"
    GONE = "410"
    RESET_AFTER = "reset_after"


class SmtpFault(StrEnum):
    """What the SMTP receiver does instead of accepting. Only DROP_AFTER_DATA keeps the notice."""

    NONE = "none"
    TEMPORARY = "451"
    PERMANENT = "550"
    DROP_AFTER_DATA = "drop_after_data"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery attempt as seen here, accepted or not; `at` is monotonic seconds."""

    notice: str
    target: str
    fault: str
    at: float


class Sinks:
    """`async with Sinks(directory) as sinks:` listens on loopback only; port 0 takes a free one."""

    def __init__(self, directory: Path, webhook_port: int = 0, smtp_port: int = 0) -> None:
        self.directory = directory
        self.webhook_url = ""
        self.smtp = ""
        self.webhook_fault = WebhookFault.NONE
        self.webhook_fault_left: int | None = None
        self.retry_after = "2"
        self.smtp_fault = SmtpFault.NONE
        self.smtp_fault_left: int | None = None
        self.attempts: deque[Attempt] = deque(maxlen=10_000)
        self._ports = (webhook_port, smtp_port)
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.webhooks = Ledger(self.directory / "webhooks.jsonl")
        self.mail = Ledger(self.directory / "mail.jsonl")
        self.webhooks.open()
        self.mail.open()
        try:
            await self._listen()
        except OSError:
            await self.__aexit__()
            raise
        return self

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        web = await asyncio.start_server(self._connected, "127.0.0.1", self._ports[0], limit=_MAX_HEAD, backlog=512)
        self._servers.append(web)
        self.webhook_url = f"http://127.0.0.1:{web.sockets[0].getsockname()[1]}"
        factory = partial(SMTP, _MailHandler(self), loop=loop, enable_SMTPUTF8=True, data_size_limit=_MAX_BODY)
        mail = await loop.create_server(factory, "127.0.0.1", self._ports[1], backlog=512)
        self._servers.append(mail)
        self.smtp = f"127.0.0.1:{mail.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self.webhooks.close()
        await self.mail.close()

    def counts(self) -> dict[str, int]:
        """Lines and distinct notices on disk, of this and earlier runs over the same directory."""
        return {
            "webhook_lines": self.webhooks.lines,
            "webhooks": len(self.webhooks.notices),
            "mail_lines": self.mail.lines,
            "mail": len(self.mail.notices),
        }

    def next_webhook_fault(self) -> WebhookFault:
        fault, self.webhook_fault_left = self.webhook_fault, _one_less(self.webhook_fault_left)
        if self.webhook_fault_left == 0:
            self.webhook_fault, self.webhook_fault_left = WebhookFault.NONE, None
        return fault

    def next_smtp_fault(self) -> SmtpFault:
        fault, self.smtp_fault_left = self.smtp_fault, _one_less(self.smtp_fault_left)
        if self.smtp_fault_left == 0:
            self.smtp_fault, self.smtp_fault_left = SmtpFault.NONE, None
        return fault

    def note(self, notice: str, target: str, fault: str) -> None:
        self.attempts.append(Attempt(notice, target, fault, asyncio.get_running_loop().time()))

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # The peer hung up, or the sinks are closing; either way there is nobody left to answer.
        finally:
            self._connections.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; False when the connection is over."""
        try:
            method, path, headers = _parse_head(await reader.readuntil(b"\r\n\r\n"))
            length = int(headers.get("content-length", "0"))
        except (asyncio.LimitOverrunError, ValueError):
            return await _answer(writer, 400, close=True)
        if method == "GET":
            return await _answer(writer, 200, body=json.dumps(self.counts()).encode())
        if method != "POST":
            return await _answer(writer, 405, close=True)
        if "transfer-encoding" in headers:
            return await _answer(writer, 411, close=True)
        if not 0 <= length <= _MAX_BODY:
            return await _answer(writer, 413, close=True)
        body = await reader.readexactly(length)
        return await self._receive(path, headers, body, writer)

    async def _receive(self, path: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter) -> bool:
        fault, notice = self.next_webhook_fault(), headers.get("webhook-id", "")
        self.note(notice, path, fault)
        if refuse := _WEBHOOK_REFUSALS.get(fault):
            return await refuse(self, writer)
        record = {
            "notice": notice,
            "path": path,
            "timestamp": headers.get("webhook-timestamp", ""),
            "signature": headers.get("webhook-signature", ""),
            "body": body.decode(errors="replace"),
        }
        await self.webhooks.append(record)
        if fault is WebhookFault.RESET_AFTER:
            return _reset(writer)
        return await _answer(writer, 200)


async def _refuse_500(_: Sinks, writer: asyncio.StreamWriter) -> bool:
    return await _answer(writer, 500)


async def _refuse_410(_: Sinks, writer: asyncio.StreamWriter) -> bool:
    return await _answer(writer, 410)


async def _refuse_429(sinks: Sinks, writer: asyncio.StreamWriter) -> bool:
    return await _answer(writer, 429, {"retry-after": sinks.retry_after})


async def _refuse_301(sinks: Sinks, writer: asyncio.StreamWriter) -> bool:
    return await _answer(writer, 301, {"location": f"{sinks.webhook_url}/moved"})


async def _never_answer(_: Sinks, __: asyncio.StreamWriter) -> bool:
    await asyncio.Event().wait()
    return False


_WEBHOOK_REFUSALS: dict[WebhookFault, Callable[[Sinks, asyncio.StreamWriter], Awaitable[bool]]] = {
    WebhookFault.SERVER_ERROR: _refuse_500,
    WebhookFault.TIMEOUT: _never_answer,
    WebhookFault.TOO_MANY: _refuse_429,
    WebhookFault.MOVED: _refuse_301,
    WebhookFault.GONE: _refuse_410,
}


class _MailHandler:
    """aiosmtpd's hook: called once the whole message has arrived."""

    def __init__(self, sinks: Sinks) -> None:
        self._sinks = sinks

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        message = email.message_from_bytes(envelope.original_content or b"", policy=email.policy.default)
        fault, notice = self._sinks.next_smtp_fault(), str(message.get("X-Amanah-Notice", ""))
        self._sinks.note(notice, ",".join(envelope.rcpt_tos), fault)
        if fault is SmtpFault.TEMPORARY:
            return "451 4.3.0 try again later"
        if fault is SmtpFault.PERMANENT:
            return "550 5.1.1 no such mailbox"
        content = message.get_body(("plain",))
        record = {
            "notice": notice,
            "message_id": str(message.get("Message-ID", "")),
            "recipients": list(envelope.rcpt_tos),
            "sender": envelope.mail_from or "",
            "subject": str(message.get("Subject", "")),
            "language": str(message.get("Content-Language", "")),
            "event": str(message.get("X-Amanah-Event", "")),
            "complaint_id": str(message.get("X-Amanah-Complaint", "")),
            "template": str(message.get("X-Amanah-Template", "")),
            "body": content.get_content() if content is not None else "",
        }
        await self._sinks.mail.append(record)
        if fault is SmtpFault.DROP_AFTER_DATA and isinstance(server.transport, asyncio.Transport):
            server.transport.abort()
        return "250 2.0.0 kept"


def _one_less(left: int | None) -> int | None:
    return None if left is None else left - 1


def _parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    pairs = (line.split(":", 1) for line in lines if line)
    return method, path, {name.strip().lower(): value.strip() for name, value in pairs}


async def _answer(
    writer: asyncio.StreamWriter,
    status: int,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    close: bool = False,
) -> bool:
    fields = {"content-length": str(len(body)), "content-type": "application/json"} | (headers or {})
    if close:
        fields["connection"] = "close"
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    writer.write("\r\n".join(lines).encode() + body)
    await writer.drain()
    return not close


def _reset(writer: asyncio.StreamWriter) -> bool:
    """Closes with RST instead of FIN: the sender cannot know whether its notice was taken."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False
