"""Who enters and leaves, decided from facts alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sync.core.stage import (
    DAY,
    Action,
    Candidate,
    Enter,
    Leave,
    NoteReturned,
    OpenSpell,
    Reading,
    SpellRules,
    Stay,
    Wait,
    decide,
)

NOW = 20_000 * DAY + 3600
RULES = SpellRules(leave_after=14 * DAY, cooldown=30 * DAY, needs_new=True)
PERSON = Candidate(
    person_id="p",
    crm_stage="lead",
    crm_mql=False,
    ambiguous=False,
    suppressed=False,
    eligible=True,
    over_enter=True,
    fast_track=None,
    renewed_at=None,
    first_sight=False,
)
LEFT = replace(PERSON, left_at=NOW - 30 * DAY, renewed_at=NOW - DAY)
SPELL = OpenSpell("s", NOW - 20 * DAY)


def readings(*below: bool, missing: int = 0) -> tuple[Reading, ...]:
    """One a day, the last today, with some days at the beginning left out."""
    today = NOW // DAY
    found = [Reading(today - len(below) + 1 + n, value) for n, value in enumerate(below)]
    return tuple(found[missing:])


@pytest.mark.parametrize(
    ("person", "action"),
    [
        (PERSON, Enter("threshold")),
        (replace(PERSON, fast_track="demo"), Enter("threshold")),
        (replace(PERSON, over_enter=False, fast_track="demo"), Enter("fast_track:demo")),
        (replace(PERSON, over_enter=False), Stay()),
        (replace(PERSON, eligible=False, fast_track="demo"), Stay()),
        # first sight
        (replace(PERSON, first_sight=True, crm_mql=True), Enter("crm")),
        (replace(PERSON, first_sight=True, crm_mql=True, ambiguous=True), Stay()),
        (replace(PERSON, first_sight=True, crm_mql=True, suppressed=True), Stay()),
        (replace(PERSON, first_sight=True, crm_mql=True, crm_stage="sql", eligible=False), Stay()),
        (replace(PERSON, first_sight=True, crm_stage="recycled"), NoteReturned("recycled")),
        (replace(PERSON, crm_mql=True, over_enter=False), Stay()),
        # coming back
        (LEFT, Enter("threshold")),
        (replace(LEFT, left_at=NOW - 30 * DAY + 1), Wait(NOW + 1)),
        (replace(LEFT, renewed_at=None), Stay()),
        (replace(LEFT, renewed_at=LEFT.left_at), Stay()),
        (replace(LEFT, over_enter=False), Stay()),
    ],
)
def test_entering(person: Candidate, action: Action) -> None:
    assert decide(person, RULES, NOW) == action


def test_coming_back_without_conditions() -> None:
    rules = replace(RULES, cooldown=0, needs_new=False)
    assert decide(replace(LEFT, renewed_at=None, left_at=NOW), rules, NOW) == Enter("threshold")


@pytest.mark.parametrize(
    ("person", "action"),
    [
        (replace(PERSON, readings=readings(*[True] * 14)), Leave("decayed")),
        (replace(PERSON, readings=readings(*[True] * 13, False)), Stay()),
        (replace(PERSON, readings=readings(False, *[True] * 13)), Stay()),
        (replace(PERSON, readings=readings(False, *[True] * 14)), Leave("decayed")),
        # an outage: twelve of fourteen readings are enough, eleven are not
        (replace(PERSON, readings=readings(*[True] * 14, missing=2)), Leave("decayed")),
        (replace(PERSON, readings=readings(*[True] * 14, missing=3)), Stay()),
        (replace(PERSON, readings=()), Stay()),
        # sales is at it
        (replace(PERSON, crm_stage="sql", readings=readings(*[True] * 14)), Stay()),
        (replace(PERSON, crm_stage="opportunity", readings=readings(*[True] * 14)), Stay()),
        # evidence ends it at once
        (replace(PERSON, crm_stage="recycled"), Leave("recycled")),
        (replace(PERSON, crm_stage="disqualified"), Leave("disqualified")),
        (replace(PERSON, crm_stage="customer"), Leave("customer")),
        # what the model or the CRMs say of others does not matter
        (replace(PERSON, eligible=False, suppressed=True), Stay()),
        (replace(PERSON, first_sight=True, crm_mql=True), Stay()),
    ],
)
def test_leaving(person: Candidate, action: Action) -> None:
    assert decide(replace(person, open_spell=SPELL), RULES, NOW) == action


def test_a_spell_just_opened_is_not_closed() -> None:
    young = replace(PERSON, open_spell=OpenSpell("s", NOW - 14 * DAY + 1), readings=readings(*[True] * 14))
    assert decide(young, RULES, NOW) == Wait(NOW + 1)  # looked at again when it is old enough
    assert decide(replace(young, readings=()), RULES, NOW) == Stay()


def test_nobody_leaves_where_the_model_has_no_line() -> None:
    person = replace(PERSON, open_spell=SPELL, readings=readings(*[True] * 14))
    assert decide(person, replace(RULES, leave_after=None), NOW) == Stay()
