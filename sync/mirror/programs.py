"""Running a compiled model: temporary tables in, row counts out."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Boolean, Column, Dialect, Insert, MetaData, String, Table, select
from sqlalchemy.schema import CreateTable, DropTable
from sqlalchemy.sql.compiler import SQLCompiler

from scoring.compile import Program, Step, compile_model, moments
from scoring.fields import CUSTOM, DOMAIN_LISTS, FIELDS
from scoring.model import Model
from sync.mirror import catalog
from sync.mirror.dialect import by_bytes
from sync.mirror.engine import Connection


def _scope(*facts: str) -> Table:
    return Table(
        "scoring_scope",
        MetaData(),
        Column("person_id", String, primary_key=True),
        Column("first_sight", Boolean, nullable=False),
        Column("in_spell", Boolean, nullable=False),
        Column("stage_read", String, nullable=False),
        Column("stage_shown", String, nullable=False),
        *(Column(name, catalog.PERSON.c[name].type) for name in facts),
        prefixes=["TEMPORARY"],
        sqlite_with_rowid=False,
    )


FACTS: Final = (
    *(kind.column for kind in FIELDS.values() if kind.column in catalog.PERSON.c),
    *DOMAIN_LISTS.values(),
    CUSTOM,
    "seniority",
    "ambiguous",
)
"""What models read of a person."""

SCOPE: Final = _scope()
"""Whom a run scores. `first_sight`: never scored by a live model and never in a spell; `in_spell`: in one
now, or when the run began; `stage_read` (the stage that models read) and `stage_shown` (the stored one) are
as they were before this run, and blank when everybody is scored."""

SCOPE_WITH_FACTS: Final = _scope(*FACTS)
"""The same table when only some are scored: their rows lie anywhere in the mirror, and are read once."""


@contextmanager
def temporary(conn: Connection, tables: Iterable[Table]) -> Iterator[None]:
    """The tables exist, empty, inside the block.

    When the block raises they go with the transaction, which is then undone.
    """
    listed = list(tables)
    for table in listed:
        conn.exec_driver_sql(_ddl(table, conn.dialect)[0])
    yield
    for table in listed:
        conn.exec_driver_sql(_ddl(table, conn.dialect)[1])


@functools.lru_cache(maxsize=256)
def _ddl(table: Table, dialect: Dialect) -> tuple[str, str]:
    """CREATE and DROP in words: SQLAlchemy itself keeps no DDL."""
    created = by_bytes(dialect.name, str(CreateTable(table).compile(dialect=dialect)))
    return created, str(DropTable(table).compile(dialect=dialect))


def program_for(model: Model, *, scoped: bool) -> Program:
    """The program of a model over everybody, or over the people in the scope of a run; built once."""
    return _compiled(_Key(model, scoped))


class _Key:
    """A model as a key: by what it says, not by which object it is."""

    def __init__(self, model: Model, scoped: bool) -> None:
        self.model = model
        self.scoped = scoped
        # the status is not part of the hash, and a daemon sees a shadow go live
        self._parts = (model.name, model.version, model.status, model.hash, model.lists_hash, scoped)

    def __hash__(self) -> int:
        return hash(self._parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._parts == other._parts


@functools.lru_cache(maxsize=16)
def _compiled(key: _Key) -> Program:
    if not key.scoped:
        return compile_model(key.model, catalog.people(), catalog.engagements())
    return compile_model(key.model, SCOPE_WITH_FACTS, catalog.engagements(select(SCOPE.c.person_id)))


def run_program(conn: Connection, program: Program, *, as_of: int, known_at: int) -> dict[str, int]:
    """Fill the program's tables, which exist and are empty; rows by stage."""
    values = moments(as_of, known_at)
    return {stage.name: sum(_run(conn, step, values) for step in stage.steps) for stage in program.stages}


def _run(conn: Connection, step: Step, values: dict[str, int]) -> int:
    """Run one step; how many rows it made."""
    text, names, fixed = _words(step.statement, conn.dialect)
    given = {**fixed, **{name: value for name, value in values.items() if name in fixed}}
    parameters = given if names is None else tuple(given[name] for name in names)
    return conn.exec_driver_sql(text, parameters).rowcount


@functools.lru_cache(maxsize=1024)
def _words(statement: Insert, dialect: Dialect) -> tuple[str, tuple[str, ...] | None, dict[str, Any]]:
    """A statement compiled once: its text, the order of its parameters (None: by name), their values.

    A program has some thirty statements and a small run takes little longer than finding each of them in
    SQLAlchemy's cache.
    """
    compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    assert isinstance(compiled, SQLCompiler)
    names = tuple(compiled.positiontup) if compiled.positiontup is not None else None
    return str(compiled), names, dict(compiled.construct_params())
