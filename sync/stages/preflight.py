"""Before anything is written: does the CRM offer what the configuration wants to set?

A value, field or owner that is not there is a mistake of the configuration, found here and not by a
thousand refused records. It stops the writes of its object; pulling and scoring go on.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from config.errors import nearest
from config.settings import Pool
from connectors.base import Connector
from connectors.errors import NotOffered
from connectors.records import Offered
from sync.context import Context
from sync.core.cases import LIFECYCLE_LADDER
from sync.core.owner import QUEUE_PREFIX, may_own, normal_email
from sync.mirror.reconciling import type_in_use
from sync.reports import RunProblem
from sync.stages.targets import Place, Targets, live_models, places

CONFIGURATION = 2
"""The exit code of a mistake in the configuration."""


@dataclass(slots=True)
class Preflight:
    """What was found for one CRM. `stopped`: objects whose fields must not be written now.

    `warnings` are about owners, `doubts` about values; neither stops anything.
    """

    problems: list[RunProblem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
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
            _check_record_types(ctx, found, place, offered, key)
            _check_replaced(found, place, offered, key)
        elif place.purpose == "owner":
            _check_owners(ctx, found, place, targets)
        elif offered.values is not None:
            _check_ours(ctx, found, place, offered, key)
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
        if allowed is not None and value is not None and value not in allowed:
            of_type = f" of record type {record_type}" if record_type else ""
            remedy = f"set the value of mql in {key} to one of: {', '.join(allowed)}"
            message = f"{place.crm} does not offer {value!r} for {name}{of_type}{_near(value, allowed)}"
            found.stop(place, message, remedy, "VALUE_NOT_OFFERED")
    ladder = place.policy.ladder or LIFECYCLE_LADDER
    if place.policy.policy == "ladder":
        for value in place.desired().values():
            if value is not None and value not in ladder:
                message = f"{value!r} is not on the ladder of {key}"
                found.stop(place, message, f"add it to {key}.ladder", "VALUE_NOT_ON_LADDER")
    if place.policy.policy == "last_supplied" and place.policy.from_ is None:
        found.stop(
            place,
            f"{key} has the policy last_supplied and no `from`",
            f'say in {key}.from which values may be replaced ("" for empty)',
            "FROM_MISSING",
        )


def _check_record_types(ctx: Context, found: Preflight, place: Place, offered: Offered, key: str) -> None:
    """The value for all others is offered for each record type that has no value of its own."""
    desired = place.desired()
    value = desired.get("")
    for record_type, allowed in sorted(offered.by_record_type.items()):
        if value is None or record_type in desired or value in allowed or not allowed:
            continue  # a type that shows no value at all was not told of, rather than has none
        name = f"{place.object}.{place.policy.field}"
        message = (
            f"{place.crm} does not offer {value!r} for {name} of record type {record_type}"
            f"{_near(value, allowed)}"
        )
        with ctx.mirror.read() as conn:
            in_use = type_in_use(conn, place.crm, place.object, record_type)
        if not in_use:
            found.doubts.append(f"{message}; no record has that type now")
            continue
        remedy = (
            f"set {key}.record_types.{record_type} to {{ mql = … }} with one of: {', '.join(allowed)}; "
            "or to {} where these records are to be left alone"
        )
        found.stop(place, message, remedy, "VALUE_NOT_OFFERED")


def _check_replaced(found: Preflight, place: Place, offered: Offered, key: str) -> None:
    """Values that are looked for in a record and look like slips of the pen: nothing would ever match.

    A value that is not offered any more may still stand in old records: that alone is no mistake.
    """
    named = {
        "from": place.policy.from_ or (),
        "human_only": place.policy.human_only,
        "demote_from": place.policy.demote_from,
    }
    for setting, values in named.items():
        for value in values:
            near = nearest(value, offered.values or ()) if value else ""
            if near and offered.values is not None and value not in offered.values and near not in values:
                missing = f"which {place.crm} does not offer; nearest: {near!r}"
                found.doubts.append(f"{key}.{setting} names {value!r}, {missing}")


def _check_ours(ctx: Context, found: Preflight, place: Place, offered: Offered, key: str) -> None:
    """A field of our own that takes only listed values has to list every grade, and suits nothing else."""
    name = f"{place.object}.{place.policy.field}"
    if place.purpose != "grade":
        message = f"{name} takes only the values of a list, no {place.purpose}"
        found.stop(place, message, f"name a field of another kind in {key}", "VALUE_NOT_OFFERED")
        return
    missing = [grade for grade in _grades(ctx) if grade not in (offered.values or ())]
    if missing:
        message = f"{place.crm} does not offer {', '.join(missing)} for {name}"
        found.stop(place, message, f"add them to the list of {name}", "VALUE_NOT_OFFERED")


def _grades(ctx: Context) -> list[str]:
    """Every grade that a live model may give."""
    grades = (model.grade for model in live_models(ctx.models))
    return sorted(
        {
            fit + engagement
            for grade in grades
            for fit in (*(word for word, _ in grade.fit), grade.fit_below)
            for engagement in (*(word for word, _ in grade.engagement), grade.engagement_below)
        }
    )


def _near(value: str, allowed: Collection[str]) -> str:
    near = nearest(value, allowed)
    return f"; nearest: {near!r}" if near else ""


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
