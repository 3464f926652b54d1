"""What an account knows of its own fields: properties, their options, pipelines.

Asked once an hour, and anew after a contradiction.
"""

from __future__ import annotations

from typing import Final

import msgspec

from connectors import fields
from connectors.errors import NotOffered, RecordRejected, RightMissing
from connectors.hubspot.account import Account
from connectors.hubspot.reader import PipelineList, Property, PropertyList, PropertyName, Stage
from connectors.records import Offered

FRESH: Final = 3600.0  # seconds that a description is believed
LONGEST_TEXT: Final = 65_536  # characters of a text property (knowledge base: property field types)


class Catalogue:
    """Answers from memory while that is fresh."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._offered: dict[tuple[str, str], tuple[float, Offered]] = {}
        self._names: dict[str, tuple[float, tuple[str, ...], frozenset[str]]] = {}
        self._stages: dict[tuple[str, str], tuple[bool, bool]] | None = None

    def offered(self, object_name: str, field: str) -> Offered:
        """What values a property takes. Raises RightMissing when properties may not be read at all."""
        now = self._account.world.monotonic()
        known = self._offered.get((object_name, field))
        if known is None or now - known[0] > FRESH:
            known = now, self._ask(object_name, field)
            self._offered[object_name, field] = known
        return known[1]

    def _ask(self, object_name: str, field: str) -> Offered:
        try:
            answer = self._account.read(Property, "property", object=object_name, field=field)
        except (NotOffered, RecordRejected):
            return Offered(exists=False)
        return offered_by(answer.value)

    def forget(self, object_name: str) -> None:
        """HubSpot has just contradicted what we knew of an object: ask again when next asked."""
        self._names.pop(object_name, None)
        self._offered = {key: known for key, known in self._offered.items() if key[0] != object_name}

    def names(self, object_name: str) -> tuple[str, ...]:
        """Every property of an object."""
        return self._listed(object_name)[1]

    def calculated(self, object_name: str) -> frozenset[str]:
        """The properties of an object that HubSpot calculates; none where properties may not be listed."""
        try:
            return self._listed(object_name)[2]
        except (NotOffered, RightMissing, RecordRejected):
            return frozenset()

    def _listed(self, object_name: str) -> tuple[float, tuple[str, ...], frozenset[str]]:
        """(when it was asked, names, calculated names)."""
        now = self._account.world.monotonic()
        known = self._names.get(object_name)
        if known is None or now - known[0] > FRESH:
            answer = self._account.read(PropertyList, "properties", object=object_name)
            described = [_described(raw) for raw in answer.value.results]
            listed = [entry for entry in described if entry is not None and not entry.archived]
            calculated = frozenset(entry.name for entry in listed if entry.calculated)
            known = now, tuple(entry.name for entry in listed), calculated
            self._names[object_name] = known
        return known

    def stage(self, pipeline: str, stage: str) -> tuple[bool, bool]:
        """(closed, won) of a stage of the deal pipelines; open when nothing is known of it.

        Without the right to read pipelines, HubSpot's default stages are known by their names.
        """
        if self._stages is None:
            try:
                answer = self._account.read(PipelineList, "pipelines", object="deals")
            except (NotOffered, RightMissing, RecordRejected):
                self._stages = {}
            else:
                self._stages = {
                    (str(pipe.id), str(entry.id)): _closed_won(entry)
                    for pipe in answer.value.results
                    for entry in pipe.stages or ()
                }
        by_default = {"closedwon": (True, True), "closedlost": (True, False)}.get(stage, (False, False))
        return self._stages.get((pipeline, stage), by_default)


def _described(raw: msgspec.Raw) -> Property | None:
    """A property of the list; only its name where the rest cannot be read, None where not even that can."""
    try:
        return fields.from_json(bytes(raw), Property)
    except ValueError:
        pass
    try:
        return Property(fields.from_json(bytes(raw), PropertyName).name)
    except ValueError:
        return None


def offered_by(described: Property) -> Offered:
    """A property's description → what may be written to it."""
    if described.archived:
        return Offered(exists=False)
    rights = described.modificationMetadata
    read_only = rights is not None and rights.readOnlyValue
    values: tuple[str, ...] | None = None
    if described.type == "bool":
        values = _active(described) or ("true", "false")
    elif described.type == "enumeration" and not _elsewhere(described):
        values = _active(described)
    writable = not (described.calculated or read_only)
    length = LONGEST_TEXT if described.type == "string" else None
    return Offered(exists=True, writable=writable, values=values, length=length)


def _active(described: Property) -> tuple[str, ...]:
    return tuple(entry.value for entry in described.options or () if not (entry.hidden or entry.archived))


def _elsewhere(described: Property) -> bool:
    """Owners and the like: the options are other records, and not listed here."""
    return bool(described.externalOptions or described.referencedObjectType) or not described.options


def _closed_won(stage: Stage) -> tuple[bool, bool]:
    metadata = stage.metadata or {}
    won = fields.number(metadata.get("probability")) == 1.0
    return bool(fields.flag(metadata.get("isClosed"))) or won, won
