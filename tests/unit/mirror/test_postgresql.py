"""What is PostgreSQL's own: its schema, its order of text, its errors, and that it comes back."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import String, make_url, text
from sqlalchemy.exc import DBAPIError

from config.errors import ConfigError
from sync.cli.exits import ending
from sync.mirror import copying
from sync.mirror import engine as engine_module
from sync.mirror.dialect import in_batches
from sync.mirror.engine import Mirror
from sync.mirror.migrations import IN_LOCALE_ORDER, METADATA, belongs_to
from sync.mirror.unusable import (
    DatabaseDamaged,
    DatabaseLocked,
    DatabaseNewer,
    DatabaseRefused,
    DatabaseUnreachable,
    DatabaseUnusable,
    DiskFull,
)
from tests.postgres import Postgres
from tests.unit.mirror.rows import person, save, select
from tests.world import SimulatedWorld


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    url = postgres.new_mirror()
    yield url
    postgres.drop(url)


@pytest.fixture
def mirror(url: str) -> Iterator[Mirror]:
    """This one is on PostgreSQL alone."""
    mirror = Mirror(url, SimulatedWorld())
    yield mirror
    mirror.close()


def cut(url: str) -> None:
    """The server ends every session of the database."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_migrated_it_has_exactly_the_schema_of_the_tables(mirror: Mirror) -> None:
    def differ(*types: Any) -> bool | None:
        texts = all(isinstance(one, String) for one in types[3:])  # they have a collation here
        return False if texts else None

    with mirror.read() as conn:
        mine = {"include_object": belongs_to(conn.dialect.name)}
        options = {"compare_type": differ, "compare_server_default": True, **mine}
        assert compare_metadata(MigrationContext.configure(conn, opts=options), METADATA) == []


def test_every_text_is_in_the_order_of_its_bytes(mirror: Mirror) -> None:
    with mirror.read() as conn:
        assert conn.execute(IN_LOCALE_ORDER).all() == []
    names = ["a", "B", "_", "é", "Z", "z-1", "z1"]
    for number, name in enumerate(names):
        save(mirror, person("contacts", str(number), last_name=name))
    found = select(mirror, "SELECT last_name FROM person_record ORDER BY last_name")
    assert [row[0] for row in found] == sorted(names)


def test_a_migration_that_fails_leaves_nothing(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("stop")

    url = postgres.new_database()
    mirror = Mirror(url, SimulatedWorld())
    monkeypatch.setattr("sync.mirror.migrations._order_by_bytes", fail)
    with pytest.raises(OSError, match="stop"):
        mirror.migrate()
    query = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    assert select(mirror, query) == [(0,)]
    mirror.close()
    postgres.drop(url)


def test_a_newer_schema_is_refused(mirror: Mirror) -> None:
    with mirror.write() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseNewer) as caught:
        mirror.migrate()
    assert ending(caught.value).code == 12


def test_it_goes_on_after_the_server_broke_off(mirror: Mirror, url: str) -> None:
    def broken() -> None:
        with mirror.write() as conn:
            conn.execute(text("INSERT INTO meta VALUES ('a', 'b')"))
            cut(url)
            conn.execute(text("INSERT INTO meta VALUES ('c', 'd')"))

    with pytest.raises(DatabaseUnreachable) as caught:
        broken()
    assert ending(caught.value).code == 5
    assert select(mirror, "SELECT count(*) FROM meta") == [(0,)]
    cut(url)  # and again while nobody looks
    with mirror.write() as conn:
        conn.execute(text("INSERT INTO meta VALUES ('a', 'b')"))
    assert select(mirror, "SELECT count(*) FROM meta") == [(1,)]


def test_a_server_that_vanishes_is_noticed_by_the_connection_itself(mirror: Mirror) -> None:
    with mirror.read() as conn:
        driver: Any = conn.connection.driver_connection
        known = driver.info.get_parameters()
    assert (known["connect_timeout"], known["tcp_user_timeout"]) == ("10", "60000")
    idle = int(known["keepalives_idle"]) + int(known["keepalives_interval"]) * int(known["keepalives_count"])
    assert idle <= 60, "seconds of silence"
    given = engine_module.connect_options("postgresql+psycopg://m@db/m?connect_timeout=2")
    assert "connect_timeout" not in given, "what the URL says goes first"


SECRET = "c4n4ry-password"


@pytest.mark.parametrize(
    ("said", "kind", "code"),
    [
        ("connection to server at “db” failed: Connection refused", DatabaseUnreachable, 5),
        ("failed to resolve host 'db': [Errno -2] Name or service not known", DatabaseUnreachable, 5),
        ('connection failed: FATAL:  password authentication failed for user "m"', DatabaseRefused, 4),
        ("connection failed: fe_sendauth: no password supplied", DatabaseRefused, 4),
        ('connection failed: FATAL:  no pg_hba.conf entry for host "10.0.0.1"', DatabaseRefused, 4),
        ('connection failed: FATAL:  role "m" does not exist', DatabaseRefused, 4),
        ('connection failed: FATAL:  database "m" does not exist', DatabaseUnusable, 2),
    ],
)
def test_what_fails_before_there_is_a_session(
    said: str, kind: type[DatabaseUnusable], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise psycopg.OperationalError(said)

    monkeypatch.setattr(psycopg, "connect", refuse)
    mirror = Mirror(f"postgresql+psycopg://m:{SECRET}@db/m", SimulatedWorld())
    with pytest.raises(DatabaseUnusable) as caught, mirror.read():
        pass
    assert type(caught.value) is kind
    told = ending(caught.value)
    assert told.code == code
    assert SECRET not in " ".join(told.lines)


def test_nobody_listens_there() -> None:
    mirror = Mirror(f"postgresql+psycopg://m:{SECRET}@127.0.0.1:1/m", SimulatedWorld())
    with pytest.raises(DatabaseUnreachable) as caught, mirror.read():
        pass
    assert SECRET not in str(caught.value)
    assert "refused" in str(caught.value)


@pytest.mark.parametrize(
    ("state", "kind", "code"),
    [
        ("53100", DiskFull, 13),
        ("53300", DatabaseUnreachable, 5),
        ("57P03", DatabaseUnreachable, 5),
        ("40P01", DatabaseLocked, 5),
        ("42501", DatabaseRefused, 4),
        ("XX001", DatabaseDamaged, 12),
        ("25006", DatabaseUnusable, 2),
    ],
)
def test_what_the_server_says(mirror: Mirror, state: str, kind: type[DatabaseUnusable], code: int) -> None:
    with pytest.raises(DatabaseUnusable) as caught, mirror.write() as conn:
        conn.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'as a test' USING ERRCODE = '{state}'; END $$")
    assert type(caught.value) is kind
    assert ending(caught.value).code == code


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("INSERT INTO meta VALUES ('ann@x.test', '1'), ('ann@x.test', '2')", "unique constraint"),
        ("INSERT INTO meta VALUES ('ann@x.test', NULL)", "not-null constraint"),
        ("SELECT CAST('ann@x.test' AS INTEGER)", "InvalidTextRepresentation (22P02)"),
    ],
)
def test_no_error_repeats_a_value(mirror: Mirror, query: str, left: str) -> None:
    with pytest.raises(DBAPIError) as caught, mirror.write() as conn:
        conn.execute(text(query))
    told = "".join(traceback.format_exception(caught.value.with_traceback(None)))
    assert left in told
    assert "ann@x.test" not in told.replace(query, "")


def test_a_copy_that_is_refused_repeats_no_value(mirror: Mirror) -> None:
    with pytest.raises(psycopg.Error) as caught, mirror.write() as conn:
        copying._put(conn, copying.META, iter([("ann@x.test", "1"), ("ann@x.test", "2")]))
    assert "ann@x.test" not in str(caught.value)
    assert "unique constraint" in str(caught.value)


def test_the_first_rows_of_a_large_answer_come_before_the_last_are_made(mirror: Mirror) -> None:
    query = text("SELECT 1 / (1000 - n) FROM generate_series(1, 1000) AS n")
    with mirror.read() as conn:
        batches = in_batches(conn, query, 10)
        assert len(next(batches)) == 10
        with pytest.raises(DBAPIError, match=r"DivisionByZero \(22012\)"):
            list(batches)


def test_a_commit_waits_for_the_disk_only_when_it_must(mirror: Mirror) -> None:
    for durable, expected in ((True, "on"), (False, "off"), (True, "on")):
        with mirror.write(durable=durable) as conn:
            assert conn.exec_driver_sql("SHOW synchronous_commit").scalar() == expected


def test_one_writer_at_a_time(url: str) -> None:
    first, second = Mirror(url, SimulatedWorld()), Mirror(url, SimulatedWorld())
    order: list[str] = []

    def later() -> None:
        with second.write():
            order.append("second")

    with first.write() as conn:
        thread = threading.Thread(target=later)
        thread.start()
        conn.exec_driver_sql("SELECT pg_sleep(0.2)")
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    first.close()
    second.close()


def test_without_its_driver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engine_module, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="psycopg is not installed"):
        Mirror("postgresql+psycopg://m@db/m", SimulatedWorld())


def test_a_schema_is_a_mirror_of_its_own(postgres: Postgres) -> None:
    """Made when it is missing; writers of different schemas do not wait for each other."""
    url = postgres.new_database()
    acme, beta = (
        Mirror(f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{name}", SimulatedWorld())
        for name in ("acme", "beta")
    )
    for mirror in (acme, beta, acme):
        mirror.migrate()
    save(acme, person("contacts", "1"))
    assert select(acme, "SELECT count(*) FROM person_record") == [(1,)]
    assert select(beta, "SELECT count(*) FROM person_record") == [(0,)]
    public = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    assert select(acme, public) == [(0,)]
    written = threading.Event()

    def write_to_beta() -> None:
        save(beta, person("contacts", "2"))
        written.set()

    with acme.write():
        thread = threading.Thread(target=write_to_beta)
        thread.start()
        assert written.wait(10), "a writer of another mirror waited"
    thread.join()
    for mirror in (acme, beta):
        mirror.close()
    postgres.drop(url)
