"""The contract between the shared core and one simulated CRM ("half").

A half is a class built with one argument, a `Core`, and implements `Half`:

    class HubSpot:                                  # connectors/sandbox/hubspot/__init__.py exports it
        def __init__(self, core: Core) -> None: ...
        credentials: dict[str, str]                 # what a client needs to sign in
        def handle(self, request: Request) -> Response: ...
        def create(self, object_name, values, *, author="seed", actor="", at=None, record_id=None) -> str
        def edit(self, object_name, record_id, fields, *, author="person", actor="", at=None) -> None
        def delete(...), merge(...), expire_tokens()

Rules a half can rely on:

* `handle` and every other method run under `core.store.lock` (re-entrant), one at a time.
* Records live in `core.store` only (see store.py); reading them is free, changing them goes through
  `store.create / change / remove / restore / merge / erase`, which keep versions, stamps and the ledger.
* `core.clock()` is the only clock: epoch seconds, with fraction. `core.schedule(at, action)` runs `action()`
  as soon as the clock has passed `at` (at the latest at the next request).
* `core.switches` is read at each use, so that a test can flip one at run time.
* The server answers what `handle` returns. An exception of type `Answer` is answered with its response; any
  other exception is our bug: it becomes a plain 500 and is kept in `sandbox.errors`.
* Faults, steps, latency, the request log and keep-alive are applied around `handle`: never inside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from connectors.sandbox.store import Store
    from connectors.sandbox.switches import Switches

JSON = "application/json;charset=UTF-8"


@dataclass(slots=True)
class Request:
    """One HTTP request as it arrived."""

    n: int
    """Its number in the request log, from 1; ledger entries carry it."""
    at: float
    crm: str
    method: str
    path: str
    """Percent-decoded, without the query string."""
    query: dict[str, list[str]]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    base_url: str
    """`http://host:port` exactly as the caller named the host."""

    def header(self, name: str, default: str = "") -> str:
        return self.headers.get(name.lower(), default)

    def param(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        values = self.query.get(name)
        return values[0] if values else default

    def params(self, name: str) -> list[str]:
        """All values of a query parameter; comma-separated ones are split, as both CRMs do."""
        return [part for value in self.query.get(name, []) for part in value.split(",") if part]

    def json(self) -> Any:
        """The decoded body; None for an empty one. Raises ValueError when it is no JSON."""
        return json.loads(self.body) if self.body.strip() else None

    def form(self) -> dict[str, str]:
        """The body as `application/x-www-form-urlencoded`, first values."""
        text = self.body.decode("utf-8", "replace")
        return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}

    @property
    def bearer(self) -> str:
        """The token of the Authorization header, or "" (both `Bearer` and `OAuth` schemes)."""
        scheme, _, token = self.header("authorization").partition(" ")
        return token.strip() if scheme.lower() in ("bearer", "oauth") else ""


@dataclass(slots=True)
class Response:
    """One HTTP answer; Content-Length, Date and Connection are added by the server."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        return cls(status, body, dict(headers or {}))

    @classmethod
    def text(cls, text: str, status: int = 200, content_type: str = "text/plain;charset=UTF-8") -> Response:
        return cls(status, text.encode("utf-8"), {}, content_type)


class Answer(Exception):
    """Raise it anywhere inside `handle` to end the request with `response`."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


@dataclass(slots=True)
class Core:
    """What the core lends to a half."""

    store: Store
    switches: Switches
    clock: Callable[[], float]
    schedule: Callable[[float, Callable[[], None]], None]


class Half(Protocol):
    """What the core wants from a half. `author` is worker, person, automation, seed or system."""

    @property
    def credentials(self) -> dict[str, str]: ...

    def handle(self, request: Request) -> Response: ...

    def create(
        self,
        object_name: str,
        values: Mapping[str, Any],
        *,
        author: str = "seed",
        actor: str = "",
        at: float | None = None,
        record_id: str | None = None,
    ) -> str:
        """Make a record directly, without HTTP; returns its id. `at` back-dates it."""
        ...

    def edit(
        self,
        object_name: str,
        record_id: str,
        fields: Mapping[str, Any],
        *,
        author: str = "person",
        actor: str = "",
        at: float | None = None,
    ) -> None:
        """Change fields as somebody else than an API client would; KeyError when there is no such record."""
        ...

    def delete(
        self, object_name: str, record_id: str, *, author: str = "person", at: float | None = None
    ) -> None:
        """Delete (Salesforce: into the recycle bin) or archive (HubSpot)."""
        ...

    def merge(
        self, object_name: str, winner: str, loser: str, *, author: str = "person", at: float | None = None
    ) -> str:
        """Merge two records; returns the survivor's id (HubSpot: a new one)."""
        ...

    def expire_tokens(self) -> None:
        """From now on every token issued so far is refused."""
        ...
