"""One simulated CRM with the real connector, the real stages and a real mirror file, played game by game.

Time is simulated and passes with every request; whatever is due happens at its own moment, even in the
middle of somebody's sleep. After each game the mirror is emptied and the records are forgotten, so that a
thousand games cost no more than their requests.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, cast

from pydantic import SecretStr
from sqlalchemy import delete, insert, select, text
from sqlmodel import SQLModel

from config.settings import HubSpotRateLimit, HubSpotSettings, SalesforceSettings, Settings
from connectors.base import Connector
from connectors.hubspot.connector import HubSpotConnector
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.records import RecordRef
from connectors.salesforce.connector import SalesforceConnector
from connectors.sandbox.ledger import Entry
from connectors.sandbox.sandbox import Sandbox
from connectors.sandbox.switches import Switches
from connectors.throttle import UnlimitedBudget
from scoring.model import Model
from sync.context import Context, RunClock
from sync.mirror import outbox
from sync.mirror.engine import Mirror
from sync.reports import RunProblem, WriteCounts
from sync.stages.decide import decide
from sync.stages.writeback import write_back
from tests.proof.wire import in_process
from tests.world import SimulatedWorld

TABLES = SQLModel.metadata.tables
KEPT = ("owner", "meta", "alembic_version")
"""Tables that are not emptied between two games."""

MODEL = cast(
    Model,
    SimpleNamespace(
        name="m", status="live", hash="model-1", version=1, mql=SimpleNamespace(first_touch=4 * 3600)
    ),
)
MODEL_FACTS = {"model": "m", "version": 1, "model_hash": "model-1"}
POINTS = {"total": 105_000, "fit": 25_000, "engagement": 80_000, "grade": "A1"}
EMPTIED = [table.name for table in reversed(SQLModel.metadata.sorted_tables) if table.name not in KEPT]
INSERTS = {
    name: insert(TABLES[name]) for name in ("person", "person_member", "person_record", "score", "spell")
}
PEOPLE = ("ann", "bob", "rep")
DAY = 86_400.0
ALL_CALLS = 1_000_000_000

STATUS: Mapping[str, Mapping[str, Any]] = {
    "salesforce": {"field": "Status", "values": {"mql": "MQL"}, "from": ["New", "Open - Not Contacted"]},
    "hubspot": {"field": "hs_lead_status", "values": {"mql": "OPEN"}, "from": ["NEW"]},
}
OBJECT = {"salesforce": "Lead", "hubspot": "contacts"}
OWNER = {"salesforce": "OwnerId", "hubspot": "hubspot_owner_id"}
WANTED = {"salesforce": "MQL", "hubspot": "OPEN"}


UNLIMITED = Switches(
    sf_daily_limit=ALL_CALLS,
    sf_token_lifetime=float(ALL_CALLS),
    hs_per_ten_seconds=ALL_CALLS,
    hs_search_per_second=ALL_CALLS,
    hs_daily_limit=ALL_CALLS,
)


class ScheduledWorld(SimulatedWorld):
    """A world in which things are due: they happen at their moment, whoever lets time pass."""

    def __init__(self, seed: int = 7) -> None:
        super().__init__(seed=seed)
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.on_failpoint: Callable[[str], None] = lambda name: None

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Let `action` happen at that moment (epoch seconds), or at once if it is past."""
        heapq.heappush(self._due, (moment, next(self._order), action))

    def advance(self, seconds: float | timedelta) -> None:
        step = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        until = self.clock() + step
        while self._due and self._due[0][0] <= until:
            moment, _, action = heapq.heappop(self._due)
            super().advance(max(0.0, moment - self.clock()))
            action()
        super().advance(max(0.0, until - self.clock()))

    def restart(self, seed: int) -> None:
        """Nothing is due any more; chance and the fractions of a second begin anew."""
        self._due.clear()
        self.slept.clear()
        self._random = random.Random(seed)
        super().advance(10.0 - self.clock() % 10.0)

    def reached(self, failpoint: str) -> None:
        self.on_failpoint(failpoint)


class Arena:
    """Close it (or use `with`). One at a time in a process: it stands between the clients and the network.

    `url`: where the mirror is, when it is not to be a file in the folder.
    `limited`: the CRM enforces its usual limits of calls. `owners`: owners are written as well.
    """

    def __init__(
        self,
        folder: Path,
        crm: str,
        *,
        url: str = "",
        limited: bool = False,
        owners: bool = True,
        **settings: Any,
    ) -> None:
        self.crm, self.object = crm, OBJECT[crm]
        self.status, self.owner = str(STATUS[crm]["field"]), OWNER[crm]
        self.world = ScheduledWorld()
        self._stack = ExitStack()
        self._limited = limited
        self.sandbox = Sandbox(clock=self.world.clock, switches=Switches() if limited else UNLIMITED)
        self.wire = self._stack.enter_context(in_process(self.sandbox))
        self._people()
        targets = {"status": STATUS[crm], **({"owner": {"field": self.owner}} if owners else {})}
        given: dict[str, Any] = {
            "writeback": {crm: {self.object: targets}},
            "limits": {
                "first_run_needs_approval": False,
                "per_owner_per_day": ALL_CALLS,
                "records_per_run": ALL_CALLS,
                "share_of_people": 1.0,
            },
            "routing": {
                "pools": {"default": {"members": [{"email": f"{one}@example.com"} for one in PEOPLE[:2]]}}
            },
        }
        self.settings = Settings.model_validate({**given, **settings})
        self.mirror = Mirror(url or f"sqlite:///{folder / 'proof.db'}", self.world)
        self.mirror.migrate()
        self.connector = self._connector()
        identity = self.connector.sign_in()
        self.add("meta", key=f"{crm}.user_id", value=identity.user_id)
        for owner in self.connector.owners():
            self.add("owner", **owner._asdict())
        self._numbers = itertools.count(1)
        self._spells = itertools.count(1)
        self.epoch = 0
        self.runs = 0
        self.records: list[RecordRef] = []
        self.since = 0
        self.problems: list[RunProblem] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.connector.close()
        self.mirror.close()
        self._stack.close()

    def _people(self) -> None:
        """Two who take turns, one who claims leads, and a queue that nobody chose."""
        box = self.sandbox
        if self.crm == "salesforce":
            self.owners = {
                name: box.create(
                    "salesforce",
                    "User",
                    {"Username": f"{name}@example.com", "Email": f"{name}@example.com", "LastName": name},
                    author="seed",
                )
                for name in PEOPLE
            }
            self.queue: str | None = box.create(
                "salesforce", "Group", {"Type": "Queue", "Name": "New"}, author="seed"
            )
            box.create(
                "salesforce", "QueueSobject", {"QueueId": self.queue, "SobjectType": "Lead"}, author="seed"
            )
        else:
            owners: Any = box.hubspot.owners
            self.owners = {name: str(owners.add(f"{name}@example.com", name, "Owner")) for name in PEOPLE}
            self.queue = None

    def _connector(self) -> Connector:
        options = PullOptions(engagement=EngagementMapper())
        credentials = self.sandbox.credentials
        if self.crm == "salesforce":
            salesforce = SalesforceSettings(
                login_url=self.sandbox.salesforce_url,
                client_id=credentials["salesforce"]["client_id"],
                client_secret=SecretStr(credentials["salesforce"]["client_secret"]),
            )
            return SalesforceConnector(salesforce, options, self.world, UnlimitedBudget())
        rate = HubSpotRateLimit(per_10s=ALL_CALLS, search_per_second=ALL_CALLS)
        hubspot = HubSpotSettings(
            base_url=self.sandbox.hubspot_url,
            access_token=SecretStr(credentials["hubspot"]["access_token"]),
            rate_limit=HubSpotRateLimit() if self._limited else rate,
        )
        return HubSpotConnector(hubspot, options, self.world, UnlimitedBudget())

    # -- a game

    def begin(self, records: int, *, seed: int = 0, mirrored: bool = True) -> list[RecordRef]:
        """Forget the last game; so many fresh records, a day old, of people who became MQLs just now.

        `mirrored`: the mirror has them and nothing else; without, they are in the CRM alone.
        """
        self.world.restart(seed)
        self.world.on_failpoint = lambda name: None
        self._forget(mirrored=mirrored)
        self.since = len(self.sandbox.ledger)
        self.records = []
        if records and mirrored:
            self.new_records(records)
        elif records:
            self.records += [self._make(next(self._numbers))[1] for _ in range(records)]
        return self.records

    def _forget(self, *, mirrored: bool) -> None:
        if mirrored:
            with self.mirror.write() as conn:
                for name in EMPTIED:
                    conn.exec_driver_sql(f"DELETE FROM {name}")
                conn.exec_driver_sql(f"DELETE FROM meta WHERE key = '{self.crm}.our_source'")
        rows = self.sandbox.store.table(self.crm, self.object).rows
        for ref in self.records:
            rows.pop(ref.id, None)
        self.epoch = 0

    def new_records(self, count: int) -> list[RecordRef]:
        """Records that have been there for a day, their persons, with a score and a spell."""
        made = [self._make(next(self._numbers)) for _ in range(count)]
        self.records += [ref for _, ref in made]
        self.pull([ref for _, ref in made])
        now = int(self.world.clock())
        facts = {**MODEL_FACTS, **POINTS, "as_of": now, "known_at": now, "shown": True}
        with self.mirror.write() as conn:
            founding = [
                {
                    "person_id": name,
                    "founding_crm": ref.crm,
                    "founding_object": ref.object,
                    "founding_id": ref.id,
                }
                for name, ref in made
            ]
            conn.execute(INSERTS["person"], founding)
            conn.execute(
                INSERTS["person_member"], [{"person_id": name, **ref._asdict()} for name, ref in made]
            )
            conn.execute(INSERTS["score"], [{"person_id": name, **facts} for name, _ in made])
        self.spell([name for name, _ in made])
        return [ref for _, ref in made]

    def _make(self, number: int) -> tuple[str, RecordRef]:
        if self.crm == "salesforce":
            start = {"LastName": "X", "Company": "Acme", "Status": "New", "OwnerId": self.queue}
            start["Email"] = f"p{number}@acme.com"
        else:
            start = {"hs_lead_status": "NEW", "lifecyclestage": "lead", "email": f"p{number}@acme.com"}
        half = self.sandbox.half(self.crm)
        made = half.create(self.object, start, author="seed", at=self.world.clock() - DAY)
        return f"p{number}", RecordRef(self.crm, self.object, made)

    def spell(self, names: Sequence[str]) -> None:
        """These people become MQLs."""
        now = int(self.world.clock())
        how = {**MODEL_FACTS, "entered_by": "threshold", "entered_at": now}
        rows = [{"id": f"s{next(self._spells)}", "person_id": name, **how} for name in names]
        with self.mirror.write() as conn:
            conn.execute(INSERTS["spell"], rows)

    def pull(self, refs: Sequence[RecordRef]) -> None:
        """The mirror has these records as the CRM has them now; those that are gone belong to nobody."""
        page = self.connector.fetch(self.object, [ref.id for ref in refs])
        with self.mirror.write() as conn:
            rows = [row._asdict() for row in page.people]
            for row in rows:
                conn.execute(
                    text("DELETE FROM person_record WHERE crm = :crm AND object = :object AND id = :id"),
                    {name: row[name] for name in ("crm", "object", "id")},
                )
            if rows:
                conn.execute(INSERTS["person_record"], rows)
            for gone in page.tombstones:
                conn.execute(text("DELETE FROM person_member WHERE id = :id"), {"id": gone.id})

    def add(self, table: str, **values: Any) -> None:
        with self.mirror.write() as conn:
            conn.execute(insert(TABLES[table]).values(**values))

    # -- the worker

    def context(self) -> Context:
        self.runs += 1
        now = int(self.world.clock())
        return Context(
            settings=self.settings,
            world=self.world,
            mirror=self.mirror,
            connectors={self.crm: self.connector},
            models=[MODEL],
            run=RunClock(f"run-{self.runs}", now, now, now),
            mapping_hash="mapping-1",
            lease_epoch=self.epoch,
        )

    def take_lease(self) -> None:
        """A worker begins, whoever held the lease before."""
        self.epoch += 1
        table = TABLES["lease"]
        with self.mirror.write() as conn:
            conn.execute(delete(table))
            conn.execute(insert(table).values(name="writer", holder="me", epoch=self.epoch, expires_at=0))

    def work(self, **options: Any) -> WriteCounts:
        """One pass of the worker: decide and write back. What was seen of the CRM is what was pulled."""
        self.take_lease()
        ctx = self.context()
        self.problems = []
        decide(ctx)
        counts = write_back(ctx, self.problems.append, **options)
        assert counts.balanced, counts
        return counts

    def intents(self) -> list[Any]:
        """Every intent as the mirror has it."""
        with self.mirror.read() as conn:
            query = select(outbox.INTENT).order_by(outbox.INTENT.c.created_at, outbox.INTENT.c.id)
            return list(conn.execute(query).all())

    # -- the CRM

    def edit(self, ref: RecordRef, fields: Mapping[str, str | None], author: str = "person") -> None:
        """Somebody changes a record there."""
        self.sandbox.edit(self.crm, ref.object, ref.id, fields, author=author)

    def entries(self, fields: Sequence[str] = ()) -> list[Entry]:
        """What the CRM's own ledger says of this game, oldest first."""
        found = self.sandbox.ledger.entries(self.since)
        return [entry for entry in found if not fields or entry.field in fields]

    def value(self, ref: RecordRef, field: str) -> Any:
        record = self.sandbox.store.get(ref.crm, ref.object, ref.id)
        return None if record is None else record.values.get(field)
