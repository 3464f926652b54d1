"""How employers and humans are written down in each CRM: tidy in one, messy in the other."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.sandbox.people_data import DAY, Change, Employer, Happening, Human, OnDay, Removal, Row, When
from connectors.sandbox.people_make import REPS
from connectors.sandbox.people_pools import CAMPAIGNS, PLACES

_SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")
_HS_SOURCES = ("ORGANIC_SEARCH", "PAID_SEARCH", "DIRECT_TRAFFIC", "REFERRALS", "SOCIAL_MEDIA", "OFFLINE")
_PROMISING = ("hot", "fast", "bloom", "already")
_EMPLOYEE_RANGES = (
    (5, "1-5"),
    (25, "5-25"),
    (50, "25-50"),
    (100, "50-100"),
    (500, "100-500"),
    (1000, "500-1000"),
)


def company_rows(rng: random.Random, employers: list[Employer], days: float) -> Iterator[Row]:
    """Salesforce Accounts and HubSpot companies, with their deals when they bought."""
    for employer in employers:
        place = PLACES[employer.place]
        at = -rng.uniform(0.9, 1.0) * days * DAY
        owner = f"rep:{rng.choice(REPS)[0]}"
        if employer.salesforce:
            values = {
                "Name": employer.name,
                "Website": f"http://www.{employer.domain}",
                "NumberOfEmployees": employer.size,
                "Industry": employer.industry[0],
                "BillingCountry": place.country,
                "BillingState": place.state,
                "BillingCity": place.cities[0],
                "Type": "Customer - Direct" if employer.kind == "customer" else "Prospect",
            }
            yield Row("salesforce", "Account", f"acc:{employer.key}", at, at, values, {"OwnerId": owner})
        if employer.hubspot:
            values = {
                "name": employer.name.upper() if rng.random() < 0.03 else employer.name,
                "domain": employer.domain,
                "numberofemployees": None if employer.size is None else str(employer.size),
                "industry": employer.industry[1],
                "country": place.country,
                "state": place.state,
                "city": place.cities[0],
                "lifecyclestage": "customer" if employer.kind == "customer" else "lead",
            }
            links = {"hubspot_owner_id": owner} if rng.random() < 0.5 else {}
            yield Row("hubspot", "companies", f"hco:{employer.key}", at, at, values, links)


def campaign_rows(days: float) -> Iterator[Row]:
    """Salesforce campaigns."""
    for campaign in CAMPAIGNS:
        values = {"Name": campaign.name, "Type": campaign.type, "Status": campaign.status, "IsActive": True}
        yield Row("salesforce", "Campaign", f"camp:{campaign.key}", -days * DAY, -days * DAY, values)


class Clerk:
    """Writes humans down, with the mess of real data, in one random sequence."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.edits: list[Happening] = []
        """What people did to the records later on: claimed, worked, rejected, merged, threw away."""

    def _edit(self, human: Human, crm: str, key: str, fields: dict[str, Any], links: dict[str, str]) -> None:
        """A person of ours changes a record some time between its making and now."""
        if human.born > 0:
            return
        at = human.born * self._rng.uniform(0.05, 0.9)
        who = human.owner or "rep:manager"
        self.edits.append(Change(crm, key, at, fields, "person", links, who))

    def _remove(self, human: Human, crm: str, key: str, into: str = "") -> None:
        if human.born > 0:
            return
        at = max(human.born * 0.4, -60 * DAY) * self._rng.uniform(0.1, 0.9)
        self.edits.append(Removal(crm, key, at, into))

    def write(self, human: Human) -> list[Row]:
        """All records of a human, in the order in which they must be loaded."""
        rows: list[Row] = []
        if human.contact:
            rows.append(self._sf_contact(human))
            if human.converted:
                rows.append(self._converted_lead(human))
        if human.lead:
            rows.append(self._sf_lead(human, human.lead))
            if human.plan != "bloom" and self._rng.random() < 0.02:
                twin = f"{human.lead}:twin"
                rows.append(self._sf_lead(human, twin))
                if self._rng.random() < 0.3:
                    self._remove(human, "salesforce", twin, into=human.lead)
        if human.hubspot:
            rows.append(self._hs_contact(human))
            if human.plan == "cold" and human.born < 0 and self._rng.random() < 0.006:
                rows.append(self._hs_twin(human))
                if self._rng.random() < 0.5:
                    self._remove(human, "hubspot", rows[-1].key, into=human.hubspot)
        if human.plan == "junk" and self._rng.random() < 0.4:
            self._throw_away(human)
        return rows + self._deals(human)

    def _throw_away(self, human: Human) -> None:
        """Somebody has seen that this is junk: archived in HubSpot, deleted in Salesforce."""
        for crm, key in (("hubspot", human.hubspot), ("salesforce", human.lead)):
            if key:
                self._remove(human, crm, key)

    # -- HubSpot -------------------------------------------------------------------------------------------

    def choose_hubspot_address(self, human: Human) -> None:
        """HubSpot keeps addresses in lower case; some people gave it another one than Salesforce has."""
        rng = self._rng
        draw = rng.random()
        local, _, domain = human.email.partition("@")
        if human.plan in ("cold", "junk") and draw < 0.03:
            human.hs_email = None
        elif human.plan in ("cold", "warm") and draw < 0.05:
            human.hs_email = f"{local}+news@{domain}"
        elif human.plan == "cold" and draw < 0.08:
            human.hs_email = f"{local}{human.number}@gmail.com"
        else:
            human.hs_email = human.email

    def _hs_contact(self, human: Human) -> Row:
        rng = self._rng
        place = PLACES[human.employer.place]
        values: dict[str, Any] = {
            "email": human.hs_email,
            "firstname": human.first,
            "lastname": human.last,
            "jobtitle": human.title if rng.random() < 0.93 or human.senior else "",
            "company": human.employer.name if rng.random() < 0.9 or human.plan in _PROMISING else None,
            "phone": human.phone if rng.random() < 0.5 else None,
            "city": human.city,
            "state": place.state,
            "country": place.country if rng.random() < 0.9 else place.country.upper(),
            "numemployees": _range(human.employer.size) if rng.random() < 0.3 else None,
            "hs_analytics_source": rng.choice(_HS_SOURCES),
            **_hubspot_stage(rng, human.plan),
        }
        self._work_in_hubspot(human)
        if human.opted_out:
            values["hs_email_optout"] = "true"
        links = self._hs_links(human)
        joins = (f"hco:{human.employer.key}",) if human.employer.hubspot and rng.random() < 0.92 else ()
        touched = max(human.born, human.born * rng.random())
        return Row("hubspot", "contacts", human.hubspot or "", human.born, touched, values, links, joins)

    def _work_in_hubspot(self, human: Human) -> None:
        """Sales accept or reject a contact by hand; property history tells."""
        rng, key = self._rng, human.hubspot or ""
        if human.plan == "working":
            status = rng.choice(("IN_PROGRESS", "CONNECTED"))
            worked = {"hs_lead_status": status, "lifecyclestage": "salesqualifiedlead"}
            self._edit(human, "hubspot", key, worked, {})
        elif human.plan == "rejected":
            self._edit(
                human, "hubspot", key, {"hs_lead_status": rng.choice(("BAD_TIMING", "UNQUALIFIED"))}, {}
            )

    def _hs_links(self, human: Human) -> dict[str, str]:
        links: dict[str, str] = {}
        draw = self._rng.random()
        if draw < 0.23:  # a person takes the contact later on
            claimed = {"hubspot_owner_id": human.owner or "rep:manager"}
            self._edit(human, "hubspot", human.hubspot or "", {}, claimed)
        elif draw < 0.38:  # an import or a workflow gave it an owner
            links["hubspot_owner_id"] = human.owner or "rep:manager"
        elif draw < 0.40:
            links["hubspot_owner_id"] = "left:1"
        if self._rng.random() < 0.25 and (human.contact or human.lead):
            links["salesforcecontactid" if human.contact else "salesforceleadid"] = (
                human.contact or human.lead or ""
            )
        return links

    def _hs_twin(self, human: Human) -> Row:
        """The same human a second time, under a private address that the first record knows, too."""
        values = {
            "email": f"{human.number}.private@gmx.de",
            "hs_additional_emails": human.email if human.hs_email != human.email else None,
            "firstname": human.first,
            "lastname": human.last,
            "lifecyclestage": "lead",
        }
        at = human.born * 0.5
        return Row("hubspot", "contacts", f"{human.hubspot}:twin", at, at, values)

    # -- Salesforce ----------------------------------------------------------------------------------------

    def _salesforce_address(self, human: Human) -> str | None:
        draw = self._rng.random()
        if human.plan in ("cold", "junk") and draw < 0.03:
            return None
        if draw < 0.10:
            return human.email.title() if draw < 0.05 else human.email.upper()
        return human.email

    def _sf_common(self, human: Human) -> dict[str, Any]:
        return {
            "FirstName": human.first or None,
            "LastName": human.last,
            "Email": self._salesforce_address(human),
            "Title": human.title or None,
            "Phone": human.phone if self._rng.random() < 0.7 else None,
            "LeadSource": self._rng.choice(_SOURCES),
            "HasOptedOutOfEmail": human.opted_out and self._rng.random() < 0.6,
        }

    def _sf_lead(self, human: Human, key: str) -> Row:
        rng = self._rng
        place = PLACES[human.employer.place]
        size = human.employer.size
        values = {
            **self._sf_common(human),
            "Company": human.employer.name
            if rng.random() < 0.97 or human.plan != "cold"
            else "[not provided]",
            "NumberOfEmployees": size if rng.random() < 0.7 else None,
            "Industry": human.employer.industry[0],
            "Country": place.country,
            "State": place.state,
            "City": human.city,
            "Website": human.employer.domain,
            "Status": _lead_status(rng, human.plan),
        }
        touched = human.born * rng.random()
        owner = self._lead_owner(human)
        maker = owner if owner.startswith("rep:") else "integration"
        self._work_in_salesforce(human, key)
        links = {"OwnerId": owner}
        return Row("salesforce", "Lead", key, human.born, touched, values, links, maker=maker)

    def _work_in_salesforce(self, human: Human, key: str) -> None:
        """A rep claims a Lead and works it, or gives it up; field history tells."""
        if human.plan == "working":
            claimed = {"OwnerId": human.owner or "rep:manager"}
            self._edit(human, "salesforce", key, {"Status": "Working - Contacted"}, claimed)
        elif human.plan == "rejected":
            self._edit(human, "salesforce", key, {"Status": "Closed - Not Converted"}, {})

    def _lead_owner(self, human: Human) -> str:
        draw = self._rng.random()
        if draw < 0.55:
            return "queue:inbound" if draw < 0.45 else "queue:enterprise"
        if draw < 0.70:
            return "integration"
        return (human.owner or "rep:manager") if draw < 0.985 else "left:2"

    def _sf_contact(self, human: Human) -> Row:
        place = PLACES[human.employer.place]
        values = {
            **self._sf_common(human),
            "MailingCountry": place.country,
            "MailingState": place.state,
            "MailingCity": human.city,
        }
        owner = (human.owner or "rep:manager") if self._rng.random() < 0.7 else "integration"
        links = {"OwnerId": owner}
        if human.employer.salesforce:
            links["AccountId"] = f"acc:{human.employer.key}"
        touched = human.born * self._rng.random()
        return Row("salesforce", "Contact", human.contact or "", human.born, touched, values, links)

    def _converted_lead(self, human: Human) -> Row:
        values = {
            **self._sf_common(human),
            "Company": human.employer.name,
            "Status": "Closed - Converted",
            "IsConverted": True,
            "ConvertedDate": OnDay(human.born),
        }
        links = {"OwnerId": human.owner or "integration", "ConvertedContactId": human.contact or ""}
        if human.employer.salesforce:
            links["ConvertedAccountId"] = f"acc:{human.employer.key}"
        key = f"old:{human.number}"
        return Row("salesforce", "Lead", key, human.born - DAY, human.born, values, links)

    # -- money ---------------------------------------------------------------------------------------------

    def _deals(self, human: Human) -> list[Row]:
        if human.plan not in ("customer", "working") or (
            human.plan == "working" and self._rng.random() < 0.5
        ):
            return []
        rng, won = self._rng, human.plan == "customer"
        at = human.born * rng.uniform(0.2, 0.6)
        amount = float(rng.randrange(4, 90) * 500)
        name = f"{human.employer.name}: subscription"
        if human.contact and human.employer.salesforce:
            return _opportunity(human, at, amount, name, won)
        if human.hubspot:
            values = {
                "dealname": name,
                "amount": str(amount),
                "dealstage": "closedwon" if won else "qualifiedtobuy",
                "pipeline": "default",
                "closedate": When(at if won else 30 * DAY),
            }
            key = f"deal:{human.number}"
            links = {"hubspot_owner_id": human.owner or "rep:manager"}
            return [Row("hubspot", "deals", key, at, at, values, links, (human.hubspot,))]
        return []


def _opportunity(human: Human, at: float, amount: float, name: str, won: bool) -> list[Row]:
    key = f"opp:{human.number}"
    values: Mapping[str, Any] = {
        "Name": name,
        "StageName": "Closed Won" if won else "Proposal/Price Quote",
        "Amount": amount,
        "CloseDate": OnDay(at if won else 30 * DAY),
        "IsClosed": won,
        "IsWon": won,
    }
    links = {"AccountId": f"acc:{human.employer.key}", "OwnerId": human.owner or "rep:manager"}
    role = {"OpportunityId": key, "ContactId": human.contact or ""}
    return [
        Row("salesforce", "Opportunity", key, at, at, values, links),
        Row(
            "salesforce",
            "OpportunityContactRole",
            f"ocr:{human.number}",
            at,
            at,
            {"Role": "Decision Maker", "IsPrimary": True},
            role,
        ),
    ]


def _range(size: int | None) -> str | None:
    if size is None:
        return None
    return next((label for limit, label in _EMPLOYEE_RANGES if size < limit), "1000+")


def _lead_status(rng: random.Random, plan: str) -> str:
    if plan == "already":
        return "MQL"
    if plan == "cold" and rng.random() < 0.06:
        return "Recycled"
    return "Open - Not Contacted" if rng.random() < 0.75 else "New"


def _hubspot_stage(rng: random.Random, plan: str) -> dict[str, str | None]:
    """The stage and status a contact starts with."""
    if plan == "customer":
        return {"lifecyclestage": "customer", "hs_lead_status": None}
    if plan == "already":
        return {"lifecyclestage": "marketingqualifiedlead", "hs_lead_status": "OPEN"}
    stage = "subscriber" if plan == "unsubscribed" or rng.random() < 0.25 else "lead"
    offered = (
        (None, None, "NEW", "NEW", "ATTEMPTED_TO_CONTACT") if plan in ("cold", "warm") else (None, "NEW")
    )
    return {"lifecyclestage": stage, "hs_lead_status": rng.choice(offered)}
