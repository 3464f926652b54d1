"""A query tree → matching records and their JSON rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from connectors.sandbox.salesforce.errors import fail
from connectors.sandbox.salesforce.org import Org, Reader, invalid_type
from connectors.sandbox.salesforce.schema import NUMBERS, ObjectType
from connectors.sandbox.salesforce.soql_bounds import bounds
from connectors.sandbox.salesforce.soql_conditions import compile_condition, equal_ids
from connectors.sandbox.salesforce.soql_fields import Hop, Path, resolve
from connectors.sandbox.salesforce.soql_parser import Aggregate, Query
from connectors.sandbox.salesforce.soql_tokens import malformed
from connectors.sandbox.store import Record

MAX_OFFSET = 2000
Row = dict[str, Any]
CHILDREN = {
    ("Account", "Contacts"): ("Contact", "AccountId"),
    ("Account", "Opportunities"): ("Opportunity", "AccountId"),
    ("Campaign", "CampaignMembers"): ("CampaignMember", "CampaignId"),
    ("Contact", "CampaignMembers"): ("CampaignMember", "ContactId"),
    ("Contact", "Histories"): ("ContactHistory", "ContactId"),
    ("Contact", "OpportunityContactRoles"): ("OpportunityContactRole", "ContactId"),
    ("Contact", "Tasks"): ("Task", "WhoId"),
    ("Contact", "Events"): ("Event", "WhoId"),
    ("Lead", "CampaignMembers"): ("CampaignMember", "LeadId"),
    ("Lead", "Histories"): ("LeadHistory", "LeadId"),
    ("Lead", "Tasks"): ("Task", "WhoId"),
    ("Lead", "Events"): ("Event", "WhoId"),
    ("Opportunity", "OpportunityContactRoles"): ("OpportunityContactRole", "OpportunityId"),
}
"""(parent, child relationship name) → child object and its lookup field."""


@dataclass
class Node:
    """What to put into one JSON object of a row: its own fields and its parents."""

    fields: dict[str, Reader] = field(default_factory=dict)
    parents: dict[str, tuple[Hop, Node]] = field(default_factory=dict)
    children: dict[str, Callable[[Record], Any]] = field(default_factory=dict)


class Selection:
    """One compiled query; `records` are found once, rows are rendered whenever a page is asked for."""

    def __init__(self, org: Org, query: Query, all_rows: bool, version: str) -> None:
        self._org = org
        self._base = f"/services/data/{version}/sobjects/"
        self._version = version
        kind = org.find_type(query.object_name)
        if kind is None:
            raise invalid_type(query.object_name)
        self.kind: ObjectType = kind
        self.query = query
        self.all_rows = all_rows or query.all_rows
        if query.offset > MAX_OFFSET:
            raise fail(400, "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
        self._node = self._plan()
        self.records = self._find()

    @property
    def aggregated(self) -> bool:
        return bool(self.query.aggregates or self.query.group_by)

    def rows(self, records: Iterable[Record]) -> list[Row]:
        """JSON rows of some of the records; a row deleted since is left out of a `query`."""
        render, node, kind, everything = self._render, self._node, self.kind.name, self.all_rows
        return [render(record, node, kind) for record in records if everything or not record.gone]

    def groups(self) -> list[Row]:
        """The rows of an aggregate query."""
        keys = [
            (path.split(".")[-1], self._plain(path, "can not be grouped in a query call").value)
            for path in self.query.group_by
        ]
        groups: dict[tuple[Any, ...], list[Record]] = {} if keys else {(): list(self.records)}
        if keys:
            for record in self.records:
                groups.setdefault(tuple(read(record) for _, read in keys), []).append(record)
        rows = []
        for values, members in groups.items():
            row: Row = {"attributes": {"type": "AggregateResult"}}
            row.update({name: value for (name, _), value in zip(keys, values, strict=True)})
            for one in self.query.aggregates:
                row[one.alias] = self._aggregate(one, members)
            rows.append(row)
        return rows[: self.query.limit]

    # -- planning ------------------------------------------------------------------------------------------

    def _plan(self) -> Node:
        query, root = self.query, Node()
        paths = list(query.paths)
        for what in query.field_sets:
            paths += [
                one.name
                for one in self._org.fields(self.kind)
                if what == "ALL" or one.custom == (what == "CUSTOM")
            ]
        if not paths and not query.aggregates and not query.count_only and not query.children:
            raise malformed("SELECT without fields")
        for path in paths:
            if "." not in path and query.group_by:
                continue
            self._add(root, path)
        for child in query.children:
            root.children[child.object_name] = self._child(child)
        return root

    def _add(self, root: Node, path: str) -> None:
        resolved = resolve(self._org, self.kind, path)
        node = root
        for hop in resolved.hops:
            _, node = node.parents.setdefault(hop.name, (hop, Node()))
        node.fields[resolved.leaf.name] = resolved.end

    def _child(self, child: Query) -> Callable[[Record], Any]:
        key = next(
            (
                one
                for one in CHILDREN
                if one[0] == self.kind.name and one[1].lower() == child.object_name.lower()
            ),
            None,
        )
        if key is None:
            raise fail(
                400, "INVALID_TYPE", f"Didn't understand relationship '{child.object_name}' in FROM part"
            )
        object_name, lookup = CHILDREN[key]
        inner = Query(**{**vars(child), "object_name": object_name})
        selection = Selection(self._org, inner, self.all_rows, self._version)

        def rows(parent: Record) -> Any:
            mine = [record for record in selection.records if record.values.get(lookup) == parent.id]
            found = selection.rows(mine)
            return {"totalSize": len(found), "done": True, "records": found} if found else None

        return rows

    # -- finding -------------------------------------------------------------------------------------------

    def _find(self) -> list[Record]:
        query = self.query
        candidates, in_order = self._candidates()
        matches: Iterable[Record] = candidates
        if not self.all_rows:
            # archived activities show in queryAll alone (Object Reference, Task, `IsArchived`)
            matches = (one for one in matches if not one.gone and not one.values.get("IsArchived"))
        if query.where is not None:
            test = compile_condition(self._org, self.kind, query.where, self._column)
            matches = filter(test, matches)
        if self.aggregated or query.count_only:
            return list(islice(matches, query.offset, None))
        end = None if query.limit is None else query.offset + query.limit
        if in_order:
            return list(islice(matches, query.offset, end))
        records = list(matches)
        for order in reversed(query.order):
            self._sort(records, order.path, order.descending, order.nulls_last)
        return records[query.offset : end]

    def _candidates(self) -> tuple[Iterable[Record], bool]:
        """Records among which the matches are, as few as indexes allow, and whether ORDER BY is met."""
        name, where = self.kind.name, self.query.where
        order = [(one.path.lower(), one.descending) for one in self.query.order]
        table = self._org.table(name)
        ids = equal_ids(where)
        if ids is not None:
            return [table.rows[one] for one in dict.fromkeys(ids) if one in table.rows], not order
        low, high = bounds(where, "SystemModstamp")
        by_stamp = order[:1] == [("systemmodstamp", False)] and order[1:] in ([], [("id", False)])
        if by_stamp or low is not None or high is not None:
            first = None if low is None else (low, "")
            last = None if high is None else (high, "~")
            return self._org.index(name, "SystemModstamp").between(first, last), by_stamp or not order
        if order == [("id", False)]:
            first_id, last_id = bounds(where, "Id")
            least = None if first_id is None else (first_id,)
            most = None if last_id is None else (last_id,)
            return self._org.index(name, "Id").between(least, most), True
        return table, not order

    def _sort(self, records: list[Record], path: str, descending: bool, nulls_last: bool) -> None:
        read = self._plain(path, "can not be sorted in a query call").compare
        empty = [record for record in records if read(record) is None]
        if not empty:
            records.sort(key=read, reverse=descending)
            return
        full = sorted(
            (record for record in records if read(record) is not None), key=read, reverse=descending
        )
        records[:] = full + empty if nulls_last else empty + full

    def _plain(self, path: str, refusal: str) -> Path:
        """A field that has an order; raises INVALID_FIELD with `refusal` for addresses and long text."""
        found = resolve(self._org, self.kind, path)
        if found.leaf.type == "address" or (found.leaf.type == "textarea" and found.leaf.length > 255):
            raise fail(400, "INVALID_FIELD", f"field '{path}' {refusal}")
        return found

    def _column(self, query: Query) -> set[Any]:
        inner = Selection(self._org, query, self.all_rows, self._version)
        if len(query.paths) != 1:
            raise malformed("a semi-join selects one field")
        read = inner._plain(query.paths[0], "can not be used in a semi-join").compare
        return {value for record in inner.records if (value := read(record)) is not None}

    def _aggregate(self, one: Aggregate, members: list[Record]) -> Any:
        path = self._plain(one.path, f"does not support aggregate operator {one.function}")
        if one.function in ("SUM", "AVG") and path.leaf.type not in NUMBERS:
            raise malformed(f"field {one.path} does not support aggregate operator {one.function}")
        values = [value for record in members if (value := path.value(record)) is not None]
        if one.function == "COUNT":
            return len(values)
        if one.function == "COUNT_DISTINCT":
            return len({str(value).lower() for value in values})
        if not values:
            return None
        functions: dict[str, Callable[[list[Any]], Any]] = {
            "MIN": min,
            "MAX": max,
            "SUM": sum,
            "AVG": lambda numbers: sum(numbers) / len(numbers),
        }
        return functions[one.function](values)

    # -- rendering -----------------------------------------------------------------------------------------

    def _render(self, record: Record, node: Node, type_name: str) -> Row:
        row: Row = {"attributes": {"type": type_name, "url": f"{self._base}{record.object}/{record.id}"}}
        for name, read in node.fields.items():
            row[name] = read(record)
        for name, (hop, below) in node.parents.items():
            parent = hop.follow(self._org, record)
            row[name] = None if parent is None else self._parent(parent, hop, below)
        for name, rows in node.children.items():
            row[name] = rows(record)
        return row

    def _parent(self, parent: Record, hop: Hop, node: Node) -> Row:
        return self._render(parent, node, "Name" if hop.polymorphic else parent.object)
