"""The lines for Citus in the how-to fit the schema: no constraint stands in the way of distribution."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import Table, UniqueConstraint

from sync.mirror import rowhash
from sync.mirror.migrations import METADATA

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "postgresql.md"
SQL = PAGE.read_text(encoding="utf-8").partition("```sql")[2].partition("```")[0]
DISTRIBUTED = re.findall(r"create_distributed_table\('(\w+)', '(\w+)'(?:, colocate_with => '(\w+)')?\)", SQL)
LOCAL = re.findall(
    r"`(\w+)`", PAGE.read_text(encoding="utf-8").partition("Everything else stays")[2].partition(".\n\n")[0]
)
REFERENCE = re.findall(r"create_reference_table\('(\w+)'\)", SQL)


def unique_keys(table: Table) -> list[set[str]]:
    """The columns of everything that must be unique."""
    found = [{column.name for column in table.primary_key}]
    found += [{column.name for column in index.columns} for index in table.indexes if index.unique]
    found += [
        {column.name for column in one.columns}
        for one in table.constraints
        if isinstance(one, UniqueConstraint)
    ]
    return found


def test_every_key_of_a_distributed_table_holds_its_column() -> None:
    assert len(DISTRIBUTED) == SQL.count("create_distributed_table") >= 9
    for name, column, _ in DISTRIBUTED:
        for key in unique_keys(METADATA.tables[name]):
            assert column in key, f"{name}: {sorted(key)} does not hold {column}"


def test_every_table_has_its_place() -> None:
    """One that is new is asked after: by which column is it distributed, or why does it stay local?"""
    placed = [*(name for name, _, _ in DISTRIBUTED), *REFERENCE, *LOCAL]
    assert sorted(placed) == sorted({*METADATA.tables, "alembic_version"})


def test_what_a_table_is_distributed_by_is_always_there() -> None:
    for name, column, _ in DISTRIBUTED:
        assert not METADATA.tables[name].c[column].nullable


def test_what_lies_together_is_distributed_by_columns_of_one_type() -> None:
    columns = {name: METADATA.tables[name].c[column] for name, column, _ in DISTRIBUTED}
    for name, _, partner in DISTRIBUTED:
        if partner:
            assert type(columns[name].type) is type(columns[partner].type)
            assert list(columns).index(partner) < list(columns).index(name), "it must be there first"


def test_what_a_person_is_made_of_lies_with_the_person() -> None:
    by_person = {name for name, column, _ in DISTRIBUTED if column == "person_id"}
    assert by_person == {"person", "score", "score_hit"}


def test_no_table_points_to_another_and_no_distributed_one_has_triggers() -> None:
    assert [table.name for table in METADATA.tables.values() if table.foreign_keys] == []
    named = [name for name, _, _ in DISTRIBUTED] + REFERENCE
    assert len(set(named)) == len(named)
    assert set(named) <= set(METADATA.tables)
    assert not set(rowhash.COVERED) & set(named)
