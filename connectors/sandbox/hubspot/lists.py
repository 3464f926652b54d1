"""Lists and memberships v3: search, read, members in id order or in the order of joining; no removal feed."""

from __future__ import annotations

from typing import Any

from connectors.sandbox.core import Response
from connectors.sandbox.hubspot.calls import Call, inputs_of, number, opaque, texts_in
from connectors.sandbox.hubspot.errors import error, not_found
from connectors.sandbox.hubspot.portal import Portal
from connectors.sandbox.hubspot.values import iso

MEMBERSHIP_LIMIT = 250
SEARCH_LIMIT = 500


class Lists:
    """The lists of one portal; membership is record id → when it joined."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._lists: dict[str, dict[str, Any]] = {}
        self._members: dict[str, dict[str, float]] = {}

    def add(self, name: str, type_id: str = "0-1", processing: str = "MANUAL") -> str:
        """Make a list; returns its id."""
        list_id, now = str(len(self._lists) + 1), iso(self._portal.core.clock())
        self._lists[list_id] = {
            "listId": list_id,
            "listVersion": 1,
            "name": name,
            "objectTypeId": type_id,
            "processingType": processing,
            "processingStatus": "COMPLETE",
            "createdAt": now,
            "updatedAt": now,
            "createdById": "48201",
            "updatedById": "48201",
            "filtersUpdatedAt": now,
        }
        self._members[list_id] = {}
        return list_id

    def join(self, list_id: str, record_ids: list[str], at: float | None = None) -> list[str]:
        """Add members; returns those that were new."""
        moment = self._portal.core.clock() if at is None else at
        new = [record_id for record_id in record_ids if record_id not in self._members[list_id]]
        self._members[list_id].update(dict.fromkeys(new, moment))
        return new

    def leave(self, list_id: str, record_ids: list[str]) -> list[str]:
        """Take members out; returns those that were in."""
        return [
            record_id for record_id in record_ids if self._members[list_id].pop(record_id, None) is not None
        ]

    def members_of(self, list_id: str) -> dict[str, float]:
        """Living members: a merge passes membership on to the survivor, who is archived or erased leaves."""
        contacts = self._portal.kind("contacts")
        found: dict[str, float] = {}
        for record_id, at in self._members[list_id].items():
            record = self._portal.live(contacts, record_id) if contacts is not None else None
            if record is not None:
                found[record.id] = min(at, found.get(record.id, at))
        return found

    # -- answering -----------------------------------------------------------------------------------------

    def _known(self, list_id: str) -> dict[str, Any]:
        known = self._lists.get(list_id)
        if known is None:
            raise error(404, f"List does not exist with ID {list_id}.", "OBJECT_NOT_FOUND")
        return known

    def search(self, call: Call) -> Response:
        """POST /crm/v3/lists/search {query, count ≤ 500, offset}."""
        body = call.body()
        count, offset = number(body.get("count"), "count", 20), number(body.get("offset"), "offset")
        if not 0 <= count <= SEARCH_LIMIT or offset < 0:
            raise error(400, f"count must be between 0 and {SEARCH_LIMIT}, offset not negative")
        text = str(body.get("query") or "").lower()
        found = [one for one in self._lists.values() if text in one["name"].lower()]
        page = found[offset : offset + count]
        shown = [
            {**one, "additionalProperties": {"hs_list_size": str(len(self.members_of(one["listId"])))}}
            for one in page
        ]
        more = len(found) > offset + len(page)
        return Response.json(
            {"lists": shown, "offset": offset + len(page), "hasMore": more, "total": len(found)}
        )

    def by_ids(self, call: Call) -> Response:
        """GET /crm/v3/lists?listIds=…: those that exist."""
        wanted = call.request.params("listIds")
        return Response.json({"lists": [self._lists[one] for one in wanted if one in self._lists]})

    def create(self, call: Call) -> Response:
        """POST /crm/v3/lists."""
        body = call.body()
        name = str(body.get("name") or "")
        if any(one["name"] == name for one in self._lists.values()):
            raise error(400, f"List name '{name}' is already in use")
        list_id = self.add(
            name, str(body.get("objectTypeId") or "0-1"), str(body.get("processingType") or "MANUAL")
        )
        return Response.json({"list": self._lists[list_id]})

    def read(self, call: Call, list_id: str) -> Response:
        """GET /crm/v3/lists/{id}."""
        del call
        return Response.json({"list": {**self._known(list_id), "size": len(self.members_of(list_id))}})

    def members(self, call: Call, list_id: str) -> Response:
        """GET /crm/v3/lists/{id}/memberships."""
        self._known(list_id)
        rows = sorted((int(record_id), at) for record_id, at in self.members_of(list_id).items())
        return self._page(call, [(str(number), at) for number, at in rows])

    def members_by_joining(self, call: Call, list_id: str) -> Response:
        """GET /crm/v3/lists/{id}/memberships/join-order."""
        self._known(list_id)
        return self._page(
            call, sorted(self.members_of(list_id).items(), key=lambda pair: (pair[1], int(pair[0])))
        )

    def _page(self, call: Call, rows: list[tuple[str, float]]) -> Response:
        limit = call.limit(MEMBERSHIP_LIMIT, 100)
        start = call.after()
        page = rows[start : start + limit]
        body: dict[str, Any] = {
            "results": [{"recordId": record_id, "membershipTimestamp": iso(at)} for record_id, at in page],
            "total": len(rows),
        }
        if len(rows) > start + limit:
            body["paging"] = call.next_page(opaque(str(start + limit)))
        return Response.json(body)

    def change_members(self, call: Call, list_id: str, action: str) -> Response:
        """PUT …/memberships/add or /remove with a list of record ids."""
        self._known(list_id)
        ids = texts_in(call.payload(), "the body")
        rows = self._portal.store.table("hubspot", "contacts").rows
        known = [one for one in ids if one in rows]
        added = self.join(list_id, known) if action == "add" else []
        removed = self.leave(list_id, known) if action == "remove" else []
        missing = [one for one in ids if one not in rows]
        body = {"recordIdsMissing": missing, "recordIdsRemoved": removed, "recordsIdsAdded": added}
        return Response.json(body)

    def of_record(self, call: Call, type_name: str, record_id: str) -> Response:
        """GET /crm/v3/lists/records/{type}/{id}/memberships."""
        if call.portal.find(call.kind(type_name), record_id) is None:
            raise not_found()
        return Response.json(
            {"results": self._memberships(record_id), "total": len(self._memberships(record_id))}
        )

    def _memberships(self, record_id: str) -> list[dict[str, Any]]:
        return [
            {
                "listId": list_id,
                "listVersion": 1,
                "firstAddedTimestamp": iso(members[record_id]),
                "lastAddedTimestamp": iso(members[record_id]),
            }
            for list_id in self._lists
            if record_id in (members := self.members_of(list_id))
        ]

    def read_memberships(self, call: Call) -> Response:
        """POST /crm/v3/lists/records/memberships/batch/read {inputs: [{objectTypeId, recordId}]}."""
        results = []
        for item in inputs_of(call.body(), 100):
            record_id = str(item.get("recordId", ""))
            memberships = {"recordId": record_id, "recordListMemberships": self._memberships(record_id)}
            results.append({"objectTypeId": str(item.get("objectTypeId", "0-1")), **memberships})
        now = call.render.time(call.portal.core.clock())
        return Response.json({"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now})
