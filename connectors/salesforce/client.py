"""The only place that touches simple-salesforce and requests: sign-in, the session, one exchange.

simple-salesforce gives the sign-in flows, the session and the base URLs. What it lacks is added here:
plain http to loopback, a timeout on every call, a total time per reply, no redirects, no environment.
What it does wrong is not used: its own repeat after a 401 loses the caller's headers.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from html import unescape
from http.cookiejar import DefaultCookiePolicy
from json import JSONDecodeError
from json import loads as json_loads
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast
from urllib.parse import urlencode, urlsplit
from xml.parsers.expat import ExpatError

import jwt
import requests
from requests import exceptions as rq
from requests.adapters import HTTPAdapter
from simple_salesforce import exceptions as sf
from simple_salesforce.api import Salesforce
from simple_salesforce.login import SalesforceLogin
from urllib3 import exceptions as u3

from config.errors import ConfigError, Problem
from config.settings import SalesforceSettings
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
    Flow,
    Token,
    configured_origin,
    ids_in_identity_url,
    is_loopback,
    soap_version,
    token_origin,
)
from connectors.salesforce.http import CRM, Reply, decode, error_of, scrub
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


class _DoorReply:
    """The little of a response that the library's sign-in functions look at."""

    def __init__(self, reply: Reply) -> None:
        self.status_code = reply.status
        self.content = reply.body
        self.text = reply.body.decode("utf-8", "replace")

    def json(self) -> Any:
        return json_loads(self.text)


class _Door:
    """What the library's sign-in functions get as their session: one POST to `login_url`, checked.

    They address `https://{domain}.salesforce.com` whatever we configure, and trip over replies that are
    not what they expect; so the origin is put right on the way out, and the reply is looked at first.
    """

    def __init__(self, transport: Transport, origin: str) -> None:
        self._transport = transport
        self._origin = origin
        self.reply = Reply(0, {}, b"")

    def post(self, url: str, data: Any, headers: Any = None, proxies: Any = None) -> _DoorReply:  # noqa: ARG002
        target = secure(self._origin) + urlsplit(url).path
        out = {"Accept": "*/*", **(headers or {})}
        if isinstance(data, dict):
            body = urlencode(data).encode()
            out["Content-Type"] = "application/x-www-form-urlencoded"
        else:
            body = str(data).encode()
        self.reply = self._transport.send("POST", target, out, body)
        self._check(soap=not isinstance(data, dict))
        return _DoorReply(self.reply)

    def _check(self, *, soap: bool) -> None:
        reply = self.reply
        fault = soap and b"exceptionCode>" in reply.body
        if reply.status != 200 and not fault:
            if reply.status in (400, 401, 403) and not soap and isinstance(decode(reply.body), dict):
                return  # the library reads {"error", "error_description"}
            raise error_of(reply)
        if reply.status == 200 and not soap:
            body = decode(reply.body)
            wanted = ("access_token", "instance_url")
            if not isinstance(body, dict) or not all(isinstance(body.get(name), str) for name in wanted):
                raise BrokenReply("the token reply lacks its token", crm=CRM, code="NOT_A_TOKEN")


def get_token(transport: Transport, settings: SalesforceSettings, flow: Flow) -> Token:
    """Sign in. Raises AuthFailed, ConfigError, Retriable or BrokenReply; no secret is in any of them.

    Where the consumer may not sign in by itself and a user's password is given as well, that user does.
    """
    try:
        return _get_token(transport, settings, flow)
    except AuthFailed as error:
        user = settings.username and settings.password is not None
        if flow is not Flow.CREDENTIALS or not user or error.code not in NOT_BY_ITSELF:
            raise
    return _get_token(transport, settings, Flow.CONSUMER)


def _get_token(transport: Transport, settings: SalesforceSettings, flow: Flow) -> Token:
    if flow is Flow.GIVEN and settings.access_token is not None and settings.instance_url is not None:
        origin = configured_origin("instance_url", settings.instance_url)
        return Token(settings.access_token.get_secret_value(), origin)
    login = configured_origin("login_url", settings.login_url)
    transport.allow_plain(login)
    door = _Door(transport, login)
    failure: ConnectorError | ConfigError | None = None
    try:
        secret, _ = SalesforceLogin(**_arguments(settings, flow, login), session=cast(Any, door))
    except sf.SalesforceError as exc:
        failure = library_error(exc, _secrets(settings))
    except (ExpatError, JSONDecodeError):
        failure = BrokenReply("the sign-in reply cannot be read", crm=CRM, code="NOT_XML")
    except (OSError, ValueError, jwt.PyJWTError) as exc:
        reason = f"the private key cannot be used ({type(exc).__name__})"
        failure = ConfigError([Problem(reason, key="salesforce.private_key_file")])
    if failure is not None:
        raise failure  # out here, so that the library's exception, which quotes the reply, is not its context
    offered, account, user = _facts(door.reply, soap=flow is Flow.PASSWORD)
    return Token(secret, token_origin(settings, offered), user, account)


NOT_BY_ITSELF: Final = frozenset({"unsupported_grant_type", "invalid_grant", "unauthorized_client"})
"""What a consumer hears that the client credentials flow is not switched on for."""


def _secrets(settings: SalesforceSettings) -> list[str]:
    """The secrets that a sign-in sends, longest first; a server might quote them."""
    held = (settings.client_secret, settings.password, settings.security_token)
    return sorted((one.get_secret_value() for one in held if one), key=len, reverse=True)


def _arguments(settings: SalesforceSettings, flow: Flow, login: str) -> dict[str, Any]:
    """The arguments of SalesforceLogin that choose the wanted flow, and no other."""
    host = urlsplit(login).hostname or ""
    domain = host.removesuffix(".salesforce.com") if host.endswith(".salesforce.com") else ""
    secret, password, extra = settings.client_secret, settings.password, settings.security_token
    token = extra.get_secret_value() if extra is not None else ""
    if flow is Flow.JWT:
        # The audience is the login host; an origin that is not Salesforce's stands in for the common one.
        return {
            "username": settings.username,
            "consumer_key": settings.client_id,
            "privatekey_file": str(settings.private_key_file),
            "domain": domain or "login",
        }
    if flow is Flow.CREDENTIALS:
        return {
            "consumer_key": settings.client_id,
            "consumer_secret": secret.get_secret_value() if secret else "",
            "domain": domain or "my-domain",
        }
    plain = password.get_secret_value() if password is not None else ""
    if flow is Flow.CONSUMER:
        return {
            "username": settings.username,
            "password": plain + token,
            "consumer_key": settings.client_id,
            "consumer_secret": secret.get_secret_value() if secret else "",
            "domain": domain or "login",
        }
    return {
        "username": settings.username,
        "password": plain,
        "security_token": token,
        "sf_version": soap_version(settings.api_version),
        "domain": domain or "login",
    }


def _facts(reply: Reply, *, soap: bool) -> tuple[str, str, str]:
    """(instance URL, account id, user id) of a sign-in reply; the library keeps only the host."""
    if not soap:
        body = decode(reply.body)
        return str(body.get("instance_url", "")), *ids_in_identity_url(body.get("id"))
    text = reply.body.decode("utf-8", "replace")

    def element(name: str) -> str:
        match = re.search(rf"<(?:\w+:)?{name}>([^<]*)</", text)
        return unescape(match[1]) if match else ""

    server = urlsplit(element("serverUrl"))
    origin = f"{server.scheme}://{server.netloc.replace('-api', '')}"
    return origin, element("organizationId"), element("userId")
