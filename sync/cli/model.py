"""`model`: the scoring model as a file, before and when it goes live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from config.errors import nearest
from config.world import epoch
from scoring.explain import number
from scoring.lint import lint as lint_lines
from scoring.model import Model
from sync.app import load_models
from sync.cli.errors import NotFound, UsageFault
from sync.cli.model_meant import meant
from sync.cli.model_past import backtest_command, drift_command, suggest_command
from sync.cli.options import command, group
from sync.cli.rehearsal import DryRun, changing, said
from sync.cli.session import Session
from sync.mirror import models as published
from sync.mirror.comparison import Difference, compare, fires
from sync.mirror.leaks import leaks
from sync.reports import SCHEMA_VERSION

if TYPE_CHECKING:
    from sync.context import App
    from sync.mirror.engine import Connection

USUAL: Final = 0.9
"""A rule that gives points to a larger share of all people says little about any of them."""

app = typer.Typer(rich_markup_mode=None, add_completion=False)
commands = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="The scoring model: lint, diff, backtest, suggest, drift, publish.",
)
app.add_typer(commands, name="model")
group(commands)


@command(commands, "lint")
def lint(session: Session) -> int:
    """Check scoring.toml and models/*.toml: every problem at once, then what can be reached.

    With people in the mirror, rules are told that give points to nobody, or to more than 90 % of them.
    """
    models = load_models(session.loaded.config_dir)
    with session.app() as opened, opened.mirror.read() as conn:
        published.check_unchanged(conn, models)
        found = {
            model.where: [*lint_lines(model), *_fires(opened, conn, model), *_leaks(conn, model)]
            for model in models
        }
    if session.options.json:
        listed = [{**_json(model), "findings": found[model.where]} for model in models]
        session.out.json({"schema_version": SCHEMA_VERSION, "models": listed})
        return 0
    for model in models:
        session.out.line(f"{model.where}: {model.name} version {model.version} ({model.status})")
        for line in found[model.where]:
            session.out.line(f"  {line}")
    return 0


@command(commands, "publish")
def publish(
    session: Session,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="The model; not needed while there is only one."),
    ] = None,
    dry_run: DryRun = False,
) -> int:
    """Keep a model's text in the mirror: from then on this version never changes, edits need a new one."""
    with session.app() as opened:
        model = _chosen(list(opened.models), name)
        with changing(opened, dry_run) as conn:
            is_new = published.publish(conn, model, epoch(opened.world.now()))
    if session.options.json:
        head = {"schema_version": SCHEMA_VERSION, "published": is_new, "dry_run": dry_run}
        session.out.json({**head, **_json(model)})
    else:
        what = "is published" if is_new else "was published before, unchanged"
        session.out.line(said(f"{model.name} version {model.version} {what}", dry_run), "ok")
    return 0


@command(commands, "diff")
def diff(
    session: Session,
    a: Annotated[str, typer.Argument(metavar="A", help="A model: a file, or name@version.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The one to compare it with.")],
) -> int:
    """Who would qualify under B and not under A, who the other way round, and the load of each owner.

    Nothing is published, stored or written.
    """
    with session.app() as opened, opened.mirror.read() as conn:
        first, second = (meant(opened, conn, which) for which in (a, b))
        found = compare(conn, first, second, epoch(opened.world.now()))
    if session.options.json:
        session.out.json({"schema_version": SCHEMA_VERSION, **_difference(first, second, found)})
    else:
        _tell(session, first, second, found)
    return 0


def _difference(first: Model, second: Model, found: Difference) -> dict[str, Any]:
    return {
        "a": {**_json(first), "qualify": found.qualify[0]},
        "b": {**_json(second), "qualify": found.qualify[1]},
        "enters": [person.to_json() for person in found.enters],
        "leaves": [person.to_json() for person in found.leaves],
        "owners": [{"owner": name, "a": a, "b": b} for name, (a, b) in found.owners.items()],
    }


def _tell(session: Session, first: Model, second: Model, found: Difference) -> None:
    for model, count in zip((first, second), found.qualify, strict=True):
        session.out.line(f"{model.name}@{model.version}: {count} qualify")
    for word, people in (("enters", found.enters), ("leaves", found.leaves)):
        session.out.line(f"{len(people)} {word}")
        for person in people:
            who = person.name or person.person_id
            now = " (an MQL now)" if person.in_spell else ""
            session.out.line(
                f"  {who}, {person.company or 'no company'}: {number(person.total_a)} {person.grade_a} → "
                f"{number(person.total_b)} {person.grade_b}, {person.owner}{now}"
            )
    for name, (before, after) in found.owners.items():
        session.out.line(f"{name}: {before} → {after}")


def _fires(opened: App, conn: Connection, model: Model) -> list[str]:
    """Rules that tell nobody from anybody, by the people of the mirror."""
    counts, people = fires(conn, model, epoch(opened.world.now()))
    if not people:
        return []
    found = []
    for rule in model.rules:
        if counts[rule.id] == 0:
            found.append(f"rule {rule.id} gives points to none of {people} people")
        elif counts[rule.id] > USUAL * people:
            share = 100 * counts[rule.id] / people
            found.append(f"rule {rule.id} gives points to {share:.0f} % of {people} people")
    return found


def _leaks(conn: Connection, model: Model) -> list[str]:
    """Facts that the model reads and that are there only once sales has touched somebody."""
    return [leak.words for leak in leaks(conn, model) if leak.used]


def _chosen(models: list[Model], name: str | None) -> Model:
    if name is None:
        if len(models) != 1:
            raise UsageFault(f"Say which: {', '.join(model.name for model in models)}.")
        return models[0]
    wanted, _, version = name.partition("@")
    found = [model for model in models if model.name == wanted and version in ("", str(model.version))]
    if not found:
        near = nearest(wanted, [model.name for model in models])
        raise NotFound(f"There is no model {name}." + (f" Did you mean {near}?" if near else ""))
    if len(found) > 1:
        versions = ", ".join(f"{model.name}@{model.version}" for model in found)
        raise UsageFault(f"{name} has several versions: say which of {versions}.")
    return found[0]


def _json(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "version": model.version,
        "status": model.status,
        "hash": model.hash,
        "file": model.where,
        "rules": len(model.rules),
        "events": len(model.events),
    }


command(commands, "backtest")(backtest_command)
command(commands, "suggest")(suggest_command)
command(commands, "drift")(drift_command)
