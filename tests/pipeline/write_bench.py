"""A small world for write-back: a mirror on a real database, CRMs that are dicts, people who became MQLs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import insert, select, update
from sqlmodel import SQLModel

from config.settings import Settings
from connectors.base import Connector
from connectors.memory import MemoryConnector
from connectors.records import Author, Owner, PersonRecord, RecordRef
from scoring.model import Model
from sync.context import Context, RunClock
from sync.mirror import outbox, unshown
from sync.mirror.engine import Mirror
from sync.reports import RunProblem, WriteCounts
from sync.stages.decide import decide
from sync.stages.plan import approve
from sync.stages.writeback import write_back
from tests.databases import mirror_url
from tests.world import SimulatedWorld

TABLES = SQLModel.metadata.tables
FIRST_TOUCH = 4 * 3600
MODEL = cast(
    Model,
    SimpleNamespace(
        name="m", status="live", hash="model-1", version=1, mql=SimpleNamespace(first_touch=FIRST_TOUCH)
    ),
)

WRITEBACK: Mapping[str, Any] = {
    "salesforce": {
        "Lead": {
            "status": {
                "field": "Status",
                "policy": "last_supplied",
                "values": {"mql": "MQL"},
                "from": ["", "New", "Open - Not Contacted"],
            },
            "owner": {"field": "OwnerId", "policy": "owner_claim"},
        },
        "Contact": {
            "status": {
                "field": "Lead_Status__c",
                "policy": "last_supplied",
                "values": {"mql": "MQL"},
                "from": ["", "New"],
            }
        },
    },
    "hubspot": {
        "contacts": {
            "status": {
                "field": "hs_lead_status",
                "policy": "last_supplied",
                "values": {"mql": "OPEN"},
                "from": ["", "NEW"],
            },
            "stage": {
                "field": "lifecyclestage",
                "policy": "ladder",
                "values": {"mql": "marketingqualifiedlead"},
            },
            "owner": {"field": "hubspot_owner_id", "policy": "owner_claim"},
        }
    },
}

POOLS: Mapping[str, Any] = {
    "pools": {"default": {"members": [{"email": "ann@example.com"}, {"email": "bob@example.com"}]}}
}

OWNERS = (
    Owner("salesforce", "005000000000001AAA", "ann@example.com", "Ann", "person", True),
    Owner("salesforce", "005000000000002AAA", "bob@example.com", "Bob", "person", True),
    Owner("salesforce", "005000000000009AAA", "rep@example.com", "Rep", "person", True),
    Owner("salesforce", "00G000000000001AAA", None, "MQL", "queue", True),
    Owner("hubspot", "11", "Ann@Example.com", "Ann", "person", True),
    Owner("hubspot", "12", "bob@example.com", "Bob", "person", True),
    Owner("hubspot", "19", "rep@example.com", "Rep", "person", True),
)


class Bench:
    """Everything of one test. `problems` collects what the last run reported. `url`: another database."""

    def __init__(
        self, folder: Path, world: SimulatedWorld, owners: bool = True, url: str = "", **settings: Any
    ) -> None:
        self.world = world
        self.mirror = Mirror(url or mirror_url(folder), world)
        self.sf = MemoryConnector("salesforce", world)
        self.hs = MemoryConnector("hubspot", world)
        self.sf.options["Lead", "Status"] = ("New", "Open - Not Contacted", "MQL", "Working", "Recycled")
        self.hs.options["contacts", "hs_lead_status"] = ("NEW", "OPEN", "IN_PROGRESS")
        given = {"writeback": WRITEBACK, "limits": {"first_run_needs_approval": False}, **settings}
        self.settings = Settings.model_validate(given)
        self.connectors: dict[str, Connector] = {"salesforce": self.sf, "hubspot": self.hs}
        self.problems: list[RunProblem] = []
        self.run_number = 0
        self.lease_epoch = 0
        for owner in OWNERS if owners else ():
            self.connector(owner.crm).add_owner(owner)
            self.add("owner", **owner._asdict())
        self.ctx = self.next_context()

    def connector(self, crm: str) -> MemoryConnector:
        return self.sf if crm == "salesforce" else self.hs

    def add(self, table: str, **values: Any) -> None:
        with self.mirror.write() as conn:
            conn.execute(insert(TABLES[table]).values(**values))

    def next_context(self, model: Model = MODEL) -> Context:
        self.run_number += 1
        now = int(self.world.now().timestamp())
        return Context(
            settings=self.settings,
            world=self.world,
            mirror=self.mirror,
            connectors=self.connectors,
            models=[model],
            run=RunClock(f"run-{self.run_number}", now, now, now),
            mapping_hash="mapping-1",
            lease_epoch=self.lease_epoch,
        )

    # -- people and their records

    def lead(self, number: str = "1", **fields: Any) -> RecordRef:
        return self._record(self.sf, "Lead", f"00Q{number}", {"status": "New", **fields})

    def contact(self, number: str = "1", **fields: Any) -> RecordRef:
        start = {"status": "NEW", "lifecycle": "lead", **fields}
        return self._record(self.hs, "contacts", number, start)

    def _record(self, crm: MemoryConnector, name: str, record_id: str, fields: dict[str, Any]) -> RecordRef:
        ref = crm.put(name, record_id, Author.AUTOMATION, **fields)
        self.mirror_record(ref)
        return ref

    def mirror_record(self, ref: RecordRef) -> None:
        """Pull one record: the mirror has it as the CRM has it now."""
        page = self.connector(ref.crm).fetch(ref.object, [ref.id])
        row: PersonRecord = page.people[0]
        table = TABLES["person_record"]
        with self.mirror.write() as conn:
            key = (table.c.crm == ref.crm, table.c.object == ref.object, table.c.id == ref.id)
            found = conn.execute(select(table.c.id).where(*key)).first()
            values = row._asdict()
            conn.execute(update(table).where(*key).values(values) if found else insert(table).values(values))
            unshown.note_records(conn, [ref])

    def person(
        self, name: str, *refs: RecordRef, total: int = 105_000, mql: bool = True, **facts: Any
    ) -> str:
        founding = {"founding_crm": "x", "founding_object": "x", "founding_id": name}
        self.add("person", person_id=name, **founding, **facts)
        for ref in refs:
            self.add("person_member", person_id=name, **ref._asdict())
        now = int(self.world.now().timestamp())
        self.add(
            "score",
            person_id=name,
            model="m",
            version=1,
            model_hash="model-1",
            total=total,
            fit=25_000,
            engagement=total - 25_000,
            grade="A1",
            as_of=now,
            known_at=now,
            shown=True,
        )
        with self.mirror.write() as conn:
            unshown.note_records(conn, refs)
        if mql:
            self.spell(name)
        return name

    def spell(self, person_id: str, entered_by: str = "threshold") -> str:
        spell_id = self.world.new_id()
        self.add(
            "spell",
            id=spell_id,
            person_id=person_id,
            model="m",
            version=1,
            model_hash="model-1",
            entered_at=int(self.world.now().timestamp()),
            entered_by=entered_by,
        )
        return spell_id

    # -- running

    def decide(self) -> None:
        decide(self.ctx)

    def write(self, **options: Any) -> WriteCounts:
        self.problems = []
        counts = write_back(self.ctx, self.problems.append, **options)
        assert counts.balanced, counts
        return counts

    def sync(self, seconds: float = 600) -> WriteCounts:
        """Some time later: a new run decides and writes."""
        self.world.advance(seconds)
        self.ctx = self.next_context()
        self.decide()
        return self.write()

    def approve(self, digest: str | None = None) -> WriteCounts:
        self.ctx = self.next_context()
        return self.write(digest=approve(self.ctx, digest))

    # -- looking

    def value(self, ref: RecordRef, field: str) -> str | None:
        return self.connector(ref.crm).records[ref].fields.get(field)

    def intents(self, **where: Any) -> list[Any]:
        table = outbox.INTENT
        with self.mirror.read() as conn:
            query = select(table).where(*(table.c[name] == value for name, value in where.items()))
            return list(conn.execute(query.order_by(table.c.created_at, table.c.id)).all())

    def states(self, **where: Any) -> dict[str, str]:
        """Per field, the state of its newest intent."""
        return {row.field: row.state for row in self.intents(**where)}

    def all_writes(self) -> list[Any]:
        return [*self.sf.writes, *self.hs.writes]

    def codes(self) -> list[str]:
        return [problem.code for problem in self.problems]

    def settings_with(self, **sections: Any) -> None:
        """Other settings from now on."""
        changed = {**self.settings.model_dump(by_alias=True), **sections}
        self.settings = Settings.model_validate(changed)
        self.ctx = replace(self.ctx, settings=self.settings)


def both(bench: Bench, name: str = "p1", number: str = "1", **fields: Any) -> tuple[RecordRef, RecordRef]:
    lead, contact = bench.lead(number), bench.contact(number)
    bench.person(name, lead, contact, **fields)
    return lead, contact


def scored(bench: Bench) -> None:
    lead = {**bench.settings.writeback.model_dump(by_alias=True)}
    lead["salesforce"]["Lead"]["score"] = {"field": "MQL_Score__c", "policy": "machine"}
    lead["hubspot"]["contacts"]["grade"] = {"field": "mql_grade", "policy": "machine"}
    bench.settings_with(writeback=lead)
    bench.sf.options.pop(("Lead", "MQL_Score__c"), None)
