"""`model`: the scoring model as a file, before and when it goes live."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from config.errors import nearest
from config.world import epoch
from scoring.lint import lint as lint_lines
from scoring.model import Model
from sync.app import load_models
from sync.cli.errors import NotFound, UsageFault
from sync.cli.options import command, group
from sync.cli.session import Session
from sync.mirror import models as published
from sync.reports import SCHEMA_VERSION

app = typer.Typer(rich_markup_mode=None, add_completion=False)
commands = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="The scoring model: lint, publish.")
app.add_typer(commands, name="model")
group(commands)


@command(commands, "lint")
def lint(session: Session) -> int:
    """Check scoring.toml and models/*.toml: every problem at once, then what can be reached."""
    models = load_models(session.loaded.config_dir)
    with session.app() as opened, opened.mirror.read() as conn:
        published.check_unchanged(conn, models)
    found = {model.where: lint_lines(model) for model in models}
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
) -> int:
    """Keep a model's text in the mirror: from then on this version never changes, edits need a new one."""
    with session.app() as opened:
        model = _chosen(list(opened.models), name)
        with opened.mirror.write(durable=True) as conn:
            is_new = published.publish(conn, model, epoch(opened.world.now()))
    if session.options.json:
        session.out.json({"schema_version": SCHEMA_VERSION, "published": is_new, **_json(model)})
    else:
        said = "is published" if is_new else "was published before, unchanged"
        session.out.line(f"{model.name} version {model.version} {said}", "ok")
    return 0


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
