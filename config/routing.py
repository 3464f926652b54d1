"""The settings of owner routing: pools, rules, who is whom."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, Strict

from config.section import Count, Flag, Section


def _day_text(value: object) -> object:
    """A date of TOML as text, so that `absent = [2026-12-24]` and `["2026-12-24"]` are the same."""
    return value.isoformat() if type(value) is date else value


class PoolMember(Section):
    """Somebody who takes leads."""

    email: str
    """Address by which both CRMs know this colleague."""
    weight: Annotated[int, Strict(), Field(ge=1, le=1000)] = 1
    """Turns in relation to the others'."""
    capacity: Count | None = None
    """Most new leads by turn in any 24 hours; unset: no limit."""
    hours: str | None = None
    """Working hours with time zone, such as `Mo-Fr 09:00-17:00 Europe/Berlin`; unset: always."""
    absent: tuple[Annotated[str, BeforeValidator(_day_text)], ...] = ()
    """Days away, `2026-12-24` or `2026-12-24..2027-01-02`, by the zone of `hours` (else UTC)."""


class Pool(Section):
    """People who take turns."""

    members: tuple[PoolMember, ...] = ()
    """Who takes turns."""
    fallback: str | None = None
    """Who takes over while no member can: an address, or `queue:NAME`; unset: the next all the same."""
    company_owner: Flag = False
    """The owner of the person's company (Account before HubSpot company) comes before the turns."""
    sticky: Flag = True
    """Who comes back goes to the earlier owner, while that one may still own the records."""


class RoutingRule(Section):
    """Which pool takes a person; the first rule that matches wins."""

    when: dict[str, Any] = Field(default={})
    """Condition in the language of scoring.toml: country, state, industry, company_size, fields.segment …"""
    pool: str
    """Name of a `[routing.pools.NAME]`."""
    company_owner: Flag | None = None
    """As in the pool, for this rule alone; unset: as the pool says."""


class SameHuman(Section):
    """One colleague whom the CRMs know by different addresses."""

    salesforce: str
    """The address in Salesforce."""
    hubspot: str
    """The address in HubSpot."""


class RoutingSettings(Section):
    """Who gets a new MQL. Without a pool, owners are not decided."""

    pools: dict[str, Pool] = Field(default={})
    """`[routing.pools.NAME]`; `default` takes everyone whom no rule sends elsewhere."""
    rules: tuple[RoutingRule, ...] = ()
    """`[[routing.rules]]`, in order."""
    unowned: tuple[str, ...] = ()
    """Addresses whose records count as nobody's; our own integration user always does."""
    same: tuple[SameHuman, ...] = ()
    """Colleagues with another address in each CRM; everyone else is the same human by the same address."""
