"""Every setting, with its unit and default under it. Nothing is read at import; see `config.load`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, Strict, field_validator, model_validator

from config.keeping import PrivacySettings as PrivacySettings
from config.keeping import RetentionSettings as RetentionSettings
from config.pulling import PulledObject as PulledObject
from config.pulling import PullSettings as PullSettings
from config.routing import Pool as Pool
from config.routing import PoolMember as PoolMember
from config.routing import RoutingRule as RoutingRule
from config.routing import RoutingSettings as RoutingSettings
from config.running import AlertsSettings as AlertsSettings
from config.running import DaemonSettings as DaemonSettings
from config.running import ScheduleSettings as ScheduleSettings
from config.running import SlaSettings as SlaSettings
from config.section import DURATION_TEXT as DURATION_TEXT
from config.section import Count, Duration, Flag, Share
from config.section import Section as Section
from config.section import parse_duration as parse_duration

STAGES = ("subscriber", "lead", "mql", "sql", "opportunity", "customer", "recycled", "disqualified")
"""Stages a person can be in."""

PolicyName = Literal["machine", "fill", "last_supplied", "human_wins", "ladder", "owner_claim"]

PURPOSES: dict[str, PolicyName] = {
    "status": "last_supplied",
    "stage": "ladder",
    "owner": "owner_claim",
    "score": "machine",
    "grade": "machine",
    "reason": "machine",
    "mql_date": "machine",
}
"""What write-back may set, in this order, with the policy that applies when none is named."""


class SalesforceSettings(Section):
    """Where Salesforce is and how to sign in. Without credentials Salesforce is off."""

    login_url: str = "https://login.salesforce.com"
    """Where to sign in: login, test or your My Domain URL (client credentials need the last)."""
    instance_url: str | None = None
    """Where the API is, together with an access token; otherwise learnt at sign-in."""
    access_token: SecretStr | None = None
    """A session or OAuth token obtained elsewhere; needs `instance_url`."""
    client_id: str | None = None
    """Consumer key of the External Client App."""
    client_secret: SecretStr | None = None
    """Consumer secret: sign-in by client credentials, or by password together with a username."""
    username: str | None = None
    """User name of the integration user, for JWT or password sign-in."""
    password: SecretStr | None = None
    """Password of the integration user."""
    security_token: SecretStr | None = None
    """Security token of the integration user, where the org asks for it."""
    private_key_file: Path | None = None
    """Private key (PEM) for JWT bearer sign-in; needs `client_id` and `username`."""
    api_version: str = "64.0"
    """REST API version; password sign-in without a client needs one below 65.0."""
    ca_file: Path | None = None
    """Certificate authorities (PEM) to trust instead of the system's."""

    @field_validator("api_version", mode="before")
    @classmethod
    def _as_in_urls(cls, value: object) -> object:
        """`v64.0`, as it stands in URLs, means `64.0`."""
        return value[1:] if isinstance(value, str) and re.fullmatch(r"v\d+\.0", value) else value

    @property
    def enabled(self) -> bool:
        """A CRM without credentials is off."""
        return any((self.access_token, self.client_secret, self.private_key_file, self.password))


class HubSpotRateLimit(Section):
    """Burst limits, in requests. Unset: by what the headers say, 100 and 5 until known."""

    per_10s: Count | None = None
    """Requests in any ten seconds."""
    search_per_second: Annotated[float, Strict(), Field(gt=0)] | None = None
    """Search requests a second."""


class HubSpotSettings(Section):
    """Where HubSpot is and how to sign in. Without credentials HubSpot is off."""

    access_token: SecretStr | None = None
    """Service Key or private-app token."""
    client_id: str | None = None
    """Client id of an OAuth app."""
    client_secret: SecretStr | None = None
    """Client secret of an OAuth app."""
    refresh_token: SecretStr | None = None
    """OAuth refresh token; needs `client_id` and `client_secret`."""
    base_url: str = "https://api.hubapi.com"
    """Where the API is."""
    api_version: str = "v3"
    """`v3`, or a dated version such as `2026-03`."""
    ca_file: Path | None = None
    """Certificate authorities (PEM) to trust instead of the system's."""
    rate_limit: HubSpotRateLimit = HubSpotRateLimit()
    """Burst limits that replace what the headers say."""

    @property
    def enabled(self) -> bool:
        """A CRM without credentials is off."""
        return bool(self.access_token or self.refresh_token)


class MappingSettings(Section):
    """Which record's fact wins, and which fields are ours to read."""

    precedence: tuple[str, ...] = (
        "salesforce.Contact",
        "salesforce.Lead",
        "salesforce.Account",
        "hubspot.companies",
        "hubspot.contacts",
    )
    """Where records of one person differ, the first of these that has the fact wins."""
    fields: dict[str, dict[str, str]] = Field(default={})
    """`[mapping.fields."salesforce.Lead"] segment = "Segment__c"`: name in the model → field in the CRM."""


class Condition(Section):
    """How one field of an engagement source is compared; text is compared ignoring case."""

    glob: str | None = None
    """The value matches this pattern (`*` and `?`)."""
    equals: str | None = None
    """The value is this."""
    in_: tuple[str, ...] | None = Field(default=None, alias="in")
    """The value is one of these."""


class EngagementRule(Section):
    """One row of the engagement mapping; the first that matches wins."""

    source: str
    """Where the row comes from, for example `hubspot.form_submission`."""
    when: dict[str, Condition] = Field(default={})
    """Field of the row → condition; all must hold."""
    kind: str
    """The kind of engagement it is, or `ignore`."""
    asset: str | None = None
    """The field whose value is the asset; unset: the source's own choice."""
    time: str | None = None
    """The field whose value is the time; unset: the source's own choice."""


class EngagementSettings(Section):
    """Own engagement rules; they are looked at before the shipped ones."""

    rules: tuple[EngagementRule, ...] = ()
    """`[[engagement.rules]]`, in order."""


class FieldPolicy(Section):
    """One field that write-back may set, and when."""

    field: str
    """API name of the field."""
    policy: PolicyName
    """When it may be set; unset: the usual policy of its purpose."""
    values: dict[str, str] = Field(default={})
    """Stage → the value that says so in this CRM."""
    from_: tuple[str, ...] | None = Field(default=None, alias="from")
    """Values that `last_supplied` may replace at the first meeting; "" means empty."""
    ladder: tuple[str, ...] = ()
    """Values from low to high, for `ladder`."""
    human_only: tuple[str, ...] = ()
    """Values that only people move away from."""
    demote_from: tuple[str, ...] = ()
    """Values that may be lowered."""
    pinned_for: Duration | None = None
    """How long a person's edit holds under `human_wins`; unset: until `mqlsync person release`."""
    record_types: dict[str, dict[str, str]] = Field(default={})
    """Salesforce record type (DeveloperName) → values that replace `values` there; {} leaves those alone."""
    via_native: Literal["salesforce", "hubspot"] | None = None
    """Written in that CRM only; the CRMs' own sync carries it to the other."""


class ObjectTargets(Section):
    """What write-back may set on one kind of record."""

    status: FieldPolicy | None = None
    """Lead status."""
    stage: FieldPolicy | None = None
    """Lifecycle stage."""
    owner: FieldPolicy | None = None
    """Owner."""
    score: FieldPolicy | None = None
    """Total score."""
    grade: FieldPolicy | None = None
    """Grade such as B2."""
    reason: FieldPolicy | None = None
    """What made the person an MQL, as text."""
    mql_date: FieldPolicy | None = None
    """When the person became an MQL."""

    @model_validator(mode="before")
    @classmethod
    def _usual_policies(cls, value: Any) -> Any:
        """A table without `policy` has the usual one of its purpose."""
        if not isinstance(value, dict):
            return value
        return {
            name: {"policy": PURPOSES[name], **target}
            if name in PURPOSES and isinstance(target, dict)
            else target
            for name, target in value.items()
        }

    def items(self) -> list[tuple[str, FieldPolicy]]:
        """The configured ones as (purpose, policy), in a fixed order."""
        return [(name, policy) for name in PURPOSES if (policy := getattr(self, name)) is not None]


class SalesforceTargets(Section):
    """`[writeback.salesforce.Lead]` and `.Contact`, and what a hand-off leaves beside one."""

    Lead: ObjectTargets = ObjectTargets()
    """Fields of Leads."""
    Contact: ObjectTargets = ObjectTargets()
    """Fields of Contacts."""
    hand_off: Literal["task"] | None = None
    """One Task for the owner, once an MQL's owner or status is proved to stand there; unset: none."""


class HubSpotTargets(Section):
    """`[writeback.hubspot.contacts]`, and who counts as a person in property history."""

    contacts: ObjectTargets = ObjectTargets()
    """Fields of contacts."""
    hand_off: Literal["task", "note"] | None = None
    """One task or note beside the contact, once an MQL's owner or status is proved; unset: none."""
    person_sources: tuple[str, ...] = ("CRM_UI", "MOBILE_ANDROID", "MOBILE_IOS")
    """Source types in property history that mean a person did it."""


class WritebackSettings(Section):
    """What is written, and how patiently."""

    quiet_period: Duration = 300
    """A field that a person touched this recently is left alone until then."""
    settle_time: Duration = 120
    """HubSpot, and tasks of hand-offs in both: no resend sooner after an unknown outcome."""
    canary: Annotated[int, Strict(), Field(ge=0)] = 10
    """From so many records on, a field that this mapping never wrote goes to one record first; 0: never."""
    salesforce: SalesforceTargets = SalesforceTargets()
    """Targets in Salesforce, per object."""
    hubspot: HubSpotTargets = HubSpotTargets()
    """Targets in HubSpot, per object."""

    def hand_off(self, crm: str) -> str | None:
        """What a hand-off leaves beside the record: "task", "note" or None."""
        return self.salesforce.hand_off if crm == "salesforce" else self.hubspot.hand_off

    def targets(self, crm: str, object_name: str) -> ObjectTargets:
        """The targets of one kind of record; empty ones when nothing is configured."""
        section: Any = self.salesforce if crm == "salesforce" else self.hubspot
        found = getattr(section, object_name, None)
        return found if isinstance(found, ObjectTargets) else ObjectTargets()


class LimitsSettings(Section):
    """Over a limit the plan waits for `mqlsync approve`."""

    first_run_needs_approval: Flag = True
    """The first writing run after `init`, and after a model or mapping change, waits."""
    records_per_run: Count = 500
    """Most records that one run may change unasked."""
    share_of_people: Share = 0.05
    """Most of all people that one run may change unasked; looked at from 100 people on."""
    per_owner_per_day: Count = 50
    """Most records that one owner may get in a day unasked."""


class CrmStages(Section):
    """Status values per CRM."""

    salesforce: tuple[str, ...] = ()
    """Values of the mapped Salesforce status fields."""
    hubspot: tuple[str, ...] = ()
    """Values of `lifecyclestage` or `hs_lead_status`."""


class StagesSettings(Section):
    """Which statuses mean accepted, recycled and disqualified; compared ignoring case."""

    accepted: CrmStages = CrmStages(
        salesforce=("Working - Contacted", "Sales Accepted", "Qualified", "SQL"),
        hubspot=("salesqualifiedlead", "IN_PROGRESS", "CONNECTED", "OPEN_DEAL"),
    )
    """Sales took the lead: stage sql."""
    recycled: CrmStages = CrmStages(
        salesforce=("Closed - Not Converted", "Rejected"), hubspot=("BAD_TIMING",)
    )
    """Sales gave the lead back: stage recycled."""
    disqualified: CrmStages = CrmStages(salesforce=("Disqualified", "Unqualified"), hubspot=("UNQUALIFIED",))
    """Never a customer: stage disqualified, until a person changes the status."""


class Settings(Section):
    """Everything mqlsync.toml and the environment say."""

    database_url: str = Field(default="", repr=False)
    """Where the mirror is: `sqlite:///PATH` or `postgresql+psycopg://…`; "" is in the user's state folder."""
    salesforce: SalesforceSettings = SalesforceSettings()
    hubspot: HubSpotSettings = HubSpotSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    pull: PullSettings = PullSettings()
    mapping: MappingSettings = MappingSettings()
    engagement: EngagementSettings = EngagementSettings()
    stages: StagesSettings = StagesSettings()
    writeback: WritebackSettings = WritebackSettings()
    routing: RoutingSettings = RoutingSettings()
    limits: LimitsSettings = LimitsSettings()
    daemon: DaemonSettings = DaemonSettings()
    sla: SlaSettings = SlaSettings()
    alerts: AlertsSettings = AlertsSettings()
    privacy: PrivacySettings = PrivacySettings()
    retention: RetentionSettings = RetentionSettings()
