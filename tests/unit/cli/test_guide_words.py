"""The guide's texts: whatever a CRM offers ends up in the template as it was, and every comment stays."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.schema import variables
from config.templates import template
from connectors.records import Owner
from sync.cli.guide_words import (
    PLACES,
    ROADS,
    Place,
    marked,
    proposed,
    quoted,
    shared_users,
    status_in,
    with_members,
    with_mql,
)

TEMPLATE = template("mqlsync.toml")
ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def comments(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.startswith("#")]


@pytest.mark.parametrize("place", PLACES)
@given(value=ANYTHING)
@settings(max_examples=60, deadline=None)
def test_a_value_goes_in_as_it_is_and_nothing_else_changes(place: Place, value: str) -> None:
    text = with_mql(TEMPLATE, place, value)
    expected: Any = tomllib.loads(TEMPLATE)
    expected["writeback"][place.crm][place.object]["status"]["values"]["mql"] = value
    assert tomllib.loads(text) == expected
    assert comments(text) == comments(TEMPLATE)
    assert status_in(text, place).mql == value


@given(emails=st.lists(ANYTHING, min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_members_go_in_as_they_are_and_the_examples_stay(emails: list[str]) -> None:
    text = with_members(TEMPLATE, emails)
    expected: Any = tomllib.loads(TEMPLATE)
    expected["routing"] = {"pools": {"default": {"members": [{"email": email} for email in emails]}}}
    assert tomllib.loads(text) == expected
    gone = set(comments(TEMPLATE)) - set(comments(text))
    assert {line.split()[1] for line in gone} == {"[routing.pools.default]"}


def test_nobody_leaves_the_template_alone() -> None:
    assert with_members(TEMPLATE, []) == TEMPLATE


@given(value=ANYTHING)
def test_quoted_is_a_string_of_toml(value: str) -> None:
    assert tomllib.loads(f"a = {quoted(value)}") == {"a": value}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("New", "Marketing-Qualified", "MQL"), "MQL"),
        (("New", "Marketing Qualified Lead"), "Marketing Qualified Lead"),
        (("New", "02_mql"), "02_mql"),
        (("New", "Sales Qualified", "Smqlx"), None),
        ((), None),
    ],
)
def test_the_value_that_is_proposed(values: tuple[str, ...], expected: str | None) -> None:
    assert proposed(values, status_in(TEMPLATE, PLACES[0])) == expected


def test_marks() -> None:
    status = status_in(TEMPLATE, PLACES[0])
    assert marked("MQL", status) == "MQL   (likely)"
    assert "where people begin" in marked("New", status)
    assert marked("Working", status) == "Working"


def test_every_road_names_variables_that_exist_and_gives_no_secret_a_place() -> None:
    known = variables()
    for road in (road for roads in ROADS.values() for road in roads):
        for line in road.lines():
            name = line.replace('="', " ").split()[1 if line.startswith("export") else 2]
            assert name in known, line
            assert known[name].secret == line.startswith("read -rs "), line


def owner(crm: str, email: str | None, *, kind: str = "person", active: bool = True) -> Owner:
    return Owner(crm, f"id-{email}", email, (email or "?").partition("@")[0].title(), kind, active)


def test_users_are_active_people_of_every_crm() -> None:
    salesforce = [
        owner("salesforce", "Zoe@x.example"), owner("salesforce", "ann@x.example"),
        owner("salesforce", "gone@x.example", active=False), owner("salesforce", "only@x.example"),
        owner("salesforce", "bot@x.example", kind="integration"), owner("salesforce", None),
    ]  # fmt: skip
    hubspot = [owner("hubspot", f"{name}@x.example") for name in ("zoe", "ann", "gone", "bot")]
    assert [user.email for user in shared_users([salesforce, hubspot])] == ["ann@x.example", "Zoe@x.example"]
    assert [user.email for user in shared_users([hubspot[:2]])] == ["ann@x.example", "zoe@x.example"]
    assert shared_users([]) == []
