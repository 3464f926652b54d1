"""The daemon's jobs: what each key of [schedule] does, what is overdue, and the chores beside the passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.load import load
from config.running import ScheduleSettings
from sync.app import build
from sync.chores import CHORES
from sync.cli.exits import ending
from sync.jobs import overdue, request_of, schedules
from sync.pipeline import STAGES
from sync.status import status_of
from tests.acceptance.site import made
from tests.unit.test_daemon import Daemon, anna

DAY = 86_400


def settings(**given: str) -> ScheduleSettings:
    return ScheduleSettings.model_validate(given)


def stages(name: str, **given: str) -> tuple[set[str], Any]:
    """What a job does, and which CRMs it pulls (None: all)."""
    request = request_of(name, settings(**given))
    assert request is not None
    return set(request.only), request.pull_crms


def test_by_default_a_pull_does_everything_and_the_chores_have_their_nights() -> None:
    assert set(schedules(settings())) == {"pull", "full", *CHORES}
    assert stages("pull") == (set(STAGES), None)
    assert all(request_of(name, settings()) is None for name in CHORES)


def test_what_has_a_time_of_its_own_is_left_out_of_the_pull() -> None:
    own = {"hubspot": "15m", "score": "1h", "write": "0 * * * *"}
    assert set(schedules(settings(**own))) == {"pull", "full", "hubspot", "score", "write", *CHORES}
    assert stages("pull", **own) == ({"pull", "match"}, ("salesforce",))
    assert stages("hubspot", **own) == ({"pull", "match"}, ("hubspot",))
    assert stages("score", **own) == ({"match", "score"}, None)
    assert stages("write", **own) == ({"decide", "write"}, None)
    assert stages("full", **own) == (set(STAGES), None)


def test_two_crms_with_their_own_times_leave_nothing_to_the_pull() -> None:
    assert "pull" not in schedules(settings(salesforce="5m", hubspot="15m"))


def test_never_is_never() -> None:
    found = schedules(
        settings(full="never", sweep="never", reconcile="never", sample="never", retention="never")
    )
    assert found == {"pull": "5m"}


# --- in the daemon -------------------------------------------------------------------------------------


@pytest.fixture
def daemon(tmp_path: Path, database: str) -> Iterator[Daemon]:
    for site in made(tmp_path, seed=anna):
        site.unasked()
        with build(load(tmp_path, site.environ), site.world, tmp_path) as app:
            app.heartbeat, app.words = False, ending
            yield Daemon(app, site)


def due(daemon: Daemon) -> list[str]:
    return overdue(daemon.app, daemon.site.world.now())


def test_each_chore_runs_once_in_its_night_and_late_when_it_was_missed(daemon: Daemon) -> None:
    assert due(daemon) == ["full"]
    daemon.service.tick("full")
    daemon.site.world.advance(9 * DAY)  # nobody was there for more than a week
    assert set(due(daemon)) == {"full", "reconcile", "sample", "retention"}
    for name in due(daemon):
        daemon.service.tick(name)
        assert daemon.last.kind == f"daemon:{name}"
        assert daemon.last.state == "ok", daemon.last.report
    assert due(daemon) == []
    daemon.site.world.advance(DAY)
    assert set(due(daemon)) >= {"pull", "reconcile", "sample", "retention"}


def test_a_clock_that_is_set_back_stops_no_job(daemon: Daemon) -> None:
    assert due(daemon) == ["full"]  # and the chores are seen for the first time
    daemon.service.tick("full")
    daemon.site.world.advance(-365 * DAY)
    assert due(daemon) == ["full", "reconcile", "sample", "retention"]


def test_what_is_overdue_is_found_though_nothing_wakes_us(daemon: Daemon) -> None:
    daemon.service.tick("full")
    daemon.site.world.advance(400)
    daemon.service.tick(None)
    assert daemon.clockwork.wait(0) == "pull"
    assert daemon.clockwork.wait(0) is None


def lead_of(daemon: Daemon) -> Any:
    (lead,) = daemon.site.sandbox.store.table("salesforce", "Lead").alive()
    return lead


def test_drift_is_found_shown_and_mended_by_the_ordinary_road(daemon: Daemon) -> None:
    site = daemon.site
    daemon.service.tick("full")
    lead = lead_of(daemon)
    assert lead.values["Status"] == "MQL"
    site.world.advance(DAY)
    site.sandbox.edit("salesforce", "Lead", lead.id, {"Status": "New"}, author="automation")
    daemon.service.tick("pull")
    assert lead.values["Status"] == "New", "a spell is written once"
    daemon.service.tick("reconcile")
    assert daemon.last.report["reconcile"]["drift"] == 1
    assert daemon.last.report["write"]["verified"] == 1
    assert lead.values["Status"] == "MQL"
    now = int(site.world.now().timestamp())
    status = status_of(daemon.app.mirror, ("salesforce",), now, daemon.app.settings)
    assert status.reconciled["classes"]["drift"] == 1
    daemon.service.tick("reconcile")
    assert daemon.last.report["reconcile"]["drift"] == 0


def test_what_a_person_changed_is_no_drift(daemon: Daemon) -> None:
    daemon.service.tick("full")
    lead = lead_of(daemon)
    daemon.site.world.advance(DAY)
    daemon.site.edit_lead(lead.id, Status="Working - Contacted")
    written = len(daemon.site.written())
    for _ in range(2):
        daemon.service.tick("reconcile")
        assert daemon.last.report["reconcile"]["drift"] == 0
        assert daemon.last.report["reconcile"]["human_held"] == 1
    assert lead.values["Status"] == "Working - Contacted"
    assert len(daemon.site.written()) == written


def test_the_sweep_alone_finds_what_went_without_a_trace(daemon: Daemon) -> None:
    daemon.service.tick("full")
    lead = lead_of(daemon)
    daemon.site.sandbox.store.erase("salesforce", lead)
    daemon.service.tick("sweep")
    assert daemon.last.report["pull"]["salesforce"]["Lead"]["gone"] == 1
    assert daemon.last.report["books_balance"] is True


def test_no_comparison_by_a_model_that_cannot_be_read(daemon: Daemon) -> None:
    daemon.service.tick("full")
    (daemon.site.folder / "scoring.toml").write_text("[model\n", encoding="utf-8")
    daemon.service.tick("reconcile")
    assert "reconcile" not in daemon.last.report
    daemon.service.tick("retention")
    assert daemon.last.kind == "daemon:retention"
