"""Codes of refused writes → what happens next; one row per code of the table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.records import OutcomeKind, RecordRef, RefusalClass, Write
from connectors.salesforce.refusals import outcome_of, outcome_of_row
from tests.unit.salesforce.helpers import error

ID = "00Q000000000001AAA"
STATUS = Write(RecordRef("salesforce", "Lead", ID), {"Status": "MQL"}, "2026-11-02T09:00:00.000+0000")
OWNER = Write(STATUS.ref, {"OwnerId": "005000000000001AAA"}, STATUS.base)

REFUSED: list[tuple[str, str, RefusalClass]] = [
    ("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access", RefusalClass.TRANSIENT),
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "LeadTrigger: UNABLE_TO_LOCK_ROW", RefusalClass.TRANSIENT),
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "Too many SOQL queries: 101", RefusalClass.TRANSIENT),
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "LeadTrigger: null", RefusalClass.ADMIN_RULE),
    ("SERVER_UNAVAILABLE", "", RefusalClass.TRANSIENT),
    ("ALREADY_IN_PROCESS", "", RefusalClass.TRANSIENT),
    ("REQUEST_LIMIT_EXCEEDED", "", RefusalClass.QUOTA),
    ("INVALID_SESSION_ID", "", RefusalClass.AUTH),
    ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Phone first", RefusalClass.ADMIN_RULE),
    ("FIELD_FILTER_VALIDATION_EXCEPTION", "", RefusalClass.ADMIN_RULE),
    ("CANNOT_EXECUTE_FLOW_TRIGGER", "", RefusalClass.ADMIN_RULE),
    ("PROCESSING_HALTED", "stopped by a rule", RefusalClass.ADMIN_RULE),
    ("PROCESSING_HALTED", "The transaction was rolled back since another", RefusalClass.INNOCENT),
    ("DUPLICATES_DETECTED", "Use one of these records?", RefusalClass.ADMIN_RULE),
    ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "bad value", RefusalClass.OUR_CONFIG),
    ("INVALID_FIELD_FOR_INSERT_UPDATE", "", RefusalClass.OUR_CONFIG),
    ("INVALID_FIELD", "", RefusalClass.OUR_CONFIG),
    ("STRING_TOO_LONG", "", RefusalClass.OUR_CONFIG),
    ("INVALID_ASSIGNMENT_RULE", "", RefusalClass.OUR_CONFIG),
    ("INSUFFICIENT_ACCESS_OR_READONLY", "", RefusalClass.OUR_CONFIG),
    ("INACTIVE_OWNER_OR_USER", "operation performed with inactive user", RefusalClass.OWNER),
    ("INVALID_OWNER", "", RefusalClass.OWNER),
    ("OP_WITH_INVALID_USER_TYPE_EXCEPTION", "", RefusalClass.OWNER),
    ("TRANSFER_REQUIRES_READ", "", RefusalClass.OWNER),
    ("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "", RefusalClass.OWNER),
    ("FIELD_INTEGRITY_EXCEPTION", "Owner ID: id value of incorrect type: 00G", RefusalClass.OWNER),
    ("FIELD_INTEGRITY_EXCEPTION", "Date: not a date", RefusalClass.OUR_CONFIG),
    ("ALL_OR_NONE_OPERATION_ROLLED_BACK", "", RefusalClass.INNOCENT),
    ("SOMETHING_NEW", "", RefusalClass.OTHER),
]


@pytest.mark.parametrize(("code", "message", "refusal"), REFUSED)
def test_each_code_has_its_class_alone_and_in_a_collection(
    code: str, message: str, refusal: RefusalClass
) -> None:
    alone = outcome_of(STATUS, 400, error(code, message, fields=[]))
    row = {"success": False, "errors": [{"statusCode": code, "message": message, "fields": []}]}
    inside = outcome_of_row(STATUS, row)
    for found in (alone, inside):
        assert (found.kind, found.refusal, found.code) == (OutcomeKind.REFUSED, refusal, code)


@pytest.mark.parametrize("code", ["ENTITY_IS_DELETED", "NOT_FOUND", "CANNOT_UPDATE_CONVERTED_LEAD"])
def test_codes_that_mean_moved(code: str) -> None:
    assert outcome_of(STATUS, 404, error(code)).kind is OutcomeKind.MOVED
    row = {"success": False, "errors": [{"statusCode": code, "message": ""}]}
    assert outcome_of_row(STATUS, row).kind is OutcomeKind.MOVED


def test_an_id_that_never_was_and_an_owner_that_never_was() -> None:
    body = error("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    assert outcome_of(STATUS, 400, body).kind is OutcomeKind.MOVED
    found = outcome_of(OWNER, 400, body)
    assert (found.kind, found.refusal) == (OutcomeKind.REFUSED, RefusalClass.OWNER)


ALONE: list[tuple[int, Any, OutcomeKind]] = [
    (204, None, OutcomeKind.ACCEPTED),
    (200, {"id": ID, "success": True, "errors": []}, OutcomeKind.ACCEPTED),
    (200, {"id": ID[:15], "success": True}, OutcomeKind.ACCEPTED),
    (200, {"id": "00Q000000000002AAA", "success": True}, OutcomeKind.UNKNOWN),
    (200, None, OutcomeKind.UNKNOWN),
    (200, "unreadable", OutcomeKind.UNKNOWN),
    (202, None, OutcomeKind.UNKNOWN),
    (412, None, OutcomeKind.CONFLICT),
    (412, error("PRECONDITION_FAILED"), OutcomeKind.CONFLICT),
    (400, error("ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE"), OutcomeKind.CONFLICT),
    (404, None, OutcomeKind.MOVED),
    (404, "unreadable", OutcomeKind.MOVED),
    (400, "unreadable", OutcomeKind.REFUSED),
    (302, None, OutcomeKind.REFUSED),
    (500, None, OutcomeKind.UNKNOWN),
    (503, error("SERVER_UNAVAILABLE"), OutcomeKind.UNKNOWN),
    (0, None, OutcomeKind.UNKNOWN),
]


@pytest.mark.parametrize(("status", "body", "kind"), ALONE)
def test_success_must_be_proven(status: int, body: Any, kind: OutcomeKind) -> None:
    assert outcome_of(STATUS, status, body).kind is kind


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"id": ID, "success": True, "errors": []}, OutcomeKind.ACCEPTED),
        ({"id": "00Q000000000002AAA", "success": True}, OutcomeKind.UNKNOWN),
        ({"success": True}, OutcomeKind.UNKNOWN),
        ({"success": "true", "id": ID}, OutcomeKind.UNKNOWN),
        (None, OutcomeKind.UNKNOWN),
        ([], OutcomeKind.UNKNOWN),
        ({"success": False}, OutcomeKind.REFUSED),
        ({"success": False, "errors": "x"}, OutcomeKind.REFUSED),
    ],
)
def test_rows_of_a_collection(row: Any, kind: OutcomeKind) -> None:
    assert outcome_of_row(STATUS, row).kind is kind


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "success", "errors", "statusCode", "errorCode"]), inner)
    ),
    max_leaves=8,
)


@given(status=st.integers(0, 599).filter(lambda status: status != 204), body=ANYTHING)
def test_nothing_strange_is_taken_for_success(status: int, body: Any) -> None:
    assert outcome_of(STATUS, status, body).kind is not OutcomeKind.ACCEPTED
    assert outcome_of_row(STATUS, body).kind is not OutcomeKind.ACCEPTED
