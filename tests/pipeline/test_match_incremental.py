"""Matching what changed gives what matching everything gives, whatever happens in whatever order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.records import GoneReason, RecordRef
from sync.mirror.people import COLUMNS
from sync.mirror.runs import SCORED_ROUND, scoring_round, set_meta
from tests.databases import forget
from tests.pipeline.small import Small, small
from tests.unit.mirror.rows import company, deal, engagement, links

OBJECTS = ("Lead", "Contact", "contacts")
ADDRESSES = ("a@x.com", "b@y.edu", None)

refs = st.tuples(st.sampled_from(OBJECTS), st.integers(1, 2))
steps = st.one_of(
    st.tuples(st.just("put"), refs, st.sampled_from(ADDRESSES), st.sampled_from(ADDRESSES)),
    st.tuples(st.just("link"), st.integers(1, 3), st.sampled_from(("Lead", "Contact")), st.integers(1, 3)),
    st.tuples(st.just("delete"), refs),
    st.tuples(st.just("merge"), refs, st.integers(1, 3)),
    st.tuples(st.just("convert"), st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.just("click"), refs, st.sampled_from(ADDRESSES)),
    st.tuples(st.just("company"), st.integers(1, 2), st.integers(1, 500)),
    st.tuples(st.just("deal"), refs, st.booleans()),
    st.tuples(st.just("sync")),
)


def name(object_name: str, number: int) -> str:
    if object_name == "contacts":
        return str(number)
    prefix = "00Q" if object_name == "Lead" else "003"
    return f"{prefix}00000000000{number}AAA"


class Story:
    """Things that happen in two CRMs, and a mirror that hears of them now and then."""

    def __init__(self, here: Small) -> None:
        self.here = here
        self.n = 0

    def crm(self, object_name: str) -> Any:
        return self.here.connectors["hubspot" if object_name == "contacts" else "salesforce"]

    def ref(self, object_name: str, number: int) -> RecordRef:
        return RecordRef(self.crm(object_name).crm, object_name, name(object_name, number))

    def alive(self, ref: RecordRef) -> bool:
        found = self.crm(ref.object).records.get(ref)
        return found is not None and found.gone is None

    def do(self, step: tuple[Any, ...]) -> None:
        self.here.world.advance(7)
        getattr(self, step[0])(*step[1:])

    def put(self, who: tuple[str, int], email: str | None, other: str | None) -> None:
        ref = self.ref(*who)
        known = self.crm(ref.object).records.get(ref)
        if known is None or known.gone is None:
            more = json.dumps([other]) if other else None
            self.n += 1
            self.crm(ref.object).put(
                ref.object, ref.id, email=email, additional_emails=more, city=f"c{self.n % 3}",
                company_id=f"k{who[1]}", lifecycle="subscriber" if self.n % 2 else None,
            )  # fmt: skip

    def link(self, contact: int, object_name: str, number: int) -> None:
        ref = self.ref("contacts", contact)
        if self.alive(ref):
            field = "sf_lead_id" if object_name == "Lead" else "sf_contact_id"
            self.crm("contacts").edit(ref, **{field: name(object_name, number)})

    def delete(self, who: tuple[str, int]) -> None:
        if self.alive(self.ref(*who)):
            self.crm(who[0]).delete(self.ref(*who))

    def merge(self, who: tuple[str, int], into: int) -> None:
        loser, survivor = self.ref(*who), self.ref(who[0], into)
        if loser != survivor and self.alive(loser) and self.alive(survivor):
            self.crm(who[0]).merge(loser, survivor)

    def convert(self, lead: int, contact: int) -> None:
        loser, survivor = self.ref("Lead", lead), self.ref("Contact", contact)
        if self.alive(loser) and self.alive(survivor):
            self.crm("Lead").merge(loser, survivor, GoneReason.CONVERTED)

    def click(self, who: tuple[str, int], email: str | None) -> None:
        self.n += 1
        ref = self.ref(*who)
        self.crm(ref.object).add_engagement(
            engagement(
                f"e{self.n}", crm=ref.crm, person_object=ref.object, person_id=ref.id, person_email=email
            )
        )

    def company(self, number: int, size: int) -> None:
        self.n += 1
        row = company("companies", f"k{number}", name=f"K{size}", company_size=size, modified_ms=self.n)
        self.crm("contacts").add_company(row)

    def deal(self, who: tuple[str, int], won: bool) -> None:
        self.n += 1
        ref = self.ref(*who)
        kind = "deals" if ref.object == "contacts" else "Opportunity"
        self.crm(ref.object).add_deal(deal(kind, f"d{who[1]}", is_won=won, modified_ms=self.n))
        self.crm(ref.object).add_links(links(ref.object, ref.id, kind, f"d{who[1]}"))

    def sync(self) -> None:
        self.here.sync()


def picture(here: Small) -> object:
    """People by their records, with facts; engagements by the records of their person."""
    members: dict[str, list[tuple[str, ...]]] = {}
    for row in here.select("SELECT person_id, object, id, evidence FROM person_member ORDER BY 2, 3"):
        members.setdefault(row[0], []).append(row[1:])
    facts = here.select(f"SELECT person_id, ambiguous, ambiguous_why, {', '.join(COLUMNS)} FROM person")
    assert {row[0] for row in facts} == set(members)
    clicks = here.select("SELECT id, person_id FROM engagement WHERE source <> 'x' ORDER BY id")
    return (
        sorted((members[row[0]], row[1:]) for row in facts),
        [(id_, members[person] if person else None) for id_, person in clicks],
    )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, max_size=25))
def test_step_by_step_ends_where_all_at_once_ends(
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[Any, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("story")
    told = Story(small(folder))
    for step in story:
        told.do(step)
    told.sync()
    fresh = tmp_path_factory.mktemp("fresh")
    again = Small(small(fresh).mirror, told.here.world, told.here.connectors)
    again.sync()
    assert picture(told.here) == picture(again)
    for made, where in ((told.here, folder), (again, fresh)):
        made.mirror.close()
        forget(where)


def test_nothing_new_costs_nothing(tmp_path: Path) -> None:
    told = Story(small(tmp_path))
    told.put(("Lead", 1), "a@x.com", None)
    told.put(("contacts", 1), "a@x.com", None)
    told.sync()
    with told.here.mirror.write() as conn:
        set_meta(conn, SCORED_ROUND, str(scoring_round(conn)))
    before = told.here.select("SELECT * FROM person")
    told.sync()
    assert told.here.select("SELECT * FROM person") == before
