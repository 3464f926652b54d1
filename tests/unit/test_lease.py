"""The lease: one holder, an epoch that grows, nobody waits for the dead."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.mirror.engine import Mirror
from sync.mirror.lease import Lease, LeaseHeld, LeaseLost, current_epoch, holder
from sync.mirror.presence import known_dead
from sync.mirror.unusable import DatabaseLocked, DatabaseUnreachable
from tests.databases import mirror_url
from tests.unit.mirror.test_postgresql import cut
from tests.world import SimulatedWorld


@pytest.fixture
def clock() -> SimulatedWorld:
    return SimulatedWorld()


@pytest.fixture
def mirror(tmp_path: Path, clock: SimulatedWorld, database: str) -> Iterator[Mirror]:
    mirror = Mirror(mirror_url(tmp_path), clock)
    yield mirror
    mirror.close()


def now(clock: SimulatedWorld) -> int:
    return int(clock.clock())


def test_one_holder_at_a_time(mirror: Mirror, clock: SimulatedWorld) -> None:
    first, second = (Lease(mirror, clock, 30, kind) for kind in ("daemon", "sync"))
    assert first.acquire() == 1
    with pytest.raises(LeaseHeld) as caught:
        second.acquire()
    assert caught.value.holder.startswith("daemon on ")
    first.release()
    assert second.acquire() == 2


def test_waiting_ends_when_the_lease_is_let_go(mirror: Mirror, clock: SimulatedWorld) -> None:
    first, second = (Lease(mirror, clock, 30, "sync") for _ in range(2))
    first.acquire()
    before = clock.monotonic()
    with pytest.raises(LeaseHeld):
        second.acquire(wait=10)
    assert clock.monotonic() - before == pytest.approx(10, abs=0.6)


def test_a_holder_that_stood_still_has_lost_it(mirror: Mirror, clock: SimulatedWorld) -> None:
    stopped, successor = (Lease(mirror, clock, 30, "daemon") for _ in range(2))
    stopped.acquire()
    clock.advance(31)
    assert successor.acquire() == 2
    with pytest.raises(LeaseLost):
        stopped.renew()
    with mirror.read() as conn:
        assert current_epoch(conn) == 2
        assert holder(conn, now(clock)) == successor.holder
    stopped.release()
    with mirror.read() as conn:
        assert holder(conn, now(clock)) == successor.holder, "only the holder lets go"


def test_renewing_keeps_it(mirror: Mirror, clock: SimulatedWorld) -> None:
    lease, other = (Lease(mirror, clock, 30, "daemon") for _ in range(2))
    lease.acquire()
    for _ in range(5):
        clock.advance(20)
        lease.renew()
        with pytest.raises(LeaseHeld):
            other.acquire()


def test_the_lease_of_a_killed_process_is_free_at_once(mirror: Mirror, clock: SimulatedWorld) -> None:
    mirror.close()
    child = os.fork()
    if child == 0:
        Lease(mirror, clock, 3600, "daemon").acquire()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    with mirror.read() as conn:
        assert holder(conn, now(clock)) is not None
    assert Lease(mirror, clock, 30, "sync").acquire() == 2


def test_a_block_lets_go_when_it_fails(mirror: Mirror, clock: SimulatedWorld) -> None:
    lease = Lease(mirror, clock, 30, "sync")
    with pytest.raises(ZeroDivisionError), lease.held(heartbeat=True):
        raise ZeroDivisionError
    assert Lease(mirror, clock, 30, "sync").acquire() == 2


def test_a_successor_without_the_file_lock_is_not_taken_for_dead(
    mirror: Mirror, clock: SimulatedWorld
) -> None:
    stopped, successor, third = (Lease(mirror, clock, 30, kind) for kind in ("daemon", "sync", "plan"))
    stopped.acquire()
    clock.advance(31)
    assert successor.acquire() == 2  # the stopped one still has the lock on the file
    stopped.release()  # and now it has not: that says nothing of its successor
    with pytest.raises(LeaseHeld) as caught:
        third.acquire()
    assert caught.value.holder == successor.holder
    successor.release()
    assert third.acquire() == 3


def test_a_failed_attempt_keeps_no_lock(
    mirror: Mirror, clock: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise DatabaseLocked("mirror.db", 30)

    with monkeypatch.context() as patch:
        patch.setattr(mirror, "write", locked)
        with pytest.raises(DatabaseLocked):
            Lease(mirror, clock, 30, "sync").acquire()
    assert Lease(mirror, clock, 30, "sync").acquire() == 1


def test_a_beat_that_finds_the_database_locked_beats_again(
    mirror: Mirror, clock: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = Lease(mirror, clock, 30, "daemon")
    lease.acquire()
    beats = iter([DatabaseLocked("mirror.db", 30), None, LeaseLost()])
    renewed = []

    def renew() -> None:
        renewed.append(error := next(beats))
        if error is not None:
            raise error

    monkeypatch.setattr(lease, "renew", renew)
    monkeypatch.setattr(lease, "_seconds", 0)
    lease._beat(threading.Event())
    assert len(renewed) == 3


def is_dead(mirror: Mirror, lease: Lease) -> bool:
    with mirror.read() as conn:
        return known_dead(mirror, conn, lease.holder)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_holder_shows_life_again_after_its_session_was_cut(
    mirror: Mirror, clock: SimulatedWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the server was away for longer than one beat."""
    lease, other = (Lease(mirror, clock, 30, kind) for kind in ("daemon", "sync"))
    lease.acquire()
    cut(mirror_url(tmp_path))
    assert is_dead(mirror, lease)
    with monkeypatch.context() as patch:
        patch.setattr(mirror, "session", refuse)
        for _ in range(2):
            with pytest.raises(DatabaseUnreachable):
                lease.renew()
    lease.renew()
    assert not is_dead(mirror, lease)
    with pytest.raises(LeaseHeld):
        other.acquire()


def refuse() -> None:
    raise DatabaseUnreachable("db", "connection refused")


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_to_show_life_again_is_not_to_have_the_lease(
    mirror: Mirror, clock: SimulatedWorld, tmp_path: Path
) -> None:
    """Its session was cut and somebody else was quicker: it learns that before it records anything."""
    lease, other = (Lease(mirror, clock, 30, kind) for kind in ("daemon", "sync"))
    lease.acquire()
    cut(mirror_url(tmp_path))
    assert other.acquire() == 2, "nobody waits for what looks dead"
    with pytest.raises(LeaseLost):
        lease.renew()
    with mirror.read() as conn:
        assert (current_epoch(conn), holder(conn, now(clock))) == (2, other.holder)
