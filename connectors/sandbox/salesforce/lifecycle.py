"""Deletion, undeletion, merging and lead conversion.

Source: SOAP API Developer Guide "delete()", "undelete()", "merge()", "convertLead()"; Object Reference "Lead"
(Converted… fields), "CampaignMember". A merge loser is deleted, its MasterRecordId is the winner; children
move to the winner and change their own stamps. Junction rows are deleted for good.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connectors.sandbox.salesforce import saving
from connectors.sandbox.salesforce.errors import SaveError
from connectors.sandbox.salesforce.objects_activity import CONVERTED_STATUSES
from connectors.sandbox.salesforce.org import CRM, Org
from connectors.sandbox.salesforce.saving import Saver
from connectors.sandbox.salesforce.schema import stamp
from connectors.sandbox.store import Record

MERGEABLE = ("Lead", "Contact", "Account")
_OWNED = {
    "Account": (("Contact", "AccountId"), ("Opportunity", "AccountId")),
    "Contact": (
        ("CampaignMember", "ContactId"),
        ("OpportunityContactRole", "ContactId"),
        ("Task", "WhoId"),
        ("Event", "WhoId"),
    ),
    "Lead": (("CampaignMember", "LeadId"), ("Task", "WhoId"), ("Event", "WhoId")),
    "Campaign": (("CampaignMember", "CampaignId"),),
    "Opportunity": (("OpportunityContactRole", "OpportunityId"),),
}
"""What goes along when a record is deleted, and is re-parented when it is merged away."""


def delete(org: Org, record: Record, saver: Saver) -> None:
    """Into the recycle bin, or away for good where there is none; dependants go along. Raises SaveError."""
    if record.gone:
        raise SaveError("ENTITY_IS_DELETED", "entity is deleted", status=404)
    if saver.checked and record.id in org.switches.sf_locked:
        message = f"unable to obtain exclusive access to this record or 1 records: {record.id}"
        raise SaveError("UNABLE_TO_LOCK_ROW", message)
    for child, _ in list(children(org, record)):
        if not child.gone:
            delete(org, child, Saver(saver.author, saver.actor, checked=False, at=saver.at))
    moment = org.now() if saver.at is None else saver.at
    if org.types[record.object].soft_delete:
        org.store.remove(
            CRM, record, "deleted", at=saver.at, author=saver.author, actor=saver.actor, touch="both"
        )
    else:
        org.hard_deleted.append((moment, record.object, record.id))
        org.store.erase(CRM, record, author=saver.author, actor=saver.actor)


def undelete(org: Org, record: Record, saver: Saver) -> None:
    """Out of the recycle bin."""
    if not record.gone:
        raise SaveError("UNDELETE_FAILED", "Entity is not in the recycle bin")
    org.store.restore(CRM, record, at=saver.at, author=saver.author, actor=saver.actor)


def purge(org: Org, record: Record) -> None:
    """Empty one row from the recycle bin (15 days later, or by hand): it leaves queryAll, too."""
    org.hard_deleted.append((record.gone_at or org.now(), record.object, record.id))
    org.store.erase(CRM, record)


def children(org: Org, record: Record) -> Iterator[tuple[Record, str]]:
    """Dependants and the lookup by which they depend."""
    for object_name, lookup in _OWNED.get(record.object, ()):
        for child in org.table(object_name):
            if child.values.get(lookup) == record.id:
                yield child, lookup


def merge(org: Org, winner: Record, loser: Record, saver: Saver) -> None:
    if winner.object not in MERGEABLE or winner.object != loser.object or winner is loser:
        raise SaveError("INVALID_OPERATION", "records of one mergeable object expected")
    if winner.gone or loser.gone:
        raise SaveError("ENTITY_IS_DELETED", "entity is deleted")
    for child, lookup in list(children(org, loser)):
        if child.object == "CampaignMember" and _is_member(org, child, lookup, winner.id):
            delete(org, child, saver)
            continue
        changes: dict[str, Any] = {lookup: winner.id}
        if "LeadOrContactId" in child.values:
            changes["LeadOrContactId"] = winner.id
        org.store.change(CRM, child, changes, at=saver.at, author=saver.author, actor=saver.actor)
    empty = {name: value for name, value in loser.values.items() if winner.get(name) is None}
    org.store.change(CRM, winner, empty, at=saver.at, author=saver.author, actor=saver.actor)
    org.store.remove(
        CRM,
        loser,
        "merged",
        into=winner.id,
        at=saver.at,
        author=saver.author,
        actor=saver.actor,
        touch="both",
    )


def _is_member(org: Org, member: Record, lookup: str, winner_id: str) -> bool:
    campaign = member.get("CampaignId")
    return any(
        other.get("CampaignId") == campaign and other.get(lookup) == winner_id
        for other in org.table("CampaignMember")
    )


def convert(
    org: Org,
    lead: Record,
    saver: Saver,
    *,
    account_id: str = "",
    contact_id: str = "",
    opportunity: str | None = "",
    status: str = "",
    owner_id: str = "",
) -> dict[str, str]:
    """Convert a lead into a contact of an account (found ones are used), and an opportunity.

    `opportunity` is its name, "" a name of its own, None none at all. Returns the three ids ("" for none).
    """
    if lead.get("IsConverted"):
        raise SaveError("INVALID_STATUS", "lead is already converted")
    final = status or next(iter(CONVERTED_STATUSES))
    owner = owner_id or _converted_owner(org, lead)
    unchecked = Saver(saver.author, saver.actor, checked=False, at=saver.at)
    account_id = account_id or _account(org, lead, owner, unchecked)
    contact_id = contact_id or _contact(org, lead, account_id, owner, unchecked)
    opportunity_id = ""
    if opportunity is not None:
        name = opportunity or f"{lead.get('Company')}-"
        opportunity_id = _opportunity(org, name, account_id, contact_id, owner, unchecked)
    moment = org.now() if saver.at is None else saver.at
    changes = {
        "Status": final,
        "IsConverted": True,
        "ConvertedDate": stamp(int(moment))[:10],
        "ConvertedAccountId": account_id,
        "ConvertedContactId": contact_id,
        "ConvertedOpportunityId": opportunity_id or None,
    }
    saving.update(org, org.types["Lead"], lead, changes, unchecked)
    _move_activities(org, lead, contact_id, unchecked)
    org.store.note(CRM, lead, "#converted", contact_id, at=moment, author=saver.author, actor=saver.actor)
    return {"contact": contact_id, "account": account_id, "opportunity": opportunity_id}


def _converted_owner(org: Org, lead: Record) -> str:
    """A queue cannot own what comes out of a conversion."""
    owner = org.lookup(lead.get("OwnerId"))
    return owner.id if owner is not None and owner.object == "User" else org.person_id


def _account(org: Org, lead: Record, owner: str, saver: Saver) -> str:
    values = {
        "Name": lead.get("Company"),
        "Industry": lead.get("Industry"),
        "NumberOfEmployees": lead.get("NumberOfEmployees"),
        "Website": lead.get("Website"),
        "BillingCountry": lead.get("Country"),
        "BillingCity": lead.get("City"),
        "Phone": lead.get("Phone"),
        "OwnerId": owner,
    }
    return saving.create(org, org.types["Account"], values, saver).id


def _contact(org: Org, lead: Record, account_id: str, owner: str, saver: Saver) -> str:
    same = (
        "FirstName", "LastName", "Salutation", "Title", "Email", "Phone", "MobilePhone", "LeadSource",
        "HasOptedOutOfEmail", "DoNotCall", "MQL_Score__c", "MQL_Grade__c", "MQL_Reason__c", "MQL_Date__c",
    )  # fmt: skip
    values = {name: lead.get(name) for name in same if lead.get(name) is not None}
    for part in ("Street", "City", "State", "PostalCode", "Country"):
        values[f"Mailing{part}"] = lead.get(part)
    values |= {"AccountId": account_id, "OwnerId": owner}
    return saving.create(org, org.types["Contact"], values, saver).id


def _opportunity(org: Org, name: str, account_id: str, contact_id: str, owner: str, saver: Saver) -> str:
    moment = org.now() if saver.at is None else saver.at
    values = {
        "Name": name,
        "AccountId": account_id,
        "StageName": "Prospecting",
        "CloseDate": stamp(int(moment + 90 * 86_400))[:10],
        "OwnerId": owner,
    }
    made = saving.create(org, org.types["Opportunity"], values, saver)
    role = {"OpportunityId": made.id, "ContactId": contact_id, "IsPrimary": True}
    saving.create(org, org.types["OpportunityContactRole"], role, saver)
    return made.id


def _move_activities(org: Org, lead: Record, contact_id: str, saver: Saver) -> None:
    """Tasks, events and campaign membership follow to the contact."""
    for child, lookup in list(children(org, lead)):
        changes: dict[str, Any] = {lookup: contact_id}
        if child.object == "CampaignMember":
            changes = {"ContactId": contact_id, "LeadOrContactId": contact_id, "Type": "Contact"}
        org.store.change(CRM, child, changes, at=saver.at, author=saver.author, actor=saver.actor)
