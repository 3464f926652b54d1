"""The pages for monitoring: alive, ready, numbers; whatever they meet, the daemon goes on."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Callable

import pytest

from sync.health import Pages, serving
from sync.metrics import Metrics
from sync.mirror.budget import BudgetView
from sync.mirror.unusable import DatabaseLocked
from sync.reports import FeedCounts, RunProblem, RunReport, ScoreCounts, WriteCounts
from sync.status import Status
from sync.vitals import STUCK_AFTER, Notifier, Vitals
from tests.world import SimulatedWorld

BUDGET = BudgetView(used=7, limit=1000, ours=3, spent_until=None)
DEGRADED = Status(
    "degraded", ["x"], {"salesforce": 61, "hubspot": None}, 4, 3, 2, 1, books_balance=True,
    budget={"salesforce": BUDGET},
)  # fmt: skip


class Watched:
    """Pages of a daemon in a simulated world."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self.world = SimulatedWorld()
        self.vitals = Vitals(self.world, Notifier({}))
        self.metrics = Metrics(status, self.vitals)
        self.pages = Pages(self.vitals, self.metrics)

    def numbers(self) -> dict[str, float]:
        """`name{labels}` → value."""
        page = self.pages.page("/metrics")
        assert page.status == 200
        lines = page.body.decode().splitlines()
        return {
            name: float(value)
            for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
            if not name.split("{")[0].endswith("_created")
        }


@pytest.fixture
def watched() -> Watched:
    return Watched(lambda: DEGRADED)


def test_alive_until_nothing_moves(watched: Watched) -> None:
    assert watched.pages.page("/healthz").status == 200
    watched.world.advance(STUCK_AFTER)
    assert watched.pages.page("/healthz").status == 503
    watched.vitals.beat()
    assert watched.pages.page("/healthz?x=1").status == 200


def test_ready_with_the_lease_and_a_good_last_run(watched: Watched) -> None:
    assert watched.pages.page("/readyz").status == 503
    watched.vitals.serving()
    assert watched.pages.page("/readyz") == (200, "text/plain; charset=utf-8", b"ok\n")
    watched.vitals.trouble = "HS-AUTH_FAILED"
    assert watched.pages.page("/readyz")[::2] == (503, b"the last run met HS-AUTH_FAILED\n")


def test_the_numbers_of_runs_and_of_the_mirror(watched: Watched) -> None:
    for _ in range(2):
        report = RunReport(
            "r",
            pull={
                "hubspot": {"contacts": FeedCounts(seen=5, stored=3, unchanged=1, parked=1, gone=2, calls=4)}
            },
            score=ScoreCounts(mql_entered=2, mql_left=1),
            write=WriteCounts(decided=3, verified=2, waiting=1),
            problems=[RunProblem("HS-X", "hubspot", "ann@example.com", "", 3)],
        )
        watched.metrics.ran(report)
    numbers = watched.numbers()
    assert numbers['mqlsync_runs_total{outcome="partial"}'] == 2
    assert numbers['mqlsync_rows_total{crm="hubspot",fate="stored",object="contacts"}'] == 6
    assert numbers['mqlsync_pull_calls_total{crm="hubspot",object="contacts"}'] == 8
    assert numbers['mqlsync_changes_total{state="verified"}'] == 4
    assert numbers["mqlsync_mqls_entered_total"] == 4
    assert numbers['mqlsync_problems_total{code="HS-X",crm="hubspot"}'] == 2
    assert numbers['mqlsync_state{state="degraded"}'] == 1
    assert numbers['mqlsync_state{state="ok"}'] == 0
    assert numbers['mqlsync_pull_age_seconds{crm="salesforce"}'] == 61
    assert 'mqlsync_pull_age_seconds{crm="hubspot"}' not in numbers
    assert numbers['mqlsync_open_changes{state="parked"}'] == 3
    assert numbers['mqlsync_api_calls_used{crm="salesforce"}'] == 7
    assert not re.search("@|ann", str(numbers))


def test_a_mirror_that_cannot_be_read_leaves_its_numbers_out() -> None:
    def locked() -> Status:
        raise DatabaseLocked("/mirror.db", 30)

    numbers = Watched(locked).numbers()
    assert numbers["mqlsync_mirror_readable"] == 0
    assert numbers["mqlsync_ready"] == 0
    assert not any(name.startswith("mqlsync_state") for name in numbers)


def test_the_pages_are_served_on_loopback(watched: Watched) -> None:
    with serving("127.0.0.1:0", watched.pages) as port:
        assert port is not None
        answers = {}
        for path in ("/healthz", "/readyz", "/metrics", "/"):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", path)
            reply = connection.getresponse()
            answers[path] = (reply.status, reply.read())
            connection.close()
        with socket.create_connection(("127.0.0.1", port)) as rude:
            rude.sendall(b"nonsense\r\n\r\n")
    assert {path: status for path, (status, _) in answers.items()} == {
        "/healthz": 200, "/readyz": 503, "/metrics": 200, "/": 404,
    }  # fmt: skip
    assert b"# TYPE mqlsync_runs_total counter" in answers["/metrics"][1]


def test_an_address_that_is_taken_harms_nothing(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    with (
        serving("127.0.0.1:0", watched.pages) as port,
        serving(f"127.0.0.1:{port}", watched.pages) as second,
    ):
        assert second is None
    assert "cannot be served" in caplog.text


def test_no_address_serves_nothing(watched: Watched) -> None:
    with serving("", watched.pages) as port:
        assert port is None
