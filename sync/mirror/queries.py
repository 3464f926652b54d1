"""Questions about people: how many, which ones, who is meant, and what their records are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Row, text

from config.world import iso_z
from connectors.records import RecordRef
from sync.core.lookup import wanted
from sync.mirror.dialect import id_list, sql
from sync.mirror.engine import Connection
from sync.reports import MatchCounts

CHANGING: Final = ("person_record", "company_record", "deal_record", "engagement", "tombstone")
"""Tables whose changes matching has to look at."""


@dataclass(frozen=True, slots=True)
class PersonView:
    """A person as `people` lists them. Points are thousandths; times epoch seconds.

    `would_enter`: whether a model that does not decide would make this person an MQL; None when not asked.
    """

    person_id: str
    emails: Sequence[str]
    name: str | None
    company: str | None
    records: Sequence[RecordRef]
    stage: str
    ambiguous: bool
    suppressed: str | None
    score: Mapping[str, Any] | None
    entered_at: int | None
    entered_by: str | None
    would_enter: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """One entry of `people --json`."""
        mql = None
        if self.entered_at is not None:
            mql = {"entered_at": iso_z(self.entered_at), "entered_by": self.entered_by}
        answer = {
            "person_id": self.person_id,
            "emails": list(self.emails),
            "name": self.name,
            "company": self.company,
            "records": [ref._asdict() for ref in self.records],
            "stage": self.stage,
            "suppressed": self.suppressed,
            "ambiguous": self.ambiguous,
            "score": None if self.score is None else dict(self.score),
            "mql": mql,
        }
        return answer if self.would_enter is None else {**answer, "would_enter": self.would_enter}


def anything_changed(conn: Connection, round_: int) -> bool:
    """Whether matching has anything to look at in this round."""
    return any(
        conn.execute(
            sql(conn, "SELECT 1 FROM [[table]] WHERE changed = :round LIMIT 1", table=table),
            {"round": round_},
        ).scalar()
        for table in CHANGING
    )


def count_people(conn: Connection) -> MatchCounts:
    """Everybody, and those of them who are ambiguous."""
    people = conn.execute(text("SELECT count(*) FROM person")).scalar_one()
    ambiguous = conn.execute(text("SELECT count(*) FROM person WHERE ambiguous")).scalar_one()
    return MatchCounts(int(people), int(ambiguous))


def find_people(conn: Connection, typed: str) -> list[str]:
    """The ids of the people that somebody may mean by an address, an id or a URL; usually one.

    Earlier person ids, and ids of records that went into others, lead to the person of today.
    """
    meant = wanted(typed)
    if meant.person_id is not None:
        return _by_person_id(conn, meant.person_id)
    if meant.email_key is not None:
        return _by_key(conn, f"email:{meant.email_key}")
    if meant.record is None:
        return []
    if meant.record.crm == "salesforce":
        return _by_key(conn, f"salesforce:{meant.record.object}:{meant.record.id[:15]}")
    return _by_record(conn, meant.record)


def _by_person_id(conn: Connection, person_id: str) -> list[str]:
    found = conn.execute(
        text(
            "SELECT person_id FROM person WHERE person_id = :id "
            "OR person_id IN (SELECT person_id FROM person_alias WHERE alias = :id)"
        ),
        {"id": person_id},
    )
    return list(found.scalars())


def _by_key(conn: Connection, key: str) -> list[str]:
    found = conn.execute(
        text(
            "SELECT DISTINCT m.person_id FROM match_key k JOIN person_member m "
            "ON m.crm = k.crm AND m.object = k.object AND m.id = k.id WHERE k.key = :key ORDER BY 1"
        ),
        {"key": key},
    )
    return list(found.scalars())


def _by_record(conn: Connection, ref: RecordRef) -> list[str]:
    found = conn.execute(
        text(
            "SELECT p.person_id FROM person p WHERE p.person_id IN ("
            "SELECT person_id FROM person_member WHERE crm = :crm AND object = :object AND id = :id UNION "
            "SELECT person_id FROM person_former WHERE crm = :crm AND object = :object AND id = :id)"
        ),
        ref._asdict(),
    )
    return list(found.scalars())


def records_of(conn: Connection, person_ids: Sequence[str]) -> dict[str, list[RecordRef]]:
    """The live records of some people."""
    rows = conn.execute(
        sql(
            conn,
            "SELECT person_id, crm, object, id FROM person_member WHERE person_id IN [[ids]] "
            "ORDER BY person_id, crm DESC, object, id",
        ),
        {"ids": id_list(person_ids)},
    )
    return {
        person_id: [RecordRef(row.crm, row.object, row.id) for row in some]
        for person_id, some in groupby(rows, key=lambda row: str(row.person_id))
    }


def people(
    conn: Connection,
    *,
    person_ids: Sequence[str] | None = None,
    stage: str | None = None,
    owner: str | None = None,
    model: str | None = None,
    decides: bool = True,
    overdue_at: int | None = None,
) -> Iterator[PersonView]:
    """People by id, each with records, score and open spell; a stream, for any number of people.

    `owner`: an owner's address, id or name in a CRM. `model`: show that model's score instead of the one
    that decides; `decides` says whether it is live. Of one that does not decide, the stage "mql" are those
    whom it would make MQLs now. `overdue_at`: only those whose hand-off was due before that moment and is
    untouched.
    """
    values: dict[str, object] = {}
    where = ["1 = 1"]
    if person_ids is not None:
        where.append("p.person_id IN [[ids]]")
        values["ids"] = id_list(person_ids)
    if stage == "mql" and not decides:
        where.append(ENTERING)
    elif stage is not None:
        where.append("p.stage = :stage")
        values["stage"] = stage
    if owner is not None:
        where.append(OWNED)
        values["owner"] = owner.strip().casefold()
    if overdue_at is not None:
        where.append(OVERDUE)
        values["overdue_at"] = overdue_at
    shown = "s.model = :model" if model is not None else "s.shown"
    if model is not None:
        values["model"] = model
    condition = " AND ".join(where)
    rows = conn.execute(sql(conn, PEOPLE, where=condition, shown=shown, would_enter=WOULD_ENTER), values)
    members = conn.execute(sql(conn, MEMBERS, where=condition, would_enter=WOULD_ENTER), values)
    by_person = groupby(members, key=lambda row: str(row.person_id))
    ahead: tuple[str, list[RecordRef]] | None = None
    for row in rows:
        while ahead is None or ahead[0] < row.person_id:
            person_id, some = next(by_person, (LAST, iter(())))
            ahead = (person_id, [RecordRef(one.crm, one.object, one.id) for one in some])
        yield _view(row, ahead[1] if ahead[0] == row.person_id else [], asked=not decides)


LAST: Final = "\U0010ffff"
"""Sorts behind every person id."""

WOULD_ENTER: Final = (
    "s.eligible AND (s.over_enter OR s.fast_track IS NOT NULL) AND NOT EXISTS (SELECT 1 "
    "FROM person_override w WHERE w.person_id = s.person_id AND w.ended_at IS NULL AND w.verdict = 'not_mql')"
)
"""Whom a model would have enter, whatever other models decide."""

ENTERING: Final = (
    "p.person_id IN (SELECT s.person_id FROM score s WHERE s.model = :model AND [[would_enter]])"
)

OWNED: Final = (
    "EXISTS (SELECT 1 FROM person_member m JOIN person_record r ON r.crm = m.crm AND r.object = m.object "
    "AND r.id = m.id JOIN owner o ON o.crm = r.crm AND o.id = r.owner_id WHERE m.person_id = p.person_id "
    "AND (o.email_key = :owner OR lower(o.id) = :owner OR lower(o.name) = :owner))"
)

OVERDUE: Final = (
    "EXISTS (SELECT 1 FROM hand_off h WHERE h.person_id = p.person_id AND h.touched_at IS NULL "
    "AND h.closed_at IS NULL AND h.due_at < :overdue_at)"
)

PEOPLE: Final = (
    "SELECT p.person_id, p.emails, p.name, p.company, p.stage, p.ambiguous, s.suppressed, s.total, s.fit, "
    "s.engagement, s.grade, s.model, s.version, s.as_of, t.entered_at, t.entered_by, "
    "CASE WHEN [[would_enter]] THEN 1 ELSE 0 END AS would_enter FROM person p "
    "LEFT JOIN score s ON s.person_id = p.person_id AND [[shown]] "
    "LEFT JOIN spell t ON t.id = (SELECT o.id FROM spell o WHERE o.person_id = p.person_id "
    "AND o.left_at IS NULL ORDER BY o.entered_at, o.id LIMIT 1) WHERE [[where]] ORDER BY p.person_id"
)

MEMBERS: Final = (
    "SELECT q.person_id, q.crm, q.object, q.id FROM person_member q JOIN person p "
    "ON p.person_id = q.person_id WHERE [[where]] ORDER BY q.person_id, q.crm DESC, q.object, q.id"
)


def _view(row: Row[Any], records: list[RecordRef], *, asked: bool) -> PersonView:
    score = None
    if row.model is not None:
        score = {
            "total": row.total / 1000,
            "fit": row.fit / 1000,
            "engagement": row.engagement / 1000,
            "grade": row.grade,
            "model": row.model,
            "version": row.version,
            "as_of": iso_z(row.as_of),
        }
    return PersonView(
        person_id=row.person_id,
        emails=json.loads(row.emails),
        name=row.name,
        company=row.company,
        records=records,
        stage=row.stage,
        ambiguous=bool(row.ambiguous),
        suppressed=row.suppressed,
        score=score,
        entered_at=row.entered_at,
        entered_by=row.entered_by,
        would_enter=bool(row.would_enter) if asked else None,
    )
