"""Moving a mirror into another database: SQLite into PostgreSQL, or back.

Everything goes over in one transaction: the new mirror is whole or empty, whenever the plug is pulled. Each
table is read again from the new one and compared, row for row, before that. Then the old mirror is marked as
moved, and only then is the new one there: two mirrors of one account would write everything twice. A copy
that is cut in between is simply made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    Select,
    Table,
    cast,
    func,
    insert,
    inspect,
    select,
    text,
)
from sqlmodel import SQLModel

from config.world import World
from sync.mirror import rowhash
from sync.mirror.dialect import in_batches
from sync.mirror.driver_errors import without_values
from sync.mirror.engine import Connection, Mirror
from sync.mirror.lease import LEASE, NAME, Lease
from sync.mirror.moved import MOVED_TO, moved_to
from sync.mirror.runs import set_meta
from sync.mirror.tables import Meta

META: Final[Table] = Meta.metadata.tables["meta"]
BATCH: Final = 5_000  # rows in memory
SECONDS: Final = 60  # of the lease on the old mirror; renewed while the copy lasts
Told = Callable[[str, int, int], object]


class NotEmpty(Exception):
    """The database to copy into holds rows already. Exit code 2."""

    def __init__(self, where: str, table: str) -> None:
        super().__init__(f"{where}: {table}")
        self.where = where
        self.table = table


class Differs(Exception):
    """What was read back is not what was copied; nothing of it was kept. Exit code 1."""

    def __init__(self, table: str, rows: int, read: int) -> None:
        super().__init__(f"{table}: {rows} rows copied, {read} read back")
        self.table = table
        self.rows = rows
        self.read = read


class Copied(NamedTuple):
    """One table: its rows, and a digest over all of them that is the same in both databases."""

    table: str
    rows: int
    digest: str


def tables() -> list[Table]:
    """Every table of a mirror, by name."""
    return sorted(SQLModel.metadata.tables.values(), key=lambda table: table.name)


def columns_of(table: Table) -> list[ColumnElement[Any]]:
    """All that is copied: the hash of a row is made by the database itself, each its own way."""
    own = rowhash.COLUMN if table.name in rowhash.COVERED else ""
    return [column for column in table.columns if column.name != own]


def count(mirror: Mirror) -> dict[str, int]:
    """Rows per table; none when there is no mirror yet. Changes nothing."""
    with mirror.read() as conn:
        there = set(inspect(conn).get_table_names())
        return {one.name: _rows(conn, one) for one in tables() if one.name in there}


def refuse_if_filled(mirror: Mirror) -> None:
    """Raises NotEmpty when something would have to be mixed with the copy."""
    for table, rows in count(mirror).items():
        if rows:
            raise NotEmpty(mirror.where, table)


def copy(source: Mirror, target: Mirror, world: World, told: Told = lambda *_: None) -> list[Copied]:
    """Move everything; what was copied, table by table. The old mirror is marked and takes no lease any more.

    Raises LeaseHeld when somebody works on the old one, NotEmpty, Differs.
    """
    source.migrate()
    target.migrate()
    refuse_if_filled(target)
    lease = Lease(source, world, SECONDS, "db copy")
    moved = _moved_here(source, target)
    with lease.held(heartbeat=True, moved=moved) as number, target.write(durable=True, large=True) as into:
        with source.read() as conn:
            done = [_copy_table(conn, into, table, told) for table in tables()]
        _begin(into, number + 1)
        with source.write(durable=True) as conn:
            set_meta(conn, MOVED_TO, target.where)
    return done


def _moved_here(source: Mirror, target: Mirror) -> bool:
    """Whether an earlier copy to the same place was cut after the old mirror was marked."""
    with source.read() as conn:
        return moved_to(conn) == target.where


def _copy_table(conn: Connection, into: Connection, table: Table, told: Told) -> Copied:
    total = _rows(conn, table)
    digest, back = Digest(), Digest()

    def passing() -> Iterator[Sequence[Any]]:
        for rows in _batches(conn, table):
            for row in rows:
                digest.add(row)
            told(table.name, digest.rows, total)
            yield from rows

    _put(into, table, passing())
    for rows in _batches(into, table):
        for row in rows:
            back.add(row)
    if (digest.rows, digest.value) != (back.rows, back.value):
        raise Differs(table.name, digest.rows, back.rows)
    return Copied(table.name, back.rows, back.value)


class Digest:
    """A digest over rows that come in the order of their keys."""

    def __init__(self) -> None:
        self.rows = 0
        self._hash = hashlib.sha256()

    def add(self, row: Sequence[Any]) -> None:
        """A NUL counts as the character that PostgreSQL keeps in its place."""
        self.rows += 1
        self._hash.update(repr(tuple(row)).replace("\\x00", "\ufffd").encode())

    @property
    def value(self) -> str:
        """In hexadecimal digits."""
        return self._hash.hexdigest()


def _rows(conn: Connection, table: Table) -> int:
    found: int = conn.execute(select(func.count()).select_from(table)).scalar_one()
    return found


def _batches(conn: Connection, table: Table) -> Iterable[Sequence[Sequence[Any]]]:
    """All rows by key, in memory a batch at a time."""
    return in_batches(conn, all_of(table), BATCH)


def all_of(table: Table) -> Select[Any]:
    """Every row by its key; truth values as 0 and 1, as SQLite has them."""
    columns = [
        cast(column, Integer).label(column.key) if isinstance(column.type, Boolean) else column
        for column in columns_of(table)
    ]
    query = select(*columns).order_by(*table.primary_key)
    return query.where(table.c.key != MOVED_TO) if table is META else query


def _put(into: Connection, table: Table, rows: Iterator[Sequence[Any]]) -> None:
    columns = columns_of(table)
    names = ", ".join(f'"{column.key}"' for column in columns)
    if into.dialect.name == "postgresql":
        driver: Any = into.connection.driver_connection
        from psycopg import Error  # an optional dependency

        try:
            with (
                driver.cursor() as cursor,
                cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as stream,
            ):
                for row in rows:
                    stream.write_row(row)
        except Error as error:
            without_values(error)
            raise
        _continue_sequences(into, table)
        return
    marks = ", ".join("?" for _ in columns)
    statement = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'  # noqa: S608 (our own names)
    part: list[tuple[Any, ...]] = []
    for row in rows:
        part.append(tuple(row))
        if len(part) == BATCH:
            into.exec_driver_sql(statement, part)
            part = []
    if part:
        into.exec_driver_sql(statement, part)


def _continue_sequences(into: Connection, table: Table) -> None:
    """Numbers that PostgreSQL gives go on after the largest one."""
    for column in table.primary_key:
        if isinstance(column.type, Integer):
            largest = f'(SELECT max("{column.name}") FROM "{table.name}")'  # noqa: S608 (our own names)
            into.execute(
                text(
                    "SELECT setval(one, greatest(coalesce("
                    + largest
                    + ", 0), 1), "
                    + largest
                    + " IS NOT NULL) "
                    "FROM pg_get_serial_sequence(:table, :column) AS one WHERE one IS NOT NULL"
                ),
                {"table": f'"{table.name}"', "column": column.name},
            )


def _begin(into: Connection, number: int) -> None:
    """The new mirror's lease is free, at an epoch that no holder of the old one has had."""
    into.execute(LEASE.delete())
    into.execute(insert(LEASE).values(name=NAME, holder="db copy", epoch=number, expires_at=0))
