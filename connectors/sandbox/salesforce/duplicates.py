"""Duplicate rules: a save that leaves a duplicate is blocked, or an alert that a client may acknowledge.

Source: REST API Developer Guide "Duplicate Rule Header" (version 52 and later, every field false by default);
SOAP API Developer Guide "DuplicateResult", "MatchResult", "MatchRecord" for what the error carries; its JSON
as public clients of the API read it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.sandbox.core import Request
from connectors.sandbox.salesforce.errors import SaveError
from connectors.sandbox.salesforce.org import Org, reader
from connectors.sandbox.store import Record

HEADER = "sforce-duplicate-rule-header"
FIRST_VERSION = 52.0


@dataclass(frozen=True)
class Answers:
    """What a client says about duplicates: may they be saved, and are they to be shown whole."""

    allow_save: bool = False
    details: bool = False

    @classmethod
    def of(cls, request: Request) -> Answers:
        """By the header; older versions know none."""
        version = re.search(r"/v(\d+\.\d)", request.path)
        if version is None or float(version.group(1)) < FIRST_VERSION:
            return cls()
        pairs = (part.partition("=") for part in request.header(HEADER).split(";"))
        said = {name.strip().lower(): value.strip().lower() == "true" for name, _, value in pairs}
        return cls(said.get("allowsave", False), said.get("includerecorddetails", False))


UNASKED = Answers()
"""Of a client that says nothing."""


def check(org: Org, object_name: str, values: Mapping[str, Any], own_id: str, answers: Answers) -> None:
    """Raises DUPLICATES_DETECTED where the rule of this object, if there is one, finds living duplicates."""
    rule = org.switches.sf_duplicate_rules.get(object_name)
    value = values.get(rule[0]) if rule is not None else None
    if rule is None or value in (None, "") or (rule[1] == "alert" and answers.allow_save):
        return
    found = [
        record
        for record in org.table(object_name).alive()
        if record.id != own_id and _same(record.get(rule[0]), value)
    ]
    if found:
        raise SaveError(
            "DUPLICATES_DETECTED",
            "Use one of these records?",
            more={"duplicateResult": _result(org, object_name, rule[1], found, answers.details)},
        )


def _same(one: object, other: object) -> bool:
    return str(one or "").strip().casefold() == str(other or "").strip().casefold()


def _result(org: Org, object_name: str, action: str, found: list[Record], details: bool) -> dict[str, Any]:
    kind = org.types[object_name]

    def shown(record: Record) -> dict[str, Any]:
        url = f"/services/data/v62.0/sobjects/{object_name}/{record.id}"
        row: dict[str, Any] = {"attributes": {"type": object_name, "url": url}, "Id": record.id}
        return row | {one.name: reader(one)(record) for one in org.fields(kind)} if details else row

    records = [
        {"additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0, "record": shown(record)}
        for record in found
    ]
    match = {
        "entityType": object_name,
        "errors": [],
        "matchEngine": "ExactMatchEngine",
        "matchRecords": records,
        "rule": f"Standard_{object_name}_Match_Rule",
        "size": len(records),
        "success": True,
    }
    return {
        "allowSave": action == "alert",
        "duplicateRule": f"Standard_{object_name}_Duplicate_Rule",
        "duplicateRuleEntityType": object_name,
        "errorMessage": "Use one of these records?",
        "matchResults": [match],
    }
