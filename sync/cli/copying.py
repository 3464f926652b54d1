"""`db copy`: a mirror into another database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from config.paths import sqlite_url
from config.urls import database_url_fault, has_password
from sync.cli.errors import UsageFault
from sync.cli.session import Session
from sync.core.counted import some
from sync.mirror import copying
from sync.mirror.engine import Mirror
from sync.reports import SCHEMA_VERSION

HOW = "A file, a database URL without password, or env:NAME for a URL in an environment variable."
From = Annotated[str, typer.Argument(metavar="FROM", help=f"The mirror. {HOW}")]
To = Annotated[str, typer.Argument(metavar="TO", help=f"Where it goes: a database without rows. {HOW}")]


def copy(
    session: Session,
    source: From,
    target: To,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Count what would go; change nothing.")
    ] = False,
) -> int:
    """Move a mirror into another database: a SQLite file into PostgreSQL, or back.

    Every table is counted and compared before anything is kept. The old mirror stays readable, and is marked:
    no command writes to a CRM from it any more.
    """
    urls = [_url(session, value) for value in (source, target)]
    if urls[0] == urls[1]:
        raise UsageFault("FROM and TO are the same database")
    old, new = (Mirror(url, session.world) for url in urls)
    try:
        if old.path is not None and not old.path.exists():
            raise UsageFault(f"there is no mirror at {old.where}")
        found = _count(old, new) if dry_run else _move(session, old, new)
    finally:
        old.close()
        new.close()
    _show(session, old, new, found, dry_run=dry_run)
    return 0


def _url(session: Session, value: str) -> str:
    """The URL that an argument stands for. A password on the command line would be seen by everybody here."""
    if value.startswith("env:"):
        given = session.environ.get(value.removeprefix("env:"))
        if not given:
            raise UsageFault(f"the environment variable {value.removeprefix('env:')} is not set")
    elif has_password(value):
        raise UsageFault("no password on the command line: use PGPASSFILE, or env:NAME for the whole URL")
    else:
        given = value if "://" in value else sqlite_url(Path(value))
    if fault := database_url_fault(given):
        raise UsageFault(fault)
    return given.replace("postgresql://", "postgresql+psycopg://", 1)


def _count(old: Mirror, new: Mirror) -> list[copying.Copied]:
    if new.path is None or new.path.exists():
        copying.refuse_if_filled(new)
    return [copying.Copied(table, rows, "") for table, rows in copying.count(old).items()]


def _move(session: Session, old: Mirror, new: Mirror) -> list[copying.Copied]:
    with session.out.progress() as progress:
        return copying.copy(old, new, session.world, progress.step)


def _show(session: Session, old: Mirror, new: Mirror, found: list[copying.Copied], *, dry_run: bool) -> None:
    total = sum(one.rows for one in found)
    if session.options.json:
        listed = [one._asdict() for one in found]
        head = {"schema_version": SCHEMA_VERSION, "from": old.where, "to": new.where, "dry_run": dry_run}
        session.out.json({**head, "rows": total, "tables": listed})
        return
    rows = [(one.table, one.rows) for one in found if one.rows]
    session.out.table(("table", "rows"), rows, ("rows",))
    done = "would be copied" if dry_run else "copied and compared"
    session.out.line(f"{some(total, 'row')} of {old.where} {done} to {new.where}", "ok")
    if not dry_run:
        session.out.say(f"{old.where} is marked as moved: set database_url to the new one.")
