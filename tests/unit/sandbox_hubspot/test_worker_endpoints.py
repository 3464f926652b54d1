"""Every endpoint that the worker calls, through the official client, which checks answers by its models."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import hubspot
import pytest

from connectors.hubspot.activities import ACTIVITIES, OPTIONAL
from connectors.hubspot.paths import NUMBERED
from connectors.sandbox.hubspot import HubSpot
from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox_hubspot.conftest import Api

objects: Any = importlib.import_module("hubspot.crm.objects")
v4: Any = importlib.import_module("hubspot.crm.associations.v4")
lists: Any = importlib.import_module("hubspot.crm.lists")

KINDS = ("contacts", "companies", "deals", *ACTIVITIES, *OPTIONAL)

UNTYPED = {
    "submissions": ("/form-integrations/v1/submissions/forms/{form}", {"results"}),
    "email_events": ("/email/public/v1/events", {"events", "hasMore"}),
    "campaign": ("/email/public/v1/campaigns/7", {"id", "appId", "name", "subject", "type"}),
    "account": (
        "/account-info/v3/details",
        {"portalId", "accountType", "timeZone", "companyCurrency", "utcOffset", "utcOffsetMilliseconds",
         "uiDomain", "dataHostingLocation", "additionalCurrencies"},
    ),
    "token_info": ("/oauth/v2/private-apps/get/access-token-info", {"userId", "hubId", "appId", "scopes"}),
}  # fmt: skip
"""The official client has no models for these: what their pages document must be there."""


def typed(official: hubspot.Client, half: HubSpot) -> dict[str, Callable[[str], Any]]:
    """Name of a path → a call of the official client on objects of a kind."""
    crm = official.crm
    inputs = v4.BatchInputPublicFetchAssociationsBatchRequest

    def known(kind: str) -> str:
        return half.create(kind, {})

    def batch(kind: str) -> Any:
        ids = [objects.SimplePublicObjectId(id=known(kind)), objects.SimplePublicObjectId(id="99999")]
        wanted = objects.BatchReadInputSimplePublicObjectId(
            inputs=ids, properties=["hs_object_id"], properties_with_history=["hubspot_owner_id"]
        )
        return crm.objects.batch_api.read(kind, wanted)

    def update(kind: str) -> Any:
        change = objects.SimplePublicObjectBatchInput(id=known(kind), properties={"hubspot_owner_id": ""})
        wanted = objects.BatchInputSimplePublicObjectBatchInput(inputs=[change])
        return crm.objects.batch_api.update(kind, wanted)

    def search(kind: str) -> Any:
        known(kind)
        filters = [objects.Filter(property_name="hs_object_id", operator="GT", value="0")]
        wanted = objects.PublicObjectSearchRequest(
            filter_groups=[objects.FilterGroup(filters=filters)],
            sorts=["hs_object_id"], limit=200, properties=["hs_object_id"],
        )  # fmt: skip
        return crm.objects.search_api.do_search(kind, wanted)

    def associations(kind: str) -> Any:
        to = "companies" if kind == "contacts" else "contacts"
        one = known(kind)
        half.associate(kind, one, to, known(to))
        ids = [v4.PublicFetchAssociationsBatchRequest(id=record_id) for record_id in (one, known(kind))]
        answer = crm.associations.v4.batch_api.get_page(kind, to, inputs(inputs=ids))
        assert (len(answer.results), answer.num_errors) == (1, 1)
        return answer

    def token(_: str) -> Any:
        names = ("client_id", "client_secret", "refresh_token")
        given = {name: half.credentials[name] for name in names}
        return official.oauth.tokens_api.create(grant_type="refresh_token", **given)

    def members(_: str) -> Any:
        list_id = half.lists.add("List")
        half.lists.join(list_id, [known("contacts")])
        return crm.lists.memberships_api.get_page(list_id, limit=250)

    return {
        "objects": lambda kind: crm.objects.basic_api.get_page(kind, limit=100, archived=False),
        "object": lambda kind: crm.objects.basic_api.get_by_id(kind, known(kind)),
        "batch_read": batch,
        "batch_update": update,
        "search": search,
        "associations": associations,
        "owners": lambda _: (half.owners.add("a@b.example", "A", "B"), crm.owners.owners_api.get_page())[1],
        "properties": crm.properties.core_api.get_all,
        "property": lambda kind: crm.properties.core_api.get_by_name(kind, "hubspot_owner_id"),
        "pipelines": lambda _: crm.pipelines.pipelines_api.get_all("deals"),
        "forms": lambda _: (half.forms.add("F"), official.marketing.forms.forms_api.get_page())[1],
        "web_events": lambda _: (
            half.feeds.add_visit(known("contacts"), 1.0, "https://x.example/", "X"),
            official.events.events_api.get_page(event_type="e_visited_page"),
        )[1],
        "lists": lambda _: crm.lists.lists_api.do_search(lists.ListSearchRequest(query="", count=500)),
        "memberships": members,
        "token": token,
    }


def test_no_endpoint_is_forgotten(official: hubspot.Client, half: HubSpot) -> None:
    assert set(typed(official, half)) | set(UNTYPED) == set(NUMBERED)


@pytest.mark.parametrize("name", sorted(set(NUMBERED) - set(UNTYPED)))
@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_satisfies_the_official_client(
    official: hubspot.Client, half: HubSpot, name: str, kind: str
) -> None:
    """`client_side_validation` raises ValueError for what breaks a model."""
    if kind != "contacts" and name not in ("objects", "object", "batch_read", "batch_update", "search",
                                           "associations", "properties", "property"):  # fmt: skip
        return
    assert typed(official, half)[name](kind) is not None


@pytest.mark.parametrize("name", sorted(UNTYPED))
def test_an_answer_without_a_model_has_what_is_documented(
    api: Api, half: HubSpot, sandbox: Sandbox, name: str
) -> None:
    form = half.forms.add("Contact us")
    half.feeds.add_campaign(7, 113, "Spring", "Hello")
    half.feeds.add_submission(form, sandbox.clock(), "ann@example.com", {})
    half.feeds.add_email_event("OPEN", sandbox.clock(), "ann@example.com", 7)
    path, wanted = UNTYPED[name]
    if name == "token_info":
        answer = api.post(path, {"tokenKey": half.credentials["access_token"]})
    else:
        answer = api.get(path.format(form=form))
    assert wanted <= set(answer)
    if name == "submissions":
        assert {"submittedAt", "values", "pageUrl"} <= set(answer["results"][0])
    if name == "email_events":
        assert {"id", "type", "created", "recipient", "portalId"} <= set(answer["events"][0])
