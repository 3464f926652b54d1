"""`init` and `doctor`: before anything can run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from config import paths
from config.templates import template
from sync.cli.options import command
from sync.cli.session import Session
from sync.reports import SCHEMA_VERSION

app = typer.Typer(rich_markup_mode=None, add_completion=False)

Force = Annotated[
    bool, typer.Option("--force", help="Replace files that exist; the old ones are kept as FILE.old.")
]


@command(app, "init")
def init(session: Session, force: Force = False) -> int:
    """Write a commented mqlsync.toml and scoring.toml to start from.

    They go to --config-dir, else $MQLSYNC_CONFIG_DIR, else the current folder. Files that exist are kept.
    """
    folder = paths.new_config_dir(session.options.config_dir, session.environ)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    written: list[str] = []
    kept: list[str] = []
    for name in (paths.SETTINGS_FILE, paths.MODEL_FILE):
        (written if _write(folder / name, force) else kept).append(str(folder / name))
    if session.options.json:
        session.out.json(
            {"schema_version": SCHEMA_VERSION, "config_dir": str(folder), "written": written, "kept": kept}
        )
        return 0
    for path in written:
        session.out.line(f"wrote {path}")
    for path in kept:
        session.out.line(f"kept  {path} (it exists; --force replaces it)")
    _next_steps(session, folder)
    return 0


def _write(path: Path, force: bool) -> bool:
    """Write a template under that name, readable by its owner only; False when there is one to keep."""
    text = template(path.name)
    if path.exists():
        if not force:
            return False
        path.replace(path.with_name(f"{path.name}.old"))
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return True


def _next_steps(session: Session, folder: Path) -> None:
    here = "" if folder == Path.cwd() else f" --config-dir {folder}"
    session.out.say("")
    session.out.say("Next:")
    session.out.say(
        "  1. set the credentials in the environment (their names stand at the top of mqlsync.toml)"
    )
    session.out.say(f"  2. mqlsync doctor{here}            what is missing, and how to mend it")
    session.out.say(f"  3. mqlsync sync --dry-run{here}    pull, match and score; writes nothing to a CRM")
