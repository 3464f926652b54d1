"""Owners, properties, associations, forms, events, pipelines, lists and OAuth through the official client."""

from __future__ import annotations

import importlib
from typing import Any

import hubspot
import pytest

from connectors.sandbox.hubspot import HubSpot
from connectors.sandbox.sandbox import Sandbox

v4: Any = importlib.import_module("hubspot.crm.associations.v4")


def test_owners(official: hubspot.Client, half: HubSpot) -> None:
    rep = half.owners.add("rep@example.com", "Rita", "Rep")
    left = half.owners.add("left@example.com", "Leo", "Left", active=False)
    queue = half.owners.add("", "Inbound", "", kind="QUEUE")
    api = official.crm.owners.owners_api
    page = api.get_page(limit=1)
    assert [owner.id for owner in page.results] == [rep]
    rest = api.get_page(limit=500, after=page.paging.next.after)
    assert [(owner.id, owner.type, owner.email) for owner in rest.results] == [(queue, "QUEUE", None)]
    archived = api.get_page(archived=True).results
    assert [(owner.id, owner.user_id) for owner in archived] == [(left, None)]
    assert archived[0].user_id_including_inactive
    assert api.get_page(email="rep@example.com").results[0].id == rep
    found = api.get_by_id(int(half.owners.user_of(rep)), id_property="userId")
    assert found.id == rep != half.owners.user_of(rep)


@pytest.mark.parametrize("kind", ["contacts", "0-1", "company", "deals", "calls", "emails", "meetings"])
def test_properties(official: hubspot.Client, kind: str) -> None:
    listed = official.crm.properties.core_api.get_all(kind).results
    names = {prop.name for prop in listed}
    assert {"hs_object_id", "hs_merged_object_ids"} <= names
    read_only = {prop.name for prop in listed if prop.modification_metadata.read_only_value}
    assert "hs_object_id" in read_only


def test_property_options_and_calculated(official: hubspot.Client) -> None:
    status = official.crm.properties.core_api.get_by_name("contacts", "hs_lead_status")
    assert [option.value for option in status.options][:3] == ["NEW", "OPEN", "IN_PROGRESS"]
    assert not status.calculated
    views = official.crm.properties.core_api.get_by_name("contacts", "hs_analytics_num_page_views")
    assert views.calculated
    score = official.crm.properties.core_api.get_by_name("contacts", "mql_score")
    assert (score.type, score.hubspot_defined) == ("number", False)


def test_properties_in_batches_and_their_groups(official: hubspot.Client) -> None:
    api = importlib.import_module("hubspot.crm.properties")
    names = [api.PropertyName(name=name) for name in ("email", "mql_score", "nothing")]
    wanted = api.BatchReadInputPropertyName(inputs=names, archived=False)
    found = official.crm.properties.batch_api.read("contacts", wanted).results
    assert [prop.name for prop in found] == ["email", "mql_score"]
    groups = official.crm.properties.groups_api.get_all("contacts").results
    assert "custom" in {group.name for group in groups}


def test_properties_come_and_go(official: hubspot.Client, half: HubSpot) -> None:
    api = importlib.import_module("hubspot.crm.properties")
    options = [api.OptionInput(label="Big", value="big", hidden=False, display_order=1)]
    new = api.PropertyCreate(
        name="segment",
        label="Segment",
        type="enumeration",
        field_type="select",
        group_name="custom",
        options=options,
    )
    core = official.crm.properties.core_api
    assert core.create("contacts", new).options[0].value == "big"
    half.create("contacts", {"segment": "big"})
    with pytest.raises(ValueError, match="INVALID_OPTION"):
        half.create("contacts", {"segment": "small"})
    core.update("contacts", "segment", api.PropertyUpdate(label="Size class"))
    assert core.get_by_name("contacts", "segment").label == "Size class"
    core.archive("contacts", "segment")
    with pytest.raises(api.ApiException, match="404"):
        core.get_by_name("contacts", "segment")


def test_the_generic_objects_room(official: hubspot.Client, half: HubSpot) -> None:
    made = half.create("companies", {"name": "X"})
    assert [one.id for one in official.crm.objects.basic_api.get_page("companies").results] == [made]


def test_association_batch_read(official: hubspot.Client, half: HubSpot, sandbox: Sandbox) -> None:
    contact, lonely = half.create("contacts", {}), half.create("contacts", {})
    companies = [half.create("companies", {"name": str(number)}) for number in range(3)]
    for company in companies:
        half.associate("contacts", contact, "companies", company)
    sandbox.switches.hs_association_page = 2
    api = official.crm.associations.v4.batch_api
    ids = [v4.PublicFetchAssociationsBatchRequest(id=one) for one in (contact, lonely)]
    answer = api.get_page(
        "contacts", "companies", v4.BatchInputPublicFetchAssociationsBatchRequest(inputs=ids)
    )
    assert answer.num_errors == 1
    assert answer.errors[0].sub_category == "crm.associations.NO_ASSOCIATIONS_FOUND"
    (result,) = answer.results
    assert result._from.id == contact
    assert [one.to_object_id for one in result.to] == companies[:2]
    assert {spec.type_id: spec.label for spec in result.to[0].association_types} == {1: "Primary", 279: None}
    more = v4.PublicFetchAssociationsBatchRequest(id=contact, after=result.paging.next.after)
    rest = api.get_page(
        "contacts", "companies", v4.BatchInputPublicFetchAssociationsBatchRequest(inputs=[more])
    )
    assert [one.to_object_id for one in rest.results[0].to] == companies[2:]
    assert rest.results[0].paging is None


def test_association_writes(official: hubspot.Client, half: HubSpot) -> None:
    contact, deal = half.create("contacts", {}), half.create("deals", {"dealname": "x"})
    basic = official.crm.associations.v4.basic_api
    basic.create_default("contacts", contact, "deals", deal)
    assert [one.to_object_id for one in basic.get_page("contacts", contact, "deals").results] == [deal]
    assert [one.to_object_id for one in basic.get_page("deals", deal, "contacts").results] == [contact]
    basic.archive("contacts", contact, "deals", deal)
    assert basic.get_page("deals", deal, "contacts").results == []
    spec = v4.AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=4)
    basic.create("contacts", contact, "deals", deal, [spec])
    batch = official.crm.associations.v4.batch_api
    pair = v4.PublicAssociationMultiPost(
        types=[spec], _from=v4.PublicObjectId(id=contact), to=v4.PublicObjectId(id=deal)
    )
    answer = batch.create("contacts", "deals", v4.BatchInputPublicAssociationMultiPost(inputs=[pair]))
    assert answer.results[0].to_object_id == deal


def test_forms(official: hubspot.Client, half: HubSpot) -> None:
    demo = half.forms.add("Request a demo")
    half.forms.add("Embedded", "captured")
    page = official.marketing.forms.forms_api.get_page(limit=100)
    assert [(form.id, form.name) for form in page.results] == [(demo, "Request a demo")]
    assert official.marketing.forms.forms_api.get_by_id(demo).name == "Request a demo"


def test_events(official: hubspot.Client, half: HubSpot, sandbox: Sandbox) -> None:
    contact, now = half.create("contacts", {}), sandbox.clock()
    for back in range(3):
        half.feeds.add_visit(contact, now - back * 60, f"https://x.com/{back}", "X")
    page = official.events.events_api.get_page(event_type="e_visited_page", limit=2)
    assert [event.properties["hs_url"] for event in page.results] == ["https://x.com/0", "https://x.com/1"]
    assert {event.object_id for event in page.results} == {contact}
    rest = official.events.events_api.get_page(event_type="e_visited_page", after=page.paging.next.after)
    assert [event.properties["hs_url"] for event in rest.results] == ["https://x.com/2"]
    assert rest.paging is None


def test_pipelines(official: hubspot.Client) -> None:
    (pipeline,) = official.crm.pipelines.pipelines_api.get_all("deals").results
    won = {stage.id for stage in pipeline.stages if stage.metadata["isClosed"] == "true"}
    assert won == {"closedwon", "closedlost"}


def test_lists(official: hubspot.Client, half: HubSpot) -> None:
    members = [half.create("contacts", {"lastname": str(number)}) for number in range(3)]
    list_id = half.lists.add("Readers")
    half.lists.join(list_id, members)
    api = official.crm.lists
    search = importlib.import_module("hubspot.crm.lists").ListSearchRequest(query="read", count=10)
    assert [one.list_id for one in api.lists_api.do_search(search).lists] == [list_id]
    page = api.memberships_api.get_page(list_id, limit=2)
    assert [one.record_id for one in page.results] == members[:2]
    rest = api.memberships_api.get_page(list_id, after=page.paging.next.after)
    assert [one.record_id for one in rest.results] == members[2:]


def test_oauth(official: hubspot.Client, sandbox: Sandbox) -> None:
    known = sandbox.credentials["hubspot"]
    answer = official.oauth.tokens_api.create(
        grant_type="refresh_token",
        refresh_token=known["refresh_token"],
        client_id=known["client_id"],
        client_secret=known["client_secret"],
    )
    assert answer.expires_in == 1800
    info = official.oauth.access_tokens_api.get(answer.access_token)
    assert info.hub_id == 62515
    assert "crm.objects.contacts.write" in info.scopes
