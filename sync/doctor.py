"""What could be wrong around us: checks as data, each with what to do about a red line.

A check is one function; the tables at the end are the order in which they run. A CRM that cannot be signed
in to ends the checks of that CRM and of no other. Nothing here writes to a CRM.
"""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import config
from config.errors import Problem
from config.paths import SETTINGS_FILE
from config.schema import variables
from config.settings import Settings
from config.sources import FILE_SUFFIX
from config.world import World, epoch
from connectors.base import Connector
from connectors.errors import AuthFailed, ConnectorError, NotOffered, QuotaSpent, Retriable, RightMissing
from connectors.records import Crm, Cursor, Feed, Identity, Limits, Owner
from scoring.model import Model
from sync.context import Context, RunClock
from sync.mirror.circles import merged_in_circles
from sync.mirror.engine import Mirror
from sync.mirror.oddtimes import odd_times
from sync.mirror.routing import KnownOwner
from sync.mirror.runs import last_run
from sync.reports import EXIT_PRECEDENCE
from sync.stages.detection import degraded
from sync.stages.preflight import preflight
from sync.stages.targets import Targets, objects_of, our_users
from sync.stages.trouble import judge

SKEW_WARNING: Final = 60.0  # seconds between the CRM's clock and ours
SKEW_ERROR: Final = 600.0
LITTLE_SPACE: Final = 1024**3  # bytes free beside the mirror
NO_SPACE: Final = 100 * 1024**2
RECENT: Final = 60  # seconds
QUOTA_WARNING: Final = 0.8  # share of the day's calls
SHOWN_RECORDS: Final = 6
NAMES: Final = {"salesforce": "Salesforce", "hubspot": "HubSpot"}


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. An error has a remedy and the exit code that it causes."""

    check: str
    level: Level
    message: str
    remedy: str = ""
    crm: str = ""
    exit_code: int = 0

    def to_json(self) -> dict[str, Any]:
        """As it stands in `doctor --json`."""
        return {
            "check": self.check,
            "crm": self.crm or None,
            "level": self.level.value,
            "message": self.message,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class Patient:
    """Everything that is looked at."""

    settings: Settings
    config_dir: Path
    world: World
    mirror: Mirror
    connectors: Mapping[str, Connector]
    models: Sequence[Model]
    environ: Mapping[str, str] = field(default_factory=dict)
    unknown_variables: Sequence[Problem] = ()


Check = Callable[[Patient], Iterator[Finding]]
CrmCheck = Callable[[Patient, Connector, Identity], Iterator[Finding]]


def examine(patient: Patient) -> Iterator[Finding]:
    """Every finding, as it is made: this machine and its files first, then each CRM."""
    for check in LOCAL:
        yield from check(patient)
    for crm in Crm:
        connector = patient.connectors.get(crm)
        if connector is None:
            yield Finding("credentials", Level.NOTE, f"{NAMES[crm]} has no credentials and is off", crm=crm)
        else:
            yield from _examine_crm(patient, connector)
    if len(patient.connectors) == len(Crm):
        yield from _both(patient)


def _examine_crm(patient: Patient, connector: Connector) -> Iterator[Finding]:
    crm = connector.crm
    try:
        identity = connector.sign_in()
    except ConnectorError as error:
        yield _trouble("sign_in", error, crm)
        return
    for name, check in OF_CRM:
        try:
            yield from check(patient, connector, identity)
        except ConnectorError as error:
            yield _trouble(name, error, crm)


def _trouble(check: str, error: ConnectorError, crm: str) -> Finding:
    problem = judge(error, crm, check.replace("_", " ")).problem
    remedy = _SIGN_IN_REMEDY[crm] if check == "sign_in" and problem.exit_code == 4 else problem.remedy
    return Finding(check, Level.ERROR, f"{problem.message} ({problem.code})", remedy, crm, problem.exit_code)


_SIGN_IN_REMEDY: Final = {
    "salesforce": "check MQLSYNC_SALESFORCE__… : login_url (your My Domain URL), client id and secret, or "
    "user name, password and security token; the user needs the permission API Enabled",
    "hubspot": "check MQLSYNC_HUBSPOT__ACCESS_TOKEN: a Service Key or private-app token of this account",
}


def exit_code(findings: Sequence[Finding]) -> int:
    """The exit code of a report: the gravest of its errors."""
    codes = {one.exit_code for one in findings if one.level is Level.ERROR}
    return next((code for code in EXIT_PRECEDENCE if code in codes), 0)


# --- this machine and its files ----------------------------------------------------------------------


def _environment(_: Patient) -> Iterator[Finding]:
    python = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding("environment", Level.OK, f"Python {python}")
    ours = Path(__file__).resolve().parent.parent
    if Path(config.__file__).resolve().parent.parent != ours:
        yield Finding(
            "environment",
            Level.ERROR,
            f"another package named `config` stands before ours: {config.__file__}",
            "install mqlsync into a virtual environment of its own: make setup",
            exit_code=2,
        )


def _disk(patient: Patient) -> Iterator[Finding]:
    if patient.mirror.path is None:
        yield Finding("mirror", Level.OK, f"mirror in {patient.mirror.where}")
        return
    free = shutil.disk_usage(patient.mirror.path.parent).free
    text = f"mirror in {patient.mirror.where}; {free / 1024**3:.1f} GiB free"
    if free >= LITTLE_SPACE:
        yield Finding("mirror", Level.OK, text)
    elif free >= NO_SPACE:
        yield Finding("mirror", Level.WARNING, text, "make room, or move the mirror: database_url")
    else:
        yield Finding(
            "mirror", Level.ERROR, text, "make room, or move the mirror: database_url", exit_code=13
        )


def _permissions(patient: Patient) -> Iterator[Finding]:
    path = patient.config_dir / SETTINGS_FILE
    if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        message = f"{path} can be changed by other users of this machine"
        yield Finding("permissions", Level.WARNING, message, f"chmod go-w {path}")
    for name, variable in variables().items():
        named = patient.environ.get(name + FILE_SUFFIX) if variable.secret else None
        file = Path(named).expanduser() if named else None
        if file and file.is_file() and file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
            message = f"{file} holds a secret and can be read by other users of this machine"
            yield Finding("permissions", Level.WARNING, message, f"chmod 600 {file}")


def _variables(patient: Patient) -> Iterator[Finding]:
    for problem in patient.unknown_variables:
        yield Finding("variables", Level.WARNING, str(problem), "correct the name, or unset it")


def _configuration(patient: Patient) -> Iterator[Finding]:
    yield Finding("configuration", Level.OK, f"{patient.config_dir / SETTINGS_FILE} is valid")
    if not patient.connectors:
        yield Finding(
            "credentials",
            Level.ERROR,
            "no CRM has credentials",
            "set MQLSYNC_HUBSPOT__ACCESS_TOKEN, or MQLSYNC_SALESFORCE__CLIENT_ID and …__CLIENT_SECRET with "
            "…__LOGIN_URL, in the environment",
            exit_code=2,
        )


def _models(patient: Patient) -> Iterator[Finding]:
    for model in patient.models:
        yield Finding("model", Level.OK, f"{model.name} version {model.version} is {model.status}")
        if model.review_by is not None and model.review_by < patient.world.now().date():
            message = f"{model.name} was to be reviewed by {model.review_by}"
            remedy = "look at it with sales, then move review_by; at least once a quarter"
            yield Finding("model", Level.WARNING, message, remedy)
    if not any(model.status == "live" for model in patient.models):
        message = "no model is live: people are scored, nothing is decided or written"
        yield Finding("model", Level.WARNING, message, 'set status = "live" in scoring.toml')


def _routing(patient: Patient) -> Iterator[Finding]:
    routing = patient.settings.routing
    wanted = [
        f"{crm}.{name}"
        for crm in patient.connectors
        for name in objects_of(crm)
        if patient.settings.writeback.targets(crm, name).owner is not None
    ]
    if wanted and not any(pool.members for pool in routing.pools.values()):
        message = f"no pool has members: owners of {', '.join(wanted)} are not decided"
        remedy = (
            "name who takes new MQLs in [routing.pools.default] of mqlsync.toml, or take out the owner lines"
        )
        yield Finding("routing", Level.WARNING, message, remedy)
    elif routing.pools and "default" not in routing.pools:
        message = "there is no pool `default`: who matches no routing rule gets no owner"
        yield Finding("routing", Level.WARNING, message, "add [routing.pools.default] to mqlsync.toml")


def _last_pass(patient: Patient) -> Iterator[Finding]:
    with patient.mirror.read() as conn:
        run = last_run(conn)
    if run is None:
        yield Finding("mirror", Level.NOTE, "nothing has been pulled yet", "mqlsync sync --dry-run")
        return
    hours = (epoch(patient.world.now()) - run.started_at) / 3600
    yield Finding("mirror", Level.OK, f"last run: {run.kind}, {run.state}, {hours:.1f} h ago")


def _engagements(patient: Patient) -> Iterator[Finding]:
    with patient.mirror.read() as conn:
        future, missing = odd_times(conn, epoch(patient.world.now()))
    if future:
        message = f"{future:,} engagements are dated in the future and wait until then"
        yield Finding("engagements", Level.WARNING, message, "look at the clock of whatever reports them")
    if missing:
        message = f"{missing:,} engagements have no time that can be read and are never scored"
        yield Finding("engagements", Level.WARNING, message, "see where their source keeps the time")


def _merges(patient: Patient) -> Iterator[Finding]:
    with patient.mirror.read() as conn:
        lost = merged_in_circles(conn)
    for crm in sorted({ref.crm for ref in lost}):
        here = [f"{ref.object} {ref.id}" for ref in lost if ref.crm == crm]
        named = ", ".join(here[:SHOWN_RECORDS]) + (", …" if len(here) > SHOWN_RECORDS else "")
        message = f"{len(here):,} records were merged in a circle, so none of them counts: {named}"
        remedy = "look in the CRM which of them is there, and read it again: mqlsync resync ID"
        yield Finding("merges", Level.WARNING, message, remedy, crm)


# --- one CRM -----------------------------------------------------------------------------------------


def _identity(_: Patient, connector: Connector, identity: Identity) -> Iterator[Finding]:
    who = identity.user_name or identity.user_id or "a token without a user"
    account = f", account {identity.account_id}" if identity.account_id else ""
    yield Finding("sign_in", Level.OK, f"signed in at {identity.origin} as {who}{account}", crm=connector.crm)


def _sign_in_method(patient: Patient, connector: Connector, _: Identity) -> Iterator[Finding]:
    one = patient.settings.salesforce
    soap = one.password is not None and one.client_secret is None and one.access_token is None
    if connector.crm == Crm.SALESFORCE and soap and one.private_key_file is None:
        message = "sign-in by password uses SOAP login(), which Salesforce retires on 2027-06-01"
        remedy = "make an External Client App and use client credentials or a JWT key before then"
        yield Finding("sign_in", Level.WARNING, message, remedy, crm=connector.crm)


def _clock(_: Patient, connector: Connector, identity: Identity) -> Iterator[Finding]:
    skew = identity.skew_seconds
    text = f"the CRM's clock and ours differ by {abs(skew):.0f} s"
    remedy = "set this machine's clock, best by NTP"
    if abs(skew) > SKEW_ERROR:
        yield Finding("clock", Level.ERROR, text, remedy, connector.crm, 5)
    elif abs(skew) > SKEW_WARNING:
        yield Finding("clock", Level.WARNING, text, remedy, connector.crm)
    else:
        yield Finding("clock", Level.OK, text, crm=connector.crm)


def _quota(patient: Patient, connector: Connector, _: Identity) -> Iterator[Finding]:
    try:
        limits = connector.limits()
    except (NotOffered, RightMissing):
        limits = Limits()
    if limits.used is None or not limits.limit:
        yield Finding(
            "quota", Level.NOTE, "the CRM has not said how many calls a day are left", crm=connector.crm
        )
        return
    text = f"{limits.used:,} of {limits.limit:,} calls of the day are used"
    if limits.used >= limits.limit:
        yield Finding("quota", Level.ERROR, text, "wait until the quota is renewed", connector.crm, 5)
    elif limits.used / limits.limit > QUOTA_WARNING:
        reserve = patient.settings.pull.reserve
        remedy = f"pulling stops at {1 - reserve:.0%} (pull.reserve); see which other programs call the API"
        yield Finding("quota", Level.WARNING, text, remedy, connector.crm)
    else:
        yield Finding("quota", Level.OK, text, crm=connector.crm)


def _write_back(patient: Patient, connector: Connector, _: Identity) -> Iterator[Finding]:
    """Fields, values and owners that write-back sets: does the CRM have them, and may we?"""
    crm = connector.crm
    try:
        owners = [_known(owner) for owner in connector.owners()]
    except (NotOffered, RightMissing) as error:
        owners = []
        remedy = "give our user or app the right to read owners; without it, owners are not decided"
        yield Finding("owners", Level.WARNING, f"owners cannot be read: {error.message}", remedy, crm)
    with patient.mirror.read() as conn:
        targets = Targets(patient.settings, owners, our_users(conn))
    found = preflight(_context(patient), connector, targets)
    for problem in dict.fromkeys(found.problems):
        yield Finding("write_back", Level.ERROR, problem.message, problem.remedy, crm, problem.exit_code)
    for warning in dict.fromkeys(found.warnings):
        remedy = "correct routing.pools in mqlsync.toml, or activate that colleague in the CRM"
        yield Finding("owners", Level.WARNING, warning, remedy, crm)
    for doubt in dict.fromkeys(found.doubts):
        remedy = "compare the values in mqlsync.toml with those of the CRM; nothing is held back for this"
        yield Finding("write_back", Level.WARNING, doubt, remedy, crm)
    if not found.problems:
        fields = sum(len(patient.settings.writeback.targets(crm, name).items()) for name in objects_of(crm))
        yield Finding(
            "write_back", Level.OK, f"all {fields} fields that write-back sets are there and ours", crm=crm
        )


def _writers(patient: Patient, connector: Connector, _: Identity) -> Iterator[Finding]:
    """Does the CRM tell who wrote a field: a person, automation, or we?"""
    for message, remedy in degraded(patient.mirror, connector, patient.settings):
        yield Finding("writers", Level.WARNING, message, remedy, connector.crm)


def _known(owner: Owner) -> KnownOwner:
    email = owner.email.strip().casefold() if owner.email else None
    return KnownOwner(owner.crm, owner.id, email, owner.name, owner.kind, owner.active)


def _feeds(patient: Patient, connector: Connector, identity: Identity) -> Iterator[Finding]:
    """May we read every feed? Asked by asking: what changed within the last minute."""
    since = epoch(patient.world.now()) + int(identity.skew_seconds) - RECENT
    readable = 0
    for feed in connector.feeds():
        if feed.every:
            continue  # reads again what another feed reads
        try:
            next(iter(connector.changes(feed, Cursor(since_ms=since * 1000))), None)
        except (AuthFailed, QuotaSpent, Retriable):
            raise  # that is about the account, not about this feed
        except ConnectorError as error:
            yield _unread(feed, error)
        else:
            readable += 1
    yield Finding("feeds", Level.OK, f"{readable} feeds can be read", crm=connector.crm)


def _unread(feed: Feed, error: ConnectorError) -> Finding:
    message = f"{feed.name} cannot be read: {error.message}"
    if not (feed.optional and isinstance(error, NotOffered | RightMissing)):
        problem = judge(error, feed.crm, feed.name).problem
        return Finding("feeds", Level.ERROR, message, problem.remedy, feed.crm, problem.exit_code)
    if isinstance(error, NotOffered):
        return Finding("feeds", Level.NOTE, message, crm=feed.crm)
    remedy = "give our user or app the right to read it, if the model uses that engagement"
    return Finding("feeds", Level.WARNING, message, remedy, feed.crm)


def _context(patient: Patient) -> Context:
    now = epoch(patient.world.now())
    clock = RunClock("doctor", now, now, now)
    return Context(patient.settings, patient.world, patient.mirror, patient.connectors, patient.models, clock)


# --- both CRMs ---------------------------------------------------------------------------------------


def _both(patient: Patient) -> Iterator[Finding]:
    """HubSpot's own Salesforce sync carries fields over by itself: two writers of one field."""
    try:
        offered = patient.connectors[Crm.HUBSPOT].offered("contacts", "salesforceleadid")
    except ConnectorError:
        return  # what is wrong with HubSpot has been said already
    if not offered.exists:
        return
    targets = patient.settings.writeback
    hubspot = dict(targets.targets(Crm.HUBSPOT, "contacts").items())
    lead = dict(targets.targets(Crm.SALESFORCE, "Lead").items())
    twice = [
        name for name in hubspot if name in lead and not (hubspot[name].via_native or lead[name].via_native)
    ]
    if twice:
        message = f"HubSpot's own Salesforce sync seems to be on; written in both CRMs: {', '.join(twice)}"
        remedy = (
            "where that sync carries the field over, set via_native on both of its lines; else switch off "
            "the mapping of that field in HubSpot"
        )
        yield Finding("native_sync", Level.WARNING, message, remedy)


LOCAL: Final[tuple[Check, ...]] = (
    _environment,
    _configuration,
    _variables,
    _permissions,
    _disk,
    _models,
    _routing,
    _last_pass,
    _engagements,
    _merges,
)
"""Looked at before any CRM is asked."""

OF_CRM: Final[tuple[tuple[str, CrmCheck], ...]] = (
    ("sign_in", _identity),
    ("sign_in", _sign_in_method),
    ("clock", _clock),
    ("quota", _quota),
    ("write_back", _write_back),
    ("writers", _writers),
    ("feeds", _feeds),
)
"""Looked at in each CRM, once signed in."""
