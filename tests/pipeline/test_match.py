"""Who is one person, what is known of them, and whose engagements are whose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from config.settings import Settings
from connectors.records import GoneReason, RecordRef
from sync.core import identity
from sync.core.identity import founder_id
from sync.mirror.runs import SCORED_ROUND, scoring_round, set_meta
from sync.stages import match as match_module
from tests.pipeline.small import Small, small
from tests.unit.mirror.rows import company, deal, engagement, links

LEAD = "00Q000000000001AAA"
LEAD2 = "00Q000000000002AAA"
CONTACT = "003000000000001AAA"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Small]:
    made = small(tmp_path)
    yield made
    made.mirror.close()


@pytest.fixture
def sf(here: Small) -> Any:
    return here.connectors["salesforce"]


@pytest.fixture
def hs(here: Small) -> Any:
    return here.connectors["hubspot"]


def groups(here: Small) -> list[list[str]]:
    """The ids of the records of each person."""
    found: dict[str, list[str]] = {}
    for person, id_ in here.select("SELECT person_id, id FROM person_member ORDER BY id"):
        found.setdefault(person, []).append(id_)
    return sorted(found.values())


def only(here: Small, *columns: str) -> tuple[Any, ...]:
    """These columns of the only person."""
    rows = here.select(f"SELECT {', '.join(columns)} FROM person")
    assert len(rows) == 1
    return rows[0]


def person_of(here: Small, id_: str) -> str:
    return str(here.select("SELECT person_id FROM person_member WHERE id = :id", id=id_)[0][0])


# Who is one person.


def test_one_address_in_both_crms_is_one_person(here: Small, sf: Any, hs: Any) -> None:
    sf.put("Lead", LEAD, email=" Ann@Example.com")
    hs.put("contacts", "1", email="ann@EXAMPLE.com")
    hs.put("contacts", "2", email="bob@example.com")
    counts = here.sync()
    assert (counts.people, counts.ambiguous) == (2, 0)
    assert groups(here) == [[LEAD, "1"], ["2"]]
    assert here.select("SELECT id, evidence FROM person_member ORDER BY id") == [
        (LEAD, "email"),
        ("1", "email"),
        ("2", "alone"),
    ]


def test_a_native_link_joins_whatever_the_addresses(here: Small, sf: Any, hs: Any) -> None:
    sf.put("Lead", LEAD, email="ann@example.com")
    hs.put("contacts", "1", email="ann@home.example", sf_lead_id=LEAD[:15])
    here.sync()
    assert groups(here) == [[LEAD, "1"]]
    assert only(here, "ambiguous", "email", "emails") == (
        0,
        "ann@example.com",
        '["ann@example.com","ann@home.example"]',
    )
    assert {row[0] for row in here.select("SELECT evidence FROM person_member")} == {"native_link"}


def test_an_additional_address_joins(here: Small, sf: Any, hs: Any) -> None:
    sf.put("Lead", LEAD, email="ann@work.example")
    hs.put("contacts", "1", email="ann@home.example", additional_emails='["Ann@Work.example"]')
    here.sync()
    assert groups(here) == [[LEAD, "1"]]
    assert only(here, "email", "emails") == ("ann@work.example", '["ann@work.example","ann@home.example"]')


@pytest.mark.parametrize(("first", "second"), [("Lead", "Lead"), ("Lead", "Contact")])
def test_two_live_records_of_one_crm_are_one_ambiguous_person(
    here: Small, sf: Any, first: str, second: str
) -> None:
    sf.put(first, LEAD, email="ann@example.com")
    here.world.advance(5)
    sf.put(second, LEAD2, email="ann@example.com")
    counts = here.sync()
    assert (counts.people, counts.ambiguous) == (1, 1)
    ambiguous, why = only(here, "ambiguous", "ambiguous_why")
    assert ambiguous
    assert json.loads(why) == [
        {"crm": "salesforce", "object": first, "id": LEAD},
        {"crm": "salesforce", "object": second, "id": LEAD2},
    ]


def test_two_contacts_joined_by_an_additional_address_only_are_ambiguous(here: Small, hs: Any) -> None:
    hs.put("contacts", "1", email="a@x.com", additional_emails='["b@x.com"]')
    hs.put("contacts", "2", email="b@x.com")
    assert here.sync().ambiguous == 1


def test_ambiguity_ends_when_one_record_goes(here: Small, sf: Any) -> None:
    sf.put("Lead", LEAD, email="ann@example.com")
    second = sf.put("Lead", LEAD2, email="ann@example.com")
    here.sync()
    sf.delete(second)
    assert here.sync().ambiguous == 0
    assert only(here, "ambiguous_why") == (None,)


def test_people_without_an_address_are_people_of_one_record(here: Small, sf: Any, hs: Any) -> None:
    sf.put("Lead", LEAD, last_name="Lee")
    sf.put("Lead", LEAD2, last_name="Lee")
    hs.put("contacts", "1", last_name="Lee")
    assert here.sync().people == 3


def test_a_converted_lead_gives_its_links_and_its_person_to_the_contact(
    here: Small, sf: Any, hs: Any
) -> None:
    lead = sf.put("Lead", LEAD, email="ann@example.com")
    hs.put("contacts", "1", email="ann@home.example", sf_lead_id=LEAD)
    here.sync()
    before = person_of(here, LEAD)
    contact = sf.put("Contact", CONTACT, email="ann@example.com")
    sf.merge(lead, contact, GoneReason.CONVERTED)
    here.sync()
    assert groups(here) == [[CONTACT, "1"]]
    assert person_of(here, CONTACT) == before
    assert only(here, "ambiguous", "crm_stage") == (0, "sql")


def test_a_contact_that_comes_later_than_its_conversion_inherits_the_person(here: Small, sf: Any) -> None:
    lead = sf.put("Lead", LEAD, email="ann@example.com")
    here.sync()
    before = person_of(here, LEAD)
    sf.merge(lead, RecordRef("salesforce", "Contact", CONTACT), GoneReason.CONVERTED)
    assert here.sync().people == 0
    sf.put("Contact", CONTACT, email="other@example.com")
    here.sync()
    assert person_of(here, CONTACT) == before


# Ids over time.


def test_the_id_comes_from_the_founding_record_and_stays(here: Small, sf: Any, hs: Any) -> None:
    sf.put("Lead", LEAD, email="ann@example.com")
    here.world.advance(60)
    contact = hs.put("contacts", "1", email="ann@example.com")
    here.sync()
    founded = founder_id("salesforce", "Lead", LEAD)
    assert person_of(here, "1") == founded
    sf.delete(RecordRef("salesforce", "Lead", LEAD))
    here.sync()
    assert person_of(here, "1") == founded
    hs.edit(contact, email="new@example.com")
    here.sync()
    assert person_of(here, "1") == founded


def test_people_who_join_leave_an_alias_and_take_their_rows_along(here: Small, sf: Any, hs: Any) -> None:
    sf.put("Lead", LEAD, email="ann@example.com")
    here.world.advance(60)
    contact = hs.put("contacts", "1", email="bob@example.com")
    hs.add_engagement(engagement("e1", person_object="contacts", person_id="1"))
    here.sync()
    kept, lost = person_of(here, LEAD), person_of(here, "1")
    with here.mirror.write() as conn:
        conn.execute(
            text(
                "INSERT INTO spell (id, person_id, model, version, model_hash, entered_at, "
                "entered_by, snapshot) "
                "VALUES ('s', :lost, 'm', 1, 'h', 5, 'threshold', '{}')"
            ),
            {"lost": lost},
        )
    hs.edit(contact, email="ann@example.com")
    here.sync()
    # the open spell decides: the younger person keeps its id
    assert only(here, "person_id") == (lost,)
    assert here.select("SELECT alias, person_id FROM person_alias") == [(kept, lost)]
    assert here.select("SELECT person_id FROM engagement") == [(lost,)]


def test_people_who_split_leave_the_id_with_the_founding_side(here: Small, sf: Any, hs: Any) -> None:
    sf.put("Lead", LEAD, email="ann@example.com")
    here.world.advance(60)
    contact = hs.put("contacts", "1", email="ann@example.com")
    hs.add_engagement(engagement("e1", person_object="contacts", person_id="1"))
    here.sync()
    before = person_of(here, LEAD)
    hs.edit(contact, email="bob@example.com")
    here.sync()
    assert person_of(here, LEAD) == before
    assert person_of(here, "1") == founder_id("hubspot", "contacts", "1")
    assert here.select("SELECT person_id FROM engagement") == [(person_of(here, "1"),)]


def test_a_person_whose_last_record_went_is_listed_no_more_and_comes_back_as_itself(
    here: Small, hs: Any
) -> None:
    ref = hs.put("contacts", "1", email="ann@example.com")
    hs.add_engagement(engagement("e1", person_object="contacts", person_id="1"))
    here.sync()
    before = person_of(here, "1")
    hs.delete(ref)
    assert here.sync().people == 0
    assert here.select("SELECT person_id FROM engagement") == [(None,)]
    hs.records[ref].gone = None
    here.world.advance(60)
    hs.edit(ref, city="Ulm")
    here.sync()
    assert person_of(here, "1") == before
    assert here.select("SELECT person_id FROM engagement") == [(before,)]


# Engagements.


def test_engagements_find_their_person_by_record_by_address_and_through_merges(
    here: Small, sf: Any, hs: Any
) -> None:
    loser = hs.put("contacts", "1", email="old@example.com")
    survivor = hs.put("contacts", "2", email="ann@example.com")
    hs.add_engagement(engagement("by_record", person_object="contacts", person_id="1"))
    hs.add_engagement(engagement("by_address", person_email="Ann@Example.com"))
    hs.add_engagement(engagement("nobody", person_email="later@example.com"))
    here.sync()
    hs.merge(loser, survivor)
    here.sync()
    survivor_person = person_of(here, "2")
    assert here.select("SELECT id, person_id FROM engagement ORDER BY id") == [
        ("by_address", survivor_person),
        ("by_record", survivor_person),
        ("nobody", None),
    ]
    sf.put("Lead", LEAD, email="later@example.com")
    here.sync()
    assert here.select("SELECT person_id FROM engagement WHERE id = 'nobody'") == [(person_of(here, LEAD),)]


# Facts.


def test_facts_come_by_precedence_first_that_is_set(here: Small, sf: Any, hs: Any) -> None:
    sf.put("Lead", LEAD, email="ann@example.com", last_name="Lead", company_name="Lead Inc", city=" ")
    hs.put("contacts", "1", email="ann@example.com", last_name="Hub", city="Ulm", first_name="Ann",
           company_id="c1", job_title="CTO")  # fmt: skip
    hs.add_company(company("companies", "c1", name="Hub Co", industry="Steel", company_size=70, city="Bonn"))
    here.sync()
    assert only(here, "last_name", "company", "city", "industry", "company_size", "name") == (
        "Lead", "Lead Inc", "Bonn", "Steel", 70, "Ann Lead",
    )  # fmt: skip
    assert only(here, "job_title", "seniority") == ("CTO", 8)


def test_precedence_is_configurable_and_a_change_reaches_everybody(here: Small, sf: Any, hs: Any) -> None:
    sf.put("Lead", LEAD, email="ann@example.com", city="Lead town", company_size=10)
    hs.put("contacts", "1", email="ann@example.com", city="Hub town", company_size=999)
    here.sync()
    assert only(here, "city", "company_size") == ("Lead town", 10)
    order = ["hubspot.contacts", "salesforce.Lead"]
    here.settings = Settings.model_validate({"mapping": {"precedence": order}})
    here.match()
    assert only(here, "city", "company_size") == ("Hub town", 10)


def test_a_changed_company_reaches_its_people(here: Small, hs: Any) -> None:
    hs.put("contacts", "1", email="ann@example.com", company_id="c1")
    hs.put("contacts", "2", email="bob@example.com")
    hs.add_links(links("contacts", "2", "companies", "c1"))
    hs.add_company(company("companies", "c1", name="Old"))
    here.sync()
    scored(here)
    hs.add_company(company("companies", "c1", name="New", modified_ms=1_800_000_000_000))
    here.sync()
    assert here.select("SELECT company, score_round FROM person") == [("New", 2), ("New", 2)]


def test_custom_facts_merge_by_precedence(here: Small, sf: Any, hs: Any) -> None:
    sf.put("Lead", LEAD, email="ann@example.com")
    hs.put("contacts", "1", email="ann@example.com")
    here.pull()
    with here.mirror.write() as conn:
        for id_, fields in ((LEAD, '{"tier": "gold", "blank": " "}'), ("1", '{"tier": "tin", "blank": "x"}')):
            conn.execute(
                text("UPDATE person_record SET fields = :fields WHERE id = :id"),
                {"fields": fields, "id": id_},
            )
    here.match()
    assert json.loads(only(here, "fields")[0]) == {"tier": "gold", "blank": "x"}


def test_an_ambiguous_person_has_the_facts_of_the_oldest_of_equals(here: Small, sf: Any) -> None:
    sf.put("Lead", LEAD2, email="ann@example.com", city="Old town")
    here.world.advance(60)
    sf.put("Lead", LEAD, email="ann@example.com", city="New town", country="DE")
    here.sync()
    assert only(here, "city", "country") == ("Old town", "DE")


def test_classes_of_the_primary_address(here: Small, hs: Any) -> None:
    hs.put("contacts", "1", email="ann@mit.edu")
    hs.put("contacts", "2", email="ann@gmail.com")
    here.sync()
    assert here.select("SELECT email_domain, student_domain, free_mail FROM person ORDER BY 1") == [
        ("gmail.com", 0, 1),
        ("mit.edu", 1, 0),
    ]


# Stages.


@pytest.mark.parametrize(
    ("records", "stage", "mql", "rejected"),
    [
        ([("Lead", {"status": "Open - Not Contacted"})], "lead", 0, None),
        ([("Lead", {"status": "working - contacted "})], "sql", 0, None),
        ([("contacts", {"lifecycle": "salesqualifiedlead"})], "sql", 0, None),
        ([("contacts", {"status": "IN_PROGRESS"})], "sql", 0, None),
        ([("contacts", {"lifecycle": "subscriber"})], "subscriber", 0, None),
        ([("contacts", {"lifecycle": "lead"})], "lead", 0, None),
        ([("contacts", {"lifecycle": "marketingqualifiedlead"})], "lead", 1, None),
        ([("contacts", {"lifecycle": "customer"})], "customer", 0, None),
        ([("Lead", {"status": "Rejected"})], "recycled", 0, "Rejected"),
        ([("contacts", {"status": "UNQUALIFIED"})], "disqualified", 0, "UNQUALIFIED"),
        (
            [("Lead", {"status": "Rejected"}), ("contacts", {"status": "UNQUALIFIED"})],
            "disqualified", 0, "UNQUALIFIED",
        ),
        ([("Lead", {"status": "SQL"}), ("contacts", {"status": "UNQUALIFIED"})], "sql", 0, "UNQUALIFIED"),
        (
            [("Lead", {"status": "Rejected"}), ("contacts", {"lifecycle": "subscriber"})],
            "recycled", 0, "Rejected",
        ),
    ],
)  # fmt: skip
def test_stage_by_the_crms_own_words(
    here: Small, sf: Any, hs: Any, records: list[tuple[str, dict[str, str]]], stage: str, mql: int,
    rejected: str | None,
) -> None:  # fmt: skip
    for object_name, fields in records:
        crm = hs if object_name == "contacts" else sf
        crm.put(object_name, LEAD if crm is sf else "1", email="ann@example.com", **fields)
    here.sync()
    assert only(here, "crm_stage", "crm_mql", "rejected_reason") == (stage, mql, rejected)


def test_the_configured_mql_value_is_an_mql(here: Small, sf: Any) -> None:
    status = {"field": "Status", "policy": "last_supplied", "values": {"mql": "MQL"}, "from": [""]}
    here.settings = Settings.model_validate({"writeback": {"salesforce": {"Lead": {"status": status}}}})
    sf.put("Lead", LEAD, email="ann@example.com", status="mql")
    here.sync()
    assert only(here, "crm_mql") == (1,)


@pytest.mark.parametrize(
    ("state", "stage"),
    [
        ({}, "opportunity"),
        ({"is_closed": True}, "lead"),
        ({"is_closed": True, "is_won": True}, "customer"),
    ],
)
def test_deals_say_how_far_it_went(here: Small, sf: Any, state: dict[str, bool], stage: str) -> None:
    sf.put("Contact", CONTACT, email="ann@example.com")
    sf.add_links(links("Contact", CONTACT, "Opportunity", "006"))
    here.sync()
    assert only(here, "crm_stage") == ("lead",)
    sf.add_deal(deal("Opportunity", "006", **state))
    here.sync()
    assert only(here, "crm_stage") == (stage,)


def test_a_subscriber_who_does_anything_else_is_a_lead(here: Small, hs: Any) -> None:
    hs.put("contacts", "1", email="ann@example.com", lifecycle="subscriber")
    click = {"person_object": "contacts", "person_id": "1"}
    hs.add_engagement(engagement("e1", "subscribed", **click))
    hs.add_engagement(engagement("e2", "page_view", is_bot=True, **click))
    here.sync()
    assert only(here, "crm_stage") == ("subscriber",)
    hs.add_engagement(engagement("e3", "page_view", **click))
    here.sync()
    assert only(here, "crm_stage") == ("lead",)


# Touched, and what it costs.


def scored(here: Small) -> None:
    with here.mirror.write() as conn:
        set_meta(conn, SCORED_ROUND, str(scoring_round(conn)))


def touched(here: Small) -> list[str]:
    with here.mirror.read() as conn:
        due = scoring_round(conn)
    return [row[0] for row in here.select(f"SELECT email FROM person WHERE score_round = {due} ORDER BY 1")]


def test_exactly_those_whose_inputs_changed_are_touched(here: Small, sf: Any, hs: Any) -> None:
    for number, who in enumerate("abcd"):
        hs.put("contacts", str(number), email=f"{who}@x.com", city="Ulm")
    here.sync()
    assert touched(here) == ["a@x.com", "b@x.com", "c@x.com", "d@x.com"]
    scored(here)
    refs = list(hs.records)
    hs.edit(refs[0], city="Bonn")
    hs.edit(refs[1], owner_id="7")  # no model reads it
    hs.add_engagement(engagement("e1", person_object="contacts", person_id="2"))
    here.sync()
    assert touched(here) == ["a@x.com", "c@x.com"]
    scored(here)
    sf.put("Lead", LEAD, email="d@x.com")
    here.sync()
    assert touched(here) == ["d@x.com"]


def test_the_domain_of_an_additional_address_is_known_too(here: Small, hs: Any) -> None:
    hs.put("contacts", "1", email=None, additional_emails='["ann@mit.edu"]')
    here.sync()
    assert here.select("SELECT email, student_domain FROM person") == [("ann@mit.edu", True)]


def test_only_candidates_pass_through_python(
    here: Small, sf: Any, hs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    resolve = identity.resolve

    def counting(components: Any, *rest: Any) -> Any:
        seen.append(len(components))
        return resolve(components, *rest)

    monkeypatch.setattr(match_module.identity, "resolve", counting)
    for number in range(300):
        hs.put("contacts", str(number), email=f"p{number}@x.com")
        sf.put("Lead", f"00Q{number:012}AAA", email=f"p{number}@x.com")
    sf.put("Lead", LEAD, email="p7@x.com")
    assert here.sync().people == 300
    assert seen == [1]


def test_a_killed_match_leaves_the_round_open(here: Small, hs: Any) -> None:
    hs.put("contacts", "1", email="ann@example.com")
    here.pull()

    def stop(name: str) -> None:
        if name == "match.uncommitted":
            raise KeyboardInterrupt

    here.world.reached = stop  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        here.match()
    here.world.reached = lambda _: None  # type: ignore[method-assign, assignment, misc]
    assert here.select("SELECT 1 FROM person") == []
    assert here.match().people == 1
