"""After a reconcile: read again what differs, and want once more what was lost without anybody's doing.

What drifted becomes a new change by the same policy that found that it may be set, so limits, approval, the
late decision and the look for quarrels stand before it as before any other. A person's value never drifts:
it is theirs. Scores and grades need no new change here: once the mirror knows what stands there, the next
decision wants them.
"""

from __future__ import annotations

from collections.abc import Iterable

from connectors.errors import ConnectorError
from sync.context import Context
from sync.mirror import outbox
from sync.mirror.outbox import NewIntent, Row
from sync.mirror.unshown import SCORED
from sync.reports import RunProblem
from sync.stages.pull import refetch
from sync.stages.reconcile import WORRYING, Reconciled
from sync.stages.trouble import judge


def repair(ctx: Context, found: Reconciled) -> list[RunProblem]:
    """Queue the changes that mend the drift; what could not be read again is a problem."""
    problems = _read_again(ctx, found)
    intents = [_wanted_again(ctx, row, live) for row, live in found.repairs if row.purpose not in SCORED]
    if intents:
        with ctx.mirror.write(durable=True) as conn:
            outbox.add(conn, intents, run_id=ctx.run.run_id, now=ctx.run.now)
    return problems


def _read_again(ctx: Context, found: Reconciled) -> list[RunProblem]:
    """The records that surprised us, into the mirror."""
    wanted: dict[tuple[str, str], dict[str, None]] = {}
    for one in found.findings:
        if one.kind in WORRYING:
            wanted.setdefault((one.crm, one.object), {})[one.id] = None
    problems = []
    for (crm, name), ids in wanted.items():
        try:
            refetch(ctx, crm, name, list(ids))
        except ConnectorError as error:
            problems.append(judge(error, crm, "reading again what differs").problem)
    return problems


def _wanted_again(ctx: Context, row: Row, live: str | None) -> NewIntent:
    reason = "it stood there once and nobody is known to have taken it away"
    return NewIntent.of(row, id=ctx.world.new_id(), base_value=live, reason=reason, parent_id=None)


def unmended(found: Reconciled) -> Iterable[RunProblem]:
    """Where nobody but a person can tell, once for all of it."""
    left = len(found.asking)
    if left:
        message = f"{left} wanted values do not stand there, and it cannot be told who changed them"
        remedy = "`mqlsync reconcile` lists them under `drift`; set them in the CRM as they ought to be"
        yield RunProblem("DRIFT", "", message, remedy, 3)
