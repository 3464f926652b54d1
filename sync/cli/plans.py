"""`plan`, `apply`, `approve` and `reject`: what would be written, and letting it out."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sync import pipeline
from sync.cli.errors import UsageFault
from sync.cli.options import command
from sync.cli.passes import require_crm
from sync.cli.report import gravest, show_problems, show_report
from sync.cli.session import Session
from sync.context import App
from sync.mirror import plans
from sync.reports import SCHEMA_VERSION
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
    with session.app() as opened, session.out.progress() as progress:
        require_crm(opened, None)
        view = pipeline.plan(opened, progress)
    show_plan(session, view)
    code = gravest(view.problems)
    return 8 if code == 0 and detailed_exitcode and view.changes else code


def show_plan(session: Session, view: PlanView) -> None:
    """A plan, as JSON or as a table."""
    out = session.out
    if out.options.json:
        out.json(view.to_json())
        return
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
def apply(session: Session, digest: Digest, yes: Yes = False, confirm: Confirm = None) -> int:
    """Carry out a plan that was shown. What changed since then is left out, with its reason."""
    with session.app() as opened:
        require_crm(opened, None)
        chosen = _agreed(opened, digest, yes, confirm)
        with session.out.progress() as progress:
            report = pipeline.apply(opened, chosen, progress)
    show_report(session.out, report)
    return report.exit_code


@command(app, "approve")
def approve(session: Session, digest: MaybeDigest = None, yes: Yes = False, confirm: Confirm = None) -> int:
    """Release the plan that waits for approval and carry it out at once."""
    with session.app() as opened:
        require_crm(opened, None)
        chosen = _agreed(opened, digest, yes, confirm)
        with session.out.progress() as progress:
            report = pipeline.approve(opened, chosen, progress)
    show_report(session.out, report)
    return report.exit_code


@command(app, "reject")
def reject(session: Session, digest: MaybeDigest = None, yes: Yes = False) -> int:
    """Drop the plan that waits for approval, with everything in it."""
    with session.app() as opened:
        chosen = _agreed(opened, digest, yes, None)
        dropped = pipeline.reject(opened, chosen)
    if session.options.json:
        session.out.json({"schema_version": SCHEMA_VERSION, "digest": chosen, "dropped": dropped})
    else:
        session.out.line(f"plan {chosen} dropped, {dropped:,} changes with it")
    return 0


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
