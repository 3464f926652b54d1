"""Status and body → error family, and the facts in the headers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import (
    AuthFailed,
    BrokenReply,
    Conflict,
    ConnectorError,
    Fatal,
    Moved,
    NotOffered,
    QuotaSpent,
    RecordRejected,
    Retriable,
    RightMissing,
)
from connectors.salesforce.http import (
    Reply,
    api_usage,
    decode,
    error_of,
    retry_after,
    scrub,
    what_is_lacking,
)
from tests.unit.salesforce.helpers import error


def reply(status: int, body: Any = b"", **headers: str) -> Reply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, data)


CASES: list[tuple[int, Any, type[ConnectorError]]] = [
    (401, error("INVALID_SESSION_ID", "Session expired or invalid"), AuthFailed),
    (401, error("INVALID_AUTH_HEADER", "INVALID_JWT_FORMAT"), AuthFailed),
    (401, b"<html>no</html>", AuthFailed),
    (400, {"error": "invalid_grant", "error_description": "expired"}, RecordRejected),
    (403, error("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), QuotaSpent),
    (403, error("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent) Limit exceeded."), Retriable),
    (403, error("API_DISABLED_FOR_ORG", "no API"), RightMissing),
    (403, error("INSUFFICIENT_ACCESS", "no"), RightMissing),
    (403, b"<html>Forbidden</html>", RightMissing),
    (400, error("INVALID_FIELD", "No such column 'X__c' on entity 'Lead'."), NotOffered),
    (400, error("INVALID_TYPE", "sObject type 'CampaignMember' is not supported."), NotOffered),
    (404, error("NOT_FOUND", "The requested resource does not exist"), NotOffered),
    (404, b"", NotOffered),
    (405, b"", NotOffered),
    (404, error("ENTITY_IS_DELETED", "entity is deleted"), Moved),
    (400, error("MALFORMED_QUERY", "unexpected token"), RecordRejected),
    (400, error("INVALID_QUERY_LOCATOR", "gone"), Retriable),
    (400, error("QUERY_TIMEOUT", "too long"), Retriable),
    (412, error("PRECONDITION_FAILED", "no"), Conflict),
    (412, b"", Conflict),
    (414, b"<h1>Bad Message 414</h1>", Fatal),
    (431, b"<h1>Bad Message 431</h1>", Fatal),
    (429, b"", Retriable),
    (408, b"", Retriable),
    (500, b"", Retriable),
    (502, b"<html>", Retriable),
    (503, error("SERVER_UNAVAILABLE", "busy"), Retriable),
    (504, b"", Retriable),
    (501, b"<html>not implemented</html>", NotOffered),
    (505, b"", NotOffered),
    (301, b"", Fatal),
    (302, error("INVALID_FIELD", "x"), Fatal),
    (300, [{"url": "/services/data"}], Fatal),
    (400, b"not json", RecordRejected),
    (402, b"", RecordRejected),
    (409, b"<html>", RecordRejected),
    (413, b"", RecordRejected),
    (415, b"", RecordRejected),
    (418, {"a": 1}, Fatal),
]


@pytest.mark.parametrize(("status", "body", "family"), CASES)
def test_each_kind_of_failure_has_its_family(status: int, body: Any, family: type[ConnectorError]) -> None:
    found = error_of(reply(status, body))
    assert type(found) is family
    assert found.crm == "salesforce"


@settings(max_examples=200, deadline=None)
@given(
    status=st.integers(300, 599),
    body=st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["errorCode", "message", "fields", "error"]), inner, max_size=3)
        ),
        max_leaves=6,
    ),
)
def test_no_body_is_too_strange(status: int, body: Any) -> None:
    found = error_of(reply(status, body))
    assert isinstance(found, ConnectorError)
    assert "\n" not in str(found)


def test_what_is_lacking_is_named() -> None:
    assert what_is_lacking("No such column 'X__c' on entity 'Lead'. If you are") == "Lead.X__c"
    assert what_is_lacking("sObject type 'CampaignMember' is not supported.") == "CampaignMember"
    assert what_is_lacking("Didn't understand relationship 'Campaign' in field path") == "Campaign"
    assert what_is_lacking("something else") == ""
    found = error_of(reply(400, error("INVALID_FIELD", "No such column 'X__c' on entity 'Lead'.")))
    assert isinstance(found, NotOffered)
    assert found.what == "Lead.X__c"


@pytest.mark.parametrize(
    ("header", "usage"),
    [
        ("api-usage=25/5000", (25, 5000)),
        ("api-usage=25/5000; per-app-api-usage=17/250(appName=x)", (25, 5000)),
        ("per-app-api-usage=17/250(appName=x); api-usage=25/5000", (25, 5000)),
        ("per-app-api-usage=17/250(appName=x)", None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_both_forms_of_the_limit_header(header: str, usage: tuple[int, int] | None) -> None:
    assert api_usage({"sforce-limit-info": header}) == usage


def test_retry_after_as_seconds_and_as_a_date() -> None:
    assert retry_after(reply(503, retry_after="7")) == 7.0
    date = "Mon, 02 Nov 2026 09:00:00 GMT"
    later = "Mon, 02 Nov 2026 09:00:30 GMT"
    assert retry_after(reply(503, retry_after=later, date=date)) == 30.0
    assert retry_after(reply(503, retry_after="soon")) is None
    found = error_of(reply(503, retry_after="7"))
    assert isinstance(found, Retriable)
    assert found.delay == 7.0


@pytest.mark.parametrize("body", [b"", b"{", b"<html></html>", b'{"a": "\xff"}', b"nul", b"[" * 100_000])
def test_what_is_not_json_is_a_broken_reply(body: bytes) -> None:
    with pytest.raises(BrokenReply):
        decode(body)


def test_messages_hold_no_personal_data_and_no_token() -> None:
    text = scrub(
        "duplicate of ann.o'neil@example.com on 00Q000000000001AAA\nsession 00D000000000001!AQ.abc"
        + "x" * 500
    )
    assert "example.com" not in text
    assert "00Q000000000001AAA" not in text
    assert "AQ.abc" not in text
    assert "\n" not in text
    assert len(text) <= 200
