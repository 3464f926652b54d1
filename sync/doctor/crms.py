"""Checks of a CRM that could be signed in to, and of both together. Nothing is written there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from config.errors import nearest
from config.world import epoch
from connectors.base import Connector
from connectors.errors import AuthFailed, ConnectorError, NotOffered, QuotaSpent, Retriable, RightMissing
from connectors.records import Crm, Cursor, Feed, Identity, Limits, Owner
from sync.context import Context, RunClock
from sync.doctor.findings import CrmCheck, Finding, Level, Patient
from sync.doctor.rights import right_for
from sync.mirror.routing import KnownOwner
from sync.stages.detection import degraded
from sync.stages.preflight import preflight
from sync.stages.targets import Targets, objects_of, our_users
from sync.stages.trouble import judge

SKEW_WARNING: Final = 60.0  # seconds between the CRM's clock and ours
SKEW_ERROR: Final = 600.0
RECENT: Final = 60  # seconds
QUOTA_WARNING: Final = 0.8  # share of the day's calls


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


def _hand_off(patient: Patient, connector: Connector, _: Identity) -> Iterator[Finding]:
    """May we make the task or note that each hand-off is to leave?"""
    kind = patient.settings.writeback.hand_off(connector.crm)
    if kind is None:
        return
    missing = connector.task_right(kind)
    if missing:
        remedy = f"give our user or app that right, or take hand_off out of [writeback.{connector.crm}]"
        yield Finding("hand_off", Level.ERROR, f"no {kind} can be made: {missing}", remedy, connector.crm, 4)
    elif missing is None:
        message = f"whether a {kind} may be made for each hand-off, the CRM does not tell"
        yield Finding("hand_off", Level.NOTE, message, crm=connector.crm)
    else:
        yield Finding("hand_off", Level.OK, f"a {kind} may be made for each hand-off", crm=connector.crm)


def _writers(patient: Patient, connector: Connector, _: Identity) -> Iterator[Finding]:
    """Does the CRM tell who wrote a field: a person, automation, or we?"""
    for message, remedy in degraded(patient.mirror, connector, patient.settings):
        yield Finding("writers", Level.WARNING, message, remedy, connector.crm)


def _known(owner: Owner) -> KnownOwner:
    email = owner.email.strip().casefold() if owner.email else None
    return KnownOwner(owner.crm, owner.id, email, owner.name, owner.kind, owner.active)


def _feeds(patient: Patient, connector: Connector, identity: Identity) -> Iterator[Finding]:
    """May we read every feed? Asked by asking: what changed within the last minute."""
    yield from _objects_named(patient, connector)
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


def _objects_named(patient: Patient, connector: Connector) -> Iterator[Finding]:
    """Objects that the configuration speaks of and that are no feed's: what it says of them does nothing."""
    known = sorted({f"{feed.crm}.{feed.object}" for feed in connector.feeds()})
    off = {name for name, chosen in patient.settings.pull.objects.items() if not chosen.on}
    named = {name: f'[pull.objects."{name}"]' for name in patient.settings.pull.objects if name not in off}
    named |= {name: f'schedule.objects."{name}"' for name in patient.settings.schedule.objects}
    for name, key in named.items():
        if name.startswith(f"{connector.crm}.") and name not in known:
            near = nearest(name, known)
            meant = f"; did you mean {near}?" if near else ""
            message = f"{key} does nothing: {name} is not pulled{meant}"
            remedy = "correct the name, or switch it on by [pull.objects] or a rule of [engagement]"
            yield Finding("feeds", Level.WARNING, message, remedy, connector.crm)


def _unread(feed: Feed, error: ConnectorError) -> Finding:
    message = f"{feed.name} cannot be read: {error.message}"
    if not (feed.optional and isinstance(error, NotOffered | RightMissing)):
        problem = judge(error, feed.crm, feed.name).problem
        remedy = right_for(feed) if isinstance(error, RightMissing) else problem.remedy
        return Finding("feeds", Level.ERROR, message, remedy, feed.crm, problem.exit_code)
    if isinstance(error, NotOffered):
        return Finding("feeds", Level.NOTE, message, crm=feed.crm)
    remedy = f"{right_for(feed)}, if the model uses that engagement"
    return Finding("feeds", Level.WARNING, message, remedy, feed.crm)


def _context(patient: Patient) -> Context:
    now = epoch(patient.world.now())
    clock = RunClock("doctor", now, now, now)
    return Context(patient.settings, patient.world, patient.mirror, patient.connectors, patient.models, clock)


def both(patient: Patient) -> Iterator[Finding]:
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


OF_CRM: Final[tuple[tuple[str, CrmCheck], ...]] = (
    ("sign_in", _identity),
    ("sign_in", _sign_in_method),
    ("clock", _clock),
    ("quota", _quota),
    ("write_back", _write_back),
    ("hand_off", _hand_off),
    ("writers", _writers),
    ("feeds", _feeds),
)
"""Looked at in each CRM, once signed in."""
