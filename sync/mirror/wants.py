"""What ought to stand in the CRMs and, as far as the mirror knows, does not. Set-based: only those rows.

A want is not yet an intent: the policy is asked first (`sync.core.writes`), over the mirrored value here
and over the live one just before sending.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    Text,
    and_,
    case,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
)

from connectors.records import RecordRef
from scoring.dialect import json_text
from sync.core.cases import Why
from sync.mirror.engine import Connection
from sync.mirror.outbox import INTENT
from sync.mirror.proofs import VERIFIED
from sync.mirror.routing import OWNER
from sync.mirror.tables import Person, PersonMember, PersonRow, Score, ScoreHit, Spell

PERSON: Final[Table] = Person.metadata.tables["person"]
MEMBER: Final[Table] = PersonMember.metadata.tables["person_member"]
RECORD: Final[Table] = PersonRow.metadata.tables["person_record"]
SCORE: Final[Table] = Score.metadata.tables["score"]
HIT: Final[Table] = ScoreHit.metadata.tables["score_hit"]
SPELL: Final[Table] = Spell.metadata.tables["spell"]

DECIDABLE_AGAIN: Final = (
    Why.STALE.value,
    Why.OWNER_ELSEWHERE.value,
    Why.OWNER_REFUSED.value,
    Why.NOT_NEEDED.value,
    Why.RELEASED.value,
)
"""A superseded intent that ended so does not stop its spell from wanting the same again."""

POINT: Final = 1000
"""Points are stored in thousandths."""


class Want(NamedTuple):
    """One field of one record that differs from what it ought to be; `current` as mirrored."""

    person_id: str
    spell_id: str | None
    model_hash: str
    entered_at: int | None
    entered_by: str | None
    total: int | None
    grade: str | None
    crm: str
    object: str
    id: str
    current: str | None
    desired: str | None

    @property
    def ref(self) -> RecordRef:
        """The record."""
        return RecordRef(self.crm, self.object, self.id)


class Held(NamedTuple):
    """One record of a person whose owner is to be decided, with who owns it now."""

    person_id: str
    spell_id: str
    model_hash: str
    entered_at: int
    entered_by: str
    total: int | None
    grade: str | None
    crm: str
    object: str
    id: str
    owner_id: str | None
    owner_email: str | None
    owner_kind: str | None
    owner_active: bool | None
    decided: bool  # this spell already decided the owner of this record

    @property
    def ref(self) -> RecordRef:
        """The record."""
        return RecordRef(self.crm, self.object, self.id)


def open_spells(models: Collection[str]) -> list[ColumnElement[bool]]:
    """Spells that want something written: open, of a live model, and not merely found in the CRMs."""
    return [SPELL.c.left_at.is_(None), SPELL.c.entered_by != "crm", SPELL.c.model.in_(sorted(models))]


def current_value(crm: str, purpose: str, field: str) -> ColumnElement[Any]:
    """The mirrored value of a field that may be written; what we proved later than the mirror looked wins."""
    if purpose == "status":
        mirrored: ColumnElement[Any] = RECORD.c.status
    elif purpose == "owner":
        mirrored = RECORD.c.owner_id
    elif field == "lifecyclestage":
        mirrored = RECORD.c.lifecycle
    else:
        mirrored = json_text(RECORD.c.raw, literal(field))
        nested = json_text(json_text(RECORD.c.raw, literal("properties")), literal(field))
        mirrored = func.coalesce(mirrored, nested, VERIFIED.c.value) if crm else mirrored
    ours_is_newer = and_(VERIFIED.c.at_ms.is_not(None), VERIFIED.c.at_ms >= RECORD.c.modified_ms)
    return case((ours_is_newer, VERIFIED.c.value), else_=mirrored)


def spell_wants(
    conn: Connection,
    crm: str,
    object_name: str,
    purpose: str,
    field: str,
    desired: Mapping[str, str | None],
    *,
    models: Collection[str],
) -> list[Want]:
    """Fields that an open spell wants set once. `desired`: record type → value, "" for all others; where it
    is None nothing is wanted."""
    wanted = _by_record_type(desired)
    current = current_value(crm, purpose, field)
    query = (
        records_showing(_spell_columns(), current, wanted, crm, object_name, field)
        .join(SPELL, SPELL.c.person_id == PERSON.c.person_id)
        .outerjoin(SCORE, and_(SCORE.c.person_id == SPELL.c.person_id, SCORE.c.model == SPELL.c.model))
        .where(*open_spells(models), wanted.is_not(None))
        .where(func.coalesce(current, "") != wanted, not_(_decided(field)))
        .order_by(SPELL.c.entered_at, PERSON.c.person_id, RECORD.c.id)
    )
    return [Want(*row) for row in conn.execute(query)]


def once_per_spell(
    conn: Connection, crm: str, object_name: str, purpose: str, field: str, *, models: Collection[str]
) -> list[Want]:
    """Records of open spells that have not yet been given this text (reason, date)."""
    current = current_value(crm, purpose, field)
    query = (
        records_showing(_spell_columns(), current, literal(None, Text()), crm, object_name, field)
        .join(SPELL, SPELL.c.person_id == PERSON.c.person_id)
        .outerjoin(SCORE, and_(SCORE.c.person_id == SPELL.c.person_id, SCORE.c.model == SPELL.c.model))
        .where(*open_spells(models), not_(_decided(field)))
        .order_by(SPELL.c.entered_at, PERSON.c.person_id, RECORD.c.id)
    )
    return [Want(*row) for row in conn.execute(query)]


def owner_wants(
    conn: Connection,
    targets: Sequence[tuple[str, str, str]],
    free_owners: Collection[tuple[str, str]],
    *,
    models: Collection[str],
    people: Collection[str] | None = None,
) -> Iterator[list[Held]]:
    """Per person with a record that nobody owns and this spell has not decided: all its records.

    `targets`: (crm, object, owner field). `free_owners`: (crm, owner id) that count as nobody. `people`:
    only these.
    """
    is_target = or_(
        *(and_(RECORD.c.crm == crm, RECORD.c.object == name) for crm, name, _ in targets), literal(False)
    )
    decided = or_(
        *(
            and_(RECORD.c.crm == crm, RECORD.c.object == name, _decided(field))
            for crm, name, field in targets
        ),
        literal(False),
    )
    nobody = or_(
        func.coalesce(RECORD.c.owner_id, "") == "",
        OWNER.c.kind != "person",
        not_(OWNER.c.active),
        *(and_(RECORD.c.crm == crm, RECORD.c.owner_id == owner) for crm, owner in sorted(free_owners)),
    )
    base = (
        _owner_base(_spell_columns(), decided)
        .join(SPELL, SPELL.c.person_id == PERSON.c.person_id)
        .outerjoin(SCORE, and_(SCORE.c.person_id == SPELL.c.person_id, SCORE.c.model == SPELL.c.model))
        .where(*open_spells(models), is_target)
    )
    if people is not None:
        base = base.where(PERSON.c.person_id.in_(sorted(people)))
    candidates = base.where(nobody, not_(decided)).with_only_columns(PERSON.c.person_id)
    query = base.where(PERSON.c.person_id.in_(candidates)).order_by(
        SPELL.c.entered_at, PERSON.c.person_id, SPELL.c.model, RECORD.c.crm, RECORD.c.object, RECORD.c.id
    )
    group: list[Held] = []
    for row in conn.execute(query).all():
        held = Held(*row)
        if group and held.spell_id != group[0].spell_id:
            yield group
            group = []
        group.append(held)
    if group:
        yield group


def owners_held(
    conn: Connection, targets: Sequence[tuple[str, str, str]], spells: Collection[str]
) -> dict[str, list[Held]]:
    """Per open spell, all records of its person whose owner may be written, whoever owns them."""
    is_target = or_(
        *(and_(RECORD.c.crm == crm, RECORD.c.object == name) for crm, name, _ in targets), literal(False)
    )
    query = (
        _owner_base(_spell_columns(), literal(True))
        .join(SPELL, SPELL.c.person_id == PERSON.c.person_id)
        .outerjoin(SCORE, and_(SCORE.c.person_id == SPELL.c.person_id, SCORE.c.model == SPELL.c.model))
        .where(SPELL.c.left_at.is_(None), SPELL.c.id.in_(sorted(spells)), is_target)
        .order_by(SPELL.c.entered_at, SPELL.c.id, RECORD.c.crm, RECORD.c.object, RECORD.c.id)
    )
    found: dict[str, list[Held]] = {}
    for row in conn.execute(query):
        held = Held(*row)
        found.setdefault(held.spell_id, []).append(held)
    return found


def person_facts(conn: Connection, person_ids: Collection[str]) -> dict[str, dict[str, object]]:
    """Per person, the facts that routing rules may ask for."""
    found: dict[str, dict[str, object]] = {}
    for person_id in sorted(set(person_ids)):
        row = conn.execute(select(PERSON).where(PERSON.c.person_id == person_id)).mappings().one_or_none()
        found[person_id] = {} if row is None else dict(row)
    return found


def top_hits(conn: Connection, person_id: str, model: str, limit: int = 5) -> list[tuple[str, int]]:
    """The largest parts of a score: (rule, thousandths of a point)."""
    query = select(HIT.c.rule, HIT.c.points).where(HIT.c.person_id == person_id, HIT.c.model == model)
    return [
        (row.rule, row.points)
        for row in conn.execute(query.order_by(HIT.c.points.desc(), HIT.c.rule).limit(limit))
    ]


def population(conn: Connection) -> tuple[int, int]:
    """How many people there are, and how many live records."""
    people = conn.execute(select(func.count()).select_from(PERSON)).scalar_one()
    live = conn.execute(select(func.count()).select_from(MEMBER)).scalar_one()  # no others are members
    return people, live


# -- the pieces


def _spell_columns() -> list[ColumnElement[Any]]:
    return [
        PERSON.c.person_id,
        SPELL.c.id,
        SPELL.c.model_hash,
        SPELL.c.entered_at,
        SPELL.c.entered_by,
        SCORE.c.total,
        SCORE.c.grade,
    ]


def records_showing(
    first: Sequence[ColumnElement[Any]],
    current: ColumnElement[Any],
    wanted: ColumnElement[Any],
    crm: str,
    object_name: str,
    field: str,
    *,
    of_all: bool = False,
) -> Select[Any]:
    """Live records of one object whose person is not ambiguous, with what we last verified in the field.

    `of_all`: of most people, so the records are gone through; else those few are looked up that are joined.
    """
    of_object = and_(RECORD.c.crm == crm, RECORD.c.object == object_name)
    if not of_all:  # no index is used for an expression: the databases begin with the spells instead
        crm_of, name_of = func.coalesce(RECORD.c.crm, ""), func.coalesce(RECORD.c.object, "")
        of_object = and_(crm_of == crm, name_of == object_name)
    return (
        select(*first, RECORD.c.crm, RECORD.c.object, RECORD.c.id, current, wanted)
        .select_from(PERSON)
        .join(MEMBER, MEMBER.c.person_id == PERSON.c.person_id)
        .join(RECORD, is_member())
        .outerjoin(
            VERIFIED,
            and_(
                VERIFIED.c.crm == RECORD.c.crm,
                VERIFIED.c.object == RECORD.c.object,
                VERIFIED.c.record_id == RECORD.c.id,
                VERIFIED.c.field == field,
            ),
        )
        .where(of_object)
        .where(not_(PERSON.c.ambiguous), not_(RECORD.c.gone))
    )


def _owner_base(first: Sequence[ColumnElement[Any]], decided: ColumnElement[bool]) -> Select[Any]:
    columns = [
        RECORD.c.crm,
        RECORD.c.object,
        RECORD.c.id,
        RECORD.c.owner_id,
        OWNER.c.email,
        OWNER.c.kind,
        OWNER.c.active,
        decided,
    ]
    return (
        select(*first, *columns)
        .select_from(PERSON)
        .join(MEMBER, MEMBER.c.person_id == PERSON.c.person_id)
        .join(RECORD, is_member())
        .outerjoin(OWNER, and_(OWNER.c.crm == RECORD.c.crm, OWNER.c.id == RECORD.c.owner_id))
        .where(not_(PERSON.c.ambiguous), not_(RECORD.c.gone))
    )


def is_member() -> ColumnElement[bool]:
    """The record is the member's."""
    return and_(RECORD.c.crm == MEMBER.c.crm, RECORD.c.object == MEMBER.c.object, RECORD.c.id == MEMBER.c.id)


def same_field(field: str) -> tuple[ColumnElement[bool], ...]:
    """The intent is about this field of the record."""
    return (
        INTENT.c.crm == RECORD.c.crm,
        INTENT.c.object == RECORD.c.object,
        INTENT.c.record_id == RECORD.c.id,
        INTENT.c.field == field,
    )


def _decided(field: str) -> ColumnElement[bool]:
    """The spell already has an intent for this field of this record that settles it."""
    again = and_(INTENT.c.state == "superseded", INTENT.c.why.in_(DECIDABLE_AGAIN))
    return exists(select(INTENT.c.id).where(INTENT.c.spell_id == SPELL.c.id, *same_field(field), not_(again)))


def _by_record_type(desired: Mapping[str, str | None]) -> ColumnElement[Any]:
    special = [
        (RECORD.c.record_type == name, literal(value, Text())) for name, value in desired.items() if name
    ]
    general = literal(desired.get(""), Text())
    return case(*special, else_=general) if special else general
