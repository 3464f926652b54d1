"""Bulk upserts: Core writes the SQL once, the driver is given the tuples as they are.

A row goes in when it is new, or when it is not older than the stored one and differs from it. What the
statement changed is exactly what the driver counts, so "stored" needs no second look.
"""

from __future__ import annotations

import functools
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Table, and_, bindparam, or_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError
from sqlmodel import SQLModel

from sync.mirror.engine import Connection

ESCAPED_NUL: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
SIZES: Final = (200, 20)
"""Rows in one statement. More gain nothing, fewer leave much of the time to what is done once a statement."""

LEAST_COPIED: Final = 400
"""Rows from which on PostgreSQL gets them by COPY; for fewer the work table costs what that gains."""

LARGEST_INTEGER: Final = 2**63 - 1
"""What a BIGINT holds."""


@dataclass(frozen=True, slots=True)
class Upsert:
    """How rows of a table meet the stored ones.

    `columns` in the order of the tuples. `insert_only` are set once; `silent` are replaced along with
    others but are no reason to replace. `newest`: the column by which an older row never wins.
    """

    table: type[SQLModel]
    columns: tuple[str, ...]
    insert_only: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    newest: str | None = None


@dataclass(frozen=True, slots=True)
class Unstorable:
    """A row that no database can hold, by its place among the rows given."""

    index: int
    reason: str


def table_of(model: type[SQLModel]) -> Table:
    """The Core table of a model."""
    return SQLModel.metadata.tables[str(model.__tablename__)]


def upsert(conn: Connection, how: Upsert, rows: Sequence[tuple[Any, ...]]) -> tuple[int, list[Unstorable]]:
    """Store rows; the number of rows inserted or changed, and the rows that cannot be stored.

    Those are left out: text with half a surrogate pair, integers beyond 64 bits.
    """
    if not rows:
        return 0, []
    rows = without_nul(how, rows)
    changed = _tried(conn, how, rows)
    if changed is not None:
        return changed, []
    found = [(index, _why_unstorable(row)) for index, row in enumerate(rows)]
    good = [row for row, (_, reason) in zip(rows, found, strict=True) if not reason]
    changed = _stored(conn, how, good)
    return changed, [Unstorable(index, reason) for index, reason in found if reason]


def without_nul(how: Upsert, rows: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
    """The rows with a replacement character for every NUL: PostgreSQL's text has none, SQLite's functions end
    a text there. The payload, being JSON, still says where one was; it alone is looked at where there is one.
    """
    raw = how.columns.index("raw") if "raw" in how.columns else None
    if not any(_may_hold_nul(row, raw) for row in rows):
        return rows
    return [tuple(map(_replaced, how.columns, row)) for row in rows]


def _may_hold_nul(row: tuple[Any, ...], raw: int | None) -> bool:
    if raw is not None:
        text: str = row[raw]  # few have a backslash at all, which is found fastest
        return ("\\" in text and "\\u0000" in text) or "\x00" in text
    return any(isinstance(value, str) and "\x00" in value for value in row)


def _replaced(column: str, value: Any) -> Any:
    if not isinstance(value, str) or column == "raw":
        return value
    if column == "fields":  # JSON in a text column, which is read as such
        value = ESCAPED_NUL.sub(r"\1\\ufffd", value)
    return value.replace("\x00", "\ufffd")


def _tried(conn: Connection, how: Upsert, rows: Sequence[tuple[Any, ...]]) -> int | None:
    """How many rows were inserted or changed; None, and nothing done, when one cannot be stored."""
    savepoint = conn.begin_nested()
    try:
        changed = _stored(conn, how, rows)
    except (UnicodeEncodeError, OverflowError, DataError):  # the last one is PostgreSQL's of a large number
        savepoint.rollback()
        return None
    savepoint.commit()
    return changed


def _stored(conn: Connection, how: Upsert, rows: Sequence[tuple[Any, ...]]) -> int:
    """How many rows were inserted or changed.

    SQLite is given many rows a statement: that takes a seventh of the time less than one by one, and other
    threads, which may run at every statement, disturb less. PostgreSQL gets a few one by one, pipelined:
    there many in one statement are slower. Many go by COPY, in half of the time and less.
    """
    if conn.dialect.name == "postgresql" and len(rows) >= LEAST_COPIED and _each_once(how, rows):
        copied = _copied(conn, how, rows)
        if copied is not None:
            return copied
    name, changed, start = conn.dialect.name, 0, 0
    for size in _sizes(conn, len(how.columns)):
        while start + size <= len(rows):
            values: list[Any] = []
            for row in rows[start : start + size]:
                values += row
            changed += conn.exec_driver_sql(_sql(name, how, size), tuple(values)).rowcount
            start += size
    if start < len(rows):
        changed += conn.exec_driver_sql(_sql(name, how), list(rows[start:])).rowcount
    return changed


def _each_once(how: Upsert, rows: Sequence[tuple[Any, ...]]) -> bool:
    """Whether no record comes twice: one statement refuses to change a row again."""
    places = [how.columns.index(column.name) for column in table_of(how.table).primary_key]
    return len({tuple(row[place] for place in places) for row in rows}) == len(rows)


def _copied(conn: Connection, how: Upsert, rows: Sequence[tuple[Any, ...]]) -> int | None:
    """How many rows were inserted or changed, by way of a work table of this session.

    None, and nothing done, when the server refuses one: rows one by one tell what it has against which.
    """
    from psycopg import Error  # an optional dependency

    name, columns = table_of(how.table).name, ", ".join(how.columns)
    driver: Any = conn.connection.driver_connection
    copy = f"COPY upsert_{name} ({columns}) FROM STDIN"
    try:
        with conn.begin_nested():
            conn.exec_driver_sql(_work_table(how))
            with driver.cursor() as cursor, cursor.copy(copy) as stream:
                for row in rows:
                    stream.write_row(row)
            changed = conn.exec_driver_sql(_sql_of_work_table(how)).rowcount
            conn.exec_driver_sql(f"TRUNCATE upsert_{name}")
            return changed
    except Error:
        return None


def _sizes(conn: Connection, columns: int) -> list[int]:
    """How many rows of so many columns go into one statement: as many as these, the largest first."""
    if conn.dialect.name != "sqlite":
        return []
    driver: Any = conn.connection.driver_connection
    most = driver.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // columns
    return [size for size in SIZES if size <= most]


def _why_unstorable(row: tuple[Any, ...]) -> str:
    for value in row:
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                return "text that is not Unicode (half a surrogate pair)"
        elif isinstance(value, int) and abs(value) > LARGEST_INTEGER:
            return "a number beyond 64 bits"
    return ""


@functools.lru_cache(maxsize=64)
def _sql(dialect_name: str, how: Upsert, count: int = 1) -> str:
    """`INSERT … ON CONFLICT DO UPDATE … WHERE newer AND different`, with positional parameters of so many
    rows."""
    before, values, after = _parts(dialect_name, how)
    return f"{before} VALUES {', '.join([values] * count)}{after}"


def _work_table(how: Upsert) -> str:
    """Made once in a session; its rows are gone with each page."""
    columns, name = ", ".join(how.columns), table_of(how.table).name
    return f"CREATE TEMPORARY TABLE IF NOT EXISTS upsert_{name} AS SELECT {columns} FROM {name} LIMIT 0"  # noqa: S608


@functools.lru_cache(maxsize=64)
def _sql_of_work_table(how: Upsert) -> str:
    """The same for all rows of the work table."""
    before, _, after = _parts("postgresql", how)
    columns, name = ", ".join(how.columns), table_of(how.table).name
    return f"{before} SELECT {columns} FROM upsert_{name}{after}"  # noqa: S608 (our own names)


def _parts(dialect_name: str, how: Upsert) -> tuple[str, str, str]:
    """The statement before its values, the values of one row, and the rest."""
    table = table_of(how.table)
    key = [column.name for column in table.primary_key]
    kind = sqlite if dialect_name == "sqlite" else postgresql
    statement = kind.insert(table).values({name: bindparam(name) for name in how.columns})
    replaced = [name for name in how.columns if name not in key and name not in how.insert_only]
    compared = [name for name in replaced if name not in how.silent]
    conditions = [or_(*(table.c[name].is_distinct_from(statement.excluded[name]) for name in compared))]
    if how.newest is not None:
        conditions.insert(0, statement.excluded[how.newest] >= table.c[how.newest])
    statement = statement.on_conflict_do_update(
        index_elements=key,
        set_={name: statement.excluded[name] for name in replaced},
        where=and_(*conditions),
    )
    style = "qmark" if dialect_name == "sqlite" else "format"
    compiled = statement.compile(dialect=kind.dialect(paramstyle=style))
    order = tuple(compiled.positiontup or ())
    if order != how.columns:
        raise AssertionError(f"{table.name}: columns {how.columns} are compiled as {order}")
    before, values, after = re.split(r" VALUES (\([^()]*\))", str(compiled), maxsplit=1)
    return before, values, after
