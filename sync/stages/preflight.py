"""Before anything is written: does the CRM offer what the configuration wants to set?

A value, field or owner that is not there is a mistake of the configuration, found here and not by a
thousand refused records. It stops the writes of its object; pulling and scoring go on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from config.errors import nearest
from config.settings import Pool
from connectors.base import Connector
from connectors.errors import NotOffered
from connectors.records import Offered
from sync.context import Context
from sync.core.owner import QUEUE_PREFIX, may_own, normal_email
from sync.core.writes import LIFECYCLE_LADDER
from sync.reports import RunProblem
from sync.stages.targets import Place, Targets, places

CONFIGURATION = 2
"""The exit code of a mistake in the configuration."""


@dataclass(slots=True)
class Preflight:
    """What was found for one CRM. `stopped`: objects whose fields must not be written now."""

    problems: list[RunProblem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    stopped: set[str] = field(default_factory=set)

    def stop(self, place: Place, message: str, remedy: str, code: str) -> None:
        """Report a mistake and stop the writes of its object."""
        self.problems.append(RunProblem(code, place.crm, message, remedy, CONFIGURATION))
        self.stopped.add(place.object)


def preflight(ctx: Context, connector: Connector, targets: Targets) -> Preflight:
    """Check every configured field of one CRM. Raises what the connector raises about the account."""
    found = Preflight()
    for place in places(ctx.settings, [connector.crm]):
        offered = _offered(connector, place)
        name = f"{place.object}.{place.policy.field}"
        key = f"writeback.{place.crm}.{place.object}.{place.purpose}"
        if not offered.exists:
            remedy = f"correct {key} in mqlsync.toml, or give our user access to the field"
            found.stop(place, f"{place.crm} shows no field {name}", remedy, "FIELD_MISSING")
        elif not offered.writable:
            remedy = f"give our user the right to edit it, or take {key} out of mqlsync.toml"
            found.stop(place, f"{name} is not ours to write", remedy, "FIELD_READ_ONLY")
        elif place.purpose in ("status", "stage"):
            _check_values(found, place, offered, key)
        elif place.purpose == "owner":
            _check_owners(ctx, found, place, targets)
    return found


def _offered(connector: Connector, place: Place) -> Offered:
    try:
        return connector.offered(place.object, place.policy.field)
    except NotOffered:
        return Offered(False)


def _check_values(found: Preflight, place: Place, offered: Offered, key: str) -> None:
    name = f"{place.object}.{place.policy.field}"
    for record_type, value in place.desired().items():
        allowed = offered.by_record_type.get(record_type, offered.values) if record_type else offered.values
        if allowed is not None and value not in allowed:
            near = nearest(value, allowed)
            shown = f"; nearest: {near!r}" if near else ""
            remedy = f"set the value of mql in {key} to one of: {', '.join(allowed)}"
            message = f"{place.crm} does not offer {value!r} for {name}{shown}"
            found.stop(place, message, remedy, "VALUE_NOT_OFFERED")
    ladder = place.policy.ladder or LIFECYCLE_LADDER
    if place.policy.policy == "ladder":
        for value in place.desired().values():
            if value not in ladder:
                message = f"{value!r} is not on the ladder of {key}"
                found.stop(place, message, f"add it to {key}.ladder", "VALUE_NOT_ON_LADDER")
    if place.policy.policy == "last_supplied" and place.policy.from_ is None:
        found.stop(
            place,
            f"{key} has the policy last_supplied and no `from`",
            f'say in {key}.from which values may be replaced ("" for empty)',
            "FROM_MISSING",
        )


def _check_owners(ctx: Context, found: Preflight, place: Place, targets: Targets) -> None:
    routing = ctx.settings.routing
    for rule in routing.rules:
        if rule.pool not in routing.pools:
            near = nearest(rule.pool, routing.pools)
            shown = f"; did you mean {near!r}?" if near else ""
            found.stop(place, f"there is no pool {rule.pool!r}{shown}", "see routing.pools", "POOL_MISSING")
    for name, pool in routing.pools.items():
        _check_pool(found, place, targets, name, pool)


def _check_pool(found: Preflight, place: Place, targets: Targets, name: str, pool: Pool) -> None:
    if not pool.members:
        return
    known = {owner.email: owner for owner in targets.owners if owner.crm == place.crm and owner.email}
    missing: list[str] = []
    for member in pool.members:
        email = normal_email(member.email)
        owner = targets.person(place.crm, email)
        if owner is None or not may_own(place.crm, place.object, owner.kind, active=owner.active):
            near = nearest(email, known)
            state = "inactive" if owner is not None else "unknown" + (f" (nearest: {near})" if near else "")
            missing.append(f"{email} is {state}")
    if not missing:
        return
    message = f"pool {name}: in {place.crm} {'; '.join(missing)}"
    if len(missing) < len(pool.members):
        found.warnings.append(message)
    elif not _has_fallback(place, targets, pool):
        remedy = f"name at least one active user of {place.crm} in routing.pools.{name}.members"
        found.stop(place, message, remedy, "OWNER_NOT_OFFERED")
    else:
        found.warnings.append(f"{message}; the fall-back {pool.fallback} is used")


def _has_fallback(place: Place, targets: Targets, pool: Pool) -> bool:
    if not pool.fallback:
        return False
    if pool.fallback.startswith(QUEUE_PREFIX):
        owner = targets.queue(place.crm, pool.fallback.removeprefix(QUEUE_PREFIX))
    else:
        owner = targets.person(place.crm, normal_email(pool.fallback))
    return owner is not None and may_own(place.crm, place.object, owner.kind, active=owner.active)
