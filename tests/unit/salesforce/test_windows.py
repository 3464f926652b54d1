"""Cursor arithmetic: where a window starts, where it goes on, and how far it proves."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import BrokenReply
from connectors.records import Cursor
from connectors.salesforce import windows
from connectors.salesforce.windows import State

T0 = 1_793_610_000_000
FIELDS = ("Id", "SystemModstamp", "Email")


def opened(cursor: Cursor | None = None, at: int = T0, fields: tuple[str, ...] = FIELDS) -> Cursor:
    return windows.open_window(cursor, at, fields)[0]


def test_the_first_window_has_no_beginning() -> None:
    cursor, resumed = windows.open_window(None, T0, FIELDS)
    assert (cursor.since_ms, cursor.until_ms, cursor.position, resumed) == (None, T0, None, False)
    assert windows.conditions(cursor, None) == ["SystemModstamp <= 2026-11-02T09:00:00.000Z"]


def test_a_page_in_between_is_where_another_process_goes_on() -> None:
    cursor = windows.advance(windows.aim(opened(), T0 - 60_000), (T0 - 5_000, "00Q1"))
    again, resumed = windows.open_window(Cursor.from_json(cursor.to_json()), T0 + 99_000, FIELDS)
    assert (again, resumed) == (cursor, True)
    assert windows.conditions(again, None) == [
        "(SystemModstamp > 2026-11-02T08:59:55.000Z OR "
        "(SystemModstamp = 2026-11-02T08:59:55.000Z AND Id > '00Q1'))",
        "SystemModstamp <= 2026-11-02T09:00:00.000Z",
    ]


def test_a_proven_end_becomes_the_next_beginning_without_overlap() -> None:
    aimed = windows.aim(opened(), T0 - 60_000)
    closed = windows.close_window(aimed, newest_ms=T0 - 90_000, asked=True)
    assert (closed.since_ms, closed.until_ms, closed.position) == (T0 - 60_000, None, None)
    assert State.of(closed) == State(True, False, None, tuple(sorted(FIELDS)))
    assert windows.conditions(opened(closed), None)[0] == "SystemModstamp >= 2026-11-02T08:59:00.000Z"


def test_rows_behind_the_proven_end_keep_a_feed_hot() -> None:
    aimed = windows.aim(opened(), T0 - 60_000)
    assert State.of(windows.close_window(aimed, newest_ms=T0 - 60_000, asked=True)).hot
    assert not State.of(windows.close_window(aimed, newest_ms=T0 - 60_001, asked=True)).hot


def test_an_end_that_cannot_be_proven_costs_an_overlap() -> None:
    closed = windows.close_window(opened(), newest_ms=T0, asked=True)
    assert (closed.since_ms, State.of(closed).covered) == (T0, False)
    following = opened(closed, T0 + 300_000)
    assert windows.conditions(following, None)[0] == "SystemModstamp >= 2026-11-02T08:50:00.000Z"
    assert windows.conditions(following, 0)[0] == "SystemModstamp >= 2026-11-02T09:00:00.000Z"


def test_a_cold_feed_stays_where_it_is_proven_and_warms_up_by_rows() -> None:
    aimed = windows.aim(opened(), T0 - 60_000)
    proven = windows.close_window(aimed, newest_ms=None, asked=True)
    idle = windows.close_window(opened(proven, T0 + 300_000), newest_ms=None, asked=False)
    assert (idle.since_ms, State.of(idle).hot) == (T0 - 60_000, False)
    busy = windows.close_window(opened(idle, T0 + 600_000), newest_ms=T0 + 400_000, asked=False)
    assert (busy.since_ms, State.of(busy).hot) == (T0 - 60_000, True)


def test_a_new_field_is_read_from_the_beginning_once() -> None:
    closed = windows.close_window(windows.aim(opened(), T0), newest_ms=None, asked=True)
    assert opened(closed, T0 + 1000, (*FIELDS, "New__c")).since_ms is None
    assert opened(closed, T0 + 1000, FIELDS[:2]).since_ms == T0


def test_a_window_under_way_with_a_field_fewer_than_now_begins_again() -> None:
    cursor = windows.advance(opened(), (T0 - 5_000, "00Q1"))
    again, resumed = windows.open_window(cursor, T0 + 1000, (*FIELDS, "New__c"))
    assert (again.position, again.since_ms, resumed) == (None, None, False)


def test_a_clock_that_went_back_does_not_turn_a_window_round() -> None:
    closed = windows.close_window(windows.aim(opened(), T0), newest_ms=None, asked=True)
    assert opened(closed, T0 - 3_600_000).until_ms == T0


@pytest.mark.parametrize("last", [(T0 - 5_000, "00Q1"), (T0 - 6_000, "00Q2")])
def test_pages_that_go_in_circles_are_noticed(last: tuple[int, str]) -> None:
    cursor = windows.advance(opened(), (T0 - 5_000, "00Q1"))
    with pytest.raises(BrokenReply):
        windows.advance(cursor, last)


@pytest.mark.parametrize("position", ["", "nonsense", "2026-11-02T09:00:00.000Z", "x|00Q1"])
def test_a_position_of_somebody_else_is_refused(position: str) -> None:
    with pytest.raises(BrokenReply):
        windows.position_of(Cursor(position=position))


@given(st.none() | st.text() | st.recursive(st.none() | st.integers(), st.lists).map(json.dumps))
def test_a_strange_state_counts_as_none(state: str | None) -> None:
    found = State.of(Cursor(state=state))
    assert found.fields == ()
    assert found.covered is False


@given(
    covered=st.booleans(),
    hot=st.booleans(),
    target=st.none() | st.integers(0, 2**53),
    fields=st.lists(st.text(max_size=5), max_size=3).map(tuple),
)
def test_a_state_reads_back(covered: bool, hot: bool, target: int | None, fields: tuple[str, ...]) -> None:
    state = State(covered, hot, target, fields)
    assert State.of(Cursor(state=state.to_json())) == state
