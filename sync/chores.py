"""What is to be done now and then beside the passes: each is a run of its own, under the lease.

sweep      compare all ids with the CRM's, and bury or fetch what differs
reconcile  compare every wanted value with what stands there, and mend what drifted
sample     score some people in full and compare
retention  let go of what is over
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from sync.context import App, Context, Progress
from sync.mirror.runs import set_meta
from sync.pipeline import doubts_our_clock, run_of, sign_in, write
from sync.reports import RunProblem, RunReport
from sync.stages import retention
from sync.stages.decide import decide
from sync.stages.match import match
from sync.stages.pull import sweep_only
from sync.stages.recheck import sample
from sync.stages.reconcile import LAST, Class, reconcile
from sync.stages.repair import repair, unmended

ALONE: Final = ("sample", "retention")
"""Chores that ask no CRM for anything but the time."""
BY_MODEL: Final = ("reconcile", "sample")
"""Chores that cannot be done while the model cannot be read."""


def chore(
    app: App, name: str, progress: Progress, lease_epoch: int, problems: Sequence[RunProblem] = ()
) -> RunReport:
    """Do one of `CHORES`, as a run. `problems` with the model files were met on the way to it."""
    with run_of(app, progress, lease_epoch, f"daemon:{name}") as (ctx, report):
        report.problems += problems
        if not (problems and name in BY_MODEL) and not (name in ALONE and _wrong_time(ctx, report)):
            _CHORES[name](ctx, report)
    return report


def _wrong_time(ctx: Context, report: RunReport) -> bool:
    """Whether the CRMs contradict our clock; whatever else they say is not this chore's business."""
    asked = RunReport(report.run_id)
    if not doubts_our_clock(asked, sign_in(ctx, asked, None)):
        return False
    report.problems += asked.problems
    return True


def _sweep(ctx: Context, report: RunReport) -> None:
    reached = replace(ctx, connectors=sign_in(ctx, report, None))
    for crm in reached.connectors:
        report.pull[crm] = sweep_only(reached, crm, report.problems.append)
    if not doubts_our_clock(report, reached.connectors):
        report.match = match(reached)


def _reconcile(ctx: Context, report: RunReport) -> None:
    reached = replace(ctx, connectors=sign_in(ctx, report, None))
    if doubts_our_clock(report, reached.connectors):
        return
    found = reconcile(reached)
    report.problems += found.problems
    report.reconcile = {kind.value: found.classes[kind] for kind in Class}
    with ctx.mirror.write() as conn:
        set_meta(conn, LAST, json.dumps(found.summary(ctx.run.now)))
    report.problems += repair(reached, found)
    report.problems += unmended(found)
    decide(reached)
    write(reached, report)


def _sample(ctx: Context, report: RunReport) -> None:
    report.problems += sample(ctx)


def _retention(ctx: Context, _: RunReport) -> None:
    retention.prune(ctx)


_CHORES: Final[Mapping[str, Callable[[Context, RunReport], None]]] = {
    "sweep": _sweep,
    "reconcile": _reconcile,
    "sample": _sample,
    "retention": _retention,
}
CHORES: Final = tuple(_CHORES)
"""The names of all chores, which are keys of `[schedule]`."""
