"""The daemon's loop, turn by turn, on simulated CRMs: what one run meets never ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.load import load
from connectors.errors import AuthFailed, ConnectorError
from sync import privacy
from sync.app import build
from sync.cli.exits import ending
from sync.context import App, Interrupted, Silent
from sync.daemon import RETRY_AFTER, Service, run
from sync.handover import hand_in
from sync.jobs import overdue, schedules
from sync.mirror import personal, requests
from sync.mirror.lease import DAEMON, Lease, LeaseLost
from sync.mirror.requests import Ask
from sync.mirror.runs import RunView, last_run
from sync.mirror.unusable import DatabaseDamaged, DatabaseLocked, DatabaseUnreachable, DiskFull
from sync.pipeline import SyncRequest
from sync.reports import RunReport
from sync.schedule import Clockwork
from sync.stopping import StopSwitch
from sync.vitals import Notifier, Vitals
from tests.acceptance.site import Site, made


class Daemon:
    """One service with its lease, turned by hand."""

    def __init__(self, app: App, site: Site) -> None:
        self.app, self.site = app, site
        self.reports: list[RunReport] = []
        self.switch = StopSwitch()
        self.vitals = Vitals(site.world, Notifier({}))
        self.clockwork = Clockwork(schedules(app.settings.schedule))
        self.lease = Lease(app.mirror, site.world, 86_400, DAEMON)
        app.lease_epoch = self.lease.acquire()
        finished = self.reports.append
        self.service = Service(app, self.lease, self.clockwork, self.vitals, Silent(), finished, self.switch)

    @property
    def last(self) -> RunView:
        with self.app.mirror.read() as conn:
            found = last_run(conn)
        assert found is not None
        return found

    def asked(self, ask: Ask) -> requests.RequestView:
        """Hand it in, let the daemon turn once, and look."""
        request_id = hand_in(self.app, ask)
        self.service.tick(None)
        with self.app.mirror.read() as conn:
            view = requests.look(conn, request_id)
        assert view is not None
        return view

    def sign_in_fails(self, error: Exception | None) -> None:
        """From now on signing in to HubSpot raises that; None: it works again."""

        def fail() -> Any:
            raise error  # type: ignore[misc]

        connector: Any = self.app.connectors["hubspot"]
        if error is None:
            del connector.sign_in
        else:
            connector.sign_in = fail


def anna(site: Site) -> None:
    """An MQL by the fast track, in both CRMs."""
    site.pair("anna@acme.example")


@pytest.fixture
def daemon(tmp_path: Path, database: str) -> Iterator[Daemon]:
    for site in made(tmp_path, seed=anna):
        with build(load(tmp_path, site.environ), site.world, tmp_path) as app:
            app.heartbeat, app.words = False, ending
            yield Daemon(app, site)


def test_a_run_is_written_down_and_no_longer_overdue(daemon: Daemon) -> None:
    assert overdue(daemon.app, daemon.site.world.now()) == ["full"]
    daemon.service.tick("full")
    assert daemon.last.kind == "daemon:full"
    assert [report.outcome for report in daemon.reports] == ["blocked"]
    assert overdue(daemon.app, daemon.site.world.now()) == []
    daemon.site.world.advance(300)
    assert overdue(daemon.app, daemon.site.world.now()) == ["pull"]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ZeroDivisionError("ann@acme.example"), "failed"),
        (DatabaseLocked("/mirror.db", 30), "deferred"),
        (DiskFull("/mirror.db", 0), "failed"),
        (ConnectorError("half a reply", crm="hubspot"), "failed"),
        (AuthFailed("revoked", crm="hubspot"), "failed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_whatever_a_run_meets_is_written_down_and_the_next_one_comes(
    daemon: Daemon, error: Exception, outcome: str
) -> None:
    daemon.sign_in_fails(error)
    daemon.service.tick("full")
    assert daemon.last.state == outcome
    assert "ann@acme.example" not in str(daemon.last.report)
    assert daemon.vitals.trouble
    assert overdue(daemon.app, daemon.site.world.now()) == ["full"], "it is still to be done"
    daemon.sign_in_fails(None)
    daemon.site.world.advance(RETRY_AFTER)
    daemon.service.tick(None)
    due = daemon.clockwork.wait(0)
    assert due == "full"
    daemon.service.tick(due)
    assert daemon.last.state == "blocked"
    assert daemon.vitals.trouble == ""


@pytest.mark.parametrize(
    "error", [LeaseLost(), DatabaseDamaged("/mirror.db", "malformed"), Interrupted()], ids=repr
)
def test_what_the_daemon_cannot_go_on_with_ends_its_turn(daemon: Daemon, error: Exception) -> None:
    daemon.sign_in_fails(error)
    with pytest.raises(type(error)):
        daemon.service.tick("pull")
    assert daemon.last.state in ("deferred", "failed")


def test_nothing_is_decided_by_a_model_that_cannot_be_read(daemon: Daemon) -> None:
    path = daemon.site.folder / "scoring.toml"
    good = path.read_text(encoding="utf-8")
    path.write_text("[model\n", encoding="utf-8")
    daemon.service.tick("pull")
    report = daemon.last.report
    assert (report["problems"][0]["exit_code"], report["score"]["people"]) == (2, 0)
    assert "scoring.toml" in report["problems"][0]["remedy"]
    assert report["match"]["people"] == 1
    path.write_text(good, encoding="utf-8")
    daemon.service.tick("pull")
    assert daemon.last.report["score"]["mql_entered"] == 1


def test_requests_are_carried_out_between_runs(daemon: Daemon) -> None:
    view = daemon.asked(Ask("sync", SyncRequest().to_json()))
    assert (view.state, view.exit_code) == ("done", 6)
    assert view.answer is not None
    assert view.answer["document"]["score"]["mql_entered"] == 1
    assert daemon.last.kind == "sync"
    view = daemon.asked(Ask("approve", {"digest": None}))
    assert (view.state, view.exit_code) == ("done", 0)
    assert len(daemon.site.written()) > 0
    assert daemon.reports == [], "they are told to their askers"


def test_erasing_is_handed_over_without_a_word_of_whom(daemon: Daemon) -> None:
    daemon.asked(Ask("sync", SyncRequest().to_json()))
    with daemon.app.mirror.read() as conn:
        (subject,) = personal.find(conn, "anna@acme.example")
    order_id = privacy.order(daemon.app, subject)
    view = daemon.asked(Ask("erase", {"order": order_id}))
    assert (view.state, view.exit_code) == ("done", 0)
    assert view.answer is not None
    assert view.answer["document"]["rows"]["person_record"] == 2
    assert "anna" not in str(view)
    assert daemon.last.kind == "erase"
    with daemon.app.mirror.read() as conn:
        assert personal.find(conn, "anna@acme.example") == []
    daemon.asked(Ask("sync", SyncRequest().to_json()))
    with daemon.app.mirror.read() as conn:
        assert personal.find(conn, "anna@acme.example") == []


def test_a_request_that_fails_is_answered_and_the_daemon_goes_on(daemon: Daemon) -> None:
    view = daemon.asked(Ask("resync_person", {"who": "nobody@acme.example"}))
    assert (view.exit_code, view.answer) == (
        7,
        {
            "lines": [
                "Nobody is nobody@acme.example, neither in the mirror nor in a CRM.",
                "Check the address, id or URL.",
            ]
        },
    )
    view = daemon.asked(Ask("resync_person", {"who": "anna@acme.example"}))
    assert view.answer is not None
    assert len(view.answer["document"]["fields"]) > 0


def test_a_request_for_a_crm_that_is_off_is_2(daemon: Daemon) -> None:
    del daemon.app.connectors["hubspot"]
    view = daemon.asked(Ask("resync_object", {"crm": "hubspot", "object": None, "since_ms": None}))
    assert view.exit_code == 2


def test_no_request_is_begun_once_it_is_to_stop(daemon: Daemon) -> None:
    daemon.switch.press()
    hand_in(daemon.app, Ask("resync_all", {}))
    daemon.service.tick(None)
    with daemon.app.mirror.read() as conn:
        assert requests.any_waiting(conn)


def test_stopping_answers_the_request_under_way(daemon: Daemon) -> None:
    daemon.sign_in_fails(Interrupted())
    request_id = hand_in(daemon.app, Ask("sync", SyncRequest().to_json()))
    with pytest.raises(Interrupted):
        daemon.service.tick(None)
    with daemon.app.mirror.read() as conn:
        view = requests.look(conn, request_id)
    assert view is not None
    assert (view.state, view.exit_code) == ("done", 5)


def test_an_answer_that_cannot_be_written_is_written_later(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish: Callable[..., None] = requests.finish
    locked = [DatabaseLocked("/mirror.db", 30)]

    def once(*args: Any) -> None:
        if locked:
            raise locked.pop()
        finish(*args)

    monkeypatch.setattr(requests, "finish", once)
    request_id = hand_in(daemon.app, Ask("sync", SyncRequest().to_json()))
    daemon.service.tick(None)
    daemon.service.tick(None)
    with daemon.app.mirror.read() as conn:
        view = requests.look(conn, request_id)
    assert view is not None
    assert (view.state, view.exit_code) == ("done", 6)


def test_a_lease_that_cannot_be_taken_for_now_is_waited_for(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server goes away after the lease was lost: neither is an end."""
    daemon.lease.release()
    app, switch, vitals = daemon.app, daemon.switch, daemon.vitals
    acquire = Lease.acquire
    troubles: list[Exception] = [DatabaseUnreachable("db", "refused"), LeaseLost(), DatabaseLocked("db", 30)]
    ready = []

    def at_last(lease: Lease, *args: Any, **options: Any) -> int:
        ready.append(vitals.ready)
        if troubles:
            raise troubles.pop(0)
        return acquire(lease, *args, **options)

    def finished(report: RunReport) -> None:
        daemon.reports.append(report)
        switch.press()

    monkeypatch.setattr(Lease, "acquire", at_last)
    run(app, switch, vitals, Silent(), finished)
    assert [report.outcome for report in daemon.reports] == ["blocked"]
    assert daemon.site.world.slept[:3] == [5.0] * 3
    assert ready == [False] * 4
    troubles.append(DatabaseDamaged("db", "malformed"))
    with pytest.raises(DatabaseDamaged):
        run(app, StopSwitch(), vitals, Silent(), finished)
