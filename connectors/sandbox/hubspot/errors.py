"""HubSpot's error bodies: `{status, message, correlationId, category, subCategory?, context?, errors?}`.

Shapes: OpenAPI schema `Error`; texts as public issue threads quote them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any

from connectors.sandbox.core import Answer, Response


def error(
    status: int,
    message: str,
    category: str = "VALIDATION_ERROR",
    *,
    sub_category: str = "",
    context: dict[str, list[str]] | None = None,
    errors: Sequence[dict[str, Any]] = (),
    headers: dict[str, str] | None = None,
) -> Answer:
    """An error to raise."""
    body: dict[str, Any] = {
        "status": "error",
        "message": message,
        "correlationId": str(uuid.uuid4()),
        "category": category,
    }
    if sub_category:
        body["subCategory"] = sub_category
    if context:
        body["context"] = context
    if errors:
        body["errors"] = list(errors)
    return Answer(Response.json(body, status, headers))


def not_found(message: str = "resource not found") -> Answer:
    """404 for a record or resource."""
    return error(404, message, "OBJECT_NOT_FOUND")


def no_such_path() -> Answer:
    """404 as the gateway answers for a path it does not know: HTML, not JSON."""
    page = "<html><head><title>Error 404 Not Found</title></head><body><h2>HTTP ERROR 404</h2></body></html>"
    return Answer(Response.text(page, 404, "text/html;charset=utf-8"))


def bad_json(detail: str) -> Answer:
    """400 for a body that cannot be read."""
    return error(400, f"Invalid input JSON: {detail}")


def bad_values(problems: Sequence[dict[str, Any]]) -> Answer:
    """400 for property values (hubspot-api-nodejs and community threads quote this text)."""
    return error(400, f"Property values were not valid: {json.dumps(list(problems), ensure_ascii=False)}")


def standard_error(
    message: str, category: str, context: dict[str, list[str]], *, sub_category: str = ""
) -> dict[str, Any]:
    """One entry of `errors` in a 207 body (OpenAPI schema `StandardError`)."""
    entry: dict[str, Any] = {
        "status": "error",
        "category": category,
        "message": message,
        "context": context,
        "errors": [],
        "links": {},
    }
    if sub_category:
        entry["subCategory"] = sub_category
    return entry


def missing_scopes(scopes: Sequence[str]) -> Answer:
    """403: the token lacks a scope (docs: error handling, `errors[].context.requiredScopes`)."""
    detail = {"message": f"One or more of the following scopes are required. [{', '.join(scopes)}]"}
    message = "This app hasn't been granted all required scopes to make this call."
    wanted = {**detail, "context": {"requiredScopes": list(scopes)}}
    return error(403, message, "MISSING_SCOPES", errors=[wanted])


def unauthorised(expired: bool) -> Answer:
    """401: docs, OAuth and private apps pages."""
    if expired:
        return error(
            401, "The OAuth token used to make this call expired 1 second(s) ago.", "EXPIRED_AUTHENTICATION"
        )
    message = "Authentication credentials not found. This API supports OAuth 2.0 authentication."
    return error(401, message, "INVALID_AUTHENTICATION")


def rate_limited(policy: str, retry_after: float | None, headers: dict[str, str]) -> Answer:
    """429 (body as quoted in hubspot-api-python #117; newer bodies carry `category`, too)."""
    words = {
        "TEN_SECONDLY_ROLLING": "ten_secondly_rolling",
        "SECONDLY": "secondly",
        "DAILY": "daily",
    }
    body = {
        "status": "error",
        "message": f"You have reached your {words[policy]} limit.",
        "errorType": "RATE_LIMIT",
        "category": "RATE_LIMITS",
        "correlationId": str(uuid.uuid4()),
        "policyName": policy,
        "groupName": "publicapi:private-apps-api-calls-oauth:1100042",
    }
    extra = {} if retry_after is None else {"Retry-After": str(max(1, round(retry_after)))}
    return Answer(Response.json(body, 429, {**headers, **extra}))
