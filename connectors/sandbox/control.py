"""The control port: what a test or the demo does to a sandbox in another process.

Every request carries `Authorization: Bearer CONTROL_TOKEN`. Bodies and answers are JSON.

GET  /ledger?since=N            {"entries": [Entry…]}
GET  /requests?since=N          {"requests": [{n, at, crm, method, path, status, query, body}…]}
GET  /state                     {"now", "counts": {crm: {object: alive}}, "ledger", "requests", "errors"}
GET  /state?crm=C&object=O[&id=I]   also {"records": {id: {values, created, modified, gone, merged_into}}}
POST /clock                     {"offset": S} or {"advance": S}                      → {"now", "released"}
POST /faults                    keywords of `Faults.arm`, {"rate_limit": POLICY, …}, or {"disarm": true}
POST /steps                     {"when": "before|after", "match": {Match…}, "do": ACTION}
POST /switches                  {"name": value, …}
POST /edit                      ACTION

ACTION is {"action": "edit", …} (edit is the default; or create, delete, archive, merge, convert,
expire_tokens, advance) with the keyword arguments of that method of `Sandbox`; "object" and "id" stand for
object_name and record_id. What only one CRM can do is named with it: salesforce.edit_late,
salesforce.recalculate, salesforce.undelete, salesforce.purge, salesforce.touch, salesforce.spend_calls,
hubspot.erase, hubspot.associate (see those halves).
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from connectors.sandbox.core import Request, Response
from connectors.sandbox.faults import Match
from connectors.sandbox.server import Reply

if TYPE_CHECKING:
    from connectors.sandbox.sandbox import Sandbox
    from connectors.sandbox.store import Record

ONLY = {
    "salesforce": ("edit_late", "recalculate", "undelete", "purge", "touch", "spend_calls"),
    "hubspot": ("erase", "associate"),
}
"""What only one half offers."""
ACTIONS = ("edit", "create", "delete", "archive", "merge", "convert", "expire_tokens", "advance")


class Control:
    def __init__(self, sandbox: Sandbox) -> None:
        self.token = secrets.token_urlsafe(24)
        self._sandbox = sandbox

    def answer(self, request: Request) -> Reply:
        if not secrets.compare_digest(request.bearer, self.token):
            return Reply(Response.json({"error": "unauthorized"}, 401))
        try:
            return Reply(Response.json(self._route(request)))
        except (KeyError, TypeError, ValueError) as problem:
            return Reply(Response.json({"error": f"{type(problem).__name__}: {problem}"}, 400))

    def _route(self, request: Request) -> Any:
        if request.method == "GET":
            since = int(request.param("since", "0"))
            if request.path == "/ledger":
                return {"entries": [entry._asdict() for entry in self._sandbox.ledger.entries(since)]}
            if request.path == "/requests":
                return {"requests": [one._asdict() for one in self._sandbox.requests if one.n > since]}
            if request.path == "/state":
                return self._state(request)
        posts = {
            "/clock": self._clock,
            "/faults": self._faults,
            "/steps": self._steps,
            "/switches": self._switches,
            "/edit": self._act,
        }
        if request.method == "POST" and request.path in posts:
            return posts[request.path](request.json() or {})
        raise KeyError(f"{request.method} {request.path}")

    def _state(self, request: Request) -> dict[str, Any]:
        sandbox = self._sandbox
        crm, name, record_id = request.param("crm"), request.param("object"), request.param("id")
        with sandbox.store.lock:
            counts: dict[str, dict[str, int]] = {"salesforce": {}, "hubspot": {}}
            for table in sandbox.store.tables():
                counts.setdefault(table.crm, {})[table.name] = sum(1 for _ in table.alive())
            state: dict[str, Any] = {
                "now": sandbox.clock(),
                "counts": counts,
                "ledger": len(sandbox.ledger),
                "requests": len(sandbox.requests),
                "errors": list(sandbox.errors),
            }
            if name:
                rows = sandbox.store.table(crm, name)
                state["records"] = {
                    row.id: _record(row) for row in rows if not record_id or row.id == record_id
                }
            return state

    def _clock(self, body: dict[str, Any]) -> dict[str, Any]:
        if "offset" in body:
            self._sandbox.offset = float(body["offset"])
        else:
            self._sandbox.offset += float(body["advance"])
        return {"released": self._sandbox.release_due(), "now": self._sandbox.clock()}

    def _faults(self, body: dict[str, Any]) -> dict[str, Any]:
        faults = self._sandbox.faults
        if body.get("disarm"):
            faults.disarm()
        elif "rate_limit" in body:
            faults.rate_limit(body.pop("rate_limit"), **body)
        else:
            faults.arm(body.pop("kind"), **body)
        return {"armed": True}

    def _steps(self, body: dict[str, Any]) -> dict[str, Any]:
        match, action = Match(**body.get("match", {})), body["do"]
        add = {"before": self._sandbox.steps.before, "after": self._sandbox.steps.after}[body["when"]]
        add(match, lambda _request: self._perform(dict(action)))
        return {"armed": True}

    def _switches(self, body: dict[str, Any]) -> dict[str, Any]:
        for name, value in body.items():
            known = getattr(self._sandbox.switches, name, None)
            if known is None:
                raise KeyError(name)
            setattr(self._sandbox.switches, name, set(value) if isinstance(known, set) else value)
        return {"set": sorted(body)}

    def _act(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"result": self._perform(body)}

    def _perform(self, body: dict[str, Any]) -> Any:
        action = str(body.pop("action", "edit"))
        names = {"object": "object_name", "id": "record_id"}
        told = {names.get(key, key): value for key, value in body.items()}
        crm, _, own = action.rpartition(".")
        if own in ONLY.get(crm, ()):
            with self._sandbox.store.lock:
                return getattr(self._sandbox.half(crm), own)(**told)
        if action not in ACTIONS:
            raise ValueError(f"action {action!r}, expected one of {', '.join(ACTIONS)}")
        return getattr(self._sandbox, action)(**told)


def _record(record: Record) -> dict[str, Any]:
    return {
        "values": dict(record.values),
        "created": record.created,
        "modified": record.modified,
        "gone": record.gone,
        "merged_into": record.merged_into,
    }
