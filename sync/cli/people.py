"""`people`: everybody, or those of a stage, an owner or a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from config.settings import STAGES
from config.world import epoch, iso_z
from sync.cli.errors import UsageFault
from sync.cli.options import command
from sync.cli.session import Session
from sync.cli.times import moment
from sync.cli.words import one_of, unknown
from sync.context import App
from sync.core.counted import some
from sync.mirror import explain, queries
from sync.mirror.engine import Connection
from sync.mirror.models import stored_names
from sync.mirror.queries import PersonView
from sync.privacy import remember_copy
from sync.reports import SCHEMA_VERSION

app = typer.Typer(rich_markup_mode=None, add_completion=False)

COLUMNS = ("name", "who", "company", "stage", "total", "fit", "eng", "grade", "mql since", "note")
NUMBERS = ("total", "fit", "eng")
CSV_COLUMNS = (
    "person_id",
    "name",
    "emails",
    "company",
    "stage",
    "suppressed",
    "ambiguous",
    "total",
    "fit",
    "engagement",
    "grade",
    "model",
    "version",
    "as_of",
    "mql_entered_at",
    "mql_entered_by",
    "records",
)


@command(app, "people")
def people(
    session: Session,
    stage: Annotated[
        str | None,
        typer.Option(
            "--stage", metavar="STAGE", help=f"One of {', '.join(STAGES)}.", autocompletion=one_of(STAGES)
        ),
    ] = None,
    owner: Annotated[
        str | None, typer.Option("--owner", metavar="WHO", help="Whose records: an address, id or name.")
    ] = None,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only those whom sales ought to have acted on by now.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Scores by this model, not the deciding one; of a shadow, `--stage mql` are its MQLs to be.",
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="TIME", help="Scores as of that moment; stages are today's."),
    ] = None,
    known_at: Annotated[
        str | None, typer.Option("--known-at", metavar="TIME", help="Scores with what was known by then.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write a CSV file (`-`: to stdout).")
    ] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line.")] = False,
) -> int:
    """People with their stage and score."""
    if stage is not None and stage not in STAGES:
        raise typer.BadParameter(unknown("stage", stage, STAGES))
    at, known = moment(as_of), moment(known_at)
    with session.app() as opened:
        decides = _decides(opened, model)
        with opened.mirror.read() as conn:
            now = epoch(session.world.now())
            found: Iterable[PersonView] = queries.people(
                conn,
                stage=stage,
                owner=owner,
                model=model,
                decides=decides,
                overdue_at=now if overdue else None,
            )
            if at is not None or known is not None:
                found = _as_of(
                    conn, opened, found, now if at is None else at, now if known is None else known, model
                )
            _print(session, found, csv, jsonl=jsonl)
        if csv is not None and str(csv) != "-":
            remember_copy(opened, "people_csv", csv)
    return 0


def _decides(opened: App, model: str | None) -> bool:
    """Whether the model asked for decides; it is one of ours, else UsageFault."""
    used = [one for one in opened.models if one.status in ("live", "shadow")]
    statuses = {one.name: one.status for one in opened.models} | {
        one.name: one.status for one in stored_names(used)
    }
    if model is not None and model not in statuses:
        raise UsageFault(unknown("model", model, list(statuses)))
    return model is None or statuses[model] == "live"


def _as_of(
    conn: Connection, opened: App, people: Iterable[PersonView], as_of: int, known_at: int, model: str | None
) -> Iterator[PersonView]:
    """The same people with their scores of another moment."""
    listed = list(people)
    views = explain.people_as_of(conn, opened.models, as_of=as_of, known_at=known_at, model=model)
    for person in listed:
        view = views.get(person.person_id)
        if view is None:
            yield replace(person, score=None, suppressed=None)
        else:
            yield replace(person, score=explain.score_json(view), suppressed=view.suppressed)


def _print(session: Session, people: Iterable[PersonView], csv: Path | None, *, jsonl: bool) -> None:
    out = session.out
    if csv is not None:
        count = out.csv(csv, CSV_COLUMNS, (_csv_row(person) for person in people))
        out.say(f"{some(count, 'person')} written to {csv}")
    elif jsonl:
        for person in people:
            out.json_line({"schema_version": SCHEMA_VERSION, **person.to_json()})
    elif session.options.json:
        out.json_list({"schema_version": SCHEMA_VERSION}, "people", (person.to_json() for person in people))
    else:
        rows = [_row(person) for person in people]
        out.table(COLUMNS, rows, NUMBERS)
        out.say(some(len(rows), "person"))


def _row(person: PersonView) -> tuple[object, ...]:
    score = person.score or {}
    note = "ambiguous" if person.ambiguous else person.suppressed
    if person.would_enter:
        note = "would be an MQL"
    since = iso_z(person.entered_at)
    return (
        person.name,
        person.emails[0] if person.emails else person.person_id,
        person.company,
        person.stage,
        *(score.get(name) for name in ("total", "fit", "engagement", "grade")),
        since[:10] if since else None,
        note,
    )


def _csv_row(person: PersonView) -> tuple[object, ...]:
    score = person.score or {}
    return (
        person.person_id,
        person.name,
        " ".join(person.emails),
        person.company,
        person.stage,
        person.suppressed,
        person.ambiguous,
        *(score.get(name) for name in ("total", "fit", "engagement", "grade", "model", "version", "as_of")),
        iso_z(person.entered_at),
        person.entered_by,
        " ".join(f"{ref.crm}:{ref.object}:{ref.id}" for ref in person.records),
    )
