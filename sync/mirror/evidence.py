"""What the CRMs themselves say of a person: the stage, whether they call the person an MQL, and rejections.

The furthest stage wins: customer (a deal was won), opportunity (one is open), sql (sales accepted, or a
lead was converted). Of the rest a rejection wins, disqualified over recycled. Then subscriber: the CRM says
so and nothing but subscribing ever happened; everybody else is a lead.
"""

# ruff: noqa: S608 (statements are put together from our own constants; values are always bound)

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from config.settings import CrmStages, StagesSettings, WritebackSettings
from sync.mirror.engine import Connection
from sync.mirror.matching import run

ACCEPTED, RECYCLED, DISQUALIFIED = "accepted", "recycled", "disqualified"
OPPORTUNITY, CUSTOMER, SUBSCRIBER, MQL = "opportunity", "customer", "subscriber", "mql"

LIFECYCLE: Final[Mapping[str, str]] = {
    "subscriber": SUBSCRIBER,
    "marketingqualifiedlead": MQL,
    "opportunity": OPPORTUNITY,
    "customer": CUSTOMER,
    "evangelist": CUSTOMER,
}
"""What HubSpot's own lifecycle stages say, beside the configured words."""

PEOPLE: Final = (("salesforce", "Lead"), ("salesforce", "Contact"), ("hubspot", "contacts"))

WORK_TABLES: Final[Mapping[str, str]] = {
    "w_word": "crm TEXT, object TEXT, field TEXT, word TEXT, record_type TEXT, meaning TEXT, "
    "PRIMARY KEY (crm, object, field, word, record_type, meaning)",
    "w_evidence": "person_id TEXT PRIMARY KEY, crm_stage TEXT, crm_mql BOOLEAN, rejected_reason TEXT",
}


@dataclass(frozen=True, slots=True)
class Word:
    """A value of a field that means something. `record_type` "" is any."""

    crm: str
    object: str
    field: str  # "status" | "lifecycle"
    word: str  # in lower case
    record_type: str
    meaning: str


Words = frozenset[Word]


def words(stages: StagesSettings, writeback: WritebackSettings) -> Words:
    """Everything that means something, from the settings."""
    found: set[Word] = set()
    for meaning, listed in (
        (ACCEPTED, stages.accepted),
        (RECYCLED, stages.recycled),
        (DISQUALIFIED, stages.disqualified),
    ):
        found |= set(_stage_words(meaning, listed))
    for word, meaning in LIFECYCLE.items():
        found.add(Word("hubspot", "contacts", "lifecycle", word, "", meaning))
    for crm, object_name in PEOPLE:
        targets = writeback.targets(crm, object_name)
        for field, policy in (("status", targets.status), ("lifecycle", targets.stage)):
            if policy is None:
                continue
            by_type = {"": policy.values, **policy.record_types}
            for record_type, values in by_type.items():
                if "mql" in values:
                    word = values["mql"].strip().lower()
                    found.add(Word(crm, object_name, field, word, record_type, MQL))
    return frozenset(found)


def _stage_words(meaning: str, values: CrmStages) -> Iterable[Word]:
    for crm, object_name in PEOPLE:
        for value in getattr(values, crm):
            for field in ("status", "lifecycle"):
                yield Word(crm, object_name, field, value.strip().lower(), "", meaning)


def fill_words(conn: Connection, known: Words) -> None:
    """Put the words where SQL can look them up."""
    rows = sorted(known, key=str)
    if rows:
        conn.execute(
            text(
                "INSERT INTO w_word (crm, object, field, word, record_type, meaning) "
                "VALUES (:crm, :object, :field, :word, :record_type, :meaning)"
            ),
            [
                {
                    "crm": row.crm,
                    "object": row.object,
                    "field": row.field,
                    "word": row.word,
                    "record_type": row.record_type,
                    "meaning": row.meaning,
                }
                for row in rows
            ],
        )


def weigh(conn: Connection) -> None:
    """Fill `w_evidence` for the people of `w_source`."""
    run(conn, "DELETE FROM w_evidence")
    said = (
        "SELECT s.person_id AS person_id, s.place AS place, w.meaning AS meaning, "
        "trim(CASE w.field WHEN 'status' THEN s.status ELSE s.lifecycle END) AS said "
        "FROM w_source s [[then]] w_word w ON w.crm = s.crm AND w.object = s.object "
        "AND w.word = lower(trim(CASE w.field WHEN 'status' THEN s.status ELSE s.lifecycle END)) "
        "AND (w.record_type = '' OR w.record_type = s.record_type) WHERE s.is_person"
    )
    deals = (
        "SELECT s.person_id AS person_id, max(CASE WHEN d.is_won THEN 2 WHEN d.is_closed THEN 0 ELSE 1 END) "
        "AS best FROM w_source s [[then]] link l ON l.crm = s.crm AND l.from_object = s.object "
        "AND l.from_id = s.id JOIN deal_record d ON d.crm = l.crm AND d.object = l.to_object "
        "AND d.id = l.to_id WHERE s.is_person AND NOT d.gone GROUP BY s.person_id"
    )
    converted = (
        "EXISTS (SELECT 1 FROM person_former f JOIN tombstone t ON [[t=f]] "
        "WHERE f.person_id = p.person_id AND f.survives AND t.reason = 'converted_into')"
    )
    active = (
        "EXISTS (SELECT 1 FROM engagement e WHERE e.person_id = p.person_id AND e.kind <> 'subscribed' "
        "AND NOT e.deleted AND NOT e.is_bot)"
    )
    columns = ", ".join(
        f"max(CASE WHEN meaning = '{meaning}' THEN 1 ELSE 0 END) AS {meaning}"
        for meaning in (ACCEPTED, RECYCLED, DISQUALIFIED, OPPORTUNITY, CUSTOMER, SUBSCRIBER, MQL)
    )
    reasons = ", ".join(
        f"substr(min(CASE WHEN meaning = '{meaning}' THEN place || said END), 8) AS {meaning}_as"
        for meaning in (RECYCLED, DISQUALIFIED)
    )
    run(
        conn,
        f"WITH said AS ({said}), sums AS (SELECT person_id, {columns}, {reasons} FROM said "
        f"GROUP BY person_id), deals AS ({deals}) INSERT INTO w_evidence SELECT p.person_id, CASE "
        "WHEN COALESCE(d.best, 0) = 2 OR COALESCE(x.customer, 0) = 1 THEN 'customer' "
        "WHEN COALESCE(d.best, 0) = 1 OR COALESCE(x.opportunity, 0) = 1 THEN 'opportunity' "
        f"WHEN COALESCE(x.accepted, 0) = 1 OR {converted} THEN 'sql' "
        "WHEN COALESCE(x.disqualified, 0) = 1 THEN 'disqualified' "
        "WHEN COALESCE(x.recycled, 0) = 1 THEN 'recycled' "
        f"WHEN COALESCE(x.subscriber, 0) = 1 AND NOT {active} THEN 'subscriber' ELSE 'lead' END, "
        "COALESCE(x.mql, 0) = 1, COALESCE(x.disqualified_as, x.recycled_as) "
        "FROM (SELECT DISTINCT person_id FROM w_source) p "
        "LEFT JOIN sums x ON x.person_id = p.person_id LEFT JOIN deals d ON d.person_id = p.person_id",
    )
