"""What a model would do to the people of the mirror, before it is published: nothing here is stored.

Everything runs in temporary tables, so a reading transaction is enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    MetaData,
    String,
    Table,
    and_,
    func,
    insert,
    literal,
    or_,
    select,
)

from scoring.compile import Program
from scoring.model import Model
from sync.mirror.catalog import PERSON, in_spell
from sync.mirror.engine import Connection
from sync.mirror.explain import points
from sync.mirror.programs import program_for, run_program, temporary
from sync.mirror.tables import OwnerRow, PersonMember, PersonRow

OWNER: Table = OwnerRow.metadata.tables["owner"]
RECORD: Table = PersonRow.metadata.tables["person_record"]
MEMBER: Table = PersonMember.metadata.tables["person_member"]
VERDICTS: Final = tuple(
    Table(
        f"scoring_verdict_{side}",
        MetaData(),
        Column("person_id", String, primary_key=True),
        Column("total", BigInteger, nullable=False),
        Column("grade", String, nullable=False),
        Column("qualifies", Boolean, nullable=False),
        prefixes=["TEMPORARY"],
    )
    for side in ("a", "b")
)
UNOWNED: Final = "(nobody)"


@dataclass(frozen=True, slots=True)
class Moved:
    """A person on whom two models do not agree; `in_spell`: an MQL now, whatever the models say."""

    person_id: str
    name: str | None
    company: str | None
    owner: str
    in_spell: bool
    total_a: int
    total_b: int
    grade_a: str
    grade_b: str

    def to_json(self) -> dict[str, Any]:
        """One entry of `model diff --json`."""
        return {
            "person_id": self.person_id,
            "name": self.name,
            "company": self.company,
            "owner": self.owner,
            "in_spell": self.in_spell,
            "total": {"a": points(self.total_a), "b": points(self.total_b)},
            "grade": {"a": self.grade_a, "b": self.grade_b},
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """Who qualifies under the second model alone (`enters`) and under the first alone (`leaves`).

    `owners`: how many who qualify each owner would have, under either model. Open spells do not count
    here: a new version evicts nobody, so who `leaves` and is in a spell goes only by the leave rule.
    """

    qualify: tuple[int, int]
    enters: tuple[Moved, ...]
    leaves: tuple[Moved, ...]
    owners: Mapping[str, tuple[int, int]]


def compare(conn: Connection, a: Model, b: Model, now: int) -> Difference:
    """Score everybody by both models as of now and set the verdicts side by side."""
    with temporary(conn, VERDICTS):
        for model, verdict in zip((a, b), VERDICTS, strict=True):
            _judge(conn, model, verdict, now)
        owners = {side: _by_owner(conn, verdict) for side, verdict in zip("ab", VERDICTS, strict=True)}
        moved = _moved(conn)
    names = sorted(owners["a"].keys() | owners["b"].keys())
    return Difference(
        qualify=(owners["a"].total(), owners["b"].total()),
        enters=tuple(person for person, entering in moved if entering),
        leaves=tuple(person for person, entering in moved if not entering),
        owners={name: (owners["a"][name], owners["b"][name]) for name in names},
    )


def fires(conn: Connection, model: Model, now: int) -> tuple[Counter[str], int]:
    """For how many people each rule gives points now, and how many people there are."""
    program = program_for(model, scoped=False)
    with temporary(conn, program.tables):
        run_program(conn, program, as_of=now, known_at=now)
        hits = program.hits.subquery()
        counts = conn.execute(select(hits.c.rule, func.count()).group_by(hits.c.rule)).all()
        people = conn.execute(select(func.count()).select_from(program.decision)).scalar_one()
    return Counter(dict(_rows(counts))), people


def _judge(conn: Connection, model: Model, verdict: Table, now: int) -> None:
    program = program_for(model, scoped=False)
    with temporary(conn, program.tables):
        run_program(conn, program, as_of=now, known_at=now)
        row = program.decision.c
        columns = select(row.person_id, row.total, row.grade, _qualifies(program))
        conn.execute(insert(verdict).from_select(["person_id", "total", "grade", "qualifies"], columns))


def _qualifies(program: Program) -> ColumnElement[bool]:
    row = program.decision.c
    return and_(row.eligible.is_(True), or_(row.over_enter.is_(True), row.fast_track.is_not(None)))


def _owner() -> ColumnElement[str]:
    """Whose the person is: the first owner of the records by name."""
    names = (
        select(func.min(func.coalesce(OWNER.c.email, OWNER.c.name, OWNER.c.id)))
        .select_from(MEMBER)
        .join(
            RECORD,
            and_(
                RECORD.c.crm == MEMBER.c.crm, RECORD.c.object == MEMBER.c.object, RECORD.c.id == MEMBER.c.id
            ),
        )
        .join(OWNER, and_(OWNER.c.crm == RECORD.c.crm, OWNER.c.id == RECORD.c.owner_id))
        .where(MEMBER.c.person_id == PERSON.c.person_id, OWNER.c.kind == "person")
    )
    return func.coalesce(names.scalar_subquery(), literal(UNOWNED))


def _by_owner(conn: Connection, verdict: Table) -> Counter[str]:
    rows = (
        select(_owner().label("owner"))
        .select_from(verdict)
        .join(PERSON, PERSON.c.person_id == verdict.c.person_id)
        .where(verdict.c.qualifies.is_(True))
        .subquery()
    )
    counts = conn.execute(select(rows.c.owner, func.count()).group_by(rows.c.owner))
    return Counter(dict(_rows(counts)))


def _moved(conn: Connection) -> list[tuple[Moved, bool]]:
    """Everybody on whom the verdicts differ, the highest new total first, and whether they enter."""
    a, b = (verdict.c for verdict in VERDICTS)
    query = (
        select(
            PERSON.c.person_id,
            PERSON.c.name,
            PERSON.c.company,
            _owner(),
            in_spell(),
            a.total,
            b.total,
            a.grade,
            b.grade,
            b.qualifies,
        )
        .select_from(VERDICTS[0])
        .join(VERDICTS[1], b.person_id == a.person_id)
        .join(PERSON, PERSON.c.person_id == a.person_id)
        .where(a.qualifies != b.qualifies)
        .order_by(b.total.desc(), PERSON.c.person_id)
    )
    return [_read(row) for row in conn.execute(query)]


def _read(row: Any) -> tuple[Moved, bool]:
    person_id, name, company, owner, in_spell_now, total_a, total_b, grade_a, grade_b, enters = row
    moved = Moved(person_id, name, company, owner, bool(in_spell_now), total_a, total_b, grade_a, grade_b)
    return moved, bool(enters)


def _rows(rows: Iterable[Any]) -> list[Any]:
    return [tuple(row) for row in rows]
