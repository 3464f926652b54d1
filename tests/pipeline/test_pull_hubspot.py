"""HubSpot pulled into a real mirror over HTTP: what changes without a trace, and while it is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.sandbox.faults import Match
from connectors.sandbox.sandbox import Sandbox
from sync.mirror import erased, pseudonyms
from sync.mirror.engine import Mirror
from tests.databases import mirror_url
from tests.pipeline.on_hubspot import CRM, HOUR, Configured, configurable, contact, engagements, pull, rule
from tests.pipeline.small import Small
from tests.world import SimulatedWorld


@pytest.fixture
def configured(sandbox: Sandbox, world: SimulatedWorld, tmp_path: Path) -> Iterator[Configured]:
    """Makes a mirror that pulls the sandbox by these settings; the same mirror, each time it is called."""
    mirror = Mirror(mirror_url(tmp_path), world)
    yield configurable(sandbox, world, mirror)
    mirror.close()


# P13: list memberships

LIST_RULES = [
    rule("hubspot.list_membership", "list_joined", listName="Trial*", action="joined"),
    rule("hubspot.list_membership", "list_left", listName="Trial*", action="left"),
]


def test_p13_who_joins_and_who_leaves_a_list(
    configured: Configured, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    here = configured(engagement={"rules": LIST_RULES})
    stays, leaves, comes, merged = (contact(sandbox, number) for number in range(4))
    lists = sandbox.hubspot.lists
    trial = lists.add("Trial users")
    lists.join(trial, [stays, leaves, merged])
    pull(here)
    joined = [(one, "list_joined", "Trial users") for one in (stays, leaves, merged)]
    assert engagements(here, "hubspot.list_membership") == sorted(joined)
    world.advance(2 * HOUR)
    lists.leave(trial, [leaves])
    lists.join(trial, [comes])
    survivor = sandbox.merge(CRM, "contacts", stays, merged)
    lists.leave(trial, [stays, merged])
    lists.join(trial, [survivor])
    pull(here)
    now = {*joined, (leaves, "list_left", "Trial users"), (comes, "list_joined", "Trial users"),
           (survivor, "list_joined", "Trial users")}  # fmt: skip
    assert set(engagements(here, "hubspot.list_membership")) == now  # the merged ones have left nothing
    world.advance(2 * HOUR)
    lists.join(trial, [leaves])
    pull(here)
    again = [row for row in engagements(here, "hubspot.list_membership") if row[0] == leaves]
    assert [row[1] for row in again] == ["list_joined", "list_joined", "list_left"]
    assert here.select("SELECT count(*) FROM list_member") == [(3,)]
    world.advance(2 * HOUR)
    counts = pull(here)["list_memberships"]
    assert (counts.stored, counts.calls) == (0, 2)


def test_p13_a_list_that_nobody_follows_any_more_is_forgotten(
    configured: Configured, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    lists = sandbox.hubspot.lists
    trial, other = lists.add("Trial users"), lists.add("Trial of last year")
    lists.join(trial, [contact(sandbox, 1)])
    lists.join(other, [contact(sandbox, 2)])
    pull(configured(engagement={"rules": LIST_RULES}))
    narrower = [rule("hubspot.list_membership", "list_joined", listName="Trial users", action="joined")]
    here = configured(engagement={"rules": narrower})
    world.advance(2 * HOUR)
    pull(here)
    assert here.select("SELECT DISTINCT list_id FROM list_member") == [(trial,)]


def test_a_member_who_was_erased_is_not_noted_again(
    configured: Configured, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    here = configured(engagement={"rules": LIST_RULES})
    erased_one, other = contact(sandbox, 1), contact(sandbox, 2)
    trial = sandbox.hubspot.lists.add("Trial users")
    sandbox.hubspot.lists.join(trial, [erased_one, other])
    with here.mirror.write() as conn:
        mark = pseudonyms.record_mark(pseudonyms.key(conn), CRM, "contacts", erased_one)
        erased.add(conn, {mark: 1})
    pull(here)
    assert here.select("SELECT record_id FROM list_member") == [(int(other),)]
    assert {row[0] for row in engagements(here, "hubspot.list_membership")} == {other}


def test_a_large_list_that_empties(configured: Configured, sandbox: Sandbox, world: SimulatedWorld) -> None:
    here = configured(engagement={"rules": LIST_RULES})
    ids = [contact(sandbox, number) for number in range(1100)]
    trial = sandbox.hubspot.lists.add("Trial users")
    sandbox.hubspot.lists.join(trial, ids)
    pull(here)
    world.advance(2 * HOUR)
    sandbox.hubspot.lists.leave(trial, ids[3:])
    pull(here)
    rows = engagements(here, "hubspot.list_membership")
    assert {row[0] for row in rows if row[1] == "list_left"} == set(ids[3:])
    assert here.select("SELECT count(*) FROM list_member") == [(3,)]


# Rules that change later


def test_what_no_rule_takes_any_more_is_over(
    configured: Configured, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    person = contact(sandbox, 1)
    now = world.clock()
    form = sandbox.hubspot.forms.add("Contact us")
    sandbox.hubspot.feeds.add_submission(form, now - 50, "h1@example.com", {})
    sandbox.hubspot.feeds.add_email_event("OPEN", now - 40, "h1@example.com", 1)
    sandbox.hubspot.feeds.add_visit(person, now - 30, "https://a.example/pricing", "Pricing")
    call = sandbox.create(CRM, "calls", {"hs_call_title": "Hello", "hs_timestamp": "2026-11-01T10:00:00Z"})
    sandbox.hubspot.associate("calls", call, "contacts", person)
    sources = ("form_submission", "email_event", "web_event", "calls")
    here = configured()
    pull(here)
    kinds = [row[1] for source in sources for row in engagements(here, f"{CRM}.{source}")]
    assert kinds == ["form_submitted", "email_opened", "page_view", "call"]
    none = [rule(f"{CRM}.{source}", "ignore") for source in sources]
    none[2]["when"] = {"url": {"glob": "*pricing*"}}
    ignoring = configured(engagement={"rules": none})
    world.advance(60)
    pull(ignoring)
    assert [row for source in sources for row in engagements(ignoring, f"{CRM}.{source}")] == []
    world.advance(60)
    pull(configured())
    again = [row[1] for source in sources for row in engagements(here, f"{CRM}.{source}")]
    assert again == kinds


# P16: calculated and cleared values

MAPPED = {"fields": {"hubspot.contacts": {"views": "hs_analytics_num_page_views", "segment": "mql_grade"}}}


def views(here: Small, person: str) -> str | None:
    found: str | None = here.select("SELECT fields FROM person_record WHERE id = :id", id=person)[0][0]
    return found


def test_p16_a_calculated_property_that_is_used_is_read_again_on_schedule(
    configured: Configured, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    here = configured(mapping=MAPPED)
    people = [contact(sandbox, number) for number in range(3)]
    world.advance(5 * HOUR)  # out of what is read again for a late index
    pull(here)
    sandbox.hubspot.feeds.add_visit(people[0], world.clock(), "https://a.example/", "Home")
    world.advance(20 * HOUR)
    before = here.connectors[CRM].calls
    pull(here)
    assert '"views":"1"' not in (views(here, people[0]) or "").replace(" ", "")
    idle = here.connectors[CRM].calls - before
    world.advance(5 * HOUR)
    pull(here)
    assert '"views":"1"' in (views(here, people[0]) or "").replace(" ", "")
    assert here.connectors[CRM].calls - before <= 2 * idle + 8


def test_p16_nothing_is_read_again_where_nothing_calculated_is_used(
    configured: Configured, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    here = configured(mapping={"fields": {"hubspot.contacts": {"segment": "mql_grade"}}})
    contact(sandbox, 1)
    pull(here)
    world.advance(30 * HOUR)
    listed: list[str] = []
    match = Match(CRM, "GET", r"/crm/v3/objects/contacts$", count=None)
    sandbox.steps.before(match, lambda request: listed.append(request.param("archived")))
    pull(here)
    assert [one for one in listed if one == "false"] == ["false"]  # the share of associations, in turn


def test_p16_a_value_that_was_cleared_is_cleared_here(
    configured: Configured, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    here = configured(mapping=MAPPED)
    person = contact(sandbox, 1, jobtitle="CEO", mql_grade="A1", hs_email_optout="true")
    pull(here)
    world.advance(60)
    sandbox.edit(CRM, "contacts", person, {"jobtitle": "", "mql_grade": "", "hs_email_optout": ""})
    world.advance(60)
    pull(here)
    row = here.select("SELECT job_title, opted_out, fields FROM person_record WHERE id = :id", id=person)[0]
    assert row[:2] == (None, None)
    assert '"segment":null' in row[2].replace(" ", "")


# An account without a search


@pytest.mark.parametrize("status", [403, 404])
def test_without_a_search_everything_is_listed_anew(
    configured: Configured, sandbox: Sandbox, world: SimulatedWorld, status: int
) -> None:
    person = contact(sandbox, 1)
    contact(sandbox, 2)
    here = configured()
    sandbox.faults.arm("status", crm=CRM, path="/search$", count=None, status=status, body={})
    pull(here)
    world.advance(60)
    sandbox.edit(CRM, "contacts", person, {"city": "Rome"})
    world.advance(60)
    pull(here)
    assert here.select("SELECT city FROM person_record WHERE id = :id", id=person) == [("Rome",)]
    connector = here.connectors[CRM]
    assert [ref.id for ref in connector.find("h1@example.com")] == [person]


def test_without_a_search_many_records_are_listed_once_an_hour(
    configured: Configured, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    people = [contact(sandbox, number) for number in range(2101)]
    here = configured()
    sandbox.faults.arm("status", crm=CRM, path="/search$", count=None, status=404, body={})
    pull(here)
    world.advance(60)
    assert pull(here)["contacts"].seen == len(people)
    world.advance(60)
    sandbox.edit(CRM, "contacts", people[7], {"city": "Rome"})
    assert pull(here)["contacts"].seen == 0
    world.advance(HOUR)
    assert pull(here)["contacts"].seen == len(people)
    assert here.select("SELECT city FROM person_record WHERE id = :id", id=people[7]) == [("Rome",)]


def test_contacts_that_may_not_be_read_at_all_are_a_right_that_is_missing(
    configured: Configured, sandbox: Sandbox
) -> None:
    contact(sandbox, 1)
    here = configured()
    sandbox.faults.arm("status", crm=CRM, path="/objects/contacts", count=None, status=403,
                       body={"category": "MISSING_SCOPES"})  # fmt: skip
    here.pull()
    assert {problem.exit_code for problem in here.problems} == {4}
