"""JSON values of the API → canonical stored values, refused as Salesforce refuses them.

Status codes: SOAP API Developer Guide "Core Data Types Used in API Calls" (StatusCode enum); messages as seen
in public issue threads.
"""

from __future__ import annotations

import math
import re
from datetime import date
from typing import Any

from connectors.sandbox.salesforce.errors import SaveError
from connectors.sandbox.salesforce.ids import MASTER_RECORD_TYPE, looks_like_id, to_18
from connectors.sandbox.salesforce.org import Org
from connectors.sandbox.salesforce.schema import NUMBERS, Field, ObjectType, parse_datetime, stamp
from connectors.sandbox.store import Record

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


def canonical(org: Org, kind: ObjectType, one: Field, value: Any, record: Record | None) -> Any:
    """The stored form of one value; None clears. Raises SaveError. `record` is the one being updated."""
    if value is None or value == "":
        return _emptied(one)
    if one.type == "boolean":
        return _boolean(one, value)
    if one.type in NUMBERS:
        return _number(one, value)
    if one.type == "date":
        return _date(one, value)
    if one.type == "datetime":
        return _datetime(one, value)
    if one.type == "reference":
        return _reference(org, one, value)
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise _parser_error(one, value)
    text = str(value).strip() if one.type != "textarea" else str(value)
    if one.type == "picklist":
        return _picklist(org, kind, one, text, record)
    if one.length and len(text) > one.length:
        message = f"{one.label}: data value too large: {text[:40]} (max length={one.length})"
        raise SaveError("STRING_TOO_LONG", message, [one.name])
    if one.type == "email" and _EMAIL.fullmatch(text) is None:
        raise SaveError("INVALID_EMAIL_ADDRESS", f"{one.label}: invalid email address: {text}", [one.name])
    return text or None


def allowed_values(org: Org, kind: ObjectType, one: Field, record_type_id: str | None) -> tuple[str, ...]:
    """Picklist values of a field for a record type (the master one offers all)."""
    record_type = org.lookup(record_type_id) if record_type_id != MASTER_RECORD_TYPE else None
    if record_type is not None:
        name = f"{kind.name}.{record_type.get('DeveloperName')}.{one.name}"
        limited = org.switches.sf_record_type_values.get(name)
        if limited is not None:
            return tuple(limited)
    return org.switches.sf_picklists.get(f"{kind.name}.{one.name}", one.values)


def _emptied(one: Field) -> None:
    if one.type == "boolean":
        raise _parser_error(one, None)
    if one.required:
        if one.type == "picklist" and one.restricted:
            raise _bad_picklist(one, "")
        message = f"Required fields are missing: [{one.name}]"
        raise SaveError("REQUIRED_FIELD_MISSING", message, [one.name])


def _boolean(one: Field, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise _parser_error(one, value)


def _number(one: Field, value: Any) -> int | float:
    try:
        number = float(value) if not isinstance(value, bool) else float("nan")
    except (TypeError, ValueError):
        raise _parser_error(one, value) from None
    if not math.isfinite(number):
        raise _parser_error(one, value)
    if one.type == "int":
        return int(number)
    return number


def _date(one: Field, value: Any) -> str:
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        raise _parser_error(one, value) from None


def _datetime(one: Field, value: Any) -> str:
    try:
        return stamp(int(parse_datetime(str(value))))
    except ValueError:
        raise _parser_error(one, value) from None


def _reference(org: Org, one: Field, value: Any) -> str:
    if not looks_like_id(value):
        raise SaveError("MALFORMED_ID", f"{one.label}: id value of incorrect type: {value}", [one.name])
    full = to_18(value)
    if not set(org.objects_of(full)) & set(one.refers_to):
        message = f"{one.label}: id value of incorrect type: {full}"
        raise SaveError("FIELD_INTEGRITY_EXCEPTION", message, [one.name])
    if one.name == "RecordTypeId" and full == MASTER_RECORD_TYPE:
        return full
    target = org.lookup(full)
    if target is None or target.gone:
        raise SaveError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [one.name])
    return full


def _picklist(org: Org, kind: ObjectType, one: Field, text: str, record: Record | None) -> str | None:
    offered = allowed_values(org, kind, one, record.get("RecordTypeId") if record else None)
    for value in offered:
        if value.lower() == text.lower():
            return value
    if one.restricted:
        raise _bad_picklist(one, text)
    return text or None


def _bad_picklist(one: Field, text: str) -> SaveError:
    message = f"{one.label}: bad value for restricted picklist field: {text}"
    return SaveError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, [one.name])


def _parser_error(one: Field, value: Any) -> SaveError:
    message = (
        f"Cannot deserialize instance of {one.type} from VALUE_STRING value {value} for field {one.name}"
    )
    return SaveError("JSON_PARSER_ERROR", message, [one.name])
