"""`mqlsync run` as real processes in trouble: stood still past the lease, a revoked token, two at once."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from tests.acceptance.test_daemon import GRACE, PATIENCE, Daemons, daemons
from tests.unit.test_alerts import server

__all__ = ["daemons"]

LEASE = 5  # seconds, the shortest there is


def no_field_twice(daemons: Daemons) -> None:
    wrote = [(entry.crm, entry.id, entry.field) for entry in daemons.site.written()]
    assert wrote
    assert len(set(wrote)) == len(wrote)


@pytest.mark.usefixtures("database")
def test_who_stood_still_past_its_lease_writes_nothing_more(daemons: Daemons) -> None:
    """It is stopped in the midst of a write; its successor finishes, by reading back what was sent."""
    site = daemons.site
    site.environ |= {"MQLSYNC_DAEMON__LEASE": f"{LEASE}s", "MQLSYNC_DAEMON__LEASE_WAIT": "20s"}
    anna = site.pair("anna@acme.example")
    stopped = threading.Event()

    def stand_still() -> None:
        if not stopped.is_set():
            os.kill(leader.pid, signal.SIGSTOP)
            stopped.set()

    site.before_write("salesforce", stand_still)
    leader = daemons.start("run")
    daemons.until(stopped.is_set, "the first write")
    heir = daemons.start("run")
    both = ("MQL", "OPEN")
    daemons.until(
        lambda: (site.of_lead(anna.lead)[0], site.of_contact(anna.contact)[0]) == both,
        "what the stopped one left undone",
    )
    written = len(site.written())
    leader.send_signal(signal.SIGCONT)
    assert leader.wait(PATIENCE) == 11, daemons.errors(0).read_text("utf-8")
    assert len(site.written()) == written, "its right to write was over"
    ben = site.pair("ben@acme.example")
    daemons.until(lambda: site.of_lead(ben.lead)[0] == "MQL", "the heir's work")
    no_field_twice(daemons)
    heir.send_signal(signal.SIGTERM)
    assert heir.wait(GRACE) == 0


@pytest.mark.usefixtures("database")
def test_of_two_at_once_one_serves(daemons: Daemons) -> None:
    site = daemons.site
    anna = site.pair("anna@acme.example")
    both = [daemons.start("run"), daemons.start("run")]
    daemons.until(lambda: site.of_lead(anna.lead)[0] == "MQL", "the first MQL")
    daemons.until(lambda: any(process.poll() is not None for process in both), "the end of one of them")
    assert sorted(process.poll() or 0 for process in both) == [0, 11]
    (alive,) = [process for process in both if process.poll() is None]
    alive.send_signal(signal.SIGTERM)
    assert alive.wait(GRACE) == 0
    no_field_twice(daemons)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("database")
def test_a_revoked_token_is_one_alert_and_mends_itself(daemons: Daemons) -> None:
    site = daemons.site
    with server(204) as (url, got):
        site.environ |= {"MQLSYNC_ALERTS__WEBHOOK": url}
        site.sandbox.faults.arm("status", crm="hubspot", count=None, status=401)
        anna = site.pair("anna@acme.example")
        daemon = daemons.start("run", "--json")
        daemons.until(lambda: len(daemons.output(0).read_text("utf-8").splitlines()) >= 3, "more runs")
        report = json.loads(daemons.output(0).read_text("utf-8").splitlines()[0])
        assert report["pull"]["salesforce"]["Lead"]["stored"] == 1, "the other CRM is served all the same"
        told = [(one["event"], one["alert"]) for one in map(json.loads, list(got))]
        assert told.count(("open", "auth.hubspot")) == 1
        site.sandbox.faults.disarm()
        daemons.until(lambda: site.of_contact(anna.contact)[0] == "OPEN", "HubSpot once it is mended")
        daemons.until(lambda: b'"event": "close", "alert": "auth.hubspot"' in b"".join(got), "the end of it")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(GRACE) == 0
    no_field_twice(daemons)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("database")
def test_a_damaged_database_ends_it_with_12(daemons: Daemons) -> None:
    site = daemons.site
    site.ok("status")
    path = Path(site.environ["MQLSYNC_DATABASE_URL"].removeprefix("sqlite:///"))
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\0" * (len(whole) - 100))
    daemon = daemons.start("run")
    assert daemon.wait(PATIENCE) == 12
    assert b"Traceback" not in daemons.errors(0).read_bytes()
