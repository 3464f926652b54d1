"""Single records: list, read, create, update, archive, merge, GDPR delete (OpenAPI: CRM Objects v3)."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from connectors.sandbox.core import Response
from connectors.sandbox.hubspot.calls import Call, an_object, objects_in, opaque, types_in
from connectors.sandbox.hubspot.errors import bad_values, error, not_found
from connectors.sandbox.hubspot.links import target_of
from connectors.sandbox.hubspot.schema_types import ObjectType
from connectors.sandbox.store import Record

LIST_LIMIT = 100
LIST_LIMIT_WITH_HISTORY = 50
ASSOCIATIONS_SHOWN = 100
MAX_IDENTITIES = 250


def list_records(call: Call, type_name: str) -> Response:
    """GET /crm/v3/objects/{type}: ascending ids; archived ones are a listing of their own."""
    kind = call.kind(type_name)
    request = call.request
    history = request.params("propertiesWithHistory")
    limit = call.limit(LIST_LIMIT_WITH_HISTORY if history else LIST_LIMIT)
    names, wanted = request.params("properties"), "archived" if call.flag("archived") else ""
    types = [call.kind(name) for name in request.params("associations")]
    rows, more = _page(call, kind, call.after(), limit, wanted)
    results = []
    for row in rows:
        shown = call.render.record(kind, row, names, history)
        if types and (linked := _associations(call, kind, row, types)):
            shown["associations"] = linked
        results.append(shown)
    answer: dict[str, Any] = {"results": results}
    if more:
        last = rows[-1].id
        answer["paging"] = call.next_page(last if call.portal.switches.hs_numeric_after else opaque(last))
    return Response.json(answer)


def _page(call: Call, kind: ObjectType, after: int, limit: int, wanted: str) -> tuple[list[Record], bool]:
    """Up to `limit` records with ids above `after` whose `gone` is `wanted`, and whether there are more."""
    ids = call.portal.sorted_ids(kind)
    rows = call.portal.table(kind).rows
    found: list[Record] = []
    for place in range(bisect_right(ids, after), len(ids)):
        record = rows[str(ids[place])]
        if record.gone != wanted:
            continue
        if len(found) == limit:
            return found, True
        found.append(record)
    return found, False


def _associations(call: Call, kind: ObjectType, record: Record, types: list[ObjectType]) -> dict[str, Any]:
    """The first page of ids per type, one entry per label, as the list and read endpoints give it."""
    shown: dict[str, Any] = {}
    for other in types:
        linked = call.portal.links.of(kind.plural, record.id, other.plural)
        entries = [
            {"id": other_id, "type": f"{kind.singular}_to_{other.singular}{_suffix(number)}"}
            for other_id, numbers in linked.items()
            for number in sorted(numbers)
        ]
        if entries:
            shown[other.plural] = {"results": entries[:ASSOCIATIONS_SHOWN]}
            if len(entries) > ASSOCIATIONS_SHOWN:
                cursor = opaque(entries[ASSOCIATIONS_SHOWN - 1]["id"])
                path = f"/crm/v4/objects/{kind.plural}/{record.id}/associations/{other.plural}"
                link = f"{call.request.base_url}{path}?after={cursor}"
                shown[other.plural]["paging"] = {"next": {"after": cursor, "link": link}}
    return shown


def _suffix(type_id: int) -> str:
    """Contacts and companies have a labelled and an unlabelled type; the list names tell them apart."""
    return "_unlabeled" if type_id in (279, 280) else ""


def read_record(call: Call, type_name: str, record_id: str) -> Response:
    """GET …/{id}: by id or `idProperty`; the id of a merged record answers with the survivor."""
    kind = call.kind(type_name)
    request = call.request
    record = call.portal.find(kind, record_id, request.param("idProperty"))
    asked = call.portal.table(kind).rows.get(record_id)
    if asked is not None and asked.gone == "merged" and not call.portal.switches.hs_merged_ids_resolve:
        raise not_found()
    if record is None or record.gone != ("archived" if call.flag("archived") else ""):
        raise not_found()
    history = request.params("propertiesWithHistory")
    shown = call.render.record(kind, record, request.params("properties"), history)
    types = [call.kind(name) for name in request.params("associations")]
    if types and (linked := _associations(call, kind, record, types)):
        shown["associations"] = linked
    return Response.json(shown)


def create_record(call: Call, type_name: str) -> Response:
    """POST /crm/v3/objects/{type}: 201; 409 for an address that exists (python SDK #51)."""
    kind = call.kind(type_name)
    body = call.body()
    record = make(call, kind, body)
    trace = body.get("objectWriteTraceId")
    return Response.json(
        written(call, kind, record, list(an_object(body.get("properties"), "properties")), trace), 201
    )


def make(call: Call, kind: ObjectType, item: dict[str, Any]) -> Record:
    """Create one record from `{properties, associations?}`; raises the 400 or 409 that applies."""
    portal = call.portal
    values, problems = portal.checked(kind, an_object(item.get("properties"), "properties"))
    if problems:
        raise bad_values(problems)
    if kind.plural == "contacts" and (known := portal.email_taken(values.get("email"))):
        raise error(409, f"Contact already exists. Existing ID: {known}", "CONFLICT")
    if kind.plural == "contacts":
        values.setdefault("lifecyclestage", "lead")
    record = portal.create(kind, values, author="worker", actor=call.actor)
    for wanted in objects_in(item.get("associations"), "associations"):
        other = str(an_object(wanted.get("to"), "to").get("id", ""))
        numbers = types_in(wanted)
        target = _target_of(call, kind, numbers)
        if target is not None and portal.live(target, other) is not None:
            portal.links.add(kind.plural, record.id, target.plural, other, numbers)
    return record


def _target_of(call: Call, kind: ObjectType, numbers: set[int]) -> ObjectType | None:
    """The object type that association type ids lead to."""
    name = next((target for number in numbers if (target := target_of(kind.plural, number))), None)
    return call.portal.kind(name) if name else None


def update_record(call: Call, type_name: str, record_id: str) -> Response:
    """PATCH …/{id}: given values are overwritten, "" clears (OpenAPI, Contacts)."""
    kind = call.kind(type_name)
    record = call.portal.live(kind, record_id, call.request.param("idProperty"))
    if record is None:
        raise not_found()
    properties = an_object(call.body().get("properties"), "properties")
    change(call, kind, record, properties)
    return Response.json(written(call, kind, record, list(properties), None))


def change(call: Call, kind: ObjectType, record: Record, properties: dict[str, Any]) -> Record:
    """Write values to a record and return it; raises the 400 or 409 that applies."""
    portal = call.portal
    values, problems = portal.checked(kind, properties)
    if problems:
        raise bad_values(problems)
    known = portal.email_taken(values.get("email"), record.id) if kind.plural == "contacts" else None
    if known:
        raise error(409, f"Contact already exists. Existing ID: {known}", "CONFLICT")
    portal.change(kind, record, values, author="worker", actor=call.actor)
    return record


def written(call: Call, kind: ObjectType, record: Record, names: list[str], trace: Any) -> dict[str, Any]:
    """A record as an answer to a write: what was written, with the values it has now."""
    shown = call.render.record(kind, record, names or list(kind.always))
    if trace is not None:
        shown["objectWriteTraceId"] = str(trace)
    return shown


def archive_record(call: Call, type_name: str, record_id: str) -> Response:
    """DELETE …/{id}: archives; 204 also for one that is archived already."""
    kind = call.kind(type_name)
    record = call.portal.find(kind, record_id)
    if record is None:
        raise not_found()
    if not record.gone:
        call.portal.archive(kind, record, author="worker", actor=call.actor)
    return Response(204)


def merge_records(call: Call, type_name: str) -> Response:
    """POST …/merge: answers with the survivor (docs: merge records)."""
    kind = call.kind(type_name)
    body = call.body()
    first, second = str(body.get("primaryObjectId", "")), str(body.get("objectIdToMerge", ""))
    primary, secondary = call.portal.live(kind, first), call.portal.live(kind, second)
    if primary is None or secondary is None:
        raise not_found(f"Could not find the records {first} and {second} to merge")
    if primary is secondary:
        raise error(400, "Cannot merge a record with itself")
    merged = [record.values.get("hs_merged_object_ids") or "" for record in (primary, secondary)]
    if sum(text.count(";") + bool(text) for text in merged) + 2 > MAX_IDENTITIES:
        raise error(400, f"The merged record would have more than {MAX_IDENTITIES} identities")
    survivor = call.portal.merge(kind, primary, secondary, author="worker", actor=call.actor)
    return Response.json(call.render.record(kind, survivor))


def gdpr_delete(call: Call, type_name: str) -> Response:
    """POST …/gdpr-delete {objectId, idProperty?}: 204, and nothing is left in any listing."""
    kind = call.kind(type_name)
    body = call.body()
    record = call.portal.find(kind, str(body.get("objectId", "")), str(body.get("idProperty") or ""))
    if record is not None:
        call.portal.erase(kind, record, author="worker", actor=call.actor)
    return Response(204)
