"""What an answer to a write means for its record: codes → outcome and refusal class. Pure.

Sources: SOAP API Developer Guide, StatusCode; REST API Developer Guide, conditional requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connectors.records import Outcome, OutcomeKind, RefusalClass, Write
from connectors.salesforce.http import ErrorDetail, error_details

CONFLICTS: Final = frozenset({"ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE", "PRECONDITION_FAILED"})
MOVES: Final = frozenset({"ENTITY_IS_DELETED", "NOT_FOUND", "CANNOT_UPDATE_CONVERTED_LEAD"})

CLASSES: Final[Mapping[str, RefusalClass]] = {
    **dict.fromkeys(
        (
            "UNABLE_TO_LOCK_ROW",
            "SERVER_UNAVAILABLE",
            "ALREADY_IN_PROCESS",
            "QUERY_TIMEOUT",
            "REQUEST_RUNNING_TOO_LONG",
            "TXN_SECURITY_METERING_ERROR",
        ),
        RefusalClass.TRANSIENT,
    ),
    "REQUEST_LIMIT_EXCEEDED": RefusalClass.QUOTA,
    **dict.fromkeys(("INVALID_SESSION_ID", "INVALID_AUTH_HEADER"), RefusalClass.AUTH),
    **dict.fromkeys(
        (
            "FIELD_CUSTOM_VALIDATION_EXCEPTION",
            "FIELD_FILTER_VALIDATION_EXCEPTION",
            "CANNOT_EXECUTE_FLOW_TRIGGER",
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            "PROCESSING_HALTED",
            "DUPLICATES_DETECTED",
            "DUPLICATE_VALUE",
            "REQUIRED_FIELD_MISSING",
            "ENTITY_IS_LOCKED",
        ),
        RefusalClass.ADMIN_RULE,
    ),
    **dict.fromkeys(
        (
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "INVALID_FIELD",
            "INVALID_TYPE",
            "STRING_TOO_LONG",
            "NUMBER_OUTSIDE_VALID_RANGE",
            "INVALID_ASSIGNMENT_RULE",
            "INSUFFICIENT_ACCESS_OR_READONLY",
            "INSUFFICIENT_ACCESS",
            "JSON_PARSER_ERROR",
            "INVALID_STATUS",
            "NUMBER_EXPECTED",
            "BOOLEAN_EXPECTED",
        ),
        RefusalClass.OUR_CONFIG,
    ),
    **dict.fromkeys(
        (
            "INACTIVE_OWNER_OR_USER",
            "INVALID_OWNER",
            "OP_WITH_INVALID_USER_TYPE_EXCEPTION",
            "TRANSFER_REQUIRES_READ",
            "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
        ),
        RefusalClass.OWNER,
    ),
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": RefusalClass.INNOCENT,
}

_NESTED_LOCK: Final = "UNABLE_TO_LOCK_ROW"
_GOVERNOR: Final = "Too many SOQL queries"


def outcome_of(write: Write, status: int, body: Any) -> Outcome:
    """What a PATCH of one record came to, alone or inside a composite request."""
    if status == 204 or (status == 200 and _names(body, write)):
        return Outcome(write.ref, OutcomeKind.ACCEPTED)
    details = error_details(body)
    detail = details[0] if details else ErrorDetail("", f"HTTP {status}")
    if status == 412:
        return Outcome(write.ref, OutcomeKind.CONFLICT, detail.code or "412", detail.message)
    if 200 <= status < 300 or status >= 500 or status in (0, 408):
        return Outcome(write.ref, OutcomeKind.UNKNOWN, detail.code or f"HTTP_{status}", detail.message)
    if status == 404 and not detail.code:
        detail = ErrorDetail("NOT_FOUND", detail.message)
    return refused(write, detail, f"HTTP_{status}")


def outcome_of_row(write: Write, row: Any) -> Outcome:
    """What one entry of a collections answer says; entries stand in the order of the records sent."""
    if not isinstance(row, dict) or not isinstance(row.get("success"), bool):
        return Outcome(write.ref, OutcomeKind.UNKNOWN, "NOT_A_RESULT")
    if row["success"]:
        if _names(row, write):
            return Outcome(write.ref, OutcomeKind.ACCEPTED)
        return Outcome(write.ref, OutcomeKind.UNKNOWN, "ANOTHER_ID")
    details = error_details(row.get("errors"))
    return refused(write, details[0] if details else ErrorDetail("", "refused without a reason"), "REFUSED")


def refused(write: Write, detail: ErrorDetail, fallback: str = "") -> Outcome:
    """A refusal by its code: conflict, moved, or refused with its class."""
    code = detail.code or fallback
    if code in CONFLICTS:
        return Outcome(write.ref, OutcomeKind.CONFLICT, code, detail.message)
    if code in MOVES or _is_absent(write, code):
        return Outcome(write.ref, OutcomeKind.MOVED, code, detail.message)
    return Outcome(write.ref, OutcomeKind.REFUSED, code, detail.message, class_of(write, detail))


def class_of(write: Write, detail: ErrorDetail) -> RefusalClass:
    """The refusal class of a code; locks and governor limits also hide inside trigger messages."""
    if _NESTED_LOCK in detail.message or _GOVERNOR in detail.message:
        return RefusalClass.TRANSIENT
    if detail.code == "PROCESSING_HALTED" and "rolled back" in detail.message:
        return RefusalClass.INNOCENT  # another subrequest failed; this one was not at fault
    if detail.code in ("FIELD_INTEGRITY_EXCEPTION", "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID"):
        about_owner = "OwnerId" in (*detail.fields, *write.fields) or "owner" in detail.message.lower()
        return RefusalClass.OWNER if about_owner else RefusalClass.OUR_CONFIG
    return CLASSES.get(detail.code, RefusalClass.OTHER)


def _is_absent(write: Write, code: str) -> bool:
    """An update by an id that never was is "invalid cross reference id"; so is a wrong owner."""
    return code == "INVALID_CROSS_REFERENCE_KEY" and "OwnerId" not in write.fields


def _names(body: Any, write: Write) -> bool:
    """Whether a result says success for this very record."""
    if not isinstance(body, dict) or body.get("success") is not True:
        return False
    named = body.get("id")
    return isinstance(named, str) and named[:15] == write.ref.id[:15]  # the rest only says the case
