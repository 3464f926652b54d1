"""`privacy`: what is held of one person, all of it in a file, and its erasure for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from config.world import epoch, iso_z
from sync.cli.errors import NotFound, UsageFault
from sync.cli.handing import carried_out
from sync.cli.options import command, group
from sync.cli.output import Output
from sync.cli.session import Session
from sync.core.counted import some
from sync.mirror import personal
from sync.mirror.backup import FileInTheWay
from sync.mirror.engine import Connection
from sync.mirror.personal import Subject
from sync.mirror.requests import Ask
from sync.privacy import erased_at, everything, held, order, remember_copy, withdraw
from sync.reports import SCHEMA_VERSION

app = typer.Typer(rich_markup_mode=None, add_completion=False)
commands = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Personal data of one person: find, export, erase."
)
app.add_typer(commands, name="privacy")
group(commands)

Who = Annotated[str, typer.Argument(metavar="WHO", help="An address, an id or a record's URL.")]

ASK_AGAIN = 6
"""The exit code of an erasure that nobody has confirmed."""


@command(commands, "find")
def find(session: Session, who: Who) -> int:
    """Where the data of a person lie: rows per table, and the files that commands wrote."""
    with session.app() as opened, opened.mirror.read() as conn:
        found = [held(conn, subject) for subject in _subjects(conn, who)]
    if session.options.json:
        session.out.json({"schema_version": SCHEMA_VERSION, "people": found})
        return 0
    for one in found:
        _show(session.out, one)
    return 0


@command(commands, "export")
def export(
    session: Session,
    who: Who,
    file: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it to a new file.")
    ] = None,
) -> int:
    """Everything that is held of a person, as JSON: the answer to a subject access request."""
    if file is not None and file.exists():
        raise FileInTheWay(file)
    with session.app() as opened:
        with opened.mirror.read() as conn:
            subject = _one(conn, who)
            value = everything(conn, subject, epoch(session.world.now()))
        if file is None:
            session.out.json(value)
            return 0
        session.out.file(file, value)
        remember_copy(opened, "privacy_export", file, subject.person_ids[0] if subject.person_ids else None)
    rows = sum(len(listed) for listed in value["tables"].values())
    if session.options.json:
        session.out.json({"schema_version": SCHEMA_VERSION, "file": str(file), "rows": rows})
    else:
        session.out.line(f"{some(rows, 'row')} written to {file}", "ok")
    return 0


@command(commands, "erase")
def erase(
    session: Session,
    who: Who,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Erase. It cannot be undone.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only show what would go.")] = False,
) -> int:
    """Erase a person from the mirror for good; neither a pull nor an older copy brings them back.

    The CRMs are left as they are: delete the person there too. Files that still hold them are listed.
    """
    with session.app() as opened:
        with opened.mirror.read() as conn:
            subject = _one(conn, who)
            before = held(conn, subject)
        if dry_run or not yes:
            return _only_show(session, before, dry_run=dry_run)
        order_id = order(opened, subject)
    try:
        answer = carried_out(session, Ask("erase", {"order": order_id}))
    finally:
        with session.app() as opened:
            withdraw(opened, order_id)
    assert answer is not None  # it was waited for
    done = {**answer.document, "erased": True, "dry_run": False, "copies": before["copies"]}
    if session.options.json:
        session.out.json(done)
    else:
        _tell(session.out, done)
    return answer.exit_code


def _only_show(session: Session, before: Mapping[str, Any], *, dry_run: bool) -> int:
    if session.options.json:
        shown = {"rows": before["rows"], "copies": before["copies"]}
        head = {"schema_version": SCHEMA_VERSION, "erased": False, "dry_run": dry_run}
        session.out.json({**head, **shown})
    else:
        _show(session.out, before)
    if dry_run:
        return 0
    session.out.warn("Nothing was erased: erasing cannot be undone. Add --yes to erase.")
    return ASK_AGAIN


def _subjects(conn: Connection, who: str) -> Sequence[Subject]:
    """Raises NotFound, which tells of an earlier erasure."""
    found = personal.find(conn, who)
    if found:
        return found
    at = erased_at(conn, who)
    raise NotFound(f"Nothing is held of {who}." + ("" if at is None else f" Erased at {iso_z(at)}."))


def _one(conn: Connection, who: str) -> Subject:
    found = _subjects(conn, who)
    if len(found) > 1:
        ids = ", ".join(subject.person_ids[0] for subject in found)
        raise UsageFault(f"{who} could be {len(found)} people; name one of {ids}.")
    return found[0]


def _show(out: Output, one: Mapping[str, Any]) -> None:
    out.line(", ".join([*one["addresses"], *one["person_ids"]]), "bold")
    for ref in one["records"]:
        out.line(f"  {ref['crm']} {ref['object']} {ref['id']}")
    out.table(("table", "rows"), list(one["rows"].items()), ("rows",))
    _copies(out, one["copies"])


def _tell(out: Output, done: Mapping[str, Any]) -> None:
    out.line(f"erased: {some(sum(done['rows'].values()), 'row')} in {some(len(done['rows']), 'table')}", "ok")
    if not done["complete"]:
        out.line("Another program reads the database: what was deleted is still in its log.", "warning")
        out.line("The next `mqlsync` command removes it once nobody reads.")
    _copies(out, done["copies"])
    out.say("Delete the person in the CRMs, too: nothing was deleted there. Here they are kept out.")


def _copies(out: Output, listed: Sequence[Mapping[str, Any]]) -> None:
    if not listed:
        return
    out.line("files that still hold them; deleting these is yours to do:", "warning")
    rows = [(one["kind"], one["at"], one["path"], "" if one["holds"] else "cannot be read") for one in listed]
    out.table(("kind", "written", "file", ""), rows)
