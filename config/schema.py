"""What the settings models say about themselves: their keys, and which environment variable sets which.

Everything here is read off the models in `config.settings`, so a new field needs no second mention.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Union

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from config.settings import Settings
from config.toml import KeyPath

PREFIX: Final = "MQLSYNC_"
NESTING: Final = "__"


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable and the key it sets. A secret one also exists with `_FILE` appended.

    `kind`: the class of its value; `dict` (a table of free keys) and `list` are given as JSON.
    """

    name: str
    path: tuple[str, ...]
    kind: type
    secret: bool
    description: str


def key_name(field_name: str, field: FieldInfo) -> str:
    """The key in TOML: the alias where the Python name had to differ (`from_`)."""
    return field.alias or field_name


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys that a table of this model may have."""
    return [key_name(name, field) for name, field in model.model_fields.items()]


def model_at(path: KeyPath) -> type[BaseModel] | None:
    """The model of the table at that path; None where a table has free keys or there is none."""
    kind: Any = Settings
    for part in path:
        kind = _step(kind, part)
    kind = _optional(kind)
    return kind if _is_model(kind) else None


def is_secret(path: KeyPath) -> bool:
    """Whether the key at that path holds a secret."""
    return any(variable.secret and variable.path == path for variable in variables().values())


@cache
def variables() -> Mapping[str, Variable]:
    """Every environment variable that sets something, by name."""
    found: dict[str, Variable] = {}
    for path, field in leaves(Settings):
        kind = _plain(field.annotation) or _composed(field.annotation)
        name = variable_name(path)
        secret = kind is SecretStr or path == ("database_url",)
        found[name] = Variable(name, path, kind, secret, field.description or "")
    return found


def variable_name(path: Sequence[str | int]) -> str:
    """`("hubspot", "access_token")` → `MQLSYNC_HUBSPOT__ACCESS_TOKEN`."""
    return PREFIX + NESTING.join(str(part).upper() for part in path)


def leaves(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Every key of a model that is not itself a table of fixed keys."""
    for name, field in model.model_fields.items():
        here = (*path, key_name(name, field))
        inner = _plain(field.annotation)
        if inner is not None and _is_model(inner):
            yield from leaves(inner, here)
        else:
            yield here, field


def _step(kind: Any, part: str | int) -> Any:
    """The type of one key or item of `kind`; None when it has none."""
    kind = _optional(kind)
    if _is_model(kind):
        fields: Mapping[str, FieldInfo] = kind.model_fields
        return next(
            (field.annotation for name, field in fields.items() if key_name(name, field) == part), None
        )
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is dict:
        return _optional(arguments[1])
    if typing.get_origin(kind) is tuple and isinstance(part, int):
        return _optional(arguments[0])
    return None


def _plain(annotation: Any) -> type | None:
    """The class of a key that holds one value; None for lists, tables of free keys and choices of types."""
    kind = _optional(annotation)
    if typing.get_origin(kind) is typing.Literal:
        return str
    return kind if isinstance(kind, type) and typing.get_origin(kind) is None else None


def _composed(annotation: Any) -> type:
    """The class of a key that holds several values: `dict` with keys of its own, else `list`."""
    return dict if typing.get_origin(_optional(annotation)) is dict else list


def _optional(annotation: Any) -> Any:
    """`X | None` and `Annotated[X, …]` → `X`."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _optional(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
        return _optional(kinds[0]) if len(kinds) == 1 else annotation
    return annotation


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
