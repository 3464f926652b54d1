"""What every linked record is compared with: its person's score and open spell, and the changes decided."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, and_, exists, false, func, not_, or_, select

from connectors.records import RecordRef
from sync.mirror.dialect import in_batches
from sync.mirror.engine import Connection
from sync.mirror.outbox import COLUMNS, INTENT, Row, of_records
from sync.mirror.wants import MEMBER, PERSON, RECORD, SCORE, SPELL, is_member, open_spells

BATCH: Final = 5_000


class Linked(NamedTuple):
    """One live record of a person, with what is wanted there; `spell_id` None: not an MQL by our word."""

    person_id: str
    ambiguous: bool
    crm: str
    object: str
    id: str
    record_type: str | None
    total: int | None
    grade: str | None
    model_hash: str | None
    spell_id: str | None

    @property
    def ref(self) -> RecordRef:
        """The record."""
        return RecordRef(self.crm, self.object, self.id)


def people(conn: Connection, objects: Mapping[str, Collection[str]]) -> Iterator[str]:
    """Every person who has a live record of one of these objects (by CRM), some thousands in memory."""
    wanted = (and_(MEMBER.c.crm == crm, MEMBER.c.object.in_(sorted(names))) for crm, names in objects.items())
    alive = exists(select(RECORD.c.id).where(is_member(), not_(RECORD.c.gone)))
    theirs = (
        select(MEMBER.c.id)
        .where(MEMBER.c.person_id == PERSON.c.person_id, or_(false(), *wanted))
        .where(alive.correlate(MEMBER))  # from the person outwards: a join might begin at all records
    )
    for rows in in_batches(conn, select(PERSON.c.person_id).where(exists(theirs)), BATCH):
        yield from (row.person_id for row in rows)


def linked(
    conn: Connection, crm: str, object_name: str, models: Collection[str], after: str, limit: int
) -> list[Linked]:
    """The next live records of an object, by id; of several open spells the oldest counts."""
    older = SPELL.alias("older")
    first: ColumnElement[bool] = not_(
        exists(
            select(older.c.id).where(
                older.c.person_id == SPELL.c.person_id,
                older.c.left_at.is_(None),
                older.c.entered_by != "crm",
                older.c.model.in_(sorted(models)),
                (older.c.entered_at < SPELL.c.entered_at)
                | ((older.c.entered_at == SPELL.c.entered_at) & (older.c.id < SPELL.c.id)),
            )
        )
    )
    query = (
        select(
            PERSON.c.person_id,
            PERSON.c.ambiguous,
            RECORD.c.crm,
            RECORD.c.object,
            RECORD.c.id,
            RECORD.c.record_type,
            SCORE.c.total,
            SCORE.c.grade,
            func.coalesce(SPELL.c.model_hash, SCORE.c.model_hash),
            SPELL.c.id,
        )
        .select_from(RECORD)
        .join(MEMBER, is_member())
        .join(PERSON, PERSON.c.person_id == MEMBER.c.person_id)
        .outerjoin(SCORE, and_(SCORE.c.person_id == PERSON.c.person_id, SCORE.c.shown))
        .outerjoin(SPELL, and_(SPELL.c.person_id == PERSON.c.person_id, *open_spells(models), first))
        .where(RECORD.c.crm == crm, RECORD.c.object == object_name, RECORD.c.id > after)
        .where(not_(RECORD.c.gone))
        .order_by(RECORD.c.id)
        .limit(limit)
    )
    return [Linked._make(row) for row in conn.execute(query)]


def newest_changes(conn: Connection, refs: Collection[RecordRef]) -> dict[tuple[RecordRef, str], list[Row]]:
    """Per record and field, every change that was decided, newest first."""
    found: dict[tuple[RecordRef, str], list[Row]] = {}
    for where in of_records(refs):
        query = select(*COLUMNS).where(where).order_by(INTENT.c.created_at.desc(), INTENT.c.id.desc())
        for values in conn.execute(query):
            row = Row(*values)
            found.setdefault((row.ref, row.field), []).append(row)
    return found


def type_in_use(conn: Connection, crm: str, object_name: str, record_type: str) -> bool:
    """Whether a live record of this object has this record type."""
    having = (RECORD.c.crm == crm, RECORD.c.object == object_name, RECORD.c.record_type == record_type)
    return conn.execute(select(RECORD.c.id).where(*having, not_(RECORD.c.gone)).limit(1)).first() is not None


def record_type_of(conn: Connection, ref: RecordRef) -> str | None:
    """The record type of a record as the mirror has it."""
    query = select(RECORD.c.record_type).where(
        RECORD.c.crm == ref.crm, RECORD.c.object == ref.object, RECORD.c.id == ref.id
    )
    return conn.execute(query).scalar_one_or_none()


def changed_last(conn: Connection, crm: str, object_name: str, limit: int) -> list[str]:
    """The ids of the live records of an object that were changed last, newest first."""
    live = (RECORD.c.crm == crm, RECORD.c.object == object_name, not_(RECORD.c.gone))
    query = select(RECORD.c.id).where(*live).order_by(RECORD.c.modified_ms.desc(), RECORD.c.id).limit(limit)
    return list(conn.execute(query).scalars())
