"""Owners of new MQLs: carried over, or the next of a pool. Reads the mirror, decides in `sync.core.owner`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from config.settings import Pool
from connectors.records import RecordRef
from sync.context import Context
from sync.core.owner import (
    QUEUE_PREFIX,
    Carry,
    Holding,
    LeaveOwner,
    Member,
    may_own,
    next_turn,
    normal_email,
    pool_for,
    roster,
    who_decides,
)
from sync.core.writes import owner_is_free
from sync.mirror import outbox, routing, wants
from sync.mirror.engine import Connection
from sync.mirror.wants import Held
from sync.stages.targets import Targets


@dataclass(slots=True)
class Assignment:
    """Who gets one person's free records: per record the owner id to set, with the words for it."""

    owner_ids: Mapping[RecordRef, str]
    reason: str
    turn: dict[str, str] | None = None


@dataclass(slots=True)
class Assigner:
    """Gives owners to one person after the other; turns given earlier in the same pass count at once."""

    ctx: Context
    conn: Connection
    targets: Targets
    _taken: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)

    def assign(self, group: Sequence[Held]) -> Assignment | None:
        """The owners of one person's records; None when nothing is to be set."""
        decided = who_decides(self._holdings(group))
        if isinstance(decided, LeaveOwner):
            return None
        free = [ref for ref in decided.free if not self._is_decided(group, ref)]
        if not free:
            return None
        if isinstance(decided, Carry):
            return self._same_human(decided.email, free)
        return self._turn(group[0].person_id, free)

    def _holdings(self, group: Sequence[Held]) -> list[Holding]:
        """Who holds the records: as mirrored, or as an intent under way will have it."""
        coming = outbox.open_owners(self.conn, group[0].person_id)
        found = []
        for held in group:
            owner_id, kind, active = held.owner_id, held.owner_kind or "", held.owner_active
            email = normal_email(held.owner_email) if held.owner_email else None
            owner = self.targets.by_id(held.crm, coming.get(held.ref, ""))
            if owner is not None:
                owner_id, kind, active, email = owner.id, owner.kind, owner.active, owner.email
            free = owner_is_free(
                owner_id,
                kind=kind,
                active=active,
                by_machine=True,  # the mirror does not know who created it; the late decision does
                free_owners=self.targets.free[held.crm],
            )
            found.append(Holding(held.ref, email, free))
        return found

    def _is_decided(self, group: Sequence[Held], ref: RecordRef) -> bool:
        return any(held.ref == ref and held.decided for held in group)

    def _same_human(self, email: str, free: Sequence[RecordRef]) -> Assignment | None:
        owners = {ref: self.targets.person(ref.crm, email) for ref in free}
        usable = {ref: owner.id for ref, owner in owners.items() if owner is not None and owner.active}
        return Assignment(usable, f"{email} owns this person's other record") if usable else None

    def _turn(self, person_id: str, free: Sequence[RecordRef]) -> Assignment | None:
        settings = self.ctx.settings.routing
        facts = wants.person_facts(self.conn, [person_id])[person_id]
        name = pool_for(facts, [(rule.when, rule.pool) for rule in settings.rules], settings.pools)
        if name is None:
            return None
        pool = settings.pools[name]
        members = self._eligible(pool, free)
        if not members:
            return self._fallback(pool, name, free)
        who = roster(members)
        taken = self._taken.get((name, who))
        if taken is None:
            taken = self._taken[name, who] = routing.turns_taken(self.conn, name, who)
        chosen = next_turn(members, taken)
        if chosen is None:
            return None
        taken[chosen.email] = taken.get(chosen.email, 0) + 1
        turn = {
            "id": self.ctx.world.new_id(),
            "pool": name,
            "roster": who,
            "member": chosen.email,
            "person_id": person_id,
        }
        assignment = self._same_human(chosen.email, free)
        if assignment is None:
            return None
        assignment.reason, assignment.turn = f"next in pool {name}: {chosen.email}", turn
        return assignment

    def _eligible(self, pool: Pool, free: Sequence[RecordRef]) -> list[Member]:
        """Members who can own every one of these records."""
        found = []
        for member in pool.members:
            email = normal_email(member.email)
            owners = [(ref, self.targets.person(ref.crm, email)) for ref in free]
            if all(
                owner is not None and may_own(ref.crm, ref.object, owner.kind, active=owner.active)
                for ref, owner in owners
            ):
                found.append(Member(email, member.weight))
        return found

    def _fallback(self, pool: Pool, name: str, free: Sequence[RecordRef]) -> Assignment | None:
        """The pool's fall-back where it may own the record; elsewhere the owner stays as it is."""
        if not pool.fallback:
            return None
        usable: dict[RecordRef, str] = {}
        for ref in free:
            if pool.fallback.startswith(QUEUE_PREFIX):
                owner = self.targets.queue(ref.crm, pool.fallback.removeprefix(QUEUE_PREFIX))
            else:
                owner = self.targets.person(ref.crm, normal_email(pool.fallback))
            if owner is not None and may_own(ref.crm, ref.object, owner.kind, active=owner.active):
                usable[ref] = owner.id
        return Assignment(usable, f"fall-back of pool {name}: {pool.fallback}") if usable else None
