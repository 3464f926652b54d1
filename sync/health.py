"""The daemon's pages for monitoring: `/healthz`, `/readyz`, `/metrics`.

/healthz   200 while something moves, 503 when nothing has for a quarter of an hour: restart it
/readyz    200 while it holds the lease and its last run did its work, else 503 and why
/metrics   for Prometheus
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple, Protocol

from sync.core.harmless import clean
from sync.metrics import CONTENT_TYPE
from sync.vitals import Vitals

log = logging.getLogger(__name__)

SLOWEST: Final = 10.0  # seconds that a client may take to say what it wants
PLAIN: Final = "text/plain; charset=utf-8"


class Page(NamedTuple):
    """An answer."""

    status: int
    kind: str
    body: bytes


class Measured(Protocol):
    """Something with metrics."""

    def text(self) -> bytes:
        """As Prometheus reads it."""
        ...


class Pages:
    """What stands on each page at this moment. `not_ready`: why, while it does not serve."""

    def __init__(self, vitals: Vitals, metrics: Measured, not_ready: str = "does not hold the lease") -> None:
        self._vitals = vitals
        self._metrics = metrics
        self._not_ready = not_ready

    def page(self, path: str) -> Page:
        """The page of that path."""
        vitals = self._vitals
        match path.partition("?")[0]:
            case "/healthz":
                return _said("ok" if vitals.is_alive else "nothing has moved for too long", vitals.is_alive)
            case "/readyz":
                if not vitals.ready:
                    return _said(self._not_ready, well=False)
                return _said(
                    f"the last run met {vitals.trouble}" if vitals.trouble else "ok", not vitals.trouble
                )
            case "/metrics":
                return Page(200, CONTENT_TYPE, self._metrics.text())
        return Page(404, PLAIN, b"there are /healthz, /readyz and /metrics\n")


def _said(text: str, well: bool) -> Page:
    return Page(200 if well else 503, PLAIN, f"{clean(text)}\n".encode())


@contextmanager
def serving(listen: str, pages: Pages) -> Iterator[int | None]:
    """Serve the pages on `HOST:PORT` ("" serves nothing) while the block lasts; the port.

    An address that cannot be had is logged: the daemon's work does not hang on it.
    """
    host, _, port = listen.rpartition(":")
    try:
        server = _Server((host.strip("[]"), int(port)), _handler(pages)) if listen else None
    except OSError as error:
        log.warning("%s cannot be served: %s", listen, error.strerror)
        server = None
    if server is None:
        yield None
        return
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        log.info("serving /healthz, /readyz and /metrics on %s:%d", host, server.server_port)
        try:
            yield server.server_port
        finally:
            server.shutdown()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 (the library's names)
        """A client that went away, or one of ours: never on stderr as it stands."""
        log.debug("a request for a page failed", exc_info=True)


def _handler(pages: Pages) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = SLOWEST
        server_version = "mqlsync"
        sys_version = ""

        def do_GET(self) -> None:
            page = pages.page(self.path)
            self.send_response(page.status)
            self.send_header("Content-Type", page.kind)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            self.wfile.write(page.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
            """Who asks how often is nobody's business."""

    return Handler
