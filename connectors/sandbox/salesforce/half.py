"""The Salesforce half of the sandbox: what the core calls, and what a test does to it without HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.sandbox.core import Core, Request, Response
from connectors.sandbox.salesforce import lifecycle, saving
from connectors.sandbox.salesforce.api import Api
from connectors.sandbox.salesforce.auth import Auth
from connectors.sandbox.salesforce.org import Org
from connectors.sandbox.salesforce.saving import Saver
from connectors.sandbox.salesforce.setup import fill
from connectors.sandbox.store import Record


class Salesforce:
    """`org` tells the ids of the integration user, the admin and the queues."""

    def __init__(self, core: Core) -> None:
        self.org = Org(core)
        fill(self.org)
        self._auth = Auth(self.org)
        self._api = Api(self.org, self._auth)

    @property
    def credentials(self) -> dict[str, str]:
        """client_id, client_secret, username, password, security_token, refresh_token"""
        return self._auth.credentials

    @property
    def calls_used(self) -> int:
        """API calls counted in the last 24 hours."""
        return self._api.budget.used()

    def handle(self, request: Request) -> Response:
        return self._api.handle(request)

    def expire_tokens(self) -> None:
        self._auth.tokens.expire_all()

    def token(self, user_id: str) -> str:
        """A session of another user: its writes are a person's in the ledger, not the worker's."""
        return self._auth.tokens.issue(user_id)

    def spend_calls(self, calls: int) -> None:
        """Let other integrations use up part of the daily budget."""
        self._api.budget.spend(calls)

    def occupy(self, calls: int, seconds: float) -> None:
        """Let other integrations have calls under way: from their 20th second on they count as long ones."""
        self._api.budget.occupy(calls, seconds)

    # -- records -------------------------------------------------------------------------------------------

    def create(
        self,
        object_name: str,
        values: Mapping[str, Any],
        *,
        author: str = "seed",
        actor: str = "",
        at: float | None = None,
        record_id: str | None = None,
    ) -> str:
        """Make a record; also fields that no API client may write (UserType, IsConverted, …)."""
        made = saving.create(
            self.org, self.org.types[object_name], values, self._saver(author, actor, at), record_id
        )
        return made.id

    def edit(
        self,
        object_name: str,
        record_id: str,
        fields: Mapping[str, Any],
        *,
        author: str = "person",
        actor: str = "",
        at: float | None = None,
    ) -> None:
        record = self.record(object_name, record_id)
        saving.update(self.org, self.org.types[object_name], record, fields, self._saver(author, actor, at))

    def recalculate(self, object_name: str, record_id: str, fields: Mapping[str, Any]) -> None:
        """Formula fields come to other results: nothing is saved, so no stamp moves."""
        record = self.record(object_name, record_id)
        self.org.store.change("salesforce", record, fields, author="system", touch="none")

    def touch(self, object_name: str, record_id: str) -> None:
        """Move SystemModstamp alone, as roll-ups and picklist edits do."""
        record = self.record(object_name, record_id)
        self.org.store.change("salesforce", record, {}, author="system", touch="stamp")

    def delete(
        self, object_name: str, record_id: str, *, author: str = "person", at: float | None = None
    ) -> None:
        lifecycle.delete(self.org, self.record(object_name, record_id), self._saver(author, "", at))

    def undelete(
        self, object_name: str, record_id: str, *, author: str = "person", at: float | None = None
    ) -> None:
        lifecycle.undelete(self.org, self.record(object_name, record_id), self._saver(author, "", at))

    def purge(self, object_name: str, record_id: str) -> None:
        """Empty the row from the recycle bin, or remove a live one without a trace in queryAll."""
        lifecycle.purge(self.org, self.record(object_name, record_id))

    def merge(
        self, object_name: str, winner: str, loser: str, *, author: str = "person", at: float | None = None
    ) -> str:
        """The loser goes into the recycle bin with MasterRecordId = winner; returns the winner's id."""
        first, second = self.record(object_name, winner), self.record(object_name, loser)
        lifecycle.merge(self.org, first, second, self._saver(author, "", at))
        return first.id

    def convert(
        self,
        lead_id: str,
        *,
        author: str = "person",
        actor: str = "",
        at: float | None = None,
        account_id: str = "",
        contact_id: str = "",
        opportunity: str | None = "",
        status: str = "",
        owner_id: str = "",
    ) -> dict[str, str]:
        """See `lifecycle.convert`; returns {"contact", "account", "opportunity"} ids."""
        return lifecycle.convert(
            self.org,
            self.record("Lead", lead_id),
            self._saver(author, actor, at),
            account_id=account_id,
            contact_id=contact_id,
            opportunity=opportunity,
            status=status,
            owner_id=owner_id,
        )

    def edit_late(
        self,
        object_name: str,
        record_id: str,
        fields: Mapping[str, Any],
        *,
        seconds: float,
        author: str = "person",
    ) -> None:
        """An edit whose transaction takes that long: it shows only then, with the stamp of its start.

        Until it is committed, getUpdated's latestDateCovered stays at its start.
        """
        started = self.org.now()
        pending = self._api.changes.open_transactions
        pending.append(started)

        def commit() -> None:
            pending.remove(started)
            self.edit(object_name, record_id, fields, author=author, at=started)

        self.org.core.schedule(started + seconds, commit)

    def record(self, object_name: str, record_id: str) -> Record:
        """The record; KeyError when there is none."""
        record = self.org.record(object_name, record_id)
        if record is None:
            raise KeyError(f"{object_name} {record_id}")
        return record

    def _saver(self, author: str, actor: str, at: float | None) -> Saver:
        users = {"worker": self.org.worker_id, "automation": self.org.automation_id}
        return Saver(author, actor or users.get(author, self.org.person_id), checked=False, at=at)
