"""Replies of a CRM that are larger or nested more deeply than any can be are broken replies."""

from __future__ import annotations

import gzip
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.errors import BrokenReply
from connectors.fields import from_json
from connectors.hubspot import client as hubspot
from connectors.hubspot.reader import Batch
from connectors.salesforce import client as salesforce
from connectors.salesforce.http import decode
from tests.world import SimulatedWorld

DEEP = [
    b"[" * 200_000,
    b'{"results":' + b"[" * 200_000,
    b'{"results":[{"id":"1","properties":' + b'{"a":' * 100_000,
    b'{"x":"\\ud800","results":' + b"[" * 200_000,
]


@pytest.mark.parametrize("body", DEEP, ids=range(len(DEEP)))
def test_json_that_is_nested_too_deeply_is_no_json(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json(body, Batch)
    with pytest.raises(BrokenReply):
        decode(body)


@contextmanager
def server(body: bytes, encoding: str = "") -> Iterator[str]:
    """Answers every GET with that."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            if encoding:
                self.send_header("Content-Encoding", encoding)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


SMALL = 1_000_000  # bytes, in place of what is the most; the bomb unpacks to ten times that
BOMB = gzip.compress(b" " * 10 * SMALL)


@pytest.mark.parametrize(
    ("body", "encoding"), [(b" " * 2 * SMALL, ""), (BOMB, "gzip")], ids=["large", "bomb"]
)
def test_a_reply_larger_than_any_can_be_is_broken(
    body: bytes, encoding: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert len(BOMB) < SMALL / 10
    monkeypatch.setattr(hubspot, "LARGEST_REPLY", SMALL)
    monkeypatch.setattr(salesforce, "LARGEST_REPLY", SMALL)
    world = SimulatedWorld()
    with server(body, encoding) as url:
        one = hubspot.Transport(url, None, world)
        with pytest.raises(BrokenReply):
            one.send("GET", "/x", (), None, "token", "x")
        one.close()
        other = salesforce.Transport(world, None, salesforce.Timeouts())
        other.allow_plain(url)
        with pytest.raises(BrokenReply, match="larger than any can be"):
            other.send("GET", salesforce.secure(url) + "/x", {})
        with (tmp_path / "bulk.csv").open("wb") as file:
            assert other.send("GET", salesforce.secure(url) + "/x", {}, into=file).status == 200, (
                "to the disk"
            )
        other.close()
