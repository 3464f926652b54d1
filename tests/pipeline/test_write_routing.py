"""Whose lead it is: hours, capacity, absence, rules, the company's owner, who comes back, who is whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.records import Outcome, OutcomeKind, Owner, RecordRef, RefusalClass, Write
from sync.app import mapping_hash
from sync.mirror import routing
from tests.pipeline.write_bench import Bench, both
from tests.world import SimulatedWorld

ANN, BOB, REP, QUEUE = "005000000000001AAA", "005000000000002AAA", "005000000000009AAA", "00G000000000001AAA"
OFFICE = "Mo-Fr 09:00-17:00 Europe/Berlin"

Make = Callable[..., Bench]


@pytest.fixture
def make(tmp_path: Path, world: SimulatedWorld) -> Iterator[Make]:
    """Makes a bench with these members of `default`, and further settings of the pool or of routing."""
    made: list[Bench] = []

    def bench(members: list[dict[str, Any]], pool: dict[str, Any] | None = None, **others: Any) -> Bench:
        pools = {"default": {"members": members, **(pool or {})}, **others.pop("pools", {})}
        made.append(Bench(tmp_path, world, routing={"pools": pools, **others}))
        return made[-1]

    yield bench
    for one in made:
        one.mirror.close()


def at(bench: Bench, text: str) -> None:
    """Go on to that moment."""
    moment = datetime.fromisoformat(text).astimezone(UTC)
    bench.world.advance((moment - bench.world.now()).total_seconds())


def ann(**more: Any) -> dict[str, Any]:
    return {"email": "ann@example.com", **more}


def bob(**more: Any) -> dict[str, Any]:
    return {"email": "bob@example.com", **more}


def owners_of(bench: Bench, number: int, first: int = 0) -> list[str | None]:
    """Let so many people become MQLs, one a run; who owns the leads."""
    found = []
    for one in range(first, first + number):
        lead, _ = both(bench, f"p{one}", str(one))
        bench.sync(60)
        found.append(bench.value(lead, "OwnerId"))
    return found


def listed(bench: Bench) -> list[tuple[str, str]]:
    with bench.mirror.read() as conn:
        return [(one.record_id, one.reason) for one in routing.unrouted(conn)]


def test_outside_hours_a_member_has_no_turn(make: Make) -> None:
    bench = make([ann(hours=OFFICE), bob()])
    at(bench, "2027-03-01T08:00+01:00")
    assert owners_of(bench, 2) == [BOB, BOB]
    at(bench, "2027-03-01T09:30+01:00")
    assert sorted(filter(None, owners_of(bench, 4, 2))) == [ANN, ANN, BOB, BOB]
    at(bench, "2027-03-01T17:00+01:00")
    assert owners_of(bench, 1, 6) == [BOB]


def test_after_hours_the_fall_back_takes_over_where_it_may(make: Make) -> None:
    bench = make([ann(hours=OFFICE)], {"fallback": "queue:MQL"})
    at(bench, "2027-03-01T22:00+01:00")
    lead, contact = both(bench)
    bench.sync()
    assert (bench.value(lead, "OwnerId"), bench.value(contact, "hubspot_owner_id")) == (QUEUE, None)
    assert listed(bench) == [("1", "no member of pool default takes it now, and queue:MQL may not own it")]
    at(bench, "2027-03-02T10:00+01:00")
    bench.mirror_record(lead)
    assert bench.sync().decided == 0  # the queue's people have the lead; HubSpot does not get somebody else
    assert listed(bench) == [("1", "the person is with the fall-back of pool default")]


def test_without_a_fall_back_never_nobody(make: Make) -> None:
    members = [ann(hours=OFFICE), bob(absent=["2027-03-01"])]
    bench = make(members)
    at(bench, "2027-03-01T22:00+01:00")
    assert owners_of(bench, 1) == [ANN]  # she will find it in the morning
    (intent,) = bench.intents(purpose="owner", crm="salesforce")
    assert "although outside working hours" in intent.reason
    bench.settings_with(routing={"pools": {"default": {"members": [ann(absent=["2027-03-01"])]}}})
    assert owners_of(bench, 1, 1) == [ANN]
    assert listed(bench) == []


def test_capacity_is_counted_over_a_rolling_day(make: Make) -> None:
    bench = make([ann(capacity=2), bob()])
    at(bench, "2027-03-01T10:00+01:00")
    assert Counter(owners_of(bench, 6)) == {ANN: 2, BOB: 4}
    at(bench, "2027-03-02T09:59+01:00")
    assert owners_of(bench, 1, 6) == [BOB]
    at(bench, "2027-03-02T11:00+01:00")
    assert ANN in owners_of(bench, 2, 7)


def test_turns_waiting_for_approval_count_for_capacity(make: Make) -> None:
    bench = make([ann(capacity=1), bob()])
    for number in range(3):
        both(bench, f"p{number}", str(number))
    bench.decide()
    given = Counter(row.desired_value for row in bench.intents(purpose="owner", crm="salesforce"))
    assert given == {ANN: 1, BOB: 2}


def test_w25_inactive_members_and_absent_ones_have_no_turn_and_counts_stay_even(make: Make) -> None:
    bench = make([ann(absent=["2027-03-01..2027-03-02"]), bob(), {"email": "rep@example.com"}])
    at(bench, "2027-03-02T10:00+00:00")
    assert Counter(owners_of(bench, 4)) == {BOB: 2, REP: 2}
    at(bench, "2027-03-03T00:00+00:00")
    found = Counter(owners_of(bench, 6, 4))
    assert found == {ANN: 2, BOB: 2, REP: 2}


def test_rules_are_asked_in_order_with_the_conditions_of_the_model(make: Make) -> None:
    rules = [
        {"when": {"company_size": {"at_least": 500}, "country": {"in": ["DE", "AT"]}}, "pool": "large"},
        {"when": {"fields": {"segment": "smb"}}, "pool": "small"},
    ]
    pools = {"large": {"members": [bob()]}, "small": {"members": [{"email": "rep@example.com"}]}}
    bench = make([ann()], pools=pools, rules=rules)
    people: list[dict[str, Any]] = [
        {"country": "at", "company_size": 500},
        {"country": "AT", "company_size": 499},
        {"country": "DE", "fields": '{"segment": "SMB"}'},
        {},
    ]
    leads = [both(bench, f"p{n}", str(n), **facts)[0] for n, facts in enumerate(people)]
    bench.sync()
    assert [bench.value(lead, "OwnerId") for lead in leads] == [BOB, ANN, REP, ANN]


@pytest.mark.parametrize(
    ("pool", "rule", "expected"),
    [(True, None, BOB), (False, None, ANN), (True, False, ANN), (False, True, BOB)],
)
def test_the_companys_owner(make: Make, pool: bool, rule: bool | None, expected: str) -> None:
    rules = [{"when": {"country": "DE"}, "pool": "default", "company_owner": rule}]
    bench = make([ann()], {"company_owner": pool}, rules=rules)
    fields = {"crm": "hubspot", "object": "companies", "modified_ms": 0, "owner_id": "12"}
    bench.add("company_record", id="77", **fields)
    lead, contact = bench.lead(), bench.contact(company_id="77")
    bench.person("p1", lead, contact, country="DE")
    bench.sync()
    assert bench.value(lead, "OwnerId") == expected


def test_a_companys_owner_who_is_away_or_gone_is_passed_over(make: Make) -> None:
    bench = make([ann(), bob(absent=["2027-03-01"])], {"company_owner": True})
    at(bench, "2027-03-01T10:00+00:00")
    gone = Owner("hubspot", "404", "gone@example.com", "Gone", "person", False)
    bench.hs.add_owner(gone)
    bench.add("owner", **gone._asdict())
    for number, owner in (("77", "12"), ("78", "404")):
        fields = {"crm": "hubspot", "object": "companies", "modified_ms": 0, "owner_id": owner}
        bench.add("company_record", id=number, **fields)
        lead, contact = bench.lead(number), bench.contact(number, company_id=number)
        bench.person(f"p{number}", lead, contact)
        bench.sync(60)
        assert bench.value(lead, "OwnerId") == ANN


@pytest.mark.parametrize(("sticky", "expected"), [(True, BOB), (False, ANN)])
def test_who_comes_back_goes_to_the_earlier_owner(make: Make, sticky: bool, expected: str) -> None:
    bench = make([ann(), bob()], {"sticky": sticky})
    owners_of(bench, 1)
    lead, contact = both(bench, "p1", "1")
    bench.sync()
    assert bench.value(lead, "OwnerId") == BOB
    with bench.mirror.write() as conn:
        conn.exec_driver_sql("UPDATE spell SET left_at = 1, left_why = 'recycled'")
    bench.world.advance(90 * 86_400)
    bench.sf.edit(lead, OwnerId=QUEUE, Status="New")  # sales gave the lead back
    bench.hs.edit(contact, hubspot_owner_id=None)
    bench.mirror_record(lead)
    bench.mirror_record(contact)
    bench.spell("p1")
    bench.sync()
    assert bench.value(lead, "OwnerId") == expected
    assert bench.value(contact, "hubspot_owner_id") == {ANN: "11", BOB: "12"}[expected]


def test_one_human_with_two_addresses(make: Make) -> None:
    same = [{"salesforce": "cem@example.com", "hubspot": "cem.yildiz@example.com"}]
    bench = make([{"email": "cem.yildiz@example.com"}], same=same)
    for owner in (
        Owner("salesforce", "005000000000003AAA", "cem@example.com", "Cem", "person", True),
        Owner("hubspot", "13", "Cem.Yildiz@example.com", "Cem", "person", True),
    ):
        bench.connector(owner.crm).add_owner(owner)
        bench.add("owner", **owner._asdict())
    lead, contact = both(bench)
    taken = bench.lead("2", owner_id="005000000000003AAA")
    carried = bench.contact("2")
    bench.person("p2", taken, carried)
    bench.sync()
    assert (bench.value(lead, "OwnerId"), bench.value(contact, "hubspot_owner_id")) == (
        "005000000000003AAA",
        "13",
    )
    assert bench.value(carried, "hubspot_owner_id") == "13"
    assert bench.problems == []


def refuses(bench: Bench, *owners: str) -> None:
    """Salesforce takes none of these owners for a Lead."""
    known = {ANN, BOB, REP, QUEUE}
    bench.sf.options["Lead", "OwnerId"] = tuple(known - set(owners))

    def answer(_: Write, outcome: Outcome) -> Outcome:
        if outcome.kind is not OutcomeKind.REFUSED:
            return outcome
        return replace(outcome, code="INACTIVE_OWNER_OR_USER", refusal=RefusalClass.OWNER)

    bench.sf.answer = answer


def turns(bench: Bench) -> list[tuple[str, str]]:
    with bench.mirror.read() as conn:
        rows = conn.exec_driver_sql("SELECT member, state FROM turn ORDER BY id").all()
    return [(row[0], row[1]) for row in rows]


def test_a_refused_owner_is_replaced_by_the_next_in_both_crms(make: Make) -> None:
    bench = make([ann(), bob()])
    refuses(bench, ANN)
    pairs = [both(bench, f"p{number}", str(number)) for number in range(3)]
    bench.sync()
    for lead, contact in pairs:
        assert (bench.value(lead, "OwnerId"), bench.value(contact, "hubspot_owner_id")) == (BOB, "12")
        assert bench.value(lead, "Status") == "MQL"
    assert Counter(turns(bench)) == {("ann@example.com", "returned"): 2, ("bob@example.com", "consumed"): 3}
    assert bench.codes() == []
    del bench.sf.options["Lead", "OwnerId"]
    assert owners_of(bench, 1, 5) == [ANN]  # eligible again in another run


def test_a_refused_owner_whom_nobody_can_replace_is_parked(make: Make) -> None:
    bench = make([ann()])
    refuses(bench, ANN)
    lead, _ = both(bench)
    counts = bench.sync()
    (intent,) = bench.intents(purpose="owner", crm="salesforce")
    assert (intent.state, intent.why, intent.code) == ("parked", "owner", "INACTIVE_OWNER_OR_USER")
    assert (counts.parked, bench.value(lead, "OwnerId")) == (1, None)
    assert turns(bench)[0] == ("ann@example.com", "returned")
    assert bench.value(lead, "Status") == "MQL"


def test_a_replaced_owner_is_not_covered_by_the_approved_plan(make: Make) -> None:
    bench = make([ann(), bob()])
    bench.settings_with(limits={"first_run_needs_approval": True})
    refuses(bench, ANN)
    lead, _ = both(bench)
    bench.sync()
    bench.approve()
    assert bench.value(lead, "OwnerId") is None
    bench.settings_with(limits={"first_run_needs_approval": False})
    bench.sync()
    assert bench.value(lead, "OwnerId") == BOB


@pytest.mark.parametrize(("taken_by", "codes"), [("19", ["OWNERS_DIFFER"]), ("11", [])])
def test_somebody_takes_the_contact_after_the_lead_was_given(
    make: Make, taken_by: str, codes: list[str]
) -> None:
    bench = make([ann(), bob()])
    lead, contact = both(bench)
    bench.world.advance(600)

    def take(_: Write) -> None:
        bench.sf.before_write = None
        bench.hs.edit(contact, hubspot_owner_id=taken_by)

    bench.sf.before_write = take
    bench.sync()
    assert (bench.value(lead, "OwnerId"), bench.value(contact, "hubspot_owner_id")) == (ANN, taken_by)
    assert bench.codes() == codes
    if codes:
        (problem,) = bench.problems
        assert "rep@example.com took hubspot contacts 1" in problem.message
        assert problem.exit_code == 0
    assert turns(bench) == [("ann@example.com", "consumed")]


def test_planning_again_consumes_no_turn_and_a_holiday_needs_no_approval(make: Make) -> None:
    bench = make([ann(), bob()])
    both(bench)
    for _ in range(3):
        bench.decide()
        bench.ctx = bench.next_context()
    with bench.mirror.read() as conn:
        assert routing.lately(conn, 0) == {"ann@example.com": 1}
    before = mapping_hash(bench.settings)
    member = ann(absent=["2027-03-01"], hours=OFFICE, capacity=3)
    bench.settings_with(routing={"pools": {"default": {"members": [member, bob()]}}})
    assert mapping_hash(bench.settings) == before
    bench.settings_with(routing={"pools": {"default": {"members": [member]}}})
    assert mapping_hash(bench.settings) != before


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    "moment",
    ["decide.uncommitted", "decide.committed", "write.read", "write.marked_sent", "write.answered",
     "write.outcome_committed", "write.verified_uncommitted", "write.verified"],
)  # fmt: skip
def test_w25_counts_differ_by_at_most_one_wherever_a_run_is_killed(
    make: Make, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    bench = make([ann(), bob(), {"email": "rep@example.com"}])
    leads = []
    for number in range(7):
        leads.append(both(bench, f"p{number}", str(number))[0])
        if number % 2:
            continue
        with monkeypatch.context() as patch:
            patch.setattr(bench.world, "reached", lambda name: _kill(name == moment))
            with pytest.raises(Killed):
                bench.sync()
    for _ in range(3):
        bench.sync()
    counts = Counter(bench.value(lead, "OwnerId") for lead in leads)
    assert set(counts) == {ANN, BOB, REP}
    assert max(counts.values()) - min(counts.values()) <= 1
    assert Counter(state for _, state in turns(bench)) == {"consumed": 7}
    for number, lead in enumerate(leads):
        contact = RecordRef("hubspot", "contacts", str(number))
        same = {ANN: "11", BOB: "12", REP: "19"}[str(bench.value(lead, "OwnerId"))]
        assert bench.value(contact, "hubspot_owner_id") == same


def _kill(now: bool) -> None:
    if now:
        raise Killed
