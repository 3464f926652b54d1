"""The only place that touches simple-salesforce and requests: sign-in, the session, one exchange.

simple-salesforce gives the sign-in flows, the session and the base URLs. What it lacks is added here:
plain http to loopback, a timeout on every call, a total time per reply, no redirects, no environment.
What it does wrong is not used: its own repeat after a 401 loses the caller's headers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import IO, Any, Final, NamedTuple
from urllib.parse import urlsplit

import requests
from requests import exceptions as rq
from requests.adapters import HTTPAdapter
from simple_salesforce import exceptions as sf
from simple_salesforce.api import Salesforce
from urllib3 import exceptions as u3

from config.world import World
from connectors.errors import (
    AuthFailed,
    BrokenReply,
    ConnectorError,
    Fatal,
    NotOffered,
    RecordRejected,
    Retriable,
    RightMissing,
)
from connectors.fields import LARGEST_REPLY
from connectors.retry import NOT_SENT
from connectors.salesforce.auth import (
    Token,
    is_loopback,
)
from connectors.salesforce.http import CRM, Reply, scrub
from connectors.tls import authorities

_CHUNK: Final = 1 << 16  # bytes


class Timeouts(NamedTuple):
    """Seconds: to connect, between two bytes, and for a whole reply."""

    connect: float = 10.0
    read: float = 130.0  # a query may take two minutes before QUERY_TIMEOUT
    total: float = 600.0  # the longest that the API itself takes


def _retriable(code: str) -> Callable[[str], ConnectorError]:
    return lambda message: Retriable(message, crm=CRM, code=code)


def _broken(message: str) -> ConnectorError:
    return BrokenReply(message, crm=CRM, code="CUT")


def _fatal(message: str) -> ConnectorError:
    return Fatal(message, crm=CRM, code="CLIENT")


TRANSPORT_FAMILIES: Final[Mapping[type[Exception], Callable[[str], ConnectorError]]] = {
    rq.RequestException: _fatal,
    rq.ConnectionError: _retriable("CONNECTION_LOST"),
    rq.ConnectTimeout: _retriable(NOT_SENT),
    rq.ReadTimeout: _retriable("TIMEOUT"),
    rq.Timeout: _retriable("TIMEOUT"),
    rq.SSLError: _retriable("TLS"),
    rq.ProxyError: _retriable("CONNECTION_LOST"),
    rq.RetryError: _retriable("CONNECTION_LOST"),
    rq.ChunkedEncodingError: _broken,
    rq.ContentDecodingError: _broken,
    rq.InvalidJSONError: _broken,
    rq.JSONDecodeError: _broken,
    rq.StreamConsumedError: _fatal,
    rq.UnrewindableBodyError: _fatal,
    rq.TooManyRedirects: _fatal,
    rq.HTTPError: _fatal,
    rq.URLRequired: _fatal,
    rq.MissingSchema: _fatal,
    rq.InvalidSchema: _fatal,
    rq.InvalidURL: _fatal,
    rq.InvalidHeader: _fatal,
    rq.InvalidProxyURL: _fatal,
}
"""Every exception class of requests → the nearest family of ours; a test walks them all."""

LIBRARY_FAMILIES: Final[Mapping[type[Exception], Callable[[str], ConnectorError]]] = {
    sf.SalesforceAuthenticationFailed: lambda message: AuthFailed(message, crm=CRM, status=401),
    sf.SalesforceExpiredSession: lambda message: AuthFailed(message, crm=CRM, status=401),
    sf.SalesforceRefusedRequest: lambda message: RightMissing(message, crm=CRM, status=403),
    sf.SalesforceResourceNotFound: lambda message: NotOffered(message, what="", crm=CRM, status=404),
    sf.SalesforceMalformedRequest: lambda message: RecordRejected(message, crm=CRM, status=400),
    sf.SalesforceMoreThanOneRecord: lambda message: RecordRejected(message, crm=CRM, status=300),
    sf.SalesforceGeneralError: lambda message: Fatal(message, crm=CRM),
    sf.SalesforceError: lambda message: Fatal(message, crm=CRM),
    sf.SalesforceOperationError: lambda message: Fatal(message, crm=CRM),
    sf.SalesforceBulkV2LoadError: lambda message: Fatal(message, crm=CRM),
    sf.SalesforceBulkV2ExtractError: lambda message: Fatal(message, crm=CRM),
}
"""Every exception class of simple-salesforce → the nearest family of ours; a test walks them all."""


def transport_error(exc: rq.RequestException) -> ConnectorError:
    """What happened on the way, without the URL (it may hold a query)."""
    reason = getattr(exc.args[0], "reason", exc.args[0]) if exc.args else None
    name = type(exc).__name__
    if isinstance(exc, rq.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(exc):
        return Fatal("the server's certificate cannot be verified (see ca_file)", crm=CRM, code="TLS")
    if isinstance(reason, (u3.NewConnectionError, u3.NameResolutionError, u3.ConnectTimeoutError)):
        return Retriable(f"no connection: {type(reason).__name__}", crm=CRM, code=NOT_SENT)
    family = next(TRANSPORT_FAMILIES[c] for c in type(exc).__mro__ if c in TRANSPORT_FAMILIES)
    return family(name)


def body_error(exc: u3.HTTPError) -> ConnectorError:
    """What happened while the body was read, below requests."""
    if isinstance(exc, u3.TimeoutError):
        return Retriable("the reply stopped", crm=CRM, code="TIMEOUT")
    return BrokenReply(f"the reply is cut: {type(exc).__name__}", crm=CRM, code="CUT")


def library_error(
    exc: sf.SalesforceError | sf.SalesforceOperationError, secrets: Sequence[str] = ()
) -> ConnectorError:
    """The library's exception as ours; its quoted body and any of `secrets` are left behind."""
    family = next(LIBRARY_FAMILIES[c] for c in type(exc).__mro__ if c in LIBRARY_FAMILIES)
    if isinstance(exc, sf.SalesforceAuthenticationFailed):
        text = str(exc.auth_message)
        for secret in secrets:
            text = text.replace(secret, "…")
        error = family(scrub(f"{exc.code}: {text}"))
        error.code = scrub(str(exc.code))
        return error
    return family(type(exc).__name__)


class _Adapter(HTTPAdapter):
    """No call without a timeout."""

    def __init__(self, timeouts: Timeouts) -> None:
        super().__init__(max_retries=0)
        self._timeouts = timeouts

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = (self._timeouts.connect, self._timeouts.read)
        return super().send(request, *args, **kwargs)


class _LoopbackAdapter(_Adapter):
    """simple-salesforce speaks https only; on this machine its requests go out as plain http."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        plain = request.copy()
        plain.url = "http" + (request.url or "").removeprefix("https")
        return super().send(plain, *args, **kwargs)


class Transport:
    """One pooled session. Holds no token; sends what it is given to where it may."""

    def __init__(self, world: World, ca_file: Path | None, timeouts: Timeouts) -> None:
        self._world = world
        self._timeouts = timeouts
        # urllib3 logs URLs at DEBUG, and a query may hold an address.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = authorities(ca_file)
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.session.adapters.clear()
        self.session.mount("https://", _Adapter(timeouts))

    def allow_plain(self, origin: str) -> None:
        """Let calls to the https twin of a plain http loopback origin go out as http."""
        if origin.startswith("http://") and is_loopback(origin):
            self.session.mount(secure(origin) + "/", _LoopbackAdapter(self._timeouts))

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        into: IO[bytes] | None = None,
    ) -> Reply:
        """One request, one reply of any status, read in full. Raises Retriable, BrokenReply or Fatal.

        `into`: where the body of a 200 is written instead of into the reply.
        """
        try:
            with self.session.request(
                method, url, headers=dict(headers), data=body, stream=True, allow_redirects=False
            ) as response:
                read = self._read(response, into if response.status_code == 200 else None)
                names = {name.lower(): value for name, value in response.headers.items()}
                return Reply(response.status_code, names, read)
        except rq.RequestException as exc:
            # The cause is left out: its text holds the URL.
            raise transport_error(exc) from None
        except u3.HTTPError as exc:
            raise body_error(exc) from None

    def close(self) -> None:
        """Close every connection."""
        self.session.close()

    def _read(self, response: requests.Response, into: IO[bytes] | None) -> bytes:
        """The body, or nothing where it goes `into` a file.

        Whatever has arrived is taken at once, so that a drip cannot hide the time it takes.
        """
        deadline = self._world.monotonic() + self._timeouts.total
        chunks: list[bytes] = []
        keep = chunks.append if into is None else into.write
        size = 0
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            keep(chunk)
            size += len(chunk)
            if into is None and size > LARGEST_REPLY:
                raise BrokenReply("the reply is larger than any can be", crm=CRM, code="TOO_LARGE")
            if self._world.monotonic() > deadline:
                raise Retriable("the reply takes too long", crm=CRM, code="TIMEOUT")
        return b"".join(chunks)


def secure(origin: str) -> str:
    """The https twin of an origin, as simple-salesforce addresses it."""
    return "https" + origin.removeprefix("http") if origin.startswith("http://") else origin


def open_session(transport: Transport, token: Token, api_version: str) -> Salesforce:
    """simple-salesforce's object for a token: it knows the base URLs and carries our session."""
    transport.allow_plain(token.origin)
    return Salesforce(
        session_id=token.secret,
        instance=urlsplit(token.origin).netloc,
        version=api_version,
        session=transport.session,
    )
