"""HTTP as any program may speak it: bytes out, status, headers and bytes back, over one connection while it holds."""

import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse


@dataclass(frozen=True)
class Answer:
    """What came back. `status` 0: the server closed the connection without a word."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0]


class Raw:
    """One client; it never repairs what it is told to send."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(
        self, method: bytes, target: bytes, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b""
    ) -> Answer:
        lines = [method + b" " + target + b" HTTP/1.1", b"host: localhost"]
        lines += [name + b": " + value for name, value in headers]
        if body or method in (b"POST", b"PUT", b"PATCH"):
            lines.append(b"content-length: %d" % len(body))
        return self.send(b"\r\n".join([*lines, b"", b""]) + body, method)

    def send(self, request: bytes, method: bytes = b"GET") -> Answer:
        fresh = self._socket is None
        try:
            return self._once(request, method)
        except OSError:
            self.close()
            if fresh:
                return Answer(0, {}, b"")
        return self.send(request, method)  # the server had closed an old connection

    def send_and_close(self, request: bytes) -> Answer:
        """Says that nothing more will come: a request that has no end is over then."""
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=30) as once:
                once.sendall(request)
                once.shutdown(socket.SHUT_WR)
                response = HTTPResponse(once)
                response.begin()
                return Answer(response.status, {}, response.read())
        except TimeoutError:
            raise AssertionError("no answer within 30 s") from None
        except (OSError, HTTPException):
            return Answer(0, {}, b"")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _once(self, request: bytes, method: bytes) -> Answer:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=30)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(request)  # it may have answered before it had read all
        response = HTTPResponse(self._socket, method=method.decode("latin-1"))
        try:
            response.begin()
            answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        except TimeoutError:
            raise AssertionError("no answer within 30 s") from None
        except Exception as broken:
            raise ConnectionError from broken
        if response.will_close:
            self.close()
        return answer
