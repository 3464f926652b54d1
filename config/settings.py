"""Every setting, with its unit and default under it. Nothing is read at import."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(value: object) -> object:
    """`"90s"`, `"5m"`, `"24h"`, `"30d"` or a whole number of seconds → seconds (int)."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+)\s*([smhd]?)\s*", value)
        if match is None:
            raise ValueError('a duration looks like "90s", "5m", "24h" or "30d"')
        return int(match[1]) * _UNITS[match[2] or "s"]
    return value


Duration = Annotated[int, BeforeValidator(parse_duration), Field(ge=0)]
"""Whole seconds; written as "5m" in TOML."""


class Section(BaseModel):
    """A table of mqlsync.toml: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True)


class SalesforceSettings(Section):
    """Where Salesforce is and how to sign in."""

    login_url: str = "https://login.salesforce.com"
    instance_url: str | None = None
    access_token: SecretStr | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    username: str | None = None
    password: SecretStr | None = None
    security_token: SecretStr | None = None
    private_key_file: Path | None = None
    api_version: str = "64.0"
    ca_file: Path | None = None

    @property
    def enabled(self) -> bool:
        """A CRM without credentials is off."""
        return any((self.access_token, self.client_secret, self.private_key_file, self.password))


class HubSpotRateLimit(Section):
    """Burst limits, in requests; None: by what the headers say, 100 and 5 until known."""

    per_10s: int | None = None
    search_per_second: float | None = None


class HubSpotSettings(Section):
    """Where HubSpot is and how to sign in."""

    access_token: SecretStr | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None
    base_url: str = "https://api.hubapi.com"
    api_version: str = "v3"
    ca_file: Path | None = None
    rate_limit: HubSpotRateLimit = HubSpotRateLimit()

    @property
    def enabled(self) -> bool:
        """A CRM without credentials is off."""
        return bool(self.access_token or self.refresh_token)


class ScheduleSettings(Section):
    """When the daemon does what: an interval ("5m") or a cron line ("0 2 * * *")."""

    pull: str = "5m"
    full: str = "0 3 * * 0"


class PullSettings(Section):
    """What is pulled."""

    fields: Literal["needed", "all"] = "needed"
    reserve: Annotated[float, Field(ge=0, lt=1)] = 0.2
    sweep_limit: Annotated[float, Field(gt=0, le=1)] = 0.05
    overlap: dict[str, Duration] = {}


class MappingSettings(Section):
    """Which record's fact wins, and which fields are ours to read."""

    precedence: tuple[str, ...] = (
        "salesforce.Contact",
        "salesforce.Lead",
        "salesforce.Account",
        "hubspot.companies",
        "hubspot.contacts",
    )
    fields: dict[str, dict[str, str]] = {}
    """`[mapping.fields."salesforce.Lead"] segment = "Segment__c"`: name in the model → field in the CRM."""


class Condition(Section):
    """How one field of an engagement source is compared; text is compared ignoring case."""

    glob: str | None = None
    equals: str | None = None
    in_: tuple[str, ...] | None = Field(default=None, alias="in")


class EngagementRule(Section):
    """One row of the engagement mapping; the first that matches wins."""

    source: str
    when: dict[str, Condition] = {}
    kind: str
    asset: str | None = None
    time: str | None = None


class EngagementSettings(Section):
    """Own engagement rules; they are looked at before the shipped ones."""

    rules: tuple[EngagementRule, ...] = ()


class FieldPolicy(Section):
    """One field that write-back may set, and when."""

    field: str
    policy: Literal["machine", "fill", "last_supplied", "human_wins", "ladder", "owner_claim"]
    values: dict[str, str] = {}
    from_: tuple[str, ...] | None = Field(default=None, alias="from")
    ladder: tuple[str, ...] = ()
    human_only: tuple[str, ...] = ()
    demote_from: tuple[str, ...] = ()
    record_types: dict[str, dict[str, str]] = {}
    via_native: Literal["salesforce", "hubspot"] | None = None


class ObjectTargets(Section):
    """What write-back may set on one kind of record."""

    status: FieldPolicy | None = None
    stage: FieldPolicy | None = None
    owner: FieldPolicy | None = None
    score: FieldPolicy | None = None
    grade: FieldPolicy | None = None
    reason: FieldPolicy | None = None
    mql_date: FieldPolicy | None = None

    def items(self) -> list[tuple[str, FieldPolicy]]:
        """The configured ones as (purpose, policy), in a fixed order."""
        names = ("status", "stage", "owner", "score", "grade", "reason", "mql_date")
        return [(name, policy) for name in names if (policy := getattr(self, name)) is not None]


class SalesforceTargets(Section):
    """`[writeback.salesforce.Lead]` and `[writeback.salesforce.Contact]`."""

    Lead: ObjectTargets = ObjectTargets()
    Contact: ObjectTargets = ObjectTargets()


class HubSpotTargets(Section):
    """`[writeback.hubspot.contacts]`, and who counts as a person in property history."""

    contacts: ObjectTargets = ObjectTargets()
    person_sources: tuple[str, ...] = ("CRM_UI", "MOBILE_ANDROID", "MOBILE_IOS")


class WritebackSettings(Section):
    """What is written, and how patiently."""

    quiet_period: Duration = 300
    settle_time: Duration = 120
    salesforce: SalesforceTargets = SalesforceTargets()
    hubspot: HubSpotTargets = HubSpotTargets()

    def targets(self, crm: str, object_name: str) -> ObjectTargets:
        """The targets of one kind of record; empty ones when nothing is configured."""
        section: Any = self.salesforce if crm == "salesforce" else self.hubspot
        found = getattr(section, object_name, None)
        return found if isinstance(found, ObjectTargets) else ObjectTargets()


class PoolMember(Section):
    """Somebody who takes leads."""

    email: str
    weight: Annotated[int, Field(ge=1, le=1000)] = 1
    capacity: Annotated[int, Field(ge=0)] | None = None
    hours: str | None = None
    absent: tuple[str, ...] = ()


class Pool(Section):
    """People who take turns."""

    members: tuple[PoolMember, ...] = ()
    fallback: str | None = None


class RoutingRule(Section):
    """Which pool takes a person; the first rule that matches wins."""

    when: dict[str, Any] = {}
    pool: str


class RoutingSettings(Section):
    """Who gets a new MQL."""

    pools: dict[str, Pool] = {}
    rules: tuple[RoutingRule, ...] = ()
    unowned: tuple[str, ...] = ()


class LimitsSettings(Section):
    """Over a limit the plan waits for `mqlsync approve`."""

    first_run_needs_approval: bool = True
    records_per_run: Annotated[int, Field(ge=1)] = 500
    share_of_people: Annotated[float, Field(gt=0, le=1)] = 0.05
    per_owner_per_day: Annotated[int, Field(ge=1)] = 50


class DaemonSettings(Section):
    """The daemon's own clockwork."""

    lease: Duration = 30
    lease_wait: Duration = 30


class AlertsSettings(Section):
    """Where alerts go."""

    webhook: str | None = None


class CrmStages(Section):
    """Status values per CRM."""

    salesforce: tuple[str, ...] = ()
    hubspot: tuple[str, ...] = ()


class StagesSettings(Section):
    """Which statuses mean accepted, recycled and disqualified; compared ignoring case."""

    accepted: CrmStages = CrmStages(
        salesforce=("Working - Contacted", "Sales Accepted", "Qualified", "SQL"),
        hubspot=("salesqualifiedlead", "IN_PROGRESS", "CONNECTED", "OPEN_DEAL"),
    )
    recycled: CrmStages = CrmStages(
        salesforce=("Closed - Not Converted", "Rejected"), hubspot=("BAD_TIMING",)
    )
    disqualified: CrmStages = CrmStages(
        salesforce=("Disqualified", "Unqualified"), hubspot=("UNQUALIFIED",)
    )


class Settings(Section):
    """Everything mqlsync.toml and the environment say."""

    database_url: str = ""
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
    alerts: AlertsSettings = AlertsSettings()
