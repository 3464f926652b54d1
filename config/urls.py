"""Which URLs may be configured: https anywhere, plain http on this machine only, no passwords inside."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import parse_qsl, urlsplit

LAST_PORT: Final = 65_535
SQLITE: Final = "sqlite"
POSTGRES: Final = ("postgresql+psycopg", "postgresql")


def has_password(value: object) -> bool:
    """Whether a URL carries a password, before the host or among its parameters."""
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
        return parts.password is not None or any(key == "password" for key, _ in parse_qsl(parts.query))
    except ValueError:
        return "@" in value  # cannot be taken apart: better not repeated


def is_loopback(host: str) -> bool:
    """`localhost`, or an address of this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def web_url_fault(value: str) -> str:
    """What is wrong with a URL that we are to talk to; "" when nothing is. Never repeats the URL."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "this is not a URL"
    if parts.scheme not in ("http", "https") or not host:
        return "this is not a URL that starts with https://"
    if parts.username is not None or parts.password is not None:
        return "a URL here holds no user or password"
    if parts.scheme == "http" and not is_loopback(host):
        return "plain http is accepted for this machine (loopback) only"
    return ""


def api_url_fault(value: str) -> str:
    """What is wrong with the root URL of an API; "" when nothing is. Never repeats the URL."""
    fault = web_url_fault(value)
    if not fault and (urlsplit(value).query or urlsplit(value).fragment):
        return "a URL here has no ? or # part"
    return fault


def address_fault(value: str) -> str:
    """What is wrong with HOST:PORT; "" when nothing is."""
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdecimal() or int(port) > LAST_PORT:
        return "this is no address"
    return ""


def database_url_fault(value: str) -> str:
    """What is wrong with the address of the mirror; "" when nothing is."""
    scheme, _, rest = value.partition("://")
    if scheme not in (SQLITE, *POSTGRES):
        return "this is no database that mqlsync speaks to"
    if scheme == SQLITE and rest.split("?")[0] in ("", "/", "/:memory:"):
        return "a mirror in memory would be lost with the process"
    if scheme == SQLITE and not rest.startswith("/"):
        return "a SQLite URL has three slashes before the path (four, if the path is absolute)"
    return ""
