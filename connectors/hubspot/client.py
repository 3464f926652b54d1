"""The way to HubSpot: requests built by hubspot-api-client, sent through one pooled session.

The only home of `hubspot`, `requests` and `urllib3` for this CRM. The package's own sending opens a
connection per call, has no timeout and prints errors; its request builder is what is used. Its typed
token exchange is used as it is, with the reply left raw: otherwise the package would log the new token.

Nothing is retried or judged here: a reply is returned whatever its status, and what went wrong on the way
becomes one of our families. The token goes to `base_url` alone: redirects are not followed, links in
replies are never called, proxies and netrc of the environment are not used.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import urllib3
from hubspot import oauth
from hubspot.utils.requests.http_request_builder import Request
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from config.errors import ConfigError, Problem
from config.urls import is_loopback
from config.world import World
from connectors.errors import (
    AuthFailed,
    BrokenReply,
    ConnectorError,
    Fatal,
    NotOffered,
    Retriable,
    RightMissing,
)
from connectors.hubspot.replies import CRM, Reply
from connectors.retry import NOT_SENT

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

PACKAGE_FAMILIES: Final[Mapping[str, type[ConnectorError]]] = {
    "OpenApiException": Fatal,
    "ApiTypeError": Fatal,
    "ApiValueError": Fatal,
    "ApiAttributeError": Fatal,
    "ApiKeyError": Fatal,
    "ApiException": Retriable,  # any status: judged by its reply where there is one
    "UnauthorizedException": AuthFailed,
    "ForbiddenException": RightMissing,
    "NotFoundException": NotOffered,
    "ServiceException": Retriable,
    "InvalidSignatureVersionError": Fatal,
    "InvalidSignatureTimestampError": Fatal,
}
"""Every exception class name of hubspot-api-client (each of its sub-packages has its own copies)."""


class Transport:
    """A connection pool to one origin for each thread that sends: requests promises nothing about sharing.

    Safe in several threads. A thread that ends calls `let_go` first.
    """

    def __init__(self, base_url: str, ca_file: Path | None, world: World) -> None:
        self.base_url = checked_base_url(base_url)
        parts = urlsplit(self.base_url)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._ca_file = ca_file
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
        request = Request(config, options)
        try:
            return self._exchange(request)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise family_of(error, what) from None

    @property
    def _session(self) -> requests.Session:
        """This thread's own."""
        known: requests.Session | None = getattr(self._mine, "session", None)
        if known is None:
            known = self._mine.session = requests.Session()
            known.trust_env = False
            known.verify = str(self._ca_file) if self._ca_file is not None else True
            adapter = HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=0)
            known.mount("https://", adapter)
            known.mount("http://", adapter)
            with self._guard:
                self._sessions.add(known)
        return known

    def _exchange(self, request: Request) -> Reply:
        deadline = self._world.monotonic() + TOTAL_TIMEOUT
        response = self._session.request(
            request.get_method(),
            request.get_url(),
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            allow_redirects=False,
            stream=True,
            **request.get_options_for_sending(),
        )
        with response:
            pieces = []
            while piece := response.raw.read1(CHUNK, decode_content=True):
                pieces.append(piece)
                if self._world.monotonic() > deadline:
                    raise requests.exceptions.ReadTimeout
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status_code, headers, b"".join(pieces))

    def exchange_token(self, client_id: str, client_secret: str, refresh_token: str) -> Reply:
        """Ask the token endpoint for a new access token; the reply is raw, whatever its status."""
        configuration = oauth.Configuration(host=self.base_url)
        configuration.ssl_ca_cert = str(self._ca_file or DEFAULT_CA_BUNDLE_PATH)  # as the session has it
        configuration.retries = False
        what = "the token exchange"
        with oauth.ApiClient(configuration) as client:
            client.user_agent = USER_AGENT
            try:
                raw = oauth.TokensApi(client).create(
                    grant_type="refresh_token",
                    client_id=client_id,
                    client_secret=client_secret,
                    refresh_token=refresh_token,
                    _preload_content=False,
                    _request_timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                )
                headers = {name.lower(): value for name, value in raw.headers.items()}
                return Reply(raw.status, headers, raw.data)
            except oauth.ApiException as error:
                return _reply_of(error, what)
            except (AttributeError, UnicodeDecodeError) as error:
                # the package decodes the body of its own error: a TLS failure has none, HTML may be latin-1
                if not isinstance(error.__context__, oauth.ApiException):
                    raise
                return _reply_of(error.__context__, what)
            except urllib3.exceptions.HTTPError as error:
                raise family_of(error, what) from None
            finally:
                client.rest_client.pool_manager.clear()

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
    if issubclass(family, NotOffered):
        return NotOffered(message, what=what, crm=CRM, code=code)
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


def _reply_of(error: oauth.ApiException, what: str) -> Reply:
    """The reply inside an error of the package; a TLS failure has none (status 0)."""
    if not error.status:
        raise Retriable(f"TLS failed on the way to HubSpot ({what})", crm=CRM, code="tls") from None
    body = error.body if isinstance(error.body, bytes) else str(error.body or "").encode()
    headers = {str(name).lower(): str(value) for name, value in dict(error.headers or {}).items()}
    return Reply(int(error.status), headers, body)
