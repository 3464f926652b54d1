"""`accounts`, `worker` and commands on one account's folder, as typed."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config.accounts import in_schema
from sync.cli.logs import ACCOUNT, ACCOUNTS_RUN, logging_to
from sync.mirror.engine import Mirror
from sync.mirror.runs import set_meta
from sync.redaction import Redactor
from sync.worker import prepare, queue_schema
from tests.postgres import Postgres
from tests.unit.cli.runner import Ran, run
from tests.unit.cli.told import faults, shapes
from tests.world import SimulatedWorld

TOKEN = "pat-of-hubspot-canary"


@pytest.fixture
def queue(postgres: Postgres) -> Iterator[str]:
    url = postgres.new_database()
    yield url.replace("+psycopg", "")
    postgres.drop(url)


class Hosts:
    """A folder with accounts, and commands typed there."""

    def __init__(self, folder: Path, queue: str, *names: str) -> None:
        self.folder, self.queue = folder, queue
        self.text = ""
        for name in names:
            made = folder / "accounts" / name
            assert run("init", "--config-dir", str(made)).code == 0
            secrets = folder / "secrets" / name
            secrets.mkdir(parents=True)
            (secrets / "MQLSYNC_HUBSPOT__ACCESS_TOKEN").write_text(TOKEN + name)
            self.text += f'[accounts.{name}]\nsecrets = "secrets/{name}"\n'
        self.write(self.text)

    def write(self, text: str) -> None:
        (self.folder / "accounts.toml").write_text('folder = "accounts"\n' + text)

    def type(self, *argv: str, folder: str = ".", **environ: str) -> Ran:
        given = {"MQLSYNC_QUEUE_URL": self.queue, **environ}
        ran = run(*argv, "--config-dir", str(self.folder / folder), environ=given)
        assert TOKEN not in ran.out + ran.err
        assert "Traceback" not in ran.err
        return ran

    def json(self, *argv: str, code: int = 0, folder: str = ".") -> Any:
        ran = self.type(*argv, "--json", folder=folder)
        assert ran.code == code, ran.err
        return json.loads(ran.out)

    def mirror(self, name: str) -> Mirror:
        return Mirror(in_schema(self.queue, name), SimulatedWorld())


def test_list_says_what_is_served_without_connecting(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path, "postgresql://u:canary-of-queue@nowhere.invalid/d", "acme", "beta")
    told = hosts.json("accounts", "list")["accounts"]
    assert [(one["account"], one["crms"]) for one in told] == [("acme", ["hubspot"]), ("beta", ["hubspot"])]
    assert told[0]["config_dir"] == str(tmp_path / "accounts" / "acme")
    assert "search_path%3Dacme" in told[0]["mirror"]
    assert "canary-of-queue" not in json.dumps(told) + hosts.type("accounts", "list").out


def test_check_tells_how_each_account_is(queue: str, tmp_path: Path) -> None:
    hosts = Hosts(tmp_path, queue, "acme", "beta", "gamma")
    for name in ("acme", "beta"):
        mirror = hosts.mirror(name)
        mirror.migrate()
        with mirror.write() as conn:
            set_meta(conn, "hubspot.account_id", "4711")
        mirror.close()
    (tmp_path / "accounts" / "gamma" / "mqlsync.toml").write_text("[hubspot]\nbase_ulr = 'x'\n")
    told = {one["account"]: one for one in hosts.json("accounts", "check", code=2)["accounts"]}
    assert told["acme"]["state"] == "unusable"
    assert "HubSpot account 4711 is that of beta as well" in told["acme"]["reasons"]
    assert any("did you mean 'base_url'?" in reason for reason in told["gamma"]["reasons"])
    mirror = hosts.mirror("beta")
    with mirror.write() as conn:
        set_meta(conn, "hubspot.account_id", "42")
    mirror.close()
    hosts.write(hosts.text.partition("[accounts.gamma]")[0])
    answer = hosts.json("accounts", "check", code=3)
    assert list(faults(answer, shapes()["accounts check"])) == []
    told = {one["account"]: one for one in answer["accounts"]}
    assert {name: one["state"] for name, one in told.items()} == {"acme": "degraded", "beta": "degraded"}
    assert told["acme"]["reasons"] == ["nothing has run yet"]
    assert told["acme"]["crm_accounts"] == {"hubspot": "4711"}
    assert "never pulled" in hosts.type("accounts", "check").out


def test_a_command_on_an_accounts_folder_has_its_mirror_and_its_secrets_alone(
    queue: str, tmp_path: Path
) -> None:
    hosts = Hosts(tmp_path, queue, "acme")
    status = hosts.json("status", folder="accounts/acme")
    assert list(status["budget"]) == ["hubspot"], "the account's own secrets"
    with psycopg.connect(queue) as conn:
        schemas = conn.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'intent'").fetchall()
    assert schemas == [("acme",)]
    foreign = {"MQLSYNC_DATABASE_URL": f"sqlite:///{tmp_path}/other.db", "MQLSYNC_SALESFORCE__PASSWORD": "x"}
    assert hosts.type("status", folder="accounts/acme", **foreign).code == 0
    assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize("argv", [("worker",), ("accounts", "list"), ("accounts", "check")])
def test_without_accounts_toml_there_is_nothing_to_serve(tmp_path: Path, argv: tuple[str, ...]) -> None:
    ran = run(*argv, "--config-dir", str(tmp_path))
    assert ran.code == 2
    assert "accounts.toml: cannot be read" in ran.err


def test_a_worker_says_at_once_that_the_queue_cannot_be_had(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path, "postgresql://u:canary-of-queue@127.0.0.1:1/d", "acme")
    hosts.write('listen = ""\n' + hosts.text)
    ran = hosts.type("worker")
    assert ran.code == 5
    assert "The database server does not answer" in ran.err
    assert "canary-of-queue" not in ran.err


def test_the_queue_is_made_once_however_many_workers_begin(queue: str) -> None:
    world = SimulatedWorld()
    failed: list[BaseException] = []

    def begin() -> None:
        try:
            prepare(queue, world)
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    with psycopg.connect(queue) as conn:
        found = conn.execute(
            "SELECT schemaname FROM pg_tables WHERE tablename = 'procrastinate_jobs'"
        ).fetchall()
    assert found == [(queue_schema(),)]


DEFER = "SELECT procrastinate_defer_periodic_job_v2('q', NULL, NULL, %s, 0, '', %s, '{}'::jsonb)"


def test_a_periodic_task_is_deferred_once_for_each_moment_also_by_those_who_lag_behind(queue: str) -> None:
    for _ in range(2):  # a second worker finds the guard there
        prepare(queue, SimulatedWorld())
    deferred: list[tuple[str, int]] = []

    def lag(number: int) -> None:
        with psycopg.connect(queue, autocommit=True, options=f"-csearch_path={queue_schema()}") as conn:
            for moment in (1, 2, 1, 3, 2 + number, 1):
                for task in ("look", "rescue"):
                    found = conn.execute(DEFER, (task, moment)).fetchone()
                    assert found is not None
                    if found[0] is not None:
                        deferred.append((task, moment))

    threads = [threading.Thread(target=lag, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(deferred)) == len(deferred)
    assert {("look", 7), ("rescue", 7)} <= set(deferred), "the latest is never held up"


def test_log_lines_carry_the_account_and_its_run() -> None:
    stream = StringIO()
    log = logging.getLogger("sync.test")

    def serve(name: str) -> None:
        ACCOUNT.set(name)
        ACCOUNTS_RUN.set(f"run-of-{name}")
        log.info("served")

    for as_json in (True, False):
        with logging_to(stream, Redactor(), as_json=as_json, quiet=False, verbose=False):
            threads = [threading.Thread(target=serve, args=(name,)) for name in ("acme", "beta")]
            for thread in threads:
                thread.start()
                thread.join()
            log.info("between")
    first, second, third, *human = stream.getvalue().splitlines()
    assert (json.loads(first)["account"], json.loads(first)["run_id"]) == ("acme", "run-of-acme")
    assert json.loads(second)["account"] == "beta"
    assert "account" not in json.loads(third)
    assert "info acme run run-of-a: served" in human[0]
