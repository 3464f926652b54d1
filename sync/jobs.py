"""The daemon's jobs: what each key of `[schedule]` stands for, and which of them another one covers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from config.running import NEVER, ScheduleSettings
from config.world import epoch, from_epoch
from sync.chores import CHORES
from sync.context import App
from sync.mirror.engine import Connection
from sync.mirror.runs import get_meta, set_meta
from sync.pipeline import STAGES, SyncRequest
from sync.schedule import due_at

CRMS: Final = ("salesforce", "hubspot")
SCORING: Final = frozenset({"match", "score"})
WRITING: Final = frozenset({"decide", "write"})
PASSES: Final = ("full", "pull", *CRMS, "score", "write")
"""Jobs that are a pass of the pipeline, besides a job for each object with times of its own; the others are
chores."""


def schedules(settings: ScheduleSettings) -> dict[str, str]:
    """Job → when, without those that are done with another one or never."""
    found = {name: str(getattr(settings, name)) for name in (*PASSES, *CHORES)}
    if all(found[crm] for crm in CRMS):
        del found["pull"]  # nothing is left for it
    found |= settings.objects
    return {name: text for name, text in found.items() if text not in ("", NEVER)}


def request_of(name: str, settings: ScheduleSettings) -> SyncRequest | None:
    """The pass that a job is; None for a chore. What has a time of its own is left out of the pull."""
    if name == "full":
        return SyncRequest(full=True, chores=False)
    if name == "score":
        return SyncRequest(only=SCORING, chores=False)
    if name == "write":
        return SyncRequest(only=WRITING, chores=False)
    own = [crm for crm in CRMS if getattr(settings, crm)]
    stages = STAGES
    if settings.score:
        stages -= {"score"}
    if settings.write:
        stages -= WRITING
    if name in settings.objects:
        crm = name.partition(".")[0]
        return SyncRequest(only=stages, pull_crms=(crm,), pull_objects=(name,), chores=False)
    leave = tuple(settings.objects)
    if name in CRMS:
        return SyncRequest(only=stages, pull_crms=(name,), leave_objects=leave, chores=False)
    if name == "pull":
        rest = tuple(crm for crm in CRMS if crm not in own) if own else None
        return SyncRequest(only=stages, pull_crms=rest, leave_objects=leave, chores=False)
    return None


def covered_by(name: str, settings: ScheduleSettings) -> tuple[str, ...]:
    """The jobs that need not run when this one has; itself among them."""
    if name == "full":
        return (*PASSES, *settings.objects, "sweep")
    return (name,)


def overdue(app: App, now: datetime) -> list[str]:
    """Jobs that should have begun by now; a full pass makes the smaller ones needless.

    A chore that never ran is not overdue: it counts from the first look at it.
    """
    settings = app.settings.schedule
    wanted = schedules(settings)
    with app.mirror.read() as conn:
        started = {name: get_meta(conn, f"job.{name}") for name in wanted}
    unseen = [name for name in wanted if name in CHORES and started[name] is None]
    if unseen:
        mark_begun(app, unseen, now)
        started |= {name: str(epoch(now)) for name in unseen}
    due = [
        name
        for name, text in wanted.items()
        if due_at(text, _moment(started[name]), now, settings.zone) <= now
    ]
    if "full" in due:
        covered = covered_by("full", settings)
        return [name for name in due if name == "full" or name not in covered]
    return due


class Entry(NamedTuple):
    """A line of the timetable: a job, its schedule, when it last began and begins next (epoch seconds)."""

    job: str
    when: str
    last: int | None
    next: int


def timetable(conn: Connection, settings: ScheduleSettings, now: int) -> list[Entry]:
    """What the daemon does next, soonest first; nothing before a daemon first served this mirror."""
    began = {name: get_meta(conn, f"job.{name}") for name in schedules(settings)}
    if not any(began.values()):
        return []
    entries = []
    for name, when in schedules(settings).items():
        due = due_at(when, _moment(began[name]), from_epoch(now), settings.zone)
        entries.append(Entry(name, when, None if began[name] is None else int(began[name] or 0), epoch(due)))
    return sorted(entries, key=lambda entry: (entry.next, entry.job))


def mark_begun(app: App, names: Sequence[str], at: datetime) -> None:
    """Write down that these jobs began then."""
    with app.mirror.write() as conn:
        for name in names:
            set_meta(conn, f"job.{name}", str(epoch(at)))


def move_begun(app: App, by: timedelta, now: datetime) -> None:
    """The clock was set: jobs that would have begun in the future by it, began so much earlier."""
    with app.mirror.write() as conn:
        for name in schedules(app.settings.schedule):
            began = _moment(get_meta(conn, f"job.{name}"))
            if began is not None and began > now:
                set_meta(conn, f"job.{name}", str(epoch(min(began + by, now))))


def _moment(stored: str | None) -> datetime | None:
    return None if stored is None else from_epoch(int(stored))
