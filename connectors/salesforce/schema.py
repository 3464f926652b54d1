"""What the org has: objects, fields, picklist values, record types. Described once an hour.

Source: REST API Developer Guide, "sObject Describe"; User Interface API, "Get Values for a Picklist Field".
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from config.world import World
from connectors.errors import BrokenReply, NotOffered, RecordRejected, RightMissing
from connectors.records import Offered
from connectors.salesforce.api import Api
from connectors.salesforce.http import CRM

FRESH_SECONDS: Final = 3600.0
_NUMBERS: Final = frozenset({"int", "long", "double", "currency", "percent"})
_PICKLISTS: Final = frozenset({"picklist", "multipicklist", "combobox"})


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field as described. `values` are the active picklist values; None for other types, or not listed.

    What a describe leaves out is not held against the field: the server refuses what may not be written.
    """

    name: str
    type: str
    updateable: bool
    refers_to: tuple[str, ...]
    values: tuple[str, ...] | None
    compound: bool
    length: int | None = None  # of a text; 0 in a describe means that the field has none
    createable: bool = True
    calculated: bool = False  # a formula: its changes move no timestamp

    @property
    def is_number(self) -> bool:
        """A JSON number is wanted for it."""
        return self.type in _NUMBERS


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object as described; relationships by their SOQL name."""

    name: str
    fields: Mapping[str, FieldInfo]
    relations: Mapping[str, FieldInfo]
    record_types: Mapping[str, str]  # id → DeveloperName, the master one left out
    replicateable: bool
    createable: bool = True


class Schema:
    """The org's describes, cached; safe in several threads."""

    def __init__(self, api: Api, world: World) -> None:
        self._api = api
        self._world = world
        self._lock = threading.Lock()
        self._objects: dict[str, tuple[float, ObjectInfo | NotOffered | RightMissing]] = {}
        self._offered: dict[tuple[str, str], tuple[float, Offered]] = {}

    def forget(self) -> None:
        """Describe everything anew: a query said that a field, perhaps a related one, is not there."""
        with self._lock:
            self._objects.clear()
            self._offered.clear()

    def describe(self, object_name: str) -> ObjectInfo:
        """The object. Raises NotOffered or RightMissing, from the cache as well."""
        now = self._world.monotonic()
        with self._lock:
            at, known = self._objects.get(object_name, (0.0, None))
        if known is None or now - at > FRESH_SECONDS:
            known = self._ask(object_name)
            with self._lock:
                self._objects[object_name] = (now, known)
        if isinstance(known, (NotOffered, RightMissing)):
            raise known
        return known

    def _ask(self, object_name: str) -> ObjectInfo | NotOffered | RightMissing:
        try:
            path = f"sobjects/{object_name}/describe"
            info: ObjectInfo = self._api.get(path, read=lambda body: parse_describe(object_name, body))
        except NotOffered as error:
            message = f"the org has no object {object_name}, or we may not see it"
            return NotOffered(message, what=object_name, crm=CRM, code=error.code, status=error.status)
        except RightMissing as error:
            return error
        return info

    def has(self, object_name: str) -> bool:
        """Whether the org offers an object to us."""
        try:
            self.describe(object_name)
        except (NotOffered, RightMissing):
            return False
        return True

    def has_path(self, object_name: str, path: str) -> bool:
        """Whether a SOQL path such as `Campaign.Type` leads to a field that we may read."""
        info = self.describe(object_name)
        head, _, rest = path.partition(".")
        if not rest:
            return head in info.fields and not info.fields[head].compound
        relation = info.relations.get(head)
        if relation is None or not relation.refers_to:
            return False
        if relation.refers_to == ("RecordType",):
            return rest == "DeveloperName"  # every org has it; describing it would cost a call
        return any(self.has(to) and self.has_path(to, rest) for to in relation.refers_to[:1])

    def type_of(self, object_name: str, path: str) -> str:
        """The described type at a SOQL path that exists; `string` where describing it would tell no more."""
        head, _, rest = path.partition(".")
        info = self.describe(object_name)
        if not rest:
            return info.fields[head].type
        relation = info.relations[head]
        if relation.refers_to == ("RecordType",) or len(relation.refers_to) > 1:
            return "string"
        return self.type_of(relation.refers_to[0], rest)

    def is_calculated(self, object_name: str, path: str) -> bool:
        """Whether a SOQL path that exists ends in a formula field."""
        head, _, rest = path.partition(".")
        info = self.describe(object_name)
        if not rest:
            return info.fields[head].calculated
        relation = info.relations[head]
        if relation.refers_to == ("RecordType",):
            return False
        return self.is_calculated(relation.refers_to[0], rest)

    def existing(self, object_name: str, paths: Iterable[str]) -> tuple[str, ...]:
        """Those of these paths that exist, each once, in the order given."""
        return tuple(path for path in dict.fromkeys(paths) if self.has_path(object_name, path))

    def offered(self, object_name: str, field: str) -> Offered:
        """What may be set; picklist values per record type where the org tells us."""
        now = self._world.monotonic()
        with self._lock:
            at, known = self._offered.get((object_name, field), (0.0, None))
        if known is None or now - at > FRESH_SECONDS:
            known = self._ask_offered(object_name, field)
            with self._lock:
                self._offered[object_name, field] = (now, known)
        return known

    def _ask_offered(self, object_name: str, field: str) -> Offered:
        try:
            info = self.describe(object_name)
        except (NotOffered, RightMissing):
            return Offered(exists=False)
        described = info.fields.get(field)
        if described is None:
            return Offered(exists=False)
        values = described.values
        if values is None:
            return Offered(exists=True, writable=described.updateable, length=described.length)
        if (object_name, field) == ("Lead", "Status"):
            converted = self._converted_statuses()
            values = tuple(value for value in values if value not in converted)
        narrowed = {
            developer_name: tuple(value for value in offered if value in values)
            for type_id, developer_name in info.record_types.items()
            if (offered := self._picklist(object_name, type_id, field)) is not None
        }
        return Offered(True, described.updateable, values, narrowed)

    def _converted_statuses(self) -> frozenset[str]:
        """Lead statuses that only a conversion sets; a plain update to one of them is refused."""
        try:
            body = self._api.get("query", {"q": "SELECT ApiName FROM LeadStatus WHERE IsConverted = true"})
        except (NotOffered, RightMissing, RecordRejected):
            return frozenset()
        rows = body.get("records") if isinstance(body, dict) else None
        return frozenset(
            row["ApiName"]
            for row in (rows if isinstance(rows, list) else [])
            if isinstance(row, dict) and isinstance(row.get("ApiName"), str)
        )

    def _picklist(self, object_name: str, type_id: str, field: str) -> tuple[str, ...] | None:
        path = f"ui-api/object-info/{object_name}/picklist-values/{type_id}/{field}"
        try:
            body = self._api.get(path)
        except (NotOffered, RightMissing, RecordRejected):
            return None
        entries = body.get("values") if isinstance(body, dict) else None
        if not isinstance(entries, list):
            return None
        return tuple(
            entry["value"]
            for entry in entries
            if isinstance(entry, dict) and isinstance(entry.get("value"), str)
        )


def parse_describe(object_name: str, body: Any) -> ObjectInfo:
    """A describe result as `ObjectInfo`. Raises BrokenReply when it is none."""
    raw_fields = body.get("fields") if isinstance(body, dict) else None
    if not isinstance(raw_fields, list) or not raw_fields:
        raise BrokenReply(f"the describe of {object_name} has no fields", crm=CRM, code="NOT_A_DESCRIBE")
    fields: dict[str, FieldInfo] = {}
    relations: dict[str, FieldInfo] = {}
    for raw in raw_fields:
        if not isinstance(raw, dict) or not isinstance(raw.get("name"), str):
            raise BrokenReply(f"the describe of {object_name} is odd", crm=CRM, code="NOT_A_DESCRIBE")
        info = _field(raw)
        fields[info.name] = info
        if isinstance(relation := raw.get("relationshipName"), str) and info.refers_to:
            relations[relation] = info
    return ObjectInfo(
        object_name,
        fields,
        relations,
        _record_types(body),
        bool(body.get("replicateable", True)),
        body.get("createable") is not False,
    )


def _field(raw: Mapping[str, Any]) -> FieldInfo:
    kind = str(raw.get("type") or "string")
    values: tuple[str, ...] | None = None
    if kind in _PICKLISTS and isinstance(raw.get("picklistValues"), list):
        values = tuple(
            entry["value"]
            for entry in raw["picklistValues"]
            if isinstance(entry, dict) and isinstance(entry.get("value"), str) and entry.get("active", True)
        )
    refers_to = tuple(to for to in _listed(raw, "referenceTo") if isinstance(to, str))
    return FieldInfo(
        name=raw["name"],
        type=kind,
        updateable=raw.get("updateable", True) is True,
        refers_to=refers_to,
        values=values,
        compound=kind in ("address", "location"),
        length=length if isinstance(length := raw.get("length"), int) and length > 0 else None,
        createable=raw.get("createable") is not False,
        calculated=raw.get("calculated") is True,
    )


def _record_types(body: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for entry in _listed(body, "recordTypeInfos"):
        if isinstance(entry, dict) and not entry.get("master") and entry.get("active", True):
            type_id, developer_name = entry.get("recordTypeId"), entry.get("developerName")
            if isinstance(type_id, str) and isinstance(developer_name, str):
                found[type_id] = developer_name
    return found


def _listed(body: Mapping[str, Any], name: str) -> list[Any]:
    """A list in a describe; an empty one where it is left out."""
    found = body.get(name)
    return found if isinstance(found, list) else []
