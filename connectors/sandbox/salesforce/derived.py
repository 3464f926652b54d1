"""Fields that follow from others (Object Reference, the object's own page)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connectors.sandbox.salesforce.objects import STAGES
from connectors.sandbox.salesforce.objects_activity import RESPONDED
from connectors.sandbox.salesforce.org import Org
from connectors.sandbox.salesforce.schema import parse_datetime, stamp

Values = Mapping[str, Any]
_STAGES = {name: (probability, closed, won) for name, probability, closed, won in STAGES}


def derive(org: Org, object_name: str, values: Values, at: float | None) -> dict[str, Any]:
    """Values to set beside those of a save; `values` are the record's as they will be, without empty ones."""
    rule = _RULES.get(object_name)
    return rule(org, values, org.now() if at is None else at) if rule else {}


def _person(_org: Org, values: Values, _at: float) -> dict[str, Any]:
    parts = [values.get("FirstName"), values.get("LastName")]
    return {"Name": " ".join(part for part in parts if part) or None}


def _task(org: Org, values: Values, at: float) -> dict[str, Any]:
    closed = values.get("Status") == "Completed"
    completed = values.get("CompletedDateTime") or stamp(int(at))
    return {
        "IsClosed": closed,
        "IsHighPriority": values.get("Priority") == "High",
        "CompletedDateTime": completed if closed else None,
        "AccountId": _account(org, values),
    }


def _event(org: Org, values: Values, _at: float) -> dict[str, Any]:
    start = values.get("StartDateTime") or values.get("ActivityDateTime")
    if start is None:
        return {"AccountId": _account(org, values)}
    minutes = values.get("DurationInMinutes", 60)
    return {
        "StartDateTime": start,
        "ActivityDateTime": start,
        "ActivityDate": start[:10],
        "DurationInMinutes": minutes,
        "EndDateTime": values.get("EndDateTime") or stamp(int(parse_datetime(start)) + 60 * minutes),
        "AccountId": _account(org, values),
    }


def _account(org: Org, values: Values) -> str | None:
    person = org.lookup(values.get("WhoId"))
    about = org.lookup(values.get("WhatId"))
    if about is not None and about.object == "Account":
        return about.id
    return person.get("AccountId") if person is not None and person.object == "Contact" else None


def _campaign_member(_org: Org, values: Values, at: float) -> dict[str, Any]:
    responded = values.get("Status") in RESPONDED
    contact = values.get("ContactId")
    return {
        "HasResponded": responded,
        "FirstRespondedDate": values.get("FirstRespondedDate")
        or (stamp(int(at))[:10] if responded else None),
        "LeadOrContactId": contact or values.get("LeadId"),
        "Type": "Contact" if contact else "Lead",
    }


def _opportunity(_org: Org, values: Values, _at: float) -> dict[str, Any]:
    probability, closed, won = _STAGES.get(values.get("StageName", ""), (0, False, False))
    return {"Probability": probability, "IsClosed": closed, "IsWon": won}


_RULES: dict[str, Callable[[Org, Values, float], dict[str, Any]]] = {
    "Lead": _person,
    "Contact": _person,
    "User": _person,
    "Task": _task,
    "Event": _event,
    "CampaignMember": _campaign_member,
    "Opportunity": _opportunity,
}
