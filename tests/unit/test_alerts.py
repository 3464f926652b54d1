"""Alerts: one message when a problem begins, one when it is over, over restarts and failures."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sync.alerts import Alerts, problems_now
from sync.messengers import Undelivered, post_json
from sync.mirror.engine import Mirror
from sync.mirror.runs import meta_like, set_meta
from sync.mirror.unusable import DatabaseUnusable, DiskFull
from sync.reports import FeedCounts, RunProblem, RunReport
from sync.status import Status
from tests.databases import mirror_url
from tests.world import SimulatedWorld

WELL = Status("ok", [], {"hubspot": 1}, 0, 0, 0, 0, books_balance=True)


class Hook:
    """A webhook, and the alerts that go to it; `restart` gives new ones on the same mirror."""

    def __init__(self, folder: Path) -> None:
        self.world = SimulatedWorld()
        self.mirror = Mirror(mirror_url(folder), self.world)
        self.got: list[tuple[str, str]] = []
        self.down = False
        self.others: dict[str, Callable[[Mapping[str, Any]], None]] = {}
        self.restart()

    def restart(self) -> None:
        self.alerts = Alerts(self.mirror, self.world, {"webhook": self._post, **self.others})

    def _post(self, message: Mapping[str, Any]) -> None:
        if self.down:
            raise Undelivered("the webhook answered 500")
        self.got.append((message["event"], message["alert"]))

    def look(self, *wrong: str) -> list[tuple[str, str]]:
        """What one look tells."""
        before = len(self.got)
        self.world.advance(300)
        self.alerts.tell({key: f"{key} is wrong" for key in wrong})
        return self.got[before:]


@pytest.fixture
def hook(tmp_path: Path, database: str) -> Iterator[Hook]:
    made = Hook(tmp_path)
    yield made
    made.mirror.close()


def test_once_open_once_closed(hook: Hook) -> None:
    assert hook.look("disk") == [("open", "disk")]
    assert hook.look("disk", "books") == [("open", "books")]
    assert hook.look("books") == [("close", "disk")]
    assert hook.look() == [("close", "books")]
    assert hook.look() == []
    assert hook.look("disk") == [("open", "disk")]


def test_a_restart_repeats_nothing(hook: Hook) -> None:
    hook.look("disk")
    hook.restart()
    assert hook.look("disk") == []
    hook.restart()
    assert hook.look() == [("close", "disk")]
    with hook.mirror.read() as conn:
        assert meta_like(conn, "alert.") == {}


def test_what_cannot_be_delivered_is_delivered_later(hook: Hook) -> None:
    hook.down = True
    assert hook.look("disk") == []
    hook.restart()
    hook.down = False
    assert hook.look("disk") == [("open", "disk")]
    hook.down = True
    assert hook.look() == []
    hook.down = False
    assert hook.look() == [("close", "disk")]


def test_what_came_and_went_unheard_is_no_news(hook: Hook) -> None:
    hook.down = True
    hook.look("disk")
    hook.look()
    hook.down = False
    assert hook.look() == []


def test_what_came_back_before_its_end_was_told_goes_on(hook: Hook) -> None:
    hook.look("disk")
    hook.down = True
    hook.look()
    hook.down = False
    assert hook.look("disk") == []
    assert hook.look() == [("close", "disk")]


def test_a_full_disk_is_told_although_nothing_can_be_stored(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:

        @contextmanager
        def full(**_: Any) -> Iterator[None]:
            raise DiskFull("/mirror.db", 0)
            yield

        broken.setattr(hook.mirror, "write", full)
        assert hook.look("disk") == [("open", "disk")]
        assert hook.look("disk") == []
    assert hook.look() == [("close", "disk")]


def test_each_road_is_told_everything_once_whatever_becomes_of_the_others(hook: Hook) -> None:
    slack: list[tuple[str, str]] = []
    hook.others["slack"] = lambda message: slack.append((message["event"], message["alert"]))
    hook.restart()
    hook.down = True
    hook.look("disk")
    hook.look("disk")
    assert slack == [("open", "disk")]
    hook.down = False
    assert hook.look("disk") == [("open", "disk")]
    hook.down = True
    hook.look()
    hook.down = False
    assert hook.look() == [("close", "disk")]
    assert slack == [("open", "disk"), ("close", "disk")]
    with hook.mirror.read() as conn:
        assert meta_like(conn, "alert.") == {}


def test_an_alert_of_an_older_version_is_closed(hook: Hook) -> None:
    old = {"opened_at": 1, "closed_at": None, "text": "it is", "told": True}
    with hook.mirror.write() as conn:
        set_meta(conn, "alert.disk", json.dumps(old))
    assert hook.look() == [("close", "disk")]


def test_mqls_that_are_overdue_are_told_of_unless_nobody_wants_to_know() -> None:
    late = replace(WELL, overdue=3)
    assert set(problems_now(late, RunReport("r"), 0)) == {"sla"}
    assert problems_now(late, RunReport("r"), 0, remind=False) == {}


def test_what_is_a_problem() -> None:
    def run(*codes: int) -> RunReport:
        return RunReport("r", problems=[RunProblem("X", "hubspot", "m", "", code) for code in codes])

    assert problems_now(WELL, run(), 0) == {}
    assert set(problems_now(WELL, run(4, 13, 5), 0)) == {"auth.hubspot", "disk"}
    assert set(problems_now(None, run(), 0)) == {"mirror"}
    unbalanced = RunReport("r", pull={"hubspot": {"contacts": FeedCounts(seen=1)}})
    assert set(problems_now(WELL, unbalanced, 0)) == {"books"}
    bad = Status(
        "failed", [], {}, 0, parked=3, conflict=2, unsure=0, books_balance=False, stale=["salesforce"],
        waits_for_approval=True,
    )  # fmt: skip
    assert set(problems_now(bad, run(), 4)) == {"books", "parked", "stale.salesforce", "approval"}
    assert "parked" not in problems_now(bad, run(), 5)


# --- the message itself, over HTTP ---------------------------------------------------------------------


@contextmanager
def server(status: int) -> Iterator[tuple[str, list[bytes]]]:
    """A webhook on loopback that answers that; its URL, and the bodies it got."""
    got: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/s3cret", got
        running.shutdown()


def test_the_message_is_json_that_chat_systems_show() -> None:
    with server(204) as (url, got):
        post_json(url, {"text": "mqlsync: the disk is full"})
    assert json.loads(got[0]) == {"text": "mqlsync: the disk is full"}


@pytest.mark.parametrize("status", [302, 403, 500])
def test_other_answers_are_no_delivery_and_are_not_followed(status: int) -> None:
    with server(status) as (url, got), pytest.raises(Undelivered) as caught:
        post_json(url, {})
    assert len(got) == 1
    assert str(caught.value) == f"the webhook answered {status}"


def test_nobody_there_is_no_delivery_and_names_no_address() -> None:
    with server(204) as (url, _):
        pass
    with pytest.raises(Undelivered) as caught:
        post_json(url, {})
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_mirror_that_cannot_be_read_is_survived(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise DatabaseUnusable("/mirror.db", "gone")

    monkeypatch.setattr(hook.mirror, "read", broken)
    assert hook.look("mirror") == [("open", "mirror")]
