"""Associations between records, in both directions, with their types.

Type ids: HubSpot docs, associations v4, "association type ID values". A primary company carries two types.
"""

from __future__ import annotations

from collections.abc import Iterator

_TYPES = {
    ("contacts", "companies"): (279, 1),
    ("companies", "contacts"): (280, 2),
    ("deals", "contacts"): (3, None),
    ("contacts", "deals"): (4, None),
    ("deals", "companies"): (341, 5),
    ("companies", "deals"): (342, 6),
    ("contacts", "contacts"): (449, None),
    ("companies", "companies"): (450, None),
    ("calls", "contacts"): (194, None),
    ("contacts", "calls"): (193, None),
    ("calls", "companies"): (182, None),
    ("companies", "calls"): (181, None),
    ("calls", "deals"): (206, None),
    ("deals", "calls"): (205, None),
    ("emails", "contacts"): (198, None),
    ("contacts", "emails"): (197, None),
    ("emails", "companies"): (186, None),
    ("companies", "emails"): (185, None),
    ("emails", "deals"): (210, None),
    ("deals", "emails"): (209, None),
    ("meetings", "contacts"): (200, None),
    ("contacts", "meetings"): (199, None),
    ("meetings", "companies"): (188, None),
    ("companies", "meetings"): (187, None),
    ("meetings", "deals"): (212, None),
    ("deals", "meetings"): (211, None),
    ("notes", "contacts"): (202, None),
    ("contacts", "notes"): (201, None),
    ("notes", "companies"): (190, None),
    ("companies", "notes"): (189, None),
    ("tasks", "contacts"): (204, None),
    ("contacts", "tasks"): (203, None),
    ("tasks", "companies"): (192, None),
    ("companies", "tasks"): (191, None),
    ("leads", "contacts"): (608, 578),
    ("contacts", "leads"): (609, 579),
    ("communications", "contacts"): (81, None),
    ("contacts", "communications"): (82, None),
    ("communications", "companies"): (87, None),
    ("companies", "communications"): (88, None),
}
"""(from, to) → (plain type id, primary type id)."""

_OPPOSITE = {
    number: _TYPES[(to, source)][place]
    for (source, to), pair in _TYPES.items()
    for place, number in enumerate(pair)
    if number is not None
}


def default_type(source: str, target: str) -> int | None:
    """The type id of a plain association; None for a pair that HubSpot does not associate."""
    pair = _TYPES.get((source, target))
    return pair[0] if pair else None


def primary_type(source: str, target: str) -> int | None:
    """The type id that marks the primary company of a record."""
    pair = _TYPES.get((source, target))
    return pair[1] if pair else None


def label_of(type_id: int) -> str | None:
    """`Primary` for the types that mark the primary company, else no label."""
    return "Primary" if any(type_id == pair[1] for pair in _TYPES.values()) else None


def target_of(source: str, type_id: int) -> str | None:
    """The object that an association type of `source` leads to."""
    return next((to for (kind, to), pair in _TYPES.items() if kind == source and type_id in pair), None)


class Links:
    """(from, to) → id → {id there → type ids}."""

    def __init__(self) -> None:
        self._sides: dict[tuple[str, str], dict[str, dict[str, set[int]]]] = {}

    def of(self, source: str, record_id: str, target: str) -> dict[str, set[int]]:
        """What a record is associated with, by id, in the order in which it was added."""
        return self._sides.get((source, target), {}).get(record_id, {})

    def add(self, source: str, record_id: str, target: str, other_id: str, types: set[int]) -> None:
        """Associate; both directions."""
        self._put(source, record_id, target, other_id, types)
        back = {opposite for number in types if (opposite := _OPPOSITE.get(number)) is not None}
        plain = default_type(target, source)
        self._put(target, other_id, source, record_id, back or ({plain} if plain is not None else set()))

    def associate(self, source: str, record_id: str, target: str, other_id: str) -> None:
        """The default association; the first company of a record becomes its primary one, too."""
        plain, primary = default_type(source, target), primary_type(source, target)
        if plain is None:
            raise LookupError(f"{source} and {target} are not associated")
        types = {plain}
        if primary is not None and target == "companies" and not self.primary(source, record_id):
            types.add(primary)
        self.add(source, record_id, target, other_id, types)

    def primary(self, source: str, record_id: str) -> str | None:
        """The id of the primary company."""
        wanted = primary_type(source, "companies")
        return next(
            (other for other, types in self.of(source, record_id, "companies").items() if wanted in types),
            None,
        )

    def remove(
        self, source: str, record_id: str, target: str, other_id: str, types: set[int] | None = None
    ) -> None:
        """Take away all types, or those given; both directions."""
        back = None if types is None else {n for one in types if (n := _OPPOSITE.get(one)) is not None}
        self._take(source, record_id, target, other_id, types)
        self._take(target, other_id, source, record_id, back)

    def drop(self, kind: str, record_id: str) -> None:
        """Take away everything a record is associated with."""
        for target, other in list(self._all(kind, record_id)):
            self.remove(kind, record_id, target, other)

    def move(self, kind: str, old_id: str, new_id: str) -> None:
        """Give the associations of one record to another (merge); a second primary company is not kept."""
        for target, other in list(self._all(kind, old_id)):
            types = set(self.of(kind, old_id, target)[other])
            self.remove(kind, old_id, target, other)
            primary = primary_type(kind, target)
            if primary in types and self.primary(kind, new_id):
                types.discard(primary)
            if other != new_id:
                self.add(kind, new_id, target, other, types)

    def _all(self, kind: str, record_id: str) -> Iterator[tuple[str, str]]:
        for (source, target), side in self._sides.items():
            if source == kind:
                for other in side.get(record_id, ()):
                    yield target, other

    def _put(self, source: str, record_id: str, target: str, other_id: str, types: set[int]) -> None:
        side = self._sides.setdefault((source, target), {})
        side.setdefault(record_id, {}).setdefault(other_id, set()).update(types)

    def _take(self, source: str, record_id: str, target: str, other_id: str, types: set[int] | None) -> None:
        mine = self._sides.get((source, target), {}).get(record_id)
        if mine is None or other_id not in mine:
            return
        if types is not None:
            mine[other_id] -= types
        if types is None or not mine[other_id]:
            del mine[other_id]
