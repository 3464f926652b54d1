"""Workers that die, and are told to stop: every account is served by one at a time, and nothing is lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Postgres
from tests.workers.fleet import Fleet, fleet


@pytest.fixture
def queue(postgres: Postgres) -> Iterator[str]:
    url = postgres.new_database()
    yield url
    postgres.drop(url)


def test_two_workers_one_of_which_is_killed_serve_three_accounts(queue: str, tmp_path: Path) -> None:
    with fleet(tmp_path, queue, ["acme", "beta", "gamma"]) as accounts:
        first = accounts.start()
        accounts.start()
        accounts.until(lambda: "doing" in Counter(state for _, state in accounts.jobs()), "a turn")
        accounts.kill(first)
        accounts.start()
        for name in accounts.members:
            accounts.until(lambda: accounts.settled(name), f"{name} is served")  # noqa: B023 (called here)
        for worker in list(accounts.workers):
            assert accounts.drain(worker) < 10
        for member in accounts.members.values():
            member.check()
