"""The command `mqlsync`: parses, calls one command, and turns whatever happens into an exit code."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import FrameType
from typing import Annotated, Any, Final

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from config.world import RealWorld, World
from sync.cli.errors import ReaderGone, Stopped
from sync.cli.given import Globals
from sync.cli.options import Group, with_globals
from sync.cli.output import Output, safe_streams
from sync.cli.session import Session

COMMANDS: Final[Mapping[str, str]] = {
    "init": "setup",
    "doctor": "check",
    "sync": "passes",
    "plan": "plans",
    "apply": "plans",
    "approve": "plans",
    "reject": "plans",
    "resync": "again",
    "run": "passes",
    "worker": "working",
    "accounts": "accounts",
    "status": "state",
    "runs": "state",
    "budget": "state",
    "funnel": "funnel",
    "sla": "sla",
    "people": "people",
    "person": "person",
    "model": "model",
    "failed": "failed",
    "conflicts": "conflicts",
    "undo": "undo",
    "reconcile": "reconcile",
    "audit": "audit",
    "pause": "state",
    "resume": "state",
    "db": "database",
    "privacy": "privacy",
    "demo": "demo",
    "completion": "completion",
}
"""Every command and the module that it lives in, in the order of `--help`."""


def _commands_of(module: str) -> typer.Typer:
    """The commands of a module. Imported on demand: most of them bring the database or the CRMs along."""
    found: typer.Typer = import_module(f"sync.cli.{module}").app
    return found


class Root(Group):
    """The commands of the table above, each loaded when it is asked for."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        names: Any = dict.fromkeys(COMMANDS)
        self.commands = names  # what "did you mean" looks through

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        """All of them, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ARG002
        """The command of that name; None when there is none."""
        if cmd_name not in COMMANDS:
            return None
        found = get_command(_commands_of(COMMANDS[cmd_name]))
        inner = getattr(found, "commands", {}).get(cmd_name)
        return found if inner is None else inner


app = typer.Typer(
    cls=Root,
    name="mqlsync",
    help="Pulls Salesforce and HubSpot, decides who is an MQL, and writes it back safely.",
    epilog="Results go to stdout, messages to stderr. Exit codes: docs/reference.md.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    rich_markup_mode=None,
)


def _version(value: bool) -> None:
    if value:
        try:
            number = version("mqlsync")
        except PackageNotFoundError:
            number = "unknown"
        typer.echo(f"mqlsync {number}")
        raise typer.Exit


def _root(
    session: Session,  # noqa: ARG001 (taking the options is all)
    show_version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    return None


app.callback()(with_globals(_root))


def main(
    argv: Sequence[str] | None = None, *, world: World | None = None, environ: Mapping[str, str] | None = None
) -> int:
    """Run one command line and return its exit code. Tests bring their own world and environment."""
    stdout, stderr = safe_streams()
    options = Globals()
    out = Output(options, world or RealWorld(), stdout, stderr)
    session = Session(options, out.world, os.environ if environ is None else environ, out)
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        with _signals():
            code = get_command(app).main(args, prog_name="mqlsync", standalone_mode=False, obj=session)
            stdout.flush()
            return code if isinstance(code, int) else 0
    except (ReaderGone, BrokenPipeError):
        _forget_stdout()
        return 0
    except Stopped as stopped:
        out.error("Stopped. What was finished is kept; run the same command again to go on.")
        return stopped.code
    except typer.Abort:
        out.error("Nothing was done.")
        return 130
    except TyperException as error:
        _usage(out, error)
        return 2
    except Exception as error:  # noqa: BLE001 (the last line of defence: nobody is shown a traceback unasked)
        return _failed(out, error)


def _usage(out: Output, error: TyperException) -> None:
    """A command line that cannot be understood; asking for nothing shows the help."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" and context is not None:
        out.raw_message(context.get_help())
        return
    path = context.command_path if context is not None else "mqlsync"
    out.error(f"{error.format_message()}")
    out.say(f"Try `{path} --help`.")


def _failed(out: Output, error: Exception) -> int:
    """Word an error that a command could not deal with."""
    from sync.cli.exits import ending  # brings the database's errors along; needed only now

    end = ending(error)
    if out.options.verbose:
        out.raw_message("".join(traceback.format_exception(error)))
    for line in end.lines:
        out.error(line)
    return end.code


@contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM ends a command like Ctrl-C does; a second Ctrl-C ends it on the spot, which is as safe."""
    found = signal.getsignal(signal.SIGINT)
    if found not in (signal.default_int_handler, signal.SIG_IGN):  # not the main program: leave it be
        yield
        return

    def on_interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (a handler)
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
        raise Stopped(130)

    def on_terminate(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
        raise Stopped(143)

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, on_terminate)}
    if found is not signal.SIG_IGN:  # `mqlsync … &` in a script: the shell wants it left alone by Ctrl-C
        before[signal.SIGINT] = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _forget_stdout() -> None:
    """The reader has gone (`mqlsync people | head`): keep the interpreter from complaining at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
