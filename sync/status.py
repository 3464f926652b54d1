"""Is it healthy? One word, the reasons for it, and the numbers behind it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from config.settings import Settings, parse_duration
from config.world import iso_z
from sync.chores import CHORES
from sync.core.counted import some
from sync.mirror import budget, failures, handoffs, health, outbox, plans, tasks
from sync.mirror.budget import BudgetView
from sync.mirror.engine import Mirror
from sync.mirror.runs import RunView, get_meta, latest_of_each_kind, runs
from sync.reports import SCHEMA_VERSION
from sync.stages.reconcile import LAST

STALE_AFTER: Final = 3  # missed pulls until a CRM counts as stale
SHORTEST_STALE: Final = 1_800  # seconds; also where pulling is by a cron line
WEEK: Final = 8 * 86_400  # seconds in which every scheduled run comes round
DAILY: Final = 86_400 + 7_200  # seconds; a mirror without a daemon is stale after a day and a bit


@dataclass(frozen=True, slots=True)
class Status:
    """`state` is ok, degraded, paused, blocked or failed; `reasons` say why it is not ok."""

    state: str
    reasons: Sequence[str]
    fresh_seconds: Mapping[str, int | None]
    waiting: int
    parked: int
    conflict: int
    unsure: int
    books_balance: bool
    budget: Mapping[str, BudgetView] = field(default_factory=dict)
    stale: Sequence[str] = ()
    """CRMs that should have been pulled again long ago."""
    waits_for_approval: bool = False
    overdue: int = 0
    """MQLs that nobody touched in time."""
    reconciled: Mapping[str, Any] = field(default_factory=dict)
    """The last comparison with the CRMs: `at`, `people`, `values`, `classes`; empty before the first."""

    def to_json(self) -> dict[str, Any]:
        """The contract of `status --json`; a quota that is not known is 0."""
        return {
            "schema_version": SCHEMA_VERSION,
            "state": self.state,
            "reasons": list(self.reasons),
            "fresh_seconds": dict(self.fresh_seconds),
            "waiting": self.waiting,
            "parked": self.parked,
            "conflict": self.conflict,
            "unsure": self.unsure,
            "books_balance": self.books_balance,
            "budget": {
                crm: {"used": view.used or 0, "limit": view.limit or 0, "ours": view.ours}
                for crm, view in self.budget.items()
            },
            "overdue": self.overdue,
            "reconciled": None
            if not self.reconciled
            else {**self.reconciled, "at": iso_z(self.reconciled["at"])},
        }


def status_of(mirror: Mirror, crms: Sequence[str], now: int, settings: Settings) -> Status:
    """The status of everything, at `now` (epoch seconds)."""
    with mirror.read() as conn:
        since = health.fresh_since(conn)
        open_now = outbox.waiting_by_state(conn)
        unreadable = len(failures.unreadable(conn)) + len(tasks.failed(conn))
        pauses = failures.paused(conn)
        waiting_plans = plans.pending(conn)
        past = [run for run in runs(conn, limit=20) if run.started_at <= now]  # a clock was set back since
        latest = latest_of_each_kind(conn, now - WEEK, now)
        budgets = {crm: budget.view(conn, crm, now) for crm in crms}
        late = handoffs.count_overdue(conn, now)
        reconciled = json.loads(get_meta(conn, LAST) or "{}")
    ended = [run for run in past if run.state not in ("running", "killed")]
    last = next((run for run in ended if not _is_chore(run)), next(iter(ended), None))
    open_runs = [run for run in latest if not _is_over(run, latest)]
    fresh = {crm: max(0, now - since[crm]) if crm in since else None for crm in crms}
    parked, conflict = open_now.pop("parked", 0), open_now.pop("conflict", 0)
    balance = all(
        run.report.get("books_balance", True) for run in ([] if last is None else [last, *open_runs])
    )
    limits = {crm: _stale_after(settings, crm) if _by_daemon(past) else DAILY for crm in crms}
    states: list[tuple[str, str]] = [
        *_failures(last, balance=balance),
        *(("blocked", f"plan {plan.digest} waits for approval") for plan in waiting_plans),
        *(("paused", f"{pause.scope} is paused: {pause.reason}") for pause in pauses),
        *_earlier_failures(open_runs, last),
        *_degradations(last, fresh, parked + conflict + unreadable, budgets, limits),
    ]
    order = ("failed", "blocked", "paused", "degraded")
    worst = next((state for state in order if state in {name for name, _ in states}), "ok")
    return Status(
        state=worst,
        reasons=[reason for _, reason in sorted(states, key=lambda one: order.index(one[0]))],
        fresh_seconds=fresh,
        waiting=sum(open_now.values()),
        parked=parked,
        conflict=conflict,
        unsure=open_now.get("unsure", 0),
        books_balance=balance,
        budget=budgets,
        waits_for_approval=bool(waiting_plans),
        stale=[crm for crm, seconds in fresh.items() if seconds is not None and seconds > limits[crm]],
        overdue=late,
        reconciled=reconciled,
    )


def _failures(last: RunView | None, *, balance: bool) -> list[tuple[str, str]]:
    found = []
    if last is not None and last.state == "failed":
        problems = last.report.get("problems") or []
        why = f": {problems[0].get('message', '')}" if problems else ""
        found.append(("failed", f"the last run failed{why}"))
    if not balance:
        found.append(("failed", "the books of the last run do not balance"))
    return found


def _is_chore(run: RunView) -> bool:
    return run.kind.removeprefix("daemon:") in CHORES


def _is_over(run: RunView, latest: Sequence[RunView]) -> bool:
    """Whether a later run has done what this one was to do.

    A pass over everything stands for every other pass, and what somebody asked for once is behind us with the
    next pass. A chore is done by itself alone, or by the command of its name.
    """
    later = [one for one in latest if one.started_at > run.started_at]
    if _is_chore(run):
        return any(one.kind == run.kind.removeprefix("daemon:") for one in later)
    passes = [one.kind for one in later if not _is_chore(one)]
    return bool(passes) and (
        not run.kind.startswith("daemon:") or not {"sync", "daemon:full"}.isdisjoint(passes)
    )


def _earlier_failures(open_runs: Sequence[RunView], last: RunView | None) -> list[tuple[str, str]]:
    """What failed or was put off before the last run, and that nothing has made good since."""
    found = []
    for run in open_runs:
        if (last is None or run.run_id != last.run_id) and run.state in ("failed", "deferred"):
            problems = run.report.get("problems") or []
            why = f": {problems[0].get('message', '')}" if problems else ""
            what = "failed" if run.state == "failed" else "was put off"
            found.append(("degraded", f"the last {run.kind.removeprefix('daemon:')} {what}{why}"))
    return found


def _degradations(
    last: RunView | None,
    fresh: Mapping[str, int | None],
    stuck: int,
    budgets: Mapping[str, BudgetView],
    limits: Mapping[str, int],
) -> list[tuple[str, str]]:
    found = []
    if last is None:
        found.append("nothing has run yet")
    elif last.state in ("partial", "deferred"):
        found.append(f"the last run was {last.state}")
    for crm, seconds in fresh.items():
        if seconds is None and last is not None:
            found.append(f"{crm} was never pulled to its end")
        elif seconds is not None and seconds > limits[crm]:
            found.append(f"{crm} was last pulled {seconds:,} s ago")
    if stuck:
        found.append(f"{some(stuck, 'failure')} (`mqlsync failed list`)")
    found += [f"the calls of {crm} are spent" for crm, view in budgets.items() if view.spent_until]
    return [("degraded", reason) for reason in found]


def _by_daemon(past: Sequence[RunView]) -> bool:
    """Whether the daemon keeps this mirror fresh, rather than somebody by hand."""
    return any(run.kind.startswith("daemon") for run in past)


def _stale_after(settings: Settings, crm: str) -> int:
    """Seconds after which a CRM should have been pulled again."""
    try:
        every = parse_duration(getattr(settings.schedule, crm, "") or settings.schedule.pull)
    except ValueError:
        return DAILY  # a cron line
    return max(SHORTEST_STALE, STALE_AFTER * every) if isinstance(every, int) else DAILY
