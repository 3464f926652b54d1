"""accounts.toml: several pairs of Salesforce and HubSpot accounts, each a configuration folder of its own.

An account sees only what is its own: its folder, its mirror, its secrets. No variable that begins with
`MQLSYNC_` reaches it from the worker's environment, for one account's token must never serve another's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import Field, Strict, ValidationError

from config import toml
from config.errors import ConfigError, Problem, nearest
from config.paths import SETTINGS_FILE, config_dirs
from config.schema import PREFIX, keys_of, variables
from config.section import Count, Duration, Section
from config.sources import CREDENTIALS_VARIABLE, FILE_SUFFIX, QUEUE_VARIABLE, secret_of
from config.toml import Document, KeyPath
from config.urls import POSTGRES, address_fault, database_url_fault, has_password

ACCOUNTS_FILE: Final = "accounts.toml"
DATABASE_VARIABLE: Final = "MQLSYNC_DATABASE_URL"
NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
ENVIRONMENT_PREFIX = re.compile(r"[A-Za-z_][A-Za-z0-9_]*_")


class AccountEntry(Section):
    """`[accounts.NAME]`: one pair of CRM accounts. NAME: small letters, digits, `-` and `_`."""

    config: str = ""
    """Folder with its mqlsync.toml, scoring.toml, lists and models; "" is NAME in `folder`."""
    schema_: str = Field(default="", alias="schema")
    """Schema of the queue's PostgreSQL that its mirror is in; "" is NAME, with `_` for `-`."""
    database_url: str = ""
    """Its mirror, where it is elsewhere: `postgresql+psycopg://…`; a password by variable or PGPASSFILE."""
    secrets: str = ""
    """Folder with a file for each secret, named like its variable (`MQLSYNC_HUBSPOT__ACCESS_TOKEN`)."""
    prefix: str = ""
    """What its variables begin with instead of `MQLSYNC_`; so do the names of systemd credentials."""


class AccountsFile(Section):
    """What all accounts have in common."""

    queue_url: str = ""
    """The queue, `postgresql://…`; a password by `MQLSYNC_QUEUE_URL` or its `_FILE`, or by PGPASSFILE."""
    folder: str = "."
    """Where the folders of accounts are."""
    every_folder: Annotated[bool, Strict()] = False
    """Each folder in `folder` that holds an mqlsync.toml is an account of that name, listed here or not."""
    concurrency: Count = 4
    """Accounts that one worker serves at the same time."""
    rescue_after: Annotated[Duration, Field(ge=2, le=40)] = 20
    """A worker that was not heard of for this long has died: others take its accounts; "2s" to "40s"."""
    listen: str = "127.0.0.1:9464"
    """Where the worker serves `/healthz`, `/readyz` and `/metrics`: HOST:PORT; "" serves nothing."""
    accounts: dict[str, AccountEntry] = Field(default={})
    """The accounts; see `[accounts.NAME]`."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account: its name, its folder, and the environment that its settings are read with."""

    name: str
    folder: Path
    environ: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Accounts:
    """What accounts.toml says, checked."""

    where: str
    queue_url: str = field(repr=False)
    concurrency: int
    rescue_after: int
    listen: str
    accounts: tuple[Account, ...]


def load_accounts(path: Path, environ: Mapping[str, str]) -> Accounts:
    """The accounts of that file; raises ConfigError with all problems at once."""
    document = toml.read(path)
    told, problems = _validated(document)
    base = path.absolute().parent
    problems += _faults(told, document)
    queue_url, found = _queue_url(told, document, environ)
    problems += found
    accounts = []
    for name, entry in sorted(_entries(told, base).items()):
        folder = base / Path(entry.config or Path(told.folder) / name).expanduser()
        problems += _account_faults(name, entry, folder, base, document)
        own = _own_environ(name, entry, base, queue_url, folder, environ)
        accounts.append(Account(name, folder.resolve(), own))
    problems += _shared(accounts, document)
    if not accounts and not problems:
        problems.append(Problem("names no account", where=str(path), expected="[accounts.NAME]"))
    if problems:
        raise ConfigError(sorted(problems, key=lambda one: (one.line is None, one.line or 0, one.where)))
    return Accounts(str(path), queue_url, told.concurrency, told.rescue_after, told.listen, tuple(accounts))


def find_accounts(config_dir: Path | None, environ: Mapping[str, str]) -> Path:
    """Where accounts.toml is, or should be."""
    folders = config_dirs(config_dir, environ)
    found = (folder / ACCOUNTS_FILE for folder in folders if (folder / ACCOUNTS_FILE).is_file())
    return next(found, folders[0] / ACCOUNTS_FILE).absolute()


def account_of(folder: Path, environ: Mapping[str, str]) -> Account | None:
    """The account whose configuration that folder is, by an accounts.toml in one of the two folders above."""
    folder = folder.resolve()
    for above in folder.parents[:2]:
        if (above / ACCOUNTS_FILE).is_file() and _is_ours(above / ACCOUNTS_FILE):
            found = load_accounts(above / ACCOUNTS_FILE, environ).accounts
            return next((one for one in found if one.folder == folder), None)
    return None


def _is_ours(path: Path) -> bool:
    """Whether a file of that name, somewhere above, says anything to mqlsync. Raises ConfigError."""
    return bool(toml.read(path).values.keys() & set(keys_of(AccountsFile)))


def _validated(document: Document) -> tuple[AccountsFile, list[Problem]]:
    """What the file says without what does not fit, and that."""
    problems: list[Problem] = []
    values = document.values
    for _ in range(5):  # taking out what is wrong may uncover more
        try:
            return AccountsFile.model_validate(values), problems
        except ValidationError as error:
            for fault in error.errors(include_url=False):
                path: KeyPath = fault["loc"]
                problems.append(_worded(path, fault["type"], str(fault["msg"]), document))
                values = _without(values, path)
    return AccountsFile(), problems


def _worded(path: KeyPath, kind: str, message: str, document: Document) -> Problem:
    where, line, key = document.where, document.line(path), ".".join(map(str, path))
    if kind == "extra_forbidden":
        known = keys_of(AccountEntry if path[0] == "accounts" else AccountsFile)
        near = nearest(str(path[-1]), known)
        return Problem("unknown key", where, line, key, "" if near else f"one of {', '.join(known)}", near)
    expected = {
        "string_type": "text in quotes",
        "int_type": "a whole number",
        "greater_than_equal": "2s to 40s" if path[-1] == "rescue_after" else "1 or more",
        "less_than_equal": "2s to 40s",
        "value_error": 'a duration such as "20s"',
        "bool_type": "true or false",
        "dict_type": "a table",
        "model_type": "a table",
    }.get(kind, message)
    return Problem("the value does not fit", where, line, key, expected)


def _without(values: Mapping[str, Any], path: KeyPath) -> dict[str, Any]:
    first, *rest = path
    left = dict(values)
    if rest and isinstance(left.get(str(first)), dict):
        left[str(first)] = _without(left[str(first)], tuple(rest))
    else:
        left.pop(str(first), None)
    return left


def _faults(told: AccountsFile, document: Document) -> Iterator[Problem]:
    """What pydantic cannot see at the top of the file, and in names."""

    def problem(path: KeyPath, message: str, expected: str = "") -> Problem:
        return Problem(message, document.where, document.line(path), ".".join(map(str, path)), expected)

    if told.listen and (fault := address_fault(told.listen)):
        yield problem(("listen",), fault, '"HOST:PORT", or "" for nothing')
    for name, entry in told.accounts.items():
        path = ("accounts", name)
        if not NAME.fullmatch(name):
            yield problem(path, "is no name of an account", "small letters, digits, - and _, up to 40")
        if entry.schema_ and entry.database_url:
            yield problem((*path, "schema"), "is for the queue's PostgreSQL, and database_url is set as well")
        elif entry.schema_ and not SCHEMA.fullmatch(entry.schema_):
            yield problem((*path, "schema"), "is no name of a schema", "small letters, digits and _")
        if entry.secrets and entry.prefix:
            yield problem((*path, "prefix"), "secrets is set as well: which is meant?", "one of the two")
        elif entry.prefix and not ENVIRONMENT_PREFIX.fullmatch(entry.prefix):
            yield problem((*path, "prefix"), "is no beginning of a variable", 'such as "ACME_"')
        elif entry.prefix == PREFIX:
            yield problem((*path, "prefix"), "would give every account the same variables", 'such as "ACME_"')
        if entry.database_url:
            yield from _database_faults((*path, "database_url"), entry.database_url, problem)
    prefixes = {name: entry.prefix for name, entry in told.accounts.items() if entry.prefix}
    for name, prefix in prefixes.items():
        for other, longer in prefixes.items():
            if other != name and longer.startswith(prefix):
                yield problem(("accounts", other, "prefix"), f"begins with the prefix of {name}: {prefix}")


def _database_faults(path: KeyPath, url: str, problem: Any) -> Iterator[Problem]:
    if has_password(url):
        yield problem(path, "a URL with a password does not belong in this file", "a variable or PGPASSFILE")
    elif fault := database_url_fault(url):
        yield problem(path, fault, "postgresql+psycopg://user@host/name")
    elif urlsplit(url).scheme not in POSTGRES:
        yield problem(path, "a file is not to be shared between hosts", "postgresql+psycopg://user@host/name")


def _queue_url(
    told: AccountsFile, document: Document, environ: Mapping[str, str]
) -> tuple[str, list[Problem]]:
    """The URL of the queue, as libpq takes it; the environment first."""
    where, line = document.where, document.line(("queue_url",))
    try:
        secret = secret_of(QUEUE_VARIABLE, environ)
    except ConfigError as error:
        return "", list(error.problems)
    url, place = (secret, QUEUE_VARIABLE) if secret else (told.queue_url, where)
    if secret:
        line = None
    if not url:
        problem = Problem(
            f"no queue: set queue_url, or {QUEUE_VARIABLE}", where, expected="postgresql://user@host/name"
        )
        return "", [problem]
    if not secret and has_password(url):
        variable = f"{QUEUE_VARIABLE}, or {QUEUE_VARIABLE}{FILE_SUFFIX}"
        message = f"a URL with a password does not belong in this file: set {variable}"
        return "", [Problem(message, where, line, "queue_url")]
    if urlsplit(url).scheme not in POSTGRES:
        fault = "the queue needs a PostgreSQL"
        return "", [Problem(fault, place, line, "queue_url", "postgresql://user@host/name")]
    return f"postgresql://{url.partition('://')[2]}", []


def _entries(told: AccountsFile, base: Path) -> dict[str, AccountEntry]:
    """Those that are named, and those that only have a folder."""
    found = dict(told.accounts)
    named = {(base / Path(entry.config).expanduser()).resolve() for entry in found.values() if entry.config}
    if told.every_folder:
        for path in sorted((base / Path(told.folder).expanduser()).glob(f"*/{SETTINGS_FILE}")):
            folder = path.parent
            if NAME.fullmatch(folder.name) and folder.resolve() not in named:
                found.setdefault(folder.name, AccountEntry())
    return found


def _account_faults(
    name: str, entry: AccountEntry, folder: Path, base: Path, document: Document
) -> Iterator[Problem]:
    """Folders that do not exist."""
    path = ("accounts", name)
    if not (folder / SETTINGS_FILE).is_file():
        siblings = [one.parent.name for one in folder.parent.glob(f"*/{SETTINGS_FILE}")]
        near = nearest(folder.name, siblings)
        key = "config" if entry.config else ""
        yield Problem(
            f"there is no {SETTINGS_FILE} in {folder}",
            document.where,
            document.line((*path, "config")),
            ".".join(filter(None, (*path, key))),
            nearest=near,
        )
    if entry.secrets and not (base / Path(entry.secrets).expanduser()).is_dir():
        yield Problem(
            "there is no such folder",
            document.where,
            document.line((*path, "secrets")),
            f"accounts.{name}.secrets",
        )


def _own_environ(
    name: str, entry: AccountEntry, base: Path, queue_url: str, folder: Path, environ: Mapping[str, str]
) -> dict[str, str]:
    """What the account's settings are read with."""
    own = {
        key: value
        for key, value in environ.items()
        if not key.upper().startswith(PREFIX) and key != CREDENTIALS_VARIABLE
    }
    if entry.secrets:
        own[CREDENTIALS_VARIABLE] = str(base / Path(entry.secrets).expanduser())
    elif entry.prefix:
        own |= _prefixed(entry.prefix, environ)
    has_one = any(own.get(key) for key in (DATABASE_VARIABLE, DATABASE_VARIABLE + FILE_SUFFIX)) or (
        bool(entry.secrets) and Path(own[CREDENTIALS_VARIABLE], DATABASE_VARIABLE).is_file()
    )
    if has_one:
        return own
    if entry.database_url:
        own[DATABASE_VARIABLE] = entry.database_url
    elif queue_url and (entry.schema_ or not _names_database(folder)):
        own[DATABASE_VARIABLE] = in_schema(queue_url, entry.schema_ or name.replace("-", "_"))
    return own


def _prefixed(prefix: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables, and systemd's credentials, that begin with the prefix, under their usual names."""
    found = {
        PREFIX + key.removeprefix(prefix): value for key, value in environ.items() if key.startswith(prefix)
    }
    credentials = environ.get(CREDENTIALS_VARIABLE)
    if credentials:
        for name, variable in variables().items():
            path = Path(credentials) / (prefix + name.removeprefix(PREFIX))
            if variable.secret and name not in found and path.is_file():
                found.setdefault(name + FILE_SUFFIX, str(path))
    return found


def _names_database(folder: Path) -> bool:
    """Whether the account's own mqlsync.toml says where the mirror is."""
    try:
        return bool(toml.read(folder / SETTINGS_FILE).values.get("database_url"))
    except ConfigError:
        return False  # what is wrong with it is said when the account is read


def in_schema(url: str, schema: str) -> str:
    """The URL of a mirror in a schema of that PostgreSQL."""
    place, _, query = url.partition("://")[2].partition("?")
    pairs = dict(parse_qsl(query))
    pairs["options"] = f"{pairs.get('options', '')} -csearch_path={schema}".strip()
    return f"postgresql+psycopg://{place}?{urlencode(pairs)}"


def _shared(accounts: Iterable[Account], document: Document) -> Iterator[Problem]:
    """Two accounts with one folder or one mirror would write everything twice."""
    for what, key in (("folder", "config"), ("mirror", "schema")):
        same: dict[str, list[str]] = defaultdict(list)
        for one in accounts:
            place = str(one.folder) if what == "folder" else one.environ.get(DATABASE_VARIABLE, "")
            if place:
                same[place].append(one.name)
        for first, *others in same.values():
            for name in others:
                line = document.line(("accounts", name, key))
                yield Problem(f"is the same {what} as of {first}", document.where, line, f"accounts.{name}")
