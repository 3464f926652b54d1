"""Whatever happens to the records, pages of any size show every living one once, in order."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.sandbox.hubspot import HubSpot
from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox_hubspot.conftest import Api

CONTACTS = "/crm/v3/objects/contacts"
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "archive", "merge", "erase"]), st.integers(0, 50), st.integers(0, 50)
    ),
    max_size=25,
)


def play(half: HubSpot, alive: list[str], steps: list[tuple[str, int, int]]) -> None:
    """Do the steps to the records that are alive; keeps `alive` true."""
    for what, one, two in steps:
        if what == "create" or len(alive) < 3:
            alive.append(half.create("contacts", {"lastname": str(len(alive))}))
            continue
        first = alive[one % len(alive)]
        second = alive[two % len(alive)]
        if what == "archive":
            half.delete("contacts", first)
            alive.remove(first)
        elif what == "erase":
            half.erase("contacts", first)
            alive.remove(first)
        elif first != second:
            alive.append(half.merge("contacts", first, second))
            alive.remove(first)
            alive.remove(second)


def listed(api: Api, limit: int) -> list[str]:
    seen: list[str] = []
    page = api.get(CONTACTS, limit=limit)
    while True:
        seen += [record["id"] for record in page["results"]]
        if "paging" not in page:
            return seen
        page = api.get(page["paging"]["next"]["link"])


def found_by_keyset(api: Api, limit: int) -> list[str]:
    seen: list[str] = []
    while True:
        above = {"propertyName": "hs_object_id", "operator": "GT", "value": seen[-1] if seen else "0"}
        body: dict[str, Any] = {"limit": limit, "sorts": ["hs_object_id"], "filters": [above]}
        results = api.post(f"{CONTACTS}/search", body)["results"]
        seen += [record["id"] for record in results]
        if len(results) < limit:
            return seen


def found_by_offset(api: Api, limit: int) -> list[str]:
    seen: list[str] = []
    body: dict[str, Any] = {"limit": limit, "sorts": ["hs_object_id"]}
    while True:
        answer = api.post(f"{CONTACTS}/search", body)
        seen += [record["id"] for record in answer["results"]]
        if "paging" not in answer:
            return seen
        body["after"] = answer["paging"]["next"]["after"]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, more=STEPS, limit=st.integers(1, 10))
def test_pages_cover_the_living(
    sandbox: Sandbox, half: HubSpot, api: Api, steps: list[Any], more: list[Any], limit: int
) -> None:
    sandbox.switches.hs_per_ten_seconds = sandbox.switches.hs_search_per_second = 10**6
    alive = listed(api, 100)
    for part in (steps, more):
        play(half, alive, part)
        expected = sorted(alive, key=int)
        assert listed(api, limit) == expected
        assert found_by_keyset(api, limit) == expected
        assert found_by_offset(api, limit) == expected
