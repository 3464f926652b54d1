"""Future dates wait and missing times are never scored: both are counted, and `doctor` tells."""

from __future__ import annotations

from pathlib import Path

from config.settings import Settings
from sync.doctor.findings import Level, Patient
from sync.doctor.local import LOCAL
from sync.mirror import catalog
from tests.pipeline.test_score_stage import FIT, Loop, loop
from tests.scoring.subject import DAY, engagement, person

__all__ = ["loop"]


def test_future_dates_and_missing_times_are_counted_by_doctor(loop: Loop) -> None:
    loop.put(person(**FIT))
    loop.put(
        engagements=[
            engagement("webinar_attended", loop.now + DAY),
            engagement("webinar_attended", None),
            engagement("trial_started", None),
            engagement("trial_started", None, deleted=True),
            engagement("trial_started", loop.now),
        ]
    )
    loop.score()
    assert [row["rule"] for row in loop.rows(catalog.HIT) if row["axis"] == "engagement"] == ["trial_started"]
    (check,) = [one for one in LOCAL if one.__name__ == "_engagements"]
    patient = Patient(Settings(), Path(), loop.world, loop.mirror, {}, loop.models)
    told = [(one.level, one.message.partition(" engagements")[0]) for one in check(patient)]
    assert told == [(Level.WARNING, "1"), (Level.WARNING, "2")]
    loop.world.advance(DAY)
    assert [one.message.partition(" engagements")[0] for one in check(patient)] == ["2"]
