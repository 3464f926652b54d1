"""`/composite` and `/composite/batch`: several requests in one.

Source: REST API Developer Guide "Composite" (25 subrequests, at most 5 of them queries or collections, one
API call, results of earlier ones by `@{reference.path}`, httpHeaders per subrequest except Accept,
Authorization and Content-Type) and "Composite Batch" (25, each counts).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote

from connectors.sandbox.core import Answer, Request, Response
from connectors.sandbox.salesforce.errors import SaveError, fail
from connectors.sandbox.salesforce.org import Org
from connectors.sandbox.salesforce.rows import fields_of, listed

MAX_PARTS = 25
MAX_HEAVY = 5
_REFERENCE = re.compile(r"@\{([A-Za-z0-9_]+)([^}]*)\}")
_HEAVY = re.compile(r"/(query|queryAll|composite/sobjects)\b")
_NOT_PASSED = ("accept", "authorization", "content-type")
Run = Callable[[Request], Response]


class Composite:
    """`run` handles one inner request, without counting it and with the outer one's session."""

    def __init__(self, org: Org, run: Run) -> None:
        self._org = org
        self._run = run

    def composite(self, request: Request) -> Response:
        """POST /composite"""
        body = fields_of(request)
        parts = listed(request, "compositeRequest")
        _limit(len(parts))
        if sum(1 for part in parts if _HEAVY.search(str(part.get("url")))) > MAX_HEAVY:
            raise fail(400, "LIMIT_EXCEEDED", "at most 5 subrequests may be queries or collections")
        results: list[dict[str, Any]] = []
        bodies: dict[str, Any] = {}
        with self._org.store.transaction() as journal:
            for part in parts:
                results.append(self._part(request, part, bodies))
            if body.get("allOrNone") and any(result["httpStatusCode"] >= 400 for result in results):
                journal.undo()
                for result in results:
                    if result["httpStatusCode"] < 400:
                        result.update(_halted(), httpStatusCode=400)
        return Response.json({"compositeResponse": results})

    def batch(self, request: Request, spend: Callable[[int], None]) -> Response:
        """POST /composite/batch; `spend` counts calls."""
        body = fields_of(request)
        parts = listed(request, "batchRequests")
        _limit(len(parts))
        spend(len(parts) - 1)  # the request itself was counted as one
        results: list[dict[str, Any]] = []
        for part in parts:
            if results and results[-1]["statusCode"] >= 400 and body.get("haltOnError"):
                results.append({"statusCode": 412, "result": _halted()["body"]})
                continue
            url = f"/services/data/{str(part.get('url')).lstrip('/')}"
            inner = self._inner(request, str(part.get("method", "GET")), url, part.get("richInput"), {})
            response = self._answer(inner)
            results.append({"statusCode": response.status, "result": _decoded(response)})
        failed = any(result["statusCode"] >= 400 for result in results)
        return Response.json({"hasErrors": failed, "results": results})

    # -- inner ---------------------------------------------------------------------------------------------

    def _part(self, outer: Request, part: dict[str, Any], bodies: dict[str, Any]) -> dict[str, Any]:
        reference = str(part.get("referenceId"))
        try:
            url = _filled(str(part.get("url")), bodies)
            body = _filled_deep(part.get("body"), bodies)
        except LookupError as problem:
            response = _refused(f"Invalid reference specified. No value for {problem.args[0]} found")
        else:
            given = part.get("httpHeaders")
            headers = (
                {name.lower(): str(one) for name, one in given.items()} if isinstance(given, dict) else {}
            )
            if not self._org.switches.sf_composite_conditional:
                headers.pop("if-unmodified-since", None)
            response = self._answer(self._inner(outer, str(part.get("method", "GET")), url, body, headers))
        decoded = _decoded(response)
        if response.status < 400:
            bodies[reference] = decoded
        return {
            "body": decoded,
            "httpHeaders": dict(response.headers),
            "httpStatusCode": response.status,
            "referenceId": reference,
        }

    def _inner(self, outer: Request, method: str, url: str, body: Any, headers: dict[str, str]) -> Request:
        path, _, query = url.partition("?")
        passed = {name: outer.header(name) for name in _NOT_PASSED if outer.header(name)}
        own = {name: value for name, value in headers.items() if name not in _NOT_PASSED}
        return Request(
            n=outer.n,
            at=outer.at,
            crm=outer.crm,
            method=method.upper(),
            path=unquote(path),
            query=parse_qs(query, keep_blank_values=True),
            headers={**own, **passed},
            body=json.dumps(body).encode("utf-8") if body is not None else b"",
            base_url=outer.base_url,
        )

    def _answer(self, request: Request) -> Response:
        try:
            return self._run(request)
        except Answer as answer:
            return answer.response
        except SaveError as problem:
            return problem.response()


def _limit(parts: int) -> None:
    if parts > MAX_PARTS:
        raise fail(400, "LIMIT_EXCEEDED", "Limit Exceeded: maximum 25 subrequests")


def _decoded(response: Response) -> Any:
    return json.loads(response.body) if response.body else None


def _halted() -> dict[str, Any]:
    message = "The transaction was rolled back since another operation in the same transaction failed."
    return {"body": [{"errorCode": "PROCESSING_HALTED", "message": message}]}


def _refused(message: str) -> Response:
    return Response.json([{"errorCode": "PROCESSING_HALTED", "message": message}], 400)


def _filled_deep(value: Any, bodies: dict[str, Any]) -> Any:
    if isinstance(value, str):
        return _filled(value, bodies)
    if isinstance(value, dict):
        return {name: _filled_deep(one, bodies) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled_deep(one, bodies) for one in value]
    return value


def _filled(text: str, bodies: dict[str, Any]) -> str:
    """Put earlier results in place of `@{reference.records[0].Id}`; raises LookupError."""

    def one(match: re.Match[str]) -> str:
        if match.group(1) not in bodies:
            raise LookupError(match.group(1))
        value = bodies[match.group(1)]
        for step in re.findall(r"\w+", match.group(2)):
            try:
                value = value[int(step)] if isinstance(value, list) else value[step]
            except (KeyError, IndexError, TypeError, ValueError):
                raise LookupError(match.group(0)) from None
        return str(value)

    return _REFERENCE.sub(one, text)
