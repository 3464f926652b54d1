"""The way to HubSpot: requests built by hubspot-api-client, sent through one pooled session.

The only home of `hubspot`, `requests` and `urllib3` for this CRM. The package's own sending opens a
connection per call, has no timeout and prints errors; its request builder is what is used. Its typed token
exchange knows the oldest endpoint only and logs the new token; that exchange is a form sent by ourselves.

Nothing is retried or judged here: a reply is returned whatever its status, and what went wrong on the way
becomes one of our families. The token goes to `base_url` alone: redirects are not followed (but for a slash
at the end of a path), links in replies are never called, proxies and netrc of the environment are not used.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import urllib3
from hubspot.utils.requests.http_request_builder import Request
from requests.adapters import HTTPAdapter

from config.errors import ConfigError, Problem
from config.urls import is_loopback
from config.world import World
from connectors.errors import BrokenReply, ConnectorError, Fatal, Retriable
from connectors.fields import LARGEST_REPLY
from connectors.hubspot.replies import CRM, Reply
from connectors.retry import NOT_SENT
from connectors.tls import authorities

CONNECT_TIMEOUT: Final = 10.0  # seconds
READ_TIMEOUT: Final = 60.0  # seconds between two pieces of a reply
TOTAL_TIMEOUT: Final = 300.0  # seconds for a whole reply, however steadily it drips
CHUNK: Final = 1 << 16
USER_AGENT: Final = "mqlsync"

Query = Sequence[tuple[str, str]]

_SENT: Final = "connection"  # the request may have arrived
_BROKEN: Final = "broken_reply"
_MISUSE: Final = "misuse"

FAMILIES: Final[Mapping[type[BaseException], tuple[type[ConnectorError], str]]] = {
    requests.exceptions.RequestException: (Retriable, _SENT),
    requests.exceptions.HTTPError: (Retriable, _SENT),
    requests.exceptions.ConnectionError: (Retriable, _SENT),
    requests.exceptions.ProxyError: (Retriable, NOT_SENT),
    requests.exceptions.SSLError: (Retriable, "tls"),
    requests.exceptions.Timeout: (Retriable, "timeout"),
    requests.exceptions.ConnectTimeout: (Retriable, NOT_SENT),
    requests.exceptions.ReadTimeout: (Retriable, "timeout"),
    requests.exceptions.RetryError: (Retriable, _SENT),
    requests.exceptions.ChunkedEncodingError: (BrokenReply, _BROKEN),
    requests.exceptions.ContentDecodingError: (BrokenReply, _BROKEN),
    requests.exceptions.InvalidJSONError: (BrokenReply, _BROKEN),
    requests.exceptions.JSONDecodeError: (BrokenReply, _BROKEN),
    requests.exceptions.StreamConsumedError: (BrokenReply, _BROKEN),
    requests.exceptions.TooManyRedirects: (Fatal, "redirect"),
    requests.exceptions.URLRequired: (Fatal, _MISUSE),
    requests.exceptions.MissingSchema: (Fatal, _MISUSE),
    requests.exceptions.InvalidSchema: (Fatal, _MISUSE),
    requests.exceptions.InvalidURL: (Fatal, _MISUSE),
    requests.exceptions.InvalidHeader: (Fatal, _MISUSE),
    requests.exceptions.InvalidProxyURL: (Fatal, _MISUSE),
    requests.exceptions.UnrewindableBodyError: (Fatal, _MISUSE),
    urllib3.exceptions.HTTPError: (Retriable, _SENT),
    urllib3.exceptions.PoolError: (Retriable, _SENT),
    urllib3.exceptions.RequestError: (Retriable, _SENT),
    urllib3.exceptions.SSLError: (Retriable, "tls"),
    urllib3.exceptions.ProxyError: (Retriable, NOT_SENT),
    urllib3.exceptions.MaxRetryError: (Retriable, _SENT),
    urllib3.exceptions.HostChangedError: (Fatal, "redirect"),
    urllib3.exceptions.TimeoutStateError: (Fatal, _MISUSE),
    urllib3.exceptions.TimeoutError: (Retriable, "timeout"),
    urllib3.exceptions.ReadTimeoutError: (Retriable, "timeout"),
    urllib3.exceptions.ConnectTimeoutError: (Retriable, NOT_SENT),
    urllib3.exceptions.NewConnectionError: (Retriable, NOT_SENT),
    urllib3.exceptions.NameResolutionError: (Retriable, NOT_SENT),
    urllib3.exceptions.EmptyPoolError: (Retriable, NOT_SENT),
    urllib3.exceptions.FullPoolError: (Retriable, NOT_SENT),
    urllib3.exceptions.ClosedPoolError: (Fatal, _MISUSE),
    urllib3.exceptions.ProtocolError: (Retriable, _SENT),
    urllib3.exceptions.DecodeError: (BrokenReply, _BROKEN),
    urllib3.exceptions.ResponseError: (BrokenReply, _BROKEN),
    urllib3.exceptions.IncompleteRead: (BrokenReply, _BROKEN),
    urllib3.exceptions.InvalidChunkLength: (BrokenReply, _BROKEN),
    urllib3.exceptions.InvalidHeader: (BrokenReply, _BROKEN),
    urllib3.exceptions.HeaderParsingError: (BrokenReply, _BROKEN),
    urllib3.exceptions.ResponseNotChunked: (BrokenReply, _BROKEN),
    urllib3.exceptions.BodyNotHttplibCompatible: (BrokenReply, _BROKEN),
    urllib3.exceptions.LocationValueError: (Fatal, _MISUSE),
    urllib3.exceptions.LocationParseError: (Fatal, _MISUSE),
    urllib3.exceptions.URLSchemeUnknown: (Fatal, _MISUSE),
    urllib3.exceptions.ProxySchemeUnknown: (Fatal, _MISUSE),
    urllib3.exceptions.UnrewindableBodyError: (Fatal, _MISUSE),
}
"""What went wrong on the way → (family, code). A test walks both libraries: a new class fails it."""


class Transport:
    """A connection pool to one origin for each thread that sends: requests promises nothing about sharing.

    Safe in several threads. A thread that ends calls `let_go` first.
    """

    def __init__(self, base_url: str, ca_file: Path | None, world: World) -> None:
        self.base_url = checked_base_url(base_url)
        parts = urlsplit(self.base_url)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._authorities = authorities(ca_file)
        self._world = world
        self._mine = threading.local()
        self._sessions: set[requests.Session] = set()
        self._guard = threading.Lock()

    def __repr__(self) -> str:
        return f"Transport({self.origin!r})"

    def send(
        self, method: str, path: str, query: Query, body: Mapping[str, Any] | None, token: str, what: str
    ) -> Reply:
        """Send one request and read its reply, whatever its status. `what` names it in errors."""
        config = {"base_url": self.base_url, "access_token": token, "user_agent": USER_AGENT}
        options: dict[str, Any] = {"method": method, "path": path}
        if query:
            options["qs"] = list(query)
        if body is not None:
            options["body"] = dict(body)
        try:
            reply = self._exchange(Request(config, options))
            slashed = self._other_spelling(path, reply)
            return reply if slashed is None else self._exchange(Request(config, {**options, "path": slashed}))
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise family_of(error, what) from None

    @property
    def _session(self) -> requests.Session:
        """This thread's own."""
        known: requests.Session | None = getattr(self._mine, "session", None)
        if known is None:
            known = self._mine.session = requests.Session()
            known.trust_env = False
            known.verify = self._authorities
            adapter = HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=0)
            known.mount("https://", adapter)
            known.mount("http://", adapter)
            with self._guard:
                self._sessions.add(known)
        return known

    def _other_spelling(self, path: str, reply: Reply) -> str | None:
        """The same path with or without a slash at its end, where a redirect on this origin asks for that."""
        if reply.status not in (301, 302, 307, 308):
            return None
        wanted = path.removesuffix("/") if path.endswith("/") else f"{path}/"
        location = reply.headers.get("location", "").partition("?")[0]
        return wanted if location in (self.base_url + wanted, wanted) else None

    def _exchange(self, request: Request) -> Reply:
        return self._sent(request.get_method(), request.get_url(), request.get_options_for_sending())

    def exchange_token(self, path: str, client_id: str, client_secret: str, refresh_token: str) -> Reply:
        """Ask the token endpoint `path` for a new access token; the reply is raw, whatever its status."""
        form = {
            "grant_type": "refresh_token",
            "client_id": client_id,
            "client_secret": client_secret,
            "refresh_token": refresh_token,
        }
        options = {"data": form, "headers": {"User-Agent": USER_AGENT, "Accept": "application/json"}}
        try:
            return self._sent("POST", self.base_url + path, options)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise family_of(error, "the token exchange") from None

    def _sent(self, method: str, url: str, options: Mapping[str, Any]) -> Reply:
        deadline = self._world.monotonic() + TOTAL_TIMEOUT
        response = self._session.request(
            method,
            url,
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            allow_redirects=False,
            stream=True,
            **options,
        )
        with response:
            pieces, size = [], 0
            while piece := response.raw.read1(CHUNK, decode_content=True):
                pieces.append(piece)
                size += len(piece)
                if size > LARGEST_REPLY:
                    raise requests.exceptions.ContentDecodingError  # it unpacks to more than there can be
                if self._world.monotonic() > deadline:
                    raise requests.exceptions.ReadTimeout
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status_code, headers, b"".join(pieces))

    def let_go(self) -> None:
        """Close this thread's connections; it gets new ones when it sends again."""
        known: requests.Session | None = getattr(self._mine, "session", None)
        if known is not None:
            del self._mine.session
            with self._guard:
                self._sessions.discard(known)
            known.close()

    def close(self) -> None:
        """Let go of the connections of all threads."""
        with self._guard:
            sessions = list(self._sessions)
        for session in sessions:
            session.close()


def checked_base_url(base_url: str) -> str:
    """The base URL without a trailing slash. Raises ConfigError unless it is https, or http to loopback."""
    parts = urlsplit(base_url)
    plain = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if (parts.scheme != "https" and not plain) or not parts.hostname or parts.username or parts.query:
        problem = Problem(
            "cannot be used", key="hubspot.base_url", expected="an https URL (http for loopback hosts only)"
        )
        raise ConfigError([problem])
    return base_url.rstrip("/")


def family_of(error: BaseException, what: str) -> ConnectorError:
    """Our error for one of requests or urllib3. It repeats no URL: an address may stand in one."""
    cause = _innermost(error)
    family, code = next(FAMILIES[known] for known in type(cause).__mro__ if known in FAMILIES)
    message = f"{type(cause).__name__} on the way to HubSpot ({what})"
    return family(message, crm=CRM, code=code)


def _innermost(error: BaseException) -> BaseException:
    """The cause that tells whether the request left: requests wraps urllib3's errors once or twice."""
    generic = (requests.exceptions.ConnectionError, urllib3.exceptions.MaxRetryError)
    if isinstance(error, urllib3.exceptions.ProtocolError):
        cut = next((arg for arg in error.args if isinstance(arg, urllib3.exceptions.IncompleteRead)), None)
        return cut or error
    while isinstance(error, generic):
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        if type(error) not in generic or not isinstance(inner, urllib3.exceptions.HTTPError):
            return error
        error = inner
    return error
