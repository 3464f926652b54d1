"""`/composite/sobjects`: up to 200 records a call (REST API Developer Guide "sObject Collections").

Results come in the order of the request, 200 even if every one failed; with allOrNone one failure rolls back
all.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from connectors.sandbox.core import Request, Response
from connectors.sandbox.salesforce import lifecycle, saving
from connectors.sandbox.salesforce.errors import SaveError, fail
from connectors.sandbox.salesforce.ids import to_18
from connectors.sandbox.salesforce.org import Org, invalid_type
from connectors.sandbox.salesforce.rows import Rows, fields_of, listed
from connectors.sandbox.salesforce.saving import Saver
from connectors.sandbox.salesforce.schema import ObjectType

MAX_RECORDS = 200
MAX_CHUNKS = 10
MAX_RETRIEVE = 2000
Item = dict[str, Any]


class Collections:
    def __init__(self, org: Org, rows: Rows) -> None:
        self._org = org
        self._rows = rows

    def write(self, request: Request, saver: Saver) -> Response:
        """POST (create) and PATCH (update) /composite/sobjects"""
        body = fields_of(request)
        records = listed(request, "records")
        _count(len(records))
        _chunks(records)
        seen: set[str] = set()
        one = self._create if request.method == "POST" else lambda item, by: self._update(item, by, seen)
        return self._each(records, one, saver, bool(body.get("allOrNone")))

    def upsert(self, request: Request, kind: ObjectType, field_name: str, saver: Saver) -> Response:
        """PATCH /composite/sobjects/OBJECT/FIELD"""
        body = fields_of(request)
        records = listed(request, "records")
        _count(len(records))

        def one(item: Item, by: Saver) -> Item:
            value = item.get(field_name)
            found = [
                record for record in self._org.table(kind.name).alive() if record.get(field_name) == value
            ]
            if len(found) > 1:
                raise SaveError("DUPLICATE_EXTERNAL_ID", f"{field_name}: more than one record found")
            if found:
                saving.update(self._org, kind, found[0], item, by)
                return {"id": found[0].id, "success": True, "errors": [], "created": False}
            made = saving.create(self._org, kind, item, by)
            return {"id": made.id, "success": True, "errors": [], "created": True}

        return self._each(records, one, saver, bool(body.get("allOrNone")))

    def delete(self, request: Request, saver: Saver) -> Response:
        """DELETE /composite/sobjects?ids=…&allOrNone="""
        ids = request.params("ids")
        _count(len(ids))

        def one(item: Item, by: Saver) -> Item:
            record = self._org.lookup(item["id"])
            if record is None:
                raise SaveError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
            lifecycle.delete(self._org, record, by)
            return _done(record.id)

        all_or_none = request.param("allOrNone").lower() == "true"
        return self._each([{"id": record_id} for record_id in ids], one, saver, all_or_none)

    def retrieve(self, request: Request, kind: ObjectType, version: str) -> Response:
        """GET ?ids=&fields= or POST {"ids", "fields"}: in the order asked, null for what is not there."""
        if request.method == "POST":
            body = fields_of(request)
            ids, names = body.get("ids") or [], body.get("fields") or []
        else:
            ids, names = request.params("ids"), request.params("fields")
        if not _texts(ids) or not _texts(names):
            raise fail(400, "JSON_PARSER_ERROR", "ids and fields are lists of text")
        if len(ids) > MAX_RETRIEVE:
            raise fail(
                400,
                "EXCEEDED_ID_LIMIT",
                "record limit reached. cannot submit more than 2000 records into this call",
            )
        if not names:
            raise fail(400, "MISSING_ARGUMENT", "fields expected")
        fields = self._rows.named_fields(kind, ["Id", *(name for name in names if name.lower() != "id")])
        found = [self._org.record(kind.name, record_id) for record_id in ids]
        return Response.json(
            [
                None if record is None or record.gone else self._rows.render(kind, record, version, fields)
                for record in found
            ]
        )

    # -- inner ---------------------------------------------------------------------------------------------

    def _create(self, item: Item, saver: Saver) -> Item:
        return _done(saving.create(self._org, self._type(item), item, saver).id)

    def _update(self, item: Item, saver: Saver, seen: set[str]) -> Item:
        kind = self._type(item)
        record_id = item.get("id") or item.get("Id") or ""
        if not record_id:
            raise SaveError("MISSING_ARGUMENT", "Id not specified in an update call")
        full = to_18(str(record_id))
        if self._org.switches.sf_duplicate_ids_refused and full in seen:
            raise SaveError("DUPLICATE_VALUE", f"duplicate id in request: {full}", ["Id"])
        seen.add(full)
        record = self._org.record(kind.name, full)
        if record is None:
            raise SaveError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        saving.update(self._org, kind, record, item, saver)
        return _done(full)

    def _type(self, item: Item) -> ObjectType:
        name = _type_name(item)
        kind = self._org.find_type(name)
        if kind is None:
            raise invalid_type(name)
        return kind

    def _each(
        self, items: list[Item], one: Callable[[Item, Saver], Item], saver: Saver, all_or_none: bool
    ) -> Response:
        results: list[Item] = []
        with self._org.store.transaction() as journal:
            for item in items:
                try:
                    results.append(one(item, saver))
                except SaveError as problem:
                    results.append(problem.item())
            if all_or_none and not all(result["success"] for result in results):
                journal.undo()
                results = [_rolled_back() if result["success"] else result for result in results]
        return Response.json(results)


def _type_name(item: Item) -> str:
    attributes = item.get("attributes")
    return str(attributes.get("type", "")) if isinstance(attributes, dict) else ""


def _done(record_id: str) -> Item:
    return {"id": record_id, "success": True, "errors": []}


def _rolled_back() -> Item:
    message = (
        "Record rolled back because not all records were valid and the request was using AllOrNone header"
    )
    return SaveError("ALL_OR_NONE_OPERATION_ROLLED_BACK", message).item()


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _count(records: int) -> None:
    if records > MAX_RECORDS:
        message = "record limit reached. cannot submit more than 200 records into this call"
        raise fail(400, "EXCEEDED_ID_LIMIT", message)


def _chunks(records: list[Item]) -> None:
    """Consecutive records of one type make a chunk; at most ten."""
    types = [_type_name(item) for item in records]
    changes = sum(1 for before, after in pairwise(types) if before != after)
    if changes + 1 > MAX_CHUNKS:
        raise fail(400, "LIMIT_EXCEEDED", "Cannot have more than 10 chunks in a single operation")
