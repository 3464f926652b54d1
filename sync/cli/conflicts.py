"""`conflicts`: what nobody but a person can decide, and the decision."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from config.world import epoch, iso_z
from connectors.records import RecordRef
from sync.cli.errors import NotFound, UsageFault
from sync.cli.failed import failed_json
from sync.cli.meant import the_user
from sync.cli.options import command, group
from sync.cli.rehearsal import DryRun, changing, said
from sync.cli.session import Session
from sync.cli.times import shown
from sync.core.counted import some
from sync.mirror import audit, conflicts, outbox, queries, routing
from sync.mirror.engine import Connection
from sync.mirror.queries import PersonView
from sync.reports import SCHEMA_VERSION

app = typer.Typer(rich_markup_mode=None, add_completion=False)
commands = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="What nobody but a person can decide: list, resolve."
)
app.add_typer(commands, name="conflicts")
group(commands)


@command(commands, "list")
def list_(session: Session) -> int:
    """Ambiguous people with their records, changes in conflict, and records that got no owner."""
    with session.app() as opened, opened.mirror.read() as conn:
        people = [person for person in queries.people(conn) if person.ambiguous]
        changes = [row for row in outbox.failed(conn) if row.state == "conflict"]
        unrouted = routing.unrouted(conn)
        decided = conflicts.decisions(conn)
    if session.options.json:
        session.out.json(
            {
                "schema_version": SCHEMA_VERSION,
                "ambiguous": [_person_json(person) for person in people],
                "changes": [failed_json(row) for row in changes],
                "unrouted": [
                    {
                        "crm": row.crm,
                        "object": row.object,
                        "id": row.record_id,
                        "person_id": row.person_id,
                        "reason": row.reason,
                        "since": iso_z(row.at),
                    }
                    for row in unrouted
                ],
                "apart": [
                    {
                        **row.ref._asdict(),
                        "kept": row.kept_id,
                        "reason": row.reason,
                        "by": row.by,
                        "since": iso_z(row.at),
                    }
                    for row in decided
                ],
            }
        )
        return 0
    out = session.out
    if people:
        out.line(
            f"{some(len(people), 'person')} with several records in one CRM; nothing is written to them",
            "warning",
        )
        rows = [(p.person_id, p.name, ref.crm, ref.object, ref.id) for p in people for ref in p.records]
        out.table(("person", "name", "crm", "object", "record"), rows)
        out.say("Merge them in the CRM, or say which counts: mqlsync conflicts resolve PERSON --keep RECORD")
    if changes:
        out.line(f"{some(len(changes), 'change')} in conflict", "warning")
        columns = ("id", "crm", "object", "record", "field", "message", "since")
        rows_ = [
            (r.intent_id[:12], r.crm, r.object, r.id, r.field, r.message, shown(r.since)) for r in changes
        ]
        out.table(columns, rows_)
        out.say("Try again with `mqlsync failed retry ID`, or give up with `mqlsync failed skip ID`.")
    if unrouted:
        out.line(f"{some(len(unrouted), 'record')} of MQLs got no owner", "warning")
        held = [(r.crm, r.object, r.record_id, r.person_id, r.reason) for r in unrouted]
        out.table(("crm", "object", "record", "person", "reason"), held)
    if decided:
        out.line(f"{some(len(decided), 'record')} set apart by decision")
        apart = [(r.crm, r.object, r.id, r.kept_id, r.reason, r.by, shown(r.at)) for r in decided]
        out.table(("crm", "object", "record", "counts instead", "reason", "by", "since"), apart)
    if not (people or changes or unrouted):
        out.line("no conflicts", "ok")
    return 0


@command(commands, "resolve")
def resolve(
    session: Session,
    who: Annotated[
        str, typer.Argument(metavar="WHO", help="An e-mail address, a person id, a record's id, or its URL.")
    ],
    keep: Annotated[
        str | None,
        typer.Option("--keep", metavar="RECORD", help="The id of the record that counts in its CRM."),
    ] = None,
    together: Annotated[
        bool, typer.Option("--together", help="Forget what was decided about this person's records.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", metavar="T", help="Why; kept for the audit.")] = "",
    dry_run: DryRun = False,
) -> int:
    """Decide which record of an ambiguous person counts; its others become people of their own.

    Nothing is written to a CRM by this; the next sync matches the records anew.
    """
    if (keep is not None) is together:
        raise UsageFault("Say one: --keep RECORD, or --together.")
    with session.app() as opened, changing(opened, dry_run) as conn:
        records = _records(conn, who)
        now = epoch(session.world.now())
        if keep is not None:
            kept = _one(records, keep)
            changed = conflicts.set_apart(conn, records, kept, reason=reason, by=the_user(), now=now)
            if not changed:
                raise UsageFault(f"{keep} is the person's only record in {kept.crm}: nothing to decide.")
        else:
            changed = conflicts.put_together(conn, records)
        action = "set_apart" if keep is not None else "put_together"
        entries = [audit.Entry(action, f"{r.crm}.{r.object}.{r.id}", {"reason": reason}) for r in changed]
        audit.append(conn, entries, at=now, run_id="", actor="operator")
    if session.options.json:
        answer = [ref._asdict() for ref in changed]
        head = {"schema_version": SCHEMA_VERSION, "action": action, "dry_run": dry_run}
        session.out.json({**head, "records": answer})
    else:
        names = ", ".join(f"{ref.object} {ref.id}" for ref in changed) or "nothing"
        verb = "set apart" if keep is not None else "put together again"
        session.out.line(said(f"{verb}: {names}; the next sync matches them anew", dry_run))
    return 0


def _records(conn: Connection, who: str) -> list[RecordRef]:
    found = queries.find_people(conn, who)
    if not found:
        raise NotFound(f"Nobody is known as {who}.")
    if len(found) > 1:
        raise UsageFault(f"{who} means {len(found)} people: give a person id or a record's id.")
    return queries.records_of(conn, found).get(found[0], [])


def _one(records: list[RecordRef], typed: str) -> RecordRef:
    found = [ref for ref in records if ref.id == typed or (len(typed) == 15 and ref.id[:15] == typed)]
    if len(found) != 1:
        known = ", ".join(ref.id for ref in records)
        raise NotFound(f"{typed} is not a record of this person; its records: {known}.")
    return found[0]


def _person_json(person: PersonView) -> dict[str, Any]:
    answer = person.to_json()
    return {name: answer[name] for name in ("person_id", "name", "emails", "company", "stage", "records")}
