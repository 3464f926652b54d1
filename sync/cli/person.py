"""`person`: one person, their score in parts, and what happened when."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from config.world import epoch
from connectors.records import Crm
from sync.cli.errors import NotFound, UsageFault
from sync.cli.handing import carried_out
from sync.cli.meant import the_person
from sync.cli.options import command, group
from sync.cli.output import Output
from sync.cli.overriding import override
from sync.cli.owners import OwnerNames
from sync.cli.releasing import release
from sync.cli.session import Session
from sync.cli.times import moment, shown
from sync.cli.undo import show_order
from sync.cli.words import unknown
from sync.mirror import overrides, timeline
from sync.mirror.explain import explain_person
from sync.mirror.overrides import Override
from sync.mirror.queries import PersonView
from sync.mirror.requests import Ask
from sync.mirror.timeline import Decided, RecordView
from sync.reports import SCHEMA_VERSION

app = typer.Typer(rich_markup_mode=None, add_completion=False)
commands = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="One person: show, explain, timeline, override, release, demote.",
)
app.add_typer(commands, name="person")
group(commands)

Who = Annotated[
    str, typer.Argument(metavar="WHO", help="An e-mail address, a person id, a record's id, or its URL.")
]


@command(commands, "show")
def show(session: Session, who: Who) -> int:
    """One person: records, stage, score, and what was written."""
    with session.app() as opened, opened.mirror.read() as conn:
        person = the_person(conn, who)
        records = timeline.records(conn, person.person_id)
        writes = timeline.writes(conn, person.person_id)
        held = overrides.current(conn, person.person_id)
        called = OwnerNames(conn)
    if session.options.json:
        answer = person.to_json()
        answer["records"] = [
            {
                **record.ref._asdict(),
                "status": record.status,
                "lifecycle": record.lifecycle,
                "owner": record.owner,
            }
            for record in records
        ]
        answer["writes"] = [write.to_json() for write in writes]
        answer["override"] = held and held.to_json()
        session.out.json({"schema_version": SCHEMA_VERSION, **answer})
    else:
        _show(session.out, person, records, writes, held, called)
    return 0


def _show(
    out: Output,
    person: PersonView,
    records: list[RecordView],
    writes: list[Decided],
    held: Override | None,
    called: OwnerNames,
) -> None:
    out.line(f"{person.name or '(no name)'}, {person.company or '(no company)'}", "bold")
    out.line(", ".join(person.emails) or "(no e-mail address)")
    score = person.score
    if score:
        axes = f"fit {score['fit']:g}, engagement {score['engagement']:g}"
        out.line(f"{person.stage}; {score['total']:g} points ({axes}), grade {score['grade']}")
    else:
        out.line(f"{person.stage}; not scored")
    if person.entered_at is not None:
        out.line(f"MQL since {shown(person.entered_at)} UTC, by {person.entered_by}")
    if person.suppressed:
        out.line(f"suppressed: {person.suppressed}", "warning")
    if held:
        out.line(
            f"{held.words} by override of {held.by} until {shown(held.until)} UTC: {held.reason}", "note"
        )
    if person.ambiguous:
        out.line("ambiguous: more than one live record of one CRM; scored, never written", "warning")
    columns = ("crm", "object", "id", "status", "lifecycle", "owner", "email", "joined by")
    out.table(columns, [tuple(record) for record in records])
    if writes:
        out.line()
        rows = [
            (
                one.crm,
                one.object,
                one.id,
                one.field,
                called(one.crm, one.field, one.before),
                called(one.crm, one.field, one.after),
                one.state,
                one.why,
                shown(one.done_at or one.created_at),
            )
            for one in writes
        ]
        out.table(("crm", "object", "id", "field", "before", "after", "state", "why", "when (UTC)"), rows)


@command(commands, "demote")
def demote(
    session: Session,
    who: Who,
    stage: Annotated[
        str, typer.Option("--stage", metavar="STAGE", help="The lifecycle stage, by HubSpot's own name.")
    ],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Carry it out at once.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only show it: no plan waits afterwards.")
    ] = False,
) -> int:
    """Take the lifecycle stage of a person's HubSpot contact back, which no sync ever does.

    The stage is emptied and then set, for HubSpot ignores a stage that is set backwards. Without --yes it
    is a plan that waits: `approve` carries it out, `reject` drops it.
    """
    if not reason.strip() or not stage.strip():
        raise UsageFault("Say the stage and the reason.")
    with session.app() as opened, opened.mirror.read() as conn:
        person = the_person(conn, who)
        records = timeline.records(conn, person.person_id)
    contacts = [one.ref.id for one in records if (one.crm, one.object) == (Crm.HUBSPOT, "contacts")]
    if not contacts:
        raise NotFound(f"{who} has no HubSpot contact.")
    order = {"person_id": person.person_id, "contacts": contacts, "ambiguous": person.ambiguous}
    said = {"stage": stage.strip(), "reason": reason.strip(), "now": yes, "dry_run": dry_run}
    answer = carried_out(session, Ask("demote", {**order, **said}))
    assert answer is not None  # it was waited for
    if session.options.json:
        session.out.json(answer.document)
    else:
        show_order(session, answer.document, "set back", dry_run=dry_run)
    return answer.exit_code


@command(commands, "explain")
def explain(
    session: Session,
    who: Who,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="TIME", help="The score as of that moment.")
    ] = None,
    known_at: Annotated[
        str | None, typer.Option("--known-at", metavar="TIME", help="With what was known by then.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="By this model.")] = None,
    at_spell: Annotated[
        str | None, typer.Option("--at-spell", metavar="ID", help="The score on which a spell was opened.")
    ] = None,
) -> int:
    """The score in parts that add up, what is missing to the threshold, and when it fades."""
    with session.app() as opened:
        names = [one.name for one in opened.models]
        if model is not None and model not in names:
            raise UsageFault(unknown("model", model, names))
        with opened.mirror.read() as conn:
            answer = explain_person(
                conn,
                the_person(conn, who).person_id,
                opened.models,
                now=epoch(session.world.now()),
                as_of=moment(as_of),
                known_at=moment(known_at),
                model=model,
                spell=at_spell,
            )
    if answer is None:
        raise NotFound("There is no score of that person, model or spell.")
    if session.options.json:
        session.out.json({"schema_version": SCHEMA_VERSION, **answer})
    else:
        show_explanation(session.out, answer)
    return 0


def show_explanation(out: Output, answer: dict[str, Any]) -> None:
    """An explanation as a person reads it."""
    name = answer.get("name") or answer.get("email") or answer["person_id"]
    out.line(f"{name}: {answer['stage']}", "bold")
    out.line(answer["summary"])
    for hit in answer["hits"]:
        out.line(f"  {hit['points']:+8g}  {hit['text']}")
    score = answer["score"]
    out.line(
        f"  {score['total']:8g}  total, by {score['model']} version {score['version']} as of {score['as_of']}"
    )
    if answer["from"] == "spell":
        out.line("as it was when the spell was opened", "note")
    if answer["suppressed"]:
        out.line(f"suppressed: {answer['suppressed']}; never an MQL whatever the points", "warning")
    held = answer["override"]
    if held:
        what = f"override of {held['by']} until {held['until']}: {held['reason']}"
        out.line(f"{held['stage'] or held['verdict'].replace('_', ' ')} by {what}", "note")
    if answer["missing"]:
        gaps = ", ".join(f"{gap['points']:g} {gap['axis']}" for gap in answer["missing"])
        out.line(f"missing to the threshold: {gaps} points")
    if answer["missing_fields"]:
        out.line(f"missing facts: {', '.join(answer['missing_fields'])}", "warning")
    fades = (answer.get("fades") or {}).get("below_enter_at")
    if fades:
        out.line(f"without anything new, below the threshold from {fades} on")


@command(commands, "timeline")
def show_timeline(
    session: Session,
    who: Who,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many moments.")] = 50,
) -> int:
    """What the person did, when they were an MQL, and every write, newest first."""
    with session.app() as opened, opened.mirror.read() as conn:
        person = the_person(conn, who)
        moments = timeline.timeline(conn, person.person_id, limit)
    if session.options.json:
        listed = [one.to_json() for one in moments]
        session.out.json(
            {"schema_version": SCHEMA_VERSION, "person_id": person.person_id, "timeline": listed}
        )
        return 0
    rows = [(shown(one.at), one.kind, one.crm, one.what, one.detail) for one in moments]
    session.out.table(("when (UTC)", "", "crm", "what", "detail"), rows)
    return 0


command(commands, "override")(override)
command(commands, "release")(release)
