"""How one signs in to Salesforce, and where the token may go. Pure decisions; the client performs them.

    given        instance_url + access_token: used as they are, never renewed
    jwt          client_id + username + private_key_file (JWT bearer)
    credentials  client_id + client_secret (client credentials; needs the My Domain login_url)
    password     username + password (+ security_token) by SOAP login, which ends with API version 64
    consumer     all four of them where login_url is no My Domain (OAuth password flow)

The token goes to one origin, fixed at sign-in. No later reply may change it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from config import urls
from config.errors import ConfigError, Problem
from config.settings import SalesforceSettings
from connectors.errors import AuthFailed
from connectors.salesforce.http import CRM

TRUSTED_DOMAINS: Final = ("salesforce.com", "force.com", "salesforce.mil", "sfcrmproducts.cn")
SHARED_LOGIN_HOSTS: Final = ("login.salesforce.com", "test.salesforce.com")
LAST_SOAP_LOGIN: Final = 64
"""The SOAP call login() is gone from API version 65 on (SOAP API Developer Guide, login())."""


class Flow(StrEnum):
    """The road by which a token is got."""

    GIVEN = "given"
    JWT = "jwt"
    CREDENTIALS = "credentials"
    PASSWORD = "password"  # noqa: S105 (the name of a flow)
    CONSUMER = "consumer"

    @property
    def renewable(self) -> bool:
        """Whether a dead token can be replaced without a person."""
        return self is not Flow.GIVEN


@dataclass(frozen=True, slots=True)
class Token:
    """A session: the secret and the one origin that it may go to. Ids are "" until known."""

    secret: str = field(repr=False)
    origin: str
    user_id: str = ""
    account_id: str = ""


def choose_flow(settings: SalesforceSettings) -> Flow:
    """The flow for these settings, the safest first. Raises ConfigError where none can work."""
    if settings.access_token is not None:
        if settings.instance_url is None:
            raise _problem("instance_url", "an access token needs the instance URL that it is for")
        return Flow.GIVEN
    if settings.client_id and settings.username and settings.private_key_file is not None:
        return Flow.JWT
    password = bool(settings.username and settings.password is not None)
    if settings.client_id and settings.client_secret is not None:
        if urlsplit(settings.login_url).hostname not in SHARED_LOGIN_HOSTS:
            return Flow.CREDENTIALS
        if password:
            return Flow.CONSUMER
        raise _problem("login_url", "client credentials need the My Domain URL here")
    if password:
        return Flow.PASSWORD
    raise _problem(
        "", "no way to sign in", "client_id with client_secret or private_key_file, or username with password"
    )


def soap_version(api_version: str) -> str:
    """The API version to sign in with by SOAP."""
    return api_version if float(api_version) <= LAST_SOAP_LOGIN else f"{LAST_SOAP_LOGIN}.0"


def origin_of(url: str) -> str:
    """`scheme://host[:port]` in lower case, default ports left out. Raises ValueError for no such URL."""
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if scheme not in ("http", "https") or not host or parts.username is not None:
        raise ValueError("not an http(s) URL")
    if ":" in host:
        host = f"[{host}]"
    default = {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{host}" if parts.port in (None, default) else f"{scheme}://{host}:{parts.port}"


def is_loopback(origin: str) -> bool:
    """True for this machine itself."""
    return urls.is_loopback(urlsplit(origin).hostname or "")


def configured_origin(key: str, url: str) -> str:
    """The origin of a configured URL: https, or plain http to loopback only. Raises ConfigError."""
    try:
        origin = origin_of(url)
    except ValueError:
        raise _problem(key, "this is no URL", "https://…") from None
    if origin.startswith("http://") and not is_loopback(origin):
        raise _problem(key, "the token would travel unprotected", "https://…")
    return origin


def token_origin(settings: SalesforceSettings, offered: str) -> str:
    """Where the token may go, given the instance URL of the sign-in reply. Raises AuthFailed.

    A configured `instance_url` stands; else the reply's is taken if it is Salesforce's own, or the login
    host itself, or both are this machine.
    """
    if settings.instance_url is not None:
        return configured_origin("instance_url", settings.instance_url)
    login = configured_origin("login_url", settings.login_url)
    try:
        origin = origin_of(offered)
    except ValueError:
        raise AuthFailed("the sign-in reply names no instance", crm=CRM, code="NO_INSTANCE") from None
    host = urlsplit(origin).hostname or ""
    secure = origin.startswith("https://")
    ours = any(host == domain or host.endswith("." + domain) for domain in TRUSTED_DOMAINS)
    same_host = host == urlsplit(login).hostname and (secure or is_loopback(origin))
    if (secure and ours) or same_host or (is_loopback(origin) and is_loopback(login)):
        return origin
    raise AuthFailed(
        f"the sign-in reply names a host that is not Salesforce's: {host}", crm=CRM, code="FOREIGN_INSTANCE"
    )


def ids_in_identity_url(url: object) -> tuple[str, str]:
    """(account id, user id) from `https://login.salesforce.com/id/00D…/005…`; ("", "") when it is none."""
    if isinstance(url, str):
        parts = urlsplit(url).path.strip("/").split("/")
        if len(parts) == 3 and parts[0] == "id":
            return parts[1], parts[2]
    return "", ""


def _problem(key: str, message: str, expected: str = "") -> ConfigError:
    return ConfigError(
        [Problem(message, key=f"salesforce.{key}" if key else "salesforce", expected=expected)]
    )
