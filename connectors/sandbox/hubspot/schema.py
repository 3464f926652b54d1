"""The portal's object types with HubSpot's standard properties and the custom ones that mqlsync writes.

Names, types and options follow HubSpot's default property pages (contacts, companies, deals, calls, emails,
meetings, notes, tasks, communications, leads); `hs_lead_status` options as the default portal has them.
"""

from __future__ import annotations

from collections.abc import Iterable

from connectors.sandbox.hubspot.schema_types import ObjectType, Option, Property

LIFECYCLE = (
    ("subscriber", "Subscriber"),
    ("lead", "Lead"),
    ("marketingqualifiedlead", "Marketing Qualified Lead"),
    ("salesqualifiedlead", "Sales Qualified Lead"),
    ("opportunity", "Opportunity"),
    ("customer", "Customer"),
    ("evangelist", "Evangelist"),
    ("other", "Other"),
)
"""Lifecycle stages in their order; by API a record only moves forward."""

LEAD_STATUS = (
    ("NEW", "New"),
    ("OPEN", "Open"),
    ("IN_PROGRESS", "In Progress"),
    ("OPEN_DEAL", "Open Deal"),
    ("UNQUALIFIED", "Unqualified"),
    ("ATTEMPTED_TO_CONTACT", "Attempted to Contact"),
    ("CONNECTED", "Connected"),
    ("BAD_TIMING", "Bad Timing"),
)
"""The default options."""

DEAL_STAGES = (
    ("appointmentscheduled", "Appointment Scheduled"),
    ("qualifiedtobuy", "Qualified To Buy"),
    ("presentationscheduled", "Presentation Scheduled"),
    ("decisionmakerboughtin", "Decision Maker Bought-In"),
    ("contractsent", "Contract Sent"),
    ("closedwon", "Closed Won"),
    ("closedlost", "Closed Lost"),
)

_EMPLOYEES = ("1-5", "5-25", "25-50", "50-100", "100-500", "500-1000", "1000+")
_SOURCES = (
    "ORGANIC_SEARCH", "PAID_SEARCH", "EMAIL_MARKETING", "SOCIAL_MEDIA", "REFERRALS", "OTHER_CAMPAIGNS",
    "DIRECT_TRAFFIC", "OFFLINE", "PAID_SOCIAL",
)  # fmt: skip
_INDUSTRIES = (
    "COMPUTER_SOFTWARE", "LOGISTICS_AND_SUPPLY_CHAIN", "HOSPITAL_HEALTH_CARE", "FOOD_PRODUCTION",
    "OIL_ENERGY",
    "ONLINE_MEDIA", "MACHINERY", "FINANCIAL_SERVICES", "HIGHER_EDUCATION", "RETAIL",
)  # fmt: skip


def _options(pairs: Iterable[tuple[str, str] | str]) -> tuple[Option, ...]:
    return tuple(Option(pair, pair) if isinstance(pair, str) else Option(*pair) for pair in pairs)


def _text(*names: str) -> list[Property]:
    return [Property(name, name.replace("_", " ").title()) for name in names]


def _number(*names: str) -> list[Property]:
    return [Property(name, name.replace("_", " ").title(), "number", "number") for name in names]


def _moment(*names: str) -> list[Property]:
    return [Property(name, name.replace("_", " ").title(), "datetime", "date") for name in names]


def _choice(name: str, options: Iterable[tuple[str, str] | str], field_type: str = "select") -> Property:
    return Property(
        name, name.replace("_", " ").title(), "enumeration", field_type, options=_options(options)
    )


def _flag(name: str) -> Property:
    return Property(
        name, name, "bool", "booleancheckbox", options=_options((("true", "Yes"), ("false", "No")))
    )


def _computed(name: str, kind: str = "number") -> Property:
    field = {"number": "calculation_equation", "datetime": "date"}.get(kind, "text")
    return Property(name, name.replace("_", " ").title(), kind, field, calculated=True)


def _given(name: str, kind: str = "string", field: str = "text") -> Property:
    return Property(name, name.replace("_", " ").title(), kind, field, read_only=True)


def _owner() -> Property:
    return Property("hubspot_owner_id", "Owner", "enumeration", "select")


def _custom(name: str, kind: str = "string") -> Property:
    field = {"number": "number", "date": "date"}.get(kind, "text")
    return Property(name, name.replace("_", " ").upper(), kind, field, "custom", custom=True)


def _contact_properties() -> list[Property]:
    return [
        *_text("firstname", "lastname", "jobtitle", "company", "phone", "mobilephone", "website", "address"),
        *_text("city", "state", "zip", "country", "industry", "salesforceleadid", "salesforcecontactid"),
        *_text("salesforceaccountid", "recent_conversion_event_name", "first_conversion_event_name"),
        *_moment("recent_conversion_date", "first_conversion_date", "notes_last_contacted"),
        Property("email", "Email", unique=True),
        _choice("hs_additional_emails", (), "text"),
        _choice("lifecyclestage", LIFECYCLE, "radio"),
        _choice("hs_lead_status", LEAD_STATUS, "radio"),
        _choice("numemployees", _EMPLOYEES),
        _choice("hs_analytics_source", _SOURCES),
        _flag("hs_email_optout"),
        _owner(),
        _custom("mql_score", "number"),
        _custom("mql_grade"),
        _custom("mql_reason"),
        _custom("mql_date", "date"),
        _computed("hs_email_domain", "string"),
        _computed("hs_analytics_num_page_views"),
        _computed("num_conversion_events"),
        _computed("num_associated_deals"),
        _computed("hs_full_name_or_email", "string"),
        _computed("associatedcompanyid"),
        _given("hs_calculated_merged_vids"),
    ]


def _company_properties() -> list[Property]:
    return [
        *_text(
            "name", "domain", "website", "phone", "address", "city", "state", "zip", "country", "description"
        ),
        *_text("salesforceaccountid"),
        *_number("numberofemployees", "annualrevenue"),
        _choice("industry", _INDUSTRIES),
        _choice("lifecyclestage", LIFECYCLE, "radio"),
        _owner(),
        _computed("num_associated_contacts"),
    ]


def _deal_properties() -> list[Property]:
    return [
        *_text("dealname", "description"),
        *_number("amount"),
        *_moment("closedate"),
        _choice("dealstage", DEAL_STAGES, "radio"),
        _choice("pipeline", (("default", "Sales Pipeline"),)),
        _choice("dealtype", (("newbusiness", "New Business"), ("existingbusiness", "Existing Business"))),
        _owner(),
        _computed("hs_is_closed_won", "bool"),
        _computed("hs_is_closed", "bool"),
    ]


def _engagement(*properties: Property) -> list[Property]:
    return [*_moment("hs_timestamp"), *_text("hs_activity_type"), _owner(), *properties]


_CALL = _engagement(
    *_text("hs_call_title", "hs_call_body", "hs_call_direction", "hs_call_status", "hs_call_disposition"),
    *_number("hs_call_duration"),
)
_EMAIL = _engagement(
    *_text("hs_email_subject", "hs_email_text", "hs_email_from_email", "hs_email_to_email"),
    _choice("hs_email_direction", ("EMAIL", "INCOMING_EMAIL", "FORWARDED_EMAIL"), "select"),
    _choice("hs_email_status", ("BOUNCED", "FAILED", "SCHEDULED", "SENDING", "SENT"), "select"),
)
_MEETING = _engagement(
    *_text("hs_meeting_title", "hs_meeting_body", "hs_meeting_location"),
    _choice("hs_meeting_outcome", ("SCHEDULED", "COMPLETED", "RESCHEDULED", "NO_SHOW", "CANCELED"), "select"),
    *_moment("hs_meeting_start_time", "hs_meeting_end_time"),
)
_TASK = _engagement(*_text("hs_task_subject", "hs_task_body", "hs_task_status", "hs_task_type"))
_COMMUNICATION = _engagement(
    *_text("hs_communication_channel_type", "hs_communication_body", "hs_communication_logged_from")
)

_LEAD = [
    *_text("hs_lead_name", "hs_pipeline", "hs_pipeline_stage"),
    _choice("hs_lead_type", ("NEW_BUSINESS", "RE_ATTEMPT", "UPSELL")),
    _choice("hs_lead_label", ("COLD", "WARM", "HOT")),
    _owner(),
]


def _finish(kind: ObjectType, properties: Iterable[Property]) -> ObjectType:
    """Add what every object has: its id, stamps and the ids it was merged from."""
    common = [
        _given("hs_object_id", "number", "number"),
        _given(kind.created, "datetime", "date"),
        _given(kind.modified, "datetime", "date"),
        _given("hs_merged_object_ids"),
    ]
    kind.properties = {prop.name: prop for prop in (*properties, *common)}
    return kind


def object_types() -> dict[str, ObjectType]:
    """Fresh definitions by plural name; a portal may change its own."""
    contact = ObjectType(
        "contacts", "contact", "0-1", 101, "lastmodifieddate", "createdate",
        ("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"),
        ("firstname", "lastname", "email", "phone", "company"),
    )  # fmt: skip
    company = ObjectType(
        "companies", "company", "0-2", 9_000_000_001, created="createdate",
        shown=("createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"),
        searched=("name", "domain", "website", "phone"),
    )  # fmt: skip
    deal = ObjectType(
        "deals", "deal", "0-3", 18_000_000_001, created="createdate",
        shown=("amount", "closedate", "createdate", "dealname", "dealstage", "hs_lastmodifieddate",
               "hs_object_id", "pipeline"),
        searched=("dealname",),
    )  # fmt: skip
    made = [
        _finish(contact, _contact_properties()),
        _finish(company, _company_properties()),
        _finish(deal, _deal_properties()),
        _finish(ObjectType("calls", "call", "0-48", 31_000_000_001, searched=("hs_call_title",)), _CALL),
        _finish(
            ObjectType("emails", "email", "0-49", 41_000_000_001, searched=("hs_email_subject",)), _EMAIL
        ),
        _finish(
            ObjectType("meetings", "meeting", "0-47", 51_000_000_001, searched=("hs_meeting_title",)),
            _MEETING,
        ),
        _finish(ObjectType("notes", "note", "0-46", 61_000_000_001), _engagement(*_text("hs_note_body"))),
        _finish(ObjectType("tasks", "task", "0-27", 71_000_000_001, searched=("hs_task_subject",)), _TASK),
        _finish(ObjectType("communications", "communication", "0-18", 81_000_000_001), _COMMUNICATION),
        _finish(ObjectType("leads", "lead", "0-136", 91_000_000_001, searched=("hs_lead_name",)), _LEAD),
    ]
    return {kind.plural: kind for kind in made}
