"""Writing on the sandbox: its ledger is the judge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import responses
from requests import PreparedRequest

from connectors.errors import Fatal, QuotaSpent
from connectors.records import OutcomeKind, RecordRef, RefusalClass, Write
from connectors.salesforce.connector import SalesforceConnector
from connectors.salesforce.schema import Schema
from connectors.salesforce.writer import Writer
from connectors.sandbox.faults import Match
from connectors.sandbox.sandbox import Sandbox
from tests.unit.salesforce.helpers import DATA, connect, error, make_api
from tests.world import SimulatedWorld

QUOTA = error("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")


@pytest.fixture
def connector(sandbox: Sandbox, world: SimulatedWorld) -> Iterator[SalesforceConnector]:
    connector = connect(sandbox, world)
    yield connector
    connector.close()


def lead(sandbox: Sandbox, **values: Any) -> str:
    known = {"LastName": "Smith", "Company": "Acme", "Email": "ann@acme.com"}
    return sandbox.create("salesforce", "Lead", {**known, **values})


def leads(sandbox: Sandbox, world: SimulatedWorld, count: int) -> list[str]:
    made = [lead(sandbox, LastName=str(n)) for n in range(count)]
    world.advance(60)
    return made


def status(connector: SalesforceConnector, *ids: str, value: str = "MQL") -> list[Write]:
    lives = connector.read("Lead", ids, ["Status"])
    return [Write(live.ref, {"Status": value}, live.version) for live in lives]


def score(*ids: str, value: str = "85") -> list[Write]:
    return [
        Write(RecordRef("salesforce", "Lead", known), {"MQL_Score__c": value}, "", guarded=False)
        for known in ids
    ]


def held(sandbox: Sandbox, record_id: str, field: str) -> Any:
    record = sandbox.store.get("salesforce", "Lead", record_id)
    assert record is not None
    return record.get(field)


def paths(sandbox: Sandbox, method: str) -> list[str]:
    return [one.path.partition("/v64.0/")[2] for one in sandbox.requests if one.method == method]


# Guarded


def test_many_guarded_writes_share_requests_of_25(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    refs = leads(sandbox, world, 60)
    writes = status(connector, *refs)
    before = connector.calls
    outcomes = connector.write(writes)
    assert [outcome.ref.id for outcome in outcomes] == refs
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}
    assert {held(sandbox, known, "Status") for known in refs} == {"MQL"}
    assert connector.calls - before <= 3 + 1 + 1  # requests of 25, the probe, a describe
    owners = {held(sandbox, known, "OwnerId") for known in refs}
    assert sandbox.salesforce.org.inbound_queue not in owners  # no assignment rule fired


def test_one_of_many_conflicts_and_the_others_go_through(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    refs = leads(sandbox, world, 5)
    writes = status(connector, *refs)
    world.advance(5)
    sandbox.edit("salesforce", "Lead", refs[2], {"Status": "Working - Contacted"})
    outcomes = connector.write(writes)
    kinds = [outcome.kind for outcome in outcomes]
    assert kinds == [OutcomeKind.CONFLICT if n == 2 else OutcomeKind.ACCEPTED for n in range(5)]
    assert held(sandbox, refs[2], "Status") == "Working - Contacted"


@pytest.mark.parametrize("together", [1, 4])
def test_an_edit_between_sending_and_saving_stands(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld, together: int
) -> None:
    refs = leads(sandbox, world, together)
    writes = status(connector, *refs)

    def edit(_: object) -> None:
        world.advance(2)
        sandbox.edit("salesforce", "Lead", refs[0], {"Status": "Working - Contacted"})

    match = Match("salesforce", "PATCH|POST", "/(sobjects/Lead/|composite)", body="Status")
    sandbox.steps.before(match, edit)
    outcomes = connector.write(writes)
    assert outcomes[0].kind is OutcomeKind.CONFLICT
    assert held(sandbox, refs[0], "Status") == "Working - Contacted"


def test_a_server_that_drops_conditions_inside_composites_gets_single_requests(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    sandbox.switches.sf_composite_conditional = False
    refs = leads(sandbox, world, 3)
    writes = status(connector, *refs)
    world.advance(5)
    sandbox.edit("salesforce", "Lead", refs[1], {"Status": "Working - Contacted"})
    kinds = [outcome.kind for outcome in connector.write(writes)]
    assert kinds == [OutcomeKind.ACCEPTED, OutcomeKind.CONFLICT, OutcomeKind.ACCEPTED]
    assert held(sandbox, refs[1], "Status") == "Working - Contacted"
    assert paths(sandbox, "PATCH") == [f"sobjects/Lead/{known}" for known in refs]
    connector.write(status(connector, refs[0], refs[2], value="New"))
    assert len(paths(sandbox, "POST")) - 1 == 1  # signing in, and one probe: it is not asked again


def test_a_server_without_composites_gets_single_requests(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    sandbox.faults.arm("status", path="/composite", status=404, body=error("NOT_FOUND"), count=None)
    refs = leads(sandbox, world, 3)
    outcomes = connector.write([*status(connector, *refs[:2]), *score(refs[2])])
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}
    assert held(sandbox, refs[2], "MQL_Score__c") == 85


def test_an_expired_token_does_not_lose_the_guard(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    refs = leads(sandbox, world, 1)
    writes = status(connector, *refs)
    world.advance(5)
    sandbox.edit("salesforce", "Lead", refs[0], {"Status": "Working - Contacted"})
    sandbox.expire_tokens("salesforce")
    assert connector.write(writes)[0].kind is OutcomeKind.CONFLICT
    assert held(sandbox, refs[0], "Status") == "Working - Contacted"


@pytest.mark.parametrize("base", ["", "nonsense"])
def test_a_guarded_write_without_a_base_is_not_sent(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld, base: str
) -> None:
    refs = leads(sandbox, world, 2)
    bad = Write(RecordRef("salesforce", "Lead", refs[0]), {"Status": "MQL"}, base)
    first, second = connector.write([bad, *status(connector, refs[1])])
    assert (first.kind, first.code) == (OutcomeKind.REFUSED, "NO_BASE")
    assert second.kind is OutcomeKind.ACCEPTED
    assert held(sandbox, refs[0], "Status") == "Open - Not Contacted"


# Unguarded


def test_unguarded_writes_go_as_one_collection(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    refs = leads(sandbox, world, 150)
    outcomes = connector.write(score(*refs))
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}
    assert [outcome.ref.id for outcome in outcomes] == refs
    assert {held(sandbox, known, "MQL_Score__c") for known in refs} == {85}
    assert paths(sandbox, "PATCH") == ["composite/sobjects"]
    assert sandbox.salesforce.org.inbound_queue not in {held(sandbox, known, "OwnerId") for known in refs}


def test_outcomes_keep_the_order_of_the_writes(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    a, b, c, d = leads(sandbox, world, 4)
    sandbox.delete("salesforce", "Lead", c)
    writes = [*score(a), *status(connector, b), *score(c, d)]
    outcomes = connector.write(writes)
    assert [outcome.ref.id for outcome in outcomes] == [a, b, c, d]
    assert [outcome.kind for outcome in outcomes] == [
        OutcomeKind.ACCEPTED,
        OutcomeKind.ACCEPTED,
        OutcomeKind.MOVED,
        OutcomeKind.ACCEPTED,
    ]


def test_values_travel_as_their_types(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    (ref,) = leads(sandbox, world, 1)
    fields = {
        "MQL_Score__c": "85.5",
        "HasOptedOutOfEmail": "TRUE",
        "MQL_Date__c": "2026-11-02",
        "MQL_Grade__c": None,
        "NumberOfEmployees": "12",
        "MQL_Reason__c": "Zoë 🚀\n'quoted'",
    }
    write = Write(RecordRef("salesforce", "Lead", ref), fields, "", guarded=False)
    assert connector.write([write])[0].kind is OutcomeKind.ACCEPTED
    assert [held(sandbox, ref, name) for name in fields] == [
        85.5, True, "2026-11-02", None, 12, "Zoë 🚀\n'quoted'",
    ]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), [("MQL_Score__c", "many"), ("HasOptedOutOfEmail", "perhaps")])
def test_a_value_that_cannot_be_the_fields_is_not_sent(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld, field: str, value: str
) -> None:
    refs = leads(sandbox, world, 2)
    bad = Write(RecordRef("salesforce", "Lead", refs[0]), {field: value}, "", guarded=False)
    first, second = connector.write([bad, *score(refs[1])])
    assert first.kind is OutcomeKind.REFUSED
    assert second.kind is OutcomeKind.ACCEPTED


# What the org refuses


def test_refusals_of_the_org(connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld) -> None:
    locked, converted, inactive_owner, fine = leads(sandbox, world, 4)
    owner = {"Username": "x@acme.com", "LastName": "X", "Email": "x@acme.com", "IsActive": False}
    gone = sandbox.create("salesforce", "User", owner, author="seed")
    sandbox.edit("salesforce", "Lead", inactive_owner, {"OwnerId": gone})
    world.advance(5)
    writes = status(connector, locked, converted, inactive_owner, fine)
    sandbox.convert(converted)
    sandbox.switches.sf_locked.add(locked)
    outcomes = connector.write(writes)
    assert (outcomes[0].kind, outcomes[0].refusal) == (OutcomeKind.REFUSED, RefusalClass.TRANSIENT)
    assert outcomes[1].kind in (OutcomeKind.MOVED, OutcomeKind.CONFLICT)
    assert (outcomes[2].kind, outcomes[2].refusal) == (OutcomeKind.REFUSED, RefusalClass.OWNER)
    assert outcomes[3].kind is OutcomeKind.ACCEPTED


def test_a_queue_cannot_own_a_contact(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    contact = sandbox.create("salesforce", "Contact", {"LastName": "C"})
    live = connector.read("Contact", [contact], ["OwnerId"])[0]
    write = Write(live.ref, {"OwnerId": sandbox.salesforce.org.inbound_queue}, live.version)
    outcome = connector.write([write])[0]
    assert (outcome.kind, outcome.refusal) == (OutcomeKind.REFUSED, RefusalClass.OWNER)


def test_a_duplicate_rule_that_runs_on_edit_parks_the_record(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    first, second, fine = leads(sandbox, world, 3)
    for one in (first, second):
        sandbox.edit("salesforce", "Lead", one, {"Email": "same@acme.com"})
    sandbox.edit("salesforce", "Lead", fine, {"Email": "fine@acme.com"})
    world.advance(5)
    sandbox.switches.sf_duplicate_rules["Lead"] = ("Email", "alert")
    for sent in (status(connector, first, fine), status(connector, first), [*score(second), *score(fine)]):
        outcomes = connector.write(sent)
        assert [one.kind for one in outcomes[1:]] == [OutcomeKind.ACCEPTED] * (len(sent) - 1)
        assert (outcomes[0].kind, outcomes[0].refusal) == (OutcomeKind.REFUSED, RefusalClass.ADMIN_RULE)
        assert outcomes[0].code == "DUPLICATES_DETECTED"
        world.advance(5)


def test_a_validation_rule_is_quoted(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    sandbox.switches.sf_validation_rules["Lead"] = ("Phone", "A phone number is needed for an MQL")
    (ref,) = leads(sandbox, world, 1)
    outcome = connector.write(status(connector, ref))[0]
    assert (outcome.kind, outcome.refusal) == (OutcomeKind.REFUSED, RefusalClass.ADMIN_RULE)
    assert outcome.message == "A phone number is needed for an MQL"


# The way


@pytest.mark.parametrize("fault", ["drop_after", "cut", "empty", "html", "status"])
def test_after_two_lost_answers_the_rest_is_not_sent(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld, fault: str
) -> None:
    refs = leads(sandbox, world, 85)
    writes = status(connector, *refs)
    since = len(sandbox.ledger)
    more = {"status": 503 if fault == "status" else 200} if fault in ("empty", "html", "status") else {}
    sandbox.faults.arm(fault, path="/composite", body_match="Status", skip=1, count=2, **more)  # type: ignore[arg-type]
    outcomes = connector.write(writes)
    kinds = [outcome.kind for outcome in outcomes]
    assert kinds[:25] == [OutcomeKind.ACCEPTED] * 25
    assert kinds[25:75] == [OutcomeKind.UNKNOWN] * 50
    assert kinds[75:] == [OutcomeKind.REFUSED] * 10
    assert {outcome.refusal for outcome in outcomes[75:]} == {RefusalClass.TRANSIENT}
    written = {entry.id for entry in sandbox.ledger.entries(since, author="worker")}
    assert written <= set(refs[:75])


def test_one_record_that_breaks_the_server_does_not_hold_up_the_others(
    sandbox: Sandbox, world: SimulatedWorld
) -> None:
    connector = connect(sandbox, world, composite=False)
    refs = leads(sandbox, world, 4)
    body = error("UNKNOWN_EXCEPTION", "An unexpected error occurred")
    sandbox.faults.arm("status", path=f"/Lead/{refs[1]}", status=500, body=body, count=None)
    kinds = [outcome.kind for outcome in connector.write(status(connector, *refs))]
    assert kinds == [OutcomeKind.ACCEPTED, OutcomeKind.UNKNOWN, OutcomeKind.ACCEPTED, OutcomeKind.ACCEPTED]
    assert sandbox.salesforce.org.inbound_queue not in {held(sandbox, known, "OwnerId") for known in refs}
    connector.close()


def test_no_connection_means_nothing_was_sent(sandbox: Sandbox, world: SimulatedWorld) -> None:
    connector = connect(sandbox, world)
    refs = leads(sandbox, world, 3)
    writes = [*status(connector, *refs[:2]), *score(refs[2])]
    since = len(sandbox.ledger)
    sandbox.stop()
    outcomes = connector.write(writes)
    kinds = {outcome.kind for outcome in outcomes}
    assert kinds <= {OutcomeKind.REFUSED, OutcomeKind.UNKNOWN}
    assert {o.refusal for o in outcomes if o.kind is OutcomeKind.REFUSED} <= {RefusalClass.TRANSIENT}
    assert not sandbox.ledger.entries(since, author="worker")
    connector.close()


def test_an_object_that_cannot_be_described_is_our_configuration(
    sandbox: Sandbox, world: SimulatedWorld
) -> None:
    connector = connect(sandbox, world)
    (ref,) = leads(sandbox, world, 1)
    other = Write(RecordRef("salesforce", "Nope__c", ref), {"A": "1"}, "", guarded=False)
    first, second = connector.write([other, *score(ref)])
    assert (first.kind, first.refusal) == (OutcomeKind.REFUSED, RefusalClass.OUR_CONFIG)
    assert second.kind is OutcomeKind.ACCEPTED
    connector.close()


def test_a_quota_that_ends_under_way_settles_what_was_sent(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    refs = leads(sandbox, world, 30)
    writes = status(connector, *refs)
    sandbox.faults.arm(
        "status", path="/composite", body_match="Status", skip=1, status=403, body=QUOTA, count=None
    )
    outcomes = connector.write(writes)
    assert [outcome.kind for outcome in outcomes[:25]] == [OutcomeKind.ACCEPTED] * 25
    assert {outcome.refusal for outcome in outcomes[25:]} == {RefusalClass.QUOTA}
    with pytest.raises(QuotaSpent):
        connector.write(writes)


def test_batches_are_bounded_and_name_a_record_once(connector: SalesforceConnector) -> None:
    many = score(*(f"00Q5g00000{n:05d}AAA" for n in range(201)))
    with pytest.raises(Fatal):
        connector.write(many)
    with pytest.raises(Fatal):
        connector.write([many[0], many[0]])
    assert connector.write([]) == []


# The bytes on the wire


DESCRIBE = {
    "fields": [{"name": "Id", "type": "id"}, {"name": "Status", "type": "picklist", "updateable": True}]
}


def test_what_a_composite_request_looks_like() -> None:
    base = "2026-11-22T07:35:32.000+0000"
    writes = [
        Write(RecordRef("salesforce", "Lead", f"00Q00000000000{n}AAA"), {"Status": "MQL"}, base)
        for n in range(2)
    ]
    sent: list[dict[str, Any]] = []

    def composite(request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        body = json.loads(request.body or "{}")
        sent.append({"body": body, "auto": request.headers.get("Sforce-Auto-Assign")})
        probe = body["compositeRequest"][0]["method"] == "GET"
        answers = [
            {"httpStatusCode": 412 if probe else 204, "referenceId": part["referenceId"], "body": None}
            for part in reversed(body["compositeRequest"])  # the order is not to be relied on
        ]
        return 200, {}, json.dumps({"compositeResponse": answers})

    with responses.RequestsMock() as mock:
        mock.get(f"{DATA}/sobjects/Lead/describe", json=DESCRIBE)
        mock.add_callback(responses.POST, f"{DATA}/composite", composite)
        world = SimulatedWorld()
        api = make_api(world)
        outcomes = Writer(api, Schema(api, world)).write(writes)
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.ACCEPTED] * 2
    assert sent[1]["auto"] == "FALSE"
    assert sent[1]["body"]["allOrNone"] is False
    assert sent[1]["body"]["compositeRequest"][0] == {
        "method": "PATCH",
        "url": "/services/data/v64.0/sobjects/Lead/00Q000000000000AAA",
        "referenceId": "w0",
        "httpHeaders": {
            "Sforce-Auto-Assign": "FALSE",
            "If-Unmodified-Since": "Sun, 22 Nov 2026 07:35:32 GMT",
        },
        "body": {"Status": "MQL"},
    }


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        {"compositeResponse": "x"},
        {"compositeResponse": [{"httpStatusCode": 204}]},
        {"compositeResponse": [{"httpStatusCode": "204", "referenceId": "w0"}]},
        {"compositeResponse": [{"httpStatusCode": 204, "referenceId": "w7"}]},
    ],
)
def test_a_composite_answer_that_names_nobody_is_unknown_for_all(answer: Any) -> None:
    writes = [
        Write(RecordRef("salesforce", "Lead", f"00Q00000000000{n}AAA"), {}, "2026-11-22T07:35:32.000+0000")
        for n in range(2)
    ]
    with responses.RequestsMock() as mock:
        mock.get(f"{DATA}/sobjects/Lead/describe", json=DESCRIBE)
        mock.post(f"{DATA}/composite", json=answer)
        world = SimulatedWorld()
        api = make_api(world)
        outcomes = Writer(api, Schema(api, world), composite=True).write(writes)
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.UNKNOWN] * 2


@pytest.mark.parametrize("answer", [[], {}, [{"success": True}], None, [None, None, None]])
def test_a_collection_answer_of_another_length_is_unknown_for_all(answer: Any) -> None:
    with responses.RequestsMock() as mock:
        mock.get(f"{DATA}/sobjects/Lead/describe", json=DESCRIBE)
        mock.patch(f"{DATA}/composite/sobjects", json=answer)
        world = SimulatedWorld()
        api = make_api(world)
        writes = score("00Q000000000001AAA", "00Q000000000002AAA")
        outcomes = Writer(api, Schema(api, world)).write(writes)
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.UNKNOWN] * 2
