"""Being told to stop: waits end, a second signal or too long an end stops the process where it stands."""

from __future__ import annotations

import os
import queue
import signal
import socket
from pathlib import Path

import pytest

from sync.context import Interrupted, Silent
from sync.stopping import StoppingProgress, StoppingWorld, StopSwitch
from sync.vitals import STUCK_AFTER, Notifier, Vitals
from tests.world import SimulatedWorld

PATIENCE = 10.0  # seconds


def test_a_long_wait_ends_with_the_switch() -> None:
    switch, inner = StopSwitch(), SimulatedWorld()
    world = StoppingWorld(inner, switch)
    world.sleep(1.1)
    assert inner.monotonic() == pytest.approx(1.1)
    pieces = iter(range(5))
    world.on_wait = lambda: next(pieces, None) is not None or switch.press()
    with pytest.raises(Interrupted):
        world.sleep(3600)
    assert inner.monotonic() < 10
    with pytest.raises(Interrupted):
        world.sleep(0)


def test_progress_stops_a_run() -> None:
    switch = StopSwitch()
    progress = StoppingProgress(Silent(), switch)
    progress.step("pull", 1)
    switch.press()
    with pytest.raises(Interrupted):
        progress.step("pull", 2)


def test_a_second_signal_ends_at_once_even_while_the_first_is_in_hand() -> None:
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()
    stops: list[bool] = []
    switch = StopSwitch(end=ended.put, grace=PATIENCE)
    switch.on_stop = lambda: stops.append(True)
    with switch.on_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert ended.get(timeout=PATIENCE) == 128 + signal.SIGTERM
    assert stops == [True]


def test_an_end_that_takes_too_long_is_made_short() -> None:
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()
    switch = StopSwitch(end=ended.put, grace=0.05)
    with switch.on_signals():
        os.kill(os.getpid(), signal.SIGINT)
        assert ended.get(timeout=PATIENCE) == 0
    assert switch


def test_handlers_are_put_back_and_an_end_in_time_is_no_force() -> None:
    before = signal.getsignal(signal.SIGTERM)
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()
    switch = StopSwitch(end=ended.put, grace=0.05)
    with switch.on_signals():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
    assert ended.empty()


def test_systemd_hears_of_every_change_and_of_life_only_when_something_moves(tmp_path: Path) -> None:
    world = SimulatedWorld()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "notify"))
        server.settimeout(PATIENCE)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "20000000"}
        vitals = Vitals(world, Notifier(environ))

        def heard() -> str:
            return server.recv(4096).decode()

        vitals.serving()
        assert heard() == "READY=1\nSTATUS=waiting for the next run"
        vitals.beat()
        vitals.beat()
        assert heard() == "WATCHDOG=1"
        world.advance(9)
        vitals.beat()  # too early for another one
        vitals.status("running pull")
        assert heard() == "STATUS=running pull"
        world.advance(1)
        vitals.beat()
        assert heard() == "WATCHDOG=1"
        vitals.stopping()
        assert heard() == "STOPPING=1\nSTATUS=stopping"


def test_without_systemd_nothing_is_sent() -> None:
    vitals = Vitals(SimulatedWorld(), Notifier({"WATCHDOG_USEC": "soon"}))
    vitals.serving()
    vitals.beat()
    assert vitals.ready


def test_no_progress_for_long_is_no_life() -> None:
    world = SimulatedWorld()
    vitals = Vitals(world, Notifier({}))
    world.advance(STUCK_AFTER - 1)
    assert vitals.is_alive
    world.advance(1)
    assert not vitals.is_alive
    vitals.beat()
    assert vitals.is_alive
