"""The simulated population: repeatable, believable, messy, and with the right share of qualified people."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from connectors.sandbox.people import generate
from connectors.sandbox.people_data import (
    DAY,
    Happening,
    Human,
    MailEvent,
    Population,
    Row,
    Submission,
    WebEvent,
)
from connectors.sandbox.people_pools import CAMPAIGNS
from connectors.sandbox.sandbox import Sandbox
from scoring.assets import normalise
from scoring.domains import email_domain, is_disposable, is_free_mail, is_student
from scoring.evaluate import Evaluation, evaluate
from scoring.load import load_model
from scoring.titles import seniority
from tests.unit.sandbox_hubspot.conftest import Api
from tests.world import SimulatedWorld

NOW = 2_000_000_000
FORM_KINDS = {
    "demo": "demo_requested",
    "demo_embed": "demo_requested",
    "trial": "trial_started",
    "newsletter": "subscribed",
    "case_kettle": "content_downloaded",
    "case_tundra": "content_downloaded",
    "whitepaper": "content_downloaded",
    "webinar": "webinar_registered",
    "unsubscribe": "unsubscribed",
    "demo_campaign": "demo_requested",
    "case": "content_downloaded",
    "webinar_1": "webinar_attended",
    "webinar_2": "webinar_attended",
    "fair": "campaign_responded",
}
ASSETS = {
    "case_kettle": "Case study: Kettle",
    "case_tundra": "Case study: Tundra",
    "newsletter": "Newsletter sign-up",
}
ASSETS |= {campaign.key: campaign.name for campaign in CAMPAIGNS if campaign.key not in ASSETS}


@pytest.fixture(scope="module")
def year() -> Population:
    return generate(seed=7, people=2000, days=365, future=14)


def kind_and_asset(happening: Happening) -> tuple[str, str] | None:
    """What an engagement amounts to under the default mapping, in short."""
    if isinstance(happening, WebEvent):
        return "page_view", happening.url
    if isinstance(happening, Submission):
        return FORM_KINDS.get(happening.form, "form_submitted"), ASSETS.get(happening.form, happening.form)
    if isinstance(happening, MailEvent) and happening.kind == "STATUSCHANGE":
        return "unsubscribed", "mail"
    if (
        isinstance(happening, Row)
        and happening.object == "CampaignMember"
        and happening.fields["HasResponded"]
    ):
        campaign = happening.links["CampaignId"].removeprefix("camp:")
        return FORM_KINDS.get(campaign, "campaign_responded"), ASSETS.get(campaign, campaign)
    return None


def key_of(happening: Happening) -> str | None:
    """The record that an engagement belongs to."""
    if isinstance(happening, WebEvent | Submission):
        return happening.contact
    if isinstance(happening, MailEvent):
        return f"mail:{happening.recipient}"
    if isinstance(happening, Row) and happening.object == "CampaignMember":
        return happening.links.get("ContactId") or happening.links.get("LeadId")
    return None


def qualified(population: Population, at: float) -> dict[int, Evaluation]:
    """Humans whom the shipped model would enter at `at`, in seconds relative to now."""
    model = load_model(Path("config/templates/scoring.toml").read_text(encoding="utf-8"), "scoring.toml")
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number, happening in enumerate([*population.past, *population.future]):
        meant, key = kind_and_asset(happening), key_of(happening)
        if meant is None or key is None or happening.at > at:
            continue
        moment = NOW + int(happening.at)
        engagement = {"kind": meant[0], "asset": meant[1], "asset_key": normalise(meant[1]), "crm": "x"}
        times = {"occurred_at": moment, "first_seen": moment}
        rows[key].append({**engagement, **times, "is_bot": False, "deleted": False, "id": number})
    found: dict[int, Evaluation] = {}
    for human in population.humans:
        keys = [human.hubspot, human.lead, human.contact, f"mail:{human.hs_email}"]
        engaged = [row for key in keys if key for row in rows[key]]
        result = evaluate(model, person_of(human), engaged, as_of=NOW + int(at), known_at=NOW + int(at))
        if result.eligible and (result.over_enter or result.fast_track):
            found[human.number] = result
    return found


def person_of(human: Human) -> dict[str, Any]:
    domain = email_domain(human.email)
    stage = {"customer": "customer", "working": "sql", "rejected": "recycled"}.get(human.plan, "lead")
    return {
        "email": human.email, "email_domain": domain, "student_domain": is_student(domain),
        "free_mail": is_free_mail(domain), "disposable": is_disposable(domain), "job_title": human.title,
        "seniority": seniority(human.title), "company": human.employer.name,
        "company_size": human.employer.size,
        "stage_read": stage, "ambiguous": False, "fields": "{}", "industry": None, "country": None,
    }  # fmt: skip


def rows_of(population: Population, crm: str, name: str) -> list[Row]:
    return [one for one in population.past if isinstance(one, Row) and (one.crm, one.object) == (crm, name)]


def test_the_same_seed_gives_the_same_people() -> None:
    assert generate(3, 60, 90, 5) == generate(3, 60, 90, 5)
    assert generate(3, 60, 90, 5).past != generate(4, 60, 90, 5).past


def test_volumes(year: Population) -> None:
    counts = Counter(type(happening).__name__ for happening in year.past)
    assert 6_000 < counts["WebEvent"] <= 12_000
    assert 3_000 < counts["MailEvent"] <= 8_000
    assert 1_000 < counts["Submission"] <= 3_000
    assert len([human for human in year.humans if human.born <= 0]) == 2000


def test_nothing_lies_on_the_wrong_side_of_now(year: Population) -> None:
    assert all(happening.at <= 0 for happening in year.past)
    assert all(happening.at > 0 for happening in year.future)
    assert [one.at for one in year.future] == sorted(one.at for one in year.future)
    assert all(one.at >= -366 * DAY for one in year.past)


def test_people_are_in_both_crms_or_in_one(year: Population) -> None:
    places = Counter(
        (human.lead is not None, human.contact is not None, human.hubspot is not None)
        for human in year.humans
    )
    share = {place: count / len(year.humans) for place, count in places.items()}
    assert share[(True, False, True)] > 0.25  # Lead and HubSpot
    assert share[(False, True, True)] > 0.10  # Contact and HubSpot
    assert share[(True, False, False)] > 0.08
    assert share[(False, True, False)] > 0.04
    assert share[(False, False, True)] > 0.20


def test_who_owns_leads(year: Population) -> None:
    owners = [
        row.links["OwnerId"] for row in rows_of(year, "salesforce", "Lead") if row.key.startswith("lead:")
    ]
    kinds = Counter(owner.partition(":")[0] for owner in owners)
    assert 0.45 < kinds["queue"] / len(owners) < 0.62
    assert 0.10 < kinds["integration"] / len(owners) < 0.20
    assert 0.22 < kinds["rep"] / len(owners) < 0.42


def test_the_mess_of_real_data(year: Population) -> None:
    leads, contacts = rows_of(year, "salesforce", "Lead"), rows_of(year, "hubspot", "contacts")
    addresses = [row.fields["Email"] for row in leads]
    assert None in addresses
    assert any(address and address != address.lower() for address in addresses)
    twice = Counter(address.lower() for address in addresses if address)
    assert sum(count > 1 for count in twice.values()) > 5
    hubspot = [row.fields.get("email") for row in contacts]
    assert None in hubspot
    assert any(address and "+" in address for address in hubspot)
    known = [address for address in hubspot if address]
    assert len(set(known)) == len(known)
    domains = {email_domain(human.email) for human in year.humans}
    assert any(is_student(domain) for domain in domains)
    assert any(domain and domain.endswith(".ac.uk") for domain in domains)
    assert any(is_disposable(domain) for domain in domains)
    assert any(is_free_mail(domain) for domain in domains)
    assert any(not name.isascii() for name in (human.last for human in year.humans))


def test_mailing_events_include_bots_and_unsubscriptions(year: Population) -> None:
    mail = [one for one in year.past if isinstance(one, MailEvent)]
    assert {one.kind for one in mail} == {"SENT", "DELIVERED", "OPEN", "CLICK", "BOUNCE", "STATUSCHANGE"}
    assert any(one.bot for one in mail if one.kind == "OPEN")


@pytest.mark.parametrize("seed", [7, 8])
def test_three_to_eight_percent_are_qualified(seed: int) -> None:
    population = generate(seed, people=2000, days=365)
    found = qualified(population, 0)
    assert 0.03 < len(found) / 2000 < 0.08
    fast = [result for result in found.values() if not result.over_enter]
    assert 3 <= len(fast) <= 0.5 * len(found)


def test_each_future_day_brings_a_few_more(year: Population) -> None:
    seen = set(qualified(year, 0))
    for day in range(1, 4):
        now = set(qualified(year, day * DAY))
        assert 1 <= len(now - seen) <= 8
        seen |= now


def test_small_populations_have_some_of_everything() -> None:
    population = generate(seed=7, people=60, days=60, future=3)
    assert len(population.humans) >= 60
    assert qualified(population, 3 * DAY)


def test_future_behaviour_is_released_by_the_clock(sandbox: Sandbox, api: Api, world: SimulatedWorld) -> None:
    sandbox.populate(seed=7, people=60, days=30, future=3)
    sandbox.switches.hs_per_ten_seconds = 10_000
    path = "/events/v3/events"

    def visits() -> int:
        count, page = 0, api.get(path, eventType="e_visited_page", limit=100)
        while True:
            count += len(page["results"])
            if "paging" not in page:
                return count
            page = api.get(page["paging"]["next"]["link"])

    before, contacts = visits(), len(list(sandbox.store.table("hubspot", "contacts").alive()))
    assert sandbox.ledger.entries() == []
    world.advance(3 * DAY + 3600)
    assert visits() > before
    assert len(list(sandbox.store.table("hubspot", "contacts").alive())) > contacts
    assert {entry.author for entry in sandbox.ledger.entries()} <= {"automation", "system"}


@pytest.mark.parametrize("seed", [1, 7])
def test_the_future_copes_with_what_people_did_in_the_meantime(
    sandbox: Sandbox, world: SimulatedWorld, seed: int
) -> None:
    sandbox.populate(seed=seed, people=700, days=60, future=14)
    contacts = [one.id for one in sandbox.store.table("hubspot", "contacts").alive()]
    leads = [
        one.id for one in sandbox.store.table("salesforce", "Lead").alive() if not one.get("IsConverted")
    ]
    for contact in contacts[::3]:
        sandbox.archive("hubspot", "contacts", contact)
    for first, second in zip(contacts[1::6], contacts[4::6], strict=False):
        sandbox.merge("hubspot", "contacts", first, second)
    sandbox.hubspot.erase("contacts", contacts[2])
    for lead in leads[::3]:
        sandbox.delete("salesforce", "Lead", lead)
    for lead in leads[1::6]:
        sandbox.convert(lead)
    for _ in range(14):
        world.advance(DAY)
        sandbox.release_due()


def test_every_reference_leads_somewhere(sandbox: Sandbox) -> None:
    sandbox.populate(seed=7, people=120, days=60)
    known = {record.id for table in sandbox.store.tables() for record in table}
    for record in _rows(
        sandbox, "salesforce", ("Lead", "Contact", "CampaignMember", "Task", "OpportunityContactRole")
    ):
        links = [value for name, value in record.values.items() if name.endswith("Id") and value]
        assert set(links) <= known
    for record in _rows(sandbox, "hubspot", ("contacts",)):
        linked = record.get("salesforceleadid") or record.get("salesforcecontactid")
        assert linked is None or linked in known


def test_history_archive_and_merges_are_part_of_the_past(sandbox: Sandbox, api: Api) -> None:
    sandbox.populate(seed=7, people=1500, days=200)
    assert sandbox.ledger.entries() == []
    contacts = sandbox.store.table("hubspot", "contacts")
    assert {record.gone for record in contacts} == {"", "archived", "merged"}
    leads = sandbox.store.table("salesforce", "Lead")
    assert "deleted" in {record.gone for record in leads}
    claimed = next(record for record in contacts if len(record.history("hubspot_owner_id")) == 1
                   and record.history("hubspot_owner_id")[0].author == "person")  # fmt: skip
    answer = api.get(f"/crm/v3/objects/contacts/{claimed.id}", propertiesWithHistory="hubspot_owner_id")
    (version,) = answer["propertiesWithHistory"]["hubspot_owner_id"]
    assert version["sourceType"] == "CRM_UI"
    assert version["sourceId"] == f"userId:{version['updatedByUserId']}"
    assert api.get("/crm/v3/objects/contacts", archived="true")["results"]


def _rows(sandbox: Sandbox, crm: str, names: Iterable[str]) -> list[Any]:
    return [record for name in names for record in sandbox.store.table(crm, name)]
