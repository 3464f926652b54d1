"""May this field be set now? One decision per field, from what is live this very moment. Pure.

`decide` is asked twice for every change: over the mirror when a change is first wanted, and over a fresh
read just before sending (the late decision). What it answers the second time is what happens: one of the
four of `sync.core.cases`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from connectors.records import Author, Crm, Live
from sync.core.authors import attribute, newest_first, touched_by_person_ms, wrote_last
from sync.core.cases import (
    DEMOTE,
    MACHINE,
    REASSIGN,
    REPAIR,
    UNDO,
    AskPerson,
    Case,
    Decision,
    Known,
    Leave,
    Moved,
    SetField,
    Target,
    Why,
    same,
    same_owner,
    shown,
)


def decide(target: Target, live: Live, desired: str | None, known: Known) -> Decision:
    """What to do about one field of one record, now."""
    if live.moved_to is not None or not live.exists:
        return _moved(live)
    if target.field not in live.values:
        return AskPerson(f"{target.object}.{target.field} was not in the answer")
    value = live.values[target.field] or None
    history = newest_first(live.versions.get(target.field, ()), value)
    versions = attribute(history, known.ours, known.our_source)
    case = Case(target, live, desired or None, known, value, versions)
    if same(target.purpose, value, desired):
        return Leave(Why.EQUAL, f"already {shown(value)}")
    decision = POLICIES[target.policy](case)
    if isinstance(decision, SetField) and target.policy not in (MACHINE, REPAIR):
        return _unless_quiet(case, decision)
    return decision


def _moved(live: Live) -> Moved:
    if live.moved_to is None:
        return Moved(None, "the record is gone", Why.GONE)
    return Moved(live.moved_to, f"the record is now {live.moved_to.object} {live.moved_to.id}")


def _unless_quiet(case: Case, decision: SetField) -> Decision:
    """A field that a person touched a moment ago waits, both CRMs alike."""
    touched = touched_by_person_ms(case.live, case.target.field, case.versions, case.known.seen)
    until = touched + case.known.quiet_ms
    if touched and case.live.server_ms < until:
        return Leave(Why.QUIET, "a person touched this field just now", until)
    return decision


def _machine(case: Case) -> Decision:
    return SetField(case.desired, f"our own field shows {shown(case.value)}")


def _fill(case: Case) -> Decision:
    if case.value is not None:
        return Leave(Why.POLICY, f"already filled with {shown(case.value)}")
    # a history that lists changes needs one row for that, one that begins with the first value needs two
    enough = 1 if case.target.crm == Crm.SALESFORCE else 2
    emptied = len(case.versions) >= enough and case.versions[0].author is Author.PERSON
    verified = case.known.verified
    vanished = not case.versions and verified is not None and verified.value is not None
    if emptied or (vanished and case.live.modified_by is not Author.AUTOMATION):
        return Leave(Why.HUMAN, "a person emptied it")
    return SetField(case.desired, "it is empty")


def _last_supplied(case: Case) -> Decision:
    verified = case.known.verified
    in_from = case.value in case.target.from_
    if verified is None:
        if in_from:
            return SetField(case.desired, f"{shown(case.value)} may be replaced")
        return Leave(Why.POLICY, f"{shown(case.value)} is not one of the values that may be replaced")
    if in_from and case.known.earlier:
        # whoever put it back judged the earlier hand-off; this is another one
        return SetField(case.desired, f"{shown(case.value)} may be replaced, another time as an MQL")
    if _is_released(case):
        return SetField(case.desired, f"{shown(case.value)} was released")
    person = case.person_since_verified
    if person is not None:
        return Leave(Why.HUMAN, f"a person set it to {shown(person.value)} after us")
    if case.value == verified.value:
        return SetField(case.desired, f"it still is {shown(case.value)} as we left it")
    writer = wrote_last(case.live, case.versions)
    if writer is Author.PERSON:
        return Leave(Why.HUMAN, f"a person set it to {shown(case.value)} after us")
    if writer is Author.AUTOMATION and in_from:
        return SetField(case.desired, f"automation set it to {shown(case.value)}, which may be replaced")
    if writer is Author.AUTOMATION:
        return Leave(Why.AUTOMATION, f"automation set it to {shown(case.value)} after us")
    return AskPerson(f"somebody set it to {shown(case.value)} after us; the CRM does not say who")


def _human_wins(case: Case) -> Decision:
    if _is_released(case):
        return SetField(case.desired, f"{shown(case.value)} was released")
    held = case.target.pinned_ms
    if held is not None and 0 < _touched_ms(case) <= case.live.server_ms - held:
        return SetField(case.desired, f"{shown(case.value)} stood there for longer than an edit holds")
    person = case.person_since_verified
    if person is not None:
        return Leave(Why.HUMAN, f"a person set it to {shown(person.value)}")
    verified = case.known.verified
    if case.value is None and verified is None:
        return SetField(case.desired, "it is empty and no person ever set it")
    if verified is not None and case.value == verified.value:
        return SetField(case.desired, f"it still is {shown(case.value)} as we left it")
    if wrote_last(case.live, case.versions) is Author.AUTOMATION:
        return SetField(case.desired, f"{shown(case.value)} was set by automation")
    if case.known.mirrored:
        return AskPerson(f"the mirror does not know who set it to {shown(case.value)}")
    return Leave(Why.HUMAN, f"a person may have set it to {shown(case.value)}")


def _touched_ms(case: Case) -> int:
    """When the field was last set; without its history: when its record was last changed, which is later."""
    return case.versions[0].at_ms if case.versions else case.live.modified_ms


def _is_released(case: Case) -> bool:
    """An administrator let go what stands there, and nobody set it since."""
    return 0 < _touched_ms(case) < case.known.released_ms


def _ladder(case: Case) -> Decision:
    if case.value in case.target.human_only:
        return Leave(Why.POLICY, f"{shown(case.value)} is left by people only")
    ranks = {stage: rank for rank, stage in enumerate(case.target.steps)}
    wanted = ranks.get(case.desired or "")
    if wanted is None:
        return AskPerson(f"{shown(case.desired)} is not on the ladder")
    if case.value is None:
        return SetField(case.desired, "it is empty")
    rank = ranks.get(case.value)
    if rank is None:
        return Leave(Why.POLICY, f"{shown(case.value)} is not on the ladder")
    if rank < wanted:
        return SetField(case.desired, f"{shown(case.value)} is a lower step")
    if case.value in case.target.demote_from and not case.target.forward_only:
        return SetField(case.desired, f"{shown(case.value)} may be taken back")
    return Leave(Why.POLICY, f"{shown(case.value)} is a higher step")


def _owner_claim(case: Case) -> Decision:
    free = owner_is_free(
        case.value,
        kind=case.live.owner_kind,
        active=case.live.owner_active,
        by_machine=case.live.created_by in (Author.US, Author.AUTOMATION),
        free_owners=case.target.free_owners,
    )
    verified = case.known.verified
    if not free:
        ours = verified is not None and same("owner", case.value, verified.value)
        return Leave(Why.POLICY if ours else Why.HUMAN, "it has an owner" + (" that we set" if ours else ""))
    if verified is not None and not same("owner", case.value, verified.value):
        person = case.person_since_verified
        if person is not None or (not case.versions and case.live.modified_by is not Author.AUTOMATION):
            return Leave(Why.HUMAN, "a person took away the owner that we set")
    return SetField(case.desired, f"nobody chose its owner ({free})")


def _reassign(case: Case) -> Decision:
    """Take it from the owner whom we set, as long as nobody chose another and no person was at the record."""
    verified = case.known.verified
    if verified is None or not same("owner", case.value, verified.value):
        return Leave(Why.HUMAN, "its owner is not the one any more that we set")
    if case.person_since_verified is not None:
        return Leave(Why.HUMAN, "a person confirmed its owner")
    if case.live.modified_by is Author.PERSON and case.live.modified_ms >= verified.at_ms:
        return Leave(Why.HUMAN, "a person worked on the record after us")
    return SetField(case.desired, "nobody touched it in time")


def owner_is_free(
    owner_id: str | None,
    *,
    kind: str,
    active: bool | None,
    by_machine: bool,
    free_owners: frozenset[str],
) -> str:
    """Why a record may be claimed from its owner, in a word; "" when somebody chose that owner.

    `by_machine`: the record was created by an integration or automation, which then owns it by default.
    """
    if not owner_id:
        return "unassigned"
    if any(same_owner(owner_id, other) for other in free_owners):
        return "unowned"
    if kind == "queue":
        return "queue"
    if active is False:
        return "inactive"
    return "integration" if kind == "integration" and by_machine else ""


def _repair(case: Case) -> Decision:
    """Put a person's value back, as long as what covers it still is ours (`known.seen`)."""
    if _emptied_by_us(case):
        return SetField(case.desired, "we emptied it to put a person's value back")
    if not same(case.target.purpose, case.value, case.known.seen):
        return Leave(Why.HUMAN, f"it was changed to {shown(case.value)} since")
    if case.versions and case.versions[0].author is not Author.US:
        return Leave(Why.HUMAN, f"it was set to {shown(case.value)} anew since")
    return SetField(case.desired, "our write covered this edit of a person")


def _undo(case: Case) -> Decision:
    """Put back what was there before us, as long as what stands there still is ours (`known.seen`)."""
    if _emptied_by_us(case):
        return SetField(case.desired, "we emptied it to put back what was there before")
    if not same(case.target.purpose, case.value, case.known.seen):
        return Leave(Why.HUMAN, f"it was changed to {shown(case.value)} since")
    if case.versions and case.versions[0].author is Author.PERSON:
        return Leave(Why.HUMAN, f"a person set it to {shown(case.value)} anew since")
    return SetField(case.desired, f"it still is {shown(case.value)} as we left it")


def _demote(case: Case) -> Decision:
    """Take a stage back by order, as long as the one stands there that the order was about."""
    if _emptied_by_us(case):
        return SetField(case.desired, "we emptied it to take the stage back")
    if not same(case.target.purpose, case.value, case.known.seen):
        return Leave(Why.HUMAN, f"it was changed to {shown(case.value)} since")
    return SetField(case.desired, f"{shown(case.value)} is to be taken back")


def _emptied_by_us(case: Case) -> bool:
    """The field is empty since the first of our two steps, and no person emptied it again."""
    if not case.known.emptied or case.value is not None:
        return False
    return not case.versions or case.versions[0].author is not Author.PERSON


POLICIES: Mapping[str, Callable[[Case], Decision]] = {
    MACHINE: _machine,
    "fill": _fill,
    "last_supplied": _last_supplied,
    "human_wins": _human_wins,
    "ladder": _ladder,
    "owner_claim": _owner_claim,
    REPAIR: _repair,
    UNDO: _undo,
    DEMOTE: _demote,
    REASSIGN: _reassign,
}
