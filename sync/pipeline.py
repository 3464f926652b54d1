"""The order of the stages, and what the failure of one means for the rest.

    sign in ─► pull (per CRM) ─► match ─► score ─► decide ─► plan ─► write back ─► books

A CRM that cannot be reached or signed in to is left out, the other is still served; what is stored is
matched and scored whatever happened; nothing is written when the books of this run do not balance.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from config.world import epoch
from connectors.base import Connector
from connectors.errors import ConnectorError
from sync.context import App, Context, Interrupted, Progress, RunClock, Silent
from sync.mirror import plans
from sync.mirror.lease import Lease
from sync.mirror.runs import begin_run, close_killed, finish_run, set_meta
from sync.mirror.undoing import Written
from sync.mirror.unusable import DatabaseLocked, DatabaseUnreachable, DatabaseUnusable, DiskFull
from sync.reports import EXIT_PRECEDENCE, RunProblem, RunReport
from sync.stages import retention
from sync.stages.decide import decide
from sync.stages.demote import Demotion, plan_demotion
from sync.stages.match import match
from sync.stages.plan import PlanView, make_plan
from sync.stages.plan import approve as release_plan
from sync.stages.plan import reject as drop_plan
from sync.stages.pull import CLOCK_SKEW, Which, misfit, pull
from sync.stages.recheck import recheck
from sync.stages.reconcile import LAST, Reconciled
from sync.stages.reconcile import reconcile as compare
from sync.stages.score import score
from sync.stages.trouble import judge
from sync.stages.undo import UndoView, plan_undo
from sync.stages.writeback import write_back

STAGES: Final = frozenset({"pull", "match", "score", "decide", "write"})

NOT_FOUND: Final = 7  # the exit code of a command that asked for what does not exist
GOES_ON: Final = "the next run goes on where this one stopped"


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What a pass is to do.

    `as_of`, `known_at`: epoch seconds; a score as of another moment decides nothing. `pull_crms`: pull these
    alone, and serve all (`crm`: serve that one alone). `pull_objects`: pull these alone (`salesforce.Lead`),
    whenever they were last; `leave_objects`: not these, they have times of their own. `chores`: look also at
    what is due once a day.
    """

    only: frozenset[str] = STAGES
    crm: str | None = None
    full: bool = False
    dry_run: bool = False
    as_of: int | None = None
    known_at: int | None = None
    pull_crms: tuple[str, ...] | None = None
    pull_objects: tuple[str, ...] | None = None
    leave_objects: tuple[str, ...] = ()
    chores: bool = True

    def to_json(self) -> dict[str, Any]:
        """For a daemon to read."""
        return {**asdict(self), "only": sorted(self.only)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SyncRequest:
        """What `to_json` gave."""
        lists = ("pull_crms", "pull_objects", "leave_objects")
        given = {name: tuple(value[name]) for name in lists if value.get(name) is not None}
        return cls(**{**value, "only": frozenset(value["only"]), **given})


@contextmanager
def leased(app: App, kind: str) -> Iterator[int]:
    """Hold the lease for one command; the daemon holds it already. Raises LeaseHeld after `lease_wait`."""
    if app.lease_epoch is not None:
        yield app.lease_epoch
        return
    lease = Lease(app.mirror, app.world, app.settings.daemon.lease, kind)
    with lease.held(app.settings.daemon.lease_wait, heartbeat=app.heartbeat) as number:
        yield number


def sync(app: App, request: SyncRequest, progress: Progress | None = None) -> RunReport:
    """One pass now. Raises LeaseHeld and the errors of the database; all else is in the report."""
    with leased(app, "sync") as number:
        return run_under_lease(app, request, progress or Silent(), number, kind="sync")


def run_under_lease(
    app: App,
    request: SyncRequest,
    progress: Progress,
    lease_epoch: int,
    kind: str,
    problems: Sequence[RunProblem] = (),
) -> RunReport:
    """One pass by a process that holds the lease of `lease_epoch`. `problems` were met on the way to it."""
    with run_of(app, progress, lease_epoch, kind, request) as (base, report):
        report.problems += problems
        reached = sign_in(base, report, request.crm)
        if doubts_our_clock(report, reached):
            return report
        ctx = replace(base, connectors=reached)
        if "pull" in request.only:
            for crm in reached:
                if request.pull_crms is None or crm in request.pull_crms:
                    which = Which(request.full, request.pull_objects, request.leave_objects)
                    report.pull[crm] = pull(ctx, crm, which, on_problem=report.problems.append)
        settle(ctx, report, request)
        if request.chores and not request.dry_run:
            retention.daily(base)
    return report


def doubts_our_clock(report: RunReport, reached: Collection[str]) -> bool:
    """Whether every CRM that said what time it is contradicts us: nothing is scored, decided or let go then.

    A clock that was set forward by mistake would let scores fade, hand-offs be late, and history be over.
    """
    return not reached and any(problem.code.endswith(CLOCK_SKEW) for problem in report.problems)


def settle(ctx: Context, report: RunReport, request: SyncRequest) -> None:
    """Everything after pulling: match, score, decide, write."""
    if "match" in request.only:
        report.match = match(ctx)
    if "score" in request.only:
        report.score = score(ctx, full=request.full)
        if request.chores:
            report.problems += recheck(ctx, report.score)
    if request.as_of is not None:
        return  # a score of another day is looked at, not acted on
    if "decide" in request.only:
        decide(ctx)
    if "write" in request.only and not request.dry_run:
        write(ctx, report)


def write(
    ctx: Context, report: RunReport, digest: str | None = None, people: Collection[str] | None = None
) -> None:
    """Send what may be sent (of a plan, of some people), unless the books of this run are wrong."""
    if not report.books_balance:
        message = "rows seen are not rows stored, unchanged and parked; nothing was written"
        remedy = "this is a mistake of mqlsync: please report it"
        report.problems.append(RunProblem("BOOKS", "", message, remedy, 1))
        return
    report.write = write_back(ctx, report.problems.append, digest=digest, people=people)


def plan(app: App, progress: Progress | None = None) -> PlanView:
    """What would be written now, by live reads; kept under its digest."""
    with one_off(app, "plan", progress) as (ctx, report):
        decide(ctx)
        view = make_plan(ctx, save=True)
    view.problems += report.problems
    return view


def approve(app: App, digest: str | None, progress: Progress | None = None) -> RunReport:
    """Release the pending plan (or the one named) and carry it out.

    Raises NoSuchPlan, SeveralPlans, PlanOver.
    """
    with one_off(app, "approve", progress) as (ctx, report):
        write(ctx, report, release_plan(ctx, digest))
    return report


def apply(app: App, digest: str, progress: Progress | None = None) -> RunReport:
    """Carry out a plan that was shown. Raises NoSuchPlan, PlanOver."""
    with one_off(app, "apply", progress) as (ctx, report):
        write(ctx, report, release_plan(ctx, digest))
    return report


def reject(app: App, digest: str | None) -> int:
    """Drop the pending plan (or the one named); how many changes it held."""
    with leased(app, "reject") as number, run_of(app, Silent(), number, "reject") as (ctx, _):
        with app.mirror.read() as conn:
            size = len(plans.items(conn, plans.choose(conn, digest)))
        drop_plan(ctx, digest)
    return size


def undo(
    app: App, written: Sequence[Written], title: str, now: bool, progress: Progress, dry_run: bool = False
) -> UndoView:
    """Plan to put back what these changes replaced, and `now` carry it out too; `dry_run` keeps no plan."""
    with one_off(app, "undo", progress) as (ctx, report):
        view = plan_undo(ctx, written, title, keep=not dry_run)
        if now and view.changes and not dry_run:
            write(ctx, report, release_plan(ctx, view.digest))
            view.write = report.write
    view.problems = report.problems
    return view


def demote(app: App, order: Demotion, now: bool, progress: Progress, dry_run: bool = False) -> UndoView:
    """Plan to take a person's lifecycle stage back, and `now` carry it out too; `dry_run` keeps no plan."""
    with one_off(app, "demote", progress) as (ctx, report):
        view = plan_demotion(ctx, order, keep=not dry_run)
        if now and view.changes and not dry_run:
            write(ctx, report, release_plan(ctx, view.digest))
            view.write = report.write
    view.problems = [*report.problems, *view.problems]
    return view


def reconcile(app: App, sample: int | None, progress: Progress) -> Reconciled:
    """Compare what is wanted with what stands in the CRMs, for everybody or for so many people."""
    with one_off(app, "reconcile", progress) as (ctx, report):
        found = compare(ctx, sample)
        if sample is None:
            with app.mirror.write() as conn:
                set_meta(conn, LAST, json.dumps(found.summary(ctx.run.now)))
        found.problems = [*report.problems, *found.problems]
    return found


@contextmanager
def one_off(app: App, kind: str, progress: Progress | None) -> Iterator[tuple[Context, RunReport]]:
    """A run of one command: with the lease, signed in."""
    with (
        leased(app, kind) as number,
        run_of(app, progress or Silent(), number, kind) as (base, report),
    ):
        yield replace(base, connectors=sign_in(base, report, None)), report


@contextmanager
def run_of(
    app: App, progress: Progress, lease_epoch: int, kind: str, request: SyncRequest | None = None
) -> Iterator[tuple[Context, RunReport]]:
    """A run with its row in the mirror: begun, and finished with its report whatever happens in between."""
    now = epoch(app.world.now())
    asked = request or SyncRequest()
    as_of = now if asked.as_of is None else asked.as_of
    clock = RunClock(app.world.new_id(), now, as_of, now if asked.known_at is None else asked.known_at)
    ctx = Context(
        app.settings, app.world, app.mirror, app.connectors, app.models, clock, app.mapping_hash, lease_epoch,
        progress, app.taken_by,
    )  # fmt: skip
    report = RunReport(clock.run_id)
    with app.mirror.write() as conn:
        close_killed(conn, clock.run_id)
        begin_run(conn, clock, kind)
    app.on_run(clock.run_id)
    app.world.reached("run.started")
    try:
        yield ctx, report
    except Interrupted:
        end_early(app, report, RunProblem("INTERRUPTED", "", "the run was asked to stop", GOES_ON, 5))
        raise
    except BaseException as error:
        end_early(app, report, cut_short(app, error))
        raise
    else:
        finish(app, report)
    finally:
        app.on_run("")


def cut_short(app: App, error: BaseException) -> RunProblem:
    """What is written down of an error (or a signal) that ended a run."""
    if isinstance(error, ConnectorError):
        return judge(error, error.crm, "the run").problem
    if not isinstance(error, Exception):
        return RunProblem("CUT_SHORT", "", f"the run was cut short: {type(error).__name__}", GOES_ON, 5)
    code, lines = app.words(error)
    first, *rest = lines
    known = code if code in (*EXIT_PRECEDENCE, NOT_FOUND) else 5
    return RunProblem(
        _CODES.get(type(error), "CUT_SHORT"),
        "",
        first,
        " ".join(line.strip() for line in rest) or GOES_ON,
        known,
    )


_CODES: Final[Mapping[type[BaseException], str]] = {
    DiskFull: "DISK_FULL",
    DatabaseLocked: "DATABASE_LOCKED",
    DatabaseUnreachable: "DATABASE_UNREACHABLE",
}
"""What a mirror that cannot be used for a while is called in a report."""


def end_early(app: App, report: RunReport, problem: RunProblem) -> None:
    """Write down how a run ended that could not be finished, unless the database is what ended it."""
    report.problems.append(problem)
    with suppress(DatabaseUnusable):
        finish(app, report)


def finish(app: App, report: RunReport) -> None:
    """Write down how the run ended."""
    report.problems = [replace(one, message=app.redact(one.message)) for one in report.problems]
    with app.mirror.write() as conn:
        finish_run(conn, report.run_id, epoch(app.world.now()), report.to_json())
        app.world.reached("run.finished_uncommitted")
    app.world.reached("run.finished")


def sign_in(ctx: Context, report: RunReport, crm: str | None) -> dict[str, Connector]:
    """The connectors that answered, for the account of this mirror; who we are there is remembered."""
    reached: dict[str, Connector] = {}
    for name, connector in ctx.connectors.items():
        if crm is not None and name != crm:
            continue
        try:
            identity = connector.sign_in()
        except ConnectorError as error:
            report.problems.append(judge(error, name, "signing in").problem)
            continue
        problem = misfit(ctx, name, identity)
        if problem is not None:
            report.problems.append(problem)
            continue
        with ctx.mirror.write() as conn:
            set_meta(conn, f"{name}.account_id", identity.account_id)
            set_meta(conn, f"{name}.user_id", identity.user_id)
            set_meta(conn, f"{name}.skew_seconds", f"{identity.skew_seconds:.1f}")
        reached[name] = connector
    return reached
