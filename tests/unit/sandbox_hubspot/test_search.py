"""Search: operators, paging, caps, a late index."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.sandbox.hubspot import HubSpot
from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox_hubspot.conftest import Api

SEARCH = "/crm/v3/objects/contacts/search"


def one(name: str, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
    given = {"propertyName": name, "operator": operator, **more}
    return given if value is None else {**given, "value": value}


@pytest.fixture
def people(half: HubSpot) -> dict[str, str]:
    """name → id"""
    rows: dict[str, dict[str, Any]] = {
        "ada": {"firstname": "Ada", "mql_score": 9, "jobtitle": "Chief of Staff", "mql_date": "2026-01-02"},
        "bob": {"firstname": "Bob", "mql_score": 10, "jobtitle": "chief engineer"},
        "cid": {"firstname": "Cid", "lifecyclestage": "customer"},
    }
    return {name: half.create("contacts", values) for name, values in rows.items()}


@pytest.mark.parametrize(("filters", "found"), [
    ([one("firstname", "EQ", "ADA")], ["ada"]),
    ([one("firstname", "NEQ", "Ada")], ["bob", "cid"]),
    ([one("mql_score", "LT", "10")], ["ada"]),
    ([one("mql_score", "LTE", 10)], ["ada", "bob"]),
    ([one("mql_score", "GT", "9")], ["bob"]),
    ([one("mql_score", "GTE", "9.0")], ["ada", "bob"]),
    ([one("mql_score", "BETWEEN", "8", highValue="9.5")], ["ada"]),
    ([one("firstname", "IN", values=["ada", "cid"])], ["ada", "cid"]),
    ([one("firstname", "NOT_IN", values=["ada", "cid"])], ["bob"]),
    ([one("mql_score", "HAS_PROPERTY")], ["ada", "bob"]),
    ([one("mql_score", "NOT_HAS_PROPERTY")], ["cid"]),
    ([one("jobtitle", "CONTAINS_TOKEN", "chief")], ["ada", "bob"]),
    ([one("jobtitle", "CONTAINS_TOKEN", "eng*")], ["bob"]),
    ([one("jobtitle", "NOT_CONTAINS_TOKEN", "staff")], ["bob", "cid"]),
    ([one("mql_date", "EQ", "1767312000000")], ["ada"]),
    ([one("mql_score", "GT", "9"), one("firstname", "EQ", "Ada")], []),
])  # fmt: skip
def test_operators(api: Api, people: dict[str, str], filters: list[dict[str, Any]], found: list[str]) -> None:
    answer = api.post(SEARCH, {"filterGroups": [{"filters": filters}]})
    assert [record["id"] for record in answer["results"]] == [people[name] for name in found]
    assert answer["total"] == len(found)
    assert api.post(SEARCH, {"filters": filters})["total"] == len(found)


def test_groups_are_joined_by_or(api: Api, people: dict[str, str]) -> None:
    groups = [{"filters": [one("firstname", "EQ", name)]} for name in ("Ada", "Cid")]
    assert api.post(SEARCH, {"filterGroups": groups})["total"] == 2


def test_sorts_and_text_query(api: Api, people: dict[str, str]) -> None:
    down = [{"propertyName": "mql_score", "direction": "DESCENDING"}]
    answer = api.post(SEARCH, {"sorts": down, "filters": [one("mql_score", "HAS_PROPERTY")]})
    assert [record["id"] for record in answer["results"]] == [people["bob"], people["ada"]]
    assert api.post(SEARCH, {"query": "cid"})["results"][0]["id"] == people["cid"]


@pytest.mark.parametrize("as_text", [True, False])
def test_after_is_an_offset_as_number_or_text(api: Api, people: dict[str, str], as_text: bool) -> None:
    first = api.post(SEARCH, {"limit": 2, "sorts": ["hs_object_id"]})
    after = first["paging"]["next"]["after"]
    rest = api.post(
        SEARCH, {"limit": 2, "sorts": ["hs_object_id"], "after": after if as_text else int(after)}
    )
    assert [record["id"] for record in rest["results"]] == [people["cid"]]
    assert "paging" not in rest


def test_keyset_pages_cover_everything_once(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    sandbox.switches.hs_search_per_second = 1000
    made = [half.create("contacts", {"lastname": str(number)}) for number in range(45)]
    seen: list[str] = []
    while True:
        above = one("hs_object_id", "GT", seen[-1] if seen else "0")
        body = {
            "limit": 20,
            "sorts": ["hs_object_id"],
            "filters": [one("lastmodifieddate", "GTE", "0"), above],
        }
        answer = api.post(SEARCH, body)
        assert answer["total"] == 45 - len(seen)
        seen += [record["id"] for record in answer["results"]]
        if len(answer["results"]) < 20:
            break
    assert seen == made


@pytest.mark.parametrize(("body", "words"), [
    ({"limit": 201}, "limit"),
    ({"after": 10_000}, "past the first 10000"),
    ({"after": "x"}, "no whole number"),
    ({"sorts": ["createdate", "email"]}, "one sort"),
    ({"sorts": ["nothing"]}, "unknown sort"),
    ({"filters": [one("nothing", "EQ", "1")]}, "does not exist"),
    ({"filters": [one("email", "LIKE", "1")]}, "operator LIKE"),
    ({"filters": [one("email", "EQ")]}, "requires a value"),
    ({"filters": [one("email", "IN")]}, "requires values"),
    ({"filters": [one("email", "EQ", "1")] * 7}, "Too many filters"),
    ({"filterGroups": [{"filters": [one("email", "EQ", "1")]}] * 6}, "Too many filterGroups"),
    ({"query": "x" * 3001}, "3000"),
])  # fmt: skip
def test_what_is_refused(api: Api, body: dict[str, Any], words: str) -> None:
    answer = api.post(SEARCH, body)
    assert (api.status, answer["category"]) == (400, "VALIDATION_ERROR")
    assert words in answer["message"]


def test_archived_merged_and_erased_records_are_not_found(api: Api, half: HubSpot) -> None:
    kept, archived, erased, loser = (half.create("contacts", {}) for _ in range(4))
    half.delete("contacts", archived)
    half.erase("contacts", erased)
    survivor = half.merge("contacts", kept, loser)
    assert [record["id"] for record in api.post(SEARCH, {})["results"]] == [survivor]


def test_the_index_is_late(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    old = half.create("contacts", {"city": "Rome"})
    sandbox.advance(600)
    sandbox.switches.hs_search_lag = 30
    half.create("contacts", {"city": "Rome"})
    half.edit("contacts", old, {"city": "Oslo"})
    found = api.post(SEARCH, {"filters": [one("city", "EQ", "Rome")]})["results"]
    assert [record["id"] for record in found] == [old]
    recent = one("lastmodifieddate", "GTE", str(int((sandbox.clock() - 60) * 1000)))
    assert api.post(SEARCH, {"filters": [recent]})["total"] == 0
    sandbox.advance(31)
    assert api.post(SEARCH, {"filters": [recent]})["total"] == 2
    assert api.post(SEARCH, {"filters": [one("city", "EQ", "Oslo")]})["results"][0]["id"] == old
