"""Accounts with two simulated CRMs each, one PostgreSQL, and workers as processes of their own."""

from __future__ import annotations

import os
import re
import signal
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

import psycopg
from sqlalchemy.exc import DBAPIError

from config.accounts import in_schema
from tests.faults.process import context, run_main
from tests.faults.test_kill import Case

SECRET: Final = ("CLIENT_SECRET", "ACCESS_TOKEN", "PASSWORD")
QUEUE_TABLES: Final = (
    "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'mqlsync_queue_%' ORDER BY nspname DESC LIMIT 1"
)


class Member(Case):
    """An account of the fleet: its settings in its folder, its secrets in files."""

    def __init__(self, folder: Path, queue: str, people: int, schedule: Mapping[str, str]) -> None:
        self.name = folder.name
        folder.mkdir(parents=True)
        super().__init__(folder, people=people)
        self.environ["MQLSYNC_DATABASE_URL"] = in_schema(queue, self.name)
        tables: dict[str, list[str]] = {"schedule": [f'{key} = "{text}"' for key, text in schedule.items()]}
        self.secrets = folder / "secrets"
        self.secrets.mkdir()
        for variable, value in self.environ.items():
            table, _, key = variable.removeprefix("MQLSYNC_").lower().replace("__", ".").rpartition(".")
            if variable.endswith(SECRET):
                (self.secrets / variable).write_text(value)
            elif table:
                tables.setdefault(table, []).append(
                    f"{key} = {value}" if value.isdecimal() else f'{key} = "{value}"'
                )
        path = folder / "mqlsync.toml"
        more = "".join(f"[{name}]\n" + "\n".join(lines) + "\n" for name, lines in tables.items())
        path.write_text(path.read_text() + more)
        tomllib.loads(path.read_text())

    def equal(self) -> bool:
        """Whether the mirror is as the CRMs are."""
        try:
            self.compare()
        except (AssertionError, DBAPIError):
            return False
        return True


class Fleet:
    """Accounts, and the workers that serve them."""

    def __init__(
        self,
        folder: Path,
        queue: str,
        names: Sequence[str],
        *,
        people: int = 15,
        concurrency: int = 2,
        rescue_after: int = 2,
        schedule: Mapping[str, str] | None = None,
        listen: str = "",
        patience: float = 60.0,
    ) -> None:
        self.patience = patience
        self.folder, self.queue = folder, queue.replace("+psycopg", "")
        when = schedule or {"pull": "1s", "full": "0 3 1 1 *"}
        self.members = {name: Member(folder / name, queue, people, when) for name in names}
        entries = [f'[accounts.{name}]\nsecrets = "{name}/secrets"\n' for name in names]
        head = f'concurrency = {concurrency}\nrescue_after = "{rescue_after}s"\nlisten = "{listen}"\n'
        (folder / "accounts.toml").write_text(head + "".join(entries))
        self.environ = {"MQLSYNC_QUEUE_URL": self.queue, "HOME": str(folder)}
        self.workers: list[BaseProcess] = []
        self.started = 0

    def start(self) -> BaseProcess:
        """One more worker."""
        self.started += 1
        self.log(self.started).touch()
        argv = ["worker", "--config-dir", str(self.folder)]
        process = context().Process(
            target=run_main, args=(argv, self.environ, None, (), None, self.log(self.started))
        )
        process.start()
        self.workers.append(process)
        return process

    def log(self, number: int) -> Path:
        """What the n-th worker wrote."""
        return self.folder / f"worker{number}.log"

    def logs(self) -> str:
        """What all of them wrote."""
        return "".join(self.log(number + 1).read_text() for number in range(self.started))

    def kill(self, worker: BaseProcess) -> None:
        """Pull its plug."""
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        self.workers.remove(worker)

    def drain(self, worker: BaseProcess) -> float:
        """Tell it to stop; seconds until it has."""
        assert worker.pid is not None
        begun = time.monotonic()
        os.kill(worker.pid, signal.SIGTERM)
        worker.join(15)
        took = time.monotonic() - begun
        assert worker.exitcode == 0, worker.exitcode
        self.workers.remove(worker)
        return took

    def until(self, happened: Callable[[], bool], what: str) -> None:
        """Wait for something that the workers are to do."""
        deadline = time.monotonic() + self.patience
        while not happened():
            assert time.monotonic() < deadline, f"not in {self.patience:.0f} s: {what}\n{self.logs()[-4000:]}"
            time.sleep(0.05)

    def runs(self, name: str) -> int:
        """How many runs an account has had that came to a good end."""
        return int(self.ask(f"SELECT count(*) FROM {name}.run WHERE outcome IN ('ok', 'partial')") or 0)

    def settled(self, name: str, runs: int = 1) -> bool:
        """Whether everything of the account is pulled and written, by so many runs or more."""
        waiting = "('queued', 'awaiting_approval', 'quiet', 'sent', 'unsure')"
        open_intents = f"SELECT count(*) FROM {name}.intent WHERE state IN {waiting}"
        return self.runs(name) >= runs and not self.ask(open_intents) and self.members[name].equal()

    def turns(self, port: int, name: str) -> int:
        """How many turns of an account the worker on that port has ended, by its metrics."""
        return int(self._metric(port, "turns", name))

    def seconds(self, port: int, name: str) -> float:
        """How long its turns took."""
        return self._metric(port, "turn_seconds", name)

    def _metric(self, port: int, metric: str, name: str) -> float:
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
        label = rf'account="{name}".*'
        rows = re.findall(rf"^mqlsync_worker_{metric}_total{{{label}}} (.+)$", page, re.MULTILINE)
        return sum(map(float, rows))

    def ask(self, query: str) -> Any:
        """One value from the PostgreSQL; None where its table does not exist yet."""
        try:
            with psycopg.connect(self.queue) as conn:
                row = conn.execute(query.encode()).fetchone()
                return None if row is None else row[0]
        except psycopg.errors.UndefinedTable:
            return None

    def jobs(self) -> list[tuple[str, str]]:
        """(account, state) of every turn in the queue."""
        return [(str(lock), str(state)) for lock, state, _, _ in self._jobs()]

    def under_way(self) -> set[tuple[int, int]]:
        """(id, attempts so far) of every turn that a worker is at, or was when it died."""
        return {(number, attempts) for _, state, number, attempts in self._jobs() if state == "doing"}

    def _jobs(self) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.queue) as conn:
            found = conn.execute(QUEUE_TABLES).fetchone()
            if found is None:
                return []
            table = f"{found[0]}.procrastinate_jobs"
            query = f"SELECT lock, status::text, id, attempts FROM {table} WHERE lock IS NOT NULL"
            return conn.execute(query.encode()).fetchall()

    def close(self) -> None:
        """End everything."""
        for worker in self.workers:
            worker.kill()
            worker.join()
        for member in self.members.values():
            member.close()


@contextmanager
def fleet(folder: Path, queue: str, names: Sequence[str], **options: Any) -> Iterator[Fleet]:
    """A fleet for a block."""
    made = Fleet(folder, queue, names, **options)
    try:
        yield made
    finally:
        made.close()
