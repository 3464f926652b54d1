"""List memberships: who joined, and between which ids a page says so of everybody."""

from __future__ import annotations

from typing import Any

import pytest
import responses

from config.pulling import PulledObject
from config.settings import Condition, EngagementRule
from connectors.errors import BrokenReply, NotOffered
from connectors.hubspot.lists import Memberships
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.records import Cursor, Feed, FeedKind, ListPart, Page
from connectors.sandbox.sandbox import Sandbox
from tests.unit.hubspot.made import API, account, on_sandbox, pull, recorded
from tests.world import SimulatedWorld

SOURCE = "hubspot.list_membership"
NAME = "list_memberships"
JOINED = EngagementRule(
    source=SOURCE,
    kind="list_joined",
    when={"listName": Condition(glob="*trial*"), "action": Condition(equals="joined")},
)
LEFT = EngagementRule(
    source=SOURCE,
    kind="list_left",
    when={"listName": Condition(glob="*trial*"), "action": Condition(equals="left")},
)
BY_RULE = PullOptions(EngagementMapper([JOINED, LEFT]))


def contacts(sandbox: Sandbox, count: int) -> list[str]:
    return [sandbox.create("hubspot", "contacts", {"email": f"m{n}@example.com"}) for n in range(count)]


def parts(pages: list[Page], list_id: str) -> list[ListPart]:
    return [part for page in pages for part in page.list_parts if part.list_id == list_id]


@pytest.mark.parametrize("version", ["v3", "2026-03"])
def test_every_member_of_every_list_that_a_rule_names(
    sandbox: Sandbox, world: SimulatedWorld, version: str
) -> None:
    ids, lists = contacts(sandbox, 600), sandbox.hubspot.lists
    trial, other, companies = lists.add("Trial users"), lists.add("Other"), lists.add("trial firms", "0-2")
    empty = lists.add("old trial users", processing="DYNAMIC")
    lists.join(trial, ids, at=world.clock() - 100)
    lists.join(other, ids[:5])
    connector = on_sandbox(sandbox, world, BY_RULE, api_version=version)
    asked = recorded(sandbox)
    pages, cursor = pull(connector, NAME)
    assert not any(f"/{one}/memberships" in line for one in (other, companies) for line in asked)
    found = parts(pages, trial)
    assert [(part.low, part.high) for part in found] == [
        (-1, int(ids[249])), (int(ids[249]), int(ids[499])), (int(ids[499]), None),
    ]  # fmt: skip
    assert [record_id for part in found for record_id, _ in part.members] == [int(one) for one in ids]
    assert [part.members for part in parts(pages, empty)] == [()]
    joined = [row for page in pages for row in page.engagements]
    assert {row.person_id for row in joined} == set(ids)
    assert {(row.kind, row.asset) for row in joined} == {("list_joined", "Trial users")}
    assert joined[0].occurred_at == int(world.clock() - 100)
    assert pages[-1].lists == (trial, empty)
    assert connector.calls == 1 + 3 + 1
    assert found[0].left is not None
    assert found[0].left.kind == "list_left"
    assert cursor.since_ms is not None


def test_once_an_hour(sandbox: Sandbox, world: SimulatedWorld) -> None:
    list_id = sandbox.hubspot.lists.add("Trial users")
    sandbox.hubspot.lists.join(list_id, contacts(sandbox, 3))
    connector = on_sandbox(sandbox, world, BY_RULE)
    _, cursor = pull(connector, NAME)
    calls = connector.calls
    world.advance(3000)
    pages, cursor = pull(connector, NAME, cursor)
    assert (connector.calls, pages[0].lists) == (calls, None)
    world.advance(700)
    pages, _ = pull(connector, NAME, cursor)
    assert len(parts(pages, list_id)) == 1


def test_p13_a_process_that_goes_on_skips_no_list(sandbox: Sandbox, world: SimulatedWorld) -> None:
    """Each list has a place of its own in the cursor: nothing of the lists that follow is taken for read."""
    ids, lists = contacts(sandbox, 520), sandbox.hubspot.lists
    made = [lists.add(f"Trial {number}") for number in range(11)]  # 10 sorts behind 9, not behind 1
    for number, list_id in enumerate(made):
        lists.join(list_id, ids[: 50 * number + 3])
    pages, _ = pull(on_sandbox(sandbox, world, BY_RULE), NAME)
    wanted = [part for page in pages for part in page.list_parts]
    for number in range(len(pages) - 1):
        rest, _ = pull(on_sandbox(sandbox, world, BY_RULE), NAME, pages[number].cursor)
        assert [part for page in [*pages[: number + 1], *rest] for part in page.list_parts] == wanted


def test_off_unless_a_rule_or_the_configuration_says_so(sandbox: Sandbox, world: SimulatedWorld) -> None:
    def names(**of: bool) -> set[str]:
        objects = {f"hubspot.{name}": PulledObject(on=on) for name, on in of.items()}
        options = PullOptions(EngagementMapper([JOINED] if of.get("notes") else []), objects=objects)
        return {feed.object for feed in on_sandbox(sandbox, world, options).feeds()}

    optional = {"list_memberships", "notes", "tasks", "leads"}
    assert names() & optional == set()
    assert names(tasks=True, leads=True) & optional == {"tasks", "leads"}
    assert names(notes=True, list_memberships=False) & optional == {"notes"}


FEED = Feed(f"hubspot.{NAME}", "hubspot", NAME, FeedKind.ENGAGEMENTS, True)
LISTS = f"{API}/crm/v3/lists/search"
MEMBERS = f"{API}/crm/v3/lists/7/memberships"
ONE_LIST = {"lists": [{"listId": "7", "name": "Trial", "objectTypeId": "0-1"}], "hasMore": False}


def read(world: SimulatedWorld, cursor: Cursor | None = None) -> list[Page]:
    return list(Memberships(account(world), BY_RULE).pages(FEED, cursor))


def member(record_id: object, **more: Any) -> dict[str, Any]:
    return {"recordId": record_id, "membershipTimestamp": "2026-11-01T00:00:00Z", **more}


@responses.activate
def test_a_page_out_of_order_says_nothing_of_who_left(world: SimulatedWorld) -> None:
    responses.post(LISTS, json=ONE_LIST)
    responses.get(MEMBERS, json={"results": [member("5"), member("3")]})
    part = read(world)[0].list_parts[0]
    assert (part.low, part.high) == (-1, -1)
    assert [record_id for record_id, _ in part.members] == [5, 3]


@responses.activate
def test_a_member_that_cannot_be_read_is_parked(world: SimulatedWorld) -> None:
    responses.post(LISTS, json=ONE_LIST)
    responses.get(MEMBERS, json={"results": [member(5, membershipTimestamp=None), member("x"), "9"]})
    page = read(world)[0]
    assert len(page.poison) == 2
    assert page.list_parts[0].members == ((5, 0),)
    assert page.list_parts[0].high == -1  # whoever could not be read may be in the list


@responses.activate
def test_a_token_that_was_forgotten_starts_the_list_again(world: SimulatedWorld) -> None:
    responses.post(LISTS, json=ONE_LIST)
    responses.get(MEMBERS, json={"category": "VALIDATION_ERROR"}, status=400)
    responses.get(MEMBERS, json={"results": [member("1"), member("9")]})
    under_way = Cursor(None, 1_000, "old", '{"list":7,"low":5}')
    part = read(world, under_way)[0].list_parts[0]
    assert (part.low, part.high) == (-1, None)


@responses.activate
def test_members_and_lists_that_go_in_circles_are_not_believed(world: SimulatedWorld) -> None:
    responses.post(LISTS, json=ONE_LIST)
    responses.get(MEMBERS, json={"results": [member("1")], "paging": {"next": {"after": "a"}}})
    with pytest.raises(BrokenReply, match="circles"):
        read(world)
    responses.replace("POST", LISTS, json={**ONE_LIST, "hasMore": True, "offset": 0})
    with pytest.raises(BrokenReply, match="circles"):
        read(world)


@responses.activate
def test_a_list_that_is_deleted_meanwhile_and_an_account_without_lists(world: SimulatedWorld) -> None:
    responses.post(LISTS, json=ONE_LIST)
    responses.get(MEMBERS, status=404)
    assert [page.complete for page in read(world)] == [True]
    responses.replace("POST", LISTS, status=404)
    with pytest.raises(NotOffered):
        read(world)
