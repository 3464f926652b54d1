"""`person release`: what a person set may be replaced after all."""

from __future__ import annotations

from typing import Annotated

import typer

from config.world import epoch
from sync.cli.errors import NotFound, UsageFault
from sync.cli.meant import the_person, the_user
from sync.cli.rehearsal import DryRun, changing, said
from sync.cli.session import Session
from sync.mirror import audit, pins
from sync.reports import SCHEMA_VERSION


def release(
    session: Session,
    who: Annotated[
        str, typer.Argument(metavar="WHO", help="An e-mail address, a person id, a record's id, or its URL.")
    ],
    field: Annotated[
        str | None, typer.Option("--field", metavar="FIELD", help="Only this field of the CRM; else all.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="T", help="Why; kept for the audit.")] = "",
    dry_run: DryRun = False,
) -> int:
    """Let go of fields that write-back leaves alone because somebody edited them.

    The next sync decides the same change anew; whatever somebody sets after this holds again. An owner whom
    somebody chose is never replaced: unassign the record in the CRM instead.
    """
    if not reason.strip():
        raise UsageFault("Say why: --reason TEXT.")
    now = epoch(session.world.now())
    with session.app() as opened, changing(opened, dry_run) as conn:
        person = the_person(conn, who)
        rows = pins.held(conn, person.person_id, field)
        if not rows:
            what = f"no change of {field}" if field else "no change"
            raise NotFound(f"{who}: {what} gave way to somebody's edit in the present time as an MQL.")
        pins.release(conn, rows, reason.strip(), now)
        detail = {"reason": reason.strip(), "by": the_user()}
        entries = [
            audit.Entry("release", f"{row.crm}.{row.object}.{row.record_id}.{row.field}", detail)
            for row in rows
        ]
        audit.append(conn, entries, at=now, run_id="", actor="operator")
    if session.options.json:
        fields = [
            {"crm": row.crm, "object": row.object, "id": row.record_id, "field": row.field} for row in rows
        ]
        answer = {"schema_version": SCHEMA_VERSION, "person_id": person.person_id, "released": fields}
        session.out.json({**answer, "dry_run": dry_run})
    else:
        names = ", ".join(f"{row.object} {row.record_id} {row.field}" for row in rows)
        sentence = f"released: {names}; the next `mqlsync sync` decides anew"
        session.out.line(said(sentence, dry_run), "ok")
    return 0
