"""Where settings come from: mqlsync.toml; over it variables, secret files and systemd credentials."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from config.errors import ConfigError, Problem, nearest
from config.paths import CONFIG_DIR_VARIABLE
from config.schema import NESTING, PREFIX, Variable, variables
from config.settings import Settings
from config.toml import Document, KeyPath
from config.urls import has_password

FILE_SUFFIX: Final = "_FILE"
CREDENTIALS_VARIABLE: Final = "CREDENTIALS_DIRECTORY"  # set by systemd for LoadCredential=
MAX_SECRET_BYTES: Final = 64 * 1024
QUEUE_VARIABLE: Final = "MQLSYNC_QUEUE_URL"  # of workers; see `config.accounts`
OTHER_VARIABLES: Final = (CONFIG_DIR_VARIABLE, QUEUE_VARIABLE, QUEUE_VARIABLE + FILE_SUFFIX)
"""Variables with our prefix that set no key."""
JSON_EXAMPLES: Final[Mapping[type, str]] = {
    list: 'a list as JSON, such as ["a", "b"]',
    dict: 'a table as JSON, such as {"a": "b"}',
}
"""What a variable of such a key holds."""


@dataclass(slots=True)
class Gathered:
    """What the sources said: nested values, where each came from, and what could not be taken."""

    file: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)  # key → the variable that set it
    problems: list[Problem] = field(default_factory=list)
    refused: set[KeyPath] = field(default_factory=set)  # keys whose value was not taken

    def origin(self, path: KeyPath) -> str | None:
        """The variable that set this key, or the list or table that it stands in; None: the file, or none."""
        if path in self.origins:
            return self.origins[path]
        own = path if get(self.environment, path) is not None else path[:-1]  # the place of what is missing
        if get(self.environment, own) is None or (own != path and get(self.file, path) is not None):
            return None
        return next((found for end in range(len(own), 0, -1) if (found := self.origins.get(own[:end]))), None)


class _Given(PydanticBaseSettingsSource):
    """Values that were gathered beforehand."""

    def __init__(self, settings_cls: type[BaseSettings], values: dict[str, Any]) -> None:
        super().__init__(settings_cls)
        self._values = values

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return self._values


def build(environment: dict[str, Any], file: dict[str, Any]) -> Settings:
    """Settings from both, the environment first; raises pydantic's ValidationError."""

    class LoadedSettings(BaseSettings, Settings):  # type: ignore[misc]  # each has a model_config
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return _Given(settings_cls, environment), _Given(settings_cls, file)

    return LoadedSettings()


def gather(document: Document, folder: Path, environ: Mapping[str, str]) -> Gathered:
    """Collect both sources. Secrets in the file are refused and never repeated."""
    gathered = Gathered()
    _take_file(gathered, document, folder)
    for variable in variables().values():
        value = _from_environment(gathered, variable, environ)
        if value is not None:
            put(gathered.environment, variable.path, value)
    return gathered


def _take_file(gathered: Gathered, document: Document, folder: Path) -> None:
    gathered.file = copy.deepcopy(document.values)
    for variable in variables().values():
        value = get(gathered.file, variable.path)
        if value is None:
            continue
        if variable.secret and (variable.path != ("database_url",) or has_password(value)):
            gathered.problems.append(_secret_in_file(document, variable))
            gathered.refused.add(variable.path)
            remove(gathered.file, variable.path)
        elif variable.kind is Path and isinstance(value, str):
            put(gathered.file, variable.path, str(folder / Path(value).expanduser()))


def _secret_in_file(document: Document, variable: Variable) -> Problem:
    what = "a URL with a password" if variable.path == ("database_url",) else "a secret"
    return Problem(
        f"{what} does not belong in this file: set the environment variable {variable.name}, "
        f"or {variable.name}{FILE_SUFFIX} to the path of a file that holds it",
        where=document.where,
        line=document.line(variable.path),
        key=".".join(variable.path),
    )


def _from_environment(gathered: Gathered, variable: Variable, environ: Mapping[str, str]) -> Any:
    """The value that the environment has for one key, converted; None when it has none."""
    text = environ.get(variable.name) or None  # an empty variable is an unset one
    name = variable.name
    if variable.secret:
        file_name = variable.name + FILE_SUFFIX
        named_file = environ.get(file_name) or None
        if text and named_file:
            problem = Problem(f"is set, and so is {file_name}: which is meant?", where=name)
            return _refuse(gathered, variable, problem, expected="one of the two")
        if text is None and named_file is not None:
            name, text = file_name, _secret_file(gathered, variable, file_name, Path(named_file))
        elif text is None:
            name, text = _systemd_credential(gathered, variable, environ)
    if text is None:
        return None
    if variable.secret:
        text = text.rstrip("\r\n")  # left over from the file that it was read from
    if variable.secret and any(character in text for character in "\r\n\0"):
        return _refuse(gathered, variable, Problem("holds a line break", where=name), expected="one line")
    if variable.kind in JSON_EXAMPLES:
        return _from_json(gathered, variable, text)
    gathered.origins[variable.path] = name
    return _converted(text, variable.kind)


def _from_json(gathered: Gathered, variable: Variable, text: str) -> Any:
    """A list, or a table that lies over the one in the file, key by key. None when it is neither."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        problem = Problem(f"this is no JSON{place}", where=variable.name)
        return _refuse(gathered, variable, problem, expected=JSON_EXAMPLES[variable.kind])
    if not isinstance(found, variable.kind):
        problem = Problem("the value does not fit", where=variable.name)
        return _refuse(gathered, variable, problem, expected=JSON_EXAMPLES[variable.kind])
    gathered.origins[variable.path] = variable.name
    return found


def secret_of(name: str, environ: Mapping[str, str]) -> str:
    """A secret that is no setting, by its variable, file or credential; "" when it is not set."""
    gathered = Gathered()
    found = _from_environment(gathered, Variable(name, (name,), SecretStr, True, ""), environ)
    if gathered.problems:
        raise ConfigError(gathered.problems)
    return found or ""


def _systemd_credential(
    gathered: Gathered, variable: Variable, environ: Mapping[str, str]
) -> tuple[str, str | None]:
    """A credential named like the variable, where systemd hands us some."""
    folder = environ.get(CREDENTIALS_VARIABLE)
    path = Path(folder) / variable.name if folder else None
    if path is None or not path.is_file():
        return variable.name, None
    return f"credential {variable.name}", _secret_file(
        gathered, variable, f"credential {variable.name}", path
    )


def _secret_file(gathered: Gathered, variable: Variable, name: str, path: Path) -> str | None:
    """The content of a secret file without its final line break."""
    try:
        with path.expanduser().open("rb") as file:
            data = file.read(MAX_SECRET_BYTES + 1)
        text = data.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        why = f"{path} cannot be read: {error.strerror or 'input/output error'}"
    except UnicodeDecodeError:
        why = f"{path} is not UTF-8 text"
    else:
        if text and len(data) <= MAX_SECRET_BYTES:
            return text
        why = f"{path} is empty" if not text else f"{path} is larger than {MAX_SECRET_BYTES // 1024} KiB"
    _refuse(gathered, variable, Problem(why, where=name))
    return None


def _refuse(gathered: Gathered, variable: Variable, problem: Problem, expected: str = "") -> None:
    gathered.problems.append(Problem(problem.message, where=problem.where, expected=expected))
    gathered.refused.add(variable.path)


def _converted(text: str, kind: type) -> Any:
    """Text as the type of its key; text that does not fit stays as it is and is reported by the model."""
    if kind is bool:
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
            text.strip().lower(), text
        )
    if kind in (int, float):
        try:
            return kind(text.strip())
        except ValueError:
            return text
    if kind is Path:
        return str(Path(text).expanduser().absolute())
    return text


def unknown_variables(environ: Mapping[str, str]) -> list[Problem]:
    """Variables with our prefix that set nothing, with the name that may have been meant. No values."""
    secrets = [name + FILE_SUFFIX for name, variable in variables().items() if variable.secret]
    known = [*variables(), *secrets, *OTHER_VARIABLES]
    return [
        _unknown(name, known)
        for name in sorted(environ)
        if name.upper().startswith(PREFIX) and name not in known
    ]


def _unknown(name: str, known: list[str]) -> Problem:
    upper = name.upper()
    for whole, variable in variables().items():
        if variable.kind is dict and upper.startswith(whole + NESTING):
            return Problem(f"sets nothing: {whole} holds the whole table, as JSON", where=name)
    inside = next((one for one in known if one.startswith(upper + NESTING)), "")
    if inside:
        return Problem(f"sets nothing: the keys of this table are set one by one, as by {inside}", where=name)
    return Problem("sets nothing", where=name, nearest=nearest(upper, known))


def get(values: Mapping[str, Any], path: KeyPath) -> Any:
    """The value at a path of nested tables and lists; None when there is none."""
    found: Any = values
    for part in path:
        try:
            found = found[part]
        except (KeyError, IndexError, TypeError):
            return None
    return found


def put(values: dict[str, Any], path: KeyPath, value: Any) -> None:
    """Set a value in nested tables, making those that are missing."""
    for part in path[:-1]:
        values = values.setdefault(str(part), {})
    values[str(path[-1])] = value


def remove(values: dict[str, Any], path: KeyPath) -> None:
    """Take a value out of nested tables; nothing happens when it is not there.

    A list item is taken out together with its list, so that the places of the others stay true.
    """
    path = tuple(_up_to_item(path))
    holder = get(values, path[:-1])
    if isinstance(holder, dict):
        holder.pop(path[-1], None)


def _up_to_item(path: KeyPath) -> Iterator[str | int]:
    """The path, less its final list positions."""
    end = len(path)
    while end and isinstance(path[end - 1], int):
        end -= 1
    yield from path[:end]
