"""E-mail messages and custom objects: off as shipped, engagements like any other once they are on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connectors.errors import NotOffered
from connectors.records import GoneReason
from connectors.salesforce.connector import SalesforceConnector
from connectors.sandbox.salesforce.schema import Field, kind, obj, ref, text
from connectors.sandbox.sandbox import Sandbox
from tests.unit.salesforce.helpers import connect
from tests.unit.salesforce.pulling import drain, engagements, lead, options
from tests.world import SimulatedWorld

EMAILS = {"salesforce.EmailMessage": {"on": True}}
VISITS = {"salesforce.Visit__c": {"on": True}}
VISIT = obj(
    "Visit__c",
    "a01",
    [
        text("Name", 80),
        ref("Person__c", "Contact"),
        ref("Prospect__c", "Lead"),
        kind("Address__c", "email", length=80),
        kind("At__c", "datetime"),
        text("Stand__c", 40),
        Field("Notes__c", "textarea", length=32_000),
    ],
)
RULE = {"source": "salesforce.Visit__c", "kind": "stand_visited", "asset": "Stand__c", "time": "At__c"}


@pytest.fixture
def mail(sandbox: Sandbox, world: SimulatedWorld) -> Iterator[SalesforceConnector]:
    connector = connect(sandbox, world, options(EMAILS))
    yield connector
    connector.close()


def message(sandbox: Sandbox, **values: Any) -> str:
    known = {
        "Subject": "Hello",
        "MessageDate": "2026-10-01T08:00:00.000+0000",
        "FromAddress": "rep@us.example",
        "ToAddress": "ann@acme.com; bob@acme.com",
        "TextBody": "the body",
    }
    return sandbox.create("salesforce", "EmailMessage", {**known, **values})


def test_nothing_optional_is_a_feed_as_shipped(sandbox: Sandbox, world: SimulatedWorld) -> None:
    connector = connect(sandbox, world)
    assert not {"EmailMessage", "Visit__c"} & {feed.object for feed in connector.feeds()}
    connector.close()


def test_incoming_mail_is_a_reply_any_other_is_logged(mail: SalesforceConnector, sandbox: Sandbox) -> None:
    sent = message(sandbox)
    reply = message(sandbox, Incoming=True, FromAddress="Ann@Acme.com", ToAddress="rep@us.example")
    draft = message(sandbox, Status="5")
    pages, _ = drain(mail, "EmailMessage")
    found = engagements(pages)
    assert (found[sent].kind, found[sent].asset, found[sent].person_email) == (
        "email_logged",
        "Hello",
        "ann@acme.com",
    )
    assert (found[reply].kind, found[reply].person_email) == ("email_replied", "Ann@Acme.com")
    assert found[sent].occurred_at == 1_790_841_600
    assert draft not in found


def test_whom_a_mail_is_of_is_known_by_its_task_or_its_sender(
    mail: SalesforceConnector, sandbox: Sandbox
) -> None:
    who = lead(sandbox)
    contact = sandbox.create("salesforce", "Contact", {"LastName": "C"})
    task = sandbox.create("salesforce", "Task", {"Subject": "Email: Hello", "WhoId": who})
    by_task = message(sandbox, ActivityId=task)
    by_sender = message(sandbox, Incoming=True, FromId=contact)
    found = engagements(drain(mail, "EmailMessage")[0])
    assert (found[by_task].person_object, found[by_task].person_id) == ("Lead", who)
    assert (found[by_sender].person_object, found[by_sender].person_id) == ("Contact", contact)
    assert found[by_task].person_email is None


def test_no_body_is_ever_asked_for(sandbox: Sandbox, world: SimulatedWorld) -> None:
    message(sandbox)
    sandbox.create("salesforce", "Task", {"Subject": "Call", "Description": "secret notes"})
    rule = {"source": "salesforce.email_message", "kind": "x", "when": {"TextBody": {"glob": "*"}}}
    everything = options(EMAILS, [rule], all_fields=True)
    connector = connect(sandbox, world, everything)
    for name in ("EmailMessage", "Task"):
        drain(connector, name)
    connector.close()
    asked = " ".join(str(one.query) for one in sandbox.requests if "query" in one.path)
    assert "ToAddress" in asked
    assert not [name for name in ("TextBody", "HtmlBody", "Headers", "Description") if name in asked]


def test_a_mail_that_is_pulled_does_not_count_as_a_task_too(
    mail: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    values = {"Subject": "Email: Hello", "Status": "Completed"}
    task = sandbox.create("salesforce", "Task", {**values, "TaskSubtype": "Email"})
    call = sandbox.create("salesforce", "Task", {**values, "TaskSubtype": "Call"})
    assert set(engagements(drain(mail, "Task")[0])) == {call}
    alone = connect(sandbox, world)
    assert set(engagements(drain(alone, "Task")[0])) == {task, call}
    alone.close()


def test_a_mail_works_through_windows_and_deletions(
    mail: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    first = message(sandbox)
    _, cursor = drain(mail, "EmailMessage")
    _, deleted = drain(mail, "EmailMessage.deleted")
    world.advance(3600)
    second = message(sandbox, Subject="Again")
    sandbox.delete("salesforce", "EmailMessage", first)
    world.advance(120)
    pages, _ = drain(mail, "EmailMessage", cursor)
    assert set(engagements(pages)) == {second}
    assert [stone.id for page in pages for stone in page.tombstones] == [first]
    pages, _ = drain(mail, "EmailMessage.deleted", deleted)
    stones = [(stone.id, stone.reason) for page in pages for stone in page.tombstones]
    assert stones == [(first, GoneReason.DELETED.value)]


def test_an_org_without_email_messages_is_skipped(sandbox: Sandbox, world: SimulatedWorld) -> None:
    sandbox.switches.sf_absent.add("EmailMessage")
    connector = connect(sandbox, world, options(EMAILS))
    feed = next(feed for feed in connector.feeds() if feed.object == "EmailMessage")
    assert feed.optional
    with pytest.raises(NotOffered, match="EmailMessage"):
        list(connector.changes(feed, None))
    connector.close()


# Custom objects


@pytest.fixture
def fair(sandbox: Sandbox) -> Sandbox:
    """An org that notes who came to its stand."""
    sandbox.salesforce.org.define(VISIT)
    return sandbox


def visit(sandbox: Sandbox, **values: Any) -> str:
    known = {"Name": "V-1", "At__c": "2026-10-01T08:00:00.000+0000", "Stand__c": "Hall 3"}
    return sandbox.create("salesforce", "Visit__c", {**known, **values})


def test_rows_of_a_custom_object_are_engagements_of_their_look_up(
    fair: Sandbox, world: SimulatedWorld
) -> None:
    who = lead(fair)
    contact = fair.create("salesforce", "Contact", {"LastName": "C"})
    by_lead, by_both = visit(fair, Prospect__c=who), visit(fair, Prospect__c=who, Person__c=contact)
    nobody = visit(fair)
    connector = connect(fair, world, options(VISITS, [RULE]))
    found = engagements(drain(connector, "Visit__c")[0])
    connector.close()
    assert {id_: (one.person_object, one.person_id) for id_, one in found.items()} == {
        by_lead: ("Lead", who),
        by_both: ("Contact", contact),
        nobody: (None, None),
    }
    one = found[by_lead]
    assert (one.source, one.kind, one.asset, one.occurred_at) == (
        "salesforce.Visit__c",
        "stand_visited",
        "Hall 3",
        1_790_841_600,
    )


def test_people_may_be_named_by_an_address(fair: Sandbox, world: SimulatedWorld) -> None:
    made = visit(fair, Address__c="ann@acme.com")
    chosen = {"salesforce.Visit__c": {"on": True, "people": ["Person__c", "Address__c"]}}
    connector = connect(fair, world, options(chosen, [RULE]))
    found = engagements(drain(connector, "Visit__c")[0])[made]
    assert (found.person_object, found.person_id, found.person_email) == (None, None, "ann@acme.com")
    connector.close()


def test_all_fields_of_a_custom_object_are_read_but_its_long_texts(
    fair: Sandbox, world: SimulatedWorld
) -> None:
    made = visit(fair, Address__c="ann@acme.com", Notes__c="what they said")
    needed = connect(fair, world, options(VISITS, [RULE]))
    assert "ann@acme.com" not in engagements(drain(needed, "Visit__c")[0])[made].raw
    chosen = {"salesforce.Visit__c": {"on": True, "fields": "all"}}
    whole = connect(fair, world, options(chosen, [RULE]))
    raw = engagements(drain(whole, "Visit__c")[0])[made].raw
    assert "ann@acme.com" in raw
    assert "what they said" not in raw
    needed.close()
    whole.close()


@pytest.mark.parametrize(
    ("chosen", "rule", "says"),
    [
        ({"on": True}, {**RULE, "asset": "No_Such__c"}, "Visit__c.No_Such__c"),
        ({"on": True, "people": ["Nobody__c"]}, RULE, "Visit__c.Nobody__c"),
    ],
)
def test_p24_a_field_that_is_not_there_is_named(
    fair: Sandbox, world: SimulatedWorld, chosen: dict[str, Any], rule: dict[str, Any], says: str
) -> None:
    connector = connect(fair, world, options({"salesforce.Visit__c": chosen}, [rule]))
    with pytest.raises(NotOffered, match=says):
        drain(connector, "Visit__c")
    connector.close()


def test_an_object_that_names_no_person_is_told(sandbox: Sandbox, world: SimulatedWorld) -> None:
    sandbox.salesforce.org.define(obj("Fair__c", "a02", [text("Name", 80)]))
    rule = {"source": "salesforce.Fair__c", "kind": "x"}
    connector = connect(sandbox, world, options({"salesforce.Fair__c": {"on": True}}, [rule]))
    with pytest.raises(NotOffered, match="look-up of Fair__c to Contact or Lead"):
        drain(connector, "Fair__c")
    connector.close()
