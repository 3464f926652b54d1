"""A row of CSV is the row of JSON that a query would have given."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import BrokenReply
from connectors.salesforce.csvrows import AT_ONCE, read_rows
from connectors.salesforce.reader import Row

TYPES = {
    "Id": "id",
    "Name": "string",
    "Size": "int",
    "Amount": "currency",
    "IsOpen": "boolean",
    "At": "datetime",
    "On": "date",
}


MANY = ("Id", "Size", "Name", "RecordType.Name")


def read(data: bytes, *paths: str, **types: str) -> list[Row]:
    known = {**TYPES, **types}
    return list(
        read_rows(io.BytesIO(data), {path: known.get(path, "string") for path in paths or ("Id", "Name")})
    )


def fields(data: bytes, *paths: str) -> list[dict[str, Any] | None]:
    return [row.fields for row in read(data, *paths)]


def quoted(*cells: str) -> bytes:
    """One line as Salesforce writes it."""
    text = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells) + "\n"
    return text.encode("utf-8", "surrogateescape")


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_any_text_comes_through(names: list[str]) -> None:
    """P25: nothing is trimmed, translated or taken for null."""
    data = quoted("Id", "Name") + b"".join(quoted("1", name) for name in names)
    rows = read(data)
    assert [row.fields and row.fields["Name"] for row in rows] == names
    assert [json.loads(row.raw)["Name"] for row in rows] == names


@pytest.mark.parametrize(
    "text",
    ["NA", "NULL", "null", "None", "NaN", "#N/A", " ", "  x", "x ", "\x00", "\n", "\r", "\r\n", '"', ","],
)
def test_text_that_others_take_for_null(text: str) -> None:
    """P25"""
    assert fields(quoted("Id", "Name") + quoted("1", text)) == [{"Id": "1", "Name": text}]


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("Size", "50.0", 50),
        ("Size", "50", 50),
        ("Size", "1.2E3", 1200),
        ("Size", "-3", -3),
        ("Amount", "0.0", 0.0),
        ("Amount", "1.5E7", 15_000_000.0),
        ("IsOpen", "true", True),
        ("IsOpen", "false", False),
        ("At", "2024-09-24T03:26:07.000Z", "2024-09-24T03:26:07.000+0000"),
        ("At", "2024-09-24T03:26:07.000+0000", "2024-09-24T03:26:07.000+0000"),
        ("On", "2024-09-24", "2024-09-24"),
        ("Name", "2024-09-24T03:26:07.000Z", "2024-09-24T03:26:07.000Z"),
        ("Name", "50.0", "50.0"),
        *[(path, "", None) for path in TYPES],
    ],
)
def test_values_as_json_has_them(path: str, text: str, value: object) -> None:
    found = fields(quoted(path) + (quoted(text) if text else b'""\n'), path)[0]
    assert found == {path: value}
    assert type((found or {})[path]) is type(value)


def test_parents_are_nested_and_null_when_empty() -> None:
    paths = ("Id", "Campaign.Name", "Campaign.Owner.Name", "Campaign.Size", "Owner.Name")
    data = quoted(*paths) + quoted("1", "Spring", "", "", "Ann") + quoted("2", "", "", "", "")
    data += quoted("3", "", "Bob", "5.0", "")
    rows = read(data, *paths, **{"Campaign.Size": "int"})
    assert [row.fields for row in rows] == [
        {"Id": "1", "Campaign": {"Name": "Spring"}, "Owner": {"Name": "Ann"}},
        {"Id": "2", "Campaign": None, "Owner": None},
        {"Id": "3", "Campaign": {"Owner": {"Name": "Bob"}, "Size": 5}, "Owner": None},
    ]


def test_columns_are_known_by_name_not_by_place() -> None:
    assert fields(b'"more","NAME","id"\n"x","Ann","1"\n') == [{"Id": "1", "Name": "Ann"}]
    assert fields(b"Id,Name\r\n1,Ann\r\n\r\n2,Bob\r\n") == [
        {"Id": "1", "Name": "Ann"},
        {"Id": "2", "Name": "Bob"},
    ]


def test_a_field_longer_than_the_csv_module_likes() -> None:
    """P25: a csv.Error would silently end the result."""
    long = "x" * 200_000
    assert fields(quoted("Id", "Name") + quoted("1", long) + quoted("2", "y")) == [
        {"Id": "1", "Name": long},
        {"Id": "2", "Name": "y"},
    ]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (("1", "many", ""), "a value is not of its field's type"),
        (("1", "inf", ""), "a value is not of its field's type"),
        (("1", "", "\udcff"), "the row is not UTF-8"),
    ],
)
def test_a_row_that_cannot_be_read_is_alone(cells: tuple[str, ...], problem: str) -> None:
    data = quoted("Id", "Size", "Name") + quoted(*cells) + quoted("2", "5", "Bob")
    bad, good = read(data, "Id", "Size", "Name")
    assert (bad.problem, bad.fields) == (problem, {"Id": "1"})
    assert json.loads(bad.raw)[0] == "1"
    assert good.fields == {"Id": "2", "Size": 5, "Name": "Bob"}


def test_among_many_rows_one_that_cannot_be_read_is_alone() -> None:
    count, odd = 2 * AT_ONCE + 1, AT_ONCE // 2
    lines = [quoted(str(n), "x" if n == odd else str(n), f"Name {n}", "") for n in range(count)]
    rows = read(quoted("Id", "Size", "Name", "RecordType.Name") + b"".join(lines), *MANY)
    for n, row in enumerate(rows):
        whole = {"Id": str(n), "Size": n, "Name": f"Name {n}", "RecordType": None}
        assert row.fields == ({"Id": str(n)} if n == odd else whole)
        assert n == odd or json.loads(row.raw) == whole
    assert [n for n, row in enumerate(rows) if row.problem] == [odd]
    assert len(rows) == count


def test_a_row_of_another_width_far_down_is_not_believed() -> None:
    lines = [quoted(str(n), "Ann") for n in range(AT_ONCE + 1)]
    rows = read_rows(io.BytesIO(quoted("Id", "Name") + b"".join(lines) + b'"1"\n'), {"Id": "id"})
    assert next(rows).fields == {"Id": "0"}
    with pytest.raises(BrokenReply):
        list(rows)


def test_empty_lines_are_no_rows() -> None:
    data = quoted("Id", "Name") + b"\n" * (AT_ONCE + 1) + quoted("1", "Ann") + b"\n"
    assert fields(data) == [{"Id": "1", "Name": "Ann"}]


@pytest.mark.parametrize(
    "data",
    [
        b'"Id"\n"1"\n',
        b'"Id","Name"\n"1"\n',
        b'"Id","Name"\n"1","Ann","x"\n',
        b'"Id","Name"\n"1","Ann',
        b'"Id","Name"\n"1","Ann"x\n',
        b"<html><body>Bad Message</body></html>",
    ],
)
def test_what_is_no_result_is_not_believed(data: bytes) -> None:
    with pytest.raises(BrokenReply):
        read(data)


def test_nothing_is_no_row() -> None:
    assert read(b"") == []
    assert read(b'"Id","Name"\n') == []
