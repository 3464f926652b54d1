"""Owners of new MQLs: carried over, by rule, or the next of a pool. The turns are `sync.core.owner`'s.

For records that nobody owns, in this order: the human who was chosen in the other CRM; the owner of the
person's company, where pool or rule says so; the owner of the person's last time as an MQL; whoever of the
pool works now, in turn; the pool's fall-back; and where there is none, the next in turn all the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from config.settings import Pool
from connectors.records import RecordRef
from sync.context import Context
from sync.core.owner import (
    DAY,
    DEFAULT_POOL,
    QUEUE_PREFIX,
    YIELDING,
    Carry,
    Holding,
    LeaveOwner,
    Member,
    available,
    may_own,
    next_turn,
    normal_email,
    roster,
    rule_for,
    who_decides,
)
from sync.core.rules import member, read_rules
from sync.core.writes import owner_is_free
from sync.mirror import outbox, routing, wants
from sync.mirror.engine import Connection
from sync.mirror.routing import KnownOwner, Unrouted
from sync.mirror.wants import Held
from sync.stages.targets import Targets


@dataclass(slots=True)
class Assignment:
    """Who gets one person's free records: per record the owner id to set, with the words for it."""

    owner_ids: Mapping[RecordRef, str]
    reason: str
    turn: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One person to be routed: the pool, and the records that nobody owns and nothing was decided for."""

    person_id: str
    spell_id: str
    free: Sequence[RecordRef]
    name: str
    pool: Pool
    members: Sequence[Member]
    company_owner: bool


class Assigner:
    """Gives owners to one person after the other; turns given earlier in the same pass count at once.

    `unrouted` collects the records that stay as they are although nobody owns them.
    """

    def __init__(self, ctx: Context, conn: Connection, targets: Targets) -> None:
        self._ctx = ctx
        self._conn = conn
        self._targets = targets
        self._rules = read_rules(ctx.settings.routing.rules)
        pools = ctx.settings.routing.pools
        self._members = {name: [member(one) for one in pool.members] for name, pool in pools.items()}
        self._lately = routing.lately(conn, ctx.run.now - DAY)
        self._refused = routing.refused(conn, ctx.run.run_id)
        self._taken: dict[tuple[str, str], dict[str, int]] = {}
        self.unrouted: list[Unrouted] = []

    def assign(self, group: Sequence[Held]) -> Assignment | None:
        """The owners of one person's records; None when nothing is to be set."""
        holdings = self._holdings(group)
        undecided = {held.ref for held in group if not held.decided}
        free = [holding.ref for holding in holdings if holding.free and holding.ref in undecided]
        if not free:
            return None
        decided = who_decides(holdings)
        if isinstance(decided, LeaveOwner):
            self._leave(group[0].person_id, free, decided.reason)
            return None
        if isinstance(decided, Carry):
            found = self._same_human(decided.email, free, f"{decided.email} owns this person's other record")
            missing = f"{decided.email}, who owns the other record, may not own it"
        else:
            found, missing = self._route(group[0], free)
        self._leave(
            group[0].person_id, [ref for ref in free if found is None or ref not in found.owner_ids], missing
        )
        return found

    def next_after(self, group: Sequence[Held], gone: Collection[str]) -> Assignment | None:
        """The next in turn for all records of a person, other than these humans; None while nobody can.

        Somebody who may own every record, and works now: it is not so urgent that it must be anybody.
        """
        case = self._case(group[0], [held.ref for held in group])
        if case is None:
            return None
        others = [one for one in case.members if self._targets.human(one.email) not in gone]
        return self._turn(replace(case, members=others), YIELDING[0])

    def _leave(self, person_id: str, refs: Iterable[RecordRef], reason: str) -> None:
        now = self._ctx.run.now
        self.unrouted += [Unrouted(ref.crm, ref.object, ref.id, person_id, reason, now) for ref in refs]

    def _holdings(self, group: Sequence[Held]) -> list[Holding]:
        """Who holds the records: as mirrored, or as an intent under way will have it."""
        coming = outbox.open_owners(self._conn, group[0].person_id)
        found = []
        for held in group:
            owner_id, kind, active = held.owner_id, held.owner_kind or "", held.owner_active
            email = normal_email(held.owner_email) if held.owner_email else None
            owner = self._targets.by_id(held.crm, coming.get(held.ref, ""))
            if owner is not None:
                owner_id, kind, active, email = owner.id, owner.kind, owner.active, owner.email
            free = owner_is_free(
                owner_id,
                kind=kind,
                active=active,
                by_machine=True,  # the mirror does not know who created it; the late decision does
                free_owners=self._targets.free[held.crm],
            )
            found.append(Holding(held.ref, self._targets.human(email) if email else None, free))
        return found

    # -- who may own

    def _may_own(self, ref: RecordRef, owner: KnownOwner | None) -> bool:
        if owner is None or (owner.crm, owner.id) in self._refused:
            return False
        return may_own(ref.crm, ref.object, owner.kind, active=owner.active)

    def _owners(self, email: str, refs: Sequence[RecordRef]) -> dict[RecordRef, str]:
        """The ids of this human, for those of the records that they may own."""
        owners = {ref: self._targets.person(ref.crm, email) for ref in refs}
        return {
            ref: owner.id for ref, owner in owners.items() if owner is not None and self._may_own(ref, owner)
        }

    def _same_human(
        self, email: str, refs: Sequence[RecordRef], reason: str, *, every: bool = False
    ) -> Assignment | None:
        """The same human on these records; `every`: on all of them or none."""
        owners = self._owners(email, refs)
        if not owners or (every and len(owners) < len(refs)):
            return None
        return Assignment(owners, reason)

    def _is_absent(self, email: str) -> bool:
        """Whether some pool says that this colleague is away today."""
        return any(
            one.is_absent(self._ctx.run.now)
            for members in self._members.values()
            for one in members
            if self._targets.human(one.email) == email
        )

    # -- whose it is

    def _route(self, held: Held, free: Sequence[RecordRef]) -> tuple[Assignment | None, str]:
        """Who gets the records of a person whom nobody was chosen for, and why those that nobody gets."""
        case = self._case(held, free)
        if case is None:
            return None, "no routing rule matches and there is no pool `default`"
        if self._with_fallback(case):
            return self._fallback(case), f"the person is with the fall-back of pool {case.name}"
        found = self._company_owner(case) or self._earlier_owner(case) or self._turn(case, YIELDING[0])
        fallback = case.pool.fallback
        if fallback:
            missing = f"no member of pool {case.name} takes it now, and {fallback} may not own it"
            return found or self._fallback(case), missing
        for overlook in YIELDING[1:]:
            found = found or self._turn(case, overlook)
        return found or self._turn(case, YIELDING[-1], every=False), f"nobody of pool {case.name} may own it"

    def _case(self, held: Held, free: Sequence[RecordRef]) -> Case | None:
        facts = wants.person_facts(self._conn, [held.person_id])[held.person_id]
        rule = rule_for({**facts, "stage_read": facts.get("stage")}, self._rules)
        name = DEFAULT_POOL if rule is None else rule.pool
        pool = self._ctx.settings.routing.pools.get(name)
        if pool is None:
            return None
        company = rule.company_owner if rule is not None else None
        return Case(
            held.person_id,
            held.spell_id,
            free,
            name,
            pool,
            self._members[name],
            pool.company_owner if company is None else company,
        )

    def _with_fallback(self, case: Case) -> bool:
        """Whether another record of the person was given to nobody in particular in this spell."""
        given = routing.given_owners(self._conn, case.person_id, case.spell_id)
        owners = [self._targets.by_id(*one) for one in given]
        return any(
            owner is not None and (owner.kind == "queue" or owner.id in self._targets.free[owner.crm])
            for owner in owners
        )

    def _company_owner(self, case: Case) -> Assignment | None:
        if not case.company_owner:
            return None
        found = routing.company_owners(self._conn, case.person_id)
        return self._first_of(case, found, "{} owns the person's company")

    def _earlier_owner(self, case: Case) -> Assignment | None:
        if not case.pool.sticky:
            return None
        found = routing.earlier_owners(self._conn, case.person_id, case.spell_id)
        return self._first_of(case, found, "{} had this person before")

    def _first_of(self, case: Case, found: Sequence[tuple[str, str]], words: str) -> Assignment | None:
        """The first of these owners who is somebody, present, and may own every record."""
        for crm, owner_id in found:
            owner = self._targets.by_id(crm, owner_id)
            if owner is None or not owner.email or owner.kind != "person":
                continue
            email = self._targets.human(owner.email)
            if owner.id in self._targets.free[crm] or self._is_absent(email):
                continue
            assignment = self._same_human(email, case.free, words.format(email), every=True)
            if assignment is not None:
                return assignment
        return None

    def _turn(self, case: Case, overlook: Sequence[str], *, every: bool = True) -> Assignment | None:
        """The next in turn of those who may own every record (`every` False: at least one) and work now."""
        least = len(case.free) if every else 1
        able = [one for one in case.members if len(self._owners(one.email, case.free)) >= least]
        members = available(able, self._ctx.run.now, self._lately, overlook)
        who = roster(members)
        taken = self._taken.get((case.name, who))
        if taken is None:
            taken = self._taken[case.name, who] = routing.turns_taken(self._conn, case.name, who)
        chosen = next_turn(members, taken, self._lately)
        if chosen is None:
            return None
        for counts in (taken, self._lately):
            counts[chosen.email] = counts.get(chosen.email, 0) + 1
        late = chosen.obstacle(self._ctx.run.now, self._lately[chosen.email] - 1)
        words = f"next in pool {case.name}: {chosen.email}" + (f", although {late}" if late else "")
        turn = {
            "id": self._ctx.world.new_id(),
            "pool": case.name,
            "roster": who,
            "member": chosen.email,
            "person_id": case.person_id,
        }
        return Assignment(self._owners(chosen.email, case.free), words, turn)

    def _fallback(self, case: Case) -> Assignment | None:
        """The pool's fall-back where it may own the record; elsewhere the owner stays as it is."""
        fallback = case.pool.fallback
        if not fallback:
            return None
        usable: dict[RecordRef, str] = {}
        for ref in case.free:
            if fallback.startswith(QUEUE_PREFIX):
                owner = self._targets.queue(ref.crm, fallback.removeprefix(QUEUE_PREFIX))
            else:
                owner = self._targets.person(ref.crm, normal_email(fallback))
            if owner is not None and self._may_own(ref, owner):
                usable[ref] = owner.id
        return Assignment(usable, f"fall-back of pool {case.name}: {fallback}") if usable else None
