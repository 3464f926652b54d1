"""A HubSpot account: every call to it, with its limits kept, its errors told apart, its token renewed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from config.settings import HubSpotSettings
from config.world import World
from connectors.errors import (
    AuthFailed,
    BrokenReply,
    NotOffered,
    QuotaSpent,
    RecordRejected,
    Retriable,
    RightMissing,
)
from connectors.fields import from_json
from connectors.hubspot.client import Query, Transport
from connectors.hubspot.naming import Naming
from connectors.hubspot.paths import Paths
from connectors.hubspot.replies import CRM, SECONDLY, Reply, code_of, failure, problem
from connectors.hubspot.threads import StoppableWorld
from connectors.hubspot.tokens import Tokens
from connectors.records import Limits
from connectors.retry import Retrier
from connectors.throttle import Budget, SlidingWindow

T = TypeVar("T")

PER_10S: Final = 100  # calls in ten seconds until the headers say otherwise
SEARCH_PER_SECOND: Final = 5.0  # searches a second, an account's
SEARCH_AFTER_REFUSAL: Final = 4  # searches a second for the rest of the run after a SECONDLY 429
SLACK: Final = 0.08  # seconds in one; requests arrive less evenly than they leave
GENERAL_SLACK: Final = 0.3  # seconds in ten
SMALLER: Final = 0.97  # share of the limit that is used after a refusal within it, again after each further
SMALLEST: Final = 0.8
SEARCH: Final = "search"
ASSOCIATIONS: Final = "associations"
REFUSALS: Final = frozenset({400, 403, 404, 405, 409, 413, 415, 422, 501})
"""Statuses that say for certain that a write was not carried out, and why."""


class Answer(NamedTuple):
    """A decoded reply: its value, the server's clock (epoch ms) and the HTTP status."""

    value: Any
    server_ms: int
    status: int


class _TokenInfo(msgspec.Struct):
    scopes: list[str]


class Account:
    """Calls by the names of `paths.NUMBERED`. Raises only the families of `connectors.errors`."""

    def __init__(self, settings: HubSpotSettings, world: World, budget: Budget) -> None:
        self._stoppable = StoppableWorld(world)
        world = self.world = self._stoppable
        self.paths = Paths(settings.api_version)
        self.transport = Transport(settings.base_url, settings.ca_file, world)
        self.zone_offset: timedelta | None = None  # of the account, once known
        self.skew_ms = 0  # the server's clock minus ours, by its last reply
        self.calls = 0
        self.limits = Limits()
        self.naming: Naming | None = None  # how listings are told properties; None: not known yet
        self.unnamed: set[str] = set()  # objects whose listing showed none, however they were named
        self._budget = budget
        self._token_paths: tuple[str, ...] = self.paths.token_paths()
        self._tokens = Tokens(settings, world, self._exchange_token)
        self._retrier = Retrier(world)
        self._fixed_rate = settings.rate_limit.per_10s is not None
        self._general = SlidingWindow(settings.rate_limit.per_10s or PER_10S, 10.0, world, GENERAL_SLACK)
        self._links = SlidingWindow(self._general.limit, 10.0, world, GENERAL_SLACK)
        self._links_exempt = not self._fixed_rate  # until the server says otherwise
        self._search = _search_window(settings.rate_limit.search_per_second or SEARCH_PER_SECOND, world)
        self._per_10s = self._general.limit  # as far as known
        self._share = 1.0  # of it that we use: others call too, and the way there may be uneven
        self._refused_at: float | None = None
        self._older: set[str] = set()  # names whose dated path this server lacks
        self._since_heard = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Account({self.transport.origin!r})"

    def read(
        self,
        shape: type[T],
        name: str,
        *,
        query: Query = (),
        body: Mapping[str, Any] | None = None,
        **parts: str,
    ) -> Answer:
        """A call without effects: GET, or POST with a body. Its 2xx reply must be JSON of `shape`."""
        return self._retrier.read(lambda: self._decoded(shape, name, query, body, parts))

    def write(self, name: str, body: Mapping[str, Any], **parts: str) -> Reply:
        """A call with effects (POST). A 2xx reply and a definite refusal (`REFUSALS`) come back as they are.

        Raises OutcomeUnknown when it may have had its effect, Retriable only when it surely had none.
        """
        path, what = self.paths.path(name, **parts), _what(name, parts)
        return self._retrier.write(
            lambda: self._authorised("POST", path, (), body, what, "write", self._general, REFUSALS)
        )

    def granted_scopes(self) -> frozenset[str] | None:
        """What a private app's token may do; None where it is not told ("Private apps", token info)."""
        if self._tokens.renewable:
            return None  # of an OAuth app: its token would have to stand in a URL
        body = {"tokenKey": self._tokens.current()}
        try:
            answer = self.read(_TokenInfo, "token_info", body=body)
        except (AuthFailed, NotOffered, RightMissing, RecordRejected, BrokenReply):
            return None
        return frozenset(answer.value.scopes)

    def server_now_ms(self) -> int:
        """The server's clock as far as known, epoch ms."""
        return int(self.world.now().timestamp() * 1000) + self.skew_ms

    @property
    def calls_per_second(self) -> float:
        """What the burst limit permits, searches apart."""
        return self._general.limit / 10.0

    @contextmanager
    def in_thread(self, stop: threading.Event) -> Iterator[None]:
        """For a thread's whole life: its waiting ends (Stopped) when `stop` is set, and its connection goes
        with it."""
        try:
            with self._stoppable.until(stop):
                yield
        finally:
            self.transport.let_go()

    def close(self) -> None:
        """Let go of connections."""
        self.transport.close()

    def _decoded(
        self,
        shape: type[T],
        name: str,
        query: Query,
        body: Mapping[str, Any] | None,
        parts: Mapping[str, str],
    ) -> Answer:
        what = _what(name, parts)
        method = "GET" if body is None else "POST"
        reply = self._reply(method, name, query, body, parts, what)
        try:
            value = from_json(reply.body, shape)
        except ValueError:
            raise BrokenReply(
                f"HubSpot's answer to {what} is not what was asked for",
                crm=CRM,
                code="broken_reply",
                status=reply.status,
            ) from None
        return Answer(value, reply.server_ms or self.server_now_ms(), reply.status)

    def _reply(
        self,
        method: str,
        name: str,
        query: Query,
        body: Mapping[str, Any] | None,
        parts: Mapping[str, str],
        what: str,
    ) -> Reply:
        """The 2xx reply to one request, by the dated path and, where the server lacks it, the older one."""
        older = self.paths.older(name, **parts)
        path = self.paths.path(name, **parts)
        window = self._window_of(name)

        def send(path: str) -> Reply:
            return self._authorised(method, path, query, body, what, "read", window)

        if older is None:
            return send(path)
        if name in self._older:
            return send(older)
        try:
            return send(path)
        except NotOffered as error:
            if error.status not in (404, 501):
                raise
            reply = send(older)
            self._older.add(name)
            return reply

    def _window_of(self, name: str) -> SlidingWindow:
        """Searches have a limit of their own; reading associations is exempt from the ten seconds as well
        (HubSpot's OpenAPI: `x-hubspot-rate-limit-exemptions`), which a configured limit overrules."""
        if name == SEARCH:
            return self._search
        return self._links if name == ASSOCIATIONS and self._links_exempt else self._general

    def _authorised(
        self,
        method: str,
        path: str,
        query: Query,
        body: Mapping[str, Any] | None,
        what: str,
        kind: str,
        window: SlidingWindow,
        tolerated: frozenset[int] = frozenset(),
    ) -> Reply:
        """One request; after a 401 once more with a new token (a 401 proves that nothing was done)."""

        def send() -> tuple[str, Reply]:
            self._take_turn(window, kind)
            token = self._tokens.current()
            reply = self.transport.send(method, path, query, body, token, what)
            self._heard(reply)
            return token, reply

        token, reply = send()
        if reply.status == 401 and self._tokens.replace(token):
            _, reply = send()
        if reply.ok or reply.status in tolerated:
            return reply
        raise self._judged(reply, what, window)

    def _take_turn(self, window: SlidingWindow, kind: str) -> None:
        wait = self._budget.acquire(kind)
        if wait > 0:
            self.world.sleep(wait)
        window.acquire()
        with self._lock:
            self.calls += 1
            self._since_heard += 1

    def _heard(self, reply: Reply) -> None:
        """Learn from the headers: the clock, the burst limit, the daily quota."""
        if reply.server_ms is not None:
            ours = int(self.world.now().timestamp()) * 1000  # the header has whole seconds
            self.skew_ms = reply.server_ms - ours
        most, interval = _number(reply, "max"), _number(reply, "interval-milliseconds")
        if most and interval and not self._fixed_rate:
            self._per_10s = max(1, most * 10_000 // interval)
            self._set_general()
        limit, remaining = _number(reply, "daily"), _number(reply, "daily-remaining")
        if limit is None or remaining is None:
            return
        with self._lock:
            self.limits = Limits(used=limit - remaining, limit=limit)
            ours_since, self._since_heard = self._since_heard, 0
        self._budget.observe(limit - remaining, limit, ours_since)

    def _judged(self, reply: Reply, what: str, window: SlidingWindow) -> Exception:
        error = failure(reply, what, self.world.now(), self.zone_offset)
        if isinstance(error, QuotaSpent):
            self._budget.spent(error.until)
        elif isinstance(error, Retriable) and error.status == 429:
            window.pause(error.delay or 0.0)
            if window is self._links:  # this server counts them with the rest
                self._links_exempt = False
                self._general.pause(error.delay or 0.0)
            if window is self._general:
                self._use_less()
            if window is self._search and error.code == SECONDLY:
                window.set_limit(min(window.limit, SEARCH_AFTER_REFUSAL))
        elif isinstance(error, AuthFailed) and not self._tokens.renewable:
            return AuthFailed(
                "HubSpot did not accept the token", crm=CRM, code=error.code, status=error.status
            )
        return error

    def _use_less(self) -> None:
        """A burst refusal although we kept to the limit; the requests that were under way count as one."""
        with self._lock:
            now = self.world.monotonic()
            if self._refused_at is None or now - self._refused_at > 5.0:
                self._share = max(SMALLEST, self._share * SMALLER)
            self._refused_at = now
        self._set_general()

    def _set_general(self) -> None:
        self._general.set_limit(max(1, int(self._per_10s * self._share)))
        self._links.set_limit(self._per_10s)

    def _exchange_token(self, client_id: str, client_secret: str, refresh_token: str) -> Reply:
        """By the dated endpoint; by the numbered one where the server lacks that, and then for good."""
        for path in self._token_paths:
            reply = self._retrier.read(
                partial(self._exchange_at, path, client_id, client_secret, refresh_token)
            )
            if path == self._token_paths[-1] or not _lacks_endpoint(reply):
                self._token_paths = (path,)
                break
        return reply

    def _exchange_at(self, path: str, client_id: str, client_secret: str, refresh_token: str) -> Reply:
        with self._lock:
            self.calls += 1
        return self.transport.exchange_token(path, client_id, client_secret, refresh_token)


def _search_window(per_second: float, world: World) -> SlidingWindow:
    if per_second < 1:
        return SlidingWindow(1, 1.0 / per_second, world, SLACK)
    return SlidingWindow(int(per_second), 1.0, world, SLACK)


def _lacks_endpoint(reply: Reply) -> bool:
    """Whether a token endpoint's reply says that there is none here: a refusal without a word of OAuth.

    A gateway asks for a bearer token at paths that it does not know."""
    if reply.status in (404, 405, 410, 501):
        return True
    said = problem(reply)
    words = (code_of(said), str(said.get("status") or "").upper())
    by_oauth = said.get("error") or any(word.startswith("BAD_") for word in words)
    return reply.status in (400, 401, 403) and not by_oauth


def _number(reply: Reply, name: str) -> int | None:
    value = reply.headers.get(f"x-hubspot-ratelimit-{name}", "")
    return int(value) if value.isascii() and value.isdecimal() else None


def _what(name: str, parts: Mapping[str, str]) -> str:
    """How a call is named in messages: never with an id or an address."""
    of = parts.get("object", "")
    return f"{of} {name}".strip().replace("_", " ")
