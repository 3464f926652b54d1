"""The upserts that Core writes, for both databases."""

from __future__ import annotations

import pytest

from sync.mirror import computed, store, upserts
from sync.mirror.tables import PersonRow
from sync.mirror.upserts import Upsert, without_nul

ALL = (store.PEOPLE, store.COMPANIES, store.DEALS, store.ENGAGEMENTS, store.OWNERS, computed.DOMAIN_UPSERT)


@pytest.mark.parametrize("how", ALL, ids=lambda how: how.table.__tablename__)
@pytest.mark.parametrize(
    ("dialect", "mark", "differs"), [("sqlite", "?", "IS NOT"), ("postgresql", "%s", "IS DISTINCT")]
)
def test_one_parameter_a_column_and_changed_rows_only(
    how: Upsert, dialect: str, mark: str, differs: str
) -> None:
    sql = upserts._sql(dialect, how)
    assert sql.count(mark) == len(how.columns)
    assert "ON CONFLICT" in sql
    assert differs in sql
    if how.newest is not None:
        assert "excluded.modified_ms >= " in sql


@pytest.mark.parametrize("how", ALL, ids=lambda how: how.table.__tablename__)
def test_the_tuples_have_the_columns_of_their_table_in_order(how: Upsert) -> None:
    columns = [column.name for column in upserts.table_of(how.table).columns]
    assert list(how.columns) == [name for name in columns if name in how.columns]


def test_a_nul_is_replaced_and_the_payload_stays() -> None:
    how = Upsert(PersonRow, ("id", "raw", "fields", "city", "modified_ms"))
    raw = '{"a": "x\\u0000y"}'
    row = ("1", raw, '{"a": "x\\u0000y", "b": "\\\\u0000"}', "a\x00b", 5)
    clean = ("1", raw, '{"a": "x\\ufffdy", "b": "\\\\u0000"}', "a\ufffdb", 5)
    assert without_nul(how, [row, ("2", "{}", None, None, 5)]) == [clean, ("2", "{}", None, None, 5)]
    plain = [("2", "{}", "{}", "Ulm", 5)]
    assert without_nul(how, plain) is plain
