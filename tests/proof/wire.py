"""Requests of the real clients answered by the sandbox in this very thread: no sockets, no other threads.

Everything else is as over HTTP: the clients build and read whole messages, the sandbox parses and judges
them, and an exception that a test throws in the middle (a pulled plug) comes out of the client's call.
"""

from __future__ import annotations

import email.utils
import http.client
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from connectors.sandbox.core import Request, Response
from connectors.sandbox.sandbox import Sandbox

HOSTS = {"salesforce": "127.0.0.1:1", "hubspot": "127.0.0.1:2"}
"""Where the two CRMs seem to be; nothing listens there."""

Carrier = Callable[[Request, Callable[[Request], Response]], Response]
"""The network: hands a request on to the CRM (or not) and brings the answer (or raises `LostError`)."""


class LostError(Exception):
    """The connection broke; whether the request had an effect is the carrier's secret."""


def direct(request: Request, answer: Callable[[Request], Response]) -> Response:
    """A network without faults."""
    return answer(request)


class Wire:
    """`carry` may be replaced at any time. `requests` counts them all."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.carry: Carrier = direct
        self.requests = 0
        sandbox.salesforce_url = f"http://{HOSTS['salesforce']}"
        sandbox.hubspot_url = f"http://{HOSTS['hubspot']}"

    def answer(self, request: Request) -> Response:
        """The CRM's own answer, faults and steps of the sandbox included. Raises LostError for a dropped
        connection."""
        half = self._sandbox.half(request.crm)
        reply = self._sandbox._dispatcher.answer(half.handle, request)
        if reply.how == "drop":
            raise LostError
        if reply.how == "cut":
            body = reply.response.body
            return Response(reply.response.status, body[: len(body) // 2], {"X-Cut": "1"})
        return reply.response

    def ask(self, crm: str, method: str, path: str, body: bytes = b"", **headers: str) -> Response:
        """A request that does not come from one of the clients. Raises LostError."""
        self.requests += 1
        path, _, query = path.partition("?")
        names = {name.lower().replace("_", "-"): value for name, value in headers.items()}
        return self.carry(self._request(crm, method, path, query, names, body), self.answer)

    def _request(
        self, crm: str, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Request:
        return Request(
            n=0,
            at=self._sandbox.clock(),
            crm=crm,
            method=method.upper(),
            path=unquote(path),
            query=parse_qs(query, keep_blank_values=True),
            headers=headers,
            body=body,
            base_url=f"http://{HOSTS[crm]}",
        )

    def send(self, prepared: requests.PreparedRequest) -> requests.Response:
        """What the clients' session calls in place of its adapter."""
        self.requests += 1
        url = urlsplit(prepared.url or "")
        crm = next(name for name, host in HOSTS.items() if host == url.netloc)
        raw = prepared.body or b""
        body = raw.encode() if isinstance(raw, str) else bytes(raw)
        headers = {name.lower(): str(value) for name, value in prepared.headers.items()}
        request = self._request(crm, prepared.method or "", url.path, url.query, headers, body)
        try:
            answer = self.carry(request, self.answer)
        except LostError:
            cause = urllib3.exceptions.ProtocolError(
                "Connection aborted.", http.client.RemoteDisconnected("closed without response")
            )
            raise requests.ConnectionError(cause, request=prepared) from None
        return self._response(prepared, answer)

    def _response(self, prepared: requests.PreparedRequest, answer: Response) -> requests.Response:
        length = len(answer.body) * (2 if "X-Cut" in answer.headers else 1)
        headers = {
            "Date": email.utils.formatdate(self._sandbox.clock(), usegmt=True),
            "Content-Type": answer.content_type,
            "Content-Length": str(length),
            **answer.headers,
        }
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(headers)
        response.request = prepared
        response.url = prepared.url or ""
        response.raw = urllib3.HTTPResponse(
            body=io.BytesIO(answer.body),
            headers=headers,
            status=answer.status,
            preload_content=False,
            enforce_content_length=True,
        )
        return response


@contextmanager
def in_process(sandbox: Sandbox) -> Iterator[Wire]:
    """While this is open, every client of this process talks to `sandbox` directly."""
    wire = Wire(sandbox)
    real = HTTPAdapter.send

    def send(adapter: HTTPAdapter, request: requests.PreparedRequest, *_: Any, **__: Any) -> Any:
        return wire.send(request)

    HTTPAdapter.send = send  # type: ignore[assignment,method-assign]
    try:
        yield wire
    finally:
        HTTPAdapter.send = real  # type: ignore[method-assign]
