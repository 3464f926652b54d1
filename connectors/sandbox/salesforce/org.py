"""The org as the other modules see it: object types, tables, records by id, with this org's gaps applied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from connectors.sandbox.core import Core
from connectors.sandbox.index import Index, Key
from connectors.sandbox.salesforce.errors import fail, not_found
from connectors.sandbox.salesforce.ids import counter, to_18
from connectors.sandbox.salesforce.objects_activity import OBJECTS
from connectors.sandbox.salesforce.schema import TEXTS, Field, ObjectType, seconds_of, stamp
from connectors.sandbox.store import Record, Table

CRM = "salesforce"
_INDEX_KEYS: dict[str, Callable[[Record], Key]] = {
    "SystemModstamp": lambda record: (int(record.stamp), record.id),
    "Id": lambda record: (record.id,),
}


class Org:
    """Also remembers who is who: set-up fills in the ids of the org, its users and its queues."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.store = core.store
        self.switches = core.switches
        self.org_id = ""
        self.worker_id = ""
        """The integration user, whom API requests run as."""
        self.automation_id = ""
        self.person_id = ""
        """The user who acts when a test edits "as a person" without naming one."""
        self.inbound_queue = ""
        """Where the lead assignment rule sends leads."""
        self.hard_deleted: list[tuple[float, str, str]] = []
        """(when, object, id) of rows that are gone for good, for getDeleted."""
        self.types: dict[str, ObjectType] = {}
        self._lower: dict[str, str] = {}
        self._by_prefix: dict[str, list[str]] = {}
        self._indexes: dict[tuple[str, str], Index] = {}
        for one in OBJECTS.values():
            self.define(one)

    def now(self) -> float:
        return self.core.clock()

    # -- types ---------------------------------------------------------------------------------------------

    def define(self, kind: ObjectType) -> None:
        """Have an object of one's own."""
        self.types[kind.name] = kind
        self._lower[kind.name.lower()] = kind.name
        self._by_prefix.setdefault(kind.prefix, []).append(kind.name)
        self.store.table(CRM, kind.name).new_id = counter(kind.prefix)

    def add_fields(self, object_name: str, *fields: Field) -> None:
        """Have fields of one's own in an object."""
        kind = self.types[object_name]
        every = {**kind.fields, **{one.name: one for one in fields}}
        self.types[object_name] = replace(kind, fields=every, lower={name.lower(): name for name in every})

    def type_names(self) -> list[str]:
        return [name for name in self.types if name not in self.switches.sf_absent]

    def find_type(self, name: str) -> ObjectType | None:
        """An object type by name in any case; None when this org does not offer it."""
        spelt = self._lower.get(name.lower())
        return None if spelt is None or spelt in self.switches.sf_absent else self.types[spelt]

    def need_type(self, name: str) -> ObjectType:
        """For paths: an unknown object is 404 NOT_FOUND."""
        found = self.find_type(name)
        if found is None:
            raise not_found()
        return found

    def find_field(self, kind: ObjectType, name: str) -> Field | None:
        one = kind.find(name)
        return None if one and f"{kind.name}.{one.name}" in self.switches.sf_missing_fields else one

    def fields(self, kind: ObjectType) -> list[Field]:
        missing = self.switches.sf_missing_fields
        if not missing:
            return list(kind.fields.values())
        return [one for one in kind.fields.values() if f"{kind.name}.{one.name}" not in missing]

    def may_change(self, kind: ObjectType, one: Field | None = None) -> bool:
        """Whether this user may change such records at all, or that field of them."""
        denied = self.switches.sf_read_only
        return kind.name not in denied and (one is None or f"{kind.name}.{one.name}" not in denied)

    # -- records -------------------------------------------------------------------------------------------

    def table(self, object_name: str) -> Table:
        return self.store.table(CRM, object_name)

    def record(self, object_name: str, record_id: str) -> Record | None:
        return self.store.get(CRM, object_name, to_18(record_id))

    def index(self, object_name: str, field: str) -> Index:
        """Records by (SystemModstamp, Id) or by Id."""
        key = (object_name, field)
        if key not in self._indexes:
            self._indexes[key] = Index(self.table(object_name), _INDEX_KEYS[field])
        return self._indexes[key]

    def lookup(self, record_id: str | None) -> Record | None:
        """A record of whatever object its prefix says."""
        if not record_id:
            return None
        for name in self._by_prefix.get(record_id[:3], ()):
            record = self.store.get(CRM, name, to_18(record_id))
            if record is not None:
                return record
        return None

    def objects_of(self, record_id: str) -> list[str]:
        """Names of the objects whose ids start like this one."""
        return self._by_prefix.get(record_id[:3], [])


def invalid_type(name: str) -> Exception:
    return fail(
        400,
        "INVALID_TYPE",
        f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to "
        "append the '__c' after the entity name. Please reference your WSDL or the describe call for the "
        "appropriate names.",
    )


def no_such_column(name: str, entity: str) -> Exception:
    return fail(
        400,
        "INVALID_FIELD",
        f"No such column '{name}' on entity '{entity}'. If you are attempting to use a custom field, be sure "
        "to append the '__c' after the custom field name. Please reference your WSDL or the describe call "
        "for the appropriate names.",
    )


# -- reading a field of a record ---------------------------------------------------------------------------

Reader = Callable[[Record], Any]

_SYSTEM: dict[str, Reader] = {
    "Id": lambda record: record.id,
    "IsDeleted": lambda record: record.gone != "",
    "CreatedDate": lambda record: stamp(int(record.created)),
    "CreatedById": lambda record: record.created_by or None,
    "LastModifiedDate": lambda record: stamp(int(record.modified)),
    "LastModifiedById": lambda record: record.modified_by or None,
    "SystemModstamp": lambda record: stamp(int(record.stamp)),
    "MasterRecordId": lambda record: record.merged_into or None,
}
_SECONDS: dict[str, Reader] = {
    "CreatedDate": lambda record: int(record.created),
    "LastModifiedDate": lambda record: int(record.modified),
    "SystemModstamp": lambda record: int(record.stamp),
}


def reader(one: Field) -> Reader:
    """How to read the field of a record as it stands in JSON."""
    name = one.name
    if name in _SYSTEM:
        return _SYSTEM[name]
    if one.type == "boolean":
        return lambda record: record.values.get(name, False)
    if one.type == "address":
        return lambda record: _address(record, name)
    return lambda record: record.values.get(name)


def comparable(one: Field) -> Reader:
    """How to read it for WHERE and ORDER BY: date-times as seconds, text in lower case."""
    name = one.name
    if name in _SECONDS:
        return _SECONDS[name]
    if one.type == "datetime":
        return lambda record: seconds_of(record.values[name]) if name in record.values else None
    read = reader(one)
    if one.type in TEXTS or one.type == "picklist":
        return lambda record: value.lower() if isinstance(value := read(record), str) else None
    return read


def _address(record: Record, name: str) -> dict[str, Any] | None:
    """A compound address (Object Reference, "Address Compound Fields"); null when every part is empty."""
    start = name.removesuffix("Address")
    parts = {
        part[0].lower() + part[1:]: record.values.get(start + part)
        for part in ("City", "Country", "PostalCode", "State", "Street")
    }
    if not any(parts.values()):
        return None
    return {**parts, "geocodeAccuracy": None, "latitude": None, "longitude": None}
