"""Published models: their text is kept, and never changes under the same name and version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Table, insert, select, update

from config.errors import ConfigError, Problem
from scoring.load import load_model
from scoring.model import Model
from sync.mirror.engine import Connection
from sync.mirror.tables import ModelVersion

MODEL: Table = ModelVersion.metadata.tables["model_version"]


def check_unchanged(conn: Connection, models: Iterable[Model]) -> None:
    """Raise ConfigError when a live or shadow file differs from what was published under its version."""
    problems = []
    for model in models:
        stored = published_hash(conn, model.name, model.version)
        if model.status in ("live", "shadow") and stored is not None and stored != model.hash:
            newest = newest_version(conn, model.name) or model.version
            message = f"{model.name} version {model.version} is published and was edited since"
            expected = f"version = {max(newest, model.version) + 1}"
            line = next((n for n, text in enumerate(model.text.splitlines(), 1) if _is_version(text)), None)
            problems.append(Problem(message, model.where, line, "version", f"{expected} (raise it)"))
    if problems:
        raise ConfigError(problems)


def _is_version(line: str) -> bool:
    return line.partition("=")[0].strip() == "version"


def publish(conn: Connection, model: Model, now: int) -> bool:
    """Keep a model's text and hash; True when this (name, version) is new.

    Publishing the same again changes nothing but the status. Raises ConfigError when the text differs.
    """
    check_unchanged(conn, [model])
    if published_hash(conn, model.name, model.version) is not None:
        same = (MODEL.c.name == model.name, MODEL.c.version == model.version)
        conn.execute(update(MODEL).where(*same, MODEL.c.status != model.status).values(status=model.status))
        return False
    conn.execute(
        insert(MODEL).values(
            name=model.name,
            version=model.version,
            hash=model.hash,
            text=model.text,
            status=model.status,
            published_at=now,
        )
    )
    return True


def publish_all(conn: Connection, models: Sequence[Model], now: int) -> list[Model]:
    """Publish every live or shadow model that was never seen; raises like `publish`, for all at once."""
    check_unchanged(conn, models)
    return [model for model in models if model.status in ("live", "shadow") and publish(conn, model, now)]


def stored_names(models: Sequence[Model]) -> list[Model]:
    """The models under the names that their scores are stored under, one name each.

    A shadow beside another version of the same name is stored as `name@version`. Raises ConfigError when
    two live models have one name.
    """
    taken: dict[str, Model] = {}
    found = []
    for model in models:
        first = taken.setdefault(model.name, model)
        if first is not model and model.status == "live":
            message = f"{model.name} is live as version {first.version} in {first.where} as well"
            raise ConfigError([Problem(message, model.where, key="status", expected="one live version")])
        same = first is model
        found.append(model if same else replace(model, name=f"{model.name}@{model.version}"))
    return found


def published_hash(conn: Connection, name: str, version: int) -> str | None:
    """The hash under which a version was published."""
    query = select(MODEL.c.hash).where(MODEL.c.name == name, MODEL.c.version == version)
    return conn.execute(query).scalar_one_or_none()


def newest_version(conn: Connection, name: str) -> int | None:
    """The highest published version of a name."""
    query = select(MODEL.c.version).where(MODEL.c.name == name).order_by(MODEL.c.version.desc()).limit(1)
    return conn.execute(query).scalar_one_or_none()


def published_text(conn: Connection, name: str, version: int | None = None) -> str | None:
    """The text of a published version (None: the newest)."""
    query = select(MODEL.c.text).where(MODEL.c.name == name).order_by(MODEL.c.version.desc()).limit(1)
    if version is not None:
        query = query.where(MODEL.c.version == version)
    return conn.execute(query).scalar_one_or_none()


def as_decided(conn: Connection, models: Sequence[Model], name: str, version: int) -> Model | None:
    """The model that a stored score of this name and version was made with.

    What was published is older than the file of that name when the file was edited since; a published text
    that today's loader refuses is told by the file. `models`: those of the files, whose lists are used.
    """
    plain = name.partition("@")[0]
    of_file = [model for model in models if model.name == plain]
    same = next((model for model in of_file if model.version == version), None)
    if same is not None and published_hash(conn, plain, version) in (None, same.hash):
        return same
    text = published_text(conn, plain, version)
    try:
        lists = {key: values for model in models for key, values in model.lists.items()}
        older = None if text is None else load_model(text, f"{plain}@{version}", lists)
    except ConfigError:
        older = None
    return older or same or next(iter(of_file), None)


def published(conn: Connection) -> list[Mapping[str, Any]]:
    """Every published version: name, version, hash, status, published_at."""
    columns = (MODEL.c.name, MODEL.c.version, MODEL.c.hash, MODEL.c.status, MODEL.c.published_at)
    query = select(*columns).order_by(MODEL.c.name, MODEL.c.version)
    return [dict(row) for row in conn.execute(query).mappings()]
