"""Addresses as keys, ids of people, and who keeps an id when people join, split and move."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core.identity import (
    LARGEST_COMPONENT,
    Claim,
    Known,
    Member,
    Resolved,
    email_key,
    founder_id,
    is_ambiguous,
    resolve,
)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("  Ann@Example.COM ", "ann@example.com"),
        ("ann+news@example.com", "ann+news@example.com"),
        ("a.n.n@gmail.com", "a.n.n@gmail.com"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@example.com.", "ann@example.com"),
        ("STRASSE@x.com", "strasse@x.com"),
        ("Straße@x.com", "strasse@x.com"),
        ('"odd@local"@x.com', '"odd@local"@x.com'),
        ("", None),
        (None, None),
        ("no address", None),
        ("two words@x.com", None),
        ("@x.com", None),
        ("ann@", None),
        ("ann@x\u00b4", None),
        ("ann@x\uff20y", None),
        ("ann@x\u3002", "ann@x"),
        ("ann@" + "ü" * 70 + ".com", None),
    ],
)
def test_email_key(address: str | None, key: str | None) -> None:
    assert email_key(address) == key


@given(st.text(max_size=40))
def test_a_key_is_its_own_key(address: str) -> None:
    key = email_key(address)
    assert key is None or email_key(key) == key


@given(st.text("ab.@-_9A é", max_size=10))
def test_the_short_way_to_a_key_leads_to_the_same(address: str) -> None:
    """Blanks around an address are let go of; only without them may it be taken for a key as it stands."""
    assert email_key(address) == email_key(f" {address}")


def test_founder_ids() -> None:
    one = founder_id("salesforce", "Lead", "00Q1")
    assert one == founder_id("salesforce", "Lead", "00Q1")
    assert one.startswith("p_")
    assert len(one) == 18
    assert len({one, founder_id("salesforce", "Lead", "00Q1", 1), founder_id("hubspot", "Lead", "00Q1")}) == 3


def member(created: int, object_name: str = "Lead", id_: str | None = None) -> Member:
    crm = "hubspot" if object_name == "contacts" else "salesforce"
    return Member(created, crm, object_name, id_ or f"{object_name}{created}")


def known(created: int, spell_at: int | None = None) -> Known:
    return Known(member(created), spell_at)


def test_several_records_of_one_crm_are_ambiguous_and_named() -> None:
    records = [member(2), member(1), member(3, "contacts")]
    (one,) = resolve({5: records}, [], {})
    assert one.ambiguous
    assert one.candidates == (member(1).ref, member(2).ref, member(3, "contacts").ref)
    assert one.person_id == founder_id(*member(1).ref)
    assert not is_ambiguous([member(1), member(1, "contacts")])


def test_a_huge_component_is_ambiguous_as_a_whole() -> None:
    records = [member(n) for n in range(LARGEST_COMPONENT + 1)]
    (one,) = resolve({0: records}, [], {})
    assert one.ambiguous
    assert len(one.candidates) == 20


def test_two_people_who_join_keep_the_id_with_the_older_open_spell() -> None:
    records = {1: [member(1), member(2, "contacts")]}
    claims = [Claim("p_old", 1, True), Claim("p_young", 1, True)]
    both = {"p_old": known(1), "p_young": known(2, spell_at=50)}
    assert [(one.person_id, one.absorbed) for one in resolve(records, claims, both)] == [
        ("p_young", ("p_old",))
    ]
    spells = {"p_old": known(1, spell_at=60), "p_young": known(2, spell_at=50)}
    assert resolve(records, claims, spells)[0].person_id == "p_young"


def test_without_spells_the_older_founding_keeps_it() -> None:
    records = {1: [member(1), member(2, "contacts")]}
    claims = [Claim("p_b", 1, True), Claim("p_a", 1, True)]
    found = resolve(records, claims, {"p_a": known(9), "p_b": known(3)})
    assert (found[0].person_id, found[0].absorbed, found[0].is_new) == ("p_b", ("p_a",), False)


def test_on_a_split_the_founding_side_keeps_it() -> None:
    records = {1: [member(1)], 2: [member(2, "contacts")]}
    claims = [Claim("p", 1, False), Claim("p", 2, True)]
    found = {one.component: one for one in resolve(records, claims, {"p": known(2)})}
    assert found[2].person_id == "p"
    assert found[1].is_new
    assert found[1].person_id == founder_id(*member(1).ref)


def test_without_its_founding_record_a_person_stays_with_its_oldest() -> None:
    records = {1: [member(7)], 2: [member(4, "contacts")]}
    claims = [Claim("p", 1, False), Claim("p", 2, False)]
    found = {one.component: one.person_id for one in resolve(records, claims, {"p": known(0)})}
    assert found[2] == "p"


def test_an_id_in_use_is_not_given_twice() -> None:
    records = {1: [member(1)]}
    first = founder_id(*member(1).ref)
    (one,) = resolve(records, [], {}, taken={first})
    assert one.person_id == founder_id(*member(1).ref, 1)


# Properties.


@st.composite
def worlds(
    draw: st.DrawFn,
) -> tuple[dict[int, list[Member]], list[Claim], dict[str, Known]]:
    size = draw(st.integers(1, 5))
    records = {
        number: [
            member(draw(st.integers(0, 3)), draw(st.sampled_from(("Lead", "contacts"))), f"{number}.{n}")
            for n in range(draw(st.integers(1, 3)))
        ]
        for number in range(size)
    }
    people = [f"p{n}" for n in range(draw(st.integers(0, 4)))]
    everyone = {
        person: Known(member(draw(st.integers(0, 9)), id_=person), draw(st.none() | st.integers(0, 5)))
        for person in people
    }
    claims = [
        Claim(person, number, number == draw(st.integers(-1, size - 1)))
        for person in people
        for number in sorted(draw(st.sets(st.integers(0, size - 1), max_size=3)))
    ]
    return records, claims, everyone


def essence(found: list[Resolved]) -> set[object]:
    return {(one.component, one.person_id, one.ambiguous, one.candidates, one.absorbed) for one in found}


@given(worlds(), st.randoms(use_true_random=False))
def test_order_does_not_matter(
    world: tuple[dict[int, list[Member]], list[Claim], dict[str, Known]], chance: object
) -> None:
    records, claims, everyone = world
    shuffled = {
        number: chance.sample(records[number], len(records[number]))  # type: ignore[attr-defined]
        for number in chance.sample(sorted(records), len(records))  # type: ignore[attr-defined]
    }
    mixed = chance.sample(claims, len(claims))  # type: ignore[attr-defined]
    assert essence(resolve(shuffled, mixed, everyone)) == essence(resolve(records, claims, everyone))


@given(worlds())
def test_every_component_has_one_person_and_every_person_one_place(
    world: tuple[dict[int, list[Member]], list[Claim], dict[str, Known]],
) -> None:
    records, claims, everyone = world
    found = resolve(records, claims, everyone)
    ids = [one.person_id for one in found]
    assert sorted(one.component for one in found) == sorted(records)
    assert len(set(ids)) == len(ids)
    absorbed = [alias for one in found for alias in one.absorbed]
    kept = [one.person_id for one in found if not one.is_new]
    assert sorted(kept + absorbed) == sorted({claim.person_id for claim in claims})


@given(worlds())
def test_deciding_again_changes_nothing(
    world: tuple[dict[int, list[Member]], list[Claim], dict[str, Known]],
) -> None:
    records, claims, everyone = world
    first = resolve(records, claims, everyone)
    again = resolve(
        records,
        [Claim(one.person_id, one.component, True) for one in first],
        {one.person_id: Known(one.founding, None) for one in first},
    )
    assert [(one.component, one.person_id) for one in again] == [
        (one.component, one.person_id) for one in first
    ]
    assert not any(one.absorbed or one.is_new for one in again)
