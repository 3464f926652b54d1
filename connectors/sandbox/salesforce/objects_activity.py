"""More objects: activities, campaigns, opportunities, history and set-up rows (Object Reference)."""

from __future__ import annotations

from connectors.sandbox.salesforce.objects import (
    ACCOUNT,
    CONTACT,
    GROUP,
    LEAD,
    LEAD_STATUSES,
    QUEUE_SOBJECT,
    RECORD_TYPE,
    SOURCES,
    STAGES,
    USER,
)
from connectors.sandbox.salesforce.schema import Field, ObjectType, kind, obj, pick, read_only, ref, text

PRIORITIES = ("High", "Normal", "Low")
TASK_STATUSES = ("Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred")

TASK = obj(
    "Task",
    "00T",
    [
        ref("WhoId", "Contact", "Lead", relationship="Who"),
        ref("WhatId", "Account", "Opportunity", "Campaign", relationship="What"),
        text("Subject"),
        kind("ActivityDate", "date"),
        pick("Status", *TASK_STATUSES, default="Not Started", required=True),
        pick("Priority", *PRIORITIES, default="Normal", required=True),
        ref("OwnerId", "User", "Group"),
        Field("Description", "textarea", length=32_000),
        pick("Type", "Call", "Email", "Meeting", "Other"),
        pick("TaskSubtype", "Task", "Email", "ListEmail", "Cadence", "Call", "LinkedIn", default="Task",
             create_only=True),
        read_only(kind("IsClosed", "boolean")),
        read_only(kind("IsHighPriority", "boolean")),
        read_only(kind("IsArchived", "boolean")),
        read_only(kind("CompletedDateTime", "datetime")),
        read_only(ref("AccountId", "Account")),
        pick("CallType", "Internal", "Inbound", "Outbound"),
        kind("CallDurationInSeconds", "int"),
        text("CallDisposition"),
    ],
    owners=("User", "Group"),
)  # fmt: skip

EVENT = obj(
    "Event",
    "00U",
    [
        ref("WhoId", "Contact", "Lead", relationship="Who"),
        ref("WhatId", "Account", "Opportunity", "Campaign", relationship="What"),
        text("Subject"),
        text("Location"),
        kind("StartDateTime", "datetime"),
        kind("EndDateTime", "datetime"),
        kind("ActivityDateTime", "datetime"),
        kind("ActivityDate", "date"),
        kind("DurationInMinutes", "int"),
        kind("IsAllDayEvent", "boolean"),
        ref("OwnerId", "User"),
        Field("Description", "textarea", length=32_000),
        pick("Type", "Call", "Email", "Meeting", "Other"),
        pick("EventSubtype", "Event", default="Event", create_only=True),
        read_only(kind("IsArchived", "boolean")),
        read_only(kind("IsChild", "boolean")),
        read_only(ref("AccountId", "Account")),
    ],
    owners=("User",),
)

CAMPAIGN = obj(
    "Campaign",
    "701",
    [
        text("Name", 80, required=True),
        ref("ParentId", "Campaign"),
        pick("Type", "Conference", "Webinar", "Trade Show", "Public Relations", "Partners",
             "Referral Program", "Advertisement", "Banner Ads", "Direct Mail", "Email",
             "Telemarketing", "Other"),
        pick("Status", "Planned", "In Progress", "Completed", "Aborted", default="Planned"),
        kind("StartDate", "date"),
        kind("EndDate", "date"),
        kind("IsActive", "boolean"),
        kind("BudgetedCost", "currency"),
        kind("ActualCost", "currency"),
        Field("Description", "textarea", length=32_000),
        ref("OwnerId", "User"),
    ],
    owners=("User",),
)  # fmt: skip

CAMPAIGN_MEMBER = obj(
    "CampaignMember",
    "00v",
    [
        ref("CampaignId", "Campaign", required=True, create_only=True),
        ref("LeadId", "Lead", create_only=True),
        ref("ContactId", "Contact", create_only=True),
        pick("Status", "Sent", "Responded", "Registered", "Attended", "No Show", default="Sent"),
        read_only(kind("HasResponded", "boolean")),
        read_only(kind("FirstRespondedDate", "date")),
        read_only(ref("LeadOrContactId", "Lead", "Contact", relationship="LeadOrContact")),
        read_only(text("Type", 40)),
    ],
    soft_delete=False,
)

OPPORTUNITY = obj(
    "Opportunity",
    "006",
    [
        ref("AccountId", "Account"),
        text("Name", 120, required=True),
        Field("Description", "textarea", length=32_000),
        pick("StageName", *(name for name, *_ in STAGES), required=True),
        kind("Amount", "currency"),
        kind("Probability", "percent"),
        kind("CloseDate", "date", required=True),
        pick("Type", "New Customer", "Existing Customer - Upgrade", "Existing Customer - Renewal"),
        pick("LeadSource", *SOURCES),
        read_only(kind("IsClosed", "boolean")),
        read_only(kind("IsWon", "boolean")),
        ref("CampaignId", "Campaign"),
        ref("OwnerId", "User"),
        ref("ContactId", "Contact", create_only=True),
        read_only(kind("LastStageChangeDate", "datetime")),
        text("External_Id__c", 64, external_id=True),
    ],
    owners=("User",),
    plural="Opportunities",
)

OPPORTUNITY_CONTACT_ROLE = obj(
    "OpportunityContactRole",
    "00K",
    [
        ref("OpportunityId", "Opportunity", required=True, create_only=True),
        ref("ContactId", "Contact", required=True),
        pick("Role", "Business User", "Decision Maker", "Economic Buyer", "Evaluator", "Influencer", "Other"),
        kind("IsPrimary", "boolean"),
    ],
)

OPPORTUNITY_STAGE = obj(
    "OpportunityStage",
    "01J",
    [
        text("MasterLabel"), text("ApiName"), kind("IsActive", "boolean"), kind("SortOrder", "int"),
        kind("IsClosed", "boolean"), kind("IsWon", "boolean"), kind("DefaultProbability", "percent"),
        text("ForecastCategoryName"), text("Description"),
    ],
    createable=False, updateable=False, deletable=False, without=("IsDeleted",),
)  # fmt: skip

LEAD_STATUS = obj(
    "LeadStatus",
    "01J",
    [
        text("MasterLabel"), text("ApiName"), kind("SortOrder", "int"), kind("IsDefault", "boolean"),
        kind("IsConverted", "boolean"),
    ],
    createable=False, updateable=False, deletable=False, plural="Lead Statuses",
    without=("IsDeleted",),
)  # fmt: skip

ORGANIZATION = obj(
    "Organization",
    "00D",
    [
        text("Name", 80), text("OrganizationType", 40), text("InstanceName", 5), kind("IsSandbox", "boolean"),
        text("TimeZoneSidKey", 40), text("LanguageLocaleKey", 40), text("DefaultLocaleSidKey", 40),
        text("NamespacePrefix", 15), text("Country", 80),
    ],
    createable=False, deletable=False, without=("IsDeleted",),
)  # fmt: skip


EMAIL_MESSAGE = obj(
    "EmailMessage",
    "02s",
    [
        ref("ActivityId", "Task", relationship="Activity"),
        ref("FromId", "Contact", "Lead", "User", relationship="From"),
        text("FromAddress", 1000),
        text("FromName", 1000),
        text("ToAddress", 4000),
        text("CcAddress", 4000),
        text("BccAddress", 4000),
        text("Subject", 3000),
        Field("TextBody", "textarea", length=32_000),
        Field("HtmlBody", "textarea", length=131_072),
        Field("Headers", "textarea", length=32_000),
        kind("Incoming", "boolean"),
        kind("IsBounced", "boolean"),
        pick("Status", "0", "1", "2", "3", "4", "5", default="3"),
        kind("MessageDate", "datetime"),
        ref("RelatedToId", "Account", "Opportunity"),
    ],
    label="Email Message",
)
"""Statuses: 0 new, 1 read, 2 replied, 3 sent, 4 forwarded, 5 draft."""


def _history(parent: str) -> ObjectType:
    return obj(
        f"{parent}History",
        "017",
        [
            ref(f"{parent}Id", parent),
            text("Field"),
            text("DataType", 40),
            text("OldValue"),
            text("NewValue"),
        ],
        createable=False,
        updateable=False,
        soft_delete=False,
        plural=f"{parent} History",
        without=("LastModifiedDate", "LastModifiedById", "SystemModstamp"),
    )


LEAD_HISTORY = _history("Lead")
CONTACT_HISTORY = _history("Contact")

OBJECTS: dict[str, ObjectType] = {
    one.name: one
    for one in (
        LEAD, CONTACT, ACCOUNT, USER, GROUP, QUEUE_SOBJECT, RECORD_TYPE, TASK, EVENT, CAMPAIGN,
        CAMPAIGN_MEMBER, OPPORTUNITY, OPPORTUNITY_CONTACT_ROLE, OPPORTUNITY_STAGE, LEAD_STATUS,
        ORGANIZATION, EMAIL_MESSAGE, LEAD_HISTORY, CONTACT_HISTORY,
    )
}  # fmt: skip
CONVERTED_STATUSES = frozenset(name for name, converted in LEAD_STATUSES if converted)
RESPONDED = frozenset({"Responded", "Registered", "Attended"})
"""Campaign member statuses that count as a response."""
