"""Field paths of SOQL: `Status`, `Owner.Name`, `Who.Type`, `Campaign.Owner.Email`.

Source: SOQL and SOSL Reference, "Understanding Relationship Names" and "Polymorphic Keys and Relationships in
SOQL Queries": a polymorphic parent answers with type `Name` and offers the fields of the `Name` object, among
them Type (User or Queue for owners, Lead or Contact for Who).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from connectors.sandbox.salesforce.errors import fail
from connectors.sandbox.salesforce.org import Org, Reader, comparable, no_such_column, reader
from connectors.sandbox.salesforce.schema import Field, ObjectType
from connectors.sandbox.store import Record

TYPE_FIELD = Field("Type", "picklist", "Type", 40)
NAME_FIELD = Field("Name", "string", "Name", 121)


@dataclass(frozen=True)
class Hop:
    """One step over a lookup field."""

    name: str
    """Relationship name as spelt by the schema."""
    field: str
    """The lookup field followed."""
    polymorphic: bool

    def follow(self, org: Org, record: Record) -> Record | None:
        return org.lookup(record.values.get(self.field) or _system_reference(record, self.field))


@dataclass(frozen=True)
class Path:
    hops: tuple[Hop, ...]
    leaf: Field
    value: Reader
    """The JSON value, None where a step leads nowhere."""
    compare: Reader
    end: Reader
    """The JSON value, read from the record that the hops lead to."""


def resolve(org: Org, kind: ObjectType, path: str) -> Path:
    """Find what a path means; raises the INVALID_FIELD answer."""
    *steps, last = path.split(".")
    if steps and steps[0].lower() == kind.name.lower():
        steps = steps[1:]  # Lead.Name FROM Lead
    hops: list[Hop] = []
    kinds = [kind]
    for step in steps:
        hop, kinds = _hop(org, kinds, step)
        hops.append(hop)
    polymorphic = bool(hops) and hops[-1].polymorphic
    leaf = _leaf(org, kinds, last, polymorphic)
    end = _read_leaf(org, kinds, leaf, polymorphic, reader)
    compare = _read_leaf(org, kinds, leaf, polymorphic, comparable)
    return Path(tuple(hops), leaf, _through(org, hops, end), _through(org, hops, compare), end)


def _hop(org: Org, kinds: list[ObjectType], step: str) -> tuple[Hop, list[ObjectType]]:
    for kind in kinds:
        for one in org.fields(kind):
            if one.relationship and one.relationship.lower() == step.lower():
                targets = [target for name in one.refers_to if (target := org.find_type(name))]
                return Hop(one.relationship, one.name, len(one.refers_to) > 1), targets
    raise fail(
        400,
        "INVALID_FIELD",
        f"Didn't understand relationship '{step}' in field path. If you are attempting to use a custom "
        "relationship, be sure to append the '__r' after the custom relationship name. Please reference your "
        "WSDL or the describe call for the appropriate names.",
    )


def _leaf(org: Org, kinds: list[ObjectType], name: str, polymorphic: bool) -> Field:
    if polymorphic and name.lower() == "type":
        return TYPE_FIELD
    if polymorphic and name.lower() == "name":
        return NAME_FIELD
    for kind in kinds:
        found = org.find_field(kind, name)
        if found is not None:
            return found
    raise no_such_column(name, "Name" if polymorphic else kinds[0].name if kinds else "Name")


def _read_leaf(
    org: Org, kinds: list[ObjectType], leaf: Field, polymorphic: bool, how: Callable[[Field], Reader]
) -> Reader:
    if not polymorphic:
        return how(leaf)
    if leaf is TYPE_FIELD:
        lower = how is comparable
        return lambda record: _type_name(record).lower() if lower else _type_name(record)
    readers = {kind.name: how(one) for kind in kinds if (one := org.find_field(kind, leaf.name))}

    def read(record: Record) -> Any:
        known = readers.get(record.object)
        return known(record) if known else None

    return read


def _type_name(record: Record) -> str:
    """What `Owner.Type` or `Who.Type` says: a group says which kind it is, others their object."""
    return str(record.values.get("Type", "Queue")) if record.object == "Group" else record.object


def _through(org: Org, hops: list[Hop], read: Reader) -> Reader:
    if not hops:
        return read

    def walk(record: Record) -> Any:
        current: Record | None = record
        for hop in hops:
            current = hop.follow(org, current) if current is not None else None
        return read(current) if current is not None else None

    return walk


def _system_reference(record: Record, field: str) -> str | None:
    if field == "CreatedById":
        return record.created_by
    if field == "LastModifiedById":
        return record.modified_by
    if field == "MasterRecordId":
        return record.merged_into
    return None
