"""What the guide of `init` knows as text: roads to sign in, likely values, the template filled in."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from config.schema import variable_name
from connectors.records import Crm, Owner
from sync.core.owner import normal_email


@dataclass(frozen=True, slots=True)
class Road:
    """A way to sign in: the settings that are set openly, with an example, and the secret ones."""

    title: str
    crm: str
    open: tuple[tuple[str, str], ...]
    secret: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """What to type into the shell. A secret is read without being shown or kept in the history."""
        for key, example in self.open:
            yield f'export {variable_name((self.crm, key))}="{example}"'
        for key in self.secret:
            name = variable_name((self.crm, key))
            yield f"read -rs {name} && export {name}"


_LOGIN_URL: Final = ("login_url", "https://YOURS.my.salesforce.com")
_USERNAME: Final = ("username", "mqlsync@example.com")
_CONSUMER_KEY: Final = ("client_id", "the app's consumer key")

ROADS: Final[dict[str, tuple[Road, ...]]] = {
    Crm.SALESFORCE: (
        Road(
            "an External Client App with the client credentials flow (the usual way)",
            Crm.SALESFORCE,
            (_LOGIN_URL, _CONSUMER_KEY),
            ("client_secret",),
        ),
        Road(
            "an External Client App with a certificate (JWT bearer flow)",
            Crm.SALESFORCE,
            (_CONSUMER_KEY, _USERNAME, ("private_key_file", "/path/to/salesforce.pem")),
            (),
        ),
        Road(
            "user name, password and security token",
            Crm.SALESFORCE,
            (_USERNAME,),
            ("password", "security_token"),
        ),
    ),
    Crm.HUBSPOT: (
        Road("a Service Key or a private app", Crm.HUBSPOT, (), ("access_token",)),
        Road(
            "an OAuth app",
            Crm.HUBSPOT,
            (("client_id", "the app's client id"),),
            ("client_secret", "refresh_token"),
        ),
    ),
}


class Place(NamedTuple):
    """The field that says in one CRM that somebody is an MQL."""

    crm: str
    object: str
    field: str

    @property
    def header(self) -> str:
        """Its table in mqlsync.toml."""
        return f"writeback.{self.crm}.{self.object}"


PLACES: Final = (
    Place(Crm.SALESFORCE, "Lead", "Status"),
    Place(Crm.HUBSPOT, "contacts", "hs_lead_status"),
)

_LIKELY: Final = re.compile(r"(?<![a-z])mql(?![a-z])|marketing[\W_]*qualified", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Status:
    """What the template says of a status: the value of an MQL, and those that it may replace."""

    mql: str
    replaced: tuple[str, ...]


def status_in(text: str, place: Place) -> Status:
    """The status line of that place in a template."""
    table: Any = tomllib.loads(text)["writeback"][place.crm][place.object]["status"]
    return Status(table["values"]["mql"], tuple(table["from"]))


def likely(value: str, status: Status) -> bool:
    """Whether a value may well be the one that stands for an MQL."""
    return value == status.mql or bool(_LIKELY.search(value))


def proposed(values: Sequence[str], status: Status) -> str | None:
    """The value to offer as the default; None when no value of the list suggests itself."""
    if status.mql in values:
        return status.mql
    return next((value for value in values if likely(value, status)), None)


def marked(value: str, status: Status) -> str:
    """A value as it is listed."""
    if value in status.replaced:
        return f"{value}   (where people begin: an MQL replaces it)"
    return f"{value}   (likely)" if likely(value, status) else value


def with_mql(text: str, place: Place, value: str) -> str:
    """The template with another value for an MQL; every comment stays."""
    lines = text.split("\n")
    at = _status_line(lines, place)
    lines[at] = re.sub(r'mql = "[^"]*"', lambda _: f"mql = {quoted(value)}", lines[at], count=1)
    return "\n".join(lines)


def _status_line(lines: Sequence[str], place: Place) -> int:
    start = lines.index(f"[{place.header}]")
    return next(at for at in range(start, len(lines)) if lines[at].startswith("status = "))


def with_members(text: str, emails: Sequence[str]) -> str:
    """The template with a default pool of these; the examples stay beneath it as comments."""
    if not emails:
        return text
    lines = text.split("\n")
    at = next(at for at, line in enumerate(lines) if line.startswith("# [routing.pools.default]"))
    members = ["members = [", *(f"  {{ email = {quoted(email)} }}," for email in emails), "]"]
    lines[at : at + 1] = [lines[at].removeprefix("# "), *members]
    return "\n".join(lines)


def quoted(value: str) -> str:
    """Text as a TOML string: JSON's escapes are TOML's, but for DEL, which TOML wants escaped too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


class User(NamedTuple):
    """Somebody who may be a member of a pool."""

    email: str
    name: str


def shared_users(by_crm: Sequence[Sequence[Owner]]) -> list[User]:
    """The active people whom every one of these CRMs knows by the same address, by name."""
    known: list[dict[str, User]] = []
    for owners in by_crm:
        people = (one for one in owners if one.active and one.kind == "person" and one.email)
        known.append({normal_email(one.email or ""): User(one.email or "", one.name or "") for one in people})
    if not known:
        return []
    first, *others = known
    shared = [user for email, user in first.items() if all(email in other for other in others)]
    return sorted(shared, key=lambda user: (user.name.casefold(), user.email.casefold()))
