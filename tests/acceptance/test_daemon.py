"""`mqlsync run` as a process of its own, in real time, against servers in this one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.world import RealWorld
from connectors.sandbox.sandbox import Sandbox
from tests.acceptance.schema import STATUS, SYNC, check, check_books
from tests.acceptance.site import ROUTING, Site

PATIENCE = 30.0  # seconds for anything to happen on a busy machine
GRACE = 10.0  # seconds in which the daemon ends after SIGTERM


class RealTime(RealWorld):
    """Real time, with the clock under the name that a site asks for."""

    def clock(self) -> float:
        return time.time()


class Daemons:
    """Starts processes, and leaves none behind."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        """`mqlsync ARGV` with this site's environment; its output goes to files beside the mirror."""
        number = len(self._running)
        command = [sys.executable, "-m", "sync.cli.main", "--config-dir", str(self.site.folder), *argv]
        environ = {**self.site.environ, "PATH": os.defpath, "HOME": str(self.site.folder)}
        with self.output(number).open("wb") as out, self.errors(number).open("wb") as err:
            process = subprocess.Popen(command, env=environ, stdout=out, stderr=err)
        self._running.append(process)
        return process

    def output(self, number: int) -> Path:
        return self.site.folder / f"out{number}.jsonl"

    def errors(self, number: int) -> Path:
        return self.site.folder / f"err{number}.txt"

    def until(self, happened: Callable[[], bool], what: str, expect_life: bool = True) -> None:
        """Wait for something that a process of ours is to do."""
        deadline = time.monotonic() + PATIENCE
        while not happened():
            said = "".join(self.errors(number).read_text("utf-8") for number in range(len(self._running)))
            ended = [process.poll() for process in self._running]
            assert any(code is None for code in ended) or not expect_life, f"ended with {ended}: {said}"
            assert time.monotonic() < deadline, f"waited in vain for {what}: {said}"
            time.sleep(0.05)

    def stop(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    with Sandbox() as sandbox:
        site = Site(sandbox, RealTime(), tmp_path)  # type: ignore[arg-type]
        site.environ |= {
            "MQLSYNC_SCHEDULE__PULL": "1s",
            "MQLSYNC_DAEMON__LEASE_WAIT": "0s",
            "MQLSYNC_WRITEBACK__SETTLE_TIME": "1s",
        }
        site.ok("init")
        site.settings(ROUTING)
        site.unasked()
        site.colleagues()
        running = Daemons(site)
        yield running
        running.stop()
    assert sandbox.errors == []


def test_the_daemon_serves_alone_and_ends_when_told(daemons: Daemons) -> None:
    site = daemons.site
    anna = site.pair("anna@acme.example")
    daemon = daemons.start("run", "--json")
    daemons.until(lambda: site.of_contact(anna.contact)[0] == "OPEN", "the first MQL")
    daemons.until(lambda: site.of_lead(anna.lead)[0] == "MQL", "the first MQL")

    status = check(site.json("status"), STATUS)
    assert set(status["fresh_seconds"]) == {"salesforce", "hubspot"}
    assert site.person(anna.email)["stage"] == "mql"
    second = daemons.start("run")
    assert second.wait(PATIENCE) == 11
    assert b"Another mqlsync" in daemons.errors(1).read_bytes()
    asked = site.json("sync", "--no-wait")
    assert asked["state"] == "waiting"
    check_books(check(site.json("sync"), SYNC))
    resynced = site.json("resync", anna.email)
    assert {field["state"] for field in resynced["fields"]} >= {"verified"}
    assert site.run("resync", "nobody@acme.example").code == 7
    assert len(site.json("plan")["changes"]) == 0

    ben = site.pair("ben@acme.example")
    daemons.until(lambda: site.of_lead(ben.lead)[0] == "MQL", "an MQL of a later pass")

    told = time.monotonic()
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(GRACE) == 0
    assert time.monotonic() - told < GRACE
    reports = [json.loads(line) for line in daemons.output(0).read_text("utf-8").splitlines()]
    assert len(reports) >= 2
    for report in reports:
        check_books(check(report, SYNC))
    errors = daemons.errors(0).read_text("utf-8")
    assert "Traceback" not in errors
    assert site.environ["MQLSYNC_HUBSPOT__ACCESS_TOKEN"] not in errors

    assert site.json("sync", "--no-wait")["outcome"] == "ok"  # the lease is free again
    wrote = [(entry.crm, entry.id, entry.field) for entry in site.written()]
    assert len(set(wrote)) == len(wrote)


def test_a_daemon_that_is_killed_holds_up_nobody(daemons: Daemons) -> None:
    site = daemons.site
    anna = site.pair("anna@acme.example")
    daemon = daemons.start("run")
    daemons.until(lambda: bool(site.written()), "the first write")
    daemon.kill()
    daemon.wait()
    assert site.run("sync", "--no-wait").code == 0  # nobody waits for the lease of the dead
    both = ("MQL", "OPEN")
    daemons.until(
        lambda: (
            site.run("sync").code == 0
            and (site.of_lead(anna.lead)[0], site.of_contact(anna.contact)[0]) == both
        ),
        "what the dead one left undone",
        expect_life=False,
    )
    wrote = [(entry.crm, entry.id, entry.field) for entry in site.written()]
    assert len(set(wrote)) == len(wrote)


def test_a_signal_ends_the_longest_wait_for_a_crm(daemons: Daemons) -> None:
    site = daemons.site
    site.pair("anna@acme.example")
    wait = {"Retry-After": "100"}
    site.sandbox.faults.arm("status", crm="hubspot", path="/contacts", count=None, status=429, headers=wait)
    daemon = daemons.start("run")
    asked = "/contacts"
    daemons.until(lambda: any(asked in one.path for one in list(site.sandbox.requests)), "the refused call")
    time.sleep(0.3)  # it is waiting now
    told = time.monotonic()
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(GRACE) == 0
    assert time.monotonic() - told < GRACE
    lines = [json.loads(line) for line in daemons.errors(0).read_text("utf-8").splitlines()]
    assert lines[-1]["message"] == "stopped"
    assert site.json("runs")["runs"][0]["report"]["problems"][-1]["code"] == "INTERRUPTED"
