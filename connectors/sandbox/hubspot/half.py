"""HubSpot's half of the sandbox: one account, answered over HTTP, acted on directly by tests and the demo."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connectors.sandbox.core import Answer, Core, Request, Response
from connectors.sandbox.hubspot.account import Account
from connectors.sandbox.hubspot.calls import Call
from connectors.sandbox.hubspot.catalog import Owners
from connectors.sandbox.hubspot.errors import error, missing_scopes, no_such_path
from connectors.sandbox.hubspot.feeds import Feeds
from connectors.sandbox.hubspot.forms import Forms
from connectors.sandbox.hubspot.limits import Limits
from connectors.sandbox.hubspot.lists import Lists
from connectors.sandbox.hubspot.portal import PERSON_USER, Portal
from connectors.sandbox.hubspot.render import Renderer
from connectors.sandbox.hubspot.routes import Route, routes, scope_of, undated
from connectors.sandbox.hubspot.schema_types import ObjectType
from connectors.sandbox.hubspot.search import Searcher
from connectors.sandbox.store import Record

_TOKEN_PATH = re.compile(r"/oauth/(?:v1|v3|20\d\d-\d\d)/token(/introspect|/revoke)?")
_ACTORS = {"person": PERSON_USER, "automation": "enrollmentId:55501;actionExecutionIndex:0"}


class HubSpot:
    """Implements `core.Half`. Tests also use `feeds`, `forms`, `lists`, `owners`, `portal` and `account`."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.portal = Portal(core)
        self.feeds = Feeds(self.portal)
        self.forms = Forms(self.feeds)
        self.lists = Lists(self.portal)
        self.owners = Owners(self.portal)
        self.limits = Limits(core.switches, core.clock)
        self.account = Account(core, self.limits)
        self.credentials: dict[str, str] = self.account.credentials
        """`access_token`; for OAuth also client_id, client_secret, refresh_token."""
        self.searcher = Searcher()
        self.render = Renderer(self.portal)
        self._routes = routes(self)

    # -- HTTP ----------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        """Answer one request: sign-in, scope, limits, endpoint; rate headers on every answer but search's."""
        path, dated = undated(request.path)
        if path.startswith("/oauth/"):
            return self._oauth(request, path)
        if _length(request) > self._core.switches.hs_longest_url:
            raise Answer(Response.text("Request-URI Too Long", 414))
        app = self.account.app_of(request)
        route, parts = self._route(request.method, path)
        if any(path.startswith(absent) for absent in self._core.switches.hs_absent):
            raise no_such_path()
        self.limits.count(route.limit)
        scope = scope_of(request.method, path)
        if scope in self._core.switches.hs_missing_scopes:
            raise missing_scopes([scope or ""])
        render = Renderer(self.portal, with_url=True) if dated else self.render
        response = route.endpoint(Call(request, self.portal, render, app), *parts)
        response.headers.update(self.limits.headers(route.limit))
        return response

    def _route(self, method: str, path: str) -> tuple[Route, tuple[str, ...]]:
        known = False
        for route in self._routes:
            match = route.pattern.match(path)
            if match is None:
                continue
            if route.method == method:
                return route, match.groups()
            known = True
        if known:
            raise error(405, f"HTTP method {method} is not allowed here", "METHOD_NOT_ALLOWED")
        raise no_such_path()

    def _oauth(self, request: Request, path: str) -> Response:
        """Not rate limited, no bearer token needed."""
        if any(path.startswith(absent) for absent in self._core.switches.hs_absent):
            raise no_such_path()
        where = (request.method, path.rstrip("/"))
        if request.method == "POST" and (named := _TOKEN_PATH.fullmatch(where[1])):
            return self.account.oauth(request, named[1] or "")
        if where == ("POST", "/oauth/v2/private-apps/get/access-token-info"):
            return self.account.private_app_info(request)
        head, _, token = path.rpartition("/")
        if (request.method, head) == ("GET", "/oauth/v1/access-tokens"):
            return self.account.token_info(token)
        if (request.method, head) == ("GET", "/oauth/v1/refresh-tokens"):
            return self.account.refresh_info(token)
        raise no_such_path()

    # -- acting without HTTP -------------------------------------------------------------------------------

    def _kind(self, name: str) -> ObjectType:
        kind = self.portal.kind(name)
        if kind is None:
            raise KeyError(name)
        return kind

    def _record(self, kind: ObjectType, record_id: str) -> Record:
        record = self.portal.live(kind, record_id)
        if record is None:
            raise KeyError(f"{kind.plural} {record_id}")
        return record

    def _values(self, kind: ObjectType, fields: Mapping[str, Any]) -> dict[str, str | None]:
        values, problems = self.portal.checked(kind, fields)
        if problems:
            raise ValueError(problems)
        return values

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
        """Make a record; values are checked as an API client's are (ValueError)."""
        kind = self._kind(object_name)
        record = self.portal.create(
            kind, self._values(kind, values), at=at, author=author, actor=actor, record_id=record_id
        )
        return record.id

    def edit(
        self,
        object_name: str,
        record_id: str,
        fields: Mapping[str, Any],
        *,
        author: str = "person",
        actor: str = "",
        at: float | None = None,
        source: str = "",
    ) -> None:
        """Change fields; `source`: the sourceType in property history, if not the author's usual one."""
        kind = self._kind(object_name)
        record = self._record(kind, record_id)
        who = actor or _ACTORS.get(author, "")
        values = self._values(kind, fields)
        self.portal.change(kind, record, values, author=author, actor=who, at=at, source=source)

    def delete(
        self, object_name: str, record_id: str, *, author: str = "person", at: float | None = None
    ) -> None:
        """Archive."""
        kind = self._kind(object_name)
        record = self._record(kind, record_id)
        self.portal.archive(kind, record, author=author, actor=_ACTORS.get(author, ""), at=at)

    def erase(self, object_name: str, record_id: str, *, author: str = "person") -> None:
        """GDPR delete."""
        kind = self._kind(object_name)
        self.portal.erase(kind, self._record(kind, record_id), author=author, actor=_ACTORS.get(author, ""))

    def merge(
        self, object_name: str, winner: str, loser: str, *, author: str = "person", at: float | None = None
    ) -> str:
        """Merge; returns the survivor's id, a new one unless a switch says otherwise."""
        kind = self._kind(object_name)
        primary, secondary = self._record(kind, winner), self._record(kind, loser)
        actor = _ACTORS.get(author, "")
        return self.portal.merge(kind, primary, secondary, author=author, actor=actor, at=at).id

    def associate(self, object_name: str, record_id: str, to_object: str, to_id: str) -> None:
        """Associate two records; moves no timestamp."""
        self.portal.links.associate(
            self._kind(object_name).plural, record_id, self._kind(to_object).plural, to_id
        )

    def expire_tokens(self) -> None:
        self.account.expire_tokens()


def _length(request: Request) -> int:
    """About how long the path and the query of a request were in its first line."""
    pairs = ((name, value) for name, values in request.query.items() for value in values)
    return len(request.path) + sum(len(name) + len(value) + 2 + 2 * value.count(",") for name, value in pairs)
