"""`audit`: what was done, by whom, and whether the record of it is whole."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from config.world import iso_z
from sync.cli.errors import NotFound
from sync.cli.options import command
from sync.cli.owners import OwnerNames
from sync.cli.session import Session
from sync.cli.times import shown
from sync.core.counted import some
from sync.mirror import audit as chain
from sync.mirror import queries
from sync.mirror.audit import Act
from sync.reports import SCHEMA_VERSION

app = typer.Typer(rich_markup_mode=None, add_completion=False)

DAMAGED = 12
"""The exit code of a chain that does not hold."""

ERASED = "erased"
"""Stands where the words of an act were: a person was erased, or their time was over (`[retention]`)."""


@command(app, "audit")
def audit(
    session: Session,
    who: Annotated[
        str | None,
        typer.Argument(
            metavar="[WHO]", help="Only about this person: an address, an id or a URL.", show_default=False
        ),
    ] = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Only what this run did.")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many.")] = 50,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that no act was changed or taken out; 12 if one was.")
    ] = False,
) -> int:
    """What was done to the CRMs and by whom, newest first; each act's hash covers the one before it."""
    if verify:
        return _verify(session)
    with session.app() as opened, opened.mirror.read() as conn:
        records = None
        if who is not None:
            people = queries.find_people(conn, who)
            if not people:
                raise NotFound(f"Nobody is known as {who}.")
            records = [ref for refs in queries.records_of(conn, people).values() for ref in refs]
        found = chain.acts(conn, limit, run_id=run, records=records)
        called = OwnerNames(conn)
    if session.options.json:
        session.out.json_list({"schema_version": SCHEMA_VERSION}, "audit", (_json(act) for act in found))
        return 0
    rows = [
        (act.n, shown(act.at), act.actor, act.action, _subject(act), _words(act, called), act.run_id[:12])
        for act in found
    ]
    session.out.table(("n", "at", "by", "what", "on", "detail", "run"), rows, ("n",))
    return 0


def _verify(session: Session) -> int:
    with session.app() as opened, opened.mirror.read() as conn:
        broken = chain.broken_at(conn)
        count, last = chain.head(conn)
    if session.options.json:
        answer = {"acts": count, "head": last, "intact": broken is None, "broken_at": broken}
        session.out.json({"schema_version": SCHEMA_VERSION, **answer})
    elif broken is None:
        session.out.line(f"{some(count, 'act')}, none changed or taken out in between; head {last}", "ok")
    else:
        session.out.line(f"act {broken} does not follow from the one before it", "error")
        session.out.say("The mirror was changed by something else; `mqlsync db restore` has an earlier one.")
    return 0 if broken is None else DAMAGED


def _json(act: Act) -> dict[str, object]:
    """One act, as it stands in `audit --json`; once its words are gone, `subject` is a pseudonym."""
    return {**act._asdict(), "at": iso_z(act.at), "erased": act.detail is None}


def _subject(act: Act) -> str:
    return ERASED if act.detail is None else act.subject


def _words(act: Act, called: OwnerNames) -> str:
    detail = act.detail
    if detail is None:
        return ERASED
    if act.action == "write":
        crm, field = act.subject.partition(".")[0], act.subject.rpartition(".")[2]
        before, after = (
            called(crm, field, detail.get(name) or None) or "(empty)" for name in ("before", "after")
        )
        return f"{before} → {after}: {detail.get('fate')}"
    return "" if not detail else json.dumps(detail, sort_keys=True, ensure_ascii=False)
