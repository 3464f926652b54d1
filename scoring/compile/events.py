"""From engagements to events: one pass over the large table, then chains of hits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    Table,
    and_,
    case,
    false,
    func,
    not_,
    or_,
    select,
    union_all,
)

from scoring.compile.tables import CRMS, SEEN, all_sources, as_of, event_table, integer, known_at
from scoring.dialect import like_pattern, matches_like
from scoring.model import Event, EventMatch, Model


def event_tables(model: Model) -> dict[str, Table]:
    """A table for each event that something uses, in file order."""
    used = {name for rule in model.rules for name in (rule.event, rule.until) if name}
    used |= {track.event for track in model.mql.fast_track}
    names = [event.name for event in model.events if event.name in used]
    return {name: event_table(number) for number, name in enumerate(names)}


def select_seen(model: Model, tables: Mapping[str, Table], engagements: FromClause) -> Select[Any]:
    """Every engagement that belongs to an event, future ones included, with a bit for each event."""
    row = engagements.c
    events = [model.event(name) for name in tables]
    matches = [_matches(event, engagements) for event in events]
    zero = integer(0)
    mask = sum(
        (case((match, integer(1 << bit)), else_=zero) for bit, match in enumerate(matches)), start=zero
    )
    source = case(*((row.crm == crm, integer(1 << bit)) for bit, crm in enumerate(CRMS)), else_=zero)
    return select(row.person_id, row.occurred_at, row.asset_key, source, mask).where(
        row.person_id.is_not(None),
        row.occurred_at.is_not(None),
        row.is_bot.is_(False),
        row.deleted.is_(False),
        row.first_seen <= known_at(),
        row.kind.in_(sorted({match.kind for event in events for match in event.any_of})),
        or_(false(), *matches),
    )


def _matches(event: Event, engagements: FromClause) -> ColumnElement[bool]:
    return or_(false(), *(_match(match, engagements) for match in event.any_of))


def _match(match: EventMatch, engagements: FromClause) -> ColumnElement[bool]:
    row = engagements.c
    if match.asset is None:
        return row.kind == match.kind
    return and_(
        row.kind == match.kind,
        row.asset.is_not(None),
        matches_like(row.asset, like_pattern(match.asset)),
    )


def select_event(event: Event, bit: int) -> Select[Any]:
    """Chains of hits, each closer than `same_if_within` to the one before; the first gives the time.

    Most chains are single hits: they are told by their neighbours in one pass, and only the others are
    numbered and grouped.
    """
    row = SEEN.c
    hits = (row.mask.bitwise_and(integer(1 << bit)) != 0, row.at <= as_of())
    if event.same_if_within is None:
        return select(row.person_id, row.at, row.at.label("last_at"), row.source).where(*hits)
    asset = [func.coalesce(row.asset_key, "").label("asset")] if event.distinct_by_asset else []
    window: dict[str, Any] = {"partition_by": [row.person_id, *asset], "order_by": row.at}
    gap = integer(event.same_if_within)
    starts = case((row.at - func.lag(row.at).over(**window) < gap, 0), else_=1)
    ends = case((func.lead(row.at).over(**window) - row.at < gap, 0), else_=1)
    columns = (row.person_id, *asset, row.at, row.source, starts.label("starts"), ends.label("ends"))
    marked = select(*columns).where(*hits).cte("marked", nesting=True)
    alone = and_(marked.c.starts == 1, marked.c.ends == 1)
    singles = select(marked.c.person_id, marked.c.at, marked.c.at.label("last_at"), marked.c.source)
    return select(union_all(singles.where(alone), _chains(marked, not_(alone))).subquery())


def _chains(marked: CTE, in_chain: ColumnElement[bool]) -> Select[Any]:
    """Hits that have neighbours, numbered by chain and grouped."""
    keys = [marked.c.person_id, *([marked.c.asset] if "asset" in marked.c else [])]
    # peers are summed together (the default frame): hits of one second stay in one chain
    number = func.sum(marked.c.starts).over(partition_by=keys, order_by=marked.c.at)
    columns = (*keys, marked.c.at, marked.c.source, number.label("chain"))
    chained = select(*columns).where(in_chain).subquery()
    return select(
        chained.c.person_id,
        func.min(chained.c.at),
        func.max(chained.c.at),
        all_sources(chained.c.source),
    ).group_by(*(chained.c[key.name] for key in keys), chained.c.chain)
