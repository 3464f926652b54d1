"""A small HTTP/1.1 server on loopback: keep-alive, one thread per connection, able to misbehave on demand.

`Server(crm, clock, answer)` asks `answer(request)` for a `Reply`. It parses requests itself, without the
standard library's handler, so that connections can be cut, dripped and dropped exactly where a fault says.
"""

from __future__ import annotations

import contextlib
import email.utils
import http
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import parse_qs, unquote

from connectors.sandbox.core import Request, Response

MAX_HEAD = 16_384  # bytes of request line and headers; both CRMs refuse more
MAX_BODY = 64 * 1024 * 1024  # bytes


@dataclass(slots=True)
class Reply:
    """An answer and how it is delivered: whole, cut, drop (nothing at all) or drip (over `seconds`)."""

    response: Response
    how: str = "whole"
    seconds: float = 0.0


class _MalformedError(Exception):
    """The request cannot be read; carries the status to answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Server:
    """Listens on 127.0.0.1, an ephemeral port, from construction on; `stop` closes everything."""

    def __init__(
        self,
        crm: str,
        clock: Callable[[], float],
        answer: Callable[[Request], Reply],
        host: str = "127.0.0.1",
    ) -> None:
        self.crm = crm
        self._clock = clock
        self._answer = answer
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._listener = socket.create_server((host, 0), backlog=128)
        self.url = f"http://{host}:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, name=f"sandbox-{crm}", daemon=True).start()

    def stop(self) -> None:
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._guard:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._guard:
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        reader: BinaryIO = connection.makefile("rb")
        try:
            while not self.stopping.is_set() and self._exchange(connection, reader):
                pass
        except OSError:
            pass  # the client went away, or `stop` closed the connection
        finally:
            with self._guard:
                self._connections.discard(connection)
            reader.close()
            connection.close()

    def _exchange(self, connection: socket.socket, reader: BinaryIO) -> bool:
        """One request and its answer; False ends the connection."""
        try:
            request = self._read(connection, reader)
        except _MalformedError as problem:
            page = f"<h1>Bad Message {problem.status}</h1><pre>reason: {problem.status}</pre>"
            response = Response.text(page, problem.status, "text/html;charset=iso-8859-1")
            connection.sendall(self._head(response, True) + response.body)
            return False
        if request is None:
            return False
        reply = self._answer(request)
        closing = request.header("connection").lower() == "close"
        return self._send(connection, request, reply, closing) and not closing

    def _read(self, connection: socket.socket, reader: BinaryIO) -> Request | None:
        line = reader.readline(MAX_HEAD + 1)
        if not line:
            return None
        if len(line) > MAX_HEAD:
            raise _MalformedError(414)
        parts = line.decode("iso-8859-1").split()
        if len(parts) != 3:
            raise _MalformedError(400)
        headers = self._headers(reader, len(line))
        if headers.get("expect", "").lower() == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if parts[2] == "HTTP/1.0" and headers.get("connection", "").lower() != "keep-alive":
            headers["connection"] = "close"
        body = self._body(reader, headers)
        target = parts[1]
        if target.startswith("http://"):  # absolute form, as sent to proxies
            target = "/" + target.split("/", 3)[3] if target.count("/") >= 3 else "/"
        path, _, query = target.partition("?")
        return Request(
            n=0,
            at=self._clock(),
            crm=self.crm,
            method=parts[0].upper(),
            path=unquote(path),
            query=parse_qs(query, keep_blank_values=True) if query else {},
            headers=headers,
            body=body,
            base_url=f"http://{headers.get('host') or self.url.removeprefix('http://')}",
        )

    @staticmethod
    def _headers(reader: BinaryIO, size: int) -> dict[str, str]:
        headers: dict[str, str] = {}
        while True:
            line = reader.readline(MAX_HEAD + 1)
            size += len(line)
            if size > MAX_HEAD:
                raise _MalformedError(431)
            if line in (b"\r\n", b"\n"):
                return headers
            name, colon, value = line.decode("iso-8859-1").partition(":")
            if not colon:
                raise _MalformedError(400)
            headers[name.strip().lower()] = value.strip()

    @staticmethod
    def _body(reader: BinaryIO, headers: dict[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return _chunked(reader)
        try:
            length = int(headers.get("content-length") or 0)
        except ValueError:
            raise _MalformedError(400) from None
        if length > MAX_BODY:
            raise _MalformedError(413)
        body = reader.read(length)
        if len(body) < length:
            raise _MalformedError(400)
        return body

    def _send(self, connection: socket.socket, request: Request, reply: Reply, closing: bool) -> bool:
        """Deliver as the reply says; False when the connection is no longer usable."""
        if reply.how == "drop":
            return False
        response = reply.response
        body = b"" if request.method == "HEAD" else response.body
        head = self._head(response, closing)
        if reply.how == "cut":
            connection.sendall(head + body[: len(body) // 2])
            return False
        if reply.how == "drip":
            connection.sendall(head)
            step = max(1, -(-len(body) // 10))
            for start in range(0, len(body), step):
                if self.stopping.wait(reply.seconds / 10):
                    return False
                connection.sendall(body[start : start + step])
            return True
        connection.sendall(head + body)
        return True

    def _head(self, response: Response, closing: bool) -> bytes:
        try:
            reason = http.HTTPStatus(response.status).phrase
        except ValueError:
            reason = "Unknown"
        lines = [f"HTTP/1.1 {response.status} {reason}"]
        lines.append("Date: " + email.utils.formatdate(self._clock(), usegmt=True))
        if response.body:
            lines.append(f"Content-Type: {response.content_type}")
        if response.status not in (204, 304):
            lines.append(f"Content-Length: {len(response.body)}")
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        lines.append("Connection: close" if closing else "Connection: keep-alive")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("iso-8859-1", "replace")


def _chunked(reader: BinaryIO) -> bytes:
    pieces: list[bytes] = []
    total = 0
    while True:
        try:
            size = int(reader.readline(1024).split(b";")[0], 16)
        except ValueError:
            raise _MalformedError(400) from None
        total += size
        if total > MAX_BODY:
            raise _MalformedError(413)
        if size == 0:
            while reader.readline(MAX_HEAD) not in (b"\r\n", b"\n", b""):
                pass
            return b"".join(pieces)
        pieces.append(reader.read(size))
        reader.readline(8)
