"""Errors as Salesforce words them.

REST answers a JSON array of {message, errorCode, fields}; per-record results of collections carry
{statusCode, message, fields}. Source: REST API Developer Guide "Status Codes and Error Responses".
"""

from __future__ import annotations

from typing import Any

from connectors.sandbox.core import Answer, Response


class SaveError(Exception):
    """One record could not be saved, for one reason."""

    def __init__(
        self,
        code: str,
        message: str,
        fields: list[str] | None = None,
        status: int = 400,
        more: dict[str, Any] | None = None,
    ) -> None:
        """`more`: what stands beside the usual entries of the error."""
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.fields = fields or []
        self.status = status
        self.more = more or {}

    def response(self) -> Response:
        body = {"message": self.message, "errorCode": self.code, "fields": self.fields, **self.more}
        return Response.json([body], self.status)

    def item(self) -> dict[str, Any]:
        """The failed entry of a collections answer; it has no id."""
        error = {"statusCode": self.code, "message": self.message, "fields": self.fields, **self.more}
        return {"success": False, "errors": [error]}


def fail(status: int, code: str, message: str) -> Answer:
    """To be raised: an answer in the array shape."""
    return Answer(Response.json([{"message": message, "errorCode": code}], status))


def not_found() -> Answer:
    return fail(404, "NOT_FOUND", "The requested resource does not exist")
