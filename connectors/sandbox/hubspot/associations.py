"""Associations v4 (docs: CRM API, associations); the v3 batch read, which never pages (python SDK #187)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from connectors.sandbox.core import Response
from connectors.sandbox.hubspot.batch import answer
from connectors.sandbox.hubspot.calls import (
    Call,
    an_object,
    inputs_of,
    objects_in,
    opaque,
    place_of,
    types_in,
)
from connectors.sandbox.hubspot.errors import error, not_found, standard_error
from connectors.sandbox.hubspot.links import default_type, label_of
from connectors.sandbox.hubspot.schema_types import ObjectType

READ_LIMIT = 1_000  # inputs of a batch read
WRITE_LIMIT = 2_000  # inputs of a batch create
ARCHIVE_LIMIT = 1_000
LIST_LIMIT = 500


def read_batch(call: Call, source_name: str, target_name: str) -> Response:
    """POST /crm/v4/associations/{from}/{to}/batch/read; each result pages alone: resend `{id, after}`."""
    source, target = call.kind(source_name), call.kind(target_name)
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for item in inputs_of(call.body(), READ_LIMIT):
        record_id = str(item.get("id", ""))
        after = place_of(str(item.get("after") or ""))
        entries, cursor = _page(
            call, source, record_id, target, after, call.portal.switches.hs_association_page
        )
        if not entries and not after:
            if call.portal.switches.hs_missing_associations == "207":
                errors.append(_none_found(source, record_id, target))
            continue
        result: dict[str, Any] = {"from": {"id": record_id}, "to": entries}
        if cursor:
            result["paging"] = {"next": {"after": cursor, "link": f"?after={cursor}"}}
        results.append(result)
    return answer(call, results, errors)


def _none_found(source: ObjectType, record_id: str, target: ObjectType) -> dict[str, Any]:
    return standard_error(
        f"No {target.singular} is associated with {source.singular} {record_id}.",
        "OBJECT_NOT_FOUND",
        {"fromObjectId": [record_id], "fromObjectType": [source.type_id], "toObjectType": [target.type_id]},
        sub_category="crm.associations.NO_ASSOCIATIONS_FOUND",
    )


def _page(
    call: Call, source: ObjectType, record_id: str, target: ObjectType, after: int, limit: int
) -> tuple[list[dict[str, Any]], str]:
    """Associated records with ids above `after`, ascending, and the cursor of the next page."""
    record = call.portal.find(source, record_id)
    if record is None or record.gone:
        return [], ""
    linked = call.portal.links.of(source.plural, record.id, target.plural)
    rows = call.portal.table(target).rows
    ids = sorted(int(other) for other in linked if int(other) > after and not rows[other].gone)
    as_text = call.portal.switches.hs_association_ids_as_text
    entries = [
        {"toObjectId": str(number) if as_text else number, "associationTypes": _types(linked[str(number)])}
        for number in ids[:limit]
    ]
    return entries, opaque(str(ids[limit - 1])) if len(ids) > limit else ""


def _types(numbers: Iterable[int]) -> list[dict[str, Any]]:
    return [
        {"category": "HUBSPOT_DEFINED", "typeId": number, "label": label_of(number)}
        for number in sorted(numbers)
    ]


def list_associations(call: Call, source_name: str, record_id: str, target_name: str) -> Response:
    """GET /crm/v4/objects/{type}/{id}/associations/{to}: limit 500."""
    source, target = call.kind(source_name), call.kind(target_name)
    if call.portal.live(source, record_id) is None:
        raise not_found()
    limit = call.limit(LIST_LIMIT, LIST_LIMIT)
    entries, cursor = _page(call, source, record_id, target, call.after(), limit)
    body: dict[str, Any] = {"results": entries}
    if cursor:
        body["paging"] = call.next_page(cursor)
    return Response.json(body)


def _both(call: Call, source: ObjectType, first: str, target: ObjectType, second: str) -> tuple[str, str]:
    """Ids of two living records, merges followed; 404 when one is missing."""
    one, two = call.portal.live(source, first), call.portal.live(target, second)
    if one is None or two is None:
        raise not_found(f"{source.singular} {first} or {target.singular} {second} does not exist")
    return one.id, two.id


def put_association(call: Call, source_name: str, first: str, target_name: str, second: str) -> Response:
    """PUT …/associations/{to}/{id} with a list of types: 201."""
    source, target = call.kind(source_name), call.kind(target_name)
    one, two = _both(call, source, first, target, second)
    numbers = types_in({"types": call.payload()})
    call.portal.links.add(source.plural, one, target.plural, two, numbers)
    labels = [label for number in sorted(numbers) if (label := label_of(number))]
    shown = {
        "fromObjectTypeId": source.type_id,
        "fromObjectId": one,
        "toObjectTypeId": target.type_id,
        "toObjectId": two,
        "labels": labels,
    }
    return Response.json(shown, 201)


def put_default(call: Call, source_name: str, first: str, target_name: str, second: str) -> Response:
    """PUT …/associations/default/{to}/{id}."""
    source, target = call.kind(source_name), call.kind(target_name)
    one, two = _both(call, source, first, target, second)
    return answer(call, [_associate(call, source, one, target, two)], [])


def _associate(call: Call, source: ObjectType, one: str, target: ObjectType, two: str) -> dict[str, Any]:
    number = default_type(source.plural, target.plural)
    if number is None:
        raise error(400, f"{source.singular} and {target.singular} cannot be associated")
    call.portal.links.associate(source.plural, one, target.plural, two)
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": number}
    return {"from": {"id": one}, "to": {"id": two}, "associationSpec": spec}


def delete_association(call: Call, source_name: str, first: str, target_name: str, second: str) -> Response:
    """DELETE …/associations/{to}/{id}: all types; 204."""
    source, target = call.kind(source_name), call.kind(target_name)
    call.portal.links.remove(source.plural, first, target.plural, second)
    return Response(204)


def create_batch(call: Call, source_name: str, target_name: str) -> Response:
    """POST …/batch/create {inputs: [{from, to, types}]}."""
    source, target = call.kind(source_name), call.kind(target_name)
    results = []
    for item in inputs_of(call.body(), WRITE_LIMIT):
        one, two = _both(call, source, _id(item, "from"), target, _id(item, "to"))
        numbers = types_in(item)
        call.portal.links.add(source.plural, one, target.plural, two, numbers)
        results.append(
            {
                "fromObjectTypeId": source.type_id,
                "fromObjectId": one,
                "toObjectTypeId": target.type_id,
                "toObjectId": two,
                "labels": [label for number in sorted(numbers) if (label := label_of(number))],
            }
        )
    return answer(call, results, [], 201)


def associate_default_batch(call: Call, source_name: str, target_name: str) -> Response:
    """POST …/batch/associate/default {inputs: [{from, to}]}."""
    source, target = call.kind(source_name), call.kind(target_name)
    results = []
    for item in inputs_of(call.body(), WRITE_LIMIT):
        one, two = _both(call, source, _id(item, "from"), target, _id(item, "to"))
        results.append(_associate(call, source, one, target, two))
    return answer(call, results, [])


def archive_batch(call: Call, source_name: str, target_name: str) -> Response:
    """POST …/batch/archive {inputs: [{from, to: [..]}]}: 204."""
    source, target = call.kind(source_name), call.kind(target_name)
    for item in inputs_of(call.body(), ARCHIVE_LIMIT):
        for other in objects_in(item.get("to"), "to"):
            call.portal.links.remove(
                source.plural, _id(item, "from"), target.plural, str(other.get("id", ""))
            )
    return Response(204)


def _id(item: dict[str, Any], side: str) -> str:
    return str(an_object(item.get(side), side).get("id", ""))


def read_batch_v3(call: Call, source_name: str, target_name: str) -> Response:
    """POST /crm/v3/associations/{from}/{to}/batch/read: the first page, whatever `after` says."""
    source, target = call.kind(source_name), call.kind(target_name)
    results, errors = [], []
    for item in inputs_of(call.body(), READ_LIMIT):
        record_id = str(item.get("id", ""))
        entries, cursor = _page(call, source, record_id, target, 0, call.portal.switches.hs_association_page)
        if not entries:
            errors.append(_none_found(source, record_id, target))
            continue
        kind = f"{source.singular}_to_{target.singular}"
        to = [{"id": str(entry["toObjectId"]), "type": kind} for entry in entries]
        result: dict[str, Any] = {"from": {"id": record_id}, "to": to}
        if cursor:
            result["paging"] = {"next": {"after": cursor, "link": f"?after={cursor}"}}
        results.append(result)
    return answer(call, results, errors)
