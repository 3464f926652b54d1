"""What the documentation of the two CRMs leaves open, and scenery that tests turn.

One mutable object, read at each use. A test runs both positions of what matters to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Switches:
    # -- Salesforce ---------------------------------------------------------------------------------------
    sf_token_lifetime: float = 7200.0
    """Seconds an access token lives after its last use (session timeout, default 2 h, sliding)."""
    sf_daily_limit: int = 100_000
    """API calls in a rolling 24 hours."""
    sf_page_size: int = 2000
    """Most rows a query answers with; the server may lower it for wide rows."""
    sf_locator_lifetime: float = 2 * 86_400.0
    """Seconds a query locator lives (help text: 2 days; older pages: 15 minutes)."""
    sf_limit_per_app: bool = False
    """Sforce-Limit-Info carries `; per-app-api-usage=17/250(appName=…)` as well."""
    sf_composite_conditional: bool = True
    """A composite subrequest honours If-Unmodified-Since in its httpHeaders (inferred, not documented)."""
    sf_conditional_field: str = "LastModifiedDate"
    """What If-Unmodified-Since is compared with; a blog says SystemModstamp."""
    sf_assignment_rule: bool = True
    """An active lead assignment rule exists: Leads go to the queue `Inbound` unless it is told not to fire."""
    sf_edit_converted_leads: bool = False
    """The integration user has View and Edit Converted Leads: updates of dead leads succeed."""
    sf_update_with_inactive_owner: bool = False
    """The permission Update Records with Inactive Owners."""
    sf_validation_rules: dict[str, tuple[str, str]] = field(default_factory=dict)
    """object → (field, message): an update of that object fails while that field is empty."""
    sf_locked: set[str] = field(default_factory=set)
    """18-character ids whose row lock somebody holds: UNABLE_TO_LOCK_ROW."""
    sf_flow: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """object → (field, value, replacement): a flow rewrites that value right after a save."""
    sf_tracked: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: {"Lead": ("Status", "OwnerId"), "Contact": ("Lead_Status__c", "OwnerId")}
    )
    """object → fields with field history (rows in LeadHistory, ContactHistory)."""
    sf_absent: set[str] = field(default_factory=set)
    """Objects this org does not offer or this user may not see: INVALID_TYPE."""
    sf_missing_fields: set[str] = field(default_factory=set)
    """`Object.Field` names this org lacks: INVALID_FIELD, absent from describe."""
    sf_duplicate_ids_refused: bool = True
    """The same id twice in one collections update is refused for the second (uncertain)."""
    sf_junction_in_get_deleted: bool = True
    """getDeleted covers hard-deleted junction rows such as CampaignMember (uncertain)."""

    # -- HubSpot (fields below belong to the HubSpot half) -----------------------------------------------
