"""Values as CRMs send them → values as the mirror stores them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.world import iso_z
from connectors import fields


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-22T07:35:33Z", 1795332933000),
        ("2026-11-22T07:35:33.1Z", 1795332933100),
        ("2026-11-22T07:35:33.123Z", 1795332933123),
        ("2026-11-22T07:35:33.123456789Z", 1795332933123),
        ("2026-11-22T07:35:33.000+0000", 1795332933000),
        ("2026-11-22T08:35:33+01:00", 1795332933000),
        ("2026-11-22 07:35:33", 1795332933000),
        ("2026-11-22", 1795305600000),
        (" 2026-11-22 ", 1795305600000),
        (1795332933123, 1795332933123),
        (1795332933123.9, 1795332933123),
        ("1795332933123", 1795332933123),
        ("1795332933123.0", 1795332933123),
        ("1.795332933123E12", 1795332933123),
        ("1969-12-31T23:59:59.999Z", -1),
        (-0.5, -1),
        (None, None),
        ("", None),
        ("yesterday", None),
        ("NaN", None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        ("99999999999999999999", None),
        ("9" * 5000, None),
        ("2026-13-01", None),
        ("9999-12-31T23:59:59-12:00", None),
        (253_402_300_799_999, 253_402_300_799_999),
        (253_402_300_800_000, None),
        (-62_135_596_800_000, -62_135_596_800_000),
        (-62_135_596_800_001, None),
        ({}, None),
    ],
)
def test_times(value: object, expected: int | None) -> None:
    assert fields.epoch_ms(value) == expected


@given(st.one_of(st.integers(), st.integers().map(str), st.datetimes().map(lambda moment: f"{moment}+14:00")))
def test_every_time_can_be_shown(value: object) -> None:
    found = fields.epoch_seconds(value)
    assert found is None or iso_z(found) is not None


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 1900 < moment.year < 9000))
def test_a_time_survives_writing_and_reading(aware: datetime) -> None:
    expected = int((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000 // 1)
    found = fields.epoch_ms(aware.isoformat())
    assert found is not None
    assert abs(found - expected) <= 1  # the float of total_seconds is the inexact one
    assert fields.epoch_ms(fields.iso_ms(found)) == found
    assert fields.epoch_seconds(found) == found // 1000


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("50", 50), ("50.0", 50), (" 7 ", 7), ("-3", -3), (12, 12), (12.0, 12), ("1e3", 1000),
        ("50.5", None), ("", None), (None, None), ("fifty", None), ("1-50", None), (True, None),
        ("9" * 40, None), ("٣", None), (2**64, None), ("0x10", None), ("1,000", None),
    ],
)  # fmt: skip
def test_whole_numbers(value: object, expected: int | None) -> None:
    assert fields.whole(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1.5", 1.5), (2, 2.0), ("-.5", -0.5), ("", None), ("12 EUR", None), (None, None), (False, None),
     ("1e999", None), (float("nan"), None), (10**400, None)],
)  # fmt: skip
def test_numbers(value: object, expected: float | None) -> None:
    assert fields.number(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", True), ("TRUE", True), ("false", False), (True, True), (False, False), ("1", True), (0, False),
     ("", None), (None, None), ("yes", None)],
)  # fmt: skip
def test_booleans(value: object, expected: bool | None) -> None:
    assert fields.flag(value) is expected


@given(st.text(min_size=1))
def test_text_is_text(value: str) -> None:
    assert fields.text(value) is value


@pytest.mark.parametrize(
    "value", ["NA", "NULL", "None", "null", "  blank", "a\nb", "a\x00b", "🎉", "0", "false"]
)
def test_text_that_others_lose(value: str) -> None:
    assert fields.text(value) == value


def test_other_types_become_their_json_text() -> None:
    assert fields.text("") is None
    assert fields.text(None) is None
    assert fields.text(5) == "5"
    assert fields.text(True) == "true"
    assert fields.text(["ä"]) == '["ä"]'


def test_lists_of_addresses() -> None:
    assert fields.split_list("a@x.test; b@y.test ;;a@x.test") == ["a@x.test", "b@y.test"]
    assert fields.split_list(None) == []
    assert fields.json_list([]) is None
    assert fields.json_list(["a@x.test"]) == '["a@x.test"]'


@given(st.dictionaries(st.text(st.characters()), st.one_of(st.none(), st.text(st.characters()))))
def test_json_can_always_be_stored(value: dict[str, str | None]) -> None:
    encoded = fields.to_json(value)
    encoded.encode()
    clean = all(
        not 0xD800 <= ord(c) <= 0xDFFF for entry in value.items() for part in entry for c in part or ""
    )
    if clean:
        assert json.loads(encoded) == value


class Named(msgspec.Struct):
    name: str


def test_json_of_a_shape() -> None:
    assert fields.from_json(b'{"name": "x", "more": 1}', Named) == Named("x")


def test_half_a_surrogate_pair_does_not_lose_the_page() -> None:
    assert fields.from_json(b'{"name": "a\\ud83dz"}', Named) == Named("a\ufffdz")
    assert fields.from_json(b'{"name": "\\ud83c\\udf89"}', Named) == Named("🎉")


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"name": "x', b'{"name": 1}', b"[]", b'{"name": "\\ud8'])
def test_what_is_not_that_shape_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        fields.from_json(body, Named)
