"""Numbers for Prometheus: what the daemon's runs did, and how the mirror is at the moment of asking.

Base units, `_total` on counters, and labels only of what is few and nobody's: CRM, object, state, code.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from sync.mirror.unusable import DatabaseUnusable
from sync.reports import RunReport
from sync.status import Status
from sync.vitals import Vitals

log = logging.getLogger(__name__)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
NO_LABEL: Final = re.compile(r"[^A-Za-z0-9_.:-]+")
LONGEST_LABEL: Final = 80
STATES: Final = ("ok", "degraded", "paused", "blocked", "failed")
FATES: Final = ("stored", "unchanged", "parked", "gone")
ENDS: Final = ("verified", "waiting", "conflict", "parked", "superseded")


class Metrics:
    """Counts runs, and asks `status` when somebody asks."""

    def __init__(self, status: Callable[[], Status], vitals: Vitals) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self._runs = Counter("mqlsync_runs", "Scheduled runs by outcome.", ["outcome"], registry=registry)
        self._rows = Counter(
            "mqlsync_rows",
            "Rows pulled, by what became of them.",
            ["crm", "object", "fate"],
            registry=registry,
        )
        self._calls = Counter(
            "mqlsync_pull_calls", "API calls of pulling.", ["crm", "object"], registry=registry
        )
        self._changes = Counter(
            "mqlsync_changes", "Changes a run had to do with, by how they stood at its end.", ["state"],
            registry=registry,
        )  # fmt: skip
        self._entered = Counter("mqlsync_mqls_entered", "People who became MQLs.", registry=registry)
        self._left = Counter("mqlsync_mqls_left", "People who are MQLs no more.", registry=registry)
        self._problems = Counter(
            "mqlsync_problems", "Problems of runs, by code.", ["crm", "code"], registry=registry
        )
        registry.register(_Now(status, vitals))

    def ran(self, report: RunReport) -> None:
        """A scheduled run has ended."""
        self._runs.labels(report.outcome).inc()
        for crm, feeds in report.pull.items():
            for name, counts in feeds.items():
                self._calls.labels(crm, name).inc(counts.calls)
                for fate in FATES:
                    self._rows.labels(crm, name, fate).inc(getattr(counts, fate))
        ends = asdict(report.write)
        for state in ENDS:
            self._changes.labels(state).inc(ends[state])
        self._entered.inc(report.score.mql_entered)
        self._left.inc(report.score.mql_left)
        for problem in report.problems:
            self._problems.labels(problem.crm, label(problem.code)).inc()

    def text(self) -> bytes:
        """Everything, as Prometheus reads it (`CONTENT_TYPE`)."""
        return generate_latest(self._registry)


def label(code: str) -> str:
    """A code as a label. Codes come from CRMs, too, and may be anything of any length."""
    return NO_LABEL.sub("_", code)[:LONGEST_LABEL]


class WorkerMetrics:
    """What one worker did for which account. Ask `status` of an account's own mirror for the rest."""

    def __init__(self, vitals: Vitals) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self._turns = Counter(
            "mqlsync_worker_turns",
            "Turns of accounts, by how they ended.",
            ["account", "outcome"],
            registry=registry,
        )
        self._seconds = Counter(
            "mqlsync_worker_turn_seconds", "Seconds that turns took.", ["account"], registry=registry
        )
        self._running = Gauge(
            "mqlsync_worker_running", "Accounts that are served at this moment.", registry=registry
        )
        self._ended = Gauge(
            "mqlsync_worker_last_turn_timestamp_seconds",
            "When this worker last ended a turn of the account, epoch seconds.",
            ["account"],
            registry=registry,
        )
        ready = Gauge("mqlsync_worker_ready", "1 while the worker takes turns.", registry=registry)
        ready.set_function(lambda: float(vitals.ready))

    def began(self) -> None:
        """A turn has begun."""
        self._running.inc()

    def ended(self, account: str, outcome: str, seconds: float, at: float) -> None:
        """A turn has ended, at that epoch second."""
        self._running.dec()
        self._turns.labels(account, outcome).inc()
        self._seconds.labels(account).inc(seconds)
        self._ended.labels(account).set(at)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it (`CONTENT_TYPE`)."""
        return generate_latest(self._registry)


class _Now(Collector):
    """The gauges, asked for at each scrape. A mirror that cannot be read leaves its own out."""

    def __init__(self, status: Callable[[], Status], vitals: Vitals) -> None:
        self._status = status
        self._vitals = vitals

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing beforehand: the mirror is not to be read for it."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All of them."""
        yield GaugeMetricFamily(
            "mqlsync_ready", "1 while the daemon holds the lease and serves.", float(self._vitals.ready)
        )
        yield GaugeMetricFamily(
            "mqlsync_heartbeat_age_seconds",
            "Seconds since the daemon last moved on.",
            self._vitals.seconds_since_beat,
        )
        try:
            found: Status | None = self._status()
        except DatabaseUnusable as error:
            log.warning("no metrics of the mirror: %s", type(error).__name__)
            found = None
        yield GaugeMetricFamily(
            "mqlsync_mirror_readable", "1 if the mirror could be read.", float(found is not None)
        )
        if found is not None:
            yield from _of_mirror(found)
            yield from _of_people(found)


def _of_mirror(found: Status) -> Iterator[GaugeMetricFamily]:
    state = GaugeMetricFamily("mqlsync_state", "1 for the present state.", labels=["state"])
    for name in STATES:
        state.add_metric([name], float(name == found.state))
    yield state
    age = GaugeMetricFamily(
        "mqlsync_pull_age_seconds", "Seconds since everything a CRM showed was stored.", labels=["crm"]
    )
    for crm, seconds in found.fresh_seconds.items():
        if seconds is not None:
            age.add_metric([crm], seconds)
    yield age
    held = GaugeMetricFamily(
        "mqlsync_open_changes", "Changes without a good end, by state.", labels=["state"]
    )
    for name in ("waiting", "unsure", "parked", "conflict"):
        held.add_metric([name], getattr(found, name))
    yield held
    yield GaugeMetricFamily("mqlsync_books_balance", "1 while the books balance.", float(found.books_balance))
    used = GaugeMetricFamily("mqlsync_api_calls_used", "Calls of the day, all programs.", labels=["crm"])
    limit = GaugeMetricFamily("mqlsync_api_calls_limit", "Calls allowed in a day.", labels=["crm"])
    for crm, view in found.budget.items():
        if view.used is not None:
            used.add_metric([crm], view.used)
        if view.limit is not None:
            limit.add_metric([crm], view.limit)
    ours = GaugeMetricFamily("mqlsync_api_calls_ours", "Calls of the day, ours.", labels=["crm"])
    for crm, view in found.budget.items():
        ours.add_metric([crm], view.ours)
    yield used
    yield limit
    yield ours


def _of_people(found: Status) -> Iterator[GaugeMetricFamily]:
    yield GaugeMetricFamily(
        "mqlsync_overdue_hand_offs", "MQLs that nobody touched in time.", float(found.overdue)
    )
    values = GaugeMetricFamily(
        "mqlsync_wanted_values",
        "Values wanted in the CRMs, by the class of the last comparison.",
        labels=["class"],
    )
    for name, number in found.reconciled.get("classes", {}).items():
        values.add_metric([name], number)
    yield values
    compared = GaugeMetricFamily(
        "mqlsync_reconciled_timestamp_seconds", "When the CRMs were last compared with what is wanted."
    )
    if found.reconciled:
        compared.add_metric([], found.reconciled["at"])
    yield compared
