"""mqlsync.toml and the environment → Settings, or every problem at once, with file and line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from config import paths, toml
from config.checks import Finding, check
from config.errors import ConfigError, Problem, nearest
from config.schema import is_secret, keys_of, leaves, model_at
from config.settings import Settings
from config.sources import Gathered, build, gather, remove, unknown_variables
from config.toml import Document, KeyPath

_ROUNDS: Final = 5  # taking out what is wrong may uncover a missing key one level up, a few times


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and how they came about. `unknown` are variables with our prefix that set nothing."""

    settings: Settings
    config_dir: Path
    origins: Mapping[KeyPath, str]
    unknown: tuple[Problem, ...]


def load(config_dir: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings; raises NotSetUp (no mqlsync.toml) or ConfigError (all problems at once)."""
    return examine(config_dir, environ).settings


def examine(config_dir: Path | None, environ: Mapping[str, str]) -> Loaded:
    """The settings with their folder and what doctor wants to know; raises as `load` does."""
    folder = paths.find_config_dir(config_dir, environ)
    document = toml.read(folder / paths.SETTINGS_FILE)
    gathered = gather(document, folder, environ)
    settings, problems, refused = _validated(gathered, document)
    found = [
        _located(finding, gathered, document)
        for finding in check(settings)
        if not any(_overlap(finding.path, path) for path in refused)
    ]
    problems = [*gathered.problems, *problems, *found]
    if problems:
        raise ConfigError(sorted(problems, key=_reading_order))
    settings = _with_database(settings, folder, gathered.origins)
    return Loaded(settings, folder, gathered.origins, tuple(unknown_variables(environ)))


def _validated(gathered: Gathered, document: Document) -> tuple[Settings, list[Problem], set[KeyPath]]:
    """Settings without the keys that are wrong, those problems, and the keys concerned."""
    problems: list[Problem] = []
    refused = set(gathered.refused)
    for _ in range(_ROUNDS):
        try:
            return build(gathered.environment, gathered.file), problems, refused
        except ValidationError as error:
            for fault in error.errors(include_url=False):
                path = _key_path(fault["loc"])
                covered = any(path[: len(known)] == known for known in refused)
                if not (fault["type"] == "missing" and covered) and path not in refused:
                    problems.append(_worded(path, dict(fault), gathered, document))
                refused.add(path)
                wrong = path[:-1] if fault["type"] == "missing" else path
                remove(gathered.environment, wrong)
                remove(gathered.file, wrong)
    return Settings(), problems, {(name,) for name in Settings.model_fields}


def _key_path(loc: tuple[int | str, ...]) -> KeyPath:
    """pydantic's location as a path of keys."""
    return tuple(part for part in loc if part != "[key]")


def _located(finding: Finding, gathered: Gathered, document: Document) -> Problem:
    """A finding with file and line, or with the variable that set the key."""
    where, line = _place(finding.path, gathered, document)
    return Problem(finding.message, where, line, _key(finding.path), finding.expected, finding.nearest)


def _place(path: KeyPath, gathered: Gathered, document: Document) -> tuple[str, int | None]:
    variable = gathered.origin(path)
    return (variable, None) if variable else (document.where, document.line(path))


def _key(path: KeyPath) -> str:
    """`("routing", "rules", 0, "pool")` → `routing.rules[0].pool`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _worded(path: KeyPath, fault: dict[str, Any], gathered: Gathered, document: Document) -> Problem:
    """One of pydantic's errors in our words."""
    where, line = _place(path, gathered, document)
    key = _key(path)
    kind = str(fault["type"])
    context: Mapping[str, Any] = fault.get("ctx") or {}
    if kind == "extra_forbidden":
        message, expected, near = _unknown_key(path)
        return Problem(message, where, line, key, expected, near)
    if kind == "missing":
        return Problem("is missing", where, line, key)
    if kind == "value_error":
        return Problem(f"{_shown(path, fault, gathered)} does not fit: {context['error']}", where, line, key)
    expected = _expected(kind, context, str(fault["msg"]))
    near = ""
    if kind == "literal_error" and isinstance(fault["input"], str):
        near = nearest(
            fault["input"], [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
        )
    return Problem(f"{_shown(path, fault, gathered)} does not fit", where, line, key, expected, near)


def _unknown_key(path: KeyPath) -> tuple[str, str, str]:
    """Message, expected and nearest for a key that no table of that place has."""
    name = str(path[-1])
    model = model_at(path[:-1])
    known = keys_of(model) if model else []
    found = nearest(name, known) or next((key for key in known if name in key.split("_")), "")
    if found:
        return "unknown key", "", found
    homes = [".".join(home[:-1]) for home, _ in leaves(Settings) if home[-1] == name and len(home) > 1]
    if homes:
        return f"unknown key here; it belongs to [{homes[0]}]", "", ""
    return "unknown key", f"one of {', '.join(known)}" if known else "", ""


_EXPECTED: Final[Mapping[str, str]] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "path_type": "a path in quotes",
    "tuple_type": 'a list such as ["a", "b"]',
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "finite_number": "a finite number",
}


def _expected(kind: str, context: Mapping[str, Any], message: str) -> str:
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    limits = {
        "greater_than_equal": ("ge", "{} or more"),
        "greater_than": ("gt", "more than {}"),
        "less_than_equal": ("le", "at most {}"),
        "less_than": ("lt", "less than {}"),
    }
    if kind in limits:
        name, words = limits[kind]
        return words.format(context[name])
    if kind == "literal_error":
        return str(context["expected"])
    return message


def _shown(path: KeyPath, fault: Mapping[str, Any], gathered: Gathered) -> str:
    """The value in question where it may be repeated, else "the value".

    Anything could have been pasted into a variable or a sign-in key by mistake, so those are not repeated.
    """
    value = fault.get("input")
    private = gathered.origin(path) is not None or path[0] in ("database_url", "salesforce", "hubspot")
    if private or is_secret(path) or not isinstance(value, bool | int | float | str):
        return "the value"
    text = f'"{value}"' if isinstance(value, str) else str(value).lower()
    return text if len(text) <= 40 and text.isprintable() else "the value"


def _overlap(one: KeyPath, other: KeyPath) -> bool:
    """Whether one key is the other, or stands in it."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _reading_order(problem: Problem) -> tuple[bool, int, str]:
    """The file from top to bottom, then variables by name."""
    return problem.line is None, problem.line or 0, problem.where


def _with_database(settings: Settings, folder: Path, origins: Mapping[KeyPath, str]) -> Settings:
    """The default mirror, or a relative path made absolute: beside the file, or from the current folder."""
    url = settings.database_url
    if not url:
        return settings.model_copy(update={"database_url": paths.default_database_url()})
    relative = url.removeprefix("sqlite:///")
    if relative == url or relative.startswith("/"):
        return settings
    base = Path.cwd() if ("database_url",) in origins else folder
    return settings.model_copy(update={"database_url": paths.sqlite_url(base / relative)})
