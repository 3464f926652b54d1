"""Times, ids, text and SOQL: pure functions."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.salesforce import soql
from connectors.salesforce.records import domain_of
from connectors.salesforce.values import (
    as_int,
    as_text,
    at_path,
    http_date,
    id18,
    is_id,
    parse_ms,
    soql_datetime,
)

MOMENTS = st.integers(0, 4_102_444_800_000)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-11-22T07:35:32.000+0000", 1795332932000),
        ("2026-11-22T07:35:32.000Z", 1795332932000),
        ("2026-11-22T07:35:32Z", 1795332932000),
        ("2026-11-22T08:35:32.5+01:00", 1795332932500),
        ("2026-11-22", 1795305600000),
        ("2026-11-31", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_times_of_every_form(text: object, ms: int | None) -> None:
    assert parse_ms(text) == ms


@given(MOMENTS)
def test_a_soql_time_reads_back(ms: int) -> None:
    text = soql_datetime(ms)
    assert parse_ms(text) == ms
    assert "+" not in text


@given(MOMENTS)
def test_a_conditional_header_holds_whole_seconds_in_gmt(ms: int) -> None:
    assert re.fullmatch(r"\w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT", http_date(ms))


def test_ids_become_case_safe() -> None:
    assert id18("001A0000006Vm9r") == "001A0000006Vm9rIAC"
    assert id18("001A0000006Vm9rIAC") == "001A0000006Vm9rIAC"
    assert id18("no id") == "no id"
    assert (is_id("001A0000006Vm9r"), is_id("Ann Smith")) == (True, False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (85.0, "85"),
        (85.5, "85.5"),
        (True, "true"),
        (False, "false"),
        ("", None),
        (None, None),
        (" a ", " a "),
        (12, "12"),
        ({"b": 1, "a": 2}, '{"a":2,"b":1}'),
    ],
)
def test_values_as_text(value: object, text: str | None) -> None:
    assert as_text(value) == text


def test_whole_numbers_only_from_numbers() -> None:
    assert (as_int(50.0), as_int(50), as_int("50"), as_int(True), as_int(None)) == (50, 50, None, None, None)


def test_a_path_through_null_is_null() -> None:
    assert at_path({"Campaign": None}, "Campaign.Type") is None
    assert at_path({"Campaign": {"Type": "Webinar"}}, "Campaign.Type") == "Webinar"
    assert at_path({"Campaign": "x"}, "Campaign.Type") is None


@given(st.text())
def test_quoted_text_cannot_leave_its_quotes(text: str) -> None:
    literal = soql.quoted(text)
    assert literal.startswith("'")
    assert literal.endswith("'")
    assert re.fullmatch(r"(?:[^'\\]|\\.)*", literal[1:-1], re.DOTALL)


@pytest.mark.parametrize("text", ["Id FROM Lead", "Name'", "", "1a", "a..b", "Id,Name", "Id--", "é"])
def test_a_name_is_only_a_name(text: str) -> None:
    with pytest.raises(ValueError):
        soql.select([text], "Lead")
    with pytest.raises(ValueError):
        soql.equals(text, "x")


def test_a_query_in_full() -> None:
    text = soql.select(
        ("Id", "Campaign.Type"), "CampaignMember", ["", soql.is_in("Id", ["a", "b'c"])], ("Id",), 5
    )
    assert text == (
        "SELECT Id,Campaign.Type FROM CampaignMember WHERE Id IN ('a','b\\'c') ORDER BY Id LIMIT 5"
    )


@pytest.mark.parametrize(
    ("website", "domain"),
    [
        ("https://www.acme.com/about?x=1", "acme.com"),
        ("acme.com", "acme.com"),
        ("WWW.Acme.COM:8080", "acme.com"),
        (" http://shop.acme.co.uk ", "shop.acme.co.uk"),
        ("none", None),
        ("see our page at acme", None),
        ("http://[", None),
        (None, None),
    ],
)
def test_the_domain_of_a_website(website: str | None, domain: str | None) -> None:
    assert domain_of(website) == domain
