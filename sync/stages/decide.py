"""From scores and spells to intents: what ought to stand in the CRMs, asked of each field's policy.

One transaction: an intent and the decision that caused it, the turn of a pool and the owner intent that
uses it, are stored together or not at all. Nothing is sent from here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain

from connectors.errors import ConnectorError
from connectors.records import Author, Live, RecordRef
from sync.context import Context
from sync.core.cases import AskPerson, Known, SetField, Target
from sync.core.reason import LONGEST, SHORT
from sync.core.writes import decide as decide_field
from sync.mirror import outbox, pins, plans, proofs, routing, scored, unwanted, wants
from sync.mirror.engine import Connection
from sync.mirror.outbox import NewIntent
from sync.mirror.runs import get_meta, set_meta
from sync.mirror.unshown import SCORED
from sync.mirror.wants import Held, Want
from sync.stages.assign import Assigner
from sync.stages.beside import day_of, hand_off_words
from sync.stages.passing import pass_on
from sync.stages.sla import keep_clocks
from sync.stages.targets import Place, Targets, live_models, our_users, places, scored_fields

DECIDED_UNDER = "writeback.mapping"
"""The mapping that the last decisions were made under."""


def decide(ctx: Context) -> None:
    """Queue an intent for every field that a spell or a score wants changed and its policy allows."""
    ctx.world.reached("decide.started")
    lengths = _reason_lengths(ctx)
    with ctx.mirror.write(durable=True) as conn:
        plans.expire(conn, ctx.run.run_id, ctx.run.now)
        unwanted.drop_unneeded(conn, ctx.run.run_id, ctx.run.now)
        _reopen(ctx, conn)
        routing.give_back_orphans(conn)
        targets = Targets(ctx.settings, routing.owners(conn), our_users(conn))
        keep_clocks(ctx, conn, targets)
        decider = _Decider(ctx, conn, targets, lengths)
        intents = [*decider.of_spells(), *pass_on(ctx, conn, targets)]
        for some in chain([intents], decider.of_scores()):
            outbox.add(conn, some, run_id=ctx.run.run_id, now=ctx.run.now)
        plans.close_empty(conn, ctx.run.now)
        ctx.world.reached("decide.uncommitted")
    ctx.world.reached("decide.committed")


def _reopen(ctx: Context, conn: Connection) -> None:
    """What was refused is asked again only when the record or the mapping changed."""
    before = get_meta(conn, DECIDED_UNDER)
    unwanted.reopen_refused(conn, before not in (None, ctx.mapping_hash), ctx.run.run_id, ctx.run.now)
    set_meta(conn, DECIDED_UNDER, ctx.mapping_hash)
    for place in places(ctx.settings, ctx.connectors):
        if place.policy.policy == "human_wins" and place.policy.pinned_for is not None:
            pins.expire(
                conn, place.crm, place.object, place.policy.field, ctx.run.now - place.policy.pinned_for
            )


def decide_owners(
    ctx: Context, conn: Connection, targets: Targets, people: Collection[str]
) -> list[NewIntent]:
    """Decide the owners of these people anew, within the caller's transaction; returns what was queued."""
    intents = _Decider(ctx, conn, targets).owners_of(people)
    outbox.add(conn, intents, run_id=ctx.run.run_id, now=ctx.run.now)
    return intents


class _Decider:
    """One pass over everything that is wanted."""

    def __init__(
        self,
        ctx: Context,
        conn: Connection,
        targets: Targets,
        lengths: Mapping[tuple[str, str], int] | None = None,
    ) -> None:
        self._ctx = ctx
        self._conn = conn
        self._targets = targets
        self._models = [model.name for model in live_models(ctx.models)]
        self._places = places(ctx.settings, ctx.connectors)
        self._lengths = lengths or {}
        self._made: dict[tuple[RecordRef, str], NewIntent] = {}

    def of_spells(self) -> list[NewIntent]:
        """New intents that follow from spells, in a fixed order, one per field of a record."""
        for place in self._places:
            kind = (self._conn, place.crm, place.object, place.purpose, place.policy.field)
            if place.purpose in ("reason", "mql_date"):
                text = self._text if place.purpose == "reason" else _date
                self._add_all(place, wants.once_per_spell(*kind, models=self._models), text, _because)
            elif place.purpose not in (*SCORED, "owner"):
                found = wants.spell_wants(*kind, place.desired(), models=self._models)
                self._add_all(place, found, _desired, _because)
        self._add_owners()
        return self._taken()

    def of_scores(self) -> Iterator[list[NewIntent]]:
        """New intents that follow from the scores of everybody, so many at a time."""
        scored.compare(self._conn, scored_fields(self._ctx.settings))
        for place in self._places:
            if place.purpose in SCORED:
                field = scored.ScoredField(place.crm, place.object, place.purpose, place.policy.field)
                for found in scored.score_wants(self._conn, field):
                    self._add_all(place, found, _desired, _score_reason)
                    yield self._taken()

    def _taken(self) -> list[NewIntent]:
        """What was made since the last time."""
        made, self._made = list(self._made.values()), {}
        return made

    def owners_of(self, people: Collection[str]) -> list[NewIntent]:
        """New intents for the owners of these people alone."""
        self._add_owners(people)
        return self._taken()

    def _add_all(
        self,
        place: Place,
        wanted: Sequence[Want],
        value: Callable[[Want], str | None],
        reason: Callable[[Want], str],
    ) -> None:
        target = self._targets.of(place.crm, place.object, place.purpose, place.policy)
        verified = proofs.verified_values(self._conn, [want.ref for want in wanted])
        spells = {want.ref: want.spell_id for want in wanted}
        earlier = routing.proved_before(self._conn, spells, place.purpose)
        for want in wanted:
            key = (want.ref, target.field)
            known = Known(want.current, verified.get(key), earlier=key in earlier, mirrored=True)
            self._add(target, want, want.current, value(want), reason(want), known)

    def _add(
        self,
        target: Target,
        want: Want | Held,
        current: str | None,
        value: str | None,
        reason: str,
        known: Known,
    ) -> bool:
        """Ask the policy over the mirrored value; whoever keeps history may settle an open question."""
        if (want.ref, target.field) in self._made:
            return False
        live = Live(
            want.ref,
            True,
            values={target.field: current},
            created_by=Author.AUTOMATION,  # the mirror does not know; the late decision does
            owner_id=current if target.purpose == "owner" else None,
            owner_kind=(want.owner_kind or "") if isinstance(want, Held) else "",
            owner_active=want.owner_active if isinstance(want, Held) else None,
        )
        decision = decide_field(target, live, value, known)
        keeps_history = self._ctx.connectors[target.crm].capabilities.field_history
        told_later = keeps_history or target.policy == "human_wins"
        if not isinstance(decision, SetField) and not (isinstance(decision, AskPerson) and told_later):
            return False
        self._made[want.ref, target.field] = NewIntent(
            id=self._ctx.world.new_id(),
            person_id=want.person_id,
            spell_id=want.spell_id,
            crm=target.crm,
            object=target.object,
            record_id=want.id,
            purpose=target.purpose,
            field=target.field,
            policy=target.policy,
            base_value=current or None,
            desired_value=value,
            reason=f"{reason}; {decision.reason}",
            model_hash=want.model_hash,
        )
        return True

    def _add_owners(self, people: Collection[str] | None = None) -> None:
        owner_places = {(p.crm, p.object): p for p in self._places if p.purpose == "owner"}
        if not owner_places or not self._ctx.settings.routing.pools:
            return
        fields = [(crm, name, place.policy.field) for (crm, name), place in owner_places.items()]
        free = [(crm, owner) for crm, ids in self._targets.free.items() for owner in ids]
        assigner = Assigner(self._ctx, self._conn, self._targets)
        turns = []
        for group in wants.owner_wants(self._conn, fields, free, models=self._models, people=people):
            assignment = assigner.assign(group)
            if assignment is None:
                continue
            added = False
            for held in group:
                owner_id = assignment.owner_ids.get(held.ref)
                if owner_id is None:
                    continue
                place = owner_places[held.crm, held.object]
                target = self._targets.of(held.crm, held.object, "owner", place.policy)
                reason = f"{_because(held)}; {assignment.reason}"
                added |= self._add(
                    target, held, held.owner_id, owner_id, reason, self._known(held, target.field)
                )
            if added and assignment.turn is not None:
                turns.append(assignment.turn)
        routing.reserve(self._conn, turns, self._ctx.run.now)
        if people is None:
            routing.keep_unrouted(self._conn, assigner.unrouted)

    def _known(self, held: Held, field: str) -> Known:
        if (held.ref, field) in routing.proved_before(self._conn, {held.ref: held.spell_id}):
            return Known(held.owner_id)
        verified = proofs.verified_values(self._conn, [held.ref])
        return Known(held.owner_id, verified.get((held.ref, field)))

    def _text(self, want: Want) -> str:
        """What a representative reads beside the lead."""
        names = {model.hash: model.name for model in self._ctx.models}
        return hand_off_words(
            self._conn,
            want.person_id,
            names.get(want.model_hash, ""),
            since=want.entered_at or 0,
            entered_by=want.entered_by or "",
            total=want.total,
            grade=want.grade,
            now=self._ctx.run.now,
            length=self._lengths.get((want.crm, want.object), SHORT),
        )


def _reason_lengths(ctx: Context) -> dict[tuple[str, str], int]:
    """How long the text for representatives may be, per (crm, object) that has a field for it.

    Asked before the transaction; where the CRM does not say, or cannot be asked now, the text stays short.
    """
    lengths: dict[tuple[str, str], int] = {}
    for place in places(ctx.settings, ctx.connectors):
        if place.purpose == "reason":
            with suppress(ConnectorError):
                length = ctx.connectors[place.crm].offered(place.object, place.policy.field).length
                lengths[place.crm, place.object] = min(length or SHORT, LONGEST)
    return lengths


def _because(want: Want | Held) -> str:
    day = day_of(want.entered_at or 0)
    total = "" if want.total is None else f" ({want.total / wants.POINT:g} points, {want.grade})"
    return f"became an MQL on {day} by {want.entered_by}{total}"


def _desired(want: Want) -> str | None:
    return want.desired


def _date(want: Want) -> str:
    return day_of(want.entered_at or 0)


def _score_reason(want: Want) -> str:
    return f"the score is {(want.total or 0) / wants.POINT:g} ({want.grade})"
