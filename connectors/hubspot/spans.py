"""Ranges of record ids that several readers share: who reads what, and what has not been delivered yet.

Two pictures of one pass, kept apart on purpose:

    Missing   what the consumer has not been given: the truth that the cursor stores. A page takes away
              exactly the ids it covers, so a new process that reads what is missing misses nothing.
    Board     who is reading what at the moment, and what is split for an idle reader. It may be wrong about
              how much a range holds; it only decides who goes where.

A range is (low, high]: its low end is read already.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

TOP: Final = 1 << 63
"""Above every id."""

SPLIT_FROM: Final = 3
"""A range is split for an idle reader when it holds, by estimate, this many of his pages."""


class Missing:
    """Disjoint ranges in ascending order."""

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        self._ranges = sorted((low, high) for low, high in ranges if low < high)

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._ranges)

    def starts_at(self, low: int) -> bool:
        """Whether something is missing right above this id."""
        return any(start == low for start, _ in self._ranges)

    def less(self, low: int, high: int) -> None:
        """The ids in (low, high] are delivered."""
        left: list[tuple[int, int]] = []
        for start, end in self._ranges:
            left += [(start, min(end, low)), (max(start, high), end)]
        self._ranges = [(start, end) for start, end in left if start < end]


@dataclass(slots=True, eq=False)
class Span:
    """A range under way.

    `per_id`: rows per id where it is read now; 0.0 while unknown. `token`: the list cursor that goes on at
    `low`. `chosen`: `low` is a number of ours, and no page has shown yet that the list takes it for an id.
    `reader`: the kind of reader that has it, "" when nobody has.
    """

    low: int
    high: int
    per_id: float = 0.0
    token: str | None = None
    chosen: bool = False
    reader: str = ""


class Board:
    """The open ranges, shared by the readers' threads."""

    def __init__(self, spans: Sequence[Span], kinds: Iterable[str], left: int, chunk: int) -> None:
        """`kinds`: the ways of reading that are trusted. `left`: rows that all ranges hold together, about.
        `chunk`: the most rows that are split off at once from the range of a list cursor, which can go
        nowhere else."""
        self._spans = list(spans)
        self._kinds = set(kinds)
        self._left = left
        self._chunk = chunk
        self._changed = threading.Condition()
        self._over = False

    def trusts(self, kind: str) -> bool:
        """Whether this way of reading is still to be used."""
        with self._changed:
            return kind in self._kinds and not self._over

    def distrust(self, kind: str) -> None:
        """Nobody is to read in this way any more. Readers put back what they hold."""
        with self._changed:
            self._kinds.discard(kind)
            self._changed.notify_all()

    def end(self) -> None:
        """No more work for anybody, whatever is left."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def take(self, kind: str, page: int) -> Span | None:
        """A range for a reader whose pages hold `page` rows; waits for one. None: there will be none."""
        with self._changed:
            while self._spans and kind in self._kinds and not self._over:
                span = self._free() or self._split(page)
                if span is not None:
                    span.reader = kind
                    return span
                self._changed.wait()
            return None

    def read(
        self,
        span: Span,
        high: int,
        *,
        rows: int = 0,
        per_id: float | None = None,
        token: str | None = None,
        chosen: bool = False,
    ) -> int:
        """The span was read up to `high`; returns up to where that counts.

        The span may have been cut while the page was under way: what lies above its end is somebody else's.
        """
        with self._changed:
            self._left -= rows
            span.low = min(high, span.high)
            span.token, span.chosen = token, chosen
            span.per_id = span.per_id if per_id is None else min(1.0, per_id)
            if span.low >= span.high:
                self._spans.remove(span)
            self._changed.notify_all()
            return span.low

    def put_back(self, span: Span) -> None:
        """The reader does not go on; somebody else may."""
        with self._changed:
            span.reader = ""
            self._changed.notify_all()

    def _free(self) -> Span | None:
        return max((span for span in self._spans if not span.reader), key=self._rows, default=None)

    def _rows(self, span: Span) -> float:
        """How many rows a range may still hold. Ids may lie close here and far apart further up, so that a
        range never counts for more than is left in all; above all known ids nothing is guessed at."""
        if span.high >= TOP:
            return 0.0
        return max(0.0, min((span.high - span.low) * span.per_id, self._left))

    def _split(self, page: int) -> Span | None:
        """The upper half of the largest range; a list cursor's only when there is no other, and less."""
        large = [span for span in self._spans if self._rows(span) >= (SPLIT_FROM + 1) * page]
        if not large:
            return None
        span = max(large, key=lambda one: (one.token is None, self._rows(one)))
        rows = self._rows(span)
        kept = page + (rows - page) / 2  # a page of it is under way
        if span.token is not None:
            kept = max(kept, rows - self._chunk)
        cut = span.low + int(kept / span.per_id)
        upper = Span(cut, span.high, span.per_id, chosen=True)
        span.high = cut
        self._spans.append(upper)
        return upper
