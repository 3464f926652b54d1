"""`completion`: the lines with which a shell completes commands, options and their values."""

from __future__ import annotations

from typing import Annotated, Final

import typer
from typer._completion_shared import get_completion_script

from sync.cli.errors import UsageFault
from sync.cli.options import command
from sync.cli.session import Session
from sync.cli.words import one_of, unknown
from sync.reports import SCHEMA_VERSION

SHELLS: Final = ("bash", "zsh", "fish")
app = typer.Typer(rich_markup_mode=None, add_completion=False)


@command(app, "completion")
def completion(
    session: Session,
    shell: Annotated[
        str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.", autocompletion=one_of(SHELLS))
    ],
) -> int:
    """Print what makes a shell complete mqlsync: `eval "$(mqlsync completion bash)"` in its start-up file."""
    if shell not in SHELLS:
        raise UsageFault(unknown("completion for", shell, SHELLS))
    script = get_completion_script(prog_name="mqlsync", complete_var="_MQLSYNC_COMPLETE", shell=shell)
    if session.options.json:
        session.out.json({"schema_version": SCHEMA_VERSION, "shell": shell, "script": script})
    else:
        session.out.lines(script)
    return 0
