"""Where the data of a person lie: one place that knows it of every table.

A test holds this list to the schema: a new table is either named here with the rows that are a person's, or
among those that hold nothing personal, with the reason.
"""

# ruff: noqa: S608 (statements are put together from our own table and column names; values are bound)

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text

from connectors.records import RecordRef
from sync.core.lookup import wanted
from sync.mirror import queries
from sync.mirror.engine import Connection
from sync.mirror.matching import drop_tables, make_tables

LONGEST_WALK: Final = 20
"""Rounds in which the records, addresses and ids of a person are gathered from one another."""

WORK_TABLES: Final[Mapping[str, str]] = {
    "e_person": "person_id TEXT PRIMARY KEY",
    "e_record": "crm TEXT, object TEXT, id TEXT, PRIMARY KEY (crm, object, id)",
    "e_address": "address TEXT PRIMARY KEY",
    "e_word": "word TEXT PRIMARY KEY",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """Everything by which one person is known here.

    `addresses` are normalised and this person's alone; `words` are what a text that speaks of them holds.
    """

    person_ids: tuple[str, ...]
    records: tuple[RecordRef, ...]
    addresses: tuple[str, ...]
    words: tuple[str, ...]


def _person(column: str = "person_id") -> str:
    return f"{column} IN (SELECT person_id FROM e_person)"


def _record(crm: str = "crm", object_name: str = "object", record_id: str = "id") -> str:
    return f"({crm}, {object_name}, {record_id}) IN (SELECT crm, object, id FROM e_record)"


def _address(column: str) -> str:
    return f"{column} IN (SELECT address FROM e_address)"


def _speaks(*columns: str) -> str:
    """A text speaks of the person."""
    found = " OR ".join(f"lower({column}) LIKE '%' || lower(w.word) || '%' ESCAPE '!'" for column in columns)
    return f"EXISTS (SELECT 1 FROM e_word w WHERE {found})"


_OF_INTENT: Final = f"({_person()} OR {_record(record_id='record_id')})"

_NAME: Final = "r.crm || '.' || r.object || '.' || r.id || '.'"
_BEGINS: Final = f"substr(audit_detail.subject || '.', 1, length({_NAME})) = {_NAME}"
_OTHERS: Final = "NOT IN (SELECT crm, object, id FROM e_record)"
_THEIRS: Final = "JOIN e_record e ON e.crm = {0}.crm AND e.object = {0}.{1}object AND e.id = {0}.{1}id"

HOLDS: Final[Mapping[str, str]] = {
    "plan_item": f"intent_id IN (SELECT id FROM intent WHERE {_OF_INTENT})",
    "intent": _OF_INTENT,
    "verified_value": _record(record_id="record_id"),
    "spell_reading": f"spell_id IN (SELECT id FROM spell WHERE {_person()})",
    "spell": _person(),
    "score_hit": _person(),
    "score": _person(),
    "unshown": _person(),
    "turn": _person(),
    "unrouted_record": f"({_person()} OR {_record(record_id='record_id')})",
    "hand_off": _person(),
    "hand_off_task": f"({_person()} OR {_record(record_id='record_id')})",
    "person_override": _person(),
    "engagement": f"({_person()} OR {_record('crm', 'person_object', 'person_record_id')} "
    f"OR {_address('email_key')})",
    "list_member": "(crm, CAST(record_id AS TEXT)) IN "
    "(SELECT crm, id FROM e_record WHERE object = 'contacts')",
    "link": f"({_record(object_name='from_object', record_id='from_id')} "
    f"OR {_record(object_name='to_object', record_id='to_id')})",
    "tombstone": f"({_record()} OR {_record('crm', 'to_object', 'to_id')})",
    "parked_record": f"({_record()} OR {_speaks('raw', 'reason')})",
    "sweep_id": _record(),
    "match_key": f"({_record()} OR key IN (SELECT 'email:' || address FROM e_address))",
    "record_apart": f"({_record()} OR {_record('kept_crm', 'kept_object', 'kept_id')})",
    "person_member": f"({_person()} OR {_record()})",
    "person_former": f"({_person()} OR {_record()})",
    "person_alias": f"({_person()} OR {_person('alias')})",
    "person": _person(),
    "person_record": _record(),
    "audit_detail": f"(EXISTS (SELECT 1 FROM e_record r WHERE {_BEGINS}) OR {_speaks('subject', 'detail')})",
    "request": _speaks("arguments", "answer", "progress"),
    "feed_cursor": _speaks("cursor"),
    "data_copy": f"({_person()} OR {_speaks('path')})",
    "email_domain": f"domain IN (SELECT r.email_domain FROM person_record r {_THEIRS.format('r', '')}) "
    "AND NOT EXISTS (SELECT 1 FROM person_record o WHERE o.email_domain = email_domain.domain "
    f"AND (o.crm, o.object, o.id) {_OTHERS})",
    "company_record": "((crm, id) IN (SELECT r.crm, r.company_id FROM person_record r "
    f"{_THEIRS.format('r', '')}) OR (crm, object, id) IN (SELECT l.crm, l.to_object, l.to_id FROM link l "
    f"{_THEIRS.format('l', 'from_')})) AND NOT EXISTS (SELECT 1 FROM person_record o "
    "WHERE o.crm = company_record.crm AND o.company_id = company_record.id "
    f"AND (o.crm, o.object, o.id) {_OTHERS})",
    "deal_record": "((crm, object, id) IN (SELECT l.crm, l.from_object, l.from_id FROM link l "
    f"{_THEIRS.format('l', 'to_')}) AND NOT EXISTS (SELECT 1 FROM link o JOIN person_record p "
    "ON p.crm = o.crm AND p.object = o.to_object AND p.id = o.to_id WHERE o.crm = deal_record.crm "
    "AND o.from_object = deal_record.object AND o.from_id = deal_record.id "
    f"AND (p.crm, p.object, p.id) {_OTHERS}))",
}
"""Table → the rows that are a person's, in SQL over the work tables. In none of these may others be."""

SPEAKS: Final[Mapping[str, tuple[str, str]]] = {
    "run": ("report", "'{}'"),
    "plan": ("blocked_by", "'[]'"),
    "pause": ("reason", "''"),
    "meta": ("value", "''"),
}
"""Table → a text that may speak of a person beside other things, and what erasure puts in its place."""

NOTHING: Final[Mapping[str, str]] = {
    "approval": "hashes of models and mappings",
    "audit": "pseudonyms and hashes; its words are in audit_detail",
    "budget": "calls of an account",
    "erased_mark": "keyed hashes of what was erased",
    "lease": "process names",
    "model_version": "the scoring model",
    "owner": "your own users and queues, as the CRM lists them",
    "refused_owner": "your own users",
}
"""Tables that hold nothing of the people in the CRMs, and why."""

FIRST: Final = ("data_copy", "email_domain", "company_record", "deal_record")
"""What is found through the person's other rows goes before them."""


def find(conn: Connection, typed: str) -> list[Subject]:
    """Who may be meant by an address, an id or a URL, also when only traces are left. Usually one."""
    people = queries.find_people(conn, typed)
    if people:
        return [gather(conn, [person_id]) for person_id in people]
    meant = wanted(typed)
    records = [meant.record] if meant.record is not None else []
    addresses = [meant.email_key] if meant.email_key is not None else []
    subject = gather(conn, [], records, addresses)
    return [subject] if any(counts(conn, subject).values()) else []


def gather(
    conn: Connection,
    person_ids: Iterable[str],
    records: Iterable[RecordRef] = (),
    addresses: Iterable[str] = (),
) -> Subject:
    """Everything that belongs together with these: earlier ids, former records, addresses."""
    make_tables(conn, WORK_TABLES)
    _add(conn, "e_person", [{"person_id": one} for one in person_ids])
    _add(conn, "e_record", [ref._asdict() for ref in records])
    _add(conn, "e_address", [{"address": one} for one in addresses])
    for _ in range(LONGEST_WALK):
        if not sum([conn.execute(text(step)).rowcount for step in _STEPS], start=_additional(conn)):
            break
    conn.execute(text(_NOT_ALONE))
    subject = Subject(
        tuple(conn.execute(text("SELECT person_id FROM e_person ORDER BY 1")).scalars()),
        tuple(RecordRef(*row) for row in conn.execute(text(_RECORDS))),
        tuple(conn.execute(text("SELECT address FROM e_address ORDER BY 1")).scalars()),
        (),
    )
    words = _words(conn, subject)
    drop_tables(conn, WORK_TABLES)
    return Subject(subject.person_ids, subject.records, subject.addresses, words)


_RECORDS: Final = "SELECT crm, object, id FROM e_record ORDER BY 1, 2, 3"
_MEMBERS: Final = "SELECT crm, object, id FROM {} WHERE person_id IN (SELECT person_id FROM e_person)"
_STEPS: Final = (
    f"INSERT INTO e_person SELECT alias FROM person_alias WHERE {_person()} ON CONFLICT DO NOTHING",
    f"INSERT INTO e_person SELECT person_id FROM person_member WHERE {_record()} ON CONFLICT DO NOTHING",
    f"INSERT INTO e_record {_MEMBERS.format('person_member')} ON CONFLICT DO NOTHING",
    f"INSERT INTO e_record {_MEMBERS.format('person_former')} ON CONFLICT DO NOTHING",
    "INSERT INTO e_record SELECT crm, object, id FROM tombstone WHERE "
    f"{_record('crm', 'to_object', 'to_id')} ON CONFLICT DO NOTHING",
    "INSERT INTO e_record SELECT crm, object, id FROM person_record WHERE gone "
    f"AND {_address('email_key')} ON CONFLICT DO NOTHING",
    f"INSERT INTO e_address SELECT email_key FROM person_record WHERE {_record()} AND email_key IS NOT NULL "
    "ON CONFLICT DO NOTHING",
    f"INSERT INTO e_address SELECT email_key FROM engagement WHERE {_person()} AND email_key IS NOT NULL "
    "AND NOT EXISTS (SELECT 1 FROM e_address a WHERE a.address = engagement.email_key) "
    "ON CONFLICT DO NOTHING",
)
"""Each adds to a work table what it finds through the others."""

_NOT_ALONE: Final = (
    "DELETE FROM e_address WHERE EXISTS (SELECT 1 FROM match_key k "
    f"WHERE k.key = 'email:' || e_address.address AND (k.crm, k.object, k.id) {_OTHERS})"
)
"""An address that a live record of somebody else has, too, does not tell this person."""


def _additional(conn: Connection) -> int:
    """Add the additional addresses of the records; how many came new."""
    rows = conn.execute(
        text(f"SELECT additional_keys FROM person_record WHERE {_record()} AND additional_keys IS NOT NULL")
    ).scalars()
    found = {address for row in rows for address in json.loads(row)}
    known = set(conn.execute(text("SELECT address FROM e_address")).scalars())
    _add(conn, "e_address", [{"address": one} for one in sorted(found - known)])
    return len(found - known)


def _words(conn: Connection, subject: Subject) -> tuple[str, ...]:
    """What a text that speaks of the person holds: addresses, names, ids that are nothing else."""
    rows = conn.execute(
        text(f"SELECT email, first_name, last_name FROM person_record WHERE {_record()}")
    ).all()
    found = {*subject.person_ids, *subject.addresses}
    found |= {row.email for row in rows if row.email}
    found |= {f"{row.first_name} {row.last_name}" for row in rows if row.first_name and row.last_name}
    found |= {ref.id[:15] for ref in subject.records if ref.crm == "salesforce"}
    return tuple(sorted(found))


class At:
    """The work tables filled with one subject, for a block."""

    def __init__(self, conn: Connection, subject: Subject) -> None:
        self._conn = conn
        self._subject = subject

    def __enter__(self) -> None:
        make_tables(self._conn, WORK_TABLES)
        _add(self._conn, "e_person", [{"person_id": one} for one in self._subject.person_ids])
        _add(self._conn, "e_record", [ref._asdict() for ref in self._subject.records])
        _add(self._conn, "e_address", [{"address": one} for one in self._subject.addresses])
        forms = {form for word in self._subject.words for form in (word, json.dumps(word)[1:-1])}
        _add(self._conn, "e_word", [{"word": _pattern(form)} for form in sorted(forms)])

    def __exit__(self, *_: object) -> None:
        drop_tables(self._conn, WORK_TABLES)


def counts(conn: Connection, subject: Subject) -> dict[str, int]:
    """Table → how many rows are the person's, or speak of them; tables with none are left out."""
    found = {}
    with At(conn, subject):
        for table, condition in conditions().items():
            count = conn.execute(text(f"SELECT count(*) FROM {table} WHERE {condition}")).scalar_one()
            if count:
                found[table] = int(count)
    return found


def rows(conn: Connection, subject: Subject) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Table, and the rows of it that are the person's. What only speaks of them is not theirs to have."""
    with At(conn, subject):
        for table, condition in HOLDS.items():
            found = conn.execute(text(f"SELECT * FROM {table} WHERE {condition}")).mappings()
            listed = [dict(row) for row in found]
            if listed:
                yield table, listed


def own_deals(conn: Connection, subject: Subject) -> list[RecordRef]:
    """The deals that are linked with nobody else."""
    with At(conn, subject):
        query = f"SELECT crm, object, id FROM deal_record WHERE {HOLDS['deal_record']} ORDER BY 1, 2, 3"
        return [RecordRef(*row) for row in conn.execute(text(query))]


def first_seen(conn: Connection, subject: Subject) -> int | None:
    """When the first of the person's records was first stored, epoch seconds."""
    with At(conn, subject):
        query = f"SELECT min(first_seen) FROM person_record WHERE {HOLDS['person_record']}"
        found = conn.execute(text(query)).scalar()
    return None if found is None else int(found)


def purge(conn: Connection, subject: Subject) -> dict[str, int]:
    """Delete every row of the person and take them out of what speaks of them; rows per table."""
    if conn.dialect.name == "sqlite":
        conn.exec_driver_sql("PRAGMA secure_delete = ON")
    done = {}
    with At(conn, subject):
        for table in (*FIRST, *(name for name in HOLDS if name not in FIRST)):
            count = conn.execute(text(f"DELETE FROM {table} WHERE {HOLDS[table]}")).rowcount
            if count:
                done[table] = count
        for table, (column, instead) in SPEAKS.items():
            where = f"{_speaks(column)}{_KEPT.get(table, '')}"
            count = conn.execute(text(f"UPDATE {table} SET {column} = {instead} WHERE {where}")).rowcount
            if count:
                done[table] = count
    return done


_KEPT: Final = {"meta": " AND key <> 'privacy.keys'"}


def conditions() -> dict[str, str]:
    """Every table that may have to do with a person, and the rows that have."""
    return {**HOLDS, **{table: _speaks(column) for table, (column, _) in SPEAKS.items()}}


def _pattern(word: str) -> str:
    return word.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _add(conn: Connection, table: str, found: Sequence[Mapping[str, str]]) -> None:
    if found:
        names = list(found[0])
        values = ", ".join(f":{name}" for name in names)
        statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values}) ON CONFLICT DO NOTHING"
        conn.execute(text(statement), [dict(row) for row in found])
