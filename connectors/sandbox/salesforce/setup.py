"""What an empty org holds: itself, a few users, queues, lead statuses and opportunity stages."""

from __future__ import annotations

from typing import Any

from connectors.sandbox.salesforce.objects import LEAD_STATUSES, STAGES
from connectors.sandbox.salesforce.org import CRM, Org
from connectors.sandbox.store import Record

AGE = 3 * 365 * 86_400.0  # seconds that the org is older than now
QUEUES = ("Inbound", "MQL")
"""Queues that may own Leads; `Inbound` is where the assignment rule sends them."""


def fill(org: Org) -> None:
    at = org.now() - AGE

    def make(object_name: str, values: dict[str, Any]) -> Record:
        return org.store.create(CRM, object_name, values, at=at, author="seed", actor=org.automation_id)

    org.org_id = make(
        "Organization",
        {
            "Name": "Sandbox Inc.",
            "OrganizationType": "Enterprise Edition",
            "InstanceName": "SBX1",
            "TimeZoneSidKey": "Europe/Berlin",
            "DefaultLocaleSidKey": "en_US",
            "LanguageLocaleKey": "en_US",
        },
    ).id
    org.automation_id = make("User", _user("Automated", "Process", "autoproc", "AutomatedProcess")).id
    org.worker_id = make("User", _user("MQL", "Integration", "integration")).id
    org.person_id = make("User", _user("Ada", "Admin", "ada.admin")).id
    for name in QUEUES:
        queue = make("Group", {"Name": name, "DeveloperName": name, "Type": "Queue"})
        make("QueueSobject", {"QueueId": queue.id, "SobjectType": "Lead"})
        if name == "Inbound":
            org.inbound_queue = queue.id
    for place, (label, converted) in enumerate(LEAD_STATUSES, 1):
        make(
            "LeadStatus",
            {
                "MasterLabel": label,
                "ApiName": label,
                "SortOrder": place,
                "IsDefault": place == 1,
                "IsConverted": converted,
            },
        )
    for place, (label, probability, closed, won) in enumerate(STAGES, 1):
        make(
            "OpportunityStage",
            {
                "MasterLabel": label,
                "ApiName": label,
                "IsActive": True,
                "SortOrder": place,
                "IsClosed": closed,
                "IsWon": won,
                "DefaultProbability": probability,
            },
        )


def _user(first: str, last: str, name: str, kind: str = "Standard") -> dict[str, Any]:
    return {
        "Username": f"{name}@sandbox.example",
        "FirstName": first,
        "LastName": last,
        "Name": f"{first} {last}",
        "Email": f"{name}@sandbox.example",
        "Alias": name[:8],
        "IsActive": True,
        "UserType": kind,
        "TimeZoneSidKey": "Europe/Berlin",
        "LocaleSidKey": "en_US",
        "LanguageLocaleKey": "en_US",
    }
