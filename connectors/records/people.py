"""People and companies as a CRM shows them, in one shape for every CRM.

These are named tuples because a page of them goes to the database as it is: no copy per row.
The order of the fields is the order of the columns in `sync.mirror.tables.records`.
"""

from __future__ import annotations

from typing import NamedTuple


class PersonRecord(NamedTuple):
    """A Salesforce Lead or Contact, or a HubSpot contact. Text is as the CRM had it (never trimmed)."""

    crm: str
    object: str  # "Lead", "Contact", "contacts"
    id: str
    email: str | None
    additional_emails: str | None  # JSON array of addresses, None when there are none
    first_name: str | None
    last_name: str | None
    job_title: str | None
    company_name: str | None
    company_id: str | None  # the company record of the same CRM (Account, primary HubSpot company)
    company_size: int | None  # employees, as this very record says (not its company)
    industry: str | None
    country: str | None
    state: str | None
    city: str | None
    lead_source: str | None
    status: str | None  # Lead.Status, the configured Contact field, hs_lead_status
    lifecycle: str | None  # HubSpot lifecyclestage
    owner_id: str | None
    opted_out: bool | None  # HasOptedOutOfEmail, hs_email_optout
    record_type: str | None  # Salesforce record type, DeveloperName
    sf_lead_id: str | None  # HubSpot's native link to a Lead (15 or 18 characters)
    sf_contact_id: str | None  # HubSpot's native link to a Contact
    created_ms: int | None  # epoch milliseconds
    modified_ms: int  # epoch milliseconds: SystemModstamp, lastmodifieddate
    version: str  # the token a guarded write or an echo compares: LastModifiedDate, lastmodifieddate
    fields: str  # JSON object: the mapped custom fields, field name -> value
    raw: str  # JSON object: the payload as it came


class CompanyRecord(NamedTuple):
    """A Salesforce Account or a HubSpot company."""

    crm: str
    object: str  # "Account", "companies"
    id: str
    name: str | None
    domain: str | None
    company_size: int | None
    industry: str | None
    country: str | None
    state: str | None
    city: str | None
    owner_id: str | None
    created_ms: int | None
    modified_ms: int
    version: str
    fields: str
    raw: str


class Owner(NamedTuple):
    """Somebody or something that may own records."""

    crm: str
    id: str
    email: str | None
    name: str | None
    kind: str  # "person" | "queue" | "integration"
    active: bool
