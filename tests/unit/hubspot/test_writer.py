"""Writes: what is sent, and what each answer proves about each of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import AuthFailed, Fatal, NotOffered, QuotaSpent
from connectors.hubspot.writer import BATCH_REFUSED, VALUE_DIFFERS, Writer
from connectors.records import Offered, Outcome, OutcomeKind, RecordRef, RefusalClass, Write
from connectors.sandbox.sandbox import Sandbox
from tests.unit.hubspot.made import API, account, on_sandbox
from tests.world import SimulatedWorld

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
UPDATE = f"{API}/crm/v3/objects/contacts/batch/update"
STATUS = "hs_lead_status"
INVALID = (
    'Property values were not valid: [{"isValid":false,"message":"BAD was not one of the allowed options:'
    ' [label: New, value: NEW]","error":"INVALID_OPTION","name":"hs_lead_status"}]'
)


def write(record: str, **fields: str | None) -> Write:
    return Write(RecordRef("hubspot", "contacts", record), fields or {STATUS: "NEW"}, "base")


def nothing_known(object_name: str, field: str) -> Offered:
    raise NotOffered("no properties", what=field)


def send(world: SimulatedWorld, *writes: Write, offered: Any = nothing_known) -> list[Outcome]:
    return Writer(account(world), offered).write(writes)


def result(record: str, **properties: str | None) -> dict[str, Any]:
    return {"id": record, "properties": properties, "archived": False}


@responses.activate
def test_what_is_sent(world: SimulatedWorld) -> None:
    responses.post(UPDATE, json={"status": "COMPLETE", "results": [result("1"), result("2")]})
    send(world, write("1", hs_lead_status="NEW", city=None), write("2"))
    assert json.loads(responses.calls[0].request.body or "{}") == {
        "inputs": [
            {"id": "1", "objectWriteTraceId": "0", "properties": {STATUS: "NEW", "city": ""}},
            {"id": "2", "objectWriteTraceId": "1", "properties": {STATUS: "NEW"}},
        ]
    }


@responses.activate
def test_only_a_named_record_is_accepted(world: SimulatedWorld) -> None:
    answer = {
        "status": "COMPLETE",
        "results": [result("1", hs_lead_status="NEW")],
        "numErrors": 3,
        "errors": [
            {"category": "OBJECT_NOT_FOUND", "message": "gone", "context": {"ids": ["2"]}},
            {"category": "VALIDATION_ERROR", "message": INVALID, "context": {"objectWriteTraceId": ["2"]}},
            {"category": "VALIDATION_ERROR", "message": "rule", "context": {"ids": ["4"]}},
        ],
    }
    responses.post(UPDATE, json=answer, status=207)
    outcomes = send(world, *(write(str(number)) for number in range(1, 6)))
    assert [(o.ref.id, o.kind, o.refusal) for o in outcomes] == [
        ("1", OutcomeKind.ACCEPTED, None),
        ("2", OutcomeKind.MOVED, None),
        ("3", OutcomeKind.REFUSED, RefusalClass.OUR_CONFIG),
        ("4", OutcomeKind.REFUSED, RefusalClass.ADMIN_RULE),
        ("5", OutcomeKind.UNKNOWN, None),
    ]
    assert (outcomes[2].code, outcomes[2].message) == ("INVALID_OPTION", "hs_lead_status: INVALID_OPTION")


@responses.activate
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"results": [', b"{}", b'{"results": []}', b"[]"])
def test_a_success_that_names_nobody_proves_nothing(world: SimulatedWorld, body: bytes) -> None:
    responses.post(UPDATE, body=body)
    assert [o.kind for o in send(world, write("1"), write("2"))] == [OutcomeKind.UNKNOWN] * 2
    assert len(responses.calls) == 1


@responses.activate
def test_an_answer_with_another_value_says_so(world: SimulatedWorld) -> None:
    row = result("1", lifecyclestage="customer") | {"warnings": [{"category": "IGNORED"}]}
    responses.post(UPDATE, json={"results": [row, result("2", lifecyclestage="")]})
    first, second = send(world, write("1", lifecyclestage="lead"), write("2", lifecyclestage=None))
    assert (first.kind, first.code, first.message) == (
        OutcomeKind.ACCEPTED, VALUE_DIFFERS, "lifecyclestage IGNORED",
    )  # fmt: skip
    assert (second.kind, second.code) == (OutcomeKind.ACCEPTED, "")


@responses.activate
@pytest.mark.parametrize("status", [423, 477, 500, 502, 503, 504])
def test_no_clear_answer_is_unknown_for_all(world: SimulatedWorld, status: int) -> None:
    responses.post(UPDATE, status=status, body="<html>")
    assert {o.kind for o in send(world, write("1"), write("2"))} == {OutcomeKind.UNKNOWN}
    assert len(responses.calls) == 1


@responses.activate
def test_w3_odd_statuses_are_unknown_too(world: SimulatedWorld) -> None:
    responses.post(UPDATE, status=302, headers={"Location": "https://elsewhere.test"})
    assert send(world, write("1"))[0].kind is OutcomeKind.UNKNOWN


@responses.activate
def test_a_rate_that_stays_too_high_is_transient(world: SimulatedWorld) -> None:
    responses.post(UPDATE, status=429, json={"policyName": "TEN_SECONDLY_ROLLING"})
    outcome = send(world, write("1"))[0]
    assert (outcome.kind, outcome.refusal) == (OutcomeKind.REFUSED, RefusalClass.TRANSIENT)


@responses.activate
def test_what_concerns_the_account_is_raised(world: SimulatedWorld) -> None:
    responses.post(UPDATE, status=429, json={"policyName": "DAILY"})
    with pytest.raises(QuotaSpent):
        send(world, write("1"))
    responses.replace("POST", UPDATE, status=401)
    with pytest.raises(AuthFailed):
        send(world, write("1"))


@responses.activate
def test_a_missing_right_refuses_all(world: SimulatedWorld) -> None:
    responses.post(UPDATE, status=403, json={"category": "MISSING_SCOPES"})
    assert {(o.kind, o.refusal, o.code) for o in send(world, write("1"), write("2"))} == {
        (OutcomeKind.REFUSED, RefusalClass.AUTH, "MISSING_SCOPES")
    }


def kinds(outcomes: list[Outcome]) -> list[tuple[RefusalClass | None, str]]:
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.REFUSED}
    return [(outcome.refusal, outcome.code) for outcome in outcomes]


@responses.activate
@pytest.mark.parametrize(
    "body",
    [
        {"category": "VALIDATION_ERROR", "message": INVALID},
        {"category": "VALIDATION_ERROR", "message": INVALID.replace("BAD", "X"), "context": {"ids": ["2"]}},
        {"errors": [{"code": "INVALID_OPTION", "context": {"objectWriteTraceId": ["1"]}}]},
    ],
    ids=["by value", "by id", "by trace"],
)
def test_a_refused_batch_names_the_guilty_one(world: SimulatedWorld, body: dict[str, Any]) -> None:
    responses.post(UPDATE, status=400, json=body)
    outcomes = send(world, write("1"), write("2", hs_lead_status="BAD"), write("3"))
    innocent = (RefusalClass.INNOCENT, BATCH_REFUSED)
    assert kinds(outcomes) == [innocent, (RefusalClass.OUR_CONFIG, "INVALID_OPTION"), innocent]


@responses.activate
@pytest.mark.parametrize(
    ("offered", "guilty"),
    [
        (Offered(True, True, ("NEW",)), {1}),
        (Offered(True, False, None), {0, 1}),
        (Offered(False), {0, 1}),
        (Offered(True, True, None), set()),
    ],
)
def test_the_guilty_are_found_by_what_is_offered(
    world: SimulatedWorld, offered: Offered, guilty: set[int]
) -> None:
    body = {"errors": [{"code": "INVALID_OPTION"}], "message": 'Property "hs_lead_status" took no value'}
    responses.post(UPDATE, status=400, json=body)
    writes = [write("1"), write("2", hs_lead_status="BAD"), write("3", city="X")]
    outcomes = kinds(send(world, *writes, offered=lambda *_: offered))
    assert {
        number for number, (refusal, _) in enumerate(outcomes) if refusal is RefusalClass.OUR_CONFIG
    } == guilty


@responses.activate
@given(
    body=st.dictionaries(st.sampled_from(["errors", "message", "context", "category"]), JSON_VALUES)
    | JSON_VALUES
)
def test_no_refusal_breaks_the_judgement(body: object) -> None:
    responses.upsert("POST", UPDATE, status=400, json=body)
    outcomes = send(SimulatedWorld(), write("1"), write("2"))
    assert {outcome.kind for outcome in outcomes} <= {OutcomeKind.REFUSED, OutcomeKind.MOVED}


@responses.activate
def test_a_batch_refused_without_a_reason_leaves_all_innocent(world: SimulatedWorld) -> None:
    responses.post(UPDATE, status=400, body=b"<html>")
    assert kinds(send(world, write("1"), write("2"))) == [(RefusalClass.INNOCENT, BATCH_REFUSED)] * 2


@responses.activate
@pytest.mark.parametrize(
    ("status", "body", "fields", "kind", "refusal"),
    [
        (400, {"category": "VALIDATION_ERROR", "message": INVALID}, {STATUS: "BAD"}, "refused", "our_config"),
        (400, {"errors": [{"code": "PROPERTY_DOESNT_EXIST"}]}, {"nope": "1"}, "refused", "our_config"),
        (400, {"errors": [{"code": "READ_ONLY_VALUE"}]}, {"x": "1"}, "refused", "our_config"),
        (400, {"category": "VALIDATION_ERROR", "message": "no"}, {"x": "1"}, "refused", "admin_rule"),
        (400, {"category": "VALIDATION_ERROR"}, {"hubspot_owner_id": "9"}, "refused", "owner"),
        (400, {"errors": [{"code": "INVALID_OWNER_ID"}]}, {"x": "1"}, "refused", "owner"),
        (400, {}, {"x": "1"}, "refused", "other"),
        (404, {"category": "OBJECT_NOT_FOUND"}, {"x": "1"}, "moved", None),
        (404, {}, {"x": "1"}, "moved", None),
        (409, {"category": "CONFLICT"}, {"x": "1"}, "conflict", None),
    ],
)
def test_refusals_of_one(
    world: SimulatedWorld,
    status: int,
    body: dict[str, Any],
    fields: dict[str, str],
    kind: str,
    refusal: str | None,
) -> None:
    responses.post(UPDATE, status=status, json=body)
    outcome = send(world, write("1", **fields))[0]
    assert (outcome.kind, outcome.refusal) == (kind, refusal)
    assert "BAD" not in outcome.message


def test_a_batch_has_bounds(world: SimulatedWorld) -> None:
    for writes in ([write("1"), write("1")], [write(str(number)) for number in range(51)]):
        with pytest.raises(Fatal):
            send(world, *writes)


@pytest.mark.parametrize("partial", [True, False])
def test_on_the_sandbox(sandbox: Sandbox, world: SimulatedWorld, partial: bool) -> None:
    sandbox.switches.hs_batch_update_partial = partial
    good, bad, gone = (sandbox.create("hubspot", "contacts", {"email": f"{n}@example.com"}) for n in range(3))
    connector = on_sandbox(sandbox, world)
    refused, other = connector.write([write(bad, hs_lead_status="BAD"), write(good)])
    assert (refused.kind, refused.refusal) == (OutcomeKind.REFUSED, RefusalClass.OUR_CONFIG)
    assert (other.kind is OutcomeKind.ACCEPTED) is partial
    assert other.refusal is (None if partial else RefusalClass.INNOCENT)
    sandbox.archive("hubspot", "contacts", gone)
    outcomes = connector.write([write(gone), write(good)])
    assert outcomes[0].kind in (OutcomeKind.MOVED, OutcomeKind.UNKNOWN)
    assert outcomes[1].kind is OutcomeKind.ACCEPTED
    owner = connector.write([write(good, hubspot_owner_id="12345678")])[0]
    assert (owner.kind, owner.refusal) == (OutcomeKind.REFUSED, RefusalClass.OWNER)
