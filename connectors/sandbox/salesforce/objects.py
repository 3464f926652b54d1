"""The objects of this org and their fields (Object Reference for Salesforce, one page per object)."""

from __future__ import annotations

from connectors.sandbox.salesforce.schema import Field, kind, obj, pick, read_only, ref, text

LEAD_STATUSES = (
    ("Open - Not Contacted", False),
    ("New", False),
    ("Working - Contacted", False),
    ("MQL", False),
    ("Sales Accepted", False),
    ("Qualified", False),
    ("Recycled", False),
    ("Unqualified", False),
    ("Closed - Not Converted", False),
    ("Closed - Converted", True),
)
"""Lead statuses in order and whether they mean "converted"; the first is the default."""

STAGES = (
    ("Prospecting", 10, False, False),
    ("Qualification", 10, False, False),
    ("Needs Analysis", 20, False, False),
    ("Value Proposition", 50, False, False),
    ("Id. Decision Makers", 60, False, False),
    ("Perception Analysis", 70, False, False),
    ("Proposal/Price Quote", 75, False, False),
    ("Negotiation/Review", 90, False, False),
    ("Closed Won", 100, True, True),
    ("Closed Lost", 0, True, False),
)
"""Opportunity stages: name, probability, closed, won."""

INDUSTRIES = (
    "Agriculture", "Apparel", "Banking", "Biotechnology", "Chemicals", "Communications", "Construction",
    "Consulting", "Education", "Electronics", "Energy", "Engineering", "Entertainment", "Environmental",
    "Finance", "Food & Beverage", "Government", "Healthcare", "Hospitality", "Insurance", "Machinery",
    "Manufacturing", "Media",
    "Not For Profit", "Recreation", "Retail", "Shipping", "Technology", "Telecommunications",
    "Transportation", "Utilities", "Other",
)  # fmt: skip
SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")
RATINGS = ("Hot", "Warm", "Cold")

MQL_FIELDS = [
    kind("MQL_Score__c", "double"),
    text("MQL_Grade__c", 10),
    Field("MQL_Reason__c", "textarea", length=32_768),
    kind("MQL_Date__c", "date"),
    text("External_Id__c", 64, external_id=True),
]


def _address(prefix: str) -> list[Field]:
    whole = f"{prefix}Address"
    parts = [("Street", 255), ("City", 40), ("State", 80), ("PostalCode", 20), ("Country", 80)]
    fields = [text(prefix + part, length, compound=whole) for part, length in parts]
    return [*fields, Field(whole, "address", writable=False)]


def _name() -> list[Field]:
    return [
        text("LastName", 80, required=True, compound="Name"),
        text("FirstName", 40, compound="Name"),
        pick("Salutation", "Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", compound="Name"),
        read_only(text("Name", 121)),
    ]


def _reach() -> list[Field]:
    return [
        kind("Phone", "phone", length=40),
        kind("MobilePhone", "phone", length=40),
        kind("Fax", "phone", length=40),
        kind("Email", "email", length=80),
        kind("HasOptedOutOfEmail", "boolean"),
        kind("HasOptedOutOfFax", "boolean"),
        kind("DoNotCall", "boolean"),
        read_only(kind("LastActivityDate", "date")),
        text("EmailBouncedReason"),
        kind("EmailBouncedDate", "datetime"),
    ]


LEAD = obj(
    "Lead",
    "00Q",
    [
        read_only(ref("MasterRecordId", "Lead")),
        *_name(),
        text("Title", 128),
        text("Company", required=True),
        *_address(""),
        *_reach(),
        kind("Website", "url", length=255),
        Field("Description", "textarea", length=32_000),
        pick("LeadSource", *SOURCES),
        pick(
            "Status",
            *(name for name, _ in LEAD_STATUSES),
            restricted=True,
            default=LEAD_STATUSES[0][0],
            required=True,
        ),
        pick("Industry", *INDUSTRIES),
        pick("Rating", *RATINGS),
        kind("AnnualRevenue", "currency"),
        kind("NumberOfEmployees", "int"),
        ref("OwnerId", "Group", "User"),
        ref("RecordTypeId", "RecordType"),
        read_only(kind("IsConverted", "boolean")),
        read_only(kind("ConvertedDate", "date")),
        read_only(ref("ConvertedAccountId", "Account")),
        read_only(ref("ConvertedContactId", "Contact")),
        read_only(ref("ConvertedOpportunityId", "Opportunity")),
        kind("IsUnreadByOwner", "boolean"),
        *MQL_FIELDS,
    ],
    owners=("User", "Group"),
)

CONTACT = obj(
    "Contact",
    "003",
    [
        read_only(ref("MasterRecordId", "Contact")),
        ref("AccountId", "Account"),
        *_name(),
        text("Title", 128),
        text("Department", 80),
        *_address("Mailing"),
        *_reach(),
        ref("ReportsToId", "Contact"),
        Field("Description", "textarea", length=32_000),
        pick("LeadSource", *SOURCES),
        kind("Birthdate", "date"),
        ref("OwnerId", "User"),
        ref("RecordTypeId", "RecordType"),
        pick(
            "Lead_Status__c",
            "New",
            "MQL",
            "Working",
            "Qualified",
            "Recycled",
            "Disqualified",
            restricted=True,
        ),
        *MQL_FIELDS,
    ],
    owners=("User",),
)

ACCOUNT = obj(
    "Account",
    "001",
    [
        read_only(ref("MasterRecordId", "Account")),
        text("Name", 255, required=True),
        pick("Type", "Prospect", "Customer - Direct", "Customer - Channel", "Competitor", "Other"),
        ref("ParentId", "Account"),
        *_address("Billing"),
        kind("Phone", "phone", length=40),
        kind("Website", "url", length=255),
        pick("Industry", *INDUSTRIES),
        kind("AnnualRevenue", "currency"),
        kind("NumberOfEmployees", "int"),
        Field("Description", "textarea", length=32_000),
        pick("Rating", *RATINGS),
        pick("AccountSource", *SOURCES),
        ref("OwnerId", "User"),
        read_only(kind("LastActivityDate", "date")),
        text("External_Id__c", 64, external_id=True),
    ],
    owners=("User",),
)

USER = obj(
    "User",
    "005",
    [
        kind("Username", "string", length=80, required=True),
        *_name(),
        kind("Email", "email", length=128, required=True),
        text("Alias", 8),
        text("Title", 80),
        text("Department", 80),
        text("CompanyName", 80),
        kind("IsActive", "boolean", default=True),
        pick(
            "UserType",
            "Standard",
            "PowerPartner",
            "CSPLitePortal",
            "Guest",
            "CsnOnly",
            "AutomatedProcess",
            default="Standard",
            writable=False,
        ),
        text("TimeZoneSidKey", 40, default="Europe/Berlin"),
        text("LocaleSidKey", 40, default="en_US"),
        text("LanguageLocaleKey", 40, default="en_US"),
        ref("ManagerId", "User"),
        text("FederationIdentifier", 512),
        kind("LastLoginDate", "datetime", writable=False),
    ],
    deletable=False,
    without=("IsDeleted",),
)

GROUP = obj(
    "Group",
    "00G",
    [
        text("Name", 40, required=True),
        text("DeveloperName", 80),
        pick("Type", "Queue", "Regular", "Role", "Organization", default="Queue"),
        kind("Email", "email", length=255),
    ],
    without=("IsDeleted",),
)

QUEUE_SOBJECT = obj(
    "QueueSobject",
    "03g",
    [ref("QueueId", "Group", relationship="Queue"), text("SobjectType", 40)],
    updateable=False,
    soft_delete=False,
    label="Queue Sobject",
    without=("IsDeleted", "CreatedDate", "LastModifiedDate", "LastModifiedById", "SystemModstamp"),
)

RECORD_TYPE = obj(
    "RecordType",
    "012",
    [
        text("Name", 80, required=True),
        text("DeveloperName", 80, required=True),
        text("SobjectType", 40, required=True),
        kind("IsActive", "boolean", default=True),
        text("Description"),
    ],
    deletable=False,
    without=("IsDeleted",),
)
