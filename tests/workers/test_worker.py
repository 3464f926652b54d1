"""Workers that die, and are told to stop: every account is served by one at a time, and nothing is lost.

The short game is part of every test run; `make prove-scale` plays it with three workers, twelve accounts and
a minute of kills (WORKERS, WORKER_ACCOUNTS, WORKER_SECONDS), and with the longest `rescue_after` there is
(WORKER_RESCUE_AFTER). The ledgers of the simulated CRMs judge.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.process import mqlsync
from tests.postgres import Postgres
from tests.workers.fleet import Fleet, fleet
from tests.workers.journal import Journal

WORKERS = int(os.environ.get("WORKERS", "2"))
ACCOUNTS = int(os.environ.get("WORKER_ACCOUNTS", "3"))
SECONDS = float(os.environ.get("WORKER_SECONDS", "0"))
RESCUE_AFTER = int(os.environ.get("WORKER_RESCUE_AFTER", "2"))
RESCUED_WITHIN = 60.0  # seconds from the death of a worker to the next turn of what it was at
DRAINED_WITHIN = 10.0  # seconds


@pytest.fixture
def queue(postgres: Postgres) -> Iterator[str]:
    url = postgres.new_database()
    yield url
    postgres.drop(url)


def at_work(accounts: Fleet) -> bool:
    return "doing" in {state for _, state in accounts.jobs()}


def one_job_each(accounts: Fleet) -> None:
    """No account has two turns under way, or two that wait."""
    twice = [key for key, number in Counter(accounts.jobs()).items() if number > 1]
    assert not twice, twice


def test_workers_that_are_killed_lose_nothing_and_write_nothing_twice(queue: str, tmp_path: Path) -> None:
    names = [f"a{number}" for number in range(ACCOUNTS)]
    draw = random.Random(7)
    with fleet(tmp_path, queue, names, patience=60 + 20 * ACCOUNTS) as accounts:
        journal = Journal(accounts.queue)
        for _ in range(WORKERS):
            accounts.start()
        until = time.monotonic() + SECONDS
        while True:
            accounts.until(lambda: at_work(accounts), "a turn")
            one_job_each(accounts)
            accounts.kill(draw.choice(accounts.workers))
            under_way = accounts.under_way()
            accounts.start()
            if time.monotonic() > until:
                break
            edit_somebody(accounts, draw)
            time.sleep(draw.uniform(0.5, 4.0))
        for name in names:
            accounts.until(lambda: accounts.settled(name), f"{name} is mirrored and written")  # noqa: B023
        accounts.until(
            lambda: not under_way & accounts.under_way(), "what the last of the dead was at is given back"
        )
        one_job_each(accounts)
        assert journal.check() > 3, "upkeep, each time once however many workers"
        took = [accounts.drain(worker) for worker in list(accounts.workers)]
        assert max(took) < DRAINED_WITHIN
        assert sorted(accounts.jobs()) == [(name, "todo") for name in sorted(names)], "put back for others"
        for member in accounts.members.values():
            member.check()


def edit_somebody(accounts: Fleet, draw: random.Random) -> None:
    """A person changes a Lead while workers come and go."""
    sandbox = draw.choice(list(accounts.members.values())).sandbox
    leads = [one.id for one in sandbox.store.table("salesforce", "Lead").alive()]
    sandbox.edit("salesforce", "Lead", draw.choice(leads), {"Title": f"Head of {draw.randrange(1000)}"})


def test_what_a_dead_worker_was_at_is_soon_served_again(queue: str, tmp_path: Path) -> None:
    with fleet(tmp_path, queue, ["acme"], rescue_after=RESCUE_AFTER, patience=RESCUED_WITHIN) as accounts:
        first = accounts.start()
        accounts.until(lambda: at_work(accounts), "a turn")
        accounts.start()
        accounts.kill(first)
        died = time.monotonic()
        accounts.until(lambda: "has died" in accounts.logs(), "its turn is given to another")
        assert time.monotonic() - died < RESCUED_WITHIN
        accounts.until(lambda: accounts.settled("acme"), "acme is served")
        accounts.members["acme"].check()


def test_a_second_signal_ends_it_where_it_stands(queue: str, tmp_path: Path) -> None:
    with fleet(tmp_path, queue, ["acme"]) as accounts:
        switches = accounts.members["acme"].sandbox
        switches.latency = 3.0
        first = accounts.start()
        accounts.until(lambda: at_work(accounts) and bool(switches.requests), "it waits for a CRM")
        assert first.pid is not None
        for _ in range(2):
            os.kill(first.pid, signal.SIGTERM)
            first.join(0.3)
        first.join(2)
        assert first.exitcode == 128 + signal.SIGTERM
        accounts.workers.remove(first)
        switches.latency = 0.0
        accounts.start()
        accounts.until(lambda: accounts.settled("acme"), "acme is served")
        accounts.members["acme"].check()


def test_one_accounts_trouble_is_not_the_others(queue: str, tmp_path: Path) -> None:
    """A wrong password, a day's calls that are spent: such accounts are left alone for a while.

    The worker serves one account at a time, so whoever held it up would hold up everybody.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"concurrency": 1, "listen": f"127.0.0.1:{port}"}
    with fleet(tmp_path, queue, ["good", "locked", "spent"], **options) as accounts:
        for file in accounts.members["locked"].secrets.iterdir():
            file.write_text("wrong")
        limits = accounts.members["spent"].sandbox.switches
        limits.sf_daily_limit, limits.hs_daily_limit = 30, 30
        accounts.start()
        accounts.until(lambda: accounts.settled("good", runs=4), "good is served again and again")
        assert accounts.turns(port, "good") >= 3
        assert max(accounts.turns(port, name) for name in ("locked", "spent")) <= 3, "left alone in between"
        took = {name: accounts.seconds(port, name) for name in accounts.members}
        assert took["locked"] + took["spent"] < 2 * took["good"], "they hold the only place for a moment"
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz").read()
        assert page == b"ok\n"
        answer = tmp_path / "cli.json"
        argv = ["sync", "--json", "--config-dir", str(tmp_path / "good")]
        assert mqlsync(argv, accounts.environ, answer) == 0, answer.read_text()
        assert '"outcome": "ok"' in answer.read_text()
        used = {name: calls(accounts, name) for name in ("spent", "good")}
        accounts.drain(accounts.workers[0])
    assert used["spent"] == {"salesforce": 0, "hubspot": 0}, "asked for more than there was"
    said = [json.loads(line) for line in accounts.logs().splitlines() if line.startswith("{")]
    assert {one.get("account") for one in said} >= {"good", "locked", "spent"}
    assert "wrong" not in accounts.logs().replace("went wrong", "")


def calls(accounts: Fleet, name: str) -> dict[str, int]:
    """How many requests of that account its CRMs refused because the day's calls were spent."""
    found = {"salesforce": 0, "hubspot": 0}
    for one in accounts.members[name].sandbox.requests:
        found[one.crm] += one.status in (403, 429)
    return found
