"""Status and body → what happens next."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.errors import (
    AuthFailed,
    Conflict,
    ConnectorError,
    Fatal,
    NotOffered,
    QuotaSpent,
    RecordRejected,
    Retriable,
    RightMissing,
)
from connectors.hubspot.replies import (
    Reply,
    code_of,
    failure,
    invalid_values,
    property_of,
    retry_after,
)

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
NEW_YORK = timedelta(hours=-5)
INVALID = (
    'Property values were not valid: [{"isValid":false,"message":"ann@secret.test was not one of the allowed'
    ' options: [label: New, value: NEW]","error":"INVALID_OPTION","name":"hs_lead_status"}]'
)


def reply(status: int, body: object = None, **headers: str) -> Reply:
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, encoded)


def judged(status: int, body: object = None, **headers: str) -> ConnectorError:
    return failure(reply(status, body, **headers), "contacts search", NOW, NEW_YORK)


@pytest.mark.parametrize(
    ("status", "body", "family", "code"),
    [
        (300, {}, Fatal, "300"),
        (302, b"", Fatal, "302"),
        (400, {"category": "VALIDATION_ERROR"}, RecordRejected, "VALIDATION_ERROR"),
        (400, {"category": "VALIDATION_ERROR", "message": INVALID}, RecordRejected, "INVALID_OPTION"),
        (400, {"message": "Unable to infer object type from: leads"}, NotOffered, "400"),
        (400, {"category": "INVALID_TYPE"}, NotOffered, "INVALID_TYPE"),
        (401, {"category": "EXPIRED_AUTHENTICATION"}, AuthFailed, "EXPIRED_AUTHENTICATION"),
        (401, b"<html>", AuthFailed, "401"),
        (403, {"category": "MISSING_SCOPES"}, RightMissing, "MISSING_SCOPES"),
        (403, b"", RightMissing, "403"),
        (404, {"category": "OBJECT_NOT_FOUND"}, NotOffered, "OBJECT_NOT_FOUND"),
        (405, b"", NotOffered, "405"),
        (408, b"", Retriable, "408"),
        (409, {"category": "CONFLICT"}, Conflict, "CONFLICT"),
        (410, b"", NotOffered, "410"),
        (414, b"<html>", Fatal, "414"),
        (423, b"", Retriable, "423"),
        (477, b"", Retriable, "477"),
        (500, b"", Retriable, "500"),
        (502, b"<html>Bad gateway", Retriable, "502"),
        (503, {"category": "SERVICE_UNAVAILABLE"}, Retriable, "SERVICE_UNAVAILABLE"),
        (504, b"", Retriable, "504"),
        (524, b"", Retriable, "524"),
        (530, b"", Retriable, "530"),
        (530, {"category": "INVALID_AUTHENTICATION"}, AuthFailed, "INVALID_AUTHENTICATION"),
    ],
)
def test_families(status: int, body: object, family: type[ConnectorError], code: str) -> None:
    error = judged(status, body)
    assert type(error) is family
    assert error.code == code
    assert "contacts search" in error.message


@pytest.mark.parametrize(
    ("body", "delay"),
    [
        ({"policyName": "TEN_SECONDLY_ROLLING", "message": "…"}, 10.0),
        ({"policyName": "SECONDLY", "message": "You have reached your secondly limit."}, 1.0),
        ({"message": "You have reached your ten_secondly_rolling limit."}, 10.0),
        ({"message": "You have reached your secondly limit."}, 1.0),
        ({"category": "RATE_LIMITS"}, 10.0),
        (b"Too many requests", 10.0),
    ],
)
def test_a_burst_limit_waits(body: object, delay: float) -> None:
    error = judged(429, body)
    assert isinstance(error, Retriable)
    assert (error.delay, error.status) == (delay, 429)


def test_retry_after_has_the_last_word_on_a_burst() -> None:
    error = judged(429, {"policyName": "SECONDLY"}, retry_after="7")
    assert isinstance(error, Retriable)
    assert error.delay == 7.0


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"policyName": "DAILY", "message": "You have reached your daily limit."}, {}),
        ({"message": "You have reached your daily limit."}, {}),
        ({"category": "RATE_LIMITS"}, {"x_hubspot_ratelimit_daily_remaining": "0"}),
    ],
)
def test_the_daily_limit_ends_the_day(body: object, headers: dict[str, str]) -> None:
    error = judged(429, body, **headers)
    assert isinstance(error, QuotaSpent)
    assert error.until == datetime(2026, 11, 3, 5, 0, tzinfo=UTC)  # midnight in New York


def test_without_the_accounts_zone_the_end_of_the_day_is_unknown() -> None:
    error = failure(reply(429, {"policyName": "DAILY"}), "owners", NOW, None)
    assert isinstance(error, QuotaSpent)
    assert error.until is None


@pytest.mark.parametrize(("told", "hours"), [("3600", 1), ("999999999", 24)])
def test_a_long_wait_defers_instead_of_standing_still(told: str, hours: int) -> None:
    error = judged(429, {"policyName": "TEN_SECONDLY_ROLLING"}, retry_after=told)
    assert isinstance(error, QuotaSpent)
    assert error.until == NOW + timedelta(hours=hours)


def test_retry_after_forms() -> None:
    assert retry_after(reply(503, retry_after="1.5"), NOW) == 1.5
    assert retry_after(reply(503, retry_after="Mon, 02 Nov 2026 09:30:20 GMT"), NOW) == 20.0
    assert retry_after(reply(503, retry_after="Mon, 02 Nov 2026 09:00:00 GMT"), NOW) == 0.0
    assert retry_after(reply(503, retry_after="soon"), NOW) is None
    assert retry_after(reply(503), NOW) is None


def test_a_locked_record_waits_two_seconds_at_least() -> None:
    for headers, delay in (({}, 2.0), ({"retry_after": "1"}, 2.0), ({"retry_after": "9"}, 9.0)):
        error = judged(423, b"", **headers)
        assert isinstance(error, Retriable)
        assert error.delay == delay


def test_missing_scopes_are_named() -> None:
    body = {
        "category": "MISSING_SCOPES",
        "errors": [{"context": {"requiredScopes": ["crm.objects.deals.read", "forms"]}}],
    }
    assert "crm.objects.deals.read, forms" in judged(403, body).message


def test_messages_never_repeat_what_hubspot_quotes() -> None:
    body = {"message": INVALID, "category": "VALIDATION_ERROR", "context": {"email": ["ann@secret.test"]}}
    for status in (400, 403, 404, 409, 429, 500):
        assert "secret" not in str(judged(status, body))


def test_what_a_validation_failure_says() -> None:
    body = {"message": INVALID, "category": "VALIDATION_ERROR"}
    assert code_of(body) == "INVALID_OPTION"
    assert property_of(body) == "hs_lead_status"
    assert invalid_values(body)[0][0] == "hs_lead_status"
    other = {"message": 'Property "mql_score" does not exist', "errors": [{"code": "PROPERTY_DOESNT_EXIST"}]}
    assert (code_of(other), property_of(other)) == ("PROPERTY_DOESNT_EXIST", "mql_score")
    assert invalid_values(other) == []


def test_the_servers_clock() -> None:
    assert reply(200, date="Mon, 02 Nov 2026 09:30:20 GMT").server_ms == 1793611820000
    assert reply(200, date="nonsense").server_ms is None
    assert reply(200).server_ms is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["message", "category", "subCategory", "errors", "context", "policyName", "errorType"])


@given(st.integers(300, 599), st.dictionaries(keys, json_values) | st.binary(max_size=30) | json_values)
@example(status=403, body={"errors": True})
@example(status=403, body={"errors": [{"context": [1]}, None], "context": "x"})
@example(status=400, body={"message": "[1, 2"})
def test_no_body_breaks_the_judgement(status: int, body: object) -> None:
    assert isinstance(judged(status, body), ConnectorError)
