"""Reading back what was sent, and writing down what became of it.

Success is proved here and nowhere else: an intent is `verified` when its value was read back. What had no
answer, in this run or in one that was killed, goes through the same door.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from config.world import epoch
from connectors.base import Connector
from connectors.records import Crm, Live, RecordRef
from sync.context import Context
from sync.core.cases import REPAIR, Moved, Target, Why, shown
from sync.core.readback import Fate, Sent, Verdict, judge_read_back
from sync.core.steps import Step, sent_value
from sync.mirror import audit, outbox, proofs
from sync.mirror.engine import Connection
from sync.mirror.outbox import NewIntent, Row
from sync.mirror.runs import set_meta
from sync.reports import RunProblem
from sync.stages.late import Applier, Facts, load_facts, read_live
from sync.stages.targets import Targets

REPAIR_ROUNDS = 2
"""A person's edit that our write covered is put back at most so often; then a person has to look."""


@dataclass(slots=True)
class Settled:
    """What reading back left to do: intents to be decided again now (`cleared`: for their second step), and
    things somebody should know."""

    again: list[str] = field(default_factory=list)
    cleared: list[str] = field(default_factory=list)
    problems: list[RunProblem] = field(default_factory=list)
    entries: list[audit.Entry] = field(default_factory=list)
    verified: list[tuple[Row, Live, Verdict]] = field(default_factory=list)


class ReadBack:
    """The last step of the protocol, for one CRM."""

    def __init__(self, ctx: Context, connector: Connector, targets: Targets, applier: Applier) -> None:
        self._ctx = ctx
        self._connector = connector
        self._targets = targets
        self._applier = applier

    def look(self, rows: Sequence[Row]) -> dict[RecordRef, Live]:
        """Read the records of these intents again."""
        lives = read_live(self._connector, rows)
        self._ctx.world.reached("write.read_back")
        return lives

    def settle(
        self,
        conn: Connection,
        rows: Sequence[Row],
        lives: Mapping[RecordRef, Live],
        accepted: Collection[str],
    ) -> Settled:
        """Write down what became of each; `accepted`: ids whose answer named the record as done."""
        facts = load_facts(conn, rows, self._connector.crm)
        settled = Settled()
        for row in rows:
            self._settle_one(conn, row, lives[row.ref], facts, row.id in accepted, settled)
        self._write_proofs(conn, settled)
        audit.append(conn, settled.entries, at=epoch(self._ctx.world.now()), run_id=self._ctx.run.run_id)
        return settled

    def _write_proofs(self, conn: Connection, settled: Settled) -> None:
        ends: list[tuple[Row, dict[str, object]]] = []
        proved: list[tuple[Row, str, int]] = []
        source = ""
        for row, live, verdict in settled.verified:
            at_ms = verdict.claimed_ms or live.modified_ms
            proof = {"verified_version": live.version, "verified_at_ms": at_ms}
            ends.append((row, {"why": str(verdict.why), "message": verdict.reason, **proof}))
            proved.append((row, live.version, at_ms))
            source = verdict.source or source
        self._applier.verified(conn, ends)
        proofs.put_verified(conn, proved)
        if source and self._connector.crm == Crm.HUBSPOT:
            set_meta(conn, f"{self._connector.crm}.our_source", source)

    def _settle_one(
        self, conn: Connection, row: Row, live: Live, facts: Facts, accepted: bool, settled: Settled
    ) -> None:
        target = self._targets.of_row(row) or Target(row.crm, row.object, row.purpose, row.field, row.policy)
        if live.moved_to is not None or not live.exists:
            text = "the record is gone" if live.moved_to is None else f"it is now {live.moved_to.id}"
            why = Why.GONE if live.moved_to is None else Why.MOVED
            self._applier.apply(conn, row, Moved(live.moved_to, text, why), live)
            return
        sent = Sent(
            desired=sent_value(row.desired_value, row.step),
            base_value=None if row.step == Step.SET else row.base_value,
            base_version=row.base_version or "",
            base_ms=row.base_ms or 0,
            sent_ms=row.sent_ms or 0,
            accepted=accepted,
        )
        writeback = self._ctx.settings.writeback
        verdict = judge_read_back(
            target,
            sent,
            live,
            facts.known(row, writeback.quiet_period, without=row.id),
            guarded=self._connector.capabilities.conditional_write,
            settle_ms=writeback.settle_time * 1000,
        )
        self._record(conn, row, live, verdict, settled)

    def _record(self, conn: Connection, row: Row, live: Live, verdict: Verdict, settled: Settled) -> None:
        fate, claimed = verdict.fate, {"verified_at_ms": verdict.claimed_ms}
        if fate is Fate.VERIFIED and row.step == Step.CLEAR:
            half = {"step": Step.CLEARED.value, "why": None, "message": "emptied, to be set", **claimed}
            outbox.move(conn, row, "queued", **half)
            settled.cleared.append(row.id)
            settled.again.append(row.id)
        elif fate is Fate.VERIFIED:
            settled.verified.append((row, live, verdict))
        elif fate is Fate.SUPERSEDED:
            self._applier.end(conn, row, "superseded", verdict.why, verdict.reason, **claimed)
        elif fate is Fate.REPAIR:
            self._repair(conn, row, verdict, settled)
        elif fate is Fate.PARK:
            why = Why.REPAIR_FAILED if row.policy == REPAIR else verdict.why
            self._applier.end(conn, row, "parked", why, verdict.reason)
        elif fate is Fate.ASK_PERSON:
            self._applier.end(conn, row, "conflict", verdict.why, verdict.reason)
        elif fate is Fate.WAIT:
            left = (row.sent_ms or 0) + self._ctx.settings.writeback.settle_time * 1000 - live.server_ms
            next_at = epoch(self._ctx.world.now()) + max(1, -(-left // 1000))
            outbox.move(conn, row, "unsure", why=Why.UNKNOWN.value, message=verdict.reason, next_at=next_at)
        else:
            why_now = Why.UNKNOWN.value if fate is Fate.SEND_AGAIN else None
            outbox.move(conn, row, "queued", why=why_now, message=verdict.reason, next_at=None)
            settled.again.append(row.id)
        if fate in (Fate.VERIFIED, Fate.REPAIR) or verdict.claimed_ms is not None:
            settled.entries.append(_entry(row, verdict))

    def _repair(self, conn: Connection, row: Row, verdict: Verdict, settled: Settled) -> None:
        """Our write covered a person's edit: put theirs back, by the same protocol, in this very run."""
        message = (
            f"{row.crm} {row.object} {row.record_id}: a person set {row.field} to {shown(verdict.value)} "
            f"in the moment before our write of {shown(sent_value(row.desired_value, row.step))}"
        )
        claimed = {"verified_at_ms": verdict.claimed_ms}
        if outbox.repairs_before(conn, row) >= REPAIR_ROUNDS:
            self._applier.end(conn, row, "parked", Why.REPAIR_FAILED, verdict.reason, **claimed)
            remedy = "set the field by hand to what it should be"
            settled.problems.append(RunProblem("REPAIR_FAILED", row.crm, message, remedy, 3))
            return
        self._applier.end(conn, row, "superseded", verdict.why, verdict.reason, **claimed)
        intent = NewIntent.of(
            row,
            id=self._ctx.world.new_id(),
            policy=REPAIR,
            base_value=sent_value(row.desired_value, row.step),
            desired_value=verdict.value,
            reason=verdict.reason,
            parent_id=row.id,
        )
        outbox.add(conn, [intent], run_id=self._ctx.run.run_id, now=self._ctx.run.now)
        settled.again.append(intent.id)
        settled.problems.append(
            RunProblem("EDIT_COVERED", row.crm, message, "nothing to do: it is being put back", 0)
        )


def _entry(row: Row, verdict: Verdict) -> audit.Entry:
    detail = {
        "intent": row.id,
        "person": row.person_id,
        "before": None if row.step == Step.SET else row.base_value,
        "after": sent_value(row.desired_value, row.step),
        "fate": verdict.fate.value,
        "why": verdict.why.value,
    }
    return audit.Entry("write", f"{row.crm}.{row.object}.{row.record_id}.{row.field}", detail)
