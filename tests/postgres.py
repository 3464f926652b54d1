"""A real PostgreSQL for the tests; imported by conftest.py.

`MQLSYNC_TEST_POSTGRES_URL` names one that runs already (its user may create databases). Otherwise a server
is started in a temporary folder, from the development requirements or the machine's own binaries, once for
all workers of a test run (see `postgres_server`). Where none can be had the tests are skipped, loudly; under
CI they fail.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any, Final, NoReturn

import psycopg
import pytest
from sqlalchemy import URL, make_url

from sync.mirror.engine import Mirror
from tests.postgres_server import NoServer, join
from tests.world import SimulatedWorld

GIVEN: Final = "MQLSYNC_TEST_POSTGRES_URL"
TEMPLATE: Final = "template1"
SMALL: Final = 1024**2  # bytes of a table up to which DELETE is cheaper than TRUNCATE

EMPTY: Final = f"""
DO $$
DECLARE one record;
BEGIN
  SET LOCAL session_replication_role = replica;  -- no foreign key is looked at
  FOR one IN SELECT oid, relname FROM pg_class WHERE relkind = 'r' AND relname <> 'alembic_version'
      AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0 LOOP
    IF pg_relation_size(one.oid) > {SMALL} THEN EXECUTE format('TRUNCATE %I', one.relname);
    ELSE EXECUTE format('DELETE FROM %I', one.relname);
    END IF;
  END LOOP;
  FOR one IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL LOOP
    EXECUTE format('ALTER SEQUENCE %I RESTART', one.sequencename);
  END LOOP;
END $$
"""
"""Takes every row out of a mirror's tables and begins its sequences again."""


class Postgres:
    """A running server. `new_database` gives the URL of an empty one, or of a copy of another."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql+psycopg")
        self._admin = psycopg.connect(_libpq(self._url), autocommit=True)
        self._names = (f"mqlsync_test_{os.getpid()}_{n}" for n in itertools.count(1))
        self._made: list[str] = []
        self._migrated: str | None = None
        self._idle: list[str] = []

    @property
    def version(self) -> str:
        """Such as "18.4"."""
        return str(self._admin.info.parameter_status("server_version")).split()[0]

    def new_database(self, template: str = TEMPLATE) -> str:
        """The URL of a database of its own, that goes with the server or at the end of the run."""
        name = next(self._names)
        self._do(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        self._made.append(name)
        return self._url_of(name)

    def drop(self, url: str) -> None:
        """Remove one of the databases, whoever is still connected."""
        name = str(make_url(url).database)
        self._do(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._made.remove(name)

    def new_mirror(self) -> str:
        """The URL of a database with the mirror's schema: migrated once, then copied."""
        if self._migrated is None:
            url = self.new_database()
            mirror = Mirror(url, SimulatedWorld())
            mirror.migrate()
            mirror.close()
            self._migrated = str(make_url(url).database)
        return self.new_database(self._migrated)

    def borrow(self) -> str:
        """A mirror without rows that may have served others: give it back with its schema as it was."""
        while self._idle:
            url = self._idle.pop()
            with suppress(psycopg.Error):
                with psycopg.connect(_libpq(make_url(url))) as conn:
                    conn.execute(EMPTY)
                return url
            self.drop(url)
        return self.new_mirror()

    def give_back(self, url: str) -> None:
        """Whoever is still connected loses its connection."""
        if self._admin.closed:
            return  # the run is over
        name = make_url(url).database
        self._do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", name)
        self._idle.append(url)

    def close(self) -> None:
        """Remove every database that is left and let go of the server."""
        for name in list(self._made):
            self.drop(self._url_of(name))
        self._admin.close()

    def leave(self) -> None:
        """Let go of a server that will be removed with everything in it."""
        self._admin.close()

    def _url_of(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    def _do(self, statement: str, *values: object) -> None:
        self._admin.execute(statement.encode(), values or None)


def _libpq(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server of this test run."""
    given = os.environ.get(GIVEN)
    if given:
        running = Postgres(given)
        yield running
        running.close()
        return
    with ExitStack() as stack:
        try:
            url = stack.enter_context(join(os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))))
        except NoServer as error:
            _without(f"PostgreSQL did not start: {error}")
        running = Postgres(url)
        yield running
        running.leave()


def _without(reason: str) -> NoReturn:
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"{reason}; set {GIVEN}")
    pytest.skip(f"{reason}; set {GIVEN}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say loudly what was not tried, at the end of the run: what a test itself prints nobody sees."""
    skipped = [one for one in terminalreporter.stats.get("skipped", ()) if GIVEN in str(one.longrepr)]
    if skipped:
        title = f"{len(skipped)} TESTS WERE NOT RUN ON POSTGRESQL"
        terminalreporter.write_sep("!", title, red=True, bold=True)
        terminalreporter.write_line(skipped[0].longrepr[2].removeprefix("Skipped: "), red=True, bold=True)
