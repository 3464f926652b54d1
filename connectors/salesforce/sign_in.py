"""Sign-in by the library's functions, through a session of ours that checks what goes out and comes back."""

from __future__ import annotations

import re
from html import unescape
from json import JSONDecodeError
from json import loads as json_loads
from typing import Any, Final, cast
from urllib.parse import urlencode, urlsplit
from xml.parsers.expat import ExpatError

import jwt
from simple_salesforce import exceptions as sf
from simple_salesforce.login import SalesforceLogin

from config.errors import ConfigError, Problem
from config.settings import SalesforceSettings
from connectors.errors import (
    AuthFailed,
    BrokenReply,
    ConnectorError,
)
from connectors.salesforce.auth import (
    Flow,
    Token,
    configured_origin,
    ids_in_identity_url,
    soap_version,
    token_origin,
)
from connectors.salesforce.client import Transport, library_error, secure
from connectors.salesforce.http import CRM, Reply, decode, error_of

NOT_BY_ITSELF: Final = frozenset({"unsupported_grant_type", "invalid_grant", "unauthorized_client"})
"""What a consumer hears that the client credentials flow is not switched on for."""


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
