"""Every run leaves a row that says how it ended, and no run works on an account that is not this mirror's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from connectors.errors import Fatal
from connectors.memory import MemoryConnector
from connectors.records import Identity
from sync import pipeline, resync
from sync.context import App, Context, Silent
from sync.mirror.engine import Mirror
from sync.mirror.lease import LeaseLost, holder
from sync.mirror.runs import last_run
from sync.mirror.unusable import DatabaseLocked
from sync.pipeline import SyncRequest
from sync.reports import FeedCounts
from tests.databases import mirror_url
from tests.world import SimulatedWorld


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    world = SimulatedWorld()
    mirror = Mirror(mirror_url(tmp_path), world)
    made = App(Settings(), world, tmp_path, mirror, [], "", heartbeat=False)
    for crm in ("salesforce", "hubspot"):
        made.connectors[crm] = MemoryConnector(crm, world)
    with made:
        yield made


def ended(app: App) -> tuple[str, list[str]]:
    """The newest run's outcome and the codes of its problems."""
    with app.mirror.read() as conn:
        run = last_run(conn)
    assert run is not None
    return run.state, [problem["code"] for problem in run.report.get("problems", [])]


def breaking(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """From here on matching raises this."""

    def broken(ctx: Context) -> None:
        raise error

    monkeypatch.setattr(pipeline, "match", broken)


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (ZeroDivisionError(), "failed", "CUT_SHORT"),
        (DatabaseLocked("mirror.db", 30), "failed", "DATABASE_LOCKED"),
        (LeaseLost("epoch 1"), "failed", "CUT_SHORT"),
        (Fatal("unexpected", crm="hubspot", code="X"), "failed", "HS-X"),
        (KeyboardInterrupt(), "deferred", "CUT_SHORT"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_a_run_that_raises_says_so(
    app: App, monkeypatch: pytest.MonkeyPatch, error: BaseException, state: str, code: str
) -> None:
    breaking(monkeypatch, error)
    with pytest.raises(type(error)):
        pipeline.sync(app, SyncRequest())
    assert ended(app) == (state, [code])
    with app.mirror.read() as conn:
        assert holder(conn, int(app.world.now().timestamp())) is None, "the lease is free"


def test_the_words_of_an_error_are_not_kept(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    breaking(monkeypatch, ValueError("somebody@example.com"))
    with pytest.raises(ValueError, match="somebody"):
        pipeline.sync(app, SyncRequest())
    with app.mirror.read() as conn:
        run = last_run(conn)
    assert run is not None
    assert "somebody" not in json.dumps(dict(run.report))


def test_a_resync_of_nobody_ends_too(app: App) -> None:
    with pytest.raises(resync.NobodyThere):
        resync.resync_person(app, "nobody@example.com")
    assert ended(app) == ("failed", ["CUT_SHORT"])


def test_an_error_that_the_mirror_cannot_note_is_the_one_that_is_raised(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise DatabaseLocked("mirror.db", 30)

    breaking(monkeypatch, ZeroDivisionError())
    monkeypatch.setattr(pipeline, "finish_run", no_room)
    with pytest.raises(ZeroDivisionError):
        pipeline.sync(app, SyncRequest())
    monkeypatch.undo()
    assert pipeline.sync(app, SyncRequest()).exit_code == 0


class Elsewhere(MemoryConnector):
    """The same ids in another account; it must never be written to."""

    def sign_in(self) -> Identity:
        return replace(super().sign_in(), account_id="another")

    def read(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("another account was read for a write")

    def write(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("another account was written to")


@pytest.mark.parametrize("command", ["sync", "plan", "approve"])
def test_an_account_that_is_not_ours_is_left_alone(app: App, command: str) -> None:
    """A copy of an org has the same ids, and a HubSpot contact 101 is in every account."""
    assert pipeline.sync(app, SyncRequest()).exit_code == 0
    app.connectors["hubspot"] = Elsewhere("hubspot", app.world)
    if command == "sync":
        problems = pipeline.sync(app, SyncRequest(only=frozenset({"write"}))).problems
    elif command == "plan":
        problems = pipeline.plan(app, Silent()).problems
    else:
        with pipeline.one_off(app, "approve", None) as (ctx, report):
            assert list(ctx.connectors) == ["salesforce"]
        problems = report.problems
    assert [(problem.code, problem.exit_code) for problem in problems] == [("HS-OTHER_ACCOUNT", 2)]


def test_books_that_do_not_balance_stop_the_writes_of_a_resync(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.connectors["hubspot"].put("contacts", "1", email="a@x.com")  # type: ignore[attr-defined]
    wrong = {"contacts": FeedCounts(seen=2, stored=1)}
    monkeypatch.setattr(resync, "pull", lambda *_, **__: wrong)
    monkeypatch.setattr(pipeline, "write_back", lambda *_, **__: pytest.fail("something was written"))
    report = resync.resync_person(app, "a@x.com")
    assert report.exit_code == 1
    assert "BOOKS" in [problem.code for problem in report.run.problems]
