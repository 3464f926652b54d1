"""`mqlsync run` as a real process while its machine's clock is set: nothing is lost, stuck, or done twice."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from connectors.sandbox.sandbox import Sandbox
from tests.acceptance.site import ROUTING, Site
from tests.acceptance.test_daemon import GRACE, PATIENCE, RealTime
from tests.faults import jumping

pytestmark = [
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
    pytest.mark.usefixtures("database"),
]
MINUTE, HOUR, DAY = 60, 3600, 86_400


class Jumping:
    """A daemon, its CRMs, and the clock of its machine. `theirs`: how far the CRMs' clocks are off."""

    def __init__(self, sandbox: Sandbox, folder: Path, theirs: list[float]) -> None:
        self.site = Site(sandbox, RealTime(), folder)  # type: ignore[arg-type]
        self.site.environ |= {
            "MQLSYNC_SCHEDULE__PULL": "1s",
            "MQLSYNC_SCHEDULE__FULL": "never",
            "MQLSYNC_DAEMON__LEASE": "5s",
            "MQLSYNC_DAEMON__LEASE_WAIT": "0s",
            "MQLSYNC_WRITEBACK__SETTLE_TIME": "1s",
            "MQLSYNC_DAEMON__LISTEN": "",
        }
        self.clock = jumping.Clock(folder / "clock")
        self.theirs = theirs
        self._out = folder / "out.jsonl"
        self._err = folder / "err.txt"
        self.processes: list[BaseProcess] = []

    def start(self, name: str = "") -> BaseProcess:
        out, err = (path.with_name(name + path.name) for path in (self._out, self._err))
        argv = ["--config-dir", str(self.site.folder), "run", "--json"]
        self.processes.append(jumping.start(argv, self.site.environ, self.clock, out, err))
        return self.processes[-1]

    def reports(self) -> list[dict[str, Any]]:
        """Of its runs, the whole ones."""
        text = self._out.read_text("utf-8") if self._out.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def until(self, happened: Any, what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert self.processes[0].exitcode is None, self._err.read_text("utf-8")
            assert time.monotonic() < deadline, f"waited in vain for {what}: {self._err.read_text('utf-8')}"
            time.sleep(0.05)

    def runs_of(self, more: int) -> tuple[list[dict[str, Any]], float]:
        """So many more runs, and the seconds that they took."""
        before, begun = len(self.reports()), time.monotonic()
        self.until(lambda: len(self.reports()) >= before + more, f"{more} more runs")
        return self.reports()[before:], time.monotonic() - begun

    def is_mql(self, pair: Any) -> bool:
        return (self.site.of_lead(pair.lead)[0], self.site.of_contact(pair.contact)[0]) == ("MQL", "OPEN")

    def nothing_twice(self) -> None:
        wrote = [(entry.crm, entry.id, entry.field) for entry in self.site.written()]
        assert len(set(wrote)) == len(wrote)

    def end(self) -> None:
        """It ends when told, whatever its clock says."""
        (daemon, *_) = self.processes
        os.kill(daemon.pid or 0, signal.SIGTERM)
        daemon.join(GRACE)
        assert daemon.exitcode == 0
        assert "Traceback" not in self._err.read_text("utf-8")
        self.nothing_twice()


@pytest.fixture
def jumped(tmp_path: Path) -> Iterator[Jumping]:
    theirs = [0.0]
    with Sandbox(clock=lambda: time.time() + theirs[0]) as sandbox:
        made = Jumping(sandbox, tmp_path, theirs)
        site = made.site
        site.ok("init")
        site.settings(ROUTING)
        site.unasked()
        site.colleagues()
        yield made
        for process in made.processes:
            process.kill()
            process.join()
    assert sandbox.errors == []


def begun(jumped: Jumping) -> None:
    """It serves: the first MQL is written."""
    anna = jumped.site.pair("anna@acme.example")
    jumped.start()
    jumped.until(lambda: jumped.is_mql(anna), "the first MQL")
    jumped.runs_of(1)


@pytest.mark.parametrize("off", [3 * DAY, -5 * HOUR], ids=["days forwards", "hours backwards"])
def test_a_clock_that_is_set_wrong_stops_the_work_and_not_the_daemon(jumped: Jumping, off: float) -> None:
    """The CRMs tell another time: nothing is decided by a clock that cannot be right."""
    begun(jumped)
    jumped.clock.set(off)
    jumped.until(lambda: codes(jumped.reports()[-1]) == {"SF-CLOCK_SKEW", "HS-CLOCK_SKEW"}, "the finding")
    written = len(jumped.site.written())
    ben = jumped.site.pair("ben@acme.example")
    jumped.runs_of(4)  # the night's jobs, which find the same
    reports, took = jumped.runs_of(2)
    assert took > 0.5, "no busy loop"
    for report in reports:
        assert (report["outcome"], report["pull"], report["write"]["decided"]) == ("deferred", {}, 0)
    second = jumped.start("second.")
    second.join(PATIENCE)
    assert second.exitcode == 11, "the lease is kept by whatever clock there is"
    assert len(jumped.site.written()) == written

    jumped.clock.set(0)
    jumped.until(lambda: jumped.is_mql(ben), "the work, once the clock is right")
    jumped.runs_of(1)
    status = jumped.site.json("status")
    assert (status["state"], status["books_balance"]) == ("ok", True), status["reasons"]
    jumped.end()


@pytest.mark.parametrize("off", [8 * MINUTE, -8 * MINUTE], ids=["forwards", "backwards"])
def test_a_clock_that_is_set_by_minutes_holds_up_nothing(jumped: Jumping, off: float) -> None:
    begun(jumped)
    jumped.clock.set(off)
    ben = jumped.site.pair("ben@acme.example")
    jumped.until(lambda: jumped.is_mql(ben), "the next MQL")
    jumped.runs_of(4)  # what came due by the jump, one after the other
    reports, took = jumped.runs_of(2)
    assert took > 0.5, "no busy loop"
    assert {report["outcome"] for report in reports} == {"ok"}
    jumped.end()


def test_a_machine_that_slept_for_days_does_each_missed_job_once(jumped: Jumping) -> None:
    """Everybody's clock went on: what was due three times over comes once, and sales' due dates hold."""
    jumped.site.environ |= {
        "MQLSYNC_SCHEDULE__RETENTION": "0 1 * * *",
        "MQLSYNC_SCHEDULE__OBJECTS": '{"salesforce.Task": "0 4 * * *"}',
    }
    begun(jumped)
    due = [one["due_at"] for one in jumped.site.json("sla", "--all")["hand_offs"]]
    jumped.theirs[0] = 3 * DAY
    jumped.clock.set(3 * DAY)
    ben = jumped.site.pair("ben@acme.example")
    jumped.until(lambda: jumped.is_mql(ben), "the next MQL")
    wanted = {f"daemon:{name}" for name in ("reconcile", "sample", "retention", "salesforce.Task")}
    jumped.until(lambda: wanted <= set(kinds_after(jumped, 2 * DAY)), "all that was missed")
    jumped.runs_of(2)
    kinds = kinds_after(jumped, 2 * DAY)
    assert {kind: kinds.count(kind) for kind in wanted} == dict.fromkeys(wanted, 1)
    after = {one["due_at"] for one in jumped.site.json("sla", "--all")["hand_offs"]}
    assert set(due) <= after, "a due date is a moment, whatever the clock does"
    jumped.end()


def kinds_after(jumped: Jumping, seconds: float) -> list[str]:
    """The kinds of runs that began so much later than now."""
    first = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
    runs = jumped.site.json("runs", "--limit", "1000")["runs"]
    return [run["kind"] for run in runs if run["started_at"] > first]


def codes(report: dict[str, Any]) -> set[str]:
    return {problem["code"] for problem in report["problems"]}
