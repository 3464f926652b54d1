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
    sf_concurrent_limit: int = 25
    """Calls of 20 seconds and more that may be under way at once (5 in trials and Developer Edition)."""
    sf_page_size: int = 2000
    """Most rows a query answers with; the server may lower it for wide rows."""
    sf_locator_lifetime: float = 2 * 86_400.0
    """Seconds a query locator lives (help text: 2 days; older pages: 15 minutes)."""
    sf_open_locators: int = 10
    """Most open query locators of a user; the oldest goes when there is one more (older pages say ten)."""
    sf_limit_per_app: bool = False
    """Sforce-Limit-Info carries `; per-app-api-usage=17/250(appName=…)` as well."""
    sf_composite_conditional: bool = True
    """A composite subrequest honours If-Unmodified-Since in its httpHeaders: inferred from REST API Developer
    Guide, "Composite", which lets a subrequest carry any header but three."""
    sf_conditional_field: str = "LastModifiedDate"
    """What If-Unmodified-Since is compared with: the date of last modification (REST API Developer Guide,
    "Conditional Request Headers"); a blog says SystemModstamp."""
    sf_assignment_rule: bool = True
    """An active lead assignment rule: Leads go to the queue `Inbound` unless it is told not to fire."""
    sf_edit_converted_leads: bool = False
    """The integration user has View and Edit Converted Leads: updates of dead leads succeed (Salesforce Help,
    "View and Edit Converted Leads")."""
    sf_update_with_inactive_owner: bool = False
    """The permission Update Records with Inactive Owners."""
    sf_validation_rules: dict[str, tuple[str, str]] = field(default_factory=dict)
    """object → (field, message): an update of that object fails while that field is empty."""
    sf_locked: set[str] = field(default_factory=set)
    """18-character ids whose row lock somebody holds: UNABLE_TO_LOCK_ROW."""
    sf_refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Object name or 18-character id → (status code, message) that every save by an API client meets, e.g.
    DUPLICATES_DETECTED, or CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY with a trigger's words."""
    sf_duplicate_rules: dict[str, tuple[str, str]] = field(default_factory=dict)
    """object → (field, "block" or "alert"): saves of a record whose field another living one has, too, are
    refused; an alert can be acknowledged by Sforce-Duplicate-Rule-Header. Rules may run on edit as well."""
    sf_flow: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """object → (field, value, replacement): a flow rewrites that value right after a save."""
    sf_tracked: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: {"Lead": ("Status", "OwnerId"), "Contact": ("Lead_Status__c", "OwnerId")}
    )
    """object → fields with field history (rows in LeadHistory, ContactHistory)."""
    sf_picklists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """`Object.Field` → the values this org offers, in place of the usual ones."""
    sf_record_type_values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """`Object.RecordTypeDeveloperName.Field` → the values offered for that record type."""
    sf_replication_by_minute: bool = True
    """getUpdated and getDeleted ignore the seconds of start and end, as documented."""
    sf_rotate_refresh_tokens: bool = False
    """Each refresh gives a new refresh token and ends the old one."""
    sf_absent: set[str] = field(default_factory=set)
    """Objects this org does not offer or this user may not see: INVALID_TYPE."""
    sf_missing_fields: set[str] = field(default_factory=set)
    """`Object.Field` names this org lacks: INVALID_FIELD, absent from describe."""
    sf_read_only: set[str] = field(default_factory=set)
    """`Object` or `Object.Field` that this user may see but not change; describe says so."""
    sf_duplicate_ids_refused: bool = True
    """The same id twice in one collections update is refused for the second; REST API Developer Guide,
    "sObject Collections", does not say."""
    sf_junction_in_get_deleted: bool = True
    """getDeleted covers hard-deleted junction rows such as CampaignMember; REST API Developer Guide, "Get
    Deleted", does not say."""
    sf_query_all_refusal: tuple[int, str, str] | None = None
    """(status, code, message) of every queryAll request of a user who may only query."""
    sf_status_by_record_type: bool = True
    """The UI API tells the values of Lead.Status per record type, its lead process; User Interface API, "Get
    Values for a Picklist Field", does not say."""
    sf_bulk_refusal: tuple[int, str, str] | None = None
    """(status, code, message) of every Bulk request of an org or user that may not, e.g. 403 API_DISABLED."""
    sf_bulk_seconds: float = 0.0
    """How long a Bulk job takes: a tenth of it queued, the rest InProgress."""
    sf_bulk_outcomes: list[str] = field(default_factory=list)
    """How the next Bulk jobs end, one entry each: JobComplete, Failed or Aborted."""
    sf_bulk_unsupported: set[str] = field(default_factory=set)
    """Objects that Bulk does not offer: 400 INVALIDENTITY."""
    sf_bulk_daily_jobs: int = 10_000
    """Query jobs in 24 hours; one more is LIMIT_EXCEEDED."""
    sf_bulk_kept: float = 7 * 86_400.0
    """Seconds that a job and its results are kept; 404 afterwards."""
    sf_bulk_count_error: int = 0
    """How far numberRecordsProcessed of a query job is from the truth."""
    sf_bulk_lost_rows: int = 0
    """Rows missing at the end of every result page, though its header counts them."""
    sf_bulk_ends_early: bool = False
    """Results stop after the first page as if it were the last."""
    sf_bulk_whole: int = 250_000
    """Rows of one result when maxRecords is not given, and of each of the parallel results."""
    sf_bulk_gzip: bool = True
    """Results are compressed for clients that accept it."""
    sf_bulk_in_order: bool = True
    """Results of an ingest job come in the order of its rows; Bulk API 2.0 Developer Guide,
    "Get Job Successful Record Results", does not promise any."""
    sf_bulk_unprocessed: int = 0
    """Rows at the end of an ingest job that are not reached before it fails."""

    # -- HubSpot (fields below belong to the HubSpot half) -----------------------------------------------
    hs_per_ten_seconds: int = 190
    """Requests in a sliding ten seconds (Free and Starter 100, Professional and Enterprise 190)."""
    hs_search_per_second: int = 5
    """Search requests a second for the whole account (older pages: 4 per token)."""
    hs_daily_limit: int = 650_000
    """Requests a day for all private apps together."""
    hs_utc_offset: float = -18_000.0
    """Seconds that the portal's clock is ahead of UTC; the daily limit resets at its midnight."""
    hs_retry_after: bool = False
    """A 429 carries Retry-After (it is not always there)."""
    hs_token_lifetime: float = 1800.0
    """Seconds an OAuth token lives; the private-app token does not expire."""
    hs_numeric_after: bool = True
    """List cursors are the last id of the page; False: opaque. Documented is only that they are text."""
    hs_search_lag: float = 0.0
    """Seconds by which the search index is behind ("a few moments")."""
    hs_varying_fraction: bool = True
    """Times are written without trailing zeros: `…33Z`, `…33.1Z`, `…33.123Z`; False: always three digits."""
    hs_missing_in_batch: str = "207"
    """A batch with unknown ids answers 207 with errors; "200": they are left out in silence."""
    hs_batch_update_partial: bool = False
    """An invalid value in batch/update fails that input alone (207, by objectWriteTraceId), not all (400)."""
    hs_lifecycle_forward_only: bool = True
    """A lifecycle stage set backwards by API is ignored with 200; a 2026 blog says it is set."""
    hs_merge_new_id: bool = True
    """A merge makes a record with a new id; False: the primary keeps its id (older behaviour)."""
    hs_archived_owner_accepted: bool = True
    """hubspot_owner_id may name a deactivated owner (undocumented)."""
    hs_same_value_version: bool = False
    """Writing the value that is there already adds a version to the property's history (undocumented)."""
    hs_same_value_touches: bool = True
    """Writing the value that is there already moves the modification time (undocumented)."""
    hs_history_length: int = 45
    """Versions of a property that are kept in answers (about 20, for contacts 45)."""
    hs_write_source: str = "INTEGRATION"
    """sourceType of what a private app writes: INTEGRATION or API."""
    hs_association_page: int = 500
    """Associations per record in one answer of the v4 batch read (undocumented)."""
    hs_association_ids_as_text: bool = True
    """toObjectId is text, as the newest specification says; False: a number, as seen in practice."""
    hs_associations_exempt: bool = True
    """Association calls do not count in the ten seconds (OpenAPI); False: they do, as older pages have it."""
    hs_missing_associations: str = "207"
    """A batch read names records without associations as errors; "200": they are left out in silence."""
    hs_search_filters: tuple[int, int, int] = (5, 6, 18)
    """Most filter groups, filters of a group, filters in all (pages: 5, 6, 18; a changelog: 5, 10, 25)."""
    hs_search_counts_daily: bool = True
    """Searches count in the daily limit (uncertain)."""
    hs_longest_url: int = 16_300
    """Characters of path and query; more are 414 (one extractor found 16,300, another 8,000)."""
    hs_merged_ids_resolve: bool = True
    """GET by the id of a merged record answers with the survivor; False: 404 (uncertain)."""
    hs_history_in_batch: int = 50
    """Most inputs of a batch read with history (found by a public connector; uncertain today)."""
    hs_events_page_limit: int = 1000
    """Most web events of one page; more are cut to it in silence (undocumented)."""
    hs_email_event_lag: float = 0.0
    """Seconds after which an e-mail event shows up in the feed (late by up to an hour in practice)."""
    hs_absent: set[str] = field(default_factory=set)
    """Feeds this portal's subscription lacks: path prefixes such as `/events/v3`, answered with 404."""
    hs_missing_scopes: set[str] = field(default_factory=set)
    """Scopes the private app was not granted, such as `forms`: 403 MISSING_SCOPES."""
    hs_missing_properties: set[str] = field(default_factory=set)
    """`contacts.mql_score`: properties this portal lacks."""
