"""Salesforce as a connector: the parts put together behind the protocol of `connectors.base`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from config.settings import SalesforceSettings
from config.world import World
from connectors.errors import Fatal, NotOffered, RecordRejected, RightMissing
from connectors.options import PullOptions
from connectors.records import (
    Capabilities,
    Cursor,
    Feed,
    FeedKind,
    GoneReason,
    Identity,
    Limits,
    Live,
    NewTask,
    Offered,
    Outcome,
    Owner,
    Page,
    RecordRef,
    Tombstone,
    Write,
)
from connectors.retry import RetryPolicy
from connectors.salesforce import records, soql
from connectors.salesforce.api import Api
from connectors.salesforce.bulk import BULK_ABOVE, Bulk
from connectors.salesforce.changes import Changes
from connectors.salesforce.client import Timeouts
from connectors.salesforce.deletions import Deletions
from connectors.salesforce.feeds import GROUP_FIELDS, USER_FIELDS, Plan, Spec, all_feeds, specs_of
from connectors.salesforce.http import CRM
from connectors.salesforce.live import READ_BATCH, LiveReader
from connectors.salesforce.reader import Row, fields_of, query_page
from connectors.salesforce.refresh import Refresh
from connectors.salesforce.schema import Schema
from connectors.salesforce.tasks import Tasks, missing_right
from connectors.salesforce.values import id18, is_id
from connectors.salesforce.writer import WRITE_BATCH, Writer
from connectors.throttle import Budget

PEOPLE: Final = ("Lead", "Contact")
OF_AN_ID: Final = frozenset({"INVALID_QUERY_FILTER_OPERATOR", "MALFORMED_ID", "INVALID_ID_FIELD"})
"""What a query hears that looks for an id which cannot be one."""
ARCHIVED: Final = ("Task", "Event")
"""Objects of which old rows are archived, where `query` does not see them (Object Reference, Task)."""


class SalesforceConnector:
    """One Salesforce org. See `connectors.base.Connector` for what every method promises."""

    def __init__(
        self,
        settings: SalesforceSettings,
        options: PullOptions,
        world: World,
        budget: Budget,
        *,
        timeouts: Timeouts | None = None,
        retries: RetryPolicy | None = None,
        composite: bool | None = None,
        bulk_above: int = BULK_ABOVE,
    ) -> None:
        """`composite`: may guarded writes share a request; None: as a probe finds. `bulk_above`: rows above
        which a first pass goes by a Bulk job. Raises ConfigError.
        """
        self._api = Api(settings, world, budget, timeouts, retries)
        self._schema = Schema(self._api, world)
        bulk = Bulk(self._api, self._schema, world, bulk_above)
        self._specs = specs_of(options)
        self._changes = Changes(self._api, self._schema, options, bulk)
        self._every = options.refresh_calculated
        self._refresh = Refresh(self._api, self._changes, self._every)
        self._deletions = Deletions(self._api, self._schema)
        self._live = LiveReader(self._api, self._schema, world)
        self._writer = Writer(self._api, self._schema, composite=composite)
        self._tasks = Tasks(self._api)

    def __repr__(self) -> str:
        return f"SalesforceConnector({self._api!r})"

    @property
    def crm(self) -> str:
        return CRM

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            conditional_write=True,
            read_batch=READ_BATCH,
            write_batch=WRITE_BATCH,
            field_history=False,
            plain_batch=WRITE_BATCH,
        )

    @property
    def calls(self) -> int:
        return self._api.calls

    def sign_in(self) -> Identity:
        return self._api.sign_in()

    def feeds(self) -> Sequence[Feed]:
        return all_feeds(self._specs.values(), self._every)

    def changes(self, feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        spec = self._spec(feed.object)
        if feed.kind is FeedKind.DELETIONS:
            return self._deletions.pages(spec, cursor)
        if feed.every:
            return self._refresh.pages(spec, cursor)
        return self._changes.pages(spec, cursor)

    def fetch(self, object_name: str, ids: Sequence[str]) -> Page:
        spec, calls = self._spec(object_name), self._api.calls
        plan = self._changes.plan(spec)
        wanted = list(dict.fromkeys(id18(known) for known in ids))
        rows: list[Row] = []
        for start in range(0, len(wanted), READ_BATCH):
            rows += self._rows(plan, wanted[start : start + READ_BATCH])
        sorted_rows = self._changes.sort(plan, rows)
        server_ms = self._api.server_ms()
        present = {row["Id"] for row in fields_of(rows) if isinstance(row.get("Id"), str)}
        sorted_rows.tombstones += [
            Tombstone(CRM, object_name, known, GoneReason.ABSENT.value, server_ms)
            for known in wanted
            if known not in present
        ]
        spent = self._api.calls - calls
        return sorted_rows.page(spec.feed, Cursor(), server_ms, complete=True, calls=spent)

    def _rows(self, plan: Plan, ids: Sequence[str]) -> list[Row]:
        """The rows of these ids. A refusal because of ids that cannot be any is one of these alone."""
        where = [soql.is_in("Id", ids)]
        try:
            rows, _ = self._changes.query(plan, lambda fields: soql.select(fields, plan.spec.object, where))
        except (NotOffered, RecordRejected) as error:
            sound = [known for known in ids if is_id(known)]
            if error.code not in OF_AN_ID or len(sound) == len(ids):
                raise
            return self._rows(plan, sound) if sound else []
        return rows

    def find(self, email: str) -> Sequence[RecordRef]:
        found = []
        for object_name in PEOPLE:
            if not self._schema.has(object_name) or not self._schema.has_path(object_name, "Email"):
                continue
            where = [soql.equals("Email", email.strip())]
            if self._schema.has_path(object_name, "IsConverted"):
                where.append("IsConverted = false")
            rows, _ = query_page(self._api, soql.select(("Id", "Email"), object_name, where, ("Id",)))
            found += [
                RecordRef(CRM, object_name, row["Id"])
                for row in fields_of(rows)
                if _same_address(row.get("Email"), email)
            ]
        return found

    def ids(self, object_name: str, after: str = "") -> Iterator[Sequence[str]]:
        """With those in the archive of activities, which only queryAll shows; without what is in the bin."""
        spec = self._specs.get(object_name)
        in_bin = spec is not None and spec.in_bin and self._schema.has_path(object_name, "IsDeleted")
        conditions = ["IsDeleted = false"] if in_bin else []
        if self._schema.has_path(object_name, "IsConverted"):
            conditions.append("IsConverted = false")
        if spec is not None and spec.where:
            conditions.append(spec.where)
        last = id18(after)
        while True:
            where = [*conditions, f"Id > {soql.quoted(last)}"] if last else conditions
            text = soql.select(("Id",), object_name, where, ("Id",), soql.PAGE_ROWS)
            rows, done = query_page(self._api, text, deleted=in_bin)
            if self._api.lacks_bin(object_name) and object_name in ARCHIVED:
                what = f"archived {object_name} rows"
                raise NotOffered(f"the org does not show {what} to us", what=what, crm=CRM)
            batch = [row["Id"] for row in fields_of(rows) if isinstance(row.get("Id"), str)]
            if batch:
                yield batch
            if not batch or (done and len(rows) < soql.PAGE_ROWS):
                return
            if batch[-1] == last:
                raise Fatal("the ids go in circles", crm=CRM, code="CIRCLE")
            last = batch[-1]

    def read(
        self, object_name: str, ids: Sequence[str], fields: Sequence[str], *, history: bool = True
    ) -> Sequence[Live]:
        if len(ids) > READ_BATCH:
            raise Fatal(f"{len(ids)} ids in one read", crm=CRM, code="BATCH")
        return self._live.read(object_name, ids, fields, history=history) if ids else []

    def write(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        return self._writer.write(writes)

    def create_task(self, task: NewTask) -> Outcome:
        return self._tasks.create(task)

    def find_task(self, task: NewTask) -> RecordRef | None:
        return self._tasks.find(task)

    def task_right(self, kind: str) -> str | None:  # noqa: ARG002 (notes are HubSpot's)
        return missing_right(self._schema)

    def owners(self) -> Sequence[Owner]:
        users = self._all("User", USER_FIELDS)
        found = [records.owner_of_user(row, self._api.user_id) for row in users]
        try:
            found += [records.owner_of_queue(row) for row in self._all("Group", GROUP_FIELDS)]
        except (NotOffered, RightMissing):
            return found  # an org where we may not see queues has none for us
        return found

    def offered(self, object_name: str, field: str) -> Offered:
        return self._schema.offered(object_name, field)

    def limits(self) -> Limits:
        if self._api.limits.limit is None:
            self._api.ask_limits()
        return self._api.limits

    def close(self) -> None:
        self._api.close()

    def _spec(self, object_name: str) -> Spec:
        spec = self._specs.get(object_name)
        if spec is None:
            raise NotOffered(f"no feed of {object_name}", what=object_name, crm=CRM)
        return spec

    def _all(self, object_name: str, fields: Sequence[str]) -> list[dict[str, str]]:
        """Every row of a small object, by keyset."""
        asked = self._schema.existing(object_name, fields)
        rows: list[dict[str, str]] = []
        while True:
            where = [self._specs[object_name].where]
            if rows:
                where.append(f"Id > {soql.quoted(rows[-1]['Id'])}")
            text = soql.select(asked, object_name, where, ("Id",), soql.PAGE_ROWS)
            page, done = query_page(self._api, text)
            found = [row for row in fields_of(page) if isinstance(row.get("Id"), str)]
            rows += found
            if not found or (done and len(page) < soql.PAGE_ROWS):
                return rows


def _same_address(value: object, email: str) -> bool:
    return isinstance(value, str) and value.strip().casefold() == email.strip().casefold()
