"""Engagement rules: a row of a CRM → what kind of engagement it is. The first rule that matches wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from config.settings import EngagementRule


class Mapped(NamedTuple):
    """What a rule made of a row; `asset` and `time` are the values of the fields that the rule names."""

    kind: str
    asset: str | None
    time: str | None


class EngagementMapper:
    """Own rules first, then the shipped ones (decisions, default engagement mapping)."""

    def __init__(self, rules: Sequence[EngagementRule] = ()) -> None:
        self._rules = tuple(rules)

    def map(self, source: str, row: Mapping[str, str | None]) -> Mapped | None:
        """The kind of a row of `source`; None when it is no engagement."""
        raise LookupError(f"{source}: {sorted(row)}")
