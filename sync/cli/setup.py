"""`init`: before anything can run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from config import paths
from config.accounts import account_of
from config.errors import ConfigError
from config.templates import template
from sync.cli import starting
from sync.cli.asking import on_terminal
from sync.cli.options import command
from sync.cli.session import Session
from sync.reports import SCHEMA_VERSION

app = typer.Typer(rich_markup_mode=None, add_completion=False)

Force = Annotated[
    bool, typer.Option("--force", help="Replace files that exist; the old ones are kept as FILE.old.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Only say which files would be written.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: only write the two files.")]


@command(app, "init")
def init(session: Session, force: Force = False, yes: Yes = False, dry_run: DryRun = False) -> int:
    """Write a commented mqlsync.toml and scoring.toml to start from.

    They go to --config-dir, else $MQLSYNC_CONFIG_DIR, else the current folder. Files that exist are kept.
    On a terminal it asks what belongs into them, looks into the CRMs without changing anything there, and
    ends in a dry run; not with --yes, --json or --quiet, nor for an account of accounts.toml.
    """
    folder = paths.new_config_dir(session.options.config_dir, session.environ)
    silent = yes or dry_run or session.options.json or session.options.quiet
    if on_terminal() and not silent and not _of_an_account(session, folder):
        from sync.cli.guide import guide  # brings the database and the CRMs along

        return guide(session, folder, force=force)
    return _write(session, folder, force=force, dry_run=dry_run)


def _of_an_account(session: Session, folder: Path) -> bool:
    """Whether an accounts.toml above the folder speaks of it, or cannot be read without it.

    Such an account's credentials are its own; they are not those of the environment that the guide reads.
    """
    try:
        return account_of(folder, session.environ) is not None
    except ConfigError:
        return True


def _write(session: Session, folder: Path, *, force: bool, dry_run: bool) -> int:
    """The templates as they are, nothing asked."""
    written: list[str] = []
    kept: list[str] = []
    for path in (folder / name for name in starting.FILES):
        if starting.mine_to_write(path, force=force):
            if not dry_run:
                starting.write(path, template(path.name))
            written.append(str(path))
        else:
            kept.append(str(path))
    if session.options.json:
        head = {"schema_version": SCHEMA_VERSION, "config_dir": str(folder)}
        session.out.json({**head, "written": written, "kept": kept, "dry_run": dry_run})
        return 0
    for name in written:
        session.out.line(f"would write {name}" if dry_run else f"wrote {name}")
    for name in kept:
        session.out.line(f"kept  {name} (it exists; --force replaces it)")
    if not dry_run:
        _next_steps(session, folder)
    return 0


def _next_steps(session: Session, folder: Path) -> None:
    here = starting.option_for(folder)
    session.out.say("")
    session.out.say("Next:")
    session.out.say(
        "  1. set the credentials in the environment (their names stand at the top of mqlsync.toml)"
    )
    session.out.say(f"  2. mqlsync doctor{here}            what is missing, and how to mend it")
    session.out.say(f"  3. mqlsync sync --dry-run{here}    pull, match and score; writes nothing to a CRM")
