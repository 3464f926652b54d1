"""Which model is meant by what somebody typed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from config.errors import nearest
from scoring.load import load_model
from scoring.model import Model
from sync.app import named_lists
from sync.cli.errors import NotFound, UsageFault
from sync.mirror import models as published

if TYPE_CHECKING:
    from sync.context import App
    from sync.mirror.engine import Connection


def chosen(opened: App, conn: Connection, which: str | None) -> Model:
    """The one that is named, else the only live one. Raises NotFound, UsageFault."""
    if which is not None:
        return meant(opened, conn, which)
    live = [model for model in opened.models if model.status == "live"] or list(opened.models)
    if len(live) != 1:
        raise UsageFault(f"Say which: {', '.join(f'{model.name}@{model.version}' for model in live)}.")
    return live[0]


def meant(opened: App, conn: Connection, which: str) -> Model:
    """The model of a file, of the configuration, or of what was published."""
    path = Path(which)
    if path.suffix == ".toml" or path.is_file():
        if not path.is_file():
            raise NotFound(f"There is no file {which}.")
        return load_model(path.read_text(encoding="utf-8"), which, named_lists(opened.config_dir))
    name, _, version = which.partition("@")
    if version and not version.isdecimal():
        raise UsageFault(f"{which} is neither a file nor name@version.")
    for model in opened.models:
        if model.name == name and version in ("", str(model.version)):
            return model
    text = published.published_text(conn, name, int(version) if version else None)
    if text is None:
        near = nearest(name, [model.name for model in opened.models])
        raise NotFound(f"There is no model {which}." + (f" Did you mean {near}?" if near else ""))
    return load_model(text, which, named_lists(opened.config_dir))
