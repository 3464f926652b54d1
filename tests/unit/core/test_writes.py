"""Each field policy, by the table of the design: when it writes, and when it leaves a field alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.records import Author, FieldVersion, Live, RecordRef
from sync.core.authors import OurWrite, attribute, newest_first
from sync.core.cases import (
    REPAIR,
    AskPerson,
    Decision,
    Known,
    Leave,
    Moved,
    SetField,
    Target,
    Verified,
    Why,
    same,
)
from sync.core.writes import decide

NOW = 1_000_000_000
HOUR = 3_600_000


def target(policy: str, crm: str = "hubspot", **rest: Any) -> Target:
    given: dict[str, Any] = {
        "crm": crm,
        "object": "contacts" if crm == "hubspot" else "Lead",
        "purpose": "status",
        "field": "f",
        "policy": policy,
        "from_": frozenset({None, "NEW"}),
        **rest,
    }
    return Target(**given)


def live(
    value: str | None, *history: tuple[str | None, Author, int], crm: str = "hubspot", **rest: Any
) -> Live:
    """A record whose field `f` has this value; history newest first as (value, author, milliseconds ago)."""
    versions = tuple(FieldVersion(v, NOW - ago, author) for v, author, ago in history)
    name = "contacts" if crm == "hubspot" else "Lead"
    given: dict[str, Any] = {
        "values": {"f": value},
        "versions": {"f": versions} if versions else {},
        "has_history": {"f": bool(versions)},
        "created_ms": NOW - 100 * HOUR,
        "modified_ms": NOW - HOUR,
        "server_ms": NOW,
        **rest,
    }
    return Live(RecordRef(crm, name, "1"), True, **given)


def why(decision: Decision) -> str:
    return "set" if isinstance(decision, SetField) else str(decision.why)


PERSON, US, AUTO, UNKNOWN = Author.PERSON, Author.US, Author.AUTOMATION, Author.UNKNOWN
MINE = Known(verified=Verified("OPEN", NOW - 10 * HOUR))


@pytest.mark.parametrize(
    ("policy", "now", "known", "expected"),
    [
        ("machine", live("1"), Known(), "set"),
        ("fill", live(None), Known(), "set"),
        ("fill", live("x"), Known(), "policy"),
        ("fill", live(None, (None, PERSON, HOUR), ("x", AUTO, 2 * HOUR)), Known(), "human"),
        ("fill", live(None, (None, AUTO, HOUR), ("x", PERSON, 2 * HOUR)), Known(), "set"),
        ("fill", live(None, modified_by=PERSON), MINE, "human"),
        # last_supplied, first meeting: the value alone decides, whoever wrote it
        ("last_supplied", live("NEW"), Known(), "set"),
        ("last_supplied", live(None), Known(), "set"),
        ("last_supplied", live("NEW", ("NEW", PERSON, HOUR), ("x", AUTO, 2 * HOUR)), Known(), "set"),
        ("last_supplied", live("WORKING"), Known(), "policy"),
        # and once we proved a value there: only what no person touched since
        ("last_supplied", live("OPEN"), MINE, "set"),
        ("last_supplied", live("NEW", ("NEW", PERSON, HOUR), ("OPEN", US, 10 * HOUR)), MINE, "human"),
        ("last_supplied", live("OPEN", ("OPEN", AUTO, HOUR), ("x", PERSON, 2 * HOUR)), MINE, "human"),
        ("last_supplied", live("OPEN", ("OPEN", US, 10 * HOUR), ("x", PERSON, 20 * HOUR)), MINE, "set"),
        ("last_supplied", live("NEW", ("NEW", AUTO, HOUR), ("OPEN", US, 10 * HOUR)), MINE, "set"),
        ("last_supplied", live("BAD", ("BAD", AUTO, HOUR), ("OPEN", US, 10 * HOUR)), MINE, "automation"),
        ("last_supplied", live("NEW", modified_by=PERSON), MINE, "human"),
        ("last_supplied", live("NEW", modified_by=AUTO), MINE, "set"),
        ("last_supplied", live("NEW", modified_by=US), MINE, "cannot_tell"),
        ("last_supplied", live("NEW", modified_by=UNKNOWN), MINE, "cannot_tell"),
        ("human_wins", live("x", ("x", PERSON, HOUR), ("y", AUTO, 2 * HOUR)), Known(), "human"),
        ("human_wins", live("x", ("x", AUTO, HOUR)), Known(), "set"),
        ("human_wins", live(None), Known(), "set"),
        ("human_wins", live("x", modified_by=PERSON), Known(), "human"),
        ("human_wins", live("OPEN"), MINE, "set"),
        ("human_wins", live("z", ("z", AUTO, HOUR), ("x", PERSON, 2 * HOUR)), MINE, "human"),
        (REPAIR, live("SEEN", ("SEEN", US, HOUR)), Known(seen="SEEN"), "set"),
        (REPAIR, live("x", ("x", PERSON, HOUR)), Known(seen="SEEN"), "human"),
        (REPAIR, live("SEEN", ("SEEN", PERSON, HOUR)), Known(seen="SEEN"), "human"),
    ],
)
def test_policies(policy: str, now: Live, known: Known, expected: str) -> None:
    decision = decide(target(policy), now, "MQL", known)
    assert why(decision) == expected
    assert decision.reason


@pytest.mark.parametrize(
    "policy", ["machine", "fill", "last_supplied", "human_wins", "ladder", "owner_claim"]
)
def test_what_stands_there_already_is_left(policy: str) -> None:
    assert decide(target(policy), live("MQL"), "MQL", Known()) == Leave(Why.EQUAL, 'already "MQL"')


LIFECYCLE = target("ladder", field="lifecyclestage", purpose="stage")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "set"),
        ("subscriber", "set"),
        ("lead", "set"),
        ("marketingqualifiedlead", "equal"),
        ("salesqualifiedlead", "policy"),
        ("customer", "policy"),
        ("other", "policy"),
    ],
)
def test_the_life_cycle_only_goes_forward(value: str | None, expected: str) -> None:
    now = live(None, values={"lifecyclestage": value})
    assert why(decide(LIFECYCLE, now, "marketingqualifiedlead", Known())) == expected


def test_a_ladder_goes_down_only_where_it_was_told_to() -> None:
    steps = {"ladder": ("a", "b", "c"), "demote_from": frozenset({"c"}), "human_only": frozenset({"a"})}
    assert why(decide(target("ladder", "salesforce", **steps), live("c"), "b", Known())) == "set"
    assert why(decide(target("ladder", "salesforce", **steps), live("a"), "b", Known())) == "policy"
    backwards = replace(LIFECYCLE, demote_from=frozenset({"customer"}))
    now = live(None, values={"lifecyclestage": "customer"})
    assert why(decide(backwards, now, "marketingqualifiedlead", Known())) == "policy"
    assert why(decide(target("ladder"), live("x"), "not on it", Known())) == "cannot_tell"


OWNER = target("owner_claim", "salesforce", purpose="owner", free_owners=frozenset({"005FALLBACK0000"}))


@pytest.mark.parametrize(
    ("value", "kind", "active", "created_by", "known", "expected"),
    [
        (None, "", None, PERSON, Known(), "set"),
        ("00G1", "queue", True, PERSON, Known(), "set"),
        ("0051", "person", False, PERSON, Known(), "set"),
        ("0051", "person", True, PERSON, Known(), "human"),
        ("0051", "person", True, AUTO, Known(), "human"),
        ("0051", "integration", True, AUTO, Known(), "set"),
        ("0051", "integration", True, PERSON, Known(), "human"),
        ("005FALLBACK0000", "person", True, PERSON, Known(), "set"),
        ("005FALLBACK0000XYZ", "person", True, PERSON, Known(), "set"),
        ("0057", "person", True, PERSON, Known(verified=Verified("0057", 1)), "policy"),
        (None, "", None, PERSON, Known(verified=Verified("0057", 1)), "human"),
    ],
)
def test_owners_are_claimed_only_from_nobody(
    value: str | None, kind: str, active: bool | None, created_by: Author, known: Known, expected: str
) -> None:
    now = live(
        value,
        crm="salesforce",
        owner_kind=kind,
        owner_active=active,
        created_by=created_by,
        modified_by=PERSON,
    )
    assert why(decide(OWNER, now, "0059", known)) == expected


def test_a_record_that_went_is_followed_or_given_up() -> None:
    contact = RecordRef("salesforce", "Contact", "003")
    gone = replace(live("NEW"), exists=False)
    assert decide(target("machine"), replace(gone, moved_to=contact), "x", Known()) == Moved(
        contact, "the record is now Contact 003"
    )
    assert why(decide(target("machine"), gone, "x", Known())) == "gone"
    # an edit-converted-leads permission lets the dead lead be read and written: the survivor counts
    assert isinstance(decide(target("machine"), replace(live("NEW"), moved_to=contact), "x", Known()), Moved)


def test_w8_a_field_that_was_not_read_is_never_written() -> None:
    assert isinstance(decide(target("machine"), live("x", values={}), "y", Known()), AskPerson)


QUIET = Known(seen="NEW", quiet_ms=300_000)


@pytest.mark.parametrize(
    ("now", "waits_for_ms"),
    [
        (live("NEW", ("NEW", PERSON, 60_000), ("x", AUTO, HOUR)), 240_000),
        (live("NEW", ("NEW", AUTO, 1_000), ("x", PERSON, 60_000), ("y", AUTO, HOUR)), 240_000),
        (live("NEW", ("NEW", PERSON, 300_000), ("x", AUTO, HOUR)), None),
        (live("NEW", ("NEW", PERSON, 60_000)), None),  # the first version is no touch
        (live("NEW", ("NEW", AUTO, 60_000), ("x", AUTO, HOUR)), None),
        # Salesforce: a history row is a change; without history the record's stamp and another value
        (live("NEW", ("NEW", PERSON, 60_000), crm="salesforce"), 240_000),
        (live(None, modified_by=PERSON, modified_ms=NOW - 60_000, crm="salesforce"), 240_000),
        (live("NEW", modified_by=PERSON, modified_ms=NOW - 60_000, crm="salesforce"), None),
        (live(None, modified_by=AUTO, modified_ms=NOW - 60_000, crm="salesforce"), None),
        (
            live(
                None, modified_by=PERSON, modified_ms=NOW - 60_000, created_ms=NOW - 60_500, crm="salesforce"
            ),
            None,
        ),
    ],
)
def test_a_field_that_a_person_just_touched_waits(now: Live, waits_for_ms: int | None) -> None:
    policy = "last_supplied"
    decision = decide(target(policy, now.ref.crm), now, "MQL", QUIET)
    if waits_for_ms is None:
        assert isinstance(decision, SetField)
    else:
        assert isinstance(decision, Leave)
        assert (decision.why, decision.until_ms) == (Why.QUIET, NOW + waits_for_ms)
    assert isinstance(decide(target("machine", now.ref.crm), now, "MQL", QUIET), SetField)


@pytest.mark.parametrize(
    ("purpose", "left", "right", "equal"),
    [
        ("score", "55", "55.0", True),
        ("score", "55", "56", False),
        ("score", "NA", "55", False),
        ("score", "sNaN", "55", False),
        ("score", "Infinity", "55", False),
        ("status", "55", "55.0", False),
        ("status", "", None, True),
        ("status", "New", "new", False),
        ("owner", "00530000000ABCD", "00530000000ABCDEFG", True),
        ("owner", "00530000000ABCD", "00530000000abcdEFG", False),
        ("owner", "12", "12", True),
        ("mql_date", "2026-11-02", "2026-11-02T00:00:00.000+0000", True),
    ],
)
def test_when_two_values_are_one(purpose: str, left: str | None, right: str | None, equal: bool) -> None:
    assert same(purpose, left, right) is equal
    assert same(purpose, right, left) is equal


@pytest.mark.parametrize("value", ["0", "false", " ", "null"])
def test_w23_only_nothing_is_empty(value: str) -> None:
    """A zero, a blank and the word null are values that somebody may have meant."""
    for policy in ("fill", "last_supplied", "human_wins"):
        assert isinstance(decide(target(policy), live(value), "MQL", Known()), Leave), policy
    assert isinstance(decide(target("fill"), live(""), "MQL", Known()), SetField)


# -- whose version is it


def version(value: str, at: int, source: str = "API:7", author: Author = AUTO) -> FieldVersion:
    return FieldVersion(value, at, author, source)


@pytest.mark.parametrize(
    ("versions", "ours", "source", "expected"),
    [
        ([version("A", 100)], [OurWrite("A", 90)], "", [US]),
        ([version("A", 100)], [OurWrite("A", 105)], "", [US]),  # clocks jitter
        ([version("A", 100)], [OurWrite("A", 5_101)], "", [AUTO]),  # written before we sent
        ([version("A", 100)], [OurWrite("A", 50, seen_ms=99)], "", [AUTO]),  # written after we looked
        ([version("B", 100)], [OurWrite("A", 90)], "", [AUTO]),
        ([version("A", 100)], [], "", [AUTO]),
        ([version("A", 100, "AUTOMATION_PLATFORM:1")], [OurWrite("A", 90)], "", [AUTO]),
        ([version("A", 100, "INTEGRATION:1")], [OurWrite("A", 90)], "", [US]),
        ([version("A", 100, "INTEGRATION:1")], [OurWrite("A", 90)], "API:7", [AUTO]),
        ([version("A", 100, "CRM_UI:userId:1", PERSON)], [OurWrite("A", 90)], "", [PERSON]),
        # one write claims one version: another program that writes the same value is automation
        ([version("A", 120), version("A", 100)], [OurWrite("A", 90)], "", [AUTO, US]),
        ([version("A", 120), version("A", 100)], [OurWrite("A", 90), OurWrite("A", 110)], "", [US, US]),
        ([version("A", 100)], [OurWrite("A", 90, claimed_ms=100)], "", [US]),
        ([version("A", 130), version("A", 100)], [OurWrite("A", 90, claimed_ms=100)], "", [AUTO, US]),
    ],
)
def test_w13_a_version_is_ours_only_by_an_exact_match(
    versions: list[FieldVersion], ours: list[OurWrite], source: str, expected: list[Author]
) -> None:
    assert [one.author for one in attribute(versions, ours, source)] == expected


def test_versions_of_one_moment_end_with_the_value_that_stands() -> None:
    ours, theirs = version("A", 100), version("B", 100, "CRM_UI:userId:1", PERSON)
    old = version("N", 50)
    for order in ([ours, theirs, old], [theirs, ours, old], [old, theirs, ours]):
        assert newest_first(order, "A") == (ours, theirs, old)
        assert newest_first(order, "B") == (theirs, ours, old)
    assert newest_first([], "A") == ()


# -- no record's decision depends on another record

AUTHORS = st.sampled_from([PERSON, AUTO, US])
VALUES = st.sampled_from([None, "NEW", "OPEN", "WORKING", "lead", "customer"])
HISTORIES = st.lists(st.tuples(VALUES, AUTHORS, st.integers(0, 5 * HOUR)), max_size=4)
POLICY_NAMES = st.sampled_from(["machine", "fill", "last_supplied", "human_wins", "ladder", "owner_claim"])


@st.composite
def cases(draw: st.DrawFn) -> tuple[Target, Live, str, Known]:
    history = sorted(draw(HISTORIES), key=lambda one: one[2])
    value = history[0][0] if history else draw(VALUES)
    crm = draw(st.sampled_from(["salesforce", "hubspot"]))
    verified = draw(st.none() | st.builds(Verified, VALUES, st.integers(NOW - 5 * HOUR, NOW)))
    known = Known(draw(VALUES), verified, quiet_ms=draw(st.sampled_from([0, 300_000])))
    now = live(value, *history, crm=crm, modified_by=draw(AUTHORS))
    return target(draw(POLICY_NAMES), crm), now, draw(st.sampled_from(["MQL", "OPEN"])), known


def plan(items: list[tuple[Target, Live, str, Known]]) -> list[Decision]:
    return [decide(*item) for item in items]


@given(st.lists(cases(), max_size=6), st.lists(cases(), max_size=6))
def test_w4_the_plan_of_two_halves_is_the_two_plans(
    left: list[tuple[Target, Live, str, Known]], right: list[tuple[Target, Live, str, Known]]
) -> None:
    assert plan(left + right) == plan(left) + plan(right)


@given(cases())
def test_what_a_person_wrote_after_us_is_never_replaced(case: tuple[Target, Live, str, Known]) -> None:
    aim, now, desired, known = case
    if aim.policy not in ("last_supplied", "human_wins") or known.verified is None:
        return
    after_us = [
        one for one in now.versions.get("f", ()) if one.author is PERSON and one.at_ms > known.verified.at_ms
    ]
    if after_us:
        assert not isinstance(decide(aim, now, desired, known), SetField)


@given(cases())
def test_a_decision_sets_the_desired_value_or_nothing(case: tuple[Target, Live, str, Known]) -> None:
    decision = decide(*case)
    if isinstance(decision, SetField):
        assert decision.value == case[2]
    assert decision.reason
