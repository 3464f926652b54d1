"""Batches of records (OpenAPI: CRM Objects v3, batch): 100 inputs, 50 with history; 200, 201, 204 or 207."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from connectors.sandbox.core import Answer, Response
from connectors.sandbox.hubspot import objects
from connectors.sandbox.hubspot.calls import Call, an_object, inputs_of, refuse_duplicates, texts_in
from connectors.sandbox.hubspot.errors import bad_values, error, standard_error
from connectors.sandbox.hubspot.schema_types import ObjectType
from connectors.sandbox.store import Record

BATCH_LIMIT = 100


def read_batch(call: Call, type_name: str) -> Response:
    """POST …/batch/read: unknown ids are left out, with 200 or 207 (by switch)."""
    kind = call.kind(type_name)
    body = call.body()
    history = texts_in(body.get("propertiesWithHistory"), "propertiesWithHistory")
    most = call.portal.switches.hs_history_in_batch if history else BATCH_LIMIT
    ids = [str(item.get("id", "")) for item in inputs_of(body, most)]
    wanted = "archived" if call.flag("archived") else ""
    names, id_property = texts_in(body.get("properties"), "properties"), str(body.get("idProperty") or "")
    results: dict[str, dict[str, Any]] = {}
    missing: list[str] = []
    for record_id in dict.fromkeys(ids):
        record = call.portal.find(kind, record_id, id_property)
        if record is None or record.gone != wanted:
            missing.append(record_id)
        else:
            results.setdefault(record.id, call.render.record(kind, record, names, history))
    return answer(call, list(results.values()), _missing(call, kind, missing))


def update_batch(call: Call, type_name: str) -> Response:
    """POST …/batch/update: unknown ids → 207; an invalid value → 400 for all, unless switched."""
    kind = call.kind(type_name)
    inputs = inputs_of(call.body(), BATCH_LIMIT)
    refuse_duplicates([str(item.get("id", "")) for item in inputs])
    if any(item.get("idProperty") == "email" for item in inputs):
        raise error(400, f"Unable to perform update/upsert by non-unique {kind.type_id} property email")
    if not call.portal.switches.hs_batch_update_partial:
        _refuse_invalid(call, kind, inputs)
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    missing: list[str] = []
    for item in inputs:
        record_id, trace = str(item.get("id", "")), _trace(item)
        record = call.portal.live(kind, record_id, str(item.get("idProperty") or ""))
        if record is None:
            missing.append(record_id)
            continue
        properties = _properties(item)
        if _tried(partial(objects.change, call, kind, record, properties), trace, record_id, errors):
            results.append(objects.written(call, kind, record, list(properties), trace))
    return answer(call, results, errors + _missing(call, kind, missing))


def _refuse_invalid(call: Call, kind: ObjectType, inputs: list[dict[str, Any]]) -> None:
    problems = [problem for item in inputs for problem in call.portal.checked(kind, _properties(item))[1]]
    if problems:
        raise bad_values(problems)


def create_batch(call: Call, type_name: str) -> Response:
    """POST …/batch/create: partial success needs unique trace ids; else a conflict refuses all."""
    kind = call.kind(type_name)
    inputs = inputs_of(call.body(), BATCH_LIMIT)
    traces = [_trace(item) for item in inputs]
    in_part = None not in traces and len(set(traces)) == len(traces)
    if not in_part:
        _refuse_invalid(call, kind, inputs)
        _refuse_known(call, kind, inputs)
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for item, trace in zip(inputs, traces, strict=True):
        made = _tried(partial(objects.make, call, kind, item), trace, "", errors)
        if made is not None:
            results.append(objects.written(call, kind, made, list(_properties(item)), trace))
    return answer(call, results, errors, 201)


def _refuse_known(call: Call, kind: ObjectType, inputs: list[dict[str, Any]]) -> None:
    if kind.plural != "contacts":
        return
    for item in inputs:
        email = str(_properties(item).get("email") or "").strip().lower()
        if known := call.portal.email_taken(email):
            raise error(409, f"Contact already exists. Existing ID: {known}", "CONFLICT")


def upsert_batch(call: Call, type_name: str) -> Response:
    """POST …/batch/upsert: by a unique property; `new` says which it was."""
    kind = call.kind(type_name)
    inputs = inputs_of(call.body(), BATCH_LIMIT)
    refuse_duplicates([str(item.get("id", "")) for item in inputs])
    _refuse_invalid(call, kind, inputs)
    results = []
    for item in inputs:
        name, key = str(item.get("idProperty") or "hs_object_id"), str(item.get("id", ""))
        prop = kind.properties.get(name)
        if name != "hs_object_id" and (prop is None or not prop.unique):
            raise error(400, f"Unable to perform update/upsert by non-unique {kind.type_id} property {name}")
        properties = dict(_properties(item))
        record = call.portal.live(kind, key, name)
        new = record is None
        if record is None:
            if name != "hs_object_id":
                properties.setdefault(name, key)
            record = objects.make(call, kind, {"properties": properties})
        else:
            objects.change(call, kind, record, properties)
        shown = objects.written(call, kind, record, list(properties), _trace(item))
        results.append({**shown, "new": new})
    return answer(call, results, [])


def archive_batch(call: Call, type_name: str) -> Response:
    """POST …/batch/archive: 204, unknown ids are passed over."""
    kind = call.kind(type_name)
    for item in inputs_of(call.body(), BATCH_LIMIT):
        record = call.portal.live(kind, str(item.get("id", "")))
        if record is not None:
            call.portal.archive(kind, record, author="worker", actor=call.actor)
    return Response(204)


def answer(
    call: Call, results: list[dict[str, Any]], errors: list[dict[str, Any]], status: int = 200
) -> Response:
    """`BatchResponse…` or, with errors, `BatchResponse…WithErrors` and 207."""
    now = call.render.time(call.portal.core.clock())
    body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
    return Response.json(body, 207 if errors else status)


def _properties(item: dict[str, Any]) -> dict[str, Any]:
    return an_object(item.get("properties"), "properties")


def _trace(item: dict[str, Any]) -> str | None:
    """The caller's own name for an input."""
    trace = item.get("objectWriteTraceId")
    return None if trace is None else str(trace)


def _missing(call: Call, kind: ObjectType, ids: list[str]) -> list[dict[str, Any]]:
    """The error entry for unknown ids; none when a switch says that they are left out in silence."""
    if not ids or call.portal.switches.hs_missing_in_batch == "200":
        return []
    message = (
        f"Could not get some {kind.singular.upper()} objects, they may be deleted or not exist. "
        "Check that ids are valid."
    )
    return [standard_error(message, "OBJECT_NOT_FOUND", {"ids": ids})]


def _tried(
    action: Callable[[], Record], trace: Any, record_id: str, errors: list[dict[str, Any]]
) -> Record | None:
    """Run an action on one input; a refusal becomes an entry of `errors` that names its trace id."""
    try:
        return action()
    except Answer as refusal:
        body = json.loads(refusal.response.body)
        context = {"objectWriteTraceId": [str(trace)]} if trace is not None else {"ids": [record_id]}
        errors.append(standard_error(body["message"], body["category"], context))
        return None
