"""Handing a request to the daemon that holds the lease, and waiting for its end.

1. hand the request in
2. look at it again and again; show how far it is; say that we still wait
3. done: its answer is ours · expired or broken: NotCarriedOut
4. the daemon ended before it took the request: take it back, and do it ourselves
   the daemon ended after it took it: NotCarriedOut, for nobody knows how far it came
"""

from __future__ import annotations

import os
import socket
from typing import Final

from config.world import epoch
from sync.context import App, Progress
from sync.mirror import lease, requests
from sync.mirror.requests import Ask, RequestView
from sync.requests import Answer

POLL: Final = 0.5  # seconds between two looks
WAITS_FOR: Final = 60  # seconds that a request holds after its asker was last heard of
KEEP_EVERY: Final = 15.0  # seconds between two signs of life of the asker
HOLDS_UNATTENDED: Final = 3_600  # seconds that a request holds whose asker did not wait


class NotCarriedOut(Exception):
    """The daemon did not finish what it was asked; `why` is a sentence. Exit code 5."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Relayed(Exception):
    """What was asked ended with an error in the daemon: its exit code, and its sentences."""

    def __init__(self, exit_code: int, lines: list[str]) -> None:
        super().__init__(" ".join(lines))
        self.exit_code = exit_code
        self.lines = lines


def daemon_at_work(app: App) -> str | None:
    """The name of the daemon that holds the lease and lives, or None."""
    found = lease.at_work(app.mirror, epoch(app.world.now()))
    return found.holder if found is not None and found.is_daemon else None


def hand_in(app: App, ask: Ask, holds: int = HOLDS_UNATTENDED) -> str:
    """Leave a request for the daemon, for `holds` seconds; its id."""
    now = epoch(app.world.now())
    request_id = app.world.new_id()
    asker = f"{ask.kind} on {socket.gethostname()}, process {os.getpid()}"
    with app.mirror.write(durable=True) as conn:
        requests.hand_in(conn, request_id, ask, asker, now, now + holds)
    return request_id


def hand_over(app: App, ask: Ask, progress: Progress) -> Answer | None:
    """Have the daemon do it and wait for the end; None when there is no daemon any more: do it yourself.

    Raises NotCarriedOut and Relayed.
    """
    request_id = hand_in(app, ask, WAITS_FOR)
    try:
        return _follow(app, request_id, progress)
    finally:
        with app.mirror.write() as conn:  # we wait no more: nobody is to carry it out from now on
            requests.withdraw(conn, request_id)


def _follow(app: App, request_id: str, progress: Progress) -> Answer | None:
    heard = app.world.monotonic()
    while True:
        now = epoch(app.world.now())
        holder = lease.at_work(app.mirror, now)  # before we look: what it finishes then is seen
        with app.mirror.read() as conn:
            view = requests.look(conn, request_id)
        if view is None:
            raise NotCarriedOut("the daemon was busy, and the request expired before its turn came")
        if view.state in ("done", "broken"):
            return _ended(app, view)
        if view.progress is not None:
            progress.step(*view.progress)
        if view.state == "waiting" and (holder is None or not holder.is_daemon):
            return None
        if view.state == "taken" and (holder is None or holder.epoch != view.lease_epoch):
            raise NotCarriedOut("the daemon ended while it was at it")
        if app.world.monotonic() - heard >= KEEP_EVERY:
            heard = app.world.monotonic()
            with app.mirror.write() as conn:
                requests.keep(conn, request_id, now + WAITS_FOR)
        app.world.sleep(POLL)


def _ended(app: App, view: RequestView) -> Answer:
    with app.mirror.write() as conn:
        requests.forget(conn, view.id)
    if view.state == "broken" or view.answer is None or view.exit_code is None:
        raise NotCarriedOut("the daemon ended while it was at it")
    if "lines" in view.answer:
        raise Relayed(view.exit_code, list(view.answer["lines"]))
    return Answer(view.answer["document"], view.exit_code)
