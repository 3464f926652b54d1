"""The marks of erased people: what keeps them out, whichever way a CRM shows them again.

A mark is a keyed hash of a record's id or of an address. Whatever a page brings is compared with the marks
before it is stored. A record that bears an erased address, or links to an erased record, is that person
again under another id: it is marked, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, Table, select

from connectors.records import Page, PersonRecord, Poison, RecordRef, Tombstone
from sync.core.identity import email_key
from sync.mirror import personal, pseudonyms
from sync.mirror.computed import additional_keys
from sync.mirror.dialect import id_list, in_batches, sql
from sync.mirror.engine import Connection
from sync.mirror.graves import TABLE_OF
from sync.mirror.personal import Subject
from sync.mirror.pseudonyms import address_mark, record_mark
from sync.mirror.tables import ErasedMark

MARK: Final[Table] = ErasedMark.metadata.tables["erased_mark"]
ADDRESS: Final = re.compile(r"[^\s\"'<>,;:()\[\]\\]+@[^\s\"'<>,;:()\[\]\\]+")
BATCH: Final = 5_000
"""Rows that are compared with the marks at once."""


def marks(conn: Connection) -> dict[str, int]:
    """Every mark, and when it was set."""
    return {row.mark: row.at for row in conn.execute(select(MARK.c.mark, MARK.c.at).order_by(MARK.c.mark))}


def any_marks(conn: Connection) -> bool:
    """Whether anybody was ever erased."""
    return conn.execute(select(MARK.c.mark).limit(1)).first() is not None


def marks_of(with_key: bytes, subject: Subject) -> list[str]:
    """The marks of a person's records and addresses."""
    found = {record_mark(with_key, *ref) for ref in subject.records}
    return sorted(found | {address_mark(with_key, address) for address in subject.addresses})


def add(conn: Connection, found: Mapping[str, int]) -> int:
    """Set marks (mark → when); how many are new."""
    rows = [{"mark": mark, "at": at} for mark, at in found.items()]
    if not rows:
        return 0
    statement = sql(conn, "INSERT INTO erased_mark (mark, at) VALUES (:mark, :at) ON CONFLICT DO NOTHING")
    return conn.execute(statement, rows).rowcount


@dataclass(slots=True)
class Known:
    """Which of some records and addresses are marked."""

    records: set[RecordRef] = field(default_factory=set)
    addresses: set[str] = field(default_factory=set)

    def has(self, crm: str, object_name: str | None, record_id: str | None) -> bool:
        """The record is marked."""
        return RecordRef(crm, object_name or "", record_id or "") in self.records


def look_up(conn: Connection, records: Iterable[RecordRef], addresses: Iterable[str]) -> Known:
    """Which of these are marked."""
    by_mark: dict[str, RecordRef | str] = {}
    refs, keys = set(records), set(addresses)
    for with_key in pseudonyms.keys(conn):
        by_mark.update({record_mark(with_key, *ref): ref for ref in refs})
        by_mark.update({address_mark(with_key, address): address for address in keys})
    found = conn.execute(
        sql(conn, "SELECT mark FROM erased_mark WHERE mark IN [[ids]]"), {"ids": id_list(by_mark)}
    ).scalars()
    known = Known()
    for mark in found:
        one = by_mark[mark]
        if isinstance(one, RecordRef):
            known.records.add(one)
        else:
            known.addresses.add(one)
    # an id of 15 and one of 18 characters have one mark
    short = {(ref.crm, ref.object, ref.id[:15]) for ref in known.records if ref.crm == "salesforce"}
    known.records |= {ref for ref in refs if (ref.crm, ref.object, ref.id[:15]) in short}
    return known


class Trace(NamedTuple):
    """What tells the person of a record: the record, those it links to natively, its addresses."""

    ref: RecordRef
    linked: frozenset[RecordRef]
    addresses: frozenset[str]

    def leads_to(self, known: Known) -> bool:
        """Something of it is marked."""
        return bool({self.ref, *self.linked} & known.records or self.addresses & known.addresses)


def without_erased(conn: Connection, page: Page, now: int) -> tuple[Page, int]:
    """The page without what is an erased person's, and how many of the rows it counts as seen those were."""
    if not any_marks(conn):
        return page, 0
    traces = [_trace(row) for row in page.people]
    known = look_up(conn, _records(page, traces), _addresses(page, traces))
    again = {trace.ref for trace in traces if trace.leads_to(known)} - known.records
    again |= _joined(conn, page.tombstones, known)
    if again:
        _erase(conn, again, set(), now)
        known.records |= again
    kept = replace(
        page,
        people=tuple(row for row in page.people if not known.has(*row[:3])),
        deals=tuple(row for row in page.deals if not known.has(*row[:3])),
        links=tuple(
            one._replace(links=tuple(link for link in one.links if not known.has(*link[:1], *link[3:5])))
            for one in page.links
            if not known.has(one.crm, one.from_object, one.from_id)
        ),
        engagements=tuple(
            row
            for row in page.engagements
            if not known.has(row.crm, row.person_object, row.person_id)
            and email_key(row.person_email) not in known.addresses
        ),
        list_parts=tuple(
            part._replace(
                members=tuple(
                    member for member in part.members if not known.has(part.crm, part.object, str(member[0]))
                )
            )
            for part in page.list_parts
        ),
        tombstones=tuple(
            one
            for one in page.tombstones
            if not known.has(*one[:3]) and not known.has(one.crm, one.to_object, one.to_id)
        ),
        poison=tuple(
            one
            for one in page.poison
            if not known.has(one.crm, one.object, one.id) and not _addresses_in(one) & known.addresses
        ),
    )
    counted = ("people", "deals", "links", "engagements", "poison")
    return kept, sum(len(getattr(page, name)) - len(getattr(kept, name)) for name in counted)


def ids_without(conn: Connection, crm: str, object_name: str, ids: Sequence[str]) -> Sequence[str]:
    """These ids of an object without those of the erased."""
    if not ids or not any_marks(conn):
        return ids
    known = look_up(conn, (RecordRef(crm, object_name, id_) for id_ in ids), ())
    return [id_ for id_ in ids if not known.has(crm, object_name, id_)]


def purge_marked(conn: Connection, now: int) -> dict[str, int]:
    """Erase again whoever is here in spite of a mark (an older copy was put back); rows per table."""
    if not any_marks(conn):
        return {}
    records: set[RecordRef] = set()
    addresses: set[str] = set()
    for rows in in_batches(conn, sql(conn, TRACES), BATCH):
        traces = [_stored_trace(row) for row in rows]
        refs = {ref for trace in traces for ref in (trace.ref, *trace.linked)}
        known = look_up(conn, refs, {address for trace in traces for address in trace.addresses})
        records |= {trace.ref for trace in traces if trace.leads_to(known)}
        addresses |= known.addresses
    for query in (LEFT_RECORDS, LEFT_ENGAGEMENTS):
        for rows in in_batches(conn, sql(conn, query), BATCH):
            records |= look_up(conn, [RecordRef._make(row) for row in rows], ()).records
    for rows in in_batches(conn, sql(conn, LEFT_ADDRESSES), BATCH):
        addresses |= look_up(conn, (), [row[0] for row in rows]).addresses
    return _erase(conn, records, addresses, now) if records or addresses else {}


TRACES: Final = (
    "SELECT crm, object, id, email_key, additional_keys, sf_lead_id, sf_contact_id FROM person_record"
)
LEFT_RECORDS: Final = "SELECT crm, object, id FROM person_former UNION SELECT crm, object, id FROM tombstone"
LEFT_ENGAGEMENTS: Final = (
    "SELECT DISTINCT crm, person_object, person_record_id FROM engagement WHERE person_record_id IS NOT NULL"
)
LEFT_ADDRESSES: Final = "SELECT DISTINCT email_key FROM engagement WHERE email_key IS NOT NULL"


def _erase(conn: Connection, records: set[RecordRef], addresses: set[str], now: int) -> dict[str, int]:
    subject = personal.gather(conn, [], records, addresses)
    return erase(conn, subject, now)


def erase(conn: Connection, subject: Subject, now: int) -> dict[str, int]:
    """Mark a person and delete what is theirs; rows per table."""
    add(conn, dict.fromkeys(marks_with_deals(conn, pseudonyms.key(conn), subject), now))
    return personal.purge(conn, subject)


def marks_with_deals(conn: Connection, with_key: bytes, subject: Subject) -> list[str]:
    """The marks of a person, and of the deals that are linked with nobody else."""
    deals = (record_mark(with_key, *ref) for ref in personal.own_deals(conn, subject))
    return [*marks_of(with_key, subject), *deals]


def _trace(row: PersonRecord) -> Trace:
    key = email_key(row.email)
    more = json.loads(additional_keys(row.additional_emails, key) or "[]")
    return Trace(
        RecordRef(row.crm, row.object, row.id),
        _linked(row.sf_lead_id, row.sf_contact_id),
        frozenset(address for address in (key, *more) if address),
    )


def _stored_trace(row: Row[Any]) -> Trace:
    more = json.loads(row.additional_keys or "[]")
    return Trace(
        RecordRef(row.crm, row.object, row.id),
        _linked(row.sf_lead_id, row.sf_contact_id),
        frozenset(address for address in (row.email_key, *more) if address),
    )


def _linked(lead: str | None, contact: str | None) -> frozenset[RecordRef]:
    pairs = (("Lead", lead), ("Contact", contact))
    return frozenset(RecordRef("salesforce", name, id_) for name, id_ in pairs if id_)


def _joined(conn: Connection, tombstones: Sequence[Tombstone], known: Known) -> set[RecordRef]:
    """Records that an erased one was merged with or converted into: the same human.

    A survivor that is stored already as somebody (with an address of their own) stays who it is.
    """
    found: set[RecordRef] = set()
    for one in tombstones:
        if TABLE_OF.get(one.object) != "person_record" or one.to_id is None or one.to_object is None:
            continue
        here, there = RecordRef(*one[:3]), RecordRef(one.crm, one.to_object, one.to_id)
        if there in known.records and here not in known.records:
            found.add(here)
        elif here in known.records and there not in known.records and not _is_stored(conn, there):
            found.add(there)
    return found


def _is_stored(conn: Connection, ref: RecordRef) -> bool:
    query = "SELECT 1 FROM person_record WHERE crm = :crm AND object = :object AND id = :id"
    return conn.execute(sql(conn, query), ref._asdict()).first() is not None


def _records(page: Page, traces: Iterable[Trace]) -> Iterator[RecordRef]:
    """Every record that the page names."""
    for trace in traces:
        yield trace.ref
        yield from trace.linked
    for row in page.deals:
        yield RecordRef(row.crm, row.object, row.id)
    for one in page.links:
        yield RecordRef(one.crm, one.from_object, one.from_id)
        yield from (RecordRef(link.crm, link.to_object, link.to_id) for link in one.links)
    for act in page.engagements:
        if act.person_object and act.person_id:
            yield RecordRef(act.crm, act.person_object, act.person_id)
    for part in page.list_parts:
        yield from (RecordRef(part.crm, part.object, str(record_id)) for record_id, _ in part.members)
    for stone in page.tombstones:
        yield RecordRef(stone.crm, stone.object, stone.id)
        if stone.to_object and stone.to_id:
            yield RecordRef(stone.crm, stone.to_object, stone.to_id)
    yield from (RecordRef(one.crm, one.object, one.id) for one in page.poison if one.id)


def _addresses(page: Page, traces: Iterable[Trace]) -> Iterator[str]:
    """Every address that the page names."""
    for trace in traces:
        yield from trace.addresses
    for act in page.engagements:
        key = email_key(act.person_email)
        if key is not None:
            yield key
    for one in page.poison:
        yield from _addresses_in(one)


def _addresses_in(one: Poison) -> set[str]:
    """The addresses in a row that cannot be read as a record."""
    found = (email_key(address) for address in ADDRESS.findall(one.raw))
    return {key for key in found if key is not None}
