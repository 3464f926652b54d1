"""Plans: lists of intents that wait for somebody's word, and the words that were given.

A `pending` plan holds its intents back (`awaiting_approval`); a `saved` one was only shown. Either is
frozen when it is made: its items are what may go out, and no more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Final, NamedTuple

from sqlalchemy import Select, Table, exists, insert, not_, select, update

from sync.core.cases import ORDERED, Why
from sync.mirror.engine import Connection
from sync.mirror.outbox import CHUNK, INTENT, Row
from sync.mirror.tables import Approval, Plan, PlanItem
from sync.mirror.upserts import Upsert, upsert

PLAN: Final[Table] = Plan.metadata.tables["plan"]
ITEM: Final[Table] = PlanItem.metadata.tables["plan_item"]
APPROVAL: Final[Table] = Approval.metadata.tables["approval"]
APPROVAL_ROWS: Final = Upsert(Approval, ("model_hash", "mapping_hash", "at"))

KEPT_SECONDS: Final = 7 * 86_400
"""A plan that nobody released for so long is no longer offered."""

ROWS: Final = 5000
"""Items that are stored by one statement."""


class NoSuchPlan(Exception):
    """There is no plan of that digest, or none waits. Exit code 7."""

    def __init__(self, digest: str | None) -> None:
        super().__init__(f"no plan {digest}" if digest else "no plan waits for approval")
        self.digest = digest


class SeveralPlans(Exception):
    """Which one? Exit code 2."""

    def __init__(self, digests: Sequence[str]) -> None:
        super().__init__(f"{len(digests)} plans wait for approval: {', '.join(digests)}")
        self.digests = tuple(digests)


class PlanOver(Exception):
    """The plan was rejected, has expired or was carried out already. Exit code 9."""

    def __init__(self, digest: str, state: str) -> None:
        super().__init__(f"plan {digest} is {state}")
        self.digest = digest
        self.state = state


class Item(NamedTuple):
    """One line of a plan."""

    intent_id: str
    before: str | None
    after: str | None


class SavedPlan(NamedTuple):
    """A plan as it was saved."""

    digest: str
    state: str
    created_at: int
    blocked_by: list[str]


def digest_of(lines: Iterable[tuple[str, str, str, str, str, str | None, str | None]]) -> str:
    """The name of a plan: (intent, crm, object, record, field, before, after) of every item, in any order."""
    digest, before = hashlib.sha256(b"["), b""
    for line in sorted(lines, key=lambda line: line[:5]):
        digest.update(before + json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode())
        before = b","
    digest.update(b"]")
    return digest.hexdigest()[:16]


def save(
    conn: Connection,
    digest: str,
    items: Iterable[Item],
    *,
    pending: bool,
    blocked_by: Sequence[str],
    keys: tuple[str, str],
    now: int,
) -> None:
    """Keep a plan. `pending` also holds its intents back. Saving the same plan again changes nothing."""
    known = conn.execute(select(PLAN.c.state).where(PLAN.c.digest == digest)).scalar()
    if known is None:
        values = {"blocked_by": json.dumps(list(blocked_by)), "model_hash": keys[0], "mapping_hash": keys[1]}
        conn.execute(insert(PLAN).values(digest=digest, state="saved", created_at=now, **values))
        rest = iter(items)
        while some := list(islice(rest, ROWS)):
            conn.execute(insert(ITEM), [{"digest": digest, **item._asdict()} for item in some])
    if pending and known in (None, "saved"):
        conn.execute(update(PLAN).where(PLAN.c.digest == digest).values(state="pending"))
        held = (INTENT.c.id.in_(_items_of(digest)), INTENT.c.state.in_(("queued", "quiet")))
        conn.execute(update(INTENT).where(*held).values(state="awaiting_approval", plan_digest=digest))


def pending(conn: Connection) -> list[SavedPlan]:
    """Plans that hold intents back, oldest first."""
    return _plans(conn, "pending")


def _plans(conn: Connection, state: str) -> list[SavedPlan]:
    columns = (PLAN.c.digest, PLAN.c.state, PLAN.c.created_at, PLAN.c.blocked_by)
    query = select(*columns).where(PLAN.c.state == state).order_by(PLAN.c.created_at, PLAN.c.digest)
    return [SavedPlan(one[0], one[1], one[2], json.loads(one[3])) for one in conn.execute(query)]


def items(conn: Connection, digest: str) -> list[Item]:
    """The lines of a plan."""
    query = select(ITEM.c.intent_id, ITEM.c.before, ITEM.c.after).where(ITEM.c.digest == digest)
    return [Item(*row) for row in conn.execute(query.order_by(ITEM.c.intent_id))]


def shown_before(conn: Connection, rows: Collection[Row]) -> dict[str, str | None]:
    """Per intent that belongs to a plan, the value that the plan showed it to replace."""
    plan_of = {row.id: row.plan_digest for row in rows if row.plan_digest}
    ids, found = sorted(plan_of), {}
    for start in range(0, len(ids), CHUNK):
        query = select(ITEM.c.intent_id, ITEM.c.digest, ITEM.c.before)
        for one in conn.execute(query.where(ITEM.c.intent_id.in_(ids[start : start + CHUNK]))):
            if plan_of[one.intent_id] == one.digest:
                found[one.intent_id] = one.before
    return found


def release(conn: Connection, digest: str, now: int) -> int:
    """Let a plan go out: its unsent intents are queued under its name. Returns how many.

    Also clears the first-run approval for its model and mapping. Raises NoSuchPlan, PlanOver.
    """
    row = conn.execute(select(PLAN).where(PLAN.c.digest == digest)).one_or_none()
    if row is None:
        raise NoSuchPlan(digest)
    if row.state not in ("pending", "saved"):
        raise PlanOver(digest, row.state)
    conn.execute(update(PLAN).where(PLAN.c.digest == digest).values(state="approved", decided_at=now))
    upsert(conn, APPROVAL_ROWS, [(row.model_hash, row.mapping_hash, now)])
    unsent = (
        INTENT.c.id.in_(_items_of(digest)),
        INTENT.c.state.in_(("awaiting_approval", "queued", "quiet")),
    )
    released = conn.execute(
        update(INTENT).where(*unsent).values(state="queued", plan_digest=digest, next_at=None)
    )
    return released.rowcount


def reject(conn: Connection, digest: str, run_id: str, now: int) -> list[str]:
    """Drop a plan and the intents that it holds. Returns their ids. Raises NoSuchPlan, PlanOver."""
    state = conn.execute(select(PLAN.c.state).where(PLAN.c.digest == digest)).scalar()
    if state is None:
        raise NoSuchPlan(digest)
    if state not in ("pending", "saved"):
        raise PlanOver(digest, state)
    conn.execute(update(PLAN).where(PLAN.c.digest == digest).values(state="rejected", decided_at=now))
    unsent = (
        INTENT.c.id.in_(_items_of(digest)),
        INTENT.c.state.in_(("awaiting_approval", "queued", "quiet")),
    )
    dropped = list(conn.execute(select(INTENT.c.id).where(*unsent).order_by(INTENT.c.id)).scalars())
    ended = {"state": "superseded", "why": Why.REJECTED.value, "done_at": now, "ended_run": run_id}
    conn.execute(update(INTENT).where(*unsent).values(message="the plan was rejected", **ended))
    return dropped


def expire(conn: Connection, run_id: str, now: int) -> None:
    """Plans nobody released for a week are over; what they held is queued and looked at anew.

    What somebody ordered is dropped: without anybody's word it may not go out.
    """
    old = PLAN.c.created_at < now - KEPT_SECONDS
    for plan in conn.execute(select(PLAN.c.digest).where(old, PLAN.c.state.in_(("pending", "saved")))):
        conn.execute(update(PLAN).where(PLAN.c.digest == plan.digest).values(state="expired", decided_at=now))
        held = (INTENT.c.plan_digest == plan.digest, INTENT.c.state == "awaiting_approval")
        ended = {"state": "superseded", "why": Why.REJECTED.value, "done_at": now, "ended_run": run_id}
        ordered = update(INTENT).where(*held, INTENT.c.policy.in_(ORDERED))
        conn.execute(ordered.values(message="nobody approved it within a week", **ended))
        conn.execute(update(INTENT).where(*held).values(state="queued", plan_digest=None))


def close_empty(conn: Connection, now: int) -> None:
    """A waiting plan that holds nothing any more is over: every change of it was dropped."""
    held = exists(
        select(INTENT.c.id).where(
            INTENT.c.plan_digest == PLAN.c.digest, INTENT.c.state == "awaiting_approval"
        )
    )
    empty = (PLAN.c.state == "pending", not_(held))
    conn.execute(update(PLAN).where(*empty).values(state="dropped", decided_at=now))


def approved(conn: Connection, keys: tuple[str, str]) -> bool:
    """Whether somebody released a plan made with this model and this mapping."""
    query = select(APPROVAL.c.at).where(APPROVAL.c.model_hash == keys[0], APPROVAL.c.mapping_hash == keys[1])
    return conn.execute(query).first() is not None


def any_approval(conn: Connection) -> bool:
    """Whether anybody's approval still counts; after a restore none does."""
    return conn.execute(select(APPROVAL.c.at).limit(1)).first() is not None


def choose(conn: Connection, digest: str | None) -> str:
    """The digest meant: the one given, a beginning of it, or the only one that waits."""
    if digest:
        like = select(PLAN.c.digest).where(PLAN.c.digest.startswith(digest, autoescape=True))
        found = list(conn.execute(like.order_by(PLAN.c.digest)).scalars())
        if not found:
            raise NoSuchPlan(digest)
        if len(found) > 1 and digest not in found:
            raise SeveralPlans(found)
        return digest if digest in found else found[0]
    waiting = [plan.digest for plan in pending(conn)]
    if not waiting:
        raise NoSuchPlan(None)
    if len(waiting) > 1:
        raise SeveralPlans(waiting)
    return waiting[0]


def _items_of(digest: str) -> Select[tuple[str]]:
    return select(ITEM.c.intent_id).where(ITEM.c.digest == digest)
