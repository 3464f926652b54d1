"""Running a compiled model: temporary tables in, row counts out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import Table, insert
from sqlalchemy.schema import CreateTable, DropTable

from scoring.compile import Program
from sync.mirror.engine import Connection


@contextmanager
def temporary(conn: Connection, tables: Iterable[Table]) -> Iterator[None]:
    """The tables exist, empty, inside the block.

    When the block raises they go with the transaction, which is then undone.
    """
    listed = list(tables)
    _drop(conn, listed)
    for table in listed:
        conn.execute(CreateTable(table))
    yield
    _drop(conn, listed)


def _drop(conn: Connection, tables: list[Table]) -> None:
    for table in tables:
        conn.execute(DropTable(table, if_exists=True))


def run_program(conn: Connection, program: Program) -> dict[str, int]:
    """Fill the program's tables, which exist and are empty; rows by stage."""
    counts = {}
    for stage in program.stages:
        rows = 0
        for step in stage.steps:
            columns = [column.name for column in step.table.columns]
            rows += conn.execute(insert(step.table).from_select(columns, step.select)).rowcount
        counts[stage.name] = rows
    return counts
