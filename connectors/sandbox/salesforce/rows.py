"""`/sobjects/OBJECT[/ID]`: single records.

Source: REST API Developer Guide "sObject Basic Information", "sObject Rows", "sObject Rows by External ID",
"Conditional Request Headers".
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime
from typing import Any

from connectors.sandbox.core import Request, Response
from connectors.sandbox.salesforce import lifecycle, saving
from connectors.sandbox.salesforce.errors import SaveError, fail, not_found
from connectors.sandbox.salesforce.org import Org, no_such_column, reader
from connectors.sandbox.salesforce.saving import Saver
from connectors.sandbox.salesforce.schema import Field, ObjectType
from connectors.sandbox.store import Record


class Rows:
    def __init__(self, org: Org) -> None:
        self._org = org

    def collection(self, request: Request, kind: ObjectType, saver: Saver) -> Response:
        """POST /sobjects/OBJECT makes a record."""
        if not kind.createable:
            raise fail(
                400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be inserted: {kind.label}"
            )
        record = saving.create(self._org, kind, fields_of(request), saver)
        return Response.json({"id": record.id, "success": True, "errors": []}, 201)

    def one(self, request: Request, kind: ObjectType, record_id: str, saver: Saver, version: str) -> Response:
        """GET, PATCH and DELETE /sobjects/OBJECT/ID"""
        record = self._org.record(kind.name, record_id)
        if request.method in ("GET", "HEAD"):
            if record is None or record.gone:
                raise not_found()
            return self._read(request, kind, record, version)
        if record is None:
            raise not_found()
        if request.method == "PATCH":
            return self._update(request, kind, record, saver)
        if request.method == "DELETE":
            return self._delete(kind, record, saver)
        raise fail(
            405,
            "METHOD_NOT_ALLOWED",
            f"HTTP Method '{request.method}' not allowed. Allowed are HEAD,GET,PATCH,DELETE",
        )

    def by_external_id(
        self, request: Request, kind: ObjectType, field_name: str, value: str, saver: Saver, version: str
    ) -> Response:
        """The same by an external id; PATCH makes the record when there is none. Several matches: 300."""
        one = self._org.find_field(kind, field_name)
        if one is None or not (one.external_id or one.name == "Id"):
            raise fail(
                404,
                "NOT_FOUND",
                "Provided external ID field does not exist or is not accessible: " + field_name,
            )
        if one.name == "Id":
            return self.one(request, kind, value, saver, version)
        found = [record for record in self._org.table(kind.name).alive() if record.get(one.name) == value]
        if len(found) > 1:
            urls = [f"/services/data/{version}/sobjects/{kind.name}/{record.id}" for record in found]
            return Response.json(urls, 300)
        if found and request.method == "PATCH":
            response = self._update(request, kind, found[0], saver)
            if response.status != 204:
                return response
            return Response.json({"id": found[0].id, "success": True, "errors": [], "created": False})
        if found:
            return self.one(request, kind, found[0].id, saver, version)
        if request.method != "PATCH":
            raise not_found()
        record = saving.create(self._org, kind, {**fields_of(request), one.name: value}, saver)
        return Response.json({"id": record.id, "success": True, "errors": [], "created": True}, 201)

    def render(self, kind: ObjectType, record: Record, version: str, names: list[Field]) -> dict[str, Any]:
        url = f"/services/data/{version}/sobjects/{kind.name}/{record.id}"
        row: dict[str, Any] = {"attributes": {"type": kind.name, "url": url}}
        row.update({one.name: reader(one)(record) for one in names})
        return row

    def named_fields(self, kind: ObjectType, names: list[str]) -> list[Field]:
        """Field definitions by name; raises INVALID_FIELD."""
        found = []
        for name in names:
            one = self._org.find_field(kind, name.strip())
            if one is None:
                raise no_such_column(name, kind.name)
            found.append(one)
        return found

    # -- inner ---------------------------------------------------------------------------------------------

    def _read(self, request: Request, kind: ObjectType, record: Record, version: str) -> Response:
        since = http_seconds(request.header("if-modified-since"))
        if since is not None and int(record.modified) <= since:
            return Response(304)
        unmodified = http_seconds(request.header("if-unmodified-since"))
        if unmodified is not None and self._moment(record) > unmodified:
            return Response(412)
        etag = self._etag(kind, record)
        if etag and request.header("if-none-match") and etag in request.header("if-none-match"):
            return Response(304, b"", {"ETag": etag})
        if etag and not _matches(request, etag):
            return Response(412)
        wanted = request.params("fields")
        names = self.named_fields(kind, wanted) if wanted else self._org.fields(kind)
        if wanted and not any(one.name == "Id" for one in names):
            names.append(kind.fields["Id"])
        headers = {"ETag": etag} if etag else {}
        headers["Last-Modified"] = formatdate(int(record.modified), usegmt=True)
        return Response.json(self.render(kind, record, version, names), 200, headers)

    def _update(self, request: Request, kind: ObjectType, record: Record, saver: Saver) -> Response:
        condition = request.header("if-unmodified-since")
        if condition:
            limit = http_seconds(condition)
            if limit is None:
                raise fail(
                    400, "INVALID_HEADER", f"Invalid value for header If-Unmodified-Since: {condition}"
                )
            if not record.gone and self._moment(record) > limit:
                return Response(412)
        etag = self._etag(kind, record)
        if etag and not _matches(request, etag):
            return Response(412)
        if not kind.updateable:
            raise fail(
                400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be updated: {kind.label}"
            )
        saving.update(self._org, kind, record, fields_of(request), saver)
        return Response(204)

    def _delete(self, kind: ObjectType, record: Record, saver: Saver) -> Response:
        if not kind.deletable:
            raise SaveError("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
        lifecycle.delete(self._org, record, saver)
        return Response(204)

    @staticmethod
    def _etag(kind: ObjectType, record: Record) -> str:
        """A hash of the content; only Account rows have one."""
        if kind.name != "Account":
            return ""
        content = repr((sorted(record.values.items()), record.modified)).encode("utf-8")
        return f'"{base64.b64encode(hashlib.sha256(content).digest()[:20]).decode()}"'

    def _moment(self, record: Record) -> int:
        """Whole seconds that If-Unmodified-Since is compared with."""
        system = self._org.switches.sf_conditional_field == "SystemModstamp"
        return int(record.stamp if system else record.modified)


def fields_of(request: Request) -> dict[str, Any]:
    """The body of a write; raises JSON_PARSER_ERROR unless it is an object."""
    try:
        body = request.json()
    except ValueError as problem:
        raise fail(400, "JSON_PARSER_ERROR", f"The HTTP entity body is invalid JSON: {problem}") from None
    if not isinstance(body, dict):
        raise fail(
            400, "JSON_PARSER_ERROR", "The HTTP entity body is required, but this request has no entity body."
        )
    return body


def listed(request: Request, name: str) -> list[dict[str, Any]]:
    """The list of objects under `name` in the body; raises JSON_PARSER_ERROR."""
    found = fields_of(request).get(name)
    if not isinstance(found, list) or not found or not all(isinstance(one, dict) for one in found):
        raise fail(400, "JSON_PARSER_ERROR", f"a list of objects is expected in {name}")
    return found


def _matches(request: Request, etag: str) -> bool:
    wanted = request.header("if-match")
    return not wanted or wanted.strip() == "*" or etag in wanted


def http_seconds(value: str) -> int | None:
    """Epoch seconds of an HTTP date (`EEE, dd MMM yyyy HH:mm:ss z`); None when it is none."""
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
