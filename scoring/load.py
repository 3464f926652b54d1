"""TOML text → Model. Strict: unknown keys are errors, and every problem is reported at once with its line."""

from __future__ import annotations

import hashlib
import json
import zoneinfo
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final

from config.errors import ConfigError, nearest
from config.toml import Document, parse
from scoring.conditions import ConditionReader
from scoring.dialect import fold_text
from scoring.fields import DOMAIN_LISTS, FIELDS
from scoring.load_rules import RuleReader
from scoring.model import (
    MAX_EVENTS,
    MAX_TRACKS,
    POINT,
    STAGES,
    STATUSES,
    Account,
    AllOf,
    Checks,
    Event,
    EventMatch,
    FastTrack,
    Grade,
    Leave,
    Minimums,
    Model,
    Qualification,
    Recycle,
    Suppression,
)
from scoring.reading import Problems, Table, percent

DAY: Final = 86400
ACCOUNT_FIELDS: Final = ("company", "email_domain")
"""What people of one account have in common."""
_NOT_HASHED: Final = ("status", "review_by", "checks")


def load_model(text: str, where: str, lists: Mapping[str, Iterable[str]] | None = None) -> Model:
    """Read and check one model file.

    `where` names it in messages; `lists` are the named lists that have a file (`lists/NAME.txt`).
    Raises ConfigError with every problem.
    """
    document = parse(text, where)
    problems = Problems(document)
    model = _Loader(document, problems, lists or {}).load(text)
    if problems.found or model is None:
        raise ConfigError(problems.found)
    return model


class _Loader:
    def __init__(self, document: Document, problems: Problems, lists: Mapping[str, Iterable[str]]) -> None:
        self._document = document
        self._problems = problems
        self._top = Table(document.values, (), problems)
        self._lists = lists
        self._conditions = ConditionReader(lists)

    def load(self, text: str) -> Model | None:
        top = self._top
        name, version = top.name("name", required=True), top.integer("version", low=1, required=True)
        status = top.choice("status", STATUSES, required=True)
        applies_to = top.texts("applies_to", STAGES, required=True)
        segment_table = top.table("segment")
        segment = self._conditions.read(segment_table) if segment_table else None
        events = self._events()
        rules = RuleReader(self._problems, self._conditions, [event.name for event in events])
        fit = rules.axis(top.table("fit"), "fit")
        engagement = rules.axis(top.table("engagement"), "engagement")
        suppress = tuple(self._suppressions())
        grade = self._grade()
        mql = self._mql([event.name for event in events], [group.name or "" for group in engagement.groups])
        timezone, review_by, checks = self._timezone(), self._review_by(), self._checks()
        account = self._account(top.table("account"))
        top.done()
        if name is None or version is None or status is None or grade is None or mql is None:
            return None
        lists = self._used_lists()
        return Model(
            name=name,
            version=version,
            status=status,
            hash=_digest({key: value for key, value in top.values.items() if key not in _NOT_HASHED}),
            applies_to=applies_to,
            events=events,
            fit=fit,
            engagement=engagement,
            suppress=suppress,
            grade=grade,
            mql=mql,
            segment=segment,
            timezone=timezone,
            review_by=review_by,
            checks=checks,
            account=account,
            lists=lists,
            lists_hash=_digest({key: sorted(value) for key, value in lists.items()}),
            text=text,
            where=self._document.where,
            lines=rules.lines,
        )

    def _used_lists(self) -> dict[str, frozenset[str]]:
        return {
            name: frozenset(fold_text(entry.strip()) for entry in self._lists.get(name, ()) if entry.strip())
            for name in sorted(self._conditions.used_lists)
            if name not in DOMAIN_LISTS
        }

    def _events(self) -> tuple[Event, ...]:
        table = self._top.table("events")
        if table is None:
            return ()
        if len(table.values) > MAX_EVENTS:
            table.wrong(None, f"has {len(table.values)} events", f"at most {MAX_EVENTS}")
        return tuple(
            self._event(key, inner) for key in table.values if (inner := table.table(key)) is not None
        )

    def _event(self, name: str, table: Table) -> Event:
        if table.has("any_of"):
            matches = [self._match(part) for part in table.tables("any_of")]
            if not matches:
                table.wrong("any_of", "is empty", "at least one { kind = … }")
            for key in ("kind", "asset"):
                if table.has(key):
                    table.raw(key)
                    table.wrong(key, "stands beside any_of", "either any_of or kind and asset")
        else:
            matches = [self._match(table, whole=False)]
        event = Event(
            name,
            tuple(matches),
            table.duration("same_if_within"),
            table.choice("distinct_by", ("asset",)) == "asset",
        )
        table.done()
        return event

    def _match(self, table: Table, *, whole: bool = True) -> EventMatch:
        match = EventMatch(table.name("kind", required=True) or "", table.text("asset"))
        if whole:
            table.done()
        return match

    def _suppressions(self) -> Iterable[Suppression]:
        for table in self._top.tables("suppress"):
            reason, when = table.name("reason", required=True), table.table("when", required=True)
            condition = self._conditions.read(when) if when else AllOf(())
            table.done()
            yield Suppression(reason or "", condition)

    def _grade(self) -> Grade | None:
        table = self._top.table("grade", required=True)
        if table is None:
            return None
        fit = self._scale(table, "fit", "ABCDEFGHIJKLMNOPQRSTUVWXY")
        engagement = self._scale(table, "engagement", "12345678")
        table.done()
        below = chr(ord(fit[-1][0]) + 1) if fit else "A"
        return Grade(fit, engagement, below, chr(ord(engagement[-1][0]) + 1) if engagement else "1")

    def _scale(self, table: Table, key: str, words: str) -> tuple[tuple[str, int], ...]:
        """Letters or digits in order without a gap, each with fewer points than the one before."""
        inner = table.table(key, required=True)
        if inner is None:
            return ()
        found: list[tuple[str, int]] = []
        for word, expected in zip(sorted(inner.values), words, strict=False):
            points = inner.integer(word)
            if word != expected:
                inner.wrong(word, "is out of order", f"{expected} next")
            elif points is not None and found and points * POINT >= found[-1][1]:
                inner.wrong(word, f"{points} is not below the {found[-1][0]} before it")
            elif points is not None:
                found.append((word, points * POINT))
        if not found:
            inner.wrong(None, "has no grades", f"{words[0]} = points, {words[1]} = points, …")
        inner.done()
        return tuple(found)

    def _mql(self, events: list[str], groups: list[str]) -> Qualification | None:
        table = self._top.table("mql", required=True)
        if table is None:
            return None
        enter = table.table("enter", required=True)
        minimums = self._minimums(enter, required=True) if enter else Minimums()
        if enter:
            enter.done()
        fast_track = tuple(self._fast_track(item, events) for item in table.tables("fast_track"))
        if len(fast_track) > MAX_TRACKS:
            table.wrong("fast_track", f"has {len(fast_track)} fast tracks", f"at most {MAX_TRACKS}")
        for index, track in enumerate(fast_track):
            if track.id in [other.id for other in fast_track[:index]]:
                path = (*table.path, "fast_track", index, "id")
                self._problems.add(path, f"{track.id!r} is used twice")
        qualification = Qualification(
            enter=minimums,
            fast_track=fast_track,
            require_fields=table.texts("require_fields", FIELDS),
            leave=self._leave(table.table("leave"), minimums),
            recycle=self._recycle(table.table("recycle"), groups),
            first_touch=self._sla(table.table("sla")),
        )
        table.done()
        return qualification

    def _minimums(self, table: Table, *, required: bool = False) -> Minimums:
        total = table.integer("total", required=required)
        fit, engagement = table.integer("fit"), table.integer("engagement")
        return Minimums(*(None if value is None else value * POINT for value in (total, fit, engagement)))

    def _fast_track(self, table: Table, events: list[str]) -> FastTrack:
        track = FastTrack(
            table.name("id", required=True) or "",
            table.choice("event", events, required=True) or "",
            table.duration("within"),
            self._minimums(table),
        )
        table.done()
        return track

    def _leave(self, table: Table | None, enter: Minimums) -> Leave | None:
        if table is None:
            return None
        total, after = table.integer("total", required=True), table.duration("after", required=True)
        table.done()
        if after is not None and after % DAY:
            table.wrong("after", "is not a whole number of days", 'days such as "14d"')
        if total is not None and enter.total is not None and total * POINT > enter.total:
            table.wrong("total", f"{total} is above enter.total", f"at most {enter.total // POINT}")
        return None if total is None or after is None else Leave(total * POINT, after)

    def _recycle(self, table: Table | None, groups: list[str]) -> Recycle:
        if table is None:
            return Recycle()
        recycle = Recycle(table.duration("cooldown") or 0, table.choice("needs_new", groups))
        table.done()
        return recycle

    def _sla(self, table: Table | None) -> int | None:
        if table is None:
            return None
        first_touch = table.duration("first_touch", required=True)
        table.done()
        return first_touch

    def _account(self, table: Table | None) -> Account | None:
        if table is None:
            return None
        by = table.choice("by", ACCOUNT_FIELDS, required=True)
        sum_top = table.integer("sum_top", low=1, high=1000, required=True)
        table.done()
        return None if by is None or sum_top is None else Account(by, sum_top)

    def _timezone(self) -> str:
        name = self._top.text("timezone") or "UTC"
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            zones = zoneinfo.available_timezones()
            self._top.wrong("timezone", f"{name!r} is not a time zone", near=nearest(name, sorted(zones)))
        return name

    def _review_by(self) -> date | None:
        value = self._top.raw("review_by")
        if value is not None and (not isinstance(value, date) or isinstance(value, datetime)):
            self._top.wrong("review_by", f"{value!r} is not a date", "a date such as 2027-02-28")
            return None
        return value

    def _checks(self) -> Checks:
        table = self._top.table("checks")
        if table is None:
            return Checks()
        checks = Checks(self._band(table, "mql_share_per_week"), self._band(table, "mql_to_sql"))
        table.done()
        return checks

    def _band(self, table: Table, key: str) -> tuple[float, float] | None:
        items = table.items(key)
        shares = [percent(item) for _, item in items]
        if not table.has(key):
            return None
        if len(shares) != 2 or shares[0] is None or shares[1] is None or shares[0] > shares[1]:
            table.wrong(key, "is not a band", '["lowest %", "highest %"] such as ["2%", "15%"]')
            return None
        return (shares[0] / 100_000, shares[1] / 100_000)


def _digest(value: Any) -> str:
    """SHA-256 of a value's canonical JSON; dates as ISO text."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
