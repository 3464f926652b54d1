"""Stages and spells: what a score and the CRMs' evidence do to a person's time as an MQL. Pure.

A spell is opened by a state, not by an event in time: deciding again changes nothing.

    no spell ──model says enter──▶ open ──under the line for `after`, every reading──▶ left "decayed"
       │                            ├─ sales returned or disqualified ──▶ left "recycled" | "disqualified"
       │                            ├─ won ──▶ left "customer"
       │                            └─ all records went ──▶ left "gone"
       ├─ first sight, the CRMs call the person an MQL ──▶ open, entered_by "crm"
       ├─ first sight, the CRMs call the person recycled ──▶ a spell of no length: the cooldown starts now
       └─ after a spell: not before the cooldown, and only with a newer event of `needs_new`

An administrator's override goes before the model. "mql": a spell is opened, and no low score ends it;
"not_mql": none is opened, and an open one ends. What the CRMs said before a spell was opened does not end
it: whom sales returned comes back although the status still says so. What they say later does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DAY: Final = 86400
EARLY: Final = ("subscriber", "lead", "mql")
"""Stages in which an open spell is what the person is."""

ENDS_SPELL: Final = ("recycled", "disqualified", "customer")
"""CRM evidence that ends a spell at once; the stage is the reason."""

WORKED: Final = ("sql", "opportunity")
"""Sales is at it: a spell is not ended by a falling score."""

BEYOND: Final = (*WORKED, "customer")
"""Further than an MQL."""

MQL: Final = "mql"
NOT_MQL: Final = "not_mql"


@dataclass(frozen=True, slots=True)
class OpenSpell:
    """The open spell of a person.

    `stage_before`: what the CRMs said when it was opened and have said ever since, if that ends spells.
    """

    id: str
    entered_at: int
    stage_before: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One look a day at an open spell: the UTC day since 1970, and whether the score was below."""

    day: int
    below: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person whose score and spell may not fit together.

    `crm_stage` is the CRMs' evidence alone, or what an administrator put in its place; `override` is "mql",
    "not_mql" or None. `first_sight`: never scored by a live model before and never in a spell.
    `left_at`: when the last spell ended; `renewed_at`: the newest event of the group that coming back needs.
    """

    person_id: str
    crm_stage: str
    crm_mql: bool
    ambiguous: bool
    suppressed: bool
    eligible: bool
    over_enter: bool
    fast_track: str | None
    renewed_at: int | None
    first_sight: bool
    open_spell: OpenSpell | None = None
    left_at: int | None = None
    readings: tuple[Reading, ...] = ()
    override: str | None = None


@dataclass(frozen=True, slots=True)
class SpellRules:
    """Of the model, in seconds; `leave_after` None: nobody leaves for a low score."""

    leave_after: int | None
    cooldown: int
    needs_new: bool


@dataclass(frozen=True, slots=True)
class Enter:
    """Open a spell."""

    by: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Close the open spell."""

    why: str


@dataclass(frozen=True, slots=True)
class NoteReturned:
    """Write down a spell that ended before we looked: coming back follows the rules of recycling."""

    why: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing yet; look again at this moment."""

    until: int


@dataclass(frozen=True, slots=True)
class Stay:
    """Nothing to do."""


Action = Enter | Leave | NoteReturned | Wait | Stay


def decide(person: Candidate, rules: SpellRules, now: int) -> Action:
    """What to do about a person's spell at a moment."""
    if person.open_spell is not None:
        return _of_open(person, person.open_spell, rules, now)
    # an administrator has decided
    if person.override == NOT_MQL:
        return Stay()
    if person.override == MQL:
        further = person.ambiguous or person.crm_stage in BEYOND
        return Stay() if further else Enter("override")
    # never seen before: the CRMs may already have an opinion
    if person.first_sight and person.crm_stage == "recycled":
        return NoteReturned("recycled")
    if person.first_sight and person.crm_mql and person.crm_stage in EARLY:
        if not person.ambiguous and not person.suppressed:
            return Enter("crm")
        return Stay()
    entered_by = _entered_by(person)
    if entered_by is None:
        return Stay()
    # has been an MQL before: old points alone do not qualify again
    if person.left_at is not None:
        if rules.needs_new and (person.renewed_at is None or person.renewed_at <= person.left_at):
            return Stay()
        if now < person.left_at + rules.cooldown:
            return Wait(person.left_at + rules.cooldown)
    return Enter(entered_by)


def _entered_by(person: Candidate) -> str | None:
    """Threshold before fast track when both hold; None when the model does not have them enter."""
    if not person.eligible:
        return None
    if person.over_enter:
        return "threshold"
    return f"fast_track:{person.fast_track}" if person.fast_track else None


def _of_open(person: Candidate, spell: OpenSpell, rules: SpellRules, now: int) -> Action:
    """Whether an open spell ends."""
    if person.override == NOT_MQL:
        return Leave("override")
    if person.crm_stage in ENDS_SPELL and person.crm_stage != spell.stage_before:
        return Leave(person.crm_stage)
    if person.override == MQL:
        return Stay()
    if rules.leave_after is None or person.crm_stage in WORKED:
        return Stay()
    if not below_all_along(person.readings, rules.leave_after, now):
        return Stay()
    # it has to have lasted as long, which may come to pass between two readings
    lasted = spell.entered_at + rules.leave_after
    return Leave("decayed") if now >= lasted else Wait(lasted)


def below_all_along(readings: tuple[Reading, ...], after: int, now: int) -> bool:
    """Whether every reading of the last `after` is below, and at least 6/7 of the days have one.

    An outage leaves days without a reading: it makes nobody leave.
    """
    days = after // DAY
    today = now // DAY
    recent = [reading for reading in readings if today - days < reading.day <= today]
    enough = -(-6 * days // 7)  # rounded up
    return len(recent) >= enough and all(reading.below for reading in recent)
