"""Owners: turns, carry-over, rules, and who may own what."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigError
from config.hours import parse_absence, parse_hours
from config.settings import RoutingRule
from config.toml import parse
from connectors.records import RecordRef
from sync.core.owner import (
    ABSENT,
    AFTER_HOURS,
    FULL,
    YIELDING,
    Carry,
    Holding,
    LeaveOwner,
    Member,
    TakeTurn,
    available,
    may_own,
    next_turn,
    roster,
    rule_for,
    who_decides,
)
from sync.core.rules import read_rules

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


MONDAY = int(datetime(2026, 11, 23, 10, tzinfo=UTC).timestamp())
OFFICE = parse_hours("Mo-Fr 09:00-17:00 Europe/Berlin")
HOUR = 3600
AWAY = parse_absence("2026-11-23")


@pytest.mark.parametrize(
    ("member", "at", "lately", "obstacle"),
    [
        (Member("a"), MONDAY, 99, ""),
        (Member("a", capacity=2), MONDAY, 1, ""),
        (Member("a", capacity=2), MONDAY, 2, FULL),
        (Member("a", hours=OFFICE), MONDAY, 0, ""),
        (Member("a", hours=OFFICE), MONDAY + 6 * HOUR, 0, AFTER_HOURS),  # 17:00 in Berlin
        (Member("a", hours=OFFICE), MONDAY - 2 * HOUR - 1, 0, AFTER_HOURS),
        (Member("a", absent=(AWAY,)), MONDAY, 0, ABSENT),
        (Member("a", absent=(AWAY,)), MONDAY + 14 * HOUR, 0, ""),
        (Member("a", absent=(parse_absence("2026-11-20..2026-11-23"),)), MONDAY, 0, ABSENT),
        # 23:30 UTC is the next day already in Berlin, and she is back
        (
            Member("a", hours=OFFICE, absent=(AWAY,)),
            MONDAY + 13 * HOUR + 1800,
            0,
            AFTER_HOURS,
        ),
        (Member("a", capacity=1, hours=OFFICE), MONDAY + 9 * HOUR, 1, FULL),
    ],
)
def test_when_a_member_takes_no_lead(member: Member, at: int, lately: int, obstacle: str) -> None:
    assert member.obstacle(at, lately) == obstacle


def test_obstacles_yield_one_after_the_other() -> None:
    members = [
        Member("late", hours=OFFICE),
        Member("full", capacity=1),
        Member("away", absent=(AWAY,)),
    ]
    at, lately = MONDAY + 9 * HOUR, {"full": 1}
    found = [[one.email for one in available(members, at, lately, overlook)] for overlook in YIELDING]
    assert found == [[], ["late"], ["late", "full"], ["late", "full", "away"]]


def test_a_tie_goes_to_whoever_had_fewer_leads_lately() -> None:
    members = [Member("a"), Member("b"), Member("c", 2)]
    chosen = [next_turn([members[0], members[1]], {}, lately) for lately in ({}, {"a": 1}, {"a": 1, "b": 1})]
    assert [one.email for one in chosen if one] == ["a", "b", "a"]
    heavy = next_turn(members, {}, {"c": 9})
    assert heavy is not None
    assert heavy.email == "c"  # a tie is broken, a turn is not


@given(st.lists(st.sampled_from(["take", "crash", "return"]), max_size=60), st.integers(2, 5))
def test_counts_differ_by_at_most_one_whatever_crashes(steps: list[str], size: int) -> None:
    """A turn is one row: a crash before the commit leaves none, a return takes it out of the count."""
    members = [Member(f"m{number}") for number in range(size)]
    rows: list[str] = []
    for step in steps:
        chosen = next_turn(members, Counter(rows), Counter(rows))
        assert chosen is not None
        if step == "take":
            rows.append(chosen.email)
        elif step == "return" and rows:
            rows.pop()
        counts = Counter(rows)
        assert max(counts[one.email] for one in members) - min(counts[one.email] for one in members) <= 1


PERSON = {
    "country": "DE", "state": "Bavaria", "industry": "Software", "company_size": 120, "company": "",
    "email_domain": "state.gov", "free_mail": False, "fields": '{"segment": "smb"}', "stage_read": "mql",
}  # fmt: skip


@pytest.mark.parametrize(
    ("when", "matches"),
    [
        ({}, True),
        ({"country": {"in": ["de", "AT"]}}, True),
        ({"country": {"in": ["FR"]}}, False),
        ({"country": "DE", "state": "bavaria"}, True),
        ({"industry": {"starts_with": "soft"}, "company_size": {"between": [50, 200]}}, True),
        ({"company_size": {"at_least": 121}}, False),
        ({"email_domain": {"ends_with": ".gov"}}, True),
        ({"email_domain": {"in_list": "free_mail_domains"}}, False),
        ({"company": {"is_empty": True}}, True),
        ({"fields": {"segment": "smb"}}, True),
        ({"any": [{"country": "FR"}, {"stage": "mql"}]}, True),
        ({"not": {"country": "DE"}}, False),
    ],
)
def test_rules_speak_the_language_of_the_model(when: dict[str, Any], matches: bool) -> None:
    rules = read_rules([RoutingRule(when=when, pool="special"), RoutingRule(pool="rest")])
    found = rule_for(PERSON, rules)
    assert found is not None
    assert found.pool == ("special" if matches else "rest")


def test_without_a_rule_that_matches_there_is_none() -> None:
    assert rule_for(PERSON, read_rules([RoutingRule(when={"country": "FR"}, pool="fr")])) is None


def test_what_a_rule_asks_must_be_known_and_the_line_is_told() -> None:
    text = """
[[routing.rules]]
when = { country = { near = "DE" }, contry = "DE" }
pool = "a"
[[routing.rules]]
when = { email_domain = { in_list = "partners" } }
pool = "a"
"""
    document = parse(text, "mqlsync.toml")
    rules = [RoutingRule.model_validate(one) for one in document.values["routing"]["rules"]]
    with pytest.raises(ConfigError) as caught:
        read_rules(rules, document)
    told = [(problem.line, problem.message, problem.nearest) for problem in caught.value.problems]
    assert told == [
        (3, "is not an operator", ""),
        (3, "is not a field", "country"),
        (6, "the list partners is for scoring.toml only", ""),
    ]
