"""Two accounts on one account of a CRM: the first is served, the other is told; nobody is served twice."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.records import Identity
from sync.mirror.claims import Claims
from sync.stages.pull import _unique
from tests.postgres import Postgres
from tests.workers.fleet import Fleet, fleet
from tests.world import SimulatedWorld


@pytest.fixture
def queue(postgres: Postgres) -> Iterator[str]:
    url = postgres.new_database()
    yield url
    postgres.drop(url)


@pytest.fixture
def claims(queue: str) -> Iterator[Claims]:
    made = Claims(queue.replace("+psycopg", ""), SimulatedWorld())
    yield made
    made.close()


def test_who_comes_first_has_it(claims: Claims) -> None:
    known = ["acme", "beta"]
    assert claims.taken("acme", "hubspot", "42", known) == ""
    assert claims.taken("acme", "hubspot", "42", known) == "", "as often as it asks"
    assert claims.taken("beta", "hubspot", "42", known) == "acme"
    assert claims.taken("beta", "salesforce", "42", known) == "", "another CRM"
    assert claims.taken("beta", "hubspot", "43", known) == ""


def test_an_account_that_is_named_no_more_is_in_nobodys_way(claims: Claims) -> None:
    assert claims.taken("acme", "hubspot", "42", ["acme", "beta"]) == ""
    assert claims.taken("beta", "hubspot", "42", ["beta"]) == ""
    assert claims.taken("acme", "hubspot", "42", ["acme", "beta"]) == "beta"


def test_an_account_that_signs_in_elsewhere_gives_the_former_up(claims: Claims) -> None:
    assert claims.taken("acme", "hubspot", "42", ["acme", "beta"]) == ""
    assert claims.taken("acme", "hubspot", "43", ["acme", "beta"]) == ""
    assert claims.taken("beta", "hubspot", "42", ["acme", "beta"]) == ""


def test_of_many_at_once_one_has_it(queue: str) -> None:
    names = [f"a{number}" for number in range(6)]
    answers: dict[str, str] = {}
    ready = threading.Barrier(len(names))

    def ask(name: str) -> None:
        own = Claims(queue.replace("+psycopg", ""), SimulatedWorld())
        ready.wait(10)
        answers[name] = own.taken(name, "hubspot", "42", names)
        own.close()

    threads = [threading.Thread(target=ask, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [name for name, other in answers.items() if other == ""]
    assert set(answers.values()) == {"", winner}


def test_simulated_crms_may_all_have_the_same_number() -> None:
    there = Identity("hubspot", "42", "", "", "https://api.hubapi.com", 0.0)
    here = Identity("hubspot", "42", "", "", "http://127.0.0.1:8080", 0.0)
    assert (_unique(there), _unique(here)) == ("42", "42 http://127.0.0.1:8080")


def test_a_worker_does_not_write_one_crm_for_two_accounts(queue: str, tmp_path: Path) -> None:
    with fleet(tmp_path, queue, ["acme", "beta"], people=5) as accounts:
        first, twin = accounts.members["acme"], accounts.members["beta"]
        shutil.copytree(first.folder, twin.folder, dirs_exist_ok=True)  # the same credentials
        worker = accounts.start()
        accounts.until(lambda: refused(accounts) is not None, "the refusal of one of them")
        name = refused(accounts)
        other = {"acme": "beta", "beta": "acme"}[name or ""]
        accounts.until(lambda: accounts.runs(other) > 0, "a run of the other")
        report = json.loads(str(accounts.ask(f"SELECT report FROM {name}.run ORDER BY started_at LIMIT 1")))
        codes = sorted(problem["code"] for problem in report["problems"])
        assert codes == ["HS-ACCOUNT_TAKEN", "SF-ACCOUNT_TAKEN"]
        assert f"is served as {other} already" in report["problems"][0]["message"]
        assert accounts.ask(f"SELECT count(*) FROM {name}.person_record") == 0
        assert accounts.ask(f"SELECT count(*) FROM {name}.intent") == 0
        accounts.drain(worker)


def refused(accounts: Fleet) -> str | None:
    """The account that has ended a run without either CRM."""
    for name in accounts.members:
        taken = f"SELECT count(*) FROM {name}.run WHERE report LIKE '%ACCOUNT_TAKEN%'"
        if accounts.ask(taken):
            return name
    return None
