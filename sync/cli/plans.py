"""`plan`, `apply`, `approve` and `reject`: what would be written, and letting it out."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sync.cli.errors import UsageFault
from sync.cli.handing import NoWait, carried_out
from sync.cli.options import command
from sync.cli.report import show_problems, show_report
from sync.cli.session import Session
from sync.context import App
from sync.mirror import plans
from sync.mirror.requests import Ask
from sync.reports import RunReport
from sync.requests import plan_of
from sync.stages.plan import PlanView

app = typer.Typer(rich_markup_mode=None, add_completion=False)

Digest = Annotated[str, typer.Argument(metavar="DIGEST", help="The plan, as `mqlsync plan` names it.")]
MaybeDigest = Annotated[
    str | None,
    typer.Argument(metavar="[DIGEST]", help="The plan; not needed while only one waits.", show_default=False),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Confirm = Annotated[
    int | None, typer.Option("--confirm", metavar="N", help="Go on only if the plan has exactly N changes.")
]


@command(app, "plan")
def plan(
    session: Session,
    detailed_exitcode: Annotated[
        bool,
        typer.Option("--detailed-exitcode", help="End with 8 when changes are pending, 0 when none are."),
    ] = False,
) -> int:
    """What would be written now, field by field, decided on the live records. Writes nothing to a CRM."""
    answer = carried_out(session, Ask("plan", {}))
    assert answer is not None  # it was waited for
    view = plan_of(answer.document)
    if session.options.json:
        session.out.json(answer.document)
    else:
        show_plan(session, view)
    code = answer.exit_code
    return 8 if code == 0 and detailed_exitcode and view.changes else code


def show_plan(session: Session, view: PlanView) -> None:
    """A plan, as a table."""
    out = session.out
    rows = [
        (change.crm, change.object, change.id, change.field, change.before, change.after, change.reason)
        for change in view.changes
    ]
    if rows:
        out.table(("crm", "object", "id", "field", "before", "after", "reason"), rows)
    for reason in view.blocked_by:
        out.line(f"needs approval: {reason}", "warning")
    out.line(f"{len(rows):,} changes" + (f", plan {view.digest}" if rows else "; nothing to write"))
    if rows:
        verb = "approve" if view.blocked_by else "apply"
        out.say(f"Let it out with: mqlsync {verb} {view.digest}")
    show_problems(out, view.problems)


@command(app, "apply")
def apply(
    session: Session, digest: Digest, yes: Yes = False, confirm: Confirm = None, no_wait: NoWait = False
) -> int:
    """Carry out a plan that was shown. What changed since then is left out, with its reason."""
    return _released(session, "apply", digest, yes=yes, confirm=confirm, wait=not no_wait)


@command(app, "approve")
def approve(
    session: Session,
    digest: MaybeDigest = None,
    yes: Yes = False,
    confirm: Confirm = None,
    no_wait: NoWait = False,
) -> int:
    """Release the plan that waits for approval and carry it out at once."""
    return _released(session, "approve", digest, yes=yes, confirm=confirm, wait=not no_wait)


def _released(
    session: Session, kind: str, digest: str | None, *, yes: bool, confirm: int | None, wait: bool
) -> int:
    with session.app() as opened:
        chosen = _agreed(opened, digest, yes, confirm)
    answer = carried_out(session, Ask(kind, {"digest": chosen}), wait=wait)
    if answer is None:
        return 0
    show_report(session.out, RunReport.from_json(answer.document))
    return answer.exit_code


@command(app, "reject")
def reject(session: Session, digest: MaybeDigest = None, yes: Yes = False) -> int:
    """Drop the plan that waits for approval, with everything in it."""
    with session.app() as opened:
        chosen = _agreed(opened, digest, yes, None)
    answer = carried_out(session, Ask("reject", {"digest": chosen}))
    assert answer is not None  # it was waited for
    if session.options.json:
        session.out.json(answer.document)
    else:
        session.out.line(f"plan {chosen} dropped, {answer.document['dropped']:,} changes with it")
    return answer.exit_code


def _agreed(opened: App, digest: str | None, yes: bool, confirm: int | None) -> str:
    """The full digest of the plan meant, once the caller has agreed to its size."""
    with opened.mirror.read() as conn:
        chosen = plans.choose(conn, digest)
        size = len(plans.items(conn, chosen))
    if confirm is not None and confirm != size:
        raise UsageFault(f"Plan {chosen} has {size:,} changes, not {confirm:,}: nothing was done.")
    if not yes and confirm is None and sys.stdin.isatty() and sys.stdout.isatty():
        typer.confirm(f"Plan {chosen}: {size:,} changes. Go on?", abort=True, err=True)
    return chosen
