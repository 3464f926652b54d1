"""One model over one population, twice: as SQL on a database and as the Python oracle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, insert, select
from sqlmodel import SQLModel

from scoring.assets import normalise
from scoring.compile import CRMS, compile_model
from scoring.evaluate import Evaluation, Hit, evaluate
from scoring.load import load_model
from scoring.model import Model
from sync.mirror import catalog
from sync.mirror.programs import run_program, temporary

NOW = 1_800_000_000
DAY = 86400
DEFAULT = Path("config/templates/scoring.toml").read_text(encoding="utf-8")

PERSON: Mapping[str, Any] = {
    "founding_crm": "hubspot",
    "founding_object": "contacts",
    "founding_id": "1",
    "ambiguous": False,
    "emails": "[]",
    "student_domain": False,
    "free_mail": False,
    "disposable": False,
    "fields": "{}",
    "crm_stage": "lead",
    "crm_mql": False,
    "stage": "lead",
    "score_round": 1,
}


def default_model() -> Model:
    """The shipped model."""
    return load_model(DEFAULT, "scoring.toml")


def person(person_id: str = "p1", **facts: Any) -> dict[str, Any]:
    """A row of the table `person`."""
    nothing = {column.name: None for column in catalog.PERSON.columns}
    return {**nothing, **PERSON, "person_id": person_id, **facts}


_ids = iter(range(10**9))


def engagement(kind: str, at: int | None, person_id: str = "p1", **facts: Any) -> dict[str, Any]:
    """A row of the table `engagement`."""
    nothing = {column.name: None for column in catalog.ENGAGEMENT.columns}
    row = {
        **nothing,
        "crm": "hubspot",
        "source": "test",
        "id": str(next(_ids)),
        "kind": kind,
        "occurred_at": at,
        "is_bot": False,
        "deleted": False,
        "modified_ms": 0,
        "raw": "{}",
        "first_seen": at or 0,
        "person_id": person_id,
        "touched_run": "",
        "rules_version": 1,
        "changed": 0,
        **facts,
    }
    row["asset_key"] = normalise(row["asset"])
    return {key: value for key, value in row.items() if key in nothing}


@contextmanager
def database(url: str = "sqlite://") -> Iterator[Connection]:
    """The tables that scoring reads, empty, and gone with the block; in memory when no URL is given."""
    engine = create_engine(url)
    with engine.connect() as conn, conn.begin() as transaction:
        SQLModel.metadata.create_all(
            conn, [catalog.PERSON, catalog.ENGAGEMENT, catalog.SPELL, catalog.OVERRIDE]
        )
        yield conn
        transaction.rollback()
    engine.dispose()


@dataclass(frozen=True)
class Scored:
    """What the SQL said about one person."""

    row: Mapping[str, Any]
    hits: tuple[Hit, ...]


def by_sql(
    conn: Connection,
    model: Model,
    people: Sequence[Mapping[str, Any]],
    engagements: Sequence[Mapping[str, Any]],
    *,
    as_of: int = NOW,
    known_at: int = NOW,
) -> dict[str, Scored]:
    """Store the rows (instead of what was there) and score them by SQL."""
    conn.execute(catalog.ENGAGEMENT.delete())
    conn.execute(catalog.PERSON.delete())
    if people:
        conn.execute(insert(catalog.PERSON), [dict(row) for row in people])
    if engagements:
        conn.execute(insert(catalog.ENGAGEMENT), [dict(row) for row in engagements])
    program = compile_model(model, catalog.people(), catalog.engagements())
    with temporary(conn, program.tables):
        run_program(conn, program, as_of=as_of, known_at=known_at)
        rows = {row["person_id"]: row for row in conn.execute(select(program.decision)).mappings()}
        hits: dict[str, list[Hit]] = {person_id: [] for person_id in rows}
        for hit in conn.execute(program.hits):
            sources = tuple(hit.sources.split(",")) if hit.sources else ()
            hits[hit.person_id].append(Hit(*hit[1:8], sources))
    return {person_id: Scored(dict(row), tuple(hits[person_id])) for person_id, row in rows.items()}


def by_oracle(
    model: Model,
    people: Sequence[Mapping[str, Any]],
    engagements: Sequence[Mapping[str, Any]],
    *,
    as_of: int = NOW,
    known_at: int = NOW,
) -> dict[str, Evaluation]:
    """Score the same rows in Python."""
    return {
        row["person_id"]: evaluate(
            model,
            {**row, "stage_read": row["crm_stage"]},
            [e for e in engagements if e["person_id"] == row["person_id"]],
            as_of=as_of,
            known_at=known_at,
        )
        for row in people
    }


FIELDS = (
    "total",
    "fit",
    "engagement",
    "grade",
    "suppressed",
    "applies",
    "eligible",
    "over_enter",
    "fast_track",
    "under_leave",
    "renewed_at",
)


def assert_same(sql: Mapping[str, Scored], oracle: Mapping[str, Evaluation]) -> None:
    """Both agree on everything, hit by hit, and the hits sum to the total."""
    assert sql.keys() == oracle.keys()
    for person_id, expected in oracle.items():
        found = sql[person_id]
        assert {name: found.row[name] for name in FIELDS} == {
            name: getattr(expected, name) for name in FIELDS
        }
        assert sorted(found.hits, key=lambda hit: hit.rule) == sorted(expected.hits, key=lambda hit: hit.rule)
        assert sum(hit.points for hit in found.hits) == expected.total
    assert tuple(sorted(CRMS)) == CRMS
