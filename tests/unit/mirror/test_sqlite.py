"""What is SQLite's own: its settings, its file, and everything that can be wrong with it."""

from __future__ import annotations

import math
import re
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from sync.mirror import engine as engine_module
from sync.mirror.engine import Mirror, register_math
from sync.mirror.migrations import METADATA, belongs_to
from sync.mirror.unusable import DatabaseDamaged, DatabaseLocked, DatabaseNewer, DatabaseUnusable, DiskFull
from tests.world import SimulatedWorld

pytestmark = pytest.mark.sqlite("its own file; see test_postgresql for the other")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "mirror.db"


@pytest.fixture
def mirror(path: Path) -> Iterator[Mirror]:
    mirror = Mirror(f"sqlite:///{path}", SimulatedWorld())
    yield mirror
    mirror.close()


def pragma(mirror: Mirror, name: str, *, durable: bool | None = None) -> object:
    if durable is None:
        with mirror.read() as conn:
            return conn.exec_driver_sql(f"PRAGMA {name}").scalar()
    with mirror.write(durable=durable) as conn:
        return conn.exec_driver_sql(f"PRAGMA {name}").scalar()


def test_settings_of_every_connection(mirror: Mirror) -> None:
    assert pragma(mirror, "journal_mode") == "wal"
    assert pragma(mirror, "cache_size") == -65536
    assert pragma(mirror, "temp_store") == 2
    assert pragma(mirror, "busy_timeout") == 30_000


def test_durable_means_synchronous_full_for_that_transaction_only(mirror: Mirror) -> None:
    assert pragma(mirror, "synchronous", durable=True) == 2
    assert pragma(mirror, "synchronous", durable=False) == 1
    assert pragma(mirror, "synchronous") == 1


def test_only_the_owner_can_read_the_files(mirror: Mirror, path: Path) -> None:
    mirror.migrate()
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {"mirror.db": 0o600, "mirror.db-wal": 0o600, "mirror.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_an_open_file_is_closed_to_others(path: Path) -> None:
    path.parent.mkdir()
    path.touch(mode=0o644)
    with Mirror(f"sqlite:///{path}", SimulatedWorld()).read():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_migrated_database_has_exactly_the_schema_of_the_tables(mirror: Mirror) -> None:
    mirror.migrate()
    with mirror.read() as conn:
        mine = {"include_object": belongs_to(conn.dialect.name)}
        context = MigrationContext.configure(
            conn, opts={"compare_type": True, "compare_server_default": True, **mine}
        )
        assert compare_metadata(context, METADATA) == []


def test_migrated_and_fresh_are_the_same_text(mirror: Mirror, tmp_path: Path) -> None:
    mirror.migrate()
    fresh = Mirror(f"sqlite:///{tmp_path / 'fresh.db'}", SimulatedWorld())
    with fresh.write() as conn:
        METADATA.create_all(conn)
    assert described(mirror) == described(fresh)
    fresh.close()


def described(mirror: Mirror) -> dict[str, object]:
    """Columns, keys, indexes and checks of every table, whatever order they were made in."""
    with mirror.read() as conn:
        tables = conn.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
        found: dict[str, object] = {}
        for table in sorted(set(tables) - {"alembic_version", "sqlite_sequence"}):
            columns = sorted(tuple(row)[1:] for row in conn.execute(text(f"PRAGMA table_info({table})")))
            indexes = conn.execute(
                text(
                    "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :t AND sql > ''"
                ),
                {"t": table},
            )
            made = conn.execute(
                text("SELECT sql FROM sqlite_master WHERE name = :t"), {"t": table}
            ).scalar_one()
            checks = sorted(re.findall(r"CHECK \(.*\)", made))
            found[table] = (columns, checks, sorted((name, " ".join(sql.split())) for name, sql in indexes))
        return found


def test_migrating_twice_changes_nothing(mirror: Mirror) -> None:
    mirror.migrate()
    before = described(mirror)
    mirror.migrate()
    assert described(mirror) == before


def test_a_newer_database_is_refused_untouched(mirror: Mirror) -> None:
    mirror.migrate()
    with mirror.write() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseNewer) as caught:
        mirror.migrate()
    assert caught.value.found == "9999"
    with mirror.read() as conn:
        assert conn.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"


def test_a_failed_migration_leaves_nothing_behind(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("stop")

    monkeypatch.setattr("alembic.runtime.migration.HeadMaintainer.update_to_step", fail)
    with pytest.raises(OSError, match="stop"):
        mirror.migrate()
    with mirror.read() as conn:
        assert conn.execute(text("SELECT count(*) FROM sqlite_master")).scalar() == 0


def test_a_file_that_is_no_database(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, but it is long enough to look at" * 100)
    with pytest.raises(DatabaseDamaged) as caught:
        Mirror(f"sqlite:///{path}", SimulatedWorld()).migrate()
    assert caught.value.where == str(path)


def test_damage_inside_the_file(mirror: Mirror, path: Path) -> None:
    mirror.migrate()
    mirror.close()
    with path.open("r+b") as file:
        file.seek(100)  # behind the header of the file, where the schema begins
        file.write(b"\xff" * 4096)
    with pytest.raises(DatabaseDamaged):
        described(mirror)


def test_a_full_disk(mirror: Mirror) -> None:
    mirror.migrate()

    def fill() -> None:
        with mirror.write() as conn:
            pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
            conn.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            conn.execute(text("INSERT INTO meta VALUES ('a', :big)"), {"big": "x" * 100_000})

    with pytest.raises(DiskFull) as caught:
        fill()
    assert caught.value.free_bytes is not None


def test_a_lock_that_is_not_let_go(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "BUSY_TIMEOUT", 10)
    mirror = Mirror(f"sqlite:///{path}", SimulatedWorld())
    mirror.migrate()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseLocked), mirror.write():
        pass
    other.close()
    mirror.close()


def test_a_folder_where_the_file_should_be(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusable), Mirror(f"sqlite:///{tmp_path}", SimulatedWorld()).read():
        pass


def test_math_functions_from_python_answer_as_the_built_in_ones() -> None:
    built_in, ours = sqlite3.connect(":memory:"), sqlite3.connect(":memory:")
    register_math(ours)
    sql = (
        "SELECT exp(-700.0), pow(0.5, 3.25), floor(-2.5), ceil(2.1), ln(10.0), sqrt(2.0), exp(NULL), ln(-1.0)"
    )
    assert ours.execute(sql).fetchone() == built_in.execute(sql).fetchone()
    assert ours.execute("SELECT exp(1e6)").fetchone() == (math.inf,)
