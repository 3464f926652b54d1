"""Cursor arithmetic of a pass: where it begins, and that its pages lead forward."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from connectors.records import Cursor


class PagesInCircles(Exception):
    """Two pages of one pass ended at the same place: going on would never end."""

    def __init__(self, feed: str, page: int) -> None:
        super().__init__(f"{feed}: page {page} ends where an earlier one ended")
        self.feed = feed
        self.page = page


class PageTurner:
    """Watches the pages of one pass of a feed."""

    def __init__(self, feed: str) -> None:
        self._feed = feed
        self._ends: set[int] = set()
        self.pages = 0

    def turned(self, cursor: Cursor, *, complete: bool) -> None:
        """A page came, and `cursor` follows it. Raises PagesInCircles; the last page may end anywhere."""
        self.pages += 1
        end = hash(cursor)
        if end in self._ends and not complete:
            raise PagesInCircles(self._feed, self.pages)
        self._ends.add(end)


def shape(parts: Mapping[str, object]) -> str:
    """A short hash of what is read of each row of a feed; another shape means reading all rows again."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def beginning(stored: Cursor | None, *, full: bool, shape_then: str | None, shape_now: str) -> Cursor | None:
    """Where a pass begins: where the last one stopped, or (None) at the very beginning.

    A changed shape asks for the beginning once: the first page of that pass stores the new shape, and a
    pass that was cut short goes on from its own cursor.
    """
    if full or (shape_then is not None and shape_then != shape_now):
        return None
    return stored
