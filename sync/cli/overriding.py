"""`person override`: an administrator's word about one person, before the model and the CRMs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from config.settings import STAGES
from config.world import epoch
from sync.cli.errors import NotFound, UsageFault
from sync.cli.meant import the_person, the_user
from sync.cli.rehearsal import DryRun, changing, said
from sync.cli.session import Session
from sync.cli.times import moment, shown
from sync.cli.words import one_of, unknown
from sync.mirror import audit, overrides
from sync.mirror.overrides import Override
from sync.reports import SCHEMA_VERSION

if TYPE_CHECKING:
    from sync.mirror.engine import Connection
    from sync.mirror.queries import PersonView

NEXT = "it takes effect with the next `mqlsync sync`"


def override(
    session: Session,
    who: Annotated[
        str, typer.Argument(metavar="WHO", help="An e-mail address, a person id, a record's id, or its URL.")
    ],
    mql: Annotated[
        bool | None,
        typer.Option("--mql/--not-mql", help="An MQL whatever the points, or none whatever the points."),
    ] = None,
    stage: Annotated[
        str | None,
        typer.Option(
            "--stage",
            metavar="STAGE",
            help="Take this for what the CRMs say of the person.",
            autocompletion=one_of(STAGES),
        ),
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="T", help="Why; kept.")] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="When it ends by itself.")
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who says so, when it is not you.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="End what holds for the person.")] = False,
    dry_run: DryRun = False,
) -> int:
    """Decide about a person over the model, with a reason and an end.

    --mql opens a spell and keeps a low score from ending it; what sales says later still does. --not-mql
    ends an open spell and lets none begin. --stage stands for what the CRMs say. All end by themselves.
    """
    verdict, stage = _verdict(mql, stage)
    if clear == (verdict is not None):
        raise UsageFault("Say one of --mql, --not-mql, --stage STAGE and --clear.")
    now, end, author = epoch(session.world.now()), moment(until), by or the_user()
    if verdict is not None and (not (reason or "").strip() or end is None or end <= now):
        raise UsageFault("An override needs a --reason, and an end that is to come: --until TIME.")
    with session.app() as opened, changing(opened, dry_run) as conn:
        person = the_person(conn, who)
        person_id = person.person_id
        if verdict is None:
            held = _clear(conn, person, now, author, reason)
            sentence = f"{who}: {held.words} holds no longer; {NEXT}"
            return _said(session, person_id, None, said(sentence, dry_run))
        word = Override(
            opened.world.new_id(), person_id, verdict, stage, (reason or "").strip(), author, now, end or now
        )
        overrides.place(conn, word)
        detail = {"verdict": verdict, "stage": stage, "reason": word.reason, "until": word.until}
        _keep(conn, person, "override", detail, now, author)
    sentence = f"{who}: {word.words} until {shown(word.until)} UTC; {NEXT}"
    return _said(session, person_id, word, said(sentence, dry_run))


def _verdict(mql: bool | None, stage: str | None) -> tuple[str | None, str | None]:
    """What is said; `--stage mql` is `--mql`."""
    if stage is not None and stage not in STAGES:
        raise UsageFault(unknown("stage", stage, STAGES))
    if stage is not None and mql is not None:
        raise UsageFault("Say either --stage or --mql/--not-mql.")
    if mql or stage == "mql":
        return "mql", None
    if mql is False:
        return "not_mql", None
    return ("stage", stage) if stage else (None, None)


def _clear(conn: Connection, person: PersonView, now: int, author: str, reason: str | None) -> Override:
    held = overrides.end(conn, person.person_id, now, "cleared")
    if held is None:
        raise NotFound("No override holds for this person.")
    detail = {"verdict": held.verdict, "stage": held.stage, "reason": reason}
    _keep(conn, person, "override_cleared", detail, now, author)
    return held


def _keep(
    conn: Connection, person: PersonView, action: str, detail: Mapping[str, object], now: int, author: str
) -> None:
    """In the audit, under the person's first record: that is how acts are found and erased."""
    first = person.records[0]
    entry = audit.Entry(action, f"{first.crm}.{first.object}.{first.id}", {**detail, "by": author})
    audit.append(conn, [entry], at=now, run_id="", actor="operator")


def _said(session: Session, person_id: str, word: Override | None, sentence: str) -> int:
    if session.options.json:
        session.out.json(
            {
                "schema_version": SCHEMA_VERSION,
                "person_id": person_id,
                "override": word and word.to_json(),
                "message": sentence,
            }
        )
    else:
        session.out.line(sentence, "ok")
    return 0
