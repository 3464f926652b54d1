"""The options that every command has, before or after its name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from sync.cli.errors import ReaderGone
from sync.cli.given import Globals
from sync.cli.session import Session

ConfigDir = Annotated[
    Path | None,
    typer.Option(
        "--config-dir", metavar="DIR", help="Folder with mqlsync.toml and scoring.toml.", show_default=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No messages, only results and errors.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="More messages, and where an error came from.")
]


SENTENCE: Final = 200  # characters of a command's first sentence in the help of its group

_GLOBAL: Final = (
    ("config_dir", ConfigDir, None),
    ("as_json", Json, False),
    ("quiet", Quiet, False),
    ("verbose", Verbose, False),
)


def command(app: typer.Typer, name: str) -> Callable[[Callable[..., int | None]], Callable[..., int | None]]:
    """Register a function `f(session, …) -> exit code` as a command that has the global options too."""

    def register(function: Callable[..., int | None]) -> Callable[..., int | None]:
        app.command(name)(with_globals(function))
        return function

    return register


class Group(TyperGroup):
    """Commands whose help says the whole first sentence of each, however many lines it takes."""

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """The list under `Commands:`."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, command.get_short_help_str(SENTENCE)) for name, command in found if command]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def group(app: typer.Typer) -> None:
    """Let the name of a group of commands be followed by global options; its help tells whole sentences."""
    app.info.cls = Group

    def callback(session: Session) -> None:  # noqa: ARG001 (taking the options is all)
        return None

    app.callback()(with_globals(callback))


def _take(options: Globals, given: dict[str, Any]) -> None:
    """Add what one level of the command line was given to what the levels before it were."""
    options.config_dir = given["config_dir"] or options.config_dir
    options.json = options.json or given["as_json"]
    options.quiet = options.quiet or given["quiet"]
    options.verbose = options.verbose or given["verbose"]


def with_globals(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with the global options added and its session taken from the context."""
    signature = inspect.signature(function, eval_str=True)
    own = [value for name, value in signature.parameters.items() if name != "session"]
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    extra = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
        for name, kind, default in _GLOBAL
    ]
    shown = [value.replace(kind=inspect.Parameter.KEYWORD_ONLY) for value in own]

    @functools.wraps(function)
    def wrapper(ctx: typer.Context, **values: Any) -> Any:
        given = {name: values.pop(name) for name, _, _ in _GLOBAL}
        session: Session = ctx.obj
        _take(session.options, given)
        try:
            return function(session, **values)
        except BrokenPipeError:
            raise ReaderGone from None

    parameters = [context, *shown, *extra]
    wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {value.name: value.annotation for value in parameters}
    return wrapper
