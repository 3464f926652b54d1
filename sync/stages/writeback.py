"""Write-back: what was decided goes to the CRMs, guarded, and is read back. See `writer.py` for a batch.

In order: what an earlier run left unsettled is judged; the configuration is checked against the CRM; the
limits say whether new changes may go unasked; then each CRM is served. One CRM's trouble never stops the
other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

from config.world import epoch
from connectors.base import Connector
from connectors.errors import ConnectorError
from sync.context import Context
from sync.mirror import books, outbox, routing, sending
from sync.mirror.sending import Sendable
from sync.reports import RunProblem, WriteCounts
from sync.stages.arrival import check_arrivals
from sync.stages.late import Applier
from sync.stages.plan import Left, gate
from sync.stages.preflight import preflight
from sync.stages.sla import ask_who_moved, keep_clocks
from sync.stages.targets import Targets, our_users
from sync.stages.tasks import leave_tasks, since_when
from sync.stages.trouble import judge
from sync.stages.writer import Writer

Report = Callable[[RunProblem], None]


def write_back(
    ctx: Context,
    on_problem: Report,
    *,
    digest: str | None = None,
    people: Collection[str] | None = None,
) -> WriteCounts:
    """Send what is due and settle what was sent; returns the books of this run.

    `digest`: only that released plan; a change of it that drops out is reported (exit 9). `people`: only
    these persons. Raises LeaseLost, and what the database raises; a CRM's trouble is reported.
    """
    return _WriteBack(ctx, on_problem, digest, people).run()


class _WriteBack:
    def __init__(
        self, ctx: Context, report: Report, digest: str | None, people: Collection[str] | None
    ) -> None:
        self._ctx = ctx
        self._tell = report
        self._told: set[RunProblem] = set()
        self._digest = digest
        self._people = people
        with ctx.mirror.read() as conn:
            self._targets = Targets(ctx.settings, routing.owners(conn), our_users(conn))
        self._stopped: set[tuple[str, str]] = set()
        self._writers: dict[str, Writer] = {}

    def run(self) -> WriteCounts:
        ctx = self._ctx
        calls = sum(connector.calls for connector in ctx.connectors.values())
        with ctx.mirror.write() as conn:
            sending.wake(conn, ctx.run.now)
            since_when(ctx, conn)
        for crm, connector in ctx.connectors.items():
            self._guarded(crm, partial(self._prepare, connector))
        if self._writers:
            self._serve_all()
        self._keep_clocks()
        for crm in list(self._writers):
            self._guarded(crm, partial(leave_tasks, ctx, ctx.connectors[crm], self._targets, self._report))
        check_arrivals(ctx, self._report)
        calls = sum(connector.calls for connector in ctx.connectors.values()) - calls
        with ctx.mirror.read() as conn:
            states = books.counts(conn, ctx.run.run_id)
            decided = books.decided(conn, ctx.run.run_id)
        return WriteCounts(decided=decided, calls=calls, **states)

    def _keep_clocks(self) -> None:
        """What was proved just now starts its clock; who moved a status since is asked of the CRM."""
        with self._ctx.mirror.write() as conn:
            keep_clocks(self._ctx, conn, self._targets)
        for crm in list(self._writers):
            self._guarded(crm, partial(ask_who_moved, self._ctx, self._ctx.connectors[crm]))

    def _report(self, problem: RunProblem) -> None:
        """Say everything once."""
        if problem not in self._told:
            self._told.add(problem)
            self._tell(problem)

    def _prepare(self, connector: Connector) -> None:
        """Settle what an earlier run sent, check what this configuration asks for."""
        crm = connector.crm
        writer = Writer(self._ctx, connector, self._targets, self._report)
        writer.recover()
        found = preflight(self._ctx, connector, self._targets)
        for problem in found.problems:
            self._report(problem)
        self._stopped |= {(crm, name) for name in found.stopped}
        self._writers[crm] = writer

    def _serve_all(self) -> None:
        """Twice at most: a record that moved gets its change at the survivor in the same run."""
        for _ in range(2):
            released_only = self._digest is None and not self._gate()
            for crm, writer in list(self._writers.items()):
                self._guarded(crm, partial(self._serve, crm, writer, released_only))
            followed = [one for writer in self._writers.values() for one in writer.applier.ended.followed]
            if self._digest is not None or not followed:
                break
            for writer in self._writers.values():
                writer.applier.ended.followed.clear()
        if self._digest is not None:
            self._report_dropped()

    def _gate(self) -> bool:
        """Whether new changes may go out unasked; False also when a CRM cannot be asked."""
        open_gate = False

        def ask() -> None:
            nonlocal open_gate
            open_gate = gate(
                self._ctx, self._targets, frozenset(self._stopped), self._drop_left, self._report
            )

        served = [crm for crm in self._ctx.connectors if crm in self._writers]
        return self._guarded(served[0] if len(served) == 1 else "", ask) and open_gate

    def _drop_left(self, left: Sequence[Left]) -> None:
        """What dropped out of a plan ends now, by the decision that was made on the live read."""
        applier = Applier(self._ctx, self._targets)
        with self._ctx.mirror.write(durable=True) as conn:
            for one in left:
                current = outbox.by_ids(conn, [one.row.id])[one.row.id]
                if current.state == one.row.state:
                    applier.apply(conn, current, one.decision, one.live)

    def _serve(self, crm: str, writer: Writer, released_only: bool) -> None:
        now = epoch(self._ctx.world.now())
        stopped = [name for one, name in self._stopped if one == crm]
        writer.send(Sendable(crm, now, self._digest, self._people, released_only, stopped))

    def _report_dropped(self) -> None:
        dropped = [one for writer in self._writers.values() for one in writer.applier.ended.dropped]
        with self._ctx.mirror.read() as conn:
            ended = books.ended_before(conn, self._digest or "", self._ctx.run.run_id)
        for row, reason in [*dropped, *((row, row.why or "") for row in ended)]:
            message = f"{row.object} {row.record_id} {row.field} was left out: {reason}"
            self._report(RunProblem("PLAN_STALE", row.crm, message, "make a new plan: `mqlsync plan`", 9))

    def _guarded(self, crm: str, work: Callable[[], None]) -> bool:
        """Do something with one CRM; its trouble is reported and ends only its own part."""
        try:
            work()
        except ConnectorError as error:
            self._writers.pop(crm, None)
            self._report(judge(error, error.crm or crm, "write-back").problem)
            return False
        return True
