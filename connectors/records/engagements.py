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


class ListPart(NamedTuple):
    """The members of one list whose record ids are above `low`, up to `high` (None: all above): all of them.

    Whoever was in that part before and is not any more has left: `left` says what engagement that makes, its
    `id` and `person_id` being filled in; None: none.
    """

    crm: str
    list_id: str
    object: str  # what the members are
    low: int
    high: int | None
    members: tuple[tuple[int, int], ...]  # (record id, when it joined in epoch milliseconds)
    left: EngagementRecord | None


class Dismissed(NamedTuple):
    """A row that is no engagement by the rules of today; whatever was made of it before is over.

    `id` is that of the engagement, or, ending with a colon, what those of all its participants begin with.
    """

    crm: str
    source: str
    id: str
