"""The daemon's jobs: what each key of [schedule] does, what is overdue, and the chores beside the passes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from config.load import load
from config.running import ScheduleSettings
from sync.app import build
from sync.chores import CHORES
from sync.cli.exits import ending
from sync.context import Silent
from sync.daemon import Service
from sync.jobs import covered_by, mark_begun, overdue, request_of, schedules, timetable
from sync.pipeline import STAGES, SyncRequest
from sync.schedule import Clockwork
from sync.status import status_of
from sync.stopping import StopSwitch
from sync.turns import due_now
from tests.acceptance.site import made
from tests.unit.test_daemon import Daemon, anna

DAY = 86_400


def settings(**given: Any) -> ScheduleSettings:
    return ScheduleSettings.model_validate(given)


def stages(name: str, **given: Any) -> tuple[set[str], Any]:
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


OBJECTS = {"objects": {"salesforce.Task": "0 3 * * *", "hubspot.contacts": "10m"}}


def test_an_object_with_times_of_its_own_is_a_job_and_left_out_of_the_others() -> None:
    found = schedules(settings(**OBJECTS))
    assert (found["salesforce.Task"], found["hubspot.contacts"]) == ("0 3 * * *", "10m")
    assert stages("salesforce.Task", **OBJECTS) == (set(STAGES), ("salesforce",))
    own = request_of("salesforce.Task", settings(**OBJECTS))
    rest = request_of("pull", settings(**OBJECTS))
    full = request_of("full", settings(**OBJECTS))
    assert own is not None and rest is not None and full is not None  # noqa: PT018 (for the types)
    assert (own.pull_objects, own.leave_objects) == (("salesforce.Task",), ())
    assert (rest.pull_objects, rest.leave_objects) == (None, ("salesforce.Task", "hubspot.contacts"))
    assert (full.pull_objects, full.leave_objects) == (None, ())
    assert {*OBJECTS["objects"], "pull"} < set(covered_by("full", settings(**OBJECTS)))
    assert SyncRequest.from_json(json.loads(json.dumps(own.to_json()))) == own
    assert SyncRequest.from_json(json.loads(json.dumps(rest.to_json()))) == rest


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


# --- objects with times of their own ------------------------------------------------------------------


def with_objects(daemon: Daemon, zone: str, **objects: str) -> None:
    """From now on these objects have a schedule, by the clock of that zone."""
    told = {"objects": {name.replace("_", "."): text for name, text in objects.items()}, "zone": zone}
    never = dict.fromkeys(("full", "sweep", "reconcile", "sample", "retention"), "never")
    given = settings(**told, **never)
    daemon.app.settings = daemon.app.settings.model_copy(update={"schedule": given})


def pulled_by(daemon: Daemon, name: str) -> set[str]:
    """What a run of that job pulled."""
    daemon.service.tick(name)
    assert daemon.last.kind == f"daemon:{name}"
    return {f"{crm}.{feed}" for crm, feeds in daemon.last.report["pull"].items() for feed in feeds}


def test_an_object_is_pulled_by_its_cron_line_and_not_with_the_rest(daemon: Daemon) -> None:
    with_objects(daemon, "UTC", salesforce_Lead="0 12 * * *")
    world = daemon.site.world  # it is 9 o'clock
    assert due(daemon) == ["pull", "salesforce.Lead"], "neither ever ran"
    assert "salesforce.Lead" in pulled_by(daemon, "pull"), "what was never read is not left"
    assert pulled_by(daemon, "salesforce.Lead") == {"salesforce.Lead"}
    world.advance(300)
    daemon.site.lead("ben@acme.example")
    assert due(daemon) == ["pull"]
    rest = pulled_by(daemon, "pull")
    assert "salesforce.Lead" not in rest
    assert {"salesforce.Contact", "hubspot.contacts"} <= rest
    world.advance(3 * 3600)
    assert due(daemon) == ["pull", "salesforce.Lead"]
    assert pulled_by(daemon, "salesforce.Lead") == {"salesforce.Lead"}
    assert daemon.last.report["pull"]["salesforce"]["Lead"]["stored"] == 1
    assert daemon.last.report["match"]["people"] == 2
    assert due(daemon) == ["pull"]


def test_an_object_may_be_pulled_more_often_than_the_rest(daemon: Daemon) -> None:
    with_objects(daemon, "UTC", hubspot_contacts="30s")
    for name in due(daemon):
        daemon.service.tick(name)
    daemon.site.world.advance(31)
    assert due(daemon) == ["hubspot.contacts"]
    assert pulled_by(daemon, "hubspot.contacts") == {"hubspot.contacts"}
    now = int(daemon.site.world.now().timestamp())
    with daemon.app.mirror.read() as conn:
        lines = timetable(conn, daemon.app.settings.schedule, now)
    assert [(one.job, one.when) for one in lines] == [("hubspot.contacts", "30s"), ("pull", "5m")]
    assert all(one.last is not None and one.next - one.last in (30, 300) for one in lines)


@pytest.mark.sqlite("about the clock")
@pytest.mark.parametrize(
    ("zone", "day"), [("Europe/Berlin", "2027-03-28"), ("America/New_York", "2026-11-01")], ids=str
)
def test_an_objects_night_comes_once_where_the_clock_is_changed(daemon: Daemon, zone: str, day: str) -> None:
    """At half past two, which one of these days skips, and at half past one, which the other has twice."""
    with_objects(daemon, zone, salesforce_Lead="30 2 * * *", salesforce_Contact="30 1 * * *")
    world = daemon.site.world
    start = datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=ZoneInfo(zone)) - timedelta(days=1)
    world.advance(start - world.now())
    mark_begun(daemon.app, ["pull", "salesforce.Lead", "salesforce.Contact"], start)
    ran: list[tuple[str, str]] = []
    while world.now() < start + timedelta(days=3):
        world.advance(600)
        for name in set(due(daemon)) - {"pull"}:
            mark_begun(daemon.app, [name], world.now())
            ran.append((name, world.now().astimezone(ZoneInfo(zone)).date().isoformat()))
    days = {date for _, date in ran}
    assert len(days) == 3
    assert sorted(ran) == sorted(
        (name, date) for name in ("salesforce.Contact", "salesforce.Lead") for date in days
    )


def test_a_worker_gives_an_object_its_turn(daemon: Daemon) -> None:
    with_objects(daemon, "UTC", hubspot_contacts="1h")
    now = daemon.site.world.now()
    mark_begun(daemon.app, ["pull", "hubspot.contacts"], now)
    assert due_now(daemon.app, now + timedelta(minutes=5)) == ["pull"]
    assert due_now(daemon.app, now + timedelta(hours=1)) == ["pull", "hubspot.contacts"]


@pytest.mark.sqlite("about words on the screen")
def test_status_tells_what_comes_next_once_a_daemon_has_served(daemon: Daemon) -> None:
    site = daemon.site
    assert site.json("status")["schedule"] == []
    site.replace("[schedule]\n", '[schedule]\nobjects = { "salesforce.Lead" = "0 12 * * *" }\n')
    daemon.app.settings = load(site.folder, site.environ)
    mark_begun(daemon.app, ["pull", "salesforce.Lead"], site.world.now())
    lines = {one["job"]: one for one in site.json("status")["schedule"]}
    assert lines["salesforce.Lead"] == {
        "job": "salesforce.Lead",
        "when": "0 12 * * *",
        "last": "2026-11-02T09:00:00Z",
        "next": "2026-11-02T12:00:00Z",
    }
    assert "salesforce.Lead 2026-11-02 12:00 (0 12 * * *)" in site.run("status").out


@pytest.mark.sqlite("about the configuration")
def test_doctor_names_objects_that_nothing_pulls(daemon: Daemon) -> None:
    daemon.site.replace("[schedule]\n", '[schedule]\nobjects = { "salesforce.Leads" = "0 12 * * *" }\n')
    said = [one for one in daemon.site.json("doctor")["checks"] if "does nothing" in one["message"]]
    assert [(one["level"], one["message"]) for one in said] == [
        (
            "warning",
            'schedule.objects."salesforce.Leads" does nothing: salesforce.Leads is not pulled; '
            "did you mean salesforce.Lead?",
        )
    ]


# --- a clock that is wrong ----------------------------------------------------------------------------


def contradicted(daemon: Daemon, *crms: str) -> None:
    """From now on these CRMs' clocks are days from ours."""
    for crm in crms:
        connector: Any = daemon.app.connectors[crm]
        identity = replace(connector.sign_in(), skew_seconds=-3.0 * DAY)
        connector.sign_in = lambda identity=identity: identity


@pytest.mark.sqlite("about clocks")
def test_history_is_not_let_go_by_a_clock_that_all_crms_contradict(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    pruned: list[int] = []
    monkeypatch.setattr("sync.stages.retention.prune", lambda ctx: pruned.append(ctx.run.now))
    contradicted(daemon, "salesforce")
    daemon.service.tick("retention")
    assert len(pruned) == 1, "HubSpot says that ours is right"
    contradicted(daemon, "hubspot")
    for name in ("retention", "sample", "sweep", "reconcile"):
        daemon.service.tick(name)
        codes = {problem["code"] for problem in daemon.last.report["problems"]}
        assert codes == {"SF-CLOCK_SKEW", "HS-CLOCK_SKEW"}, name
        assert daemon.last.state == "deferred"
    assert len(pruned) == 1
    daemon.service.tick("pull")
    assert daemon.last.report["score"]["people"] == 0, "nobody is scored by it either"


class OwnClock(Clockwork):
    """Notes when it is told to count anew."""

    told = 0

    def clock_was_set(self) -> None:
        super().clock_was_set()
        self.told += 1


@pytest.mark.sqlite("about clocks")
@pytest.mark.parametrize("minutes", [-8, -300, 8, 300])
def test_a_clock_that_is_set_moves_what_has_begun(daemon: Daemon, minutes: int) -> None:
    world = daemon.site.world
    daemon.service.tick("full")
    clockwork = OwnClock(schedules(daemon.app.settings.schedule))
    switch, finished = StopSwitch(), daemon.reports.append
    service = Service(daemon.app, daemon.lease, clockwork, daemon.vitals, Silent(), finished, switch)
    world.advance(240)
    service.tick(None)
    assert clockwork.told == 0
    world._seconds += 60 * minutes  # the clock on the wall alone
    service.tick(None)
    assert clockwork.told == 1
    with daemon.app.mirror.read() as conn:
        (pull,) = [
            one
            for one in timetable(conn, daemon.app.settings.schedule, int(world.clock()))
            if one.job == "pull"
        ]
    assert pull.last is not None
    if minutes < 0:
        assert abs(world.clock() - pull.last - 240) < 5, "it began four minutes ago, by whatever clock"
    else:
        assert clockwork.wait(0) == "pull"
