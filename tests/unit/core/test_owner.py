"""Owners: turns, carry-over, rules, and who may own what."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.records import RecordRef
from sync.core.owner import (
    Carry,
    Holding,
    LeaveOwner,
    Member,
    TakeTurn,
    may_own,
    next_turn,
    pool_for,
    roster,
    unknown_operators,
    who_decides,
)

LEAD, CONTACT = RecordRef("salesforce", "Lead", "1"), RecordRef("hubspot", "contacts", "1")
MEMBERS = st.lists(st.integers(1, 5), min_size=1, max_size=5).map(
    lambda weights: [Member(f"m{n}", weight) for n, weight in enumerate(weights)]
)


def deal(members: list[Member], rounds: int, taken: Counter[str] | None = None) -> list[str]:
    taken = Counter() if taken is None else taken
    order = []
    for _ in range(rounds):
        chosen = next_turn(members, taken)
        assert chosen is not None
        taken[chosen.email] += 1
        order.append(chosen.email)
    return order


def test_turns_are_smooth() -> None:
    members = [Member("a", 5), Member("b", 1), Member("c", 1)]
    assert "".join(deal(members, 7)) == "aabacaa"  # the published example of smooth weighted round robin


def test_nobody_has_no_turn() -> None:
    assert next_turn([], {}) is None


@given(MEMBERS, st.integers(0, 60))
def test_everybody_gets_the_share_of_the_weight(members: list[Member], rounds: int) -> None:
    order = Counter(deal(members, rounds))
    total = sum(member.weight for member in members)
    for member in members:
        assert abs(order[member.email] - rounds * member.weight / total) <= 1


@given(MEMBERS, st.integers(1, 40), st.data())
def test_a_turn_given_back_is_taken_next(members: list[Member], rounds: int, data: st.DataObject) -> None:
    taken: Counter[str] = Counter()
    last = deal(members, rounds, taken)[-1]
    taken[last] -= 1
    assert deal(members, 1, taken) == [last]


def test_a_roster_is_who_and_how_much() -> None:
    ann, bob = Member("ann"), Member("bob")
    assert roster([ann, bob]) == roster([ann, bob])
    assert len({roster([ann, bob]), roster([ann]), roster([ann, Member("bob", 2)])}) == 3


@pytest.mark.parametrize(
    ("lead", "contact", "expected"),
    [
        ((None, "unassigned"), (None, "unassigned"), TakeTurn((LEAD, CONTACT))),
        (("rep", ""), (None, "unassigned"), Carry("rep", (CONTACT,))),
        ((None, "queue"), ("rep", ""), Carry("rep", (LEAD,))),
        (("rep", ""), ("rep", ""), LeaveOwner("every record has an owner that somebody chose")),
        (("rep", ""), ("ann", ""), LeaveOwner("every record has an owner that somebody chose")),
        ((None, ""), (None, "queue"), LeaveOwner("the chosen owner is not one known human")),
    ],
)
def test_who_decides(lead: tuple[str | None, str], contact: tuple[str | None, str], expected: object) -> None:
    assert who_decides([Holding(LEAD, *lead), Holding(CONTACT, *contact)]) == expected


@pytest.mark.parametrize(
    ("crm", "name", "kind", "active", "may"),
    [
        ("salesforce", "Lead", "queue", True, True),
        ("salesforce", "Contact", "queue", True, False),
        ("hubspot", "contacts", "queue", True, False),
        ("salesforce", "Contact", "person", True, True),
        ("salesforce", "Lead", "person", False, False),
        ("salesforce", "Lead", "integration", True, False),
    ],
)
def test_who_may_own(crm: str, name: str, kind: str, active: bool, may: bool) -> None:
    assert may_own(crm, name, kind, active=active) is may


@pytest.mark.parametrize(
    ("when", "facts", "pool"),
    [
        ({"country": {"in": ["DE", "AT"]}}, {"country": "de "}, "special"),
        ({"country": {"in": ["DE", "AT"]}}, {"country": "FR"}, "default"),
        ({"country": {"in": ["DE", "AT"]}}, {}, "default"),
        ({"country": "DE"}, {"country": "DE"}, "special"),
        ({"email_domain": {"glob": "*.gov"}}, {"email_domain": "state.GOV"}, "special"),
        ({"company": {"is_set": True}}, {"company": ""}, "default"),
        ({"company": {"is_set": False}}, {"company": None}, "special"),
        ({"country": {"equals": "DE"}, "industry": {"equals": "IT"}}, {"country": "DE"}, "default"),
    ],
)
def test_the_first_rule_that_matches_names_the_pool(
    when: dict[str, Any], facts: dict[str, object], pool: str
) -> None:
    rules = [({"country": {"equals": "XX"}}, "unknown pool"), (when, "special")]
    assert pool_for(facts, rules, {"default", "special"}) == pool


def test_without_a_default_pool_nobody_is_chosen() -> None:
    assert pool_for({}, [], {"special"}) is None


def test_what_a_rule_asks_must_be_known() -> None:
    assert unknown_operators({"country": {"in": ["DE"], "near": 1}, "state": "x"}) == ["country.near"]
