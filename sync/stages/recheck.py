"""Once a day, after scoring: are the stored scores of a sample what a full recompute would make of them?"""

from __future__ import annotations

import base64
import hashlib
import logging
from typing import Final

from sync.context import Context
from sync.core.stage import DAY
from sync.mirror import models as published
from sync.mirror.rechecking import differing, score_again
from sync.mirror.runs import get_meta, set_meta
from sync.reports import RunProblem, ScoreCounts

log = logging.getLogger(__name__)

SAMPLE: Final = 100
CHECKED: Final = "score_checked_day"


def recheck(ctx: Context, counts: ScoreCounts) -> list[RunProblem]:
    """Look at a sample in the first run of a day that did not score everybody anyway.

    Whoever differs is scored by the next run; the problem says that there was a mistake of ours.
    """
    today = ctx.run.now // DAY
    if counts.recomputed >= counts.people or ctx.run.as_of != ctx.run.now or ctx.run.known_at != ctx.run.now:
        return []
    with ctx.mirror.read() as conn:
        if get_meta(conn, CHECKED) == str(today):
            return []
    return sample(ctx)


def sample(ctx: Context) -> list[RunProblem]:
    """Score some people in full and compare; they are others in every run."""
    with ctx.mirror.read() as conn:
        used = published.stored_names([model for model in ctx.models if model.status in ("live", "shadow")])
        people, wrong = differing(conn, used, _start(ctx.run.run_id), SAMPLE, ctx.run.now)
    with ctx.mirror.write() as conn:
        set_meta(conn, CHECKED, str(ctx.run.now // DAY))
        score_again(conn, [one.person_id for one in wrong])
    log.info("%d of %d sampled scores differ from a full recompute", len(wrong), people)
    if not wrong:
        return []
    first = wrong[0]
    message = (
        f"{len(wrong)} of {people} sampled scores are not what a full recompute gives, "
        f"the first by {first.what} ({first.model})"
    )
    remedy = "`mqlsync sync --only score --full` scores everybody anew; please report it"
    return [RunProblem("SCORES", "", message, remedy, 1)]


def _start(run_id: str) -> str:
    """Somewhere among the ids of people, another place each run; the ids are evenly spread."""
    digest = hashlib.sha256(run_id.encode()).digest()
    return "p_" + base64.b32encode(digest)[:16].decode().lower()
