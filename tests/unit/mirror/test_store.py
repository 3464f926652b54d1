"""Storing pages: every row has one fate, and the counts say which."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.records import Cursor, Owner, Poison
from sync.mirror import cursors, store
from sync.mirror.engine import Mirror
from sync.mirror.upserts import LEAST_COPIED, SIZES
from sync.reports import FeedCounts
from tests.databases import forget, mirror_url
from tests.unit.mirror.rows import (
    T0,
    Stamp,
    company,
    deal,
    engagement,
    gone,
    links,
    page,
    person,
    save,
    select,
)
from tests.world import SimulatedWorld


def fates(counts: FeedCounts) -> tuple[int, int, int, int, int]:
    return counts.seen, counts.stored, counts.unchanged, counts.parked, counts.gone


def test_a_row_is_stored_once_and_then_unchanged(mirror: Mirror) -> None:
    row = person("Lead", "00Q1", "ann@example.com")
    assert fates(save(mirror, row)) == (1, 1, 0, 0, 0)
    assert fates(save(mirror, row, stamp=Stamp("r2", T0))) == (1, 0, 1, 0, 0)


def test_an_unchanged_row_is_not_touched(mirror: Mirror) -> None:
    save(mirror, person("Lead", "00Q1", "ann@example.com"))
    with mirror.write() as conn:
        conn.exec_driver_sql("INSERT INTO meta VALUES ('matched_round', '7')")
    save(mirror, person("Lead", "00Q1", "ann@example.com"))
    assert select(mirror, "SELECT changed FROM person_record") == [(1,)]
    save(mirror, person("Lead", "00Q1", "ann@example.com", city="Ulm"))
    assert select(mirror, "SELECT changed FROM person_record") == [(8,)]


def test_an_older_version_never_replaces_a_newer_one(mirror: Mirror) -> None:
    save(mirror, person("Lead", "00Q1", city="new", modified_ms=T0 + 1))
    assert fates(save(mirror, person("Lead", "00Q1", city="old", modified_ms=T0))) == (1, 0, 1, 0, 0)
    assert select(mirror, "SELECT city FROM person_record") == [("new",)]


def test_the_same_moment_with_other_content_is_stored(mirror: Mirror) -> None:
    save(mirror, person("Lead", "00Q1", city="Ulm"))
    assert save(mirror, person("Lead", "00Q1", city="Bonn")).stored == 1
    assert select(mirror, "SELECT city FROM person_record") == [("Bonn",)]


def test_a_cleared_value_is_cleared(mirror: Mirror) -> None:
    save(mirror, person("Lead", "00Q1", city="Ulm"))
    save(mirror, person("Lead", "00Q1", city=None, modified_ms=T0 + 1))
    assert select(mirror, "SELECT city FROM person_record") == [(None,)]


def test_twice_in_one_page_is_stored_and_unchanged(mirror: Mirror) -> None:
    row = person("contacts", "1")
    assert fates(save(mirror, row, row)) == (2, 1, 1, 0, 0)


def test_every_kind_of_row_is_counted(mirror: Mirror) -> None:
    rows = (
        company("companies", "c1", name="Acme"),
        deal("deals", "d1", amount=12.5),
        engagement("e1"),
        Owner("hubspot", "o1", "Rep@Example.com", "Rep", "person", True),
        links("contacts", "1", "deals", "d1"),
        Poison("hubspot", "contacts", "9", "no modification time", "{}"),
    )
    assert fates(save(mirror, *rows)) == (6, 5, 0, 1, 0)
    assert fates(save(mirror, *rows)) == (6, 0, 5, 1, 0)
    assert select(mirror, "SELECT email_key FROM owner") == [("rep@example.com",)]


def test_text_survives(mirror: Mirror) -> None:
    odd = ["NA", "NULL", "  leading", "line\nbreak", "zero\x00byte", "😀", "None", ""]
    for number, value in enumerate(odd):
        raw = json.dumps({"properties": {"lastname": value}})
        fields = json.dumps({"custom": value, "typed": "\\u0000"})
        save(mirror, person("contacts", str(number), last_name=value, raw=raw, fields=fields))
    odd[4] = "zero\ufffdbyte"  # no NUL in a text: PostgreSQL has none
    assert [row[0] for row in select(mirror, "SELECT last_name FROM person_record ORDER BY id")] == odd
    found = select(mirror, "SELECT raw, fields FROM person_record ORDER BY id")[4]
    assert json.loads(found[0]) == {"properties": {"lastname": "zero\x00byte"}}
    assert json.loads(found[1]) == {"custom": "zero\ufffdbyte", "typed": "\\u0000"}


def test_a_row_that_no_database_can_hold_is_parked_alone(mirror: Mirror) -> None:
    rows = [
        person("contacts", "1"),
        person("contacts", "2", last_name="\ud800"),
        person("contacts", "3", company_size=2**63),
        person("contacts", "4"),
    ]
    assert fates(save(mirror, *rows)) == (4, 2, 0, 2, 0)
    assert fates(save(mirror, *rows)) == (4, 0, 2, 2, 0)
    assert select(mirror, "SELECT id FROM person_record ORDER BY id") == [("1",), ("4",)]
    assert select(mirror, "SELECT id, attempts FROM parked_record ORDER BY id") == [("2", 2), ("3", 2)]


@pytest.mark.parametrize("count", [sum(SIZES) + 7, LEAST_COPIED + 7])
def test_many_rows_are_each_stored_as_one_would_be(mirror: Mirror, count: int) -> None:
    """Hundreds go into one statement where the database gains by it, what is left over into others; also
    where a record comes twice, which no single statement takes."""
    rows = [person("contacts", f"{number:03}", city="old") for number in range(count)]
    newer = [row._replace(city="new", modified_ms=T0 + 1) for row in rows[:3]]
    older = [row._replace(city="older", modified_ms=T0 - 1) for row in rows[:2]]
    assert fates(save(mirror, *newer, *older, *rows)) == (count + 5, count, 5, 0, 0)
    assert fates(save(mirror, *rows, *newer)) == (len(rows) + 3, 0, len(rows) + 3, 0, 0)
    cities = select(mirror, "SELECT city, count(*) FROM person_record GROUP BY city ORDER BY city")
    assert cities == [("new", 3), ("old", len(rows) - 3)]


def test_as_many_rows_as_are_copied_are_each_stored_as_one_would_be(mirror: Mirror) -> None:
    """New, unchanged, older and changed ones, with text that a copy has to escape."""
    odd = ("tab\there", "back\\slash", "\\N", "line\nbreak", "zero\x00byte", "", None)
    rows = []
    for number in range(LEAST_COPIED + 50):
        name = odd[number % len(odd)]
        raw = json.dumps({"properties": {"lastname": name}})
        rows.append(person("contacts", f"{number:04}", city="old", last_name=name, raw=raw))
    for _ in range(2):  # the second time by the work table of the first
        stored = len(select(mirror, "SELECT id FROM person_record WHERE city = 'old'"))
        again = len(rows) - stored
        assert fates(save(mirror, *rows)) == (len(rows), again, stored, 0, 0)
    newer = [row._replace(city="new", opted_out=True, modified_ms=T0 + 1) for row in rows[:7]]
    older = [row._replace(city="older", modified_ms=T0 - 1) for row in rows[7:20]]
    assert fates(save(mirror, *newer, *older, *rows[20:])) == (len(rows), 7, len(rows) - 7, 0, 0)
    found = select(mirror, "SELECT id, city, opted_out, last_name FROM person_record ORDER BY id")
    assert [row[0] for row in found] == [row.id for row in rows]
    assert [row[1] for row in found] == ["new"] * 7 + ["old"] * (len(rows) - 7)
    assert [row[2] for row in found[:8]] == [True] * 7 + [None]
    if not mirror.is_sqlite:
        work = "SELECT count(*) FROM pg_class WHERE relname = 'upsert_person_record'"
        assert select(mirror, work) == [(1,)], "by a copy"
    expected = [None if name is None else name.replace("\x00", "\ufffd") for name in odd]
    assert [row[3] for row in found[:7]] == expected


@pytest.mark.parametrize("spoilt", [{"last_name": "\ud800"}, {"company_size": 2**63}], ids=("text", "number"))
@pytest.mark.parametrize("count", [200, LEAST_COPIED + 1])
def test_among_many_rows_one_that_cannot_be_stored_is_parked_alone(
    mirror: Mirror, spoilt: dict[str, Any], count: int
) -> None:
    rows = [person("contacts", f"{number:03}") for number in range(count)]
    rows[150] = rows[150]._replace(**spoilt)
    assert fates(save(mirror, *rows)) == (len(rows), len(rows) - 1, 0, 1, 0)
    assert select(mirror, "SELECT id FROM parked_record") == [("150",)]


def test_poison_is_let_go_when_a_good_row_comes(mirror: Mirror) -> None:
    poison = Poison("hubspot", "contacts", "1", "unreadable time", '{"a":1}')
    save(mirror, poison)
    save(mirror, poison, stamp=Stamp("r2", T0 + 9))
    assert select(mirror, "SELECT id, reason, attempts, since FROM parked_record") == [
        ("1", "unreadable time", 2, Stamp().now)
    ]
    save(mirror, person("contacts", "2"))
    assert len(select(mirror, "SELECT 1 FROM parked_record")) == 1
    save(mirror, person("contacts", "1"))
    assert select(mirror, "SELECT 1 FROM parked_record") == []


def test_poison_is_let_go_when_the_record_went(mirror: Mirror) -> None:
    save(mirror, Poison("hubspot", "contacts", "1", "unreadable time", "{}"))
    save(mirror, gone("contacts", "1", "archived"))
    assert select(mirror, "SELECT 1 FROM parked_record") == []


def test_poison_without_an_id_does_not_hide_another(mirror: Mirror) -> None:
    save(
        mirror,
        Poison("hubspot", "contacts", "", "no id", "a"),
        Poison("hubspot", "contacts", "", "no id", "b"),
    )
    assert len(select(mirror, "SELECT id FROM parked_record")) == 2


def test_rows_and_cursor_are_one_transaction(mirror: Mirror) -> None:
    def stop_before_commit() -> None:
        with mirror.write() as conn:
            store.save_page(conn, page(person("contacts", "1"), position="7"), Stamp())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_before_commit()
    assert select(mirror, "SELECT 1 FROM person_record UNION ALL SELECT 1 FROM feed_cursor") == []
    save(mirror, person("contacts", "1"), position="7")
    with mirror.read() as conn:
        stored = cursors.load(conn, page().feed)
    assert stored is not None
    assert stored.cursor == Cursor(position="7")
    assert stored.completed_at == Stamp().now


def test_computed_columns(mirror: Mirror) -> None:
    save(
        mirror,
        person(
            "contacts",
            "1",
            "  Ann@BÜCHER.example ",
            additional_emails='["B@x.com", "ann@bücher.example", "a@x.com", "rubbish"]',
            job_title="VP Sales",
        ),
        engagement("e1", asset="https://Example.com/Pricing/?utm=1", person_email=" Ann@Example.com"),
    )
    assert select(
        mirror, "SELECT email, email_key, additional_keys, email_domain, seniority > 0 FROM person_record"
    ) == [
        (
            "  Ann@BÜCHER.example ",
            "ann@xn--bcher-kva.example",
            '["a@x.com", "b@x.com"]',
            "xn--bcher-kva.example",
            1,
        )
    ]
    assert select(mirror, "SELECT asset_key, email_key FROM engagement") == [
        ("example.com/pricing", "ann@example.com")
    ]
    assert select(mirror, "SELECT domain, student FROM email_domain ORDER BY domain") == [
        ("x.com", 0),  # of an additional address, which may be all that a person has
        ("xn--bcher-kva.example", 0),
    ]


def test_first_seen_stays(mirror: Mirror) -> None:
    save(mirror, engagement("e1"), stamp=Stamp("r1", 100))
    save(mirror, engagement("e1", asset="x"), stamp=Stamp("r2", 200))
    assert select(mirror, "SELECT first_seen, asset FROM engagement") == [(100, "x")]


# Opt-out flags.


def flags(mirror: Mirror) -> list[tuple[object, ...]]:
    return select(mirror, "SELECT kind, occurred_at, asset, source FROM engagement ORDER BY occurred_at")


def test_opt_out_flags_become_engagements_when_they_turn(mirror: Mirror) -> None:
    flag = ("opt-out flag", "hubspot.opt_out")
    save(mirror, person("contacts", "1", opted_out=False))
    assert flags(mirror) == []
    for step, value in enumerate([True, True, None, False, False, True], start=1):
        row = person("contacts", "1", opted_out=value, modified_ms=T0 + step * 1000)
        save(mirror, row)
        save(mirror, row)
    seconds = T0 // 1000
    assert flags(mirror) == [
        ("unsubscribed", seconds + 1, *flag),
        ("subscribed", seconds + 4, *flag),
        ("unsubscribed", seconds + 6, *flag),
    ]


def test_an_older_row_turns_no_flag(mirror: Mirror) -> None:
    save(mirror, person("contacts", "1", opted_out=True, modified_ms=T0 + 5000))
    save(mirror, person("contacts", "1", opted_out=False, modified_ms=T0))
    assert [row[0] for row in flags(mirror)] == ["unsubscribed"]


# Records that go.


def test_a_tombstone_buries_its_record_once(mirror: Mirror) -> None:
    save(mirror, person("Contact", "003"))
    assert fates(save(mirror, gone("Contact", "003", at_ms=T0 + 1))) == (0, 0, 0, 0, 1)
    assert fates(save(mirror, gone("Contact", "003", at_ms=T0 + 1))) == (0, 0, 0, 0, 0)
    assert select(mirror, "SELECT gone FROM person_record") == [(1,)]


def test_a_late_index_does_not_bring_a_record_back(mirror: Mirror) -> None:
    save(mirror, gone("contacts", "1", "archived", at_ms=T0 + 5))
    save(mirror, person("contacts", "1", modified_ms=T0))
    assert select(mirror, "SELECT gone FROM person_record") == [(1,)]


def test_a_change_after_it_went_brings_a_record_back(mirror: Mirror) -> None:
    save(mirror, person("contacts", "1"))
    save(mirror, gone("contacts", "1", "archived", at_ms=T0 + 5))
    save(mirror, person("contacts", "1", modified_ms=T0 + 6))
    assert select(mirror, "SELECT gone FROM person_record") == [(0,)]
    assert select(mirror, "SELECT 1 FROM tombstone") == []


def test_a_direct_read_has_the_last_word(mirror: Mirror) -> None:
    row = person("contacts", "1")
    save(mirror, row)
    save(mirror, gone("contacts", "1", "absent", at_ms=T0 + 5))
    save(mirror, row, direct=True)
    assert select(mirror, "SELECT gone FROM person_record") == [(0,)]


def test_an_old_entry_of_a_log_of_deletions_does_not_bury_a_restored_record(mirror: Mirror) -> None:
    save(mirror, person("Lead", "00Q", modified_ms=T0 + 10))
    assert save(mirror, gone("Lead", "00Q", at_ms=T0)).gone == 0
    assert select(mirror, "SELECT gone FROM person_record") == [(0,)]


def test_a_survivor_is_never_forgotten(mirror: Mirror) -> None:
    save(mirror, gone("Lead", "00Q", "merged_into", at_ms=T0, to_object="Lead", to_id="00Q2"))
    save(mirror, gone("Lead", "00Q", "deleted", at_ms=T0 + 5))
    save(mirror, gone("Lead", "00Q", "absent", at_ms=T0 + 9))
    assert select(mirror, "SELECT reason, to_id FROM tombstone") == [("merged_into", "00Q2")]


def test_a_deleted_activity_is_a_deleted_engagement(mirror: Mirror) -> None:
    task = engagement("00T1", "call", crm="salesforce", source="salesforce.task")
    call = engagement("77", "call", source="hubspot.calls")
    save(mirror, task, call)
    save(mirror, gone("Task", "00T1"), object_name="Task")
    assert select(mirror, "SELECT id, deleted FROM engagement ORDER BY id") == [("00T1", 1), ("77", 0)]


def test_an_activity_has_the_people_it_came_with_last(mirror: Mirror) -> None:
    def call(contact: str, activity: str = "7") -> object:
        return engagement(
            f"{activity}:{contact}",
            "call",
            source="hubspot.calls",
            person_object="contacts",
            person_id=contact,
        )

    save(mirror, call("1"), call("2"), call("1", "77"))
    save(mirror, call("2"), call("3"))
    assert select(mirror, "SELECT id FROM engagement WHERE NOT deleted ORDER BY id") == [
        ("77:1",),
        ("7:2",),
        ("7:3",),
    ]
    save(mirror, call("1"))
    assert select(mirror, "SELECT id FROM engagement WHERE NOT deleted ORDER BY id") == [("77:1",), ("7:1",)]


# Links.


def test_links_are_replaced_as_a_set(mirror: Mirror) -> None:
    assert fates(save(mirror, links("contacts", "1", "deals", "a", "b"))) == (1, 1, 0, 0, 0)
    save(mirror, links("contacts", "2", "deals", "a"), links("contacts", "1", "companies", "c"))
    assert fates(save(mirror, links("contacts", "1", "deals", "b", "a"))) == (1, 0, 1, 0, 0)
    assert fates(save(mirror, links("contacts", "1", "deals", "c"))) == (1, 1, 0, 0, 0)
    assert select(mirror, "SELECT from_id, to_object, to_id FROM link ORDER BY 1, 2, 3") == [
        ("1", "companies", "c"),
        ("1", "deals", "c"),
        ("2", "deals", "a"),
    ]


def test_a_changed_link_touches_the_people_at_its_ends(mirror: Mirror) -> None:
    save(mirror, person("Contact", "a"), person("Contact", "b"), person("Contact", "c"))
    save(mirror, links("Opportunity", "006", "Contact", "a", "b"))
    with mirror.write() as conn:
        conn.exec_driver_sql("INSERT INTO meta VALUES ('matched_round', '4')")
    save(mirror, links("Opportunity", "006", "Contact", "b", "c"))
    assert select(mirror, "SELECT id, changed FROM person_record ORDER BY id") == [
        ("a", 5),
        ("b", 1),
        ("c", 5),
    ]


# Properties.

versions = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 4), st.sampled_from(["x", "y", None])), max_size=12
)


@settings(max_examples=15, deadline=None)
@given(versions, st.integers(1, 4))
def test_any_order_and_any_paging_store_the_newest_version(
    database: str,
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, int, str | None]],
    size: int,
) -> None:
    folder = tmp_path_factory.mktemp("db")
    mirror = Mirror(mirror_url(folder), SimulatedWorld())
    newest: dict[str, tuple[int, str | None]] = {}
    made = [person("contacts", id_, modified_ms=T0 + at, city=city) for id_, at, city in rows]
    for id_, at, city in rows:
        if id_ not in newest or at >= newest[id_][0]:
            newest[id_] = (at, city)
    for start in range(0, len(made), size):
        counts = save(mirror, *made[start : start + size])
        assert counts.balanced
    found = select(mirror, "SELECT id, modified_ms, city FROM person_record ORDER BY id")
    assert {row[0]: (row[1] - T0, row[2]) for row in found} == newest
    for start in range(0, len(made), size):
        save(mirror, *made[start : start + size])
    assert select(mirror, "SELECT id, modified_ms, city FROM person_record ORDER BY id") == found
    mirror.close()
    forget(folder)
