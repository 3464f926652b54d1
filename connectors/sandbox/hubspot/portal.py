"""What happens inside the portal when records are made, changed, merged or removed, whoever asks for it."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping
from typing import Any

from connectors.sandbox.core import Core
from connectors.sandbox.hubspot.links import Links
from connectors.sandbox.hubspot.schema import LIFECYCLE, object_types
from connectors.sandbox.hubspot.schema_types import ObjectType, Property
from connectors.sandbox.hubspot.values import ValueRefusedError, clean
from connectors.sandbox.store import Record, Table, Version

CRM = "hubspot"
PORTAL_ID = 62_515
APP_ID = "1100042"
PERSON_USER = "48201"

_RANK = {value: rank for rank, (value, _) in enumerate(LIFECYCLE)}


class Portal:
    """The records of one HubSpot account and the rules they obey."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.store = core.store
        self.switches = core.switches
        self.types = object_types()
        self.links = Links()
        self.owner_ids: dict[str, bool] = {}
        """Owner id → active; kept by owners.py."""
        self.page_views: dict[str, int] = {}
        """Contact id → page views; kept by feeds.py."""
        self.on_erase: list[Callable[[Record], None]] = []
        """Who else has to forget a record that is erased."""
        self._names = {
            name: kind for kind in self.types.values() for name in (kind.plural, kind.singular, kind.type_id)
        }
        self._next_id = {kind.plural: kind.first_id for kind in self.types.values()}
        self._by_email: dict[str, str] = {}
        self._ids: dict[str, list[int]] = {}
        for kind in self.types.values():
            self.table(kind).new_id = self._id_maker(kind.plural)

    def _id_maker(self, plural: str) -> Any:
        def new_id() -> str:
            number = self._next_id[plural]
            self._next_id[plural] = number + 1
            return str(number)

        return new_id

    # -- finding -------------------------------------------------------------------------------------------

    def kind(self, name: str) -> ObjectType | None:
        """An object type by plural, singular or type id, in any case."""
        return self._names.get(name) or self._names.get(name.lower())

    def table(self, kind: ObjectType) -> Table:
        return self.store.table(CRM, kind.plural)

    def properties(self, kind: ObjectType) -> dict[str, Property]:
        """The definitions that this portal has, without those a switch takes away."""
        missing = self.switches.hs_missing_properties
        if not missing:
            return kind.properties
        return {name: p for name, p in kind.properties.items() if f"{kind.plural}.{name}" not in missing}

    def find(self, kind: ObjectType, record_id: str, id_property: str = "") -> Record | None:
        """A record by id (following merges) or by the value of a unique property; gone ones, too."""
        table = self.table(kind)
        if id_property and id_property != "hs_object_id":
            if kind.plural == "contacts" and id_property == "email":
                found = self._by_email.get(record_id.strip().lower())
                return table.rows.get(found) if found else None
            return next((row for row in table.alive() if row.values.get(id_property) == record_id), None)
        record = table.rows.get(record_id)
        while record is not None and record.gone == "merged":
            record = table.rows.get(record.merged_into)
        return record

    def live(self, kind: ObjectType, record_id: str, id_property: str = "") -> Record | None:
        """Like `find`, living records only."""
        record = self.find(kind, record_id, id_property)
        return None if record is None or record.gone else record

    def sorted_ids(self, kind: ObjectType) -> list[int]:
        """Ids of all records of a type, gone ones included, ascending."""
        ids = self._ids.get(kind.plural)
        if ids is None:
            ids = self._ids[kind.plural] = sorted(map(int, self.table(kind).rows))
        return ids

    def _count_in(self, kind: ObjectType, record_id: str) -> None:
        """Keep the sorted ids in order when a record is made."""
        ids, number = self._ids.get(kind.plural), int(record_id)
        if ids is not None:
            if not ids or number > ids[-1]:
                ids.append(number)
            else:
                insort(ids, number)

    # -- values --------------------------------------------------------------------------------------------

    def checked(
        self, kind: ObjectType, values: Mapping[str, Any]
    ) -> tuple[dict[str, str | None], list[dict[str, Any]]]:
        """Values as they will be stored (None: cleared), and what is wrong with them."""
        good: dict[str, str | None] = {}
        problems: list[dict[str, Any]] = []
        known = self.properties(kind)
        for name, value in values.items():
            try:
                good[name] = clean(known.get(name), name, value)
                if name == "hubspot_owner_id":
                    self._check_owner(good[name])
            except ValueRefusedError as problem:
                problems.append(problem.entry(name))
        return good, problems

    def _check_owner(self, owner: str | None) -> None:
        if owner is None or self.owner_ids.get(owner):
            return
        if owner in self.owner_ids and self.switches.hs_archived_owner_accepted:
            return
        raise ValueRefusedError(f"Owner {owner} does not exist or is deactivated.", "INVALID_OWNER_ID")

    def email_taken(self, email: str | None, by_other_than: str = "") -> str | None:
        """The id of the contact that has this address."""
        found = self._by_email.get(email or "")
        return found if found and found != by_other_than else None

    # -- changing ------------------------------------------------------------------------------------------

    def create(
        self,
        kind: ObjectType,
        values: Mapping[str, str | None],
        *,
        at: float | None = None,
        author: str,
        actor: str,
        record_id: str | None = None,
    ) -> Record:
        """Make a record of cleaned values."""
        record = self.store.create(
            CRM, kind.plural, values, record_id=record_id, at=at, author=author, actor=actor
        )
        self._count_in(kind, record.id)
        if record_id is not None:
            self._next_id[kind.plural] = max(self._next_id[kind.plural], int(record_id) + 1)
        self._index(kind, record)
        return record

    def change(
        self,
        kind: ObjectType,
        record: Record,
        values: Mapping[str, str | None],
        *,
        author: str,
        actor: str,
        at: float | None = None,
        source: str = "",
    ) -> None:
        """Set cleaned values, by the rules for API clients when `author` is worker."""
        wanted = dict(values)
        if author == "worker" and self._backwards(record, wanted.get("lifecyclestage")):
            del wanted["lifecyclestage"]  # answered with 200 and ignored; the record is touched all the same
        addressed = not {"email", "hs_additional_emails"}.isdisjoint(wanted)
        if addressed:
            self._forget(kind, record)
        really = any(record.values.get(name) != value for name, value in wanted.items())
        touch = "both" if really or self.switches.hs_same_value_touches else "none"
        same = self.switches.hs_same_value_version
        self.store.change(
            CRM, record, wanted, at=at, author=author, actor=actor, source=source, touch=touch, same=same
        )
        if addressed:
            self._index(kind, record)

    def _backwards(self, record: Record, stage: str | None) -> bool:
        now = record.values.get("lifecyclestage")
        if not self.switches.hs_lifecycle_forward_only or stage is None or now is None:
            return False
        return _RANK.get(stage, len(_RANK)) < _RANK.get(now, -1)

    def archive(
        self, kind: ObjectType, record: Record, *, author: str, actor: str, at: float | None = None
    ) -> None:
        """Archiving moves no modification time (airbyte #19838)."""
        self.store.remove(CRM, record, "archived", at=at, author=author, actor=actor)
        self._forget(kind, record)

    def erase(self, kind: ObjectType, record: Record, *, author: str, actor: str) -> None:
        """GDPR delete: nothing is left in any listing."""
        self._forget(kind, record)
        self.links.drop(kind.plural, record.id)
        self._ids.pop(kind.plural, None)
        self.store.erase(CRM, record, author=author, actor=actor)
        for forget in self.on_erase:
            forget(record)

    def _index(self, kind: ObjectType, record: Record) -> None:
        """A contact is found by its address and by its additional ones; a primary address wins."""
        if kind.plural != "contacts":
            return
        if email := record.values.get("email"):
            self._by_email[email] = record.id
        for address in (record.values.get("hs_additional_emails") or "").split(";"):
            if address:
                self._by_email.setdefault(address.lower(), record.id)

    def _forget(self, kind: ObjectType, record: Record) -> None:
        """The addresses of a record lead to it no longer."""
        if kind.plural != "contacts":
            return
        more = (record.values.get("hs_additional_emails") or "").lower().split(";")
        for address in (record.values.get("email"), *more):
            if address and self._by_email.get(address) == record.id:
                del self._by_email[address]

    # -- merging -------------------------------------------------------------------------------------------

    def merge(
        self,
        kind: ObjectType,
        primary: Record,
        secondary: Record,
        *,
        author: str,
        actor: str,
        at: float | None = None,
    ) -> Record:
        """Merge into a new record (or into the primary, by switch); the primary's values win."""
        moment = self.core.clock() if at is None else at
        values = self._merged_values(kind, primary, secondary, moment)
        self._forget(kind, primary)
        self._forget(kind, secondary)
        if self.switches.hs_merge_new_id:
            survivor = self.create(
                kind, {}, at=min(primary.created, secondary.created), author="system", actor=actor
            )
            self.store.remove(CRM, primary, "merged", into=survivor.id, at=moment, author=author, actor=actor)
            self.links.move(kind.plural, primary.id, survivor.id)
            survivor.values = {name: value for name, value in values.items() if value is not None}
            survivor.versions = _merged_versions(primary, secondary, survivor.values, moment)
            self.store.change(CRM, survivor, {}, at=moment, author=author, actor=actor)
        else:
            survivor = primary
            self.store.change(
                CRM, survivor, values, at=moment, author=author, actor=actor, source="MERGE_OBJECTS"
            )
        self.store.remove(CRM, secondary, "merged", into=survivor.id, at=moment, author=author, actor=actor)
        self.links.move(kind.plural, secondary.id, survivor.id)
        self._index(kind, survivor)
        return survivor

    def _merged_values(
        self, kind: ObjectType, primary: Record, secondary: Record, moment: float
    ) -> dict[str, str | None]:
        values: dict[str, str | None] = {**secondary.values, **primary.values}
        earlier = [record.values.get("hs_merged_object_ids") or "" for record in (primary, secondary)]
        merged = [part for text in earlier for part in text.split(";") if part]
        gone = [primary.id, secondary.id] if self.switches.hs_merge_new_id else [secondary.id]
        values["hs_merged_object_ids"] = ";".join([*merged, *gone])
        if kind.plural == "contacts":
            stamped = [f"{record_id}:{int(moment * 1000)}" for record_id in gone]
            known = primary.values.get("hs_calculated_merged_vids")
            values["hs_calculated_merged_vids"] = ";".join([*([known] if known else []), *stamped])
            values["hs_additional_emails"] = _additional(primary, secondary)
            stages = [record.values.get("lifecyclestage") for record in (primary, secondary)]
            known_stages = [stage for stage in stages if stage]
            if known_stages:
                values["lifecyclestage"] = max(known_stages, key=lambda stage: _RANK.get(stage, -1))
        return values


def _additional(primary: Record, secondary: Record) -> str | None:
    """All addresses but the survivor's own, `;`-joined."""
    own = primary.values.get("email") or secondary.values.get("email")
    found: list[str] = []
    for record in (primary, secondary):
        listed = (record.values.get("hs_additional_emails") or "").split(";")
        found += [address for address in [record.values.get("email"), *listed] if address]
    return ";".join(dict.fromkeys(address for address in found if address != own)) or None


def _merged_versions(
    primary: Record, secondary: Record, values: Mapping[str, Any], moment: float
) -> dict[str, list[Version]]:
    """Histories of both, oldest first, ending with the value that won (docs: merge records)."""
    versions: dict[str, list[Version]] = {}
    for name, value in values.items():
        both = [*primary.history(name)[::-1], *secondary.history(name)[::-1]]
        both.sort(key=lambda version: version.at)
        if not both or both[-1].value != value:
            both.append(Version(moment, value, "system", "", "MERGE_OBJECTS"))
        versions[name] = both
    return versions
