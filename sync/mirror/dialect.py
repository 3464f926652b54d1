"""Every difference between SQLite and PostgreSQL that the mirror's own SQL needs, by name."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import TextClause, text

from sync.mirror.engine import Connection

MACROS: Final[Mapping[str, Mapping[str, str]]] = {
    # not equal, where NULL is a value like any other
    "differs from": {"sqlite": "IS NOT", "postgresql": "IS DISTINCT FROM"},
    # the ids of the parameter :ids (see `id_list`), however many
    "ids": {
        "sqlite": "(SELECT value FROM json_each(:ids))",
        "postgresql": "(SELECT jsonb_array_elements_text(CAST(:ids AS jsonb)))",
    },
}
"""`[[name]]` in the text of a statement → what each database calls it."""


def sql(conn: Connection, template: str, **names: str) -> TextClause:
    """A statement in the dialect in use; `[[name]]` stands for a macro, or for one of our own names."""
    return _rendered(conn.dialect.name, template, tuple(sorted(names.items())))


@functools.lru_cache(maxsize=256)
def _rendered(dialect_name: str, template: str, names: tuple[tuple[str, str], ...]) -> TextClause:
    for macro, forms in MACROS.items():
        template = template.replace(f"[[{macro}]]", forms[dialect_name])
    for name, value in names:
        template = template.replace(f"[[{name}]]", value)
    if "[[" in template:
        raise AssertionError(f"a name is missing in {template}")
    return text(template)


def id_list(ids: Iterable[str]) -> str:
    """The value of `:ids`."""
    return json.dumps(list(ids))
