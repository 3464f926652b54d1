"""Decay in Python, in the pinned arithmetic: the same numbers as SQLite and PostgreSQL compute.

Points are thousandths, ages whole seconds. Half-life works on doubles in exactly this order; step and
linear decay on integers. Ties go toward plus infinity everywhere.
"""

from __future__ import annotations

import math
from typing import Final

from scoring.model import Decay, HalfLife, LinearDecay, StepDecay

WHOLE: Final = 100_000
"""All of a share, in thousandths of a percent."""

EXPONENT_CAP: Final = 1000
"""After so many half-lives nothing is left; a database would report an underflow."""


def decayed(points: int, decay: Decay | None, age: int) -> int:
    """What is left of `points` at an age."""
    match decay:
        case None:
            return points
        case HalfLife(seconds):
            if age > seconds * EXPONENT_CAP:
                return 0
            return math.floor(float(points) * math.pow(0.5, float(age) / float(seconds)) + 0.5)
        case StepDecay(share, every):
            return _share(points, max(0, WHOLE - age // every * share), WHOLE)
        case LinearDecay(life):
            return _share(points, max(0, life - age), life)


def _share(points: int, left: int, whole: int) -> int:
    return (2 * points * left + whole) // (2 * whole)
