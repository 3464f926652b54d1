"""Both databases for every test that touches the mirror; imported by conftest.py.

How a test gets both: make its mirrors at `mirror_url(folder)` (or use a helper that does: the `mirror`
fixture, `small`, `Bench`, `Site`) and let it, or a fixture of it, ask for the fixture `database`. In
tests/pipeline and tests/acceptance every test does so by itself. It is then run twice, `[sqlite]` and
`[postgresql]`, and `mirror_url` follows.

A test about SQLite's own files (write-ahead log, pragmas, a damaged file, a copied file), or for which the
database makes no difference, is marked `@pytest.mark.sqlite("why")` and runs once. A test that opens a
mirror and does neither fails. A fixture of a wider scope than a function that makes a mirror must name
`database` itself, so that it is made anew for the other one. A test may choose by itself:
`@pytest.mark.parametrize("database", ["postgresql"], indirect=True)`, or ask for `postgres`.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Connection, Engine, event

from sync.mirror.engine import Mirror
from tests.postgres import Postgres
from tests.world import SimulatedWorld

BOTH: Final = ("sqlite", "postgresql")
MARK: Final = "sqlite(why): about SQLite's own files, say; not run on PostgreSQL"
OWN: Final = {"database", "databases", "postgres"}
"""Fixtures: a test that asks for one of them has thought of PostgreSQL."""


class _Borrowed:
    """What this process uses: the database in turn, the server, folder/name → URL."""

    kind = "sqlite"
    server: Postgres | None = None
    during_setup = False
    mirrors: Final[dict[Path, str]] = {}
    lasting: Final[set[Path]] = set()
    may_open: Final[set[str]] = {"sqlite", "postgresql"}
    strays: Final[set[str]] = set()


@event.listens_for(Engine, "engine_connect")
def _see(conn: Connection) -> None:
    """Note a mirror that a test opens and should not: one in SQLite alone, or not the one in turn."""
    if conn.dialect.name not in _Borrowed.may_open and conn.engine.url.database:
        _Borrowed.strays.add(str(conn.engine.url))


def _allowed(item: pytest.Item) -> set[str]:
    """The databases in which a test may open mirrors."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    if item.get_closest_marker("sqlite") is not None:
        return set(BOTH)
    if "database" in params:
        return {params["database"]}
    return set(BOTH) if OWN & set(getattr(item, "fixturenames", ())) else set()


def mirror_url(folder: Path, name: str = "mirror.db") -> str:
    """Where a mirror of this test is: a file in the folder, or a database that stands for that file.

    Either has today's schema and no rows when it is asked for first.
    """
    path = folder / name
    if _Borrowed.kind == "sqlite":
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(empty_mirror())
        return f"sqlite:///{path}"
    assert _Borrowed.server is not None, "the test does not ask for the fixture `database`"
    if path not in _Borrowed.mirrors:
        _Borrowed.mirrors[path] = _Borrowed.server.borrow()
        if _Borrowed.during_setup:
            _Borrowed.lasting.add(path)
    return _Borrowed.mirrors[path]


@functools.cache
def empty_mirror() -> bytes:
    """A SQLite mirror that was migrated once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        mirror = Mirror(f"sqlite:///{path}", SimulatedWorld())
        mirror.migrate()
        mirror.close()
        return path.read_bytes()


@contextmanager
def one_more(folder: Path) -> Iterator[str]:
    """A mirror for a block: for tests that need many, one after the other."""
    yield mirror_url(folder)
    forget(folder)


def forget(folder: Path, name: str = "mirror.db") -> None:
    """The mirror in the folder is gone: the next one there is empty. Call when it is closed."""
    path = folder / name
    if path in _Borrowed.mirrors:
        _give_back(path)
    for suffix in ("", "-wal", "-shm", ".lock"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


@pytest.fixture(scope="session")
def database(request: pytest.FixtureRequest) -> str:
    """The database in turn: "sqlite" or "postgresql"; see the head of tests/databases.py."""
    kind: str = getattr(request, "param", "sqlite")
    if kind == "postgresql" and _Borrowed.server is None:
        _Borrowed.server = request.getfixturevalue("postgres")
    return kind


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARK)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that asks for `database`, directly or by a fixture, is run on both."""
    chosen = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "database" in metafunc.fixturenames and "database" not in chosen:
        about_files = metafunc.definition.get_closest_marker("sqlite") is not None
        metafunc.parametrize("database", BOTH[:1] if about_files else BOTH, indirect=True, scope="session")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Before any fixture: `mirror_url` follows the test's database."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    _Borrowed.kind = params.get("database", "sqlite")
    _Borrowed.during_setup = True
    _Borrowed.may_open.clear()
    _Borrowed.may_open.update(_allowed(item))
    yield
    _Borrowed.during_setup = False


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """After the test's fixtures: its databases may serve others. Those of wider fixtures stay theirs."""
    _Borrowed.during_setup = False
    own = getattr(item, "funcargs", {}).get("tmp_path")
    yield
    for path in list(_Borrowed.mirrors):
        if path not in _Borrowed.lasting or (own is not None and path.is_relative_to(own)):
            _give_back(path)
    _Borrowed.may_open.update(BOTH)
    strays = sorted(_Borrowed.strays)
    _Borrowed.strays.clear()
    assert not strays, f"not on both databases, and not marked `sqlite`: {strays}"


def _give_back(path: Path) -> None:
    assert _Borrowed.server is not None
    _Borrowed.server.give_back(_Borrowed.mirrors.pop(path))
    _Borrowed.lasting.discard(path)
