"""The database behind the mirror: connections and transactions.

SQLite (`sqlite:///path`) and PostgreSQL (`postgresql+psycopg://…`) behave alike here: one writer at a
time, readers that see a steady picture, and a `durable` switch for transactions that must survive a
power cut. Everything that a broken database does to us leaves as one of the errors of `unusable`.
"""

from __future__ import annotations

import hashlib
import math
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from config.errors import ConfigError, Problem
from config.world import World, epoch
from sync.mirror.driver_errors import keep_wordless
from sync.mirror.unusable import DatabaseNewer, known_trouble

__all__ = ["Connection", "Mirror"]

BUSY_TIMEOUT: Final = 30_000  # milliseconds that a statement waits for another process's transaction
CACHE_SIZE: Final = 64 * 1024  # KiB
TEMP_CACHE_SIZE: Final = 16 * 1024  # KiB of temporary tables in memory before they go to their file
WAL_PAGES: Final = 20_000  # pages in the write-ahead log before it is folded into the database
CONNECT: Final = {
    "application_name": "mqlsync",
    "connect_timeout": 10,  # seconds, as all but the last
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # milliseconds until what was sent must have been taken
}
"""A server that vanished without a word is noticed within a minute; the system would wait for a quarter of an
hour."""
ONE_WRITER: Final = (  # "mqls": one at a time in each schema of a PostgreSQL, for a schema is a mirror
    f"SELECT pg_advisory_xact_lock({0x6D716C73}, "
    "hashtext(coalesce(current_schema(), current_setting('search_path'))))"
)


class Mirror:
    """One database. Threads may share it; a thread must not open a write inside a write."""

    def __init__(self, url: str, world: World) -> None:
        self._world = world
        self._url = _parsed(url)
        self._writing = threading.local()
        #: CRMs that this process is pulling: their budget keeps the reserve (see `budget`)
        self.pulling: Final[set[str]] = set()
        self.is_sqlite: Final = self._url.get_backend_name() == "sqlite"
        self.path: Final = Path(self._url.database or "") if self.is_sqlite else None
        self.where: Final = str(self.path or self._url.render_as_string(hide_password=True))
        self._engine = self._sqlite_engine() if self.is_sqlite else _postgresql_engine(self._url)
        event.listen(self._engine, "begin", self._begin)

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, for the migrations."""
        return self._engine

    @property
    def is_writing(self) -> bool:
        """Whether this thread is inside `write`."""
        return bool(getattr(self._writing, "now", False))

    def migrate(self) -> None:
        """Create the schema or bring it up to date, in one transaction. Raises DatabaseNewer."""
        from sync.mirror import audit, rowhash  # these know this module
        from sync.mirror.migrations import upgrade  # Alembic loads only when it is needed

        with self.write(durable=True) as conn:
            if not self.is_sqlite:
                have_schema(conn)
            newer = upgrade(conn)
            if newer is None:
                rowhash.ensure(conn)
                audit.carry(conn, epoch(self._world.now()))
        if newer is not None:
            raise DatabaseNewer(self.where, found=newer[0], known=newer[1])

    @contextmanager
    def write(self, *, durable: bool = False, large: bool = False) -> Iterator[Connection]:
        """One writing transaction: committed when the block ends well, undone when it raises.

        `durable`: the commit is on the disk before this returns. Without it a power cut (never a killed
        process) may undo the last transactions, in order, never halfway. `large`: its temporary tables may
        grow with the database, so they may go to a file.
        """
        if getattr(self._writing, "now", False):
            raise RuntimeError("a writing transaction is already open in this thread")
        self._writing.now = True
        try:
            with self.translated(), self._engine.connect() as plain:
                conn = plain.execution_options(
                    mqlsync_write=True, mqlsync_durable=durable, mqlsync_large=large
                )
                with conn.begin():
                    yield conn
        finally:
            self._writing.now = False

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One reading transaction: everything in it sees the same committed state."""
        with self.translated(), self._engine.connect() as conn, conn.begin():
            yield conn

    def compact(self) -> None:
        """Write the database anew without what was deleted (VACUUM; on PostgreSQL FULL, its schema)."""
        with self._autocommit() as driver:
            driver.execute("VACUUM" if self.is_sqlite else f"VACUUM FULL {', '.join(_own_tables(driver))}")

    def empty_log(self) -> bool:
        """Fold SQLite's write-ahead log into the file and cut it to nothing; False: somebody reads it."""
        if not self.is_sqlite:
            return True  # PostgreSQL's own log is its administrator's
        with self._autocommit() as driver:
            driver.execute("PRAGMA busy_timeout = 100")
            busy, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            driver.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}")
            return not busy

    @contextmanager
    def _autocommit(self) -> Iterator[Any]:
        """The driver's connection outside of any transaction."""
        with self.translated():
            raw = self._engine.raw_connection()
            try:
                driver: Any = raw.driver_connection
                if not self.is_sqlite:
                    driver.autocommit = True
                yield driver
                if not self.is_sqlite:
                    driver.autocommit = False
            except sqlite3.Error as error:
                known = known_trouble(error, self.where, self.path, BUSY_TIMEOUT / 1000)
                if known is None:
                    raise
                raise known from error
            finally:
                raw.close()

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    def _begin(self, conn: Connection) -> None:
        """Open the transaction explicitly: SQLite's driver would open one too late, and too weak."""
        options = conn.get_execution_options()
        if options.get("mqlsync_session"):
            return
        write, durable = options.get("mqlsync_write", False), options.get("mqlsync_durable", False)
        if self.is_sqlite:
            _set_pragma(conn, "synchronous", "FULL" if durable else "NORMAL")
            _set_pragma(conn, "temp_store", "FILE" if options.get("mqlsync_large") else "MEMORY")
            conn.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN DEFERRED")
        elif write:
            conn.exec_driver_sql(f"SET LOCAL synchronous_commit TO {'on' if durable else 'off'}")
            conn.exec_driver_sql(ONE_WRITER)
        else:
            conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    def session(self) -> Connection:
        """A connection outside of the pool, without transactions (PostgreSQL); close it yourself."""
        with self.translated():
            conn = self._engine.connect().execution_options(
                isolation_level="AUTOCOMMIT", mqlsync_session=True
            )
            conn.detach()
            return conn

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what the driver says about the database into one of our errors."""
        started = self._world.monotonic()
        try:
            yield
        except DBAPIError as error:
            waited = self._world.monotonic() - started
            known = known_trouble(error.orig, self.where, self.path, waited)
            if known is None:
                raise
            raise known from error

    def _sqlite_engine(self) -> Engine:
        if self.path is None or self.path.name in ("", ":memory:"):
            raise ConfigError(
                [Problem("the mirror needs a file", key="database_url", expected="sqlite:///path")]
            )
        engine = _engine(self._url, connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT / 1000})
        path = self.path

        def before_connect(*_: object) -> None:
            _private_file(path)

        event.listen(engine, "do_connect", before_connect)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine


def _postgresql_engine(url: URL) -> Engine:
    """Rows of an INSERT … SELECT are counted here as they are on SQLite; a connection that the server has cut
    in the meantime is replaced before it is used."""
    if find_spec("psycopg") is None:
        expected = "sqlite:///path, or the extra `scale` of mqlsync installed"
        raise ConfigError([Problem("psycopg is not installed", key="database_url", expected=expected)])
    engine = _engine(
        url,
        pool_size=4,
        pool_pre_ping=True,
        connect_args=connect_options(url),
        execution_options={"preserve_rowcount": True},
    )
    event.listen(engine, "connect", _prepare_postgresql)
    keep_wordless(engine)
    return engine


def connect_options(url: URL | str) -> dict[str, Any]:
    """What a connection to that PostgreSQL is given beside the URL, which goes first."""
    return {name: value for name, value in CONNECT.items() if name not in make_url(url).query}


def _prepare_postgresql(dbapi: Any, _record: ConnectionPoolEntry | None = None) -> None:
    """PostgreSQL's text has no NUL: a replacement character says where one was."""
    from psycopg.adapt import Dumper  # an optional dependency

    class WithoutNul(Dumper):
        def dump(self, obj: str) -> bytes:
            return (obj.replace("\x00", "\ufffd") if "\x00" in obj else obj).encode()

    dbapi.adapters.register_dumper(str, WithoutNul)


def _own_tables(driver: Any) -> list[str]:
    """Quoted; other schemas of the database may be others' mirrors."""
    query = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
    return [str(row[0]) for row in driver.execute(query)]


def have_schema(conn: Connection) -> None:
    """Make the schema that the URL names (`?options=-csearch_path=NAME`) where there is none yet.

    A session may not have heard yet that somebody else has just made it.
    """
    if conn.exec_driver_sql("SELECT current_schema()").scalar_one() is None:
        name = str(conn.exec_driver_sql("SHOW search_path").scalar_one()).split(",")[0].strip(' "')
        conn.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{name}"')


def _engine(url: URL, **options: Any) -> Engine:
    """An engine whose errors do not repeat the values of a statement: they are personal data."""
    return create_engine(url, hide_parameters=True, **options)


def _parsed(url: str) -> URL:
    expected = "sqlite:///path or postgresql+psycopg://user@host/name"
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError([Problem("not a database URL", key="database_url", expected=expected)]) from None
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        problem = f"{parsed.drivername} is not a database that mqlsync can use"
        raise ConfigError([Problem(problem, key="database_url", expected=expected)])
    return parsed


def _private_file(path: Path) -> None:
    """The file exists and only its owner may read it; so do the log files that SQLite puts beside it."""
    if not path.parent.exists():
        path.parent.mkdir(parents=True, mode=0o700)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    elif path.stat().st_mode & 0o077 and path.stat().st_uid == os.getuid():
        path.chmod(0o600)


def _set_pragma(conn: Connection, name: str, value: str) -> None:
    """Set what belongs to the connection, which belongs to a pool, unless it already is so."""
    if conn.info.get(name) != value:
        conn.exec_driver_sql(f"PRAGMA {name}={value}")
        conn.info[name] = value


def _prepare_sqlite(dbapi: Any, _record: ConnectionPoolEntry | None = None) -> None:
    """Settings that every connection needs, and the mathematical functions that scoring uses."""
    dbapi.isolation_level = None  # the driver opens no transaction by itself
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT}",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"cache_size=-{CACHE_SIZE}",
        f"temp.cache_size=-{TEMP_CACHE_SIZE}",
        "temp_store=MEMORY",
        f"wal_autocheckpoint={WAL_PAGES}",
        "trusted_schema=ON",  # our triggers call our function
    ):
        dbapi.execute(f"PRAGMA {pragma}").close()
    if not _has_math(dbapi):
        register_math(dbapi)
    dbapi.create_function("mqlsync_hash", -1, _row_hash, deterministic=True)


def _row_hash(*values: bytes | None) -> int:
    """Eight bytes over the values of a row, as a signed integer; what `rowhash` calls `mqlsync_hash`."""
    found = hashlib.blake2b(digest_size=8)
    for value in values:
        found.update(b"-" if value is None else b"%d:" % len(value) + value)
    return int.from_bytes(found.digest(), "big", signed=True)


def _has_math(dbapi: sqlite3.Connection) -> bool:
    """Whether this SQLite was built with its mathematical functions."""
    try:
        row = dbapi.execute("SELECT exp(0.0), pow(2.0, 3.0), floor(-1.5), ln(1.0), sqrt(4.0)").fetchone()
    except sqlite3.OperationalError:
        return False
    return bool(row == (1.0, 8.0, -2.0, 0.0, 2.0))


def register_math(dbapi: sqlite3.Connection) -> None:
    """Give SQLite the mathematical functions that it was built without, from Python's."""
    one: dict[str, Callable[[float], float]] = {
        "exp": math.exp,
        "floor": lambda x: float(math.floor(x)),
        "ceil": lambda x: float(math.ceil(x)),
        "ln": math.log,
        "log": math.log10,
        "sqrt": math.sqrt,
    }
    for name, function in one.items():
        dbapi.create_function(name, 1, _null_safe(function), deterministic=True)
    for name in ("pow", "power"):
        dbapi.create_function(name, 2, _null_safe(math.pow), deterministic=True)


def _null_safe(function: Callable[..., float]) -> Callable[..., float | None]:
    """As SQL has it: NULL in, NULL out; outside the domain, NULL; too large, infinity."""

    def wrapped(*values: float | None) -> float | None:
        try:
            return None if None in values else function(*values)
        except ValueError:
            return None
        except OverflowError:
            return math.inf

    return wrapped
