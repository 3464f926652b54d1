"""The one task or note beside a record that was handed to sales, where the configuration asks for it.

    plan    hand-offs that are proved in this CRM and have none, in one transaction
    look    what was sent and not answered is looked for by its mark: there → done, not there → planned
    send    each is marked sent, durably, before its one request; its answer is written down

It comes after a verified owner or status and never stands in the way of one. Killed anywhere, the next run
looks before it sends again, and not before a request under way has had its time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from config.world import epoch, from_epoch
from connectors.base import Connector
from connectors.errors import AuthFailed, NotOffered, QuotaSpent, RecordRejected, Retriable, RightMissing
from connectors.records import NewTask, Outcome, OutcomeKind, RecordRef, RefusalClass
from sync.context import Context
from sync.core.reason import LONGEST
from sync.mirror import audit, handoffs, outbox, tasks
from sync.mirror.backup import RESTORE_EPOCH
from sync.mirror.engine import Connection
from sync.mirror.lease import LeaseLost, current_epoch
from sync.mirror.outbox import scopes_of
from sync.mirror.runs import get_meta, set_meta
from sync.mirror.tasks import MARK, PAUSED_AS, Proved, Row
from sync.reports import RunProblem
from sync.stages.beside import hand_off_words
from sync.stages.sla import hours_of
from sync.stages.targets import Targets

BREAKER: Final = 5
DAY: Final = 86_400
"""The same refusal so often within so many seconds pauses the tasks of that object."""

RETRY_LATER: Final = 60
"""Seconds until a task is tried again that did not get through."""

Report = Callable[[RunProblem], None]


def since_when(ctx: Context, conn: Connection) -> None:
    """Remember, per CRM, since when tasks are asked for: earlier hand-offs get none."""
    for crm in ("salesforce", "hubspot"):
        wanted, key = ctx.settings.writeback.hand_off(crm) is not None, _since_key(crm)
        known = get_meta(conn, key)
        if wanted and known is None:
            set_meta(conn, key, str(ctx.run.now))
        elif not wanted and known is not None:
            set_meta(conn, key, None)


def leave_tasks(ctx: Context, connector: Connector, targets: Targets, report: Report) -> None:
    """Make the tasks of one CRM that are due. Raises what the connector raises about the account."""
    if ctx.settings.writeback.hand_off(connector.crm) is not None:
        _Tasks(ctx, connector, targets, report).run()


class _Tasks:
    def __init__(self, ctx: Context, connector: Connector, targets: Targets, report: Report) -> None:
        self._ctx = ctx
        self._connector = connector
        self._crm = connector.crm
        self._targets = targets
        self._report = report

    def run(self) -> None:
        ctx = self._ctx
        with ctx.mirror.write() as conn:
            tasks.drop_unneeded(conn, self._crm, ctx.run.now)
            since = int(get_meta(conn, _since_key(self._crm)) or ctx.run.now)
            tasks.plan(
                conn, [self._new(conn, one) for one in tasks.proved(conn, self._crm, since)], ctx.run.now
            )
        self._look()
        with ctx.mirror.read() as conn:
            limit = ctx.settings.limits.records_per_run
            rows = tasks.sendable(conn, self._crm, epoch(ctx.world.now()), limit)
            restored = get_meta(conn, RESTORE_EPOCH) is not None
        for done, row in enumerate(rows, 1):
            if not self._paused(row):
                self._one(row, look_first=restored or row.attempts > 0)
            ctx.progress.step(f"hand off {self._crm}", done, len(rows))

    # -- planning

    def _new(self, conn: Connection, one: Proved) -> dict[str, object]:
        due_at = one.started_at if one.due_at is None else one.due_at
        kind = self._ctx.settings.writeback.hand_off(self._crm)
        mark = f"{MARK}:{hashlib.sha256(f'{one.spell_id} {self._crm}'.encode()).hexdigest()[:12]}"
        hours = hours_of(self._ctx, self._targets, one.owner)
        day = from_epoch(due_at).date() if hours is None else hours.day_of(due_at)
        until = "" if one.due_at is None else f": act by {from_epoch(due_at):%Y-%m-%d %H:%M} UTC"
        return {
            "spell_id": one.spell_id,
            "crm": self._crm,
            "person_id": one.person_id,
            "object": one.object,
            "record_id": one.record_id,
            "kind": kind,
            "owner_id": self._owner(conn, one),
            "subject": f"New MQL{until} [{mark}]",
            "body": self._text(conn, one.person_id, one.model, one.entered_at, one.entered_by),
            "mark": mark,
            "due_at": due_at,
            "due_day": day.isoformat(),
        }

    def _owner(self, conn: Connection, one: Proved) -> str | None:
        """Whom we set, or who owns the person's records there; None for a queue: it can own no task."""
        owned = [(self._crm, one.owner_id)] if one.owner_id else handoffs.record_owners(conn, one.person_id)
        for crm, owner_id in owned:
            owner = self._targets.by_id(crm, owner_id) if crm == self._crm and owner_id else None
            if owner is not None and owner.kind == "person" and owner.active:
                return owner.id
        return None

    def _text(self, conn: Connection, person: str, model: str, entered_at: int, entered_by: str) -> str:
        total, grade = tasks.standing(conn, person, model) or (None, None)
        return hand_off_words(
            conn,
            person,
            model,
            since=entered_at,
            entered_by=entered_by,
            total=total,
            grade=grade,
            now=self._ctx.run.now,
            length=LONGEST,
        )

    # -- what was sent and not answered

    def _look(self) -> None:
        """Settle by its mark whatever may or may not have been made."""
        with self._ctx.mirror.read() as conn:
            rows = tasks.in_flight(conn, self._crm, epoch(self._ctx.world.now()))
        for row in rows:
            if self._found(row) is False:
                with self._ctx.mirror.write(durable=True) as conn:
                    self._still_ours(conn)
                    tasks.move(conn, row, "planned", next_at=None)

    def _found(self, row: Row) -> bool | None:
        """Whether the CRM has it already; then it is done. None: nobody can tell, and it is given up."""
        try:
            made = self._connector.find_task(_new_task(row))
        except (NotOffered, RightMissing, RecordRejected) as error:
            text = f"it may have been made ({row.mark}), and cannot be looked for: {error.message}"
            self._park(row, Outcome(row.ref, OutcomeKind.UNKNOWN, error.code, text))
            return None
        if made is not None:
            self._done(row, made)
        return made is not None

    # -- sending

    def _paused(self, row: Row) -> bool:
        with self._ctx.mirror.read() as conn:
            return bool(set(scopes_of(row.crm, row.object, PAUSED_AS)) & set(outbox.pauses(conn)))

    def _one(self, row: Row, *, look_first: bool) -> None:
        if look_first and self._found(row) is not False:
            return
        patience = self._ctx.settings.writeback.settle_time
        with self._ctx.mirror.write(durable=True) as conn:
            self._still_ours(conn)
            if not row.body:  # it was given up, and somebody wants it after all
                row = row._replace(body=self._text(conn, row.person_id, *tasks.spell_of(conn, row.spell_id)))
            next_at = epoch(self._ctx.world.now()) + patience
            values = {
                "body": row.body,
                "attempts": row.attempts + 1,
                "epoch": self._ctx.lease_epoch,
                "next_at": next_at,
            }
            sent = tasks.move(conn, row, "sent", **values)
        self._ctx.world.reached("task.marked_sent")
        try:
            outcome = self._connector.create_task(_new_task(row))
        except (QuotaSpent, AuthFailed, Retriable) as error:
            self._later(sent, error.code, error.message)
            raise
        self._ctx.world.reached("task.answered")
        self._take(sent, outcome)
        self._ctx.world.reached("task.recorded")

    def _take(self, row: Row, outcome: Outcome) -> None:
        if outcome.kind is OutcomeKind.ACCEPTED:
            self._done(row, outcome.ref)
        elif outcome.kind is OutcomeKind.UNKNOWN:
            with self._ctx.mirror.write(durable=True) as conn:
                self._still_ours(conn)
                tasks.move(conn, row, "unsure", code=outcome.code, message=outcome.message)
        elif outcome.refusal in (RefusalClass.TRANSIENT, RefusalClass.QUOTA):
            self._later(row, outcome.code, outcome.message)
        else:
            self._park(row, outcome)

    def _later(self, row: Row, code: str, message: str) -> None:
        """It surely was not made: again in a while."""
        next_at = epoch(self._ctx.world.now()) + RETRY_LATER
        with self._ctx.mirror.write(durable=True) as conn:
            self._still_ours(conn)
            tasks.move(conn, row, "planned", code=code, message=message, next_at=next_at)

    def _done(self, row: Row, made: RecordRef) -> None:
        now = epoch(self._ctx.world.now())
        detail = {"task": made.id, "kind": row.kind, "owner": row.owner_id, "mark": row.mark}
        subject = f"{row.crm}.{row.object}.{row.record_id}.{PAUSED_AS}"
        with self._ctx.mirror.write(durable=True) as conn:
            self._still_ours(conn)
            tasks.move(conn, row, "done", task_id=made.id, body="", code=None, message=None, done_at=now)
            tasks.not_theirs(conn, row.crm, made.id)
            entry = audit.Entry("hand_off", subject, detail)
            audit.append(conn, [entry], at=now, run_id=self._ctx.run.run_id)

    def _park(self, row: Row, outcome: Outcome) -> None:
        """Refused: said once, and not tried again."""
        now, said = epoch(self._ctx.world.now()), outcome.message or outcome.code
        scope = scopes_of(row.crm, row.object, PAUSED_AS)[-1]
        with self._ctx.mirror.write(durable=True) as conn:
            self._still_ours(conn)
            tasks.move(conn, row, "parked", code=outcome.code, message=said, body="", done_at=now)
            often = tasks.refused_since(conn, row.crm, row.object, outcome.code, now - DAY) >= BREAKER
            if often:
                reason = f"{outcome.code} {BREAKER} times within a day: {said}"
                outbox.pause(conn, scope, reason, "circuit breaker", now)
        text = f"the {row.kind} beside {row.object} {row.record_id} is given up: {said}"
        remedy = f"give our user the right to make a {row.kind} there; owner and status are set all the same"
        self._report(RunProblem("TASK_REFUSED", row.crm, text, remedy, 3))
        if often:
            remedy = f"correct the configuration, then `mqlsync resume {scope}`"
            self._report(RunProblem("FIELD_PAUSED", row.crm, f"{scope} is paused: {reason}", remedy, 3))

    def _still_ours(self, conn: Connection) -> None:
        """A worker that lost its lease may record nothing; its successor looks for what it sent."""
        if current_epoch(conn) != self._ctx.lease_epoch:
            raise LeaseLost(f"the lease of epoch {self._ctx.lease_epoch} went to somebody else")


def _new_task(row: Row) -> NewTask:
    return NewTask(
        kind=row.kind,
        ref=row.ref,
        owner_id=row.owner_id,
        subject=row.subject,
        body=row.body,
        mark=row.mark,
        due_ms=row.due_at * 1000,
        due_day=row.due_day,
        made_ms=row.created_at * 1000,
    )


def _since_key(crm: str) -> str:
    return f"writeback.hand_off_since:{crm}"
