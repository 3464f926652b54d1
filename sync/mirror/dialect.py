"""Every difference between SQLite and PostgreSQL that the mirror's own SQL needs, by name."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Executable, Row, TextClause, text
from sqlalchemy.engine import Connection

TEXT_TYPE: Final = re.compile(r"\b(VARCHAR(?:\(\d+\))?|TEXT)\b(?! COLLATE)")
MACROS: Final[Mapping[str, Mapping[str, str]]] = {
    # not equal, where NULL is a value like any other
    "differs from": {"sqlite": "IS NOT", "postgresql": "IS DISTINCT FROM"},
    # a join from a work table outwards: without statistics SQLite may begin at the large end
    "then": {"sqlite": "CROSS JOIN", "postgresql": "JOIN"},
    # the elements of the JSON array p.additional_keys, as rows `j (value)`
    "each additional key": {
        "sqlite": "json_each(p.additional_keys) j",
        "postgresql": "jsonb_array_elements_text(CAST(p.additional_keys AS jsonb)) AS j (value)",
    },
    # the members of the JSON object s.fields as rows `j (key, value)`; values as text, booleans in words
    "each field": {
        "sqlite": "json_each(s.fields) j",
        "postgresql": "jsonb_each_text(CAST(s.fields AS jsonb)) AS j (key, value)",
    },
    "field as text": {
        "sqlite": "CASE j.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
        "ELSE CAST(j.value AS TEXT) END",
        "postgresql": "j.value",
    },
    # aggregates over rows that come sorted: a JSON array of text, a JSON object; as text
    "array of address": {
        "sqlite": "json_group_array(address)",
        "postgresql": "'[' || string_agg(CAST(to_json(address) AS TEXT), ',' ORDER BY place) || ']'",
    },
    "object of name and value": {
        "sqlite": "json_group_object(name, value)",
        "postgresql": "'{' || string_agg(CAST(to_json(name) AS TEXT) || ':' || CAST(to_json(value) AS TEXT), "
        "',' ORDER BY name) || '}'",
    },
    # ids that begin with :low and a colon, by the index (":" is followed by ";")
    "id begins": {
        "sqlite": "id >= :low || ':' AND id < :low || ';'",
        "postgresql": "starts_with(id, :low || ':')",
    },
    # the ids of the parameter :ids (see `id_list`), however many; a column `value`
    "ids": {
        "sqlite": "(SELECT value FROM json_each(:ids))",
        "postgresql": "(SELECT jsonb_array_elements_text(CAST(:ids AS jsonb)) AS value)",
    },
}
"""`[[name]]` in the text of a statement → what each database calls it."""


def sql(conn: Connection, template: str, **names: str) -> TextClause:
    """A statement in the dialect in use; `[[name]]` stands for a macro, or for one of our own names."""
    return _rendered(conn.dialect.name, template, tuple(sorted(names.items())))


@functools.lru_cache(maxsize=256)
def _rendered(dialect_name: str, template: str, names: tuple[tuple[str, str], ...]) -> TextClause:
    for name, value in names:
        template = template.replace(f"[[{name}]]", value)
    for macro, forms in MACROS.items():
        template = template.replace(f"[[{macro}]]", forms[dialect_name])
    if "[[" in template:
        raise AssertionError(f"a name is missing in {template}")
    return text(template)


def by_bytes(dialect_name: str, ddl: str) -> str:
    """The columns of a work table with its texts in the order of those that they are joined with.

    In another order PostgreSQL can use no index for the join.
    """
    return TEXT_TYPE.sub(r'\1 COLLATE "C"', ddl) if dialect_name == "postgresql" else ddl


def id_list(ids: Iterable[str]) -> str:
    """The value of `:ids`."""
    return json.dumps(list(ids))


def in_batches(conn: Connection, query: Executable, size: int) -> Iterator[Sequence[Row[Any]]]:
    """The rows of a query, of which so many at a time are in memory.

    Left to itself psycopg holds the whole answer before the first row is seen.
    """
    return conn.execute(query, execution_options={"yield_per": size}).partitions(size)
