"""One dated thing that a person did, normalised by the engagement rules."""

from __future__ import annotations

from typing import NamedTuple


class EngagementRecord(NamedTuple):
    """An engagement of a person, whichever CRM reported it.

    The person is named by record (`person_object`, `person_id`) or by address (`person_email`), as the
    source has it; matching resolves both, following merges and conversions.
    """

    crm: str
    source: str  # "hubspot.form_submission", "salesforce.campaign_member", ... as in the engagement rules
    id: str  # unique within (crm, source)
    person_object: str | None
    person_id: str | None
    person_email: str | None
    kind: str  # "page_view", "demo_requested", ...
    asset: str | None  # URL, form, campaign or subject, raw
    occurred_at: int | None  # epoch seconds (floor); None: missing or unparsable, never scored
    is_bot: bool
    deleted: bool
    modified_ms: int  # epoch milliseconds; an older version never replaces a newer one
    raw: str  # JSON object
