"""What a walk over an object yields, and the notes that its cursor carries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from connectors.records import Cursor


class Step(NamedTuple):
    """One page of rows and where to go on after it; the last step of a pass has `complete` set.

    `left`: about how many rows come after it; None where that is not known.
    """

    rows: Sequence[msgspec.Raw]
    cursor: Cursor
    server_ms: int
    complete: bool
    left: int | None = None


def gathered(steps: Iterable[Step], rows: int, page: int) -> Iterator[Step]:
    """Steps put together to at most `rows` rows each, where no step brings more than `page`.

    The last one's cursor stands for all: what was gathered and not yielded is read again by whoever goes on.
    """
    held: list[msgspec.Raw] = []
    for step in steps:
        held += step.rows
        if step.complete or len(held) + page > rows:
            yield step._replace(rows=held)
            held = []


def state_of(cursor: Cursor) -> dict[str, Any]:
    """The cursor's own notes; empty when there are none."""
    found = json.loads(cursor.state) if cursor.state else {}
    return found if isinstance(found, dict) else {}


def state_text(state: Mapping[str, Any]) -> str | None:
    """Notes as the cursor stores them."""
    return json.dumps(state, separators=(",", ":"), sort_keys=True) if state else None
