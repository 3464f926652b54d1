"""`db`: the mirror's own upkeep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sync.cli.copying import copy
from sync.cli.options import command, group
from sync.cli.rehearsal import DryRun
from sync.cli.session import Session
from sync.core.counted import some
from sync.mirror import health
from sync.mirror.backup import back_up, restored, space_for, unapproved, whole
from sync.mirror.backup import restore as put_back
from sync.mirror.behind import is_behind
from sync.mirror.engine import Mirror
from sync.privacy import remember_copy
from sync.reports import SCHEMA_VERSION

app = typer.Typer(rich_markup_mode=None, add_completion=False)
BackupFile = Annotated[Path, typer.Argument(metavar="FILE", help="The copy.")]
commands = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="The mirror: migrate, backup, restore, copy, verify, stats.",
)
app.add_typer(commands, name="db")
group(commands)
command(commands, "copy")(copy)


@command(commands, "migrate")
def migrate(session: Session, dry_run: DryRun = False) -> int:
    """Create the mirror, or bring it up to this version's schema. Every other command does so by itself."""
    if dry_run:
        return _would_migrate(session)
    with session.app() as opened:
        where = opened.mirror.where
    if session.options.json:
        session.out.json({"schema_version": SCHEMA_VERSION, "mirror": where, "dry_run": False, "due": False})
    else:
        session.out.line(f"{where} is up to date", "ok")
    return 0


def _would_migrate(session: Session) -> int:
    """Whether the mirror is of this version's schema; it is not even made when there is none."""
    mirror = Mirror(session.settings.database_url, session.world)
    try:
        due = mirror.path is not None and not mirror.path.exists()
        if not due:
            with mirror.read() as conn:
                due = is_behind(conn)
    finally:
        mirror.close()
    if session.options.json:
        head = {"schema_version": SCHEMA_VERSION, "mirror": mirror.where}
        session.out.json({**head, "dry_run": True, "due": due})
    else:
        what = "would be brought up to date" if due else "is up to date"
        session.out.line(f"dry run, nothing was changed: {mirror.where} {what}")
    return 0


@command(commands, "backup")
def backup(session: Session, file: BackupFile, dry_run: DryRun = False) -> int:
    """Copy the mirror to FILE, also while the daemon runs. The copy holds personal data."""
    with session.app() as opened:
        where = opened.mirror.where
        size = space_for(opened.mirror, file) if dry_run else back_up(opened.mirror, file)
        if not dry_run:
            remember_copy(opened, "backup", file)
    if session.options.json:
        head = {"schema_version": SCHEMA_VERSION, "mirror": where, "backup": str(file)}
        session.out.json({**head, "bytes": size, "dry_run": dry_run})
    elif dry_run:
        session.out.line(f"dry run, nothing was changed: {size / 1024**2:,.1f} MiB would go to {file}")
    else:
        session.out.line(f"{where} copied to {file}, {size / 1024**2:,.1f} MiB", "ok")
    return 0


@command(commands, "restore")
def restore(session: Session, file: BackupFile, dry_run: DryRun = False) -> int:
    """Put a copy in the mirror's place. Nothing is written to a CRM before you have approved a plan again."""
    mirror = Mirror(session.settings.database_url, session.world)
    if dry_run:
        return _would_restore(session, mirror, file)
    former = put_back(mirror, file, session.world, session.settings.privacy.marks_file)
    kept = None if former is None else str(former)
    if session.options.json:
        session.out.json(
            {"schema_version": SCHEMA_VERSION, "mirror": mirror.where, "former": kept, "dry_run": False}
        )
        return 0
    session.out.line(f"{mirror.where} is what {file} was", "ok")
    if kept is not None:
        session.out.line(f"the former one is kept in {kept}")
    session.out.say("What was on its way is read back first; the first plan waits for `mqlsync approve`.")
    return 0


def _would_restore(session: Session, mirror: Mirror, file: Path) -> int:
    """Whether the copy is whole, and what it would take the place of."""
    try:
        people = whole(mirror, file, session.world)
    finally:
        mirror.close()
    if session.options.json:
        head = {"schema_version": SCHEMA_VERSION, "mirror": mirror.where, "former": None}
        session.out.json({**head, "dry_run": True, "people": people})
    else:
        session.out.line(f"dry run, nothing was changed: {file} is whole, with {some(people, 'person')}")
        session.out.line(f"it would take the place of {mirror.where}, which would be kept beside it")
    return 0


@command(commands, "restored")
def restored_by_others(session: Session, dry_run: DryRun = False) -> int:
    """Say that other tools (pg_restore, a snapshot) put an older mirror back: no approval in it counts."""
    with session.app() as opened:
        where = opened.mirror.where
        if dry_run:
            with opened.mirror.read() as conn:
                number = unapproved(conn)
        else:
            number = restored(opened.mirror, session.world)
    if session.options.json:
        head = {"schema_version": SCHEMA_VERSION, "mirror": where}
        session.out.json({**head, "dry_run": dry_run, "open_changes": number})
        return 0
    if dry_run:
        session.out.line(
            f"dry run, nothing was changed: {some(number, 'open change')} would have to be approved"
        )
        return 0
    session.out.line(f"{where} begins anew: {some(number, 'open change')} to be approved", "ok")
    session.out.say("What was on its way is read back first; the first plan waits for `mqlsync approve`.")
    return 0


@command(commands, "verify")
def verify(session: Session) -> int:
    """Check the mirror for damage: the file's structure, references between rows, the audit chain."""
    with session.app() as opened:
        where = opened.mirror.where
        with opened.mirror.read() as conn:
            found = health.damage(conn)
    if session.options.json:
        session.out.json(
            {"schema_version": SCHEMA_VERSION, "mirror": where, "ok": not found, "damage": found}
        )
    else:
        for line in found:
            session.out.line(line, "error")
        session.out.line(f"{where} is damaged" if found else f"{where} is whole", "error" if found else "ok")
    return 12 if found else 0


@command(commands, "stats")
def stats(session: Session) -> int:
    """Rows per table and the size of the file."""
    with session.app() as opened:
        where, path = opened.mirror.where, opened.mirror.path
        with opened.mirror.read() as conn:
            rows = health.sizes(conn)
    size = path.stat().st_size if path else None
    if session.options.json:
        session.out.json({"schema_version": SCHEMA_VERSION, "mirror": where, "bytes": size, "rows": rows})
        return 0
    session.out.line(where + ("" if size is None else f", {size / 1024**2:,.1f} MiB"))
    session.out.table(("table", "rows"), list(rows.items()), ("rows",))
    return 0
