"""`accounts`: what accounts.toml names, and how each account is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import typer

from config.accounts import Account, find_accounts, load_accounts
from config.errors import ConfigError, NotSetUp
from config.load import examine
from config.secrets import secret_values
from config.urls import is_loopback
from config.world import epoch
from connectors.records import Crm
from sync.cli.exits import ending
from sync.cli.options import command, group
from sync.cli.session import Session
from sync.cli.state import CHECK_CODES
from sync.cli.times import ago
from sync.cli.words import crm_name
from sync.mirror.engine import Mirror
from sync.mirror.runs import get_meta
from sync.mirror.unusable import DatabaseUnusable
from sync.redaction import Redactor
from sync.reports import SCHEMA_VERSION, exit_code_of
from sync.status import status_of

app = typer.Typer(rich_markup_mode=None, add_completion=False)
commands = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="The accounts of accounts.toml: list, check."
)
app.add_typer(commands, name="accounts")
group(commands)

UNUSABLE: Final = "unusable"  # the state of an account that cannot be looked at


@dataclass(slots=True)
class Seen:
    """One account as it was found."""

    account: Account
    mirror: str = ""
    crms: list[str] = field(default_factory=list)
    state: str = ""
    reasons: list[str] = field(default_factory=list)
    fresh_seconds: Mapping[str, int | None] = field(default_factory=dict)
    crm_accounts: Mapping[str, str] = field(default_factory=dict)
    on_this_machine: Mapping[str, str] = field(default_factory=dict)
    """CRM → where it is, if that is on this machine: simulated ones may all have the same account number."""
    exit_code: int = 0

    def listed(self) -> dict[str, Any]:
        """As `accounts list --json` tells it."""
        return {
            "account": self.account.name,
            "config_dir": str(self.account.folder),
            "mirror": self.mirror,
            "crms": self.crms,
        }

    def checked(self) -> dict[str, Any]:
        """As `accounts check --json` tells it."""
        more = {
            "state": self.state,
            "reasons": self.reasons,
            "fresh_seconds": dict(self.fresh_seconds),
            "crm_accounts": dict(self.crm_accounts),
        }
        return self.listed() | more


@command(commands, "list")
def list_accounts(session: Session) -> int:
    """Every account: its folder, its mirror, and which CRMs it has credentials for. Connects to nothing."""
    found = list(_seen(session, look=False))
    if session.options.json:
        session.out.json_list({"schema_version": SCHEMA_VERSION}, "accounts", (one.listed() for one in found))
    else:
        rows = [
            (one.account.name, ", ".join(map(crm_name, one.crms)), one.mirror, one.account.folder)
            for one in found
        ]
        session.out.table(("account", "CRMs", "mirror", "configuration"), rows)
    for one in found:
        for reason in one.reasons:
            session.out.warn(f"{one.account.name}: {reason}")
    return exit_code_of(one.exit_code for one in found)


@command(commands, "check")
def check(session: Session) -> int:
    """Read every configuration, open every mirror, and say how each account is: 0 when all is well."""
    found = list(_seen(session, look=True))
    _find_twins(found)
    if session.options.json:
        session.out.json_list(
            {"schema_version": SCHEMA_VERSION}, "accounts", (one.checked() for one in found)
        )
    else:
        session.out.table(
            ("account", "state", *(crm_name(crm) for crm in Crm), "why"),
            [(one.account.name, one.state, *map(_fresh(one), Crm), "; ".join(one.reasons)) for one in found],
        )
    return exit_code_of(one.exit_code for one in found)


def _fresh(one: Seen) -> Any:
    def text(crm: str) -> str:
        seconds = one.fresh_seconds.get(crm)
        if crm not in one.crms:
            return "off"
        return "never pulled" if seconds is None else f"{ago(seconds)} ago"

    return text


def _seen(session: Session, *, look: bool) -> Iterator[Seen]:
    told = load_accounts(find_accounts(session.options.config_dir, session.environ), session.environ)
    secrets: frozenset[str] = frozenset()
    for account in told.accounts:
        one = Seen(account)
        try:
            settings = examine(account.folder, account.environ).settings
            secrets |= secret_values(settings)
            session.out.redactor = Redactor(secrets)
            one.crms = [crm for crm in Crm if getattr(settings, crm).enabled]
            mirror = Mirror(settings.database_url, session.world)
            one.mirror = mirror.where
            if not one.crms:
                one.reasons, one.exit_code = ["no CRM has credentials"], 2
            if look:
                mirror.migrate()
                status = status_of(mirror, one.crms, epoch(session.world.now()), settings)
                one.state = UNUSABLE if one.exit_code else status.state
                one.reasons += status.reasons
                one.fresh_seconds = status.fresh_seconds
                one.exit_code = one.exit_code or CHECK_CODES[status.state]
                with mirror.read() as conn:
                    ids = {crm: get_meta(conn, f"{crm}.account_id") for crm in one.crms}
                where = {"salesforce": settings.salesforce.instance_url or settings.salesforce.login_url}
                where["hubspot"] = settings.hubspot.base_url
                one.on_this_machine = {
                    crm: url for crm, url in where.items() if is_loopback(urlsplit(url).hostname or "")
                }
                one.crm_accounts = {crm: found for crm, found in ids.items() if found}
            mirror.close()
        except (ConfigError, NotSetUp, DatabaseUnusable) as error:
            code, lines = ending(error)
            one.state, one.reasons, one.exit_code = UNUSABLE, [line.strip() for line in lines], code
        yield one


def _find_twins(found: list[Seen]) -> None:
    """Two accounts on one CRM account would write everything twice."""
    same: dict[tuple[str, str, str], list[Seen]] = defaultdict(list)
    for one in found:
        for crm, number in one.crm_accounts.items():
            same[crm, number, one.on_this_machine.get(crm, "")].append(one)
    for (crm, number, _), several in same.items():
        for one in several if len(several) > 1 else ():
            others = ", ".join(other.account.name for other in several if other is not one)
            one.state, one.exit_code = UNUSABLE, 2
            one.reasons.append(f"{crm_name(crm)} account {number} is that of {others} as well")
