"""The PostgreSQL goes away under workers and under the daemon: they wait, come back, and nothing is twice.

The server is one of this module's own. It is stopped as by a crash, refuses everybody for a while and is
started again, or breaks off every session while it lives on. The ledgers of the simulated CRMs judge.
"""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.world import RealWorld
from sync.mirror.engine import Mirror
from sync.mirror.lease import Lease
from tests.acceptance.test_daemon import GRACE, PATIENCE, Daemons, daemons
from tests.acceptance.test_daemon_troubles import no_field_twice
from tests.own_postgres import OwnServer, own_server
from tests.postgres import _without
from tests.workers.fleet import Fleet, fleet
from tests.workers.test_worker import DRAINED_WITHIN, SECONDS, at_work

__all__ = ["daemons"]

pytestmark = pytest.mark.sqlite("has a PostgreSQL of its own")

AWAY = 1.5  # seconds
BOTH = ("MQL", "OPEN")


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    try:
        with own_server() as running:
            yield running
    except SystemExit as error:
        _without(f"PostgreSQL did not start: {error}")


@pytest.fixture
def accounts(server: OwnServer, tmp_path: Path) -> Iterator[Fleet]:
    with fleet(tmp_path, server.new_database(), ["acme", "beta"]) as made:
        yield made


def said(accounts: Fleet, words: str) -> int:
    return accounts.logs().count(words)


def all_live(accounts: Fleet) -> None:
    assert [worker.exitcode for worker in accounts.workers] == [None] * len(accounts.workers), accounts.logs()


def check_and_drain(accounts: Fleet) -> None:
    """Everything is mirrored and written, once; the workers are those of the beginning, and end when told."""
    for name in accounts.members:
        accounts.until(lambda: accounts.settled(name), f"{name} is mirrored and written")  # noqa: B023
    all_live(accounts)
    assert max(accounts.drain(worker) for worker in list(accounts.workers)) < DRAINED_WITHIN
    assert dict(accounts.jobs()) == dict.fromkeys(accounts.members, "todo"), "put back for other workers"
    for member in accounts.members.values():
        member.check()
    assert "Traceback" not in accounts.logs()


def test_workers_wait_for_a_server_that_is_stopped_and_started(server: OwnServer, accounts: Fleet) -> None:
    for _ in range(2):
        accounts.start()
    accounts.until(lambda: at_work(accounts), "a turn")
    server.stop()
    accounts.until(lambda: said(accounts, "the queue cannot be used") >= 2, "both say so")
    time.sleep(AWAY)
    all_live(accounts)
    server.start()
    accounts.until(lambda: said(accounts, "the queue is there again") >= 2, "both are back")
    check_and_drain(accounts)


@pytest.mark.skipif(not SECONDS, reason="a part of the long game: make prove-scale")
def test_workers_whose_sessions_are_cut_again_and_again(server: OwnServer, accounts: Fleet) -> None:
    """The locks of their sessions are gone with them, and nobody's server was away."""
    for _ in range(2):
        accounts.start()
    cut = 0
    for _ in range(4):
        accounts.until(lambda: at_work(accounts), "a turn")
        cut += server.cut()
        time.sleep(0.2)
    assert cut > 8
    check_and_drain(accounts)


def test_a_worker_is_told_to_stop_while_the_server_is_away(server: OwnServer, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    with fleet(tmp_path, server.new_database(), ["acme"], listen=listen) as accounts:
        worker = accounts.start()
        accounts.until(lambda: at_work(accounts), "a turn")
        assert page(listen, "readyz") == (200, "ok\n")
        server.stop()
        try:
            accounts.until(lambda: said(accounts, "the queue cannot be used") == 1, "it says so")
            assert page(listen, "readyz") == (503, "does not reach the queue\n")
            assert page(listen, "healthz") == (200, "ok\n"), "nothing that a restart would mend"
            assert accounts.drain(worker) < DRAINED_WITHIN
            late = accounts.start()
            late.join(PATIENCE)
            assert late.exitcode == 5, accounts.log(2).read_text()
            accounts.workers.remove(late)
        finally:
            server.start()
        assert "The database server does not answer" in accounts.log(2).read_text()
        assert "Traceback" not in accounts.logs()


def page(listen: str, name: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{listen}/{name}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def daemon_there(server: OwnServer, daemons: Daemons) -> Daemons:
    """A daemon's mirror is on that server."""
    url = server.new_database().replace("postgresql", "postgresql+psycopg", 1)
    daemons.site.environ |= {
        "MQLSYNC_DATABASE_URL": url,
        "MQLSYNC_DAEMON__LEASE_WAIT": "20s",
    }
    return daemons


def test_the_daemon_waits_for_a_server_that_goes_away_in_the_midst_of_a_write(
    server: OwnServer, daemon_there: Daemons
) -> None:
    """What was sent is read back afterwards, not sent again."""
    site = daemon_there.site
    anna = site.pair("anna@acme.example")
    stopped = threading.Event()

    def stop() -> None:
        if not stopped.is_set():
            server.stop()
            stopped.set()

    site.before_write("salesforce", stop)
    daemon = daemon_there.start("run")
    daemon_there.until(stopped.is_set, "the first write")
    log = daemon_there.errors(0)
    daemon_there.until(lambda: log.read_text().count("The database server does not answer") >= 1, "its word")
    time.sleep(AWAY)
    server.start()
    daemon_there.until(
        lambda: (site.of_lead(anna.lead)[0], site.of_contact(anna.contact)[0]) == BOTH,
        "what was left undone",
    )
    daemon_there.until(lambda: not open_intents(site.environ["MQLSYNC_DATABASE_URL"]), "all is read back")
    no_field_twice(daemon_there)
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(GRACE) == 0
    assert "Traceback" not in log.read_text()
    assert all(json.loads(line)["level"] for line in log.read_text().splitlines())


def open_intents(url: str) -> int:
    mirror = Mirror(url, RealWorld())
    with mirror.read() as conn:
        query = "SELECT count(*) FROM intent WHERE state IN ('queued', 'quiet', 'sent', 'unsure')"
        found: int = conn.exec_driver_sql(query).scalar_one()
    mirror.close()
    return found


def test_a_daemon_whose_sessions_were_cut_writes_nothing_until_it_has_the_lease_again(
    server: OwnServer, daemon_there: Daemons
) -> None:
    """Its lock goes with its session, so somebody else gets the lease at once, while it is at a write."""
    site = daemon_there.site
    anna = site.pair("anna@acme.example")
    url = site.environ["MQLSYNC_DATABASE_URL"]
    other = Mirror(url, RealWorld())
    lease = Lease(other, RealWorld(), 60, "sync")
    taken = threading.Event()

    def take() -> None:
        if not taken.is_set():
            server.cut()
            lease.acquire()
            taken.set()

    site.before_write("salesforce", take)
    daemon = daemon_there.start("run")
    daemon_there.until(taken.is_set, "the first write")
    log = daemon_there.errors(0)
    daemon_there.until(lambda: "another mqlsync took over" in log.read_text(), "that it has lost the lease")
    requests = len(site.write_requests())
    time.sleep(AWAY)
    assert len(site.write_requests()) == requests, "it wrote without the lease"
    assert site.of_contact(anna.contact)[0] == "NEW", "HubSpot's turn had not come"
    lease.release()
    other.close()
    daemon_there.until(lambda: site.of_contact(anna.contact)[0] == "OPEN", "the rest, once it is free again")
    daemon_there.until(lambda: site.of_lead(anna.lead)[0] == "MQL", "the first write")
    no_field_twice(daemon_there)
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(GRACE) == 0
