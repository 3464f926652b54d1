"""A PostgreSQL of one test module's own, that can be stopped as by a crash and started again."""

from __future__ import annotations

import itertools
import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psycopg

from tests import postgres_server
from tests.postgres_server import PREFIX

PATIENCE: Final = 60.0  # seconds on a busy machine


class OwnServer:
    """A running server. Commits wait for its log as they do by default: a crash undoes nothing of theirs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = (postgres_server._from_packages(folder) or postgres_server._from_machine(folder)).replace(
            "postgresql+psycopg", "postgresql"
        )
        self._data = next(path.parent for path in folder.glob("**/postmaster.opts"))
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute("ALTER SYSTEM SET synchronous_commit = on")
            conn.execute("SELECT pg_reload_conf()")
        self._command = shlex.split((self._data / "postmaster.opts").read_text())
        self._numbers = itertools.count(1)
        self._started: list[subprocess.Popen[bytes]] = []

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"own_{next(self._numbers)}"
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url.replace("/postgres?", f"/{name}?", 1)

    def stop(self) -> None:
        """End it at once, without a checkpoint or a farewell to its clients."""
        process = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(process, signal.SIGQUIT)
        self._until(lambda: not _lives(process))

    def start(self) -> None:
        """Start it again, and wait until it has recovered."""
        with (self._folder / "restarted.log").open("ab") as log:
            restarted = subprocess.Popen(
                self._command,
                user=self._data.stat().st_uid if os.geteuid() == 0 else None,
                cwd=self._data,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started.append(restarted)
        self._until(self._answers)

    def cut(self) -> int:
        """Break off every session of its clients; how many."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            ended = conn.execute(
                "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).fetchone()
        return 0 if ended is None else int(ended[0])

    def close(self) -> None:
        """End it for good."""
        for process in self._started:
            process.send_signal(signal.SIGQUIT)
            process.wait()
        postgres_server._remove(self._folder)

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError), psycopg.connect(self.url):
            return True
        return False

    def _until(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline, (self._folder / "restarted.log").read_text()
            time.sleep(0.02)


def _lives(process: int) -> bool:
    """Whether there is such a process that is more than its exit code."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """One for a block. Ends the process (SystemExit) with the reason where none can be had."""
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}own-"))
    folder.chmod(0o755)
    try:
        server = OwnServer(folder)
    except BaseException:
        postgres_server._remove(folder)
        raise
    try:
        yield server
    finally:
        server.close()
