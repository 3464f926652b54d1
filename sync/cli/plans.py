"""`plan`, `apply`, `approve` and `reject`: what would be written, and letting it out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from connectors.records import Crm
from sync.cli.asking import agreed
from sync.cli.errors import UsageFault
from sync.cli.handing import NoWait, carried_out
from sync.cli.options import command
from sync.cli.output import Output
from sync.cli.owners import OwnerNames, owner_names
from sync.cli.report import show_problems, show_report
from sync.cli.session import Session
from sync.context import App
from sync.core.counted import some
from sync.mirror import outbox, plans
from sync.mirror.requests import Ask
from sync.reports import SCHEMA_VERSION, RunReport
from sync.requests import plan_of
from sync.stages.plan import Change, PlanView

app = typer.Typer(rich_markup_mode=None, add_completion=False)

Digest = Annotated[str, typer.Argument(metavar="DIGEST", help="The plan, as `mqlsync plan` names it.")]
MaybeDigest = Annotated[
    str | None,
    typer.Argument(metavar="[DIGEST]", help="The plan; not needed while only one waits.", show_default=False),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Dry = Annotated[bool, typer.Option("--dry-run", "-n", help="Only show what the plan holds.")]
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
    rows = view.changes
    if rows:
        with session.app() as opened:
            _table(out, rows, owner_names(opened))
    for reason in view.blocked_by:
        out.line(f"needs approval: {reason}", "warning")
    out.line(some(len(rows), "change") + (f", plan {view.digest}" if rows else "; nothing to write"))
    if rows:
        verb = "approve" if view.blocked_by else "apply"
        out.say(f"Let it out with: mqlsync {verb} {view.digest}")
    show_problems(out, view.problems)


def _by_person(change: Change) -> tuple[str, ...]:
    """What is to happen to a person stands together, Salesforce first."""
    place = "0" if change.crm == Crm.SALESFORCE else "1"
    return change.person_id, place, change.object, change.id, change.field


def _table(out: Output, changes: Sequence[Change], names: OwnerNames) -> None:
    rows = [
        (
            one.crm,
            one.object,
            one.id,
            one.field,
            names(one.crm, one.field, one.before),
            names(one.crm, one.field, one.after),
            one.reason,
        )
        for one in sorted(changes, key=_by_person)
    ]
    out.table(("crm", "object", "id", "field", "before", "after", "reason"), rows)


@command(app, "apply")
def apply(
    session: Session,
    digest: Digest,
    yes: Yes = False,
    confirm: Confirm = None,
    dry_run: Dry = False,
    no_wait: NoWait = False,
) -> int:
    """Carry out a plan that was shown. What changed since then is left out, with its reason."""
    if dry_run:
        return _rehearsed(session, digest, "would be carried out")
    return _released(session, "apply", digest, yes=yes, confirm=confirm, wait=not no_wait)


@command(app, "approve")
def approve(
    session: Session,
    digest: MaybeDigest = None,
    yes: Yes = False,
    confirm: Confirm = None,
    dry_run: Dry = False,
    no_wait: NoWait = False,
) -> int:
    """Release the plan that waits for approval and carry it out at once."""
    if dry_run:
        return _rehearsed(session, digest, "would be let out")
    return _released(session, "approve", digest, yes=yes, confirm=confirm, wait=not no_wait)


def _released(
    session: Session, kind: str, digest: str | None, *, yes: bool, confirm: int | None, wait: bool
) -> int:
    with session.app() as opened:
        chosen = _chosen(opened, digest, yes, confirm)
    answer = carried_out(session, Ask(kind, {"digest": chosen}), wait=wait)
    if answer is None:
        return 0
    show_report(session.out, RunReport.from_json(answer.document))
    return answer.exit_code


@command(app, "reject")
def reject(session: Session, digest: MaybeDigest = None, yes: Yes = False, dry_run: Dry = False) -> int:
    """Drop the plan that waits for approval, with everything in it."""
    if dry_run:
        return _rehearsed(session, digest, "would be dropped")
    with session.app() as opened:
        chosen = _chosen(opened, digest, yes, None)
    answer = carried_out(session, Ask("reject", {"digest": chosen}))
    assert answer is not None  # it was waited for
    if session.options.json:
        session.out.json(answer.document)
    else:
        session.out.line(f"plan {chosen} dropped, {some(answer.document['dropped'], 'change')} with it")
    return answer.exit_code


def _rehearsed(session: Session, digest: str | None, what: str) -> int:
    """Show what a plan holds, as it was saved, and leave it waiting."""
    with session.app() as opened, opened.mirror.read() as conn:
        chosen = plans.choose(conn, digest)
        items = plans.items(conn, chosen)
        rows = outbox.by_ids(conn, [item.intent_id for item in items])
        names = OwnerNames(conn)
    lines = [(rows[item.intent_id], item) for item in items if item.intent_id in rows]
    changes = [
        Change(row.id, row.person_id, *row.ref, row.field, item.before, item.after, row.policy, row.reason)
        for row, item in lines
    ]
    if session.options.json:
        listed = [change.to_json() for change in changes]
        head = {"schema_version": SCHEMA_VERSION, "dry_run": True, "digest": chosen}
        session.out.json({**head, "changes": listed})
        return 0
    _table(session.out, changes, names)
    session.out.line(f"dry run: {some(len(changes), 'change')} of plan {chosen} {what}; nothing was done")
    return 0


def _chosen(opened: App, digest: str | None, yes: bool, confirm: int | None) -> str:
    """The full digest of the plan meant, once the caller has agreed to its size."""
    with opened.mirror.read() as conn:
        chosen = plans.choose(conn, digest)
        size = len(plans.items(conn, chosen))
    if confirm is not None and confirm != size:
        raise UsageFault(f"Plan {chosen} has {some(size, 'change')}, not {confirm:,}: nothing was done.")
    if not yes and confirm is None:
        agreed(f"Plan {chosen}: {some(size, 'change')}. Go on?")
    return chosen
