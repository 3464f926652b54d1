"""What happens when a record is saved: checks, rules, triggers, history, in Salesforce's order.

Source: Apex Developer Guide "Triggers and Order of Execution"; REST API Developer Guide "Assignment Rule
Header" (default TRUE, on create and update); Object Reference for what fields follow from others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.sandbox.salesforce import duplicates
from connectors.sandbox.salesforce.derived import derive
from connectors.sandbox.salesforce.errors import SaveError
from connectors.sandbox.salesforce.history import track
from connectors.sandbox.salesforce.objects_activity import CONVERTED_STATUSES
from connectors.sandbox.salesforce.org import CRM, Org
from connectors.sandbox.salesforce.schema import TEXTS, Field, ObjectType
from connectors.sandbox.salesforce.values import canonical
from connectors.sandbox.store import Record


@dataclass(frozen=True)
class Saver:
    """On whose behalf a save happens."""

    author: str
    actor: str
    """The user's id."""
    auto_assign: bool = False
    """Whether the active assignment rule fires (header Sforce-Auto-Assign, TRUE when absent)."""
    checked: bool = True
    """An API client: field rights, validation rules, locks and owner rules apply. The seed skips them."""
    at: float | None = None
    on_duplicates: duplicates.Answers = duplicates.UNASKED


def create(
    org: Org, kind: ObjectType, given: Mapping[str, Any], saver: Saver, record_id: str | None = None
) -> Record:
    """A new record; raises SaveError."""
    if saver.checked:
        _may_change(org, kind)
    values = _canonical_fields(org, kind, given, saver, None)
    for one in kind.fields.values():
        if one.default is not None and one.name not in values:
            values[one.name] = one.default
    if kind.owners and "OwnerId" not in values:
        values["OwnerId"] = saver.actor
    if saver.checked:
        _required(kind, values)
        _refused(org, kind.name)
        _owner(org, kind, values.get("OwnerId"))
        _validation_rule(org, kind, values)
        duplicates.check(org, kind.name, values, "", saver.on_duplicates)
    values.update(derive(org, kind.name, values, saver.at))
    record = org.store.create(
        CRM, kind.name, values, record_id=record_id, at=saver.at, author=saver.author, actor=saver.actor
    )
    if saver.auto_assign:
        _assign(org, record, saver)
    if saver.author != "seed":
        _flow(org, record, saver)
    return record


def update(org: Org, kind: ObjectType, record: Record, given: Mapping[str, Any], saver: Saver) -> None:
    """Change a record; raises SaveError and leaves it as it was."""
    if record.gone:
        raise SaveError("ENTITY_IS_DELETED", "entity is deleted", status=404)
    if saver.checked:
        _may_change(org, kind)
    changes = _canonical_fields(org, kind, given, saver, record)
    if saver.checked:
        _may_update(org, kind, record, changes)
        duplicates.check(org, kind.name, {**record.values, **changes}, record.id, saver.on_duplicates)
    after = {**record.values, **changes}
    changes.update(derive(org, kind.name, {k: v for k, v in after.items() if v is not None}, saver.at))
    touched = set(changes)
    before = {name: record.get(name) for name in touched}
    org.store.change(CRM, record, changes, at=saver.at, author=saver.author, actor=saver.actor)
    if saver.auto_assign:
        before.setdefault("OwnerId", record.get("OwnerId"))
        _assign(org, record, saver)
    if saver.author != "seed":
        before.update({name: old for name, old in _flow(org, record, saver).items() if name not in before})
    track(org, record, before, saver)


# -- checks ------------------------------------------------------------------------------------------------


def _canonical_fields(
    org: Org, kind: ObjectType, given: Mapping[str, Any], saver: Saver, record: Record | None
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name.lower() in ("attributes", "id"):
            continue
        one = org.find_field(kind, name)
        if one is None:
            raise SaveError("INVALID_FIELD", f"No such column '{name}' on sobject of type {kind.name}")
        if saver.checked and not (_writable(one, record is None) and org.may_change(kind, one)):
            message = (
                f"Unable to create/update fields: {one.name}. Please check the security settings of this "
                "field and verify that it is read/write for your profile or permission set."
            )
            raise SaveError("INVALID_FIELD_FOR_INSERT_UPDATE", message, [one.name])
        if saver.checked:
            values[one.name] = canonical(org, kind, one, value, record)
        else:
            values[one.name] = _trusted(org, kind, one, value, record)
    return values


def _trusted(org: Org, kind: ObjectType, one: Field, value: Any, record: Record | None) -> Any:
    """Values of seed and people are barely normalised: text and addresses may be junk, references may point
    to what comes later."""
    if value is None or value == "":
        return None
    if one.type == "reference" or one.type in TEXTS:
        return value
    return canonical(org, kind, one, value, record)


def _writable(one: Field, new: bool) -> bool:
    return one.writable and (new or not one.create_only)


def _required(kind: ObjectType, values: Mapping[str, Any]) -> None:
    missing = [one.name for one in kind.fields.values() if one.required and values.get(one.name) is None]
    if missing:
        message = f"Required fields are missing: [{', '.join(missing)}]"
        raise SaveError("REQUIRED_FIELD_MISSING", message, missing)


def _may_update(org: Org, kind: ObjectType, record: Record, changes: Mapping[str, Any]) -> None:
    if record.id in org.switches.sf_locked:
        message = f"unable to obtain exclusive access to this record or 1 records: {record.id}"
        raise SaveError("UNABLE_TO_LOCK_ROW", message)
    _refused(org, kind.name)
    _refused(org, record.id)
    if kind.name == "Lead":
        _lead(org, record, changes)
    _owner(org, kind, changes.get("OwnerId", record.get("OwnerId")))
    _validation_rule(org, kind, {**record.values, **changes})


def _may_change(org: Org, kind: ObjectType) -> None:
    if not org.may_change(kind):
        message = "insufficient access rights on object id"
        raise SaveError("INSUFFICIENT_ACCESS_OR_READONLY", message, status=403)


def _refused(org: Org, name: str) -> None:
    refusal = org.switches.sf_refused.get(name)
    if refusal is not None:
        raise SaveError(refusal[0], refusal[1])


def _lead(org: Org, record: Record, changes: Mapping[str, Any]) -> None:
    if record.get("IsConverted"):
        if not org.switches.sf_edit_converted_leads:
            raise SaveError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
    elif changes.get("Status") in CONVERTED_STATUSES:
        raise SaveError("INVALID_STATUS", f"invalid status: {changes['Status']}", ["Status"])


def _owner(org: Org, kind: ObjectType, owner_id: str | None) -> None:
    """An inactive owner spoils the save even when the owner is not touched (NPSP issue 751)."""
    owner = org.lookup(owner_id)
    if not kind.owners or owner is None:
        return
    if owner.object == "Group":
        if "Group" not in kind.owners or not _queue_takes(org, owner, kind.name):
            message = f"Owner ID: id value of incorrect type: {owner.id}"
            raise SaveError("FIELD_INTEGRITY_EXCEPTION", message, ["OwnerId"])
        return
    if owner.get("UserType") not in (None, "Standard", "AutomatedProcess", "PowerPartner"):
        raise SaveError(
            "OP_WITH_INVALID_USER_TYPE_EXCEPTION", "operation with invalid user type", ["OwnerId"]
        )
    if not owner.get("IsActive") and not org.switches.sf_update_with_inactive_owner:
        message = f"operation performed with inactive user [{owner.id[:15]}] as owner of {kind.name.lower()}"
        raise SaveError("INACTIVE_OWNER_OR_USER", message)


def _queue_takes(org: Org, queue: Record, object_name: str) -> bool:
    if queue.get("Type") != "Queue":
        return False
    return any(
        row.get("QueueId") == queue.id and row.get("SobjectType") == object_name
        for row in org.table("QueueSobject")
    )


def _validation_rule(org: Org, kind: ObjectType, values: Mapping[str, Any]) -> None:
    rule = org.switches.sf_validation_rules.get(kind.name)
    if rule is not None and values.get(rule[0]) in (None, ""):
        raise SaveError("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule[1])


# -- what follows ------------------------------------------------------------------------------------------


def _assign(org: Org, record: Record, saver: Saver) -> None:
    """The lead assignment rule; it wins over an OwnerId sent in the same request."""
    if record.object != "Lead" or not org.switches.sf_assignment_rule:
        return
    org.store.change(
        CRM,
        record,
        {"OwnerId": org.inbound_queue},
        at=saver.at,
        author="automation",
        actor=saver.actor,
        source="assignment rule",
    )


def _flow(org: Org, record: Record, saver: Saver) -> dict[str, Any]:
    """A record-triggered flow runs as the user who saved, so LastModifiedById stays theirs."""
    flow = org.switches.sf_flow.get(record.object)
    if flow is None or record.get(flow[0]) != flow[1]:
        return {}
    return org.store.change(
        CRM, record, {flow[0]: flow[2]}, at=saver.at, author="automation", actor=saver.actor, source="flow"
    )
