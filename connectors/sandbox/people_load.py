"""Lays a population under a sandbox's clock: past happenings at once, future ones when their time comes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from connectors.sandbox.hubspot.values import iso
from connectors.sandbox.people_data import (
    Change,
    Happening,
    MailEvent,
    OnDay,
    OwnerRow,
    Population,
    Removal,
    Row,
    Submission,
    WebEvent,
    When,
)
from connectors.sandbox.people_pools import FORMS, MAILINGS, SUBSCRIPTION_ID

if TYPE_CHECKING:
    from connectors.sandbox.sandbox import Sandbox


class Loader:
    """Loads one population; remembers which record each key became."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._hubspot = sandbox.hubspot
        self._now = sandbox.clock()
        self._ids: dict[str, str] = {}
        self._objects: dict[str, str] = {}
        self._forms: dict[str, str] = {}

    def load(self, population: Population) -> None:
        """Everything before now, and a schedule for the rest; the ledger begins after now."""
        ledger = self._sandbox.ledger
        begun = len(ledger)
        for owner in population.owners:
            self._add_owner(owner)
        for form in FORMS:
            self._forms[form.key] = self._hubspot.forms.add(form.name, form.form_type)
        for mailing in MAILINGS:
            self._hubspot.feeds.add_campaign(mailing.id, mailing.app_id, mailing.name, mailing.subject)
        activities = []
        for happening in population.past:
            if isinstance(happening, Row) and happening.object not in _AFTERWARDS:
                self._apply(happening)
            else:
                activities.append(happening)
        for happening in sorted(activities, key=lambda one: one.at):
            self._apply(happening)
        self._add_list()
        ledger.truncate(begun)
        for happening in population.future:
            self._sandbox.schedule(self._now + happening.at, partial(self._apply, happening))

    # -- owners --------------------------------------------------------------------------------------------

    def _add_owner(self, owner: OwnerRow) -> None:
        if owner.salesforce:
            self._ids[f"salesforce:{owner.key}"] = self._salesforce_owner(owner)
        if owner.hubspot:
            kind = "QUEUE" if owner.kind == "queue" else "PERSON"
            self._ids[f"hubspot:{owner.key}"] = self._hubspot.owners.add(
                owner.email, owner.first, owner.last, kind=kind, active=owner.active
            )

    def _salesforce_owner(self, owner: OwnerRow) -> str:
        """An existing queue of that name, the org's own integration user, or a new row."""
        if owner.kind == "queue":
            known = self._find("Group", "Name", owner.last)
            return known or self._make_queue(owner.last)
        if owner.kind == "integration" and (known := self._find("User", "Alias", "integrat")):
            return known
        values = {
            "FirstName": owner.first,
            "LastName": owner.last,
            "Email": owner.email,
            "Username": owner.email,
            "Alias": owner.last.lower()[:8],
            "IsActive": owner.active,
        }
        return self._sandbox.salesforce.create("User", values, author="seed", at=self._now - _LONG_AGO)

    def _find(self, object_name: str, field: str, value: str) -> str | None:
        table = self._sandbox.store.table("salesforce", object_name)
        return next((record.id for record in table if record.get(field) == value), None)

    def _make_queue(self, name: str) -> str:
        at = self._now - _LONG_AGO
        values = {"Name": name, "DeveloperName": name, "Type": "Queue"}
        queue = self._sandbox.salesforce.create("Group", values, author="seed", at=at)
        entitled = {"QueueId": queue, "SobjectType": "Lead"}
        self._sandbox.salesforce.create("QueueSobject", entitled, author="seed", at=at)
        return queue

    def _add_list(self) -> None:
        """One HubSpot list, with every seventh contact in it."""
        contacts = self._sandbox.store.table("hubspot", "contacts")
        list_id = self._hubspot.lists.add("Newsletter readers")
        self._hubspot.lists.join(list_id, [record.id for record in contacts][::7], self._now)

    # -- happenings ----------------------------------------------------------------------------------------

    def _apply(self, happening: Happening) -> None:
        if isinstance(happening, WebEvent):
            contact = self._ids[happening.contact]
            self._hubspot.feeds.add_visit(contact, self._now + happening.at, happening.url, happening.title)
        elif isinstance(happening, MailEvent):
            self._mail(happening)
        elif isinstance(happening, Row):
            self._row(happening)
        elif isinstance(happening, Submission):
            form = self._forms[happening.form]
            at = self._now + happening.at
            self._hubspot.feeds.add_submission(form, at, happening.email, happening.values, happening.page)
        elif isinstance(happening, Removal):
            self._remove(happening)
        else:
            self._change(happening)

    def _mail(self, event: MailEvent) -> None:
        extra: dict[str, Any] = {}
        if event.kind == "CLICK":
            extra["url"] = event.detail
        if event.kind == "STATUSCHANGE":
            extra["subscriptions"] = [{"id": SUBSCRIPTION_ID, "status": event.detail}]
            extra |= {"source": "SOURCE_RECIPIENT", "requestedBy": event.recipient, "bounced": False}
        campaign, at = MAILINGS[event.mailing].id, self._now + event.at
        self._hubspot.feeds.add_email_event(event.kind, at, event.recipient, campaign, bot=event.bot, **extra)

    def _row(self, row: Row) -> None:
        if row.key in self._ids:
            return
        values = self._values(row.crm, row.fields)
        for field, key in row.links.items():
            target = self._resolve(row.crm, key)
            if target is None and key in self._objects and row.object in _AFTERWARDS:
                return  # what it would belong to is gone
            if target is not None:
                values[field] = target
        at = self._now + row.at
        if row.crm == "salesforce":
            actor = self._ids.get(f"salesforce:{row.maker}", "")
            record_id = self._sandbox.salesforce.create(row.object, values, author="seed", actor=actor, at=at)
        else:
            record_id = self._hubspot.create(row.object, values, author="seed", at=at)
        self._ids[row.key], self._objects[row.key] = record_id, row.object
        record = self._sandbox.store.table(row.crm, row.object).rows[record_id]
        if row.touched > row.at:
            record.modified = record.stamp = self._now + row.touched
        for key in row.joins:
            if (other := self._living(row.crm, key)) is not None:
                self._hubspot.associate(row.object, record_id, self._objects[key], other)

    def _living(self, crm: str, key: str) -> str | None:
        """The id of a record, merges followed; None when somebody has removed it in the meantime."""
        if key not in self._objects:
            return None
        table = self._sandbox.store.table(crm, self._objects[key])
        record = table.rows.get(self._ids[key])
        while record is not None and record.gone and record.merged_into:
            record = table.rows.get(record.merged_into)
        return record.id if record is not None and not record.gone else None

    def _change(self, change: Change) -> None:
        record_id = self._living(change.crm, change.key)
        if record_id is None:
            return
        object_name = self._objects[change.key]
        values, at = self._values(change.crm, change.fields), self._now + change.at
        for field, key in change.links.items():
            values[field] = self._resolve(change.crm, key)
        actor = self._actor(change)
        if change.crm == "salesforce":
            half = self._sandbox.salesforce
            half.edit(object_name, record_id, values, author=change.author, actor=actor, at=at)
        else:
            source = "FORM" if change.author == "automation" else ""
            self._hubspot.edit(
                object_name, record_id, values, author=change.author, actor=actor, at=at, source=source
            )

    def _actor(self, change: Change) -> str:
        """The user id of whoever changes a record."""
        owner = self._resolve(change.crm, change.actor) if change.actor else None
        if owner is None:
            return ""
        return owner if change.crm == "salesforce" else self._hubspot.owners.user_of(owner)

    def _remove(self, removal: Removal) -> None:
        record_id = self._living(removal.crm, removal.key)
        if record_id is None:
            return
        half, at, object_name = (
            self._sandbox.half(removal.crm),
            self._now + removal.at,
            self._objects[removal.key],
        )
        survivor = self._living(removal.crm, removal.into) if removal.into else None
        if not removal.into:
            half.delete(object_name, record_id, author="person", at=at)
        elif survivor is not None:
            merged = half.merge(object_name, survivor, record_id, author="person", at=at)
            self._ids[removal.into] = self._ids[removal.key] = merged

    def _resolve(self, crm: str, key: str) -> str | None:
        """The id that a key stands for: of an owner, the one in this CRM; of a record, while it lives."""
        if key in self._objects:
            home = "hubspot" if key.startswith(("hs:", "hco:", "deal:")) else "salesforce"
            return self._living(home, key)
        return self._ids.get(f"{crm}:{key}")

    def _values(self, crm: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Fields with their moments as text, as the CRM writes them."""
        values = dict(fields)
        for name, value in fields.items():
            if isinstance(value, OnDay):
                values[name] = datetime.fromtimestamp(self._now + value, UTC).date().isoformat()
            elif isinstance(value, When):
                text = iso(float(int(self._now + value)))
                values[name] = text.replace("Z", "+0000") if crm == "salesforce" else text
            elif value is None:
                del values[name]
        return values


_LONG_AGO = 2 * 365 * 86_400.0  # seconds
_AFTERWARDS = ("CampaignMember", "Task", "Event", "calls", "emails", "meetings")
"""Rows that name people; they are loaded after all people."""
