"""Nonsense is refused with an error of HubSpot's shape; nothing makes the sandbox itself fail."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.sandbox.hubspot import HubSpot
from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox_hubspot.conftest import Api

WORDS = [
    "inputs", "id", "properties", "filters", "filterGroups", "propertyName", "operator", "value",
    "values", "limit", "after", "sorts", "query", "idProperty", "types", "associationTypeId", "from",
    "to", "associations", "email", "objectWriteTraceId", "propertiesWithHistory", "primaryObjectId",
    "objectIdToMerge", "count", "highValue",
]  # fmt: skip
NAMES = ["101", "102", "EQ", "IN", "BETWEEN", "hs_object_id", "email", "lifecyclestage", "createdate"]
ATOMS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 20_000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(NAMES)
)
BODIES = st.recursive(
    ATOMS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)
POSTED = [
    "/crm/v3/objects/contacts", "/crm/v3/objects/contacts/search", "/crm/v3/objects/contacts/merge",
    "/crm/v3/objects/contacts/gdpr-delete", "/crm/v3/objects/contacts/batch/read",
    "/crm/v3/objects/contacts/batch/update", "/crm/v3/objects/contacts/batch/create",
    "/crm/v3/objects/contacts/batch/upsert", "/crm/v3/objects/contacts/batch/archive",
    "/crm/v4/associations/contacts/companies/batch/read",
    "/crm/v4/associations/contacts/companies/batch/create",
    "/crm/v4/associations/contacts/companies/batch/archive", "/crm/v3/lists/search", "/crm/v3/lists",
    "/crm/v3/properties/contacts", "/crm/v3/lists/records/memberships/batch/read",
    "/oauth/v2/private-apps/get/access-token-info",
]  # fmt: skip
GOT = [
    "/crm/v3/objects/contacts", "/crm/v3/objects/contacts/101", "/crm/v3/owners", "/marketing/v3/forms",
    "/email/public/v1/events", "/email/public/v1/campaigns", "/events/v3/events",
    "/crm/v4/objects/contacts/101/associations/companies", "/crm/v3/lists/1/memberships",
]  # fmt: skip
PARAMETERS = [
    "limit", "after", "offset", "archived", "properties", "associations", "propertiesWithHistory",
    "sort", "startTimestamp", "endTimestamp", "occurredAfter", "occurredBefore", "objectType",
    "objectId", "eventType", "idProperty", "campaignId",
]  # fmt: skip
VALUES = (
    st.text(max_size=6)
    | st.integers(-5, 300).map(str)
    | st.sampled_from(["e_visited_page", "contacts", "Yzph", "Yzox"])
)
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=150, deadline=None, suppress_health_check=QUIET)
@given(path=st.sampled_from(POSTED), inner=BODIES, word=st.sampled_from(WORDS))
def test_bodies(sandbox: Sandbox, half: HubSpot, api: Api, path: str, inner: Any, word: str) -> None:
    sandbox.switches.hs_per_ten_seconds = sandbox.switches.hs_search_per_second = 10**6
    if not sandbox.store.table("hubspot", "contacts").rows:
        half.create("contacts", {"email": "a@x.com"})
        half.create("companies", {"name": "X"})
    for body in (inner, {word: inner}, {word: [{other: inner} for other in WORDS[:3]]}):
        answer = api.post(path, body)
        assert sandbox.errors == []
        assert api.status < 500
        if api.status >= 400:
            assert {"status", "message", "correlationId", "category"} <= set(answer)


@settings(max_examples=80, deadline=None, suppress_health_check=QUIET)
@given(
    name=st.sampled_from(
        ["email", "mql_score", "mql_date", "recent_conversion_date", "hs_email_optout", "city"]
    ),
    value=ATOMS | st.text() | st.integers().map(str) | st.lists(st.integers(), max_size=1),
)
def test_values_are_refused_or_read_back(
    sandbox: Sandbox, half: HubSpot, api: Api, name: str, value: Any
) -> None:
    sandbox.switches.hs_per_ten_seconds = 10**6
    if not sandbox.store.table("hubspot", "contacts").rows:
        half.create("contacts", {"email": "a@x.com"})
    answer = api.patch("/crm/v3/objects/contacts/101", {name: value})
    assert sandbox.errors == []
    assert api.status in (200, 400)
    if api.status == 200:
        shown = api.get("/crm/v3/objects/contacts/101", properties=name)["properties"][name]
        assert shown == answer["properties"][name]
        again = api.patch("/crm/v3/objects/contacts/101", {name: shown})["properties"][name]
        assert again == shown


@settings(max_examples=80, deadline=None, suppress_health_check=QUIET)
@given(path=st.sampled_from(GOT), params=st.dictionaries(st.sampled_from(PARAMETERS), VALUES, max_size=4))
def test_parameters(sandbox: Sandbox, half: HubSpot, api: Api, path: str, params: dict[str, str]) -> None:
    sandbox.switches.hs_per_ten_seconds = 10**6
    if not sandbox.store.table("hubspot", "contacts").rows:
        half.create("contacts", {"email": "a@x.com"})
        half.lists.add("One")
        half.feeds.add_visit("101", sandbox.clock(), "https://x.com", "X")
    api.get(path, **params)
    assert sandbox.errors == []
    assert api.status < 500
