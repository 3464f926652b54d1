"""What the daemon does while its database is full or locked: one alert, and on with it once it is mended."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from config.load import load
from sync.alerts import Alerts, problems_now
from sync.app import build
from sync.cli.exits import ending
from sync.mirror import engine
from sync.mirror.unusable import DatabaseUnusable
from sync.status import status_of
from tests.acceptance.site import made
from tests.unit.test_daemon import Daemon, anna

pytestmark = pytest.mark.sqlite("its file is full, or locked by another")


class Watched:
    """A daemon whose runs are looked at for alerts, as the command does it."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.told: list[tuple[str, str]] = []
        site = daemon.site
        self.alerts = Alerts(daemon.app.mirror, site.world, {"webhook": self._deliver})

    def _deliver(self, message: Mapping[str, Any]) -> None:
        self.told.append((message["event"], message["alert"]))

    def turn(self) -> int:
        """A minute later: a pull; the exit code of its report."""
        daemon = self.daemon
        daemon.site.world.advance(60)
        daemon.service.tick("pull")
        report, app = daemon.reports[-1], daemon.app
        now = int(daemon.site.world.now().timestamp())
        try:
            status = status_of(app.mirror, tuple(app.connectors), now, app.settings)
        except DatabaseUnusable:
            status = None
        self.alerts.tell(problems_now(status, report, 0))
        return report.exit_code


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT", 20)  # milliseconds
    for site in made(tmp_path, seed=anna):
        site.unasked()
        site.environ["MQLSYNC_DATABASE_URL"] = f"sqlite:///{tmp_path / 'own.db'}"
        with build(load(tmp_path, site.environ), site.world, tmp_path) as app:
            app.heartbeat, app.words = False, ending
            yield Watched(Daemon(app, site))


def work(watched: Watched, number: int) -> None:
    """Something to store and to write."""
    watched.daemon.site.pair(f"new{number}@acme.example")


def test_a_database_locked_for_minutes_is_one_alert_and_no_end(watched: Watched, tmp_path: Path) -> None:
    assert watched.turn() == 0
    with closing(sqlite3.connect(tmp_path / "own.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(4):
            work(watched, number)
            assert watched.turn() == 5
        other.execute("ROLLBACK")
    assert watched.told == [("open", "database")]
    assert watched.daemon.vitals.trouble == "DatabaseLocked"
    assert watched.turn() == 0
    assert watched.told == [("open", "database"), ("close", "database")]
    assert watched.daemon.vitals.trouble == ""
    assert len({entry.id for entry in watched.daemon.site.written()}) == 10


def test_a_full_disk_is_one_alert_and_goes_on_when_there_is_room(watched: Watched) -> None:
    assert watched.turn() == 0
    held = watched.daemon.app.mirror.engine
    limit = [1]

    def bound(connection: Any, _: Any = None) -> None:
        connection.execute(f"PRAGMA max_page_count = {limit[0]}").close()

    event.listen(held, "connect", bound)
    held.dispose()
    for number in range(100):  # until a page is needed that is not there
        for part in range(5):
            work(watched, 5 * number + part)
        if watched.turn() == 13:
            break
    else:
        pytest.fail("it never was full")
    assert watched.turn() == 13
    assert watched.told.count(("open", "disk")) == 1
    limit[0] = 2**30
    held.dispose()
    assert watched.turn() == 0
    assert watched.told[-1] == ("close", "disk")
    assert watched.daemon.vitals.trouble == ""
    assert all(entry.after for entry in watched.daemon.site.written())
