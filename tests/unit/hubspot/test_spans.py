"""Ranges of ids: what is missing, and who reads what."""

from __future__ import annotations

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from connectors.hubspot.spans import TOP, Board, Missing, Span

RANGES = st.tuples(st.integers(-1, 60), st.integers(-1, 60))


@given(st.lists(RANGES, max_size=6), st.lists(RANGES, max_size=10))
@hypothesis_settings(max_examples=150, deadline=None)
def test_missing_is_what_was_never_delivered(
    wanted: list[tuple[int, int]], delivered: list[tuple[int, int]]
) -> None:
    missing = Missing([(0, 20), (20, 25), (30, TOP)])
    truth = {*range(1, 26), *range(31, 70)}
    for low, high in [*wanted, *delivered]:
        if low < high:
            missing.less(low, high)
            truth -= set(range(low + 1, high + 1))
    ranges = list(missing)
    assert {number for low, high in ranges for number in range(low + 1, min(high, 69) + 1)} == truth
    assert ranges == sorted(ranges)
    assert all(low < high for low, high in ranges)
    assert bool(missing)  # nobody delivered what lies at the top
    missing.less(-1, TOP)
    assert not missing


def board(*spans: Span, left: int = 10_000, kinds: tuple[str, ...] = ("list", "search")) -> Board:
    return Board(spans, kinds, left, 1000)


def test_a_free_range_goes_first_and_then_the_largest_is_halved() -> None:
    work = board(Span(0, 4000, 1.0), Span(4000, 10_000, 1.0), Span(10_000, TOP, 1.0))
    taken = [work.take("list", 100) for _ in range(4)]
    assert [(span.low, span.high) for span in taken if span] == [
        (4000, 7050),  # cut in two by the fourth reader, a page of it being under way
        (0, 4000),
        (10_000, TOP),
        (7050, 10_000),
    ]
    assert [span.chosen for span in taken if span] == [False, False, False, True]


def test_a_range_never_counts_for_more_than_is_left() -> None:
    """Ids lie close at first and then far apart, as in accounts that saw HubSpot change its numbering."""
    work = board(Span(0, 100_000_000_000, 1.0), left=5000)
    lower = work.take("list", 100)
    upper = work.take("list", 100)
    assert lower is not None
    assert upper is not None
    assert (lower.high, upper.low) == (2550, 2550)


def test_pages_count_up_to_where_a_range_was_cut() -> None:
    work = board(Span(0, 10_000, 1.0))
    mine = work.take("list", 100)
    assert mine is not None
    other = work.take("search", 200)
    assert other is not None
    assert mine.high == other.low == 5100
    assert work.read(mine, 5050, rows=100) == 5050
    assert work.read(mine, 5150, rows=100) == 5100
    assert mine.low == mine.high


def test_a_list_cursor_is_robbed_last_and_least() -> None:
    chain = Span(0, 50_000, 1.0, token="abc", reader="chain")
    work = Board([chain], ("chain", "search"), 50_000, 1000)
    first = work.take("search", 200)
    assert first is not None
    assert (first.low, first.high) == (49_000, 50_000)
    second = work.take("search", 200)
    assert second is not None
    assert second.low == 49_600


def test_what_is_not_trusted_gets_no_work() -> None:
    work = board(Span(0, 10_000, 1.0))
    mine = work.take("list", 100)
    assert mine is not None
    work.distrust("list")
    assert work.take("list", 100) is None
    work.put_back(mine)
    assert work.take("search", 200) is mine
    work.end()
    assert work.take("search", 200) is None
    assert not work.trusts("search")
