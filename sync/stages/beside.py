"""What a representative reads beside a new MQL: in a field of the record, and in its task or note."""

from __future__ import annotations

from config.world import from_epoch
from sync.core.reason import Did, HandOffFacts, hand_off_text
from sync.mirror import handoffs, wants
from sync.mirror.engine import Connection


def hand_off_words(
    conn: Connection,
    person_id: str,
    model: str,
    *,
    since: int,
    entered_by: str,
    total: int | None,
    grade: str | None,
    now: int,
    length: int,
) -> str:
    """Why the person is an MQL since then, in so many characters; `total` in thousandths of a point."""
    deeds = handoffs.last_deeds(conn, person_id, now)
    source = wants.person_facts(conn, [person_id])[person_id].get("lead_source")
    facts = HandOffFacts(
        since=day_of(since),
        entered_by=entered_by,
        points=None if total is None else total / wants.POINT,
        grade=grade,
        rules=[(rule, points / wants.POINT) for rule, points in wants.top_hits(conn, person_id, model)],
        did=[Did(deed.kind, deed.asset, day_of(deed.at)) for deed in deeds],
        source=str(source) if source else None,
    )
    return hand_off_text(facts, length)


def day_of(at: int) -> str:
    """The day of a moment, in UTC."""
    return from_epoch(at).date().isoformat()
