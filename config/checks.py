"""What single keys cannot say: settings that do not fit together. Pure functions over valid settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from config.errors import nearest
from config.hours import ABSENCE_EXAMPLE, EXAMPLE, HoursFault, parse_absence, parse_hours
from config.running_faults import OBJECT, OBJECT_EXAMPLE, running_faults
from config.schema import variable_name
from config.settings import (
    STAGES,
    Condition,
    FieldPolicy,
    HubSpotSettings,
    ObjectTargets,
    Pool,
    PoolMember,
    SalesforceSettings,
    Settings,
)
from config.toml import KeyPath
from config.urls import POSTGRES, SQLITE, api_url_fault, database_url_fault


class Finding(NamedTuple):
    """Something that does not fit, at the key that is nearest to it."""

    path: KeyPath
    message: str
    expected: str = ""
    nearest: str = ""


RECORDS: Final = (
    "salesforce.Contact",
    "salesforce.Lead",
    "salesforce.Account",
    "hubspot.companies",
    "hubspot.contacts",
)
"""Records that facts come from."""
SHARED_LOGIN_HOSTS: Final = ("login.salesforce.com", "test.salesforce.com")


def check(settings: Settings) -> list[Finding]:
    """Everything that does not fit, in no particular order."""
    return [finding for one in _CHECKS for finding in one(settings)]


def _database(settings: Settings) -> Iterator[Finding]:
    if settings.database_url and (fault := database_url_fault(settings.database_url)):
        schemes = f"{SQLITE}:///PATH or {POSTGRES[0]}://USER@HOST/NAME"
        yield Finding(("database_url",), fault, schemes)


def _urls(settings: Settings) -> Iterator[Finding]:
    urls = {
        ("salesforce", "login_url"): settings.salesforce.login_url,
        ("salesforce", "instance_url"): settings.salesforce.instance_url,
        ("hubspot", "base_url"): settings.hubspot.base_url,
    }
    for path, url in urls.items():
        if url and (fault := api_url_fault(url)):
            yield Finding(path, fault)


def _versions(settings: Settings) -> Iterator[Finding]:
    if not re.fullmatch(r"\d{2,3}\.0", settings.salesforce.api_version, re.ASCII):
        yield Finding(
            ("salesforce", "api_version"), "this is no version of the API", 'a number such as "64.0"'
        )
    if not re.fullmatch(r"v\d|20\d\d-(0[1-9]|1[0-2])", settings.hubspot.api_version, re.ASCII):
        yield Finding(
            ("hubspot", "api_version"), "this is no version of the API", '"v3" or a date such as "2026-03"'
        )


def _files(settings: Settings) -> Iterator[Finding]:
    files = {
        ("salesforce", "private_key_file"): settings.salesforce.private_key_file,
        ("salesforce", "ca_file"): settings.salesforce.ca_file,
        ("hubspot", "ca_file"): settings.hubspot.ca_file,
    }
    for path, file in files.items():
        if file is not None and not file.is_file():
            yield Finding(path, f"there is no file {file}")


def _salesforce_sign_in(settings: Settings) -> Iterator[Finding]:
    one = settings.salesforce
    given = [name for name in _SALESFORCE_CREDENTIALS if getattr(one, name) is not None]
    if not given:
        return
    if not any(all(getattr(one, name) is not None for name in way) for way in SALESFORCE_WAYS):
        yield Finding(("salesforce",), "credentials are incomplete: " + _missing(one, given))
    elif _is_client_credentials(one) and urlsplit(one.login_url).hostname in SHARED_LOGIN_HOSTS:
        yield Finding(
            ("salesforce", "login_url"),
            "client credentials need the My Domain URL here",
            "https://YOUR-DOMAIN.my.salesforce.com",
        )


SALESFORCE_WAYS: Final = (
    ("access_token", "instance_url"),
    ("client_id", "username", "private_key_file"),
    ("client_id", "client_secret"),
    ("username", "password"),
)
"""Sets of keys that are enough to sign in."""
_SALESFORCE_CREDENTIALS: Final = (
    "access_token",
    "client_id",
    "client_secret",
    "username",
    "password",
    "security_token",
    "private_key_file",
)


def _is_client_credentials(one: SalesforceSettings) -> bool:
    """Nothing but client id and secret to sign in with."""
    others = (one.access_token, one.password, one.private_key_file)
    return one.client_secret is not None and not any(others)


def _missing(one: SalesforceSettings, given: list[str]) -> str:
    """The way that lacks least for what is given, and what it lacks."""
    ways = [way for way in SALESFORCE_WAYS if any(name in way for name in given)]
    way = min(ways or [SALESFORCE_WAYS[-1]], key=lambda way: sum(getattr(one, name) is None for name in way))
    lacking = [variable_name(("salesforce", name)) for name in way if getattr(one, name) is None]
    return f"{', '.join(given)} given, {' and '.join(lacking)} missing"


def _hubspot_sign_in(settings: Settings) -> Iterator[Finding]:
    one: HubSpotSettings = settings.hubspot
    names = ("client_id", "client_secret", "refresh_token")
    lacking = [variable_name(("hubspot", name)) for name in names if getattr(one, name) is None]
    given = [name for name in names if getattr(one, name) is not None]
    if one.access_token is None and given and lacking:
        message = f"credentials are incomplete: {', '.join(given)} given, {' and '.join(lacking)} missing"
        yield Finding(("hubspot",), message)


def _running(settings: Settings) -> Iterator[Finding]:
    return (Finding(*fault) for fault in running_faults(settings))


def _stages(settings: Settings) -> Iterator[Finding]:
    seen: dict[tuple[str, str], str] = {}
    for name in type(settings.stages).model_fields:
        group = getattr(settings.stages, name)
        for crm in type(group).model_fields:
            for position, value in enumerate(getattr(group, crm)):
                other = seen.setdefault((crm, value.casefold()), name)
                if other != name:
                    yield Finding(
                        ("stages", name, crm, position), f'"{value}" already stands in stages.{other}'
                    )


def _mapping(settings: Settings) -> Iterator[Finding]:
    for position, name in enumerate(settings.mapping.precedence):
        path: KeyPath = ("mapping", "precedence", position)
        if name not in RECORDS:
            yield Finding(
                path, f'there are no "{name}"', f"one of {', '.join(RECORDS)}", nearest(name, RECORDS)
            )
        elif name in settings.mapping.precedence[:position]:
            yield Finding(path, f"{name} stands here twice")
    for name in settings.mapping.fields:
        if name not in RECORDS:
            yield Finding(
                ("mapping", "fields", name),
                f'there are no "{name}"',
                f"one of {', '.join(RECORDS)}",
                nearest(name, RECORDS),
            )


def _pulled_objects(settings: Settings) -> Iterator[Finding]:
    for name in settings.pull.objects:
        if not OBJECT.fullmatch(name):
            yield Finding(("pull", "objects", name), "this names no object", OBJECT_EXAMPLE)
    sources = {rule.source for rule in settings.engagement.rules}
    for name, chosen in settings.pull.objects.items():
        if chosen.on and name.startswith("salesforce.") and name.endswith("__c") and name not in sources:
            message = "no rule makes an engagement of its rows"
            yield Finding(("pull", "objects", name), message, f'[[engagement.rules]] with source = "{name}"')


def _engagement(settings: Settings) -> Iterator[Finding]:
    for position, rule in enumerate(settings.engagement.rules):
        path: KeyPath = ("engagement", "rules", position)
        crm, dot, rest = rule.source.partition(".")
        if crm not in ("salesforce", "hubspot") or not dot or not rest:
            known = "hubspot.SOURCE or salesforce.SOURCE, such as hubspot.form_submission"
            yield Finding((*path, "source"), "this names no source", known)
        if not re.fullmatch(r"[a-z][a-z0-9_]*", rule.kind, re.ASCII):
            yield Finding(
                (*path, "kind"), "this is no kind", 'a lower-case word such as page_view, or "ignore"'
            )
        for name, condition in rule.when.items():
            if _conditions(condition) != 1:
                yield Finding(
                    (*path, "when", name), "this says not exactly one thing", "one of glob, equals, in"
                )


def _conditions(condition: Condition) -> int:
    return sum(value is not None for value in (condition.glob, condition.equals, condition.in_))


def _writeback(settings: Settings) -> Iterator[Finding]:
    groups: Mapping[tuple[str, str], ObjectTargets] = {
        ("salesforce", "Lead"): settings.writeback.salesforce.Lead,
        ("salesforce", "Contact"): settings.writeback.salesforce.Contact,
        ("hubspot", "contacts"): settings.writeback.hubspot.contacts,
    }
    for (crm, object_name), targets in groups.items():
        path: KeyPath = ("writeback", crm, object_name)
        fields: dict[str, str] = {}
        for purpose, policy in targets.items():
            yield from _policy((*path, purpose), purpose, policy)
            other = fields.setdefault(policy.field.casefold(), purpose)
            if other != purpose:
                yield Finding((*path, purpose, "field"), f"{policy.field} is already written as {other}")


def _policy(path: KeyPath, purpose: str, policy: FieldPolicy) -> Iterator[Finding]:
    if not policy.field.strip():
        yield Finding((*path, "field"), "no field is named", "the API name of a field")
    if policy.policy == "last_supplied" and policy.from_ is None:
        message = 'policy "last_supplied" needs `from`: the values it may replace'
        yield Finding(path, message, 'for example from = ["", "New"]')
    if (policy.policy == "owner_claim") != (purpose == "owner"):
        yield Finding(
            (*path, "policy"), f'policy "{policy.policy}" does not fit {purpose}', _fitting_policies(purpose)
        )
    if purpose in ("status", "stage") and "mql" not in policy.values:
        yield Finding((*path, "values"), "no value says that a person is an MQL", 'values = { mql = "…" }')
    if policy.policy == "ladder" and not policy.ladder and policy.field != "lifecyclestage":
        message = f"the order of the values of {policy.field} is not known"
        yield Finding(path, message, "ladder = [ … from low to high … ]")
    tables: list[tuple[KeyPath, dict[str, str]]] = [(("values",), policy.values)]
    tables += [(("record_types", name), values) for name, values in policy.record_types.items()]
    for inner, values in tables:
        for stage in values:
            if stage not in STAGES:
                expected = f"one of {', '.join(STAGES)}"
                yield Finding(
                    (*path, *inner, stage), "there is no such stage", expected, nearest(stage, STAGES)
                )


def _fitting_policies(purpose: str) -> str:
    if purpose == "owner":
        return '"owner_claim"'
    return '"machine", "fill", "last_supplied", "human_wins" or "ladder"'


def _routing(settings: Settings) -> Iterator[Finding]:
    for name, pool in settings.routing.pools.items():
        yield from _pool(("routing", "pools", name), pool)
    pools = list(settings.routing.pools)
    for position, rule in enumerate(settings.routing.rules):
        if rule.pool not in pools:
            expected = f"one of {', '.join(pools)}" if pools else f"a table [routing.pools.{rule.pool}]"
            path: KeyPath = ("routing", "rules", position, "pool")
            yield Finding(path, f'there is no pool "{rule.pool}"', expected, nearest(rule.pool, pools))
    for position, address in enumerate(settings.routing.unowned):
        if not _is_address(address):
            yield Finding(("routing", "unowned", position), "this is no e-mail address")


def _pool(path: KeyPath, pool: Pool) -> Iterator[Finding]:
    addresses = [member.email.strip().casefold() for member in pool.members]
    for position, member in enumerate(pool.members):
        here: KeyPath = (*path, "members", position)
        if not _is_address(member.email):
            yield Finding((*here, "email"), "this is no e-mail address")
        elif addresses[position] in addresses[:position]:
            yield Finding(
                (*here, "email"), "this colleague already stands in the pool", "weight = 2 for two turns"
            )
        yield from _times(here, member)
    fallback = pool.fallback
    if fallback is not None and not _is_address(fallback) and not re.fullmatch(r"queue:.*\S.*", fallback):
        yield Finding((*path, "fallback"), "this names nobody", 'an e-mail address or "queue:NAME"')


def _times(path: KeyPath, member: PoolMember) -> Iterator[Finding]:
    if member.hours is not None:
        try:
            parse_hours(member.hours)
        except HoursFault as fault:
            yield Finding((*path, "hours"), str(fault), f"for example {EXAMPLE}")
    for position, text in enumerate(member.absent):
        try:
            parse_absence(text)
        except HoursFault as fault:
            yield Finding((*path, "absent", position), str(fault), ABSENCE_EXAMPLE)


def _same_humans(settings: Settings) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for position, pair in enumerate(settings.routing.same):
        for crm in type(pair).model_fields:
            address: str = getattr(pair, crm)
            path: KeyPath = ("routing", "same", position, crm)
            if not _is_address(address):
                yield Finding(path, "this is no e-mail address")
            elif (crm, address.strip().casefold()) in seen:
                yield Finding(path, "this address already stands for somebody", "one row a colleague")
            seen.add((crm, address.strip().casefold()))


def _is_address(text: str) -> bool:
    """Good enough to tell a typing mistake; the CRMs decide who exists."""
    return re.fullmatch(r"[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;.]+", text.strip()) is not None


_CHECKS: Final[tuple[Callable[[Settings], Iterator[Finding]], ...]] = (
    _database,
    _urls,
    _versions,
    _files,
    _salesforce_sign_in,
    _hubspot_sign_in,
    _running,
    _stages,
    _mapping,
    _pulled_objects,
    _engagement,
    _writeback,
    _routing,
    _same_humans,
)
