"""One CRM's side of write-back: per batch of records R → D → T → W → V.

    R  read the records               D  decide each field anew on what was read
    T  mark as sent, durably          W  send: the first byte leaves only now
    V  read back, and write down what became of it

Killed between any two of these letters, the next run finds the intents `sent` and begins with V.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from config.world import epoch
from connectors.base import Connector
from connectors.errors import AuthFailed, ConnectorError, QuotaSpent
from connectors.records import WARNING, Live, Outcome, OutcomeKind, RecordRef, RefusalClass, Write
from sync.context import Context
from sync.core.cases import MACHINE, Decision, SetField, Target, Why
from sync.core.codes import prefixed
from sync.core.steps import Step, next_step, sent_value
from sync.mirror import failures, outbox, sending
from sync.mirror.engine import Connection
from sync.mirror.lease import LeaseLost, current_epoch
from sync.mirror.outbox import Row, Sending, scopes_of
from sync.mirror.sending import Sendable
from sync.reports import RunProblem
from sync.stages.choosing import Chooser
from sync.stages.late import Applier, decide_late, load_facts, read_live
from sync.stages.readback import ReadBack, Settled
from sync.stages.reroute import owner_comes, reroute
from sync.stages.targets import Targets

TRIES = 3
"""How often one intent is sent, or answered with a conflict, in one run."""

SAME_SECOND_WAIT = 3.0
"""At most so many seconds are waited until the CRM's clock has left the second of the last change."""

FRESH = 2.0
"""Where writes cannot be conditional a decision must not be older than so many seconds."""

BREAKER = 5
"""The same refusal of the same field so often within a day pauses that field."""

BREAKER_DAY = 86_400
"""Seconds in which refusals are counted, over all runs; what was retried or given up counts no more."""

BETWEEN_STEPS = 0.05
"""Seconds between emptying a field and setting it, so that no clock stamps both alike."""

BACK_OFF = 1.0
"""Seconds before the second try of a record that the CRM was busy with; doubled each time."""

RETRY_LATER = 60
"""Seconds until an intent is tried again that did not get through in this run."""

Report = Callable[[RunProblem], None]


@dataclass(slots=True)
class Batch:
    """The records of one round trip: what is to be sent, and what the decisions were made on."""

    rows: list[Row]
    lives: Mapping[RecordRef, Live]
    decisions: Mapping[str, Decision]
    to_send: dict[RecordRef, list[Row]] = field(default_factory=dict)


class Writer:
    """Sends the intents of one CRM."""

    def __init__(self, ctx: Context, connector: Connector, targets: Targets, report: Report) -> None:
        self._ctx = ctx
        self._connector = connector
        self._targets = targets
        self._report = report
        self.applier = Applier(ctx, targets)
        self._read_back = ReadBack(ctx, connector, targets, self.applier)
        self._conflicts: Counter[str] = Counter()
        self._sends: Counter[str] = Counter()
        self._chooser = Chooser(ctx, connector)
        self._wait = 0.0

    # -- what an earlier run left behind

    def recover(self) -> None:
        """Judge whatever was sent and never settled, before anything else is read or written."""
        with self._ctx.mirror.read() as conn:
            rows = sending.in_flight(conn, self._connector.crm, epoch(self._ctx.world.now()))
        for start in range(0, len(rows), self._connector.capabilities.read_batch):
            self._verify(rows[start : start + self._connector.capabilities.read_batch], accepted=set())

    # -- sending

    def send(self, wanted: Sendable) -> None:
        """Send these intents, all fields of a record in one request, until each has an end or waits."""
        with self._ctx.mirror.read() as conn:
            total = sending.count(conn, wanted.where)
            self._chooser.canary.begin(sending.records_per_field(conn, wanted.where))
        done = 0
        for rows in wanted.pages(self._ctx.mirror):
            self._chooser.begin(rows)
            while self._chooser.work:
                done += self._next()
                self._ctx.progress.step(f"write {self._connector.crm}", done, total)
            self._sends.clear()  # none of these comes again in this run, and there may be millions
            self._conflicts.clear()

    def _next(self) -> int:
        """Send the next batch; returns how many of its intents have an end, or wait for another run."""
        batch = self._chooser.next_batch()
        if not batch:
            return 0
        again = self._one_batch(batch)
        for problem in self._chooser.canary.look(batch):
            self._report(problem)
        self._back_off()
        self._chooser.put_back(again)
        return len(batch) - len(again)

    def _back_off(self) -> None:
        """Give a busy CRM time, with jitter so that two workers do not come back together."""
        if self._wait:
            self._ctx.world.sleep(self._wait * (0.5 + self._ctx.world.random()))
        self._wait = 0.0

    def _one_batch(self, rows: list[Row]) -> list[str]:
        """R → D → T → W → V for these; returns the intents that are to be decided again in this run."""
        batch = self._read_and_decide(rows)
        self._mark(batch)
        if not batch.to_send:
            return []
        sent_rows = [row for fields in batch.to_send.values() for row in fields]
        writes = [self._write(batch, ref, fields) for ref, fields in batch.to_send.items()]
        try:
            outcomes = self._connector.write(writes)
        except (QuotaSpent, AuthFailed) as error:
            self._give_back(sent_rows, error)
            raise
        self._ctx.world.reached("write.answered")
        again, open_rows = self._take_answers(sent_rows, outcomes)
        accepted = {outcome.ref for outcome in outcomes if outcome.kind is OutcomeKind.ACCEPTED}
        again += self._verify(open_rows, {row.id for row in open_rows if row.ref in accepted})
        return again

    def _give_back(self, rows: Sequence[Row], error: ConnectorError) -> None:
        """The account was refused before anything was written: these wait for it like all the others."""
        with self._ctx.mirror.write() as conn:
            self._still_ours(conn)
            for row in outbox.by_ids(conn, (row.id for row in rows)).values():
                outbox.move(conn, row, "queued", message=error.message, code=error.code or None)

    def _read_and_decide(self, rows: list[Row]) -> Batch:
        """R and D, repeated while the answer is too young (same second) or too old to act on."""
        lives = read_live(self._connector, rows)
        self._ctx.world.reached("write.read")
        with self._ctx.mirror.read() as conn:
            facts = load_facts(conn, rows, self._connector.crm, self._ctx.run.now)
        waited = 0.0
        while True:
            decisions = {
                row.id: decide_late(self._ctx, self._targets, row, lives[row.ref], facts)[1] for row in rows
            }
            wanted = [row for row in rows if isinstance(decisions[row.id], SetField)]
            unfit, wait = self._unfit(wanted, lives)
            if not unfit or waited >= SAME_SECOND_WAIT:
                break
            if wait:
                self._ctx.world.sleep(wait)
            waited += max(wait, 0.5)
            once_more = {row.ref for row in unfit}
            lives = {**lives, **read_live(self._connector, [row for row in rows if row.ref in once_more])}
        self._ctx.world.reached("write.decided")
        batch = Batch(rows, lives, decisions)
        for row in wanted:
            if row not in unfit:
                batch.to_send.setdefault(row.ref, []).append(row)
        return batch

    def _unfit(self, rows: Sequence[Row], lives: Mapping[RecordRef, Live]) -> tuple[list[Row], float]:
        """Intents whose read cannot be acted on yet, and how long to wait before reading again.

        With conditional writes the version has whole seconds: another change within the second of the
        last one would not be seen, so that second must be over. Without them the read must be young.
        """
        if self._connector.capabilities.conditional_write:
            young = [
                row
                for row in rows
                if row.policy != MACHINE
                and lives[row.ref].server_ms // 1000 <= lives[row.ref].modified_ms // 1000
            ]
            return young, 1.0
        now = self._ctx.world.monotonic()
        old = [row for row in rows if row.policy != MACHINE and now - lives[row.ref].read_at > FRESH]
        return old, 0.0

    def _mark(self, batch: Batch) -> None:
        """T: everything that is not to be sent is written down, the rest is marked sent, durably."""
        sending = {row.id: row for fields in batch.to_send.values() for row in fields}
        with self._ctx.mirror.write(durable=True) as conn:
            self._still_ours(conn)
            outbox.mark_sent(
                conn,
                list(sending.values()),
                {row.id: self._sending(row, batch.lives[row.ref]) for row in sending.values()},
                self._ctx.lease_epoch,
            )
            for row in batch.rows:
                if row.id not in sending:
                    self._not_sent(conn, row, batch)
            self._ctx.world.reached("write.marked_sent_uncommitted")
        self._ctx.world.reached("write.marked_sent")
        while self.applier.ended.problems:
            self._report(self.applier.ended.problems.pop(0))
        self._sends.update(sending.keys())

    def _not_sent(self, conn: Connection, row: Row, batch: Batch) -> None:
        decision = batch.decisions[row.id]
        if isinstance(decision, SetField):
            self._later(conn, row, Why.WAITING, "the record was changed this very second")
        # what ended one owner intent may have ended another of the same person with it
        elif row.purpose != "owner" or outbox.by_ids(conn, [row.id])[row.id].state == row.state:
            self.applier.apply(conn, row, decision, batch.lives[row.ref])

    def _sending(self, row: Row, live: Live) -> Sending:
        versions = live.versions.get(row.field, ())
        elapsed = int((self._ctx.world.monotonic() - live.read_at) * 1000)
        return Sending(
            id=row.id,
            base_value=live.values.get(row.field),
            base_version=live.version,
            base_ms=max((version.at_ms for version in versions), default=live.modified_ms),
            sent_ms=live.server_ms + max(0, elapsed),
            step=self._step(row, live),
        )

    def _step(self, row: Row, live: Live) -> Step | None:
        target = self._targets.of_row(row) or Target(row.crm, row.object, row.purpose, row.field, row.policy)
        return next_step(target, live.values.get(row.field) or None, row.desired_value or None, row.step)

    def _write(self, batch: Batch, ref: RecordRef, fields: Sequence[Row]) -> Write:
        return Write(
            ref=ref,
            fields={
                row.field: sent_value(row.desired_value, self._step(row, batch.lives[ref])) for row in fields
            },
            base=batch.lives[ref].version,
            guarded=any(row.policy != MACHINE for row in fields),
        )

    def _still_ours(self, conn: Connection) -> None:
        """A worker that lost its lease may record nothing; its successor reads back what it sent."""
        if current_epoch(conn) != self._ctx.lease_epoch:
            raise LeaseLost(f"the lease of epoch {self._ctx.lease_epoch} went to somebody else")

    # -- answers

    def _take_answers(self, rows: Sequence[Row], outcomes: Sequence[Outcome]) -> tuple[list[str], list[Row]]:
        """Write down every answer but acceptance, which proves nothing yet.

        Returns the intents to be decided again, and those to be read back.
        """
        by_ref = {outcome.ref: outcome for outcome in outcomes}
        stop: Exception | None = None
        again: list[str] = []
        with self._ctx.mirror.write() as conn:
            self._still_ours(conn)
            current = outbox.by_ids(conn, (row.id for row in rows))
            together = Counter(row.ref for row in rows)
            alone = frozenset(self._chooser.single)
            for row in (current[row.id] for row in rows):
                outcome = by_ref.get(row.ref) or Outcome(row.ref, OutcomeKind.UNKNOWN)
                stop = self._take(conn, row, outcome, together[row.ref], again, alone) or stop
            if any(outcome.kind is not OutcomeKind.ACCEPTED for outcome in outcomes):
                current = outbox.by_ids(conn, current)
        self._ctx.world.reached("write.outcome_committed")
        self._tell_warnings(outcomes)
        if stop is not None:
            raise stop
        return again, [row for row in current.values() if row.state in outbox.IN_FLIGHT]

    def _tell_warnings(self, outcomes: Sequence[Outcome]) -> None:
        """What the CRM had to say about writes that it took; whether they hold the read-back tells."""
        for crm, object_name, said in sorted(
            {(one.ref.crm, one.ref.object, one.message) for one in outcomes if one.code == WARNING}
        ):
            message = f"{crm} took a write of {object_name} and warned: {said}"
            remedy = "look at what the CRM says of that field; the value was read back all the same"
            self._report(RunProblem("WRITE_WARNING", crm, message, remedy, 0))

    def _take(
        self,
        conn: Connection,
        row: Row,
        outcome: Outcome,
        together: int,
        again: list[str],
        alone: Collection[RecordRef],
    ) -> Exception | None:
        kind = outcome.kind
        if kind is OutcomeKind.ACCEPTED:
            return None
        if kind is OutcomeKind.UNKNOWN or (kind is OutcomeKind.CONFLICT and row.why == Why.UNKNOWN):
            # a conflict after an unanswered sending may have been caused by that very sending
            outbox.move(conn, row, "unsure", why=Why.UNKNOWN.value, message="no answer to the request")
        elif kind is OutcomeKind.CONFLICT:
            self._conflicts[row.id] += 1
            self._retry(conn, row, again, self._conflicts[row.id], "somebody wrote since we read")
        elif kind is OutcomeKind.MOVED:
            self._retry(conn, row, again, self._sends[row.id], "the record moved")
        else:
            return self._refused(conn, row, outcome, together, again, alone)
        return None

    def _retry(self, conn: Connection, row: Row, again: list[str], times: int, message: str) -> None:
        if times >= TRIES:
            text = f"{message}, {times} times in a row"
            self.applier.end(conn, row, "conflict", Why.KEPT_CHANGING, text)
            return
        outbox.move(conn, row, "queued", why=None, message=message)
        again.append(row.id)

    def _refused(
        self,
        conn: Connection,
        row: Row,
        outcome: Outcome,
        together: int,
        again: list[str],
        alone: Collection[RecordRef],
    ) -> Exception | None:
        refusal = outcome.refusal or RefusalClass.OTHER
        if refusal is RefusalClass.QUOTA:
            outbox.move(conn, row, "queued", message=outcome.message)
            return QuotaSpent(outcome.message, crm=row.crm, code=outcome.code)
        if refusal is RefusalClass.AUTH:
            outbox.move(conn, row, "queued", message=outcome.message)
            return AuthFailed(outcome.message, crm=row.crm, code=outcome.code)
        if refusal is RefusalClass.INNOCENT and row.ref not in alone:
            # refused for another record's sake: on its own it will be judged on its own
            self._chooser.single.add(row.ref)
            self._sends[row.id] -= 1  # that was no attempt
            outbox.move(conn, row, "queued", message=outcome.message, attempts=row.attempts - 1)
            again.append(row.id)
        elif refusal in (RefusalClass.TRANSIENT, RefusalClass.INNOCENT):
            self._transient(conn, row, outcome, again)
        elif refusal is RefusalClass.OWNER and together == 1 and owner_comes(conn, row):
            # the owner who stands there spoils every save; with the new one it goes in the next round
            self._chooser.alone.discard(row.id)
            outbox.move(conn, row, "queued", message=outcome.message, code=outcome.code)
        elif together > 1:
            # several fields went in one request: find out which of them was refused
            outbox.move(conn, row, "queued", message=outcome.message)
            self._chooser.alone.add(row.id)
            again.append(row.id)
        else:
            self._park(conn, row, outcome, refusal)
        return None

    def _transient(self, conn: Connection, row: Row, outcome: Outcome, again: list[str]) -> None:
        """The CRM was busy with this record: again after a while, and if that does not help, later."""
        if self._sends[row.id] >= TRIES:
            self._later(conn, row, Why.WAITING, outcome.message, code=outcome.code)
            text = f"a change could not be written now: {outcome.message}"
            remedy = "nothing to do: the next run tries again"
            self._report(RunProblem(prefixed(row.crm, outcome.code), row.crm, text, remedy, 5))
            return
        self._wait = BACK_OFF * 2 ** (self._sends[row.id] - 1)
        outbox.move(conn, row, "queued", message=outcome.message, code=outcome.code)
        again.append(row.id)

    def _later(self, conn: Connection, row: Row, why: Why, message: str, **values: object) -> None:
        next_at = epoch(self._ctx.world.now()) + RETRY_LATER
        outbox.move(conn, row, "queued", why=why.value, message=message, next_at=next_at, **values)

    def _park(self, conn: Connection, row: Row, outcome: Outcome, refusal: RefusalClass) -> None:
        code, text = outcome.code, outcome.message
        if refusal is RefusalClass.OWNER and reroute(
            self._ctx, conn, self._targets, self.applier, row, code, text
        ):
            return
        self.applier.end(conn, row, "parked", refusal.value, outcome.message, code=outcome.code)
        if refusal not in (RefusalClass.OUR_CONFIG, RefusalClass.OTHER):
            return  # a rule about a record, or about an owner
        now = epoch(self._ctx.world.now())
        scope = scopes_of(row.crm, row.object, row.field)[-1]
        times = failures.refused_since(conn, row, outcome.code, now - BREAKER_DAY)
        if times >= BREAKER and scope not in outbox.pauses(conn):
            reason = f"{outcome.code} {times} times within a day: {outcome.message}"
            outbox.pause(conn, scope, reason, "circuit breaker", now)
            remedy = f"correct the configuration, then `mqlsync resume {scope}`"
            self._report(RunProblem("FIELD_PAUSED", row.crm, f"{scope} is paused: {reason}", remedy, 3))

    # -- reading back

    def _verify(self, rows: Sequence[Row], accepted: Iterable[str]) -> list[str]:
        """V: read these back and settle them."""
        if not rows:
            return []
        lives = self._read_back.look(rows)
        with self._ctx.mirror.write(durable=True) as conn:
            self._still_ours(conn)
            settled: Settled = self._read_back.settle(conn, rows, lives, set(accepted))
            self._ctx.world.reached("write.verified_uncommitted")
        self._ctx.world.reached("write.verified")
        for problem in settled.problems:
            self._report(problem)
        if settled.cleared:
            self._chooser.begun.update(settled.cleared)
            self._ctx.world.reached("write.cleared")
            self._ctx.world.sleep(BETWEEN_STEPS)
            for one in settled.cleared:
                del self._sends[one]  # the second step has tries of its own
        return [one for one in settled.again if self._sends[one] < TRIES]
