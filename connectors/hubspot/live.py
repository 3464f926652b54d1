"""The live state of records just before and after a write: values, and who wrote every version of them.

Sources: HubSpot's "Objects API" (batch read takes 100 ids, with history 50; ids that do not exist are left
out; a merged record's old ids resolve to the survivor) and the changelog on `sourceId` (`userId:123`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from connectors import fields
from connectors.errors import BrokenReply, Fatal, NotOffered, RecordRejected, RightMissing
from connectors.hubspot.account import Account, Answer
from connectors.hubspot.reader import Batch, Row, Version, id_of, row_of
from connectors.hubspot.records import UnreadableError, created_of, modified_of, modified_property
from connectors.hubspot.replies import CRM
from connectors.records import Author, FieldVersion, Live, Owner, RecordRef

READ_BATCH: Final = 50
PLAIN_BATCH: Final = 100  # without history
OWNER: Final = "hubspot_owner_id"
API_SOURCES: Final = ("API", "INTEGRATION")
PERSON_SOURCES: Final = ("CRM_UI", "MOBILE_ANDROID", "MOBILE_IOS")
OWNERS_FRESH: Final = 300.0  # seconds that the list of owners is believed


class LiveReader:
    """Reads records with history. `owners` lists everybody who may own, inactive ones too."""

    def __init__(
        self, account: Account, owners: Callable[[], Sequence[Owner]], person_sources: Sequence[str]
    ) -> None:
        self._account = account
        self._list_owners = owners
        self._owners: tuple[float, Mapping[str, Owner]] | None = None
        self._person_sources = tuple(person_sources)

    def read(
        self, object_name: str, ids: Sequence[str], names: Sequence[str], *, history: bool = True
    ) -> list[Live]:
        """The records in the order asked, with the properties `names`, and with their history if asked."""
        most = READ_BATCH if history else PLAIN_BATCH
        if len(ids) > most:
            raise Fatal(f"{len(ids)} ids in one read; {most} are the most", crm=CRM)
        if not ids:
            return []
        owners = self._known_owners() if OWNER in names else {}
        body = {
            "inputs": [{"id": record_id} for record_id in dict.fromkeys(ids)],
            "properties": list(self._properties(object_name, names)),
        }
        if history:
            body["propertiesWithHistory"] = list(names)
        answer = self._account.read(Batch, "batch_read", body=body, object=object_name)
        found = self._lives(object_name, answer, names, owners)
        return [
            found.get(record_id) or self._single(object_name, record_id, names, owners) for record_id in ids
        ]

    def _lives(
        self, object_name: str, answer: Answer, names: Sequence[str], owners: Mapping[str, Owner]
    ) -> dict[str, Live]:
        """The records of a reply by id. One that cannot be read is alive without values, and the others go
        on; rows of which none says whose it is are no reply at all."""
        found: dict[str, Live] = {}
        lost = 0
        for raw in answer.value.results:
            row = row_of(raw)
            if isinstance(row, str):
                record_id = id_of(raw)
                lost += not record_id
                if record_id:
                    found[record_id] = self._unreadable(object_name, record_id, answer.server_ms)
            elif not row.archived:
                found[str(row.id)] = self._live(object_name, row, names, answer.server_ms, owners)
        if lost and not found:
            raise BrokenReply(f"no row of {object_name} can be read", crm=CRM, code="broken_reply")
        return found

    def _unreadable(self, object_name: str, record_id: str, server_ms: int) -> Live:
        read_at = self._account.world.monotonic()
        ref = RecordRef(CRM, object_name, record_id)
        return Live(ref, exists=True, server_ms=server_ms, read_at=read_at)

    def _single(
        self, object_name: str, record_id: str, names: Sequence[str], owners: Mapping[str, Owner]
    ) -> Live:
        """A record that the batch left out: merged into another, archived, or gone."""
        query = [
            ("properties", ",".join(self._properties(object_name, names))),
            ("propertiesWithHistory", ",".join(names)),
        ]
        ref = RecordRef(CRM, object_name, record_id)
        try:
            answer = self._account.read(Row, "object", query=query, object=object_name, id=record_id)
        except (NotOffered, RecordRejected):
            return self._gone(ref, None, self._account.server_now_ms())
        except BrokenReply:
            return self._unreadable(object_name, record_id, self._account.server_now_ms())
        row: Row = answer.value
        if str(row.id) != record_id:
            survivor = None if row.archived else RecordRef(CRM, object_name, str(row.id))
            return self._gone(ref, survivor, answer.server_ms)
        if row.archived:
            return self._gone(ref, None, answer.server_ms)
        return self._live(object_name, row, names, answer.server_ms, owners)

    def _gone(self, ref: RecordRef, survivor: RecordRef | None, server_ms: int) -> Live:
        return Live(
            ref,
            exists=False,
            moved_to=survivor,
            server_ms=server_ms,
            read_at=self._account.world.monotonic(),
        )

    def _live(
        self,
        object_name: str,
        row: Row,
        names: Sequence[str],
        server_ms: int,
        owners: Mapping[str, Owner],
    ) -> Live:
        history = row.propertiesWithHistory or {}
        versions = {name: self._versions(history.get(name, ())) for name in names}
        try:
            modified_ms, version = modified_of(row, object_name)
        except UnreadableError:  # one such record must not hold up its whole batch: its versions have times
            modified_ms, version = (
                max((one.at_ms for each in versions.values() for one in each), default=0),
                "",
            )
        owner_id = fields.text(row.properties.get(OWNER))
        owner = owners.get(owner_id or "")
        return Live(
            RecordRef(CRM, object_name, str(row.id)),
            exists=True,
            values={name: self._value(row, name) for name in names},
            version=version,
            modified_ms=modified_ms,
            created_ms=created_of(row) or 0,
            versions=versions,
            has_history={name: name in history or self._value(row, name) is None for name in names},
            owner_id=owner_id,
            owner_kind=owner.kind if owner is not None else "",
            owner_active=owner.active if owner is not None else None,
            server_ms=server_ms,
            read_at=self._account.world.monotonic(),
        )

    def _value(self, row: Row, name: str) -> str | None:
        """A property's value; a reply that has only its history has it there, newest first."""
        if name in row.properties or not row.propertiesWithHistory:
            return fields.text(row.properties.get(name))
        versions = self._versions(row.propertiesWithHistory.get(name, ()))
        return versions[0].value if versions else None

    def _versions(self, history: Sequence[Version]) -> tuple[FieldVersion, ...]:
        found = [
            FieldVersion(fields.text(entry.value), at_ms, self._author(entry), _source(entry))
            for entry in history
            if (at_ms := fields.epoch_ms(entry.timestamp)) is not None
        ]
        return tuple(sorted(found, key=lambda version: version.at_ms, reverse=True))

    def _author(self, entry: Version) -> Author:
        """A person, or automation.

        What an app writes is automation here, ours among it, even when HubSpot names the user behind the
        app: which of these versions are ours is known to the outbox alone. `userId:` as the source itself
        is a person, whatever the road.
        """
        if (entry.sourceId or "").startswith("userId:") or entry.sourceType in self._person_sources:
            return Author.PERSON
        by_user = entry.updatedByUserId not in (None, "", 0, "0")
        return Author.PERSON if by_user and entry.sourceType not in API_SOURCES else Author.AUTOMATION

    def _properties(self, object_name: str, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*names, modified_property(object_name), "createdate", OWNER]))

    def _known_owners(self) -> Mapping[str, Owner]:
        """Owners by id, listed anew after some minutes; nobody where they may not be read."""
        now = self._account.world.monotonic()
        if self._owners is None or now - self._owners[0] > OWNERS_FRESH:
            try:
                listed: Sequence[Owner] = self._list_owners()
            except (NotOffered, RightMissing):
                listed = ()
            self._owners = now, {owner.id: owner for owner in listed}
        return self._owners[1]


def _source(entry: Version) -> str:
    """HubSpot's own words for an author: `API:1234567`, `CRM_UI:userId:12`."""
    parts: list[Any] = [entry.sourceType, entry.sourceId]
    return ":".join(str(part) for part in parts if part)
