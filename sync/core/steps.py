"""Changes that are made in two steps: a lifecycle stage goes back only by being emptied first. Pure.

Each step is sent, read back and written down for itself, so that a crash between them leaves a change that
is half done and known to be, and never an empty stage that nobody knows of.
"""

from __future__ import annotations

from enum import StrEnum

from sync.core.cases import RESTORING, Target


class Step(StrEnum):
    """How far a change is that is made in two: the field is emptied first, then set."""

    CLEAR = "clear"  # the emptying is on its way, or to be sent once more
    CLEARED = "cleared"  # it was read back as empty
    SET = "set"  # the value is on its way, or to be sent once more


def next_step(target: Target, value: str | None, desired: str | None, step: str | None) -> Step | None:
    """The step that sets `desired` where `value` stands; None: it needs no steps.

    HubSpot keeps a lifecycle stage that is asked to go back; only an empty one takes any value. Whether a
    stage that is not on the ladder lies above or below nobody knows: it is emptied too. `step` is how far
    the change was.
    """
    if not target.forward_only or target.policy not in RESTORING:
        return None
    if value is None:
        return None if step is None else Step.SET
    if desired is None:
        return None
    ranks = {stage: rank for rank, stage in enumerate(target.steps)}
    forward = value in ranks and desired in ranks and ranks[value] < ranks[desired]
    return None if forward else Step.CLEAR


def sent_value(desired: str | None, step: str | None) -> str | None:
    """What a change writes in this step."""
    return None if step in (Step.CLEAR, Step.CLEARED) else desired
