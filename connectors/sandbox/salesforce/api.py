"""Which path does what: `/services/data/vXX.0/…` and the sign-in addresses around it.

Versions 50 to 66 are offered (REST API Developer Guide "Versions", "Resources by Version").
"""

from __future__ import annotations

import re
from typing import Any

from connectors.sandbox.core import Answer, Request, Response
from connectors.sandbox.salesforce.auth import Auth
from connectors.sandbox.salesforce.bulk import Bulk
from connectors.sandbox.salesforce.changes import Changes
from connectors.sandbox.salesforce.collection_rows import Collections
from connectors.sandbox.salesforce.composite import Composite
from connectors.sandbox.salesforce.describe import Describe
from connectors.sandbox.salesforce.duplicates import Answers
from connectors.sandbox.salesforce.errors import SaveError, fail, not_found
from connectors.sandbox.salesforce.limits import Budget
from connectors.sandbox.salesforce.org import Org
from connectors.sandbox.salesforce.query import Queries
from connectors.sandbox.salesforce.rows import Rows
from connectors.sandbox.salesforce.saving import Saver
from connectors.sandbox.salesforce.schema import ObjectType

VERSIONS = range(50, 67)
_SOAP_PATH = re.compile(r"/services/Soap/[uc]/(\d+(?:\.\d)?)(?:/.*)?")
_DATA_PATH = re.compile(r"/services/data/(v\d+\.\d)(?:/(.*))?")
_RESOURCES = ("composite", "identity", "jobs", "limits", "query", "queryAll", "sobjects", "ui-api")


class Api:
    def __init__(self, org: Org, auth: Auth) -> None:
        self._org = org
        self._auth = auth
        self._user = org.worker_id
        """Whose session the request being handled carries."""
        self.budget = Budget(org)
        self.changes = Changes(org)
        self._queries = Queries(org)
        self._rows = Rows(org)
        self._collections = Collections(org, self._rows)
        self._describe = Describe(org)
        self._composite = Composite(org, self._inner)
        self._bulk = Bulk(org)

    def handle(self, request: Request) -> Response:
        """Any request to the host."""
        path = request.path.rstrip("/")
        sign_in = {
            "/services/oauth2/token": self._auth.token,
            "/services/oauth2/revoke": self._auth.revoke,
            "/services/oauth2/userinfo": self._auth.userinfo,
        }
        if path in sign_in:
            return sign_in[path](request)
        if path.startswith("/id/"):
            return self._auth.userinfo(request)
        soap = _SOAP_PATH.fullmatch(path)
        if soap is not None and request.method == "POST":
            return self._auth.soap_login(request, soap.group(1))
        if path == "/services/data":
            return Response.json(_versions())
        try:
            response = self._rest(request)
        except Answer as answer:
            response = answer.response
        except SaveError as problem:
            response = problem.response()
        response.headers.update(self.budget.header())
        return response

    def _rest(self, request: Request) -> Response:
        version, rest = _split(request.path)
        self._user = self._auth.user(request)
        self.budget.spend()
        if version not in _known_versions():
            raise not_found()
        if rest.partition("/")[0] == "jobs":  # not to be had inside a composite request
            return self._bulk.handle(request, rest.split("/")[1:], self._user)
        return self._resource(request)

    def _inner(self, request: Request) -> Response:
        """One part of a composite request: not counted, signed in already."""
        version, rest = _split(request.path)
        if version not in _known_versions() or rest.startswith("composite/batch") or rest == "composite":
            raise not_found()
        return self._resource(request)

    def _resource(self, request: Request) -> Response:
        version, rest = _split(request.path)
        parts = [part for part in rest.split("/") if part]
        if not parts:
            return self._root(request, version)
        head, tail = parts[0], parts[1:]
        if head in ("query", "queryAll") and request.method == "GET":
            if head == "queryAll" and (refusal := self._org.switches.sf_query_all_refusal) is not None:
                raise fail(*refusal)
            if tail:
                return self._queries.more(tail[0], version)
            return self._queries.run(request, version, head == "queryAll")
        if head == "limits" and request.method == "GET":
            return Response.json(self.budget.report(self._bulk.query_jobs_today))
        if head == "sobjects":
            return self._sobjects(request, tail, version)
        if head == "composite":
            return self._composites(request, tail, version)
        if head == "ui-api" and tail[:1] == ["object-info"] and len(tail) > 1:
            return self._object_info(tail[1:], version)
        raise not_found()

    def _root(self, request: Request, version: str) -> Response:
        resources: dict[str, Any] = {name: f"/services/data/{version}/{name}" for name in _RESOURCES}
        resources["identity"] = f"{request.base_url}/id/{self._org.org_id}/{self._org.worker_id}"
        return Response.json(resources)

    def _sobjects(self, request: Request, parts: list[str], version: str) -> Response:
        if not parts:
            return self._describe.everything(version)
        kind = self._org.need_type(parts[0])
        if len(parts) == 1:
            if request.method == "POST":
                return self._rows.collection(request, kind, self._saver(request))
            return self._describe.basic(kind, version)
        what = parts[1].lower()
        if len(parts) == 2 and request.method == "GET" and what in ("describe", "updated", "deleted"):
            return self._about(request, kind, what, version)
        if len(parts) == 2:
            return self._rows.one(request, kind, parts[1], self._saver(request), version)
        if len(parts) == 3:
            saver = self._saver(request)
            return self._rows.by_external_id(request, kind, parts[1], parts[2], saver, version)
        raise not_found()

    def _about(self, request: Request, kind: ObjectType, what: str, version: str) -> Response:
        if what == "describe":
            return self._describe.one(kind, version)
        return (self.changes.updated if what == "updated" else self.changes.deleted)(request, kind)

    def _composites(self, request: Request, parts: list[str], version: str) -> Response:
        if not parts and request.method == "POST":
            return self._composite.composite(request)
        if parts == ["batch"] and request.method == "POST":
            return self._composite.batch(request, self.budget.spend)
        if parts[:1] != ["sobjects"]:
            raise not_found()
        saver = self._saver(request)
        if len(parts) == 1 and request.method in ("POST", "PATCH"):
            return self._collections.write(request, saver)
        if len(parts) == 1 and request.method == "DELETE":
            return self._collections.delete(request, saver)
        if len(parts) == 2 and request.method in ("GET", "POST"):
            return self._collections.retrieve(request, self._org.need_type(parts[1]), version)
        if len(parts) == 3 and request.method == "PATCH":
            return self._collections.upsert(request, self._org.need_type(parts[1]), parts[2], saver)
        raise fail(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed")

    def _object_info(self, parts: list[str], version: str) -> Response:
        kind = self._org.need_type(parts[0])
        if len(parts) == 1:
            return self._describe.object_info(kind)
        if parts[1] == "picklist-values" and len(parts) in (3, 4):
            return self._describe.picklists(kind, parts[2], parts[3] if len(parts) == 4 else "", version)
        raise not_found()

    def _saver(self, request: Request) -> Saver:
        """API clients fire the assignment rule unless they say `Sforce-Auto-Assign: FALSE`."""
        auto_assign = request.header("sforce-auto-assign", "TRUE").strip().upper() != "FALSE"
        author = "worker" if self._user == self._org.worker_id else "person"
        return Saver(author, self._user, auto_assign=auto_assign, on_duplicates=Answers.of(request))


def _split(path: str) -> tuple[str, str]:
    match = _DATA_PATH.fullmatch(path.rstrip("/"))
    if match is None:
        raise not_found()
    return match.group(1), match.group(2) or ""


def _known_versions() -> set[str]:
    return {f"v{number}.0" for number in VERSIONS}


def _versions() -> list[dict[str, str]]:
    seasons = ("Winter", "Spring", "Summer")
    return [
        {
            "label": f"{seasons[(number - 50) % 3]} '{21 + (number - 50) // 3}",
            "url": f"/services/data/v{number}.0",
            "version": f"{number}.0",
        }
        for number in VERSIONS
    ]
