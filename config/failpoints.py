"""The named points at which the fault tests pull the plug (`World.reached`).

A name is `stage.moment`. A test asserts that each of them is reached by an ordinary sync, so a name
that no code passes any more is a failing test and not a forgotten line.
"""

from __future__ import annotations

from typing import Final

FAILPOINTS: Final[tuple[str, ...]] = (
    "run.started",
    "pull.page_fetched",
    "pull.page_stored_uncommitted",
    "pull.page_committed",
    "pull.feed_finished",
    "match.started",
    "match.uncommitted",
    "match.committed",
    "score.started",
    "score.uncommitted",
    "score.committed",
    "decide.started",
    "decide.uncommitted",
    "decide.committed",
    "plan.saved",
    "write.read",
    "write.decided",
    "write.marked_sent_uncommitted",
    "write.marked_sent",
    "write.answered",
    "write.outcome_committed",
    "write.read_back",
    "write.verified_uncommitted",
    "write.verified",
    "write.cleared",
    "task.marked_sent",
    "task.answered",
    "task.recorded",
    "run.finished_uncommitted",
    "run.finished",
)
