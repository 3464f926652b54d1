"""Calls, e-mails, meetings and the like as engagement of the contacts they belong to.

Only the properties that the engagement rules look at are asked for: titles and times, never bodies.
Whose they are is asked for a thousand at a time, while readers fetch what follows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from connectors import fields
from connectors.hubspot.account import Account
from connectors.hubspot.archive import archive_pages
from connectors.hubspot.associations import BATCH, Associations
from connectors.hubspot.parallel import FIRST_SYNC, SEARCH_PAGE, FirstSync
from connectors.hubspot.reader import Row, raw_text
from connectors.hubspot.records import CONTACTS, UnreadableError, modified_of, modified_property, read_row
from connectors.hubspot.replies import CRM
from connectors.hubspot.steps import Step, gathered
from connectors.hubspot.walk import OVERLAP, Walk
from connectors.mapping import SOURCES
from connectors.options import PullOptions
from connectors.records import Cursor, Dismissed, EngagementRecord, Feed, Page, Poison

ACTIVITIES: Final = ("calls", "emails", "meetings", "communications")
OPTIONAL: Final = ("notes", "tasks", "leads")
"""Of these no shipped rule makes an engagement: they are read when a rule or the configuration says so."""

BODIES: Final = ("hs_body_preview", "hs_email_text", "hs_email_html", "hs_call_body", "hs_meeting_body",
                 "hs_communication_body", "hs_note_body", "hs_email_headers", "hs_internal_meeting_notes",
                 "hs_body_preview_html", "hs_call_transcript", "hs_task_body")  # fmt: skip
"""Never asked for, not even when a rule names one."""

ARCHIVED_OVERLAP: Final = 7200
"""Seconds before the last pass that are told again: a late search index may show what is archived."""


class Activities:
    """One kind of activity as pages of engagement: one row for each contact that took part."""

    def __init__(self, account: Account, options: PullOptions, first: FirstSync = FIRST_SYNC) -> None:
        self._account = account
        self._options = options
        self._first = first
        self._associations = Associations(account)

    def pages(self, feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        """Activities from `cursor` on."""
        overlap = self._options.overlap.get(feed.name, OVERLAP)
        walk = Walk(self._account, feed.object, self.properties(feed.object), overlap, self._first)
        before = self._account.calls
        for step in gathered(walk.steps(cursor), BATCH, SEARCH_PAGE):
            yield self._page(feed, step, before)
            before = self._account.calls

    def archived_pages(self, feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        """What was archived since the last pass is over, whoever took part."""
        for step in archive_pages(self._account, feed.object, (), cursor, ARCHIVED_OVERLAP):
            yield step.page(feed, dismissed=(over for row, _ in step.rows for over in _over(feed, row)))

    def properties(self, object_name: str) -> tuple[str, ...]:
        """What is asked for: the fields of the source and of its rules."""
        source = f"{CRM}.{object_name}"
        named = (*SOURCES[source].fields, *self._options.engagement.fields(source))
        wanted = [name for name in named if name not in BODIES]
        return tuple(dict.fromkeys([*wanted, modified_property(object_name), "hs_createdate"]))

    def _page(self, feed: Feed, step: Step, before: int) -> Page:
        rows: list[Row] = []
        raws: dict[str, str] = {}
        poison: list[Poison] = []
        for raw in step.rows:
            row = read_row(raw, feed.object)
            if isinstance(row, Poison):
                poison.append(row)
            else:
                rows.append(row)
                raws[str(row.id)] = raw_text(raw)
        people = self._associations.read(feed.object, [str(row.id) for row in rows], CONTACTS) if rows else {}
        engagements: list[EngagementRecord] = []
        dismissed: list[Dismissed] = []
        for row in rows:
            try:
                contacts = people.get(str(row.id))
                if contacts is None:
                    raise UnreadableError("its associations cannot be read")
                found = self._engagements(feed, row, raws[str(row.id)], list(contacts))
            except UnreadableError as error:
                poison.append(Poison(CRM, feed.object, str(row.id), str(error), raws[str(row.id)]))
            else:
                engagements += found
                dismissed += _former(feed, row, contacts) if found else _over(feed, row)
        return Page(
            feed=feed,
            cursor=step.cursor,
            server_ms=step.server_ms,
            complete=step.complete,
            calls=self._account.calls - before,
            seen=len(engagements) + len(poison),
            engagements=tuple(engagements),
            poison=tuple(poison),
            dismissed=tuple(dismissed),
        )

    def _engagements(self, feed: Feed, row: Row, raw: str, contacts: Sequence[str]) -> list[EngagementRecord]:
        source = f"{CRM}.{feed.object}"
        values: Mapping[str, str | None] = {
            name: fields.text(value) for name, value in row.properties.items()
        }
        mapped = self._options.engagement.map(source, values)
        if mapped is None:
            return []
        modified_ms, _ = modified_of(row, feed.object)
        return [
            EngagementRecord(
                crm=CRM,
                source=source,
                id=f"{row.id}:{contact}" if contact else str(row.id),
                person_object=CONTACTS if contact else None,
                person_id=contact,
                person_email=None,
                kind=mapped.kind,
                asset=mapped.asset,
                occurred_at=fields.epoch_seconds(mapped.time),
                is_bot=False,
                deleted=row.archived is True,
                modified_ms=modified_ms,
                raw=raw,
            )
            for contact in (contacts or (None,))
        ]


def _former(feed: Feed, row: Row, contacts: Collection[str]) -> list[Dismissed]:
    """What an activity was before somebody took part, or while somebody did. Who was replaced by others is
    seen where these are stored."""
    return [Dismissed(CRM, f"{CRM}.{feed.object}", str(row.id) if contacts else f"{row.id}:")]


def _over(feed: Feed, row: Row) -> list[Dismissed]:
    """An activity that is no engagement, with whatever was made of it before."""
    source = f"{CRM}.{feed.object}"
    return [Dismissed(CRM, source, f"{row.id}:"), Dismissed(CRM, source, str(row.id))]
