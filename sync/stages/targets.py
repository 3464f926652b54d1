"""The fields that this configuration may write, and who counts as nobody when an owner is decided."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from config.settings import FieldPolicy, ObjectTargets, Settings
from connectors.records import Crm
from scoring.model import Model
from sync.context import Context
from sync.core.cases import REASSIGN, RESTORING, Target
from sync.core.owner import QUEUE_PREFIX, normal_email
from sync.mirror.engine import Connection
from sync.mirror.outbox import Row
from sync.mirror.routing import KnownOwner
from sync.mirror.runs import get_meta
from sync.mirror.scored import ScoredField
from sync.mirror.unshown import SCORED

OBJECTS: Mapping[str, tuple[str, ...]] = {Crm.SALESFORCE: ("Lead", "Contact"), Crm.HUBSPOT: ("contacts",)}
"""What write-back may touch, per CRM."""

MAPPED = ("status", "stage")
"""Purposes whose value the configuration maps, per record type."""


@dataclass(frozen=True, slots=True)
class Place:
    """One configured field."""

    crm: str
    object: str
    purpose: str
    policy: FieldPolicy

    def desired(self) -> dict[str, str | None]:
        """The value of an MQL per record type DeveloperName, "" for all others; empty when there is none.

        A record type whose table is empty is left alone: None.
        """
        found: dict[str, str | None] = {}
        for name, values in self.policy.record_types.items():
            if "mql" in values or not values:
                found[name] = values.get("mql")
        if "mql" in self.policy.values:
            found[""] = self.policy.values["mql"]
        return found

    def value_for(self, record_type: str | None) -> str | None:
        """The value of an MQL for records of this type; None: nothing is written there."""
        desired = self.desired()
        return desired.get(record_type or "", desired.get(""))


def objects_of(crm: str) -> tuple[str, ...]:
    """The objects of a CRM that write-back may touch."""
    return OBJECTS.get(crm, ())


def places(settings: Settings, crms: Iterable[str]) -> list[Place]:
    """Every configured field of these CRMs, in a fixed order, less those that the native sync carries."""
    found = []
    for crm in crms:
        for object_name in objects_of(crm):
            targets: ObjectTargets = settings.writeback.targets(crm, object_name)
            for purpose, policy in targets.items():
                if policy.via_native in (None, crm):
                    found.append(Place(crm, object_name, purpose, policy))
    return found


def scored_fields(settings: Settings) -> list[ScoredField]:
    """Every configured field that follows the score of everybody, of the CRMs that are not reached too."""
    return [
        ScoredField(place.crm, place.object, place.purpose, place.policy.field)
        for place in places(settings, OBJECTS)
        if place.purpose in SCORED
    ]


def carried(settings: Settings, crms: Collection[str]) -> list[tuple[Place, str]]:
    """Status and stage fields that the native sync fills, each with the CRM in which we write it."""
    found: list[tuple[Place, str]] = []
    for crm in crms:
        for object_name in objects_of(crm):
            for purpose, policy in settings.writeback.targets(crm, object_name).items():
                carrier = policy.via_native
                if purpose in MAPPED and carrier is not None and carrier != crm and carrier in crms:
                    found.append((Place(crm, object_name, purpose, policy), carrier))
    return found


class Targets:
    """`Target`s for intents and wants, with the owners that count as nobody."""

    def __init__(self, settings: Settings, owners: Sequence[KnownOwner], users: Mapping[str, str]) -> None:
        self._settings = settings
        self.owners = tuple(owners)
        self.free = {
            crm: frozenset(_free_owners(settings, owners, crm) | ({user} if user else set()))
            for crm, user in ((crm, users.get(crm, "")) for crm in OBJECTS)
        }
        self._by_email = {
            (owner.crm, owner.email): owner
            for owner in sorted(owners, key=lambda owner: (owner.active, owner.id))
            if owner.email and owner.kind == "person"
        }
        self._by_id = {(owner.crm, owner.id): owner for owner in owners}
        pairs = [(normal_email(p.salesforce), normal_email(p.hubspot)) for p in settings.routing.same]
        self._human = {address: pair[0] for pair in pairs for address in pair}
        self._in_hubspot = dict(pairs)
        self._of_row: dict[tuple[str, str, str, str, str], Target | None] = {}

    def of(self, crm: str, object_name: str, purpose: str, policy: FieldPolicy) -> Target:
        """The target of a configured field."""
        return Target(
            crm=crm,
            object=object_name,
            purpose=purpose,
            field=policy.field,
            policy=policy.policy,
            from_=frozenset(value or None for value in policy.from_ or ()),
            ladder=policy.ladder,
            human_only=frozenset(policy.human_only),
            demote_from=frozenset(policy.demote_from),
            free_owners=self.free.get(crm, frozenset()),
            pinned_ms=None if policy.pinned_for is None else policy.pinned_for * 1000,
        )

    def of_row(self, row: Row) -> Target | None:
        """The target of an intent by today's configuration; None: it may not be written any more."""
        special = row.policy if row.policy in (*RESTORING, REASSIGN) else ""
        key = (row.crm, row.object, row.purpose, row.field, special)
        if key not in self._of_row:
            self._of_row[key] = self._find_target(row)
        return self._of_row[key]

    def _find_target(self, row: Row) -> Target | None:
        targets = self._settings.writeback.targets(row.crm, row.object)
        policy = dict(targets.items()).get(row.purpose)
        if row.policy in RESTORING:
            ladder = policy.ladder if policy is not None and policy.field == row.field else ()
            return Target(row.crm, row.object, row.purpose, row.field, row.policy, ladder=ladder)
        if policy is None or policy.field != row.field or policy.via_native not in (None, row.crm):
            return None
        found = self.of(row.crm, row.object, row.purpose, policy)
        return replace(found, policy=REASSIGN) if row.policy == REASSIGN else found

    def still_says(self, row: Row, record_type: str | None) -> bool:
        """Whether today's configuration says this value of a status or stage for a record of that type."""
        targets = self._settings.writeback.targets(row.crm, row.object)
        policy = dict(targets.items()).get(row.purpose)
        if row.purpose not in MAPPED or row.policy in RESTORING or policy is None:
            return True
        place = Place(row.crm, row.object, row.purpose, policy)
        if record_type:
            return place.value_for(record_type) == row.desired_value
        return row.desired_value in place.desired().values()

    def human(self, email: str) -> str:
        """The one address of a colleague whom the CRMs know by two (`routing.same`): the Salesforce one."""
        return self._human.get(email, email)

    def person(self, crm: str, email: str) -> KnownOwner | None:
        """The user or owner who is the human of this address, an active one where there is one."""
        human = self.human(email)
        address = self._in_hubspot.get(human, human) if crm == Crm.HUBSPOT else human
        return self._by_email.get((crm, address))

    def by_id(self, crm: str, owner_id: str) -> KnownOwner | None:
        """The user, owner or queue with this id."""
        return self._by_id.get((crm, owner_id))

    def queue(self, crm: str, name: str) -> KnownOwner | None:
        """The queue of that name."""
        wanted = name.strip().casefold()
        queues = (owner for owner in self.owners if owner.crm == crm and owner.kind == "queue")
        return next((owner for owner in queues if (owner.name or "").strip().casefold() == wanted), None)


def _free_owners(settings: Settings, owners: Sequence[KnownOwner], crm: str) -> set[str]:
    """Ids of owners that nobody chose: the unowned addresses and the fall-backs of the pools."""
    emails = {normal_email(email) for email in settings.routing.unowned}
    queues = set()
    for pool in settings.routing.pools.values():
        if pool.fallback and pool.fallback.startswith(QUEUE_PREFIX):
            queues.add(pool.fallback.removeprefix(QUEUE_PREFIX).strip().casefold())
        elif pool.fallback:
            emails.add(normal_email(pool.fallback))
    return {
        owner.id
        for owner in owners
        if owner.crm == crm
        and (owner.email in emails or (owner.kind == "queue" and (owner.name or "").casefold() in queues))
    }


def our_users(conn: Connection) -> dict[str, str]:
    """Per CRM, the id of the user that we write as, learnt at sign-in."""
    return {crm: get_meta(conn, f"{crm}.user_id") or "" for crm in OBJECTS}


def live_models(models: Sequence[Model]) -> list[Model]:
    """The models whose decisions are written."""
    return [model for model in models if model.status == "live"]


def approval_keys(ctx: Context) -> tuple[str, str]:
    """What an approval is for: the live models and the mapping."""
    return "+".join(model.hash for model in live_models(ctx.models)), ctx.mapping_hash
