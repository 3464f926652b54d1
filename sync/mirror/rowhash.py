"""Eight bytes in each row of the outbox, the cursors and the audit: is it still what was written?

The database sets them itself, by triggers, whoever writes the row; a byte that changed on the disk, or under
another program, no longer fits. The triggers follow the tables: a column more, and they are made anew.
"""

# ruff: noqa: S608 (statements are put together from our own table and column names)

from __future__ import annotations

from typing import Final

from sqlalchemy import Table, text
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

COVERED: Final = ("intent", "feed_cursor", "audit")
COLUMN: Final = "row_hash"


def ensure(conn: Connection) -> None:
    """Make the triggers that are missing or of other columns; the rows of such a table are hashed anew."""
    for name in COVERED:
        if conn.dialect.name == "sqlite":
            _ensure_sqlite(conn, name)
        else:
            _ensure_postgresql(conn, name)


def drop(conn: Connection) -> None:
    """Take the triggers away before the tables are changed; `ensure` brings them back."""
    if conn.dialect.name == "sqlite":
        for name in COVERED:
            for event in ("insert", "update"):
                conn.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}_hash_{event}")


def damaged(conn: Connection, name: str, where: str = "1 = 1", **values: object) -> list[str]:
    """The keys of those rows of a table that are not what was written.

    `where` picks rows by SQL of our own, with its `values`.
    """
    table = _table(name)
    key = " || ' ' || ".join(f"CAST({column.name} AS TEXT)" for column in table.primary_key)
    if conn.dialect.name == "sqlite":
        key = f"hex({key})"  # what is damaged need not be text any more
    query = f"SELECT {key} FROM {name} WHERE {differs(conn, name)} AND {where}"
    found = [str(one) for one in conn.execute(text(query), values).scalars()]
    if conn.dialect.name == "sqlite":
        return [bytes.fromhex(one).decode("utf-8", "replace") for one in found]
    return found


def differs(conn: Connection, name: str) -> str:
    """The condition, in SQL, that a row of this table is damaged."""
    operator = "IS NOT" if conn.dialect.name == "sqlite" else "IS DISTINCT FROM"
    return f"{COLUMN} {operator} {_expression(conn.dialect.name, name, '')}"


def _ensure_sqlite(conn: Connection, name: str) -> None:
    hashed = _expression("sqlite", name, "NEW.")
    columns = ", ".join(f'"{column}"' for column in _columns(name))
    body = f"ON {name} BEGIN UPDATE {name} SET {COLUMN} = {hashed} WHERE rowid = NEW.rowid; END"
    wanted = {
        f"{name}_hash_insert": f"CREATE TRIGGER {name}_hash_insert AFTER INSERT {body}",
        f"{name}_hash_update": f"CREATE TRIGGER {name}_hash_update AFTER UPDATE OF {columns} {body}",
    }
    rows = conn.execute(
        text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :name"),
        {"name": name},
    )
    there = {row[0]: row[1] for row in rows}
    if all(there.get(trigger) == statement for trigger, statement in wanted.items()):
        return
    for trigger, statement in wanted.items():
        conn.exec_driver_sql(f"DROP TRIGGER IF EXISTS {trigger}")
        conn.exec_driver_sql(statement)
    conn.exec_driver_sql(f"UPDATE {name} SET {COLUMN} = {_expression('sqlite', name, '')}")


def _ensure_postgresql(conn: Connection, name: str) -> None:
    function = f"{name}_row_hash"
    hashed = _expression("postgresql", name, "NEW.")
    body = f"BEGIN NEW.{COLUMN} := {hashed}; RETURN NEW; END"
    found = conn.execute(
        text(
            "SELECT p.prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
            "WHERE t.tgrelid = to_regclass(:table) AND t.tgname = :trigger"
        ),
        {"table": name, "trigger": f"{name}_hash"},
    ).scalar()
    if found == body:
        return
    conn.exec_driver_sql(
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $body${body}$body$"
    )
    conn.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}_hash ON {name}")
    conn.exec_driver_sql(
        f"CREATE TRIGGER {name}_hash BEFORE INSERT OR UPDATE ON {name} "
        f"FOR EACH ROW EXECUTE FUNCTION {function}()"
    )
    conn.exec_driver_sql(f"UPDATE {name} SET {COLUMN} = {COLUMN}")  # the trigger does it


def _expression(dialect_name: str, name: str, row: str) -> str:
    """The hash over a row, `row` being "" or "NEW."."""
    if dialect_name == "sqlite":
        values = ", ".join(f'CAST({row}"{column}" AS BLOB)' for column in _columns(name))
        return f"mqlsync_hash({values})"
    parts = (f'{row}"{column}"::text' for column in _columns(name))
    whole = " || ".join(f"coalesce(length({part}) || ':' || {part}, '-')" for part in parts)
    return f"('x' || substr(encode(sha256(convert_to({whole}, 'UTF8')), 'hex'), 1, 16))::bit(64)::bigint"


def _columns(name: str) -> list[str]:
    return [column.name for column in _table(name).columns if column.name != COLUMN]


def _table(name: str) -> Table:
    return SQLModel.metadata.tables[name]
