"""Requests to the daemon: taken once, expired, broken off, answered; the asker in every one of these."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.settings import Settings
from sync.context import App, Silent
from sync.handover import WAITS_FOR, NotCarriedOut, Relayed, daemon_at_work, hand_in, hand_over
from sync.mirror import requests
from sync.mirror.engine import Mirror
from sync.mirror.lease import Lease
from sync.mirror.requests import Ask
from sync.requests import Answer
from tests.databases import mirror_url
from tests.postgres import Postgres
from tests.world import SimulatedWorld

ASK = Ask("resync_person", {"who": "ann@acme.example"})


class Serving(SimulatedWorld):
    """A world in which somebody acts whenever the asker sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.act: Callable[[], object] = lambda: None

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.act()


@pytest.fixture
def clock() -> Serving:
    return Serving()


@pytest.fixture
def app(tmp_path: Path, clock: Serving, database: str) -> Iterator[App]:
    mirror = Mirror(mirror_url(tmp_path), clock)
    with App(Settings(), clock, tmp_path, mirror, (), "", heartbeat=False) as app:
        yield app


@pytest.fixture
def daemon(app: App, clock: Serving) -> Lease:
    """The lease of a daemon that lives, for a day."""
    lease = Lease(app.mirror, clock, 86_400, "daemon")
    lease.acquire()
    return lease


def take(app: App, epoch: int = 1) -> requests.RequestView | None:
    with app.mirror.write() as conn:
        return requests.take(conn, epoch, int(app.world.now().timestamp()))


def finish(app: App, request_id: str, answer: dict[str, object], code: int = 0, epoch: int = 1) -> None:
    with app.mirror.write() as conn:
        requests.finish(conn, request_id, epoch, code, answer, int(app.world.now().timestamp()))


def rows(app: App) -> int:
    with app.mirror.read() as conn:
        return len(conn.execute(requests.REQUEST.select()).all())


def test_the_oldest_is_taken_and_only_once(app: App, clock: Serving) -> None:
    first = hand_in(app, ASK)
    clock.advance(1)
    second = hand_in(app, Ask("sync", {}))
    taken = [view.id for view in (take(app), take(app)) if view is not None]
    assert taken == [first, second]
    assert take(app) is None


def test_what_expired_is_not_carried_out(app: App, clock: Serving) -> None:
    hand_in(app, ASK, holds=60)
    clock.advance(60)
    assert take(app) is None
    assert rows(app) == 0


def test_only_its_taker_may_finish_it(app: App) -> None:
    request_id = hand_in(app, ASK)
    take(app, epoch=4)
    finish(app, request_id, {"lines": []}, epoch=3)
    with app.mirror.write() as conn:
        assert requests.break_off(conn, lease_epoch=5, now=0) == 1
    finish(app, request_id, {"lines": []}, epoch=4)
    with app.mirror.read() as conn:
        view = requests.look(conn, request_id)
    assert view is not None
    assert view.state == "broken"


def test_an_answer_nobody_came_for_goes(app: App, clock: Serving) -> None:
    finish(app, _taken(app).id, {"document": {"people": ["ann@acme.example"]}})
    clock.advance(requests.KEPT)
    assert take(app) is None
    assert rows(app) == 0


def _taken(app: App) -> requests.RequestView:
    hand_in(app, ASK)
    view = take(app)
    assert view is not None
    return view


@pytest.mark.usefixtures("daemon")
def test_the_asker_gets_the_answer_and_leaves_nothing(app: App, clock: Serving) -> None:
    steps: list[tuple[str, int, int | None]] = []

    class Seen(Silent):
        def step(self, what: str, done: int, total: int | None = None) -> None:
            steps.append((what, done, total))

    def serve() -> None:
        if not steps:
            view = take(app)
            assert view is not None
            assert view.ask == ASK
            with app.mirror.write() as conn:
                requests.note_progress(conn, view.id, "pull hubspot contacts", 7, None)
            clock.act = lambda: finish(app, view.id, {"document": {"n": 1}}, code=3)

    clock.act = serve
    assert hand_over(app, ASK, Seen()) == Answer({"n": 1}, 3)
    assert steps == [("pull hubspot contacts", 7, None)]
    assert rows(app) == 0


@pytest.mark.usefixtures("daemon")
def test_an_error_in_the_daemon_is_the_askers(app: App, clock: Serving) -> None:
    def serve() -> None:
        view = take(app)
        assert view is not None
        finish(app, view.id, {"lines": ["Nobody is ann@acme.example."]}, code=7)

    clock.act = serve
    with pytest.raises(Relayed) as caught:
        hand_over(app, ASK, Silent())
    assert (caught.value.exit_code, caught.value.lines) == (7, ["Nobody is ann@acme.example."])


def test_the_asker_takes_over_when_the_daemon_ends_first(app: App, clock: Serving, daemon: Lease) -> None:
    clock.act = daemon.release
    assert daemon_at_work(app) == daemon.holder
    assert hand_over(app, ASK, Silent()) is None
    assert daemon_at_work(app) is None
    assert rows(app) == 0, "nobody may carry it out besides"


def test_a_request_the_daemon_died_with_is_not_repeated(app: App, clock: Serving, daemon: Lease) -> None:
    def die() -> None:
        take(app, daemon.epoch)
        daemon.release()

    clock.act = die
    with pytest.raises(NotCarriedOut, match="ended while it was at it"):
        hand_over(app, ASK, Silent())


def test_the_next_daemon_breaks_it_off(app: App, clock: Serving, daemon: Lease) -> None:
    def change_hands() -> None:
        take(app, daemon.epoch)
        daemon.release()
        successor = Lease(app.mirror, clock, 86_400, "daemon")
        with app.mirror.read() as conn:
            assert not requests.any_waiting(conn)
        epoch = successor.acquire()
        with app.mirror.write() as conn:
            assert requests.break_off(conn, epoch, 0) == 1

    clock.act = change_hands
    with pytest.raises(NotCarriedOut):
        hand_over(app, ASK, Silent())


@pytest.mark.usefixtures("daemon")
def test_a_patient_asker_keeps_its_request_alive(app: App, clock: Serving) -> None:
    def busy_for_long() -> None:
        if clock.monotonic() > 10 * WAITS_FOR:
            view = take(app)
            assert view is not None, "it expired although its asker waits"
            finish(app, view.id, {"document": {}})

    clock.act = busy_for_long
    assert hand_over(app, ASK, Silent()) == Answer({}, 0)


@pytest.mark.usefixtures("daemon")
def test_an_asker_that_is_stopped_takes_it_back(app: App, clock: Serving) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    clock.act = interrupt
    with pytest.raises(KeyboardInterrupt):
        hand_over(app, ASK, Silent())
    assert take(app) is None


def test_on_postgresql_too(postgres: Postgres, clock: Serving, tmp_path: Path) -> None:
    mirror = Mirror(postgres.new_mirror(), clock)
    with App(Settings(), clock, tmp_path, mirror, (), "", heartbeat=False) as app:
        daemon = Lease(app.mirror, clock, 60, "daemon")
        daemon.acquire()
        assert daemon_at_work(app) == daemon.holder

        def serve() -> None:
            view = take(app, daemon.epoch)
            if view is not None:
                assert take(app, daemon.epoch) is None
                finish(app, view.id, {"document": {"n": 1}}, epoch=daemon.epoch)

        clock.act = serve
        assert hand_over(app, ASK, Silent()) == Answer({"n": 1}, 0)
        clock.act = lambda: None
        assert hand_over(app, ASK, Silent()) is None, "it died: its lease ran out"


def test_a_lease_of_a_dead_daemon_is_no_daemon(app: App, daemon: Lease) -> None:
    daemon._presence.end()  # as the system does for a process that was killed
    assert daemon_at_work(app) is None


def test_another_kind_of_holder_is_no_daemon(app: App, clock: Serving) -> None:
    with Lease(app.mirror, clock, 60, "sync").held():
        assert daemon_at_work(app) is None
