"""Pull: from a CRM into the mirror, page by page, each page and its cursor in one transaction.

for every feed of the CRM, in its order:
  1  begin where the feed is stored (or at the beginning: --full, or other fields are read now)
  2  fetch a page · store its rows and the cursor that follows them · commit · go on
  3  what a feed cannot do is a problem of the run; it stops the feed, or the whole CRM: at once when that
     cannot be reached or refuses us, at the second feed in a row when it answers with errors of its own
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from config.urls import is_loopback
from connectors.base import Connector
from connectors.errors import ConnectorError, NotOffered, RightMissing
from connectors.records import Cursor, Feed, FeedKind, Identity, Page
from sync.context import Context
from sync.core.codes import prefixed
from sync.core.window import PagesInCircles, PageTurner, beginning, shape
from sync.mirror import cursors, store, tasks
from sync.mirror.budget import pulling
from sync.mirror.engine import Connection
from sync.mirror.runs import get_meta, set_meta
from sync.reports import FeedCounts, RunProblem
from sync.stages import renormalise, sweep
from sync.stages.trouble import Trouble, judge

OnProblem = Callable[[RunProblem], None]

FETCH_BATCH: Final = 100
"""Records that are asked for by id in one go."""

REPLACED_BY: Final = {"Task": "EmailMessage"}
"""Object → the one that tells the same e-mails in more detail, where that is pulled as well."""

CLOCK_SKEW: Final = "CLOCK_SKEW"
"""The code of a CRM whose clock and ours are too far apart."""

LARGEST_SKEW: Final = 600.0
"""Seconds between the CRM's clock and ours beyond which times cannot be compared any more."""


@dataclass(frozen=True, slots=True)
class Which:
    """What of a CRM is to be pulled. Objects are named with their CRM, as in `salesforce.Lead`.

    `full`: read everything again from the beginning, then sweep for records that silently went. `only`: these
    objects alone, whenever they were last. `leave`: not these, unless the last time was cut short.
    """

    full: bool = False
    only: Collection[str] | None = None
    leave: Collection[str] = ()


ALL: Final = Which()


@dataclass(slots=True)
class Pass:
    """One CRM being pulled."""

    ctx: Context
    connector: Connector
    counts: dict[str, FeedCounts]
    on_problem: OnProblem
    which: Which
    problems: int = 0

    def report(self, problem: RunProblem) -> None:
        """Tell the run."""
        self.problems += 1
        self.on_problem(problem)

    def of(self, object_name: str) -> FeedCounts:
        """The counts of one object."""
        return self.counts.setdefault(object_name, FeedCounts())

    @contextmanager
    def calling(self, object_name: str) -> Iterator[None]:
        """Every API call meanwhile counts for that object, also those of a page that never came."""
        before = self.connector.calls
        try:
            yield
        finally:
            self.of(object_name).calls += self.connector.calls - before


def pull(ctx: Context, crm: str, which: Which = ALL, *, on_problem: OnProblem) -> dict[str, FeedCounts]:
    """Pull everything that is new in one CRM; counts per object. Problems go to `on_problem`, never up."""
    this = Pass(ctx, ctx.connectors[crm], {}, on_problem, which)
    with pulling(ctx.mirror, crm):
        try:
            feeds = _feeds(this)
        except ConnectorError as error:
            this.report(judge(error, crm, "signing in").problem)
            return this.counts
        if feeds:
            renormalise.end_what_no_rule_takes(ctx, crm)
        ill = False
        for feed in feeds:
            trouble = _pull_feed(this, feed)
            # one feed whose address answers with errors of the server must not starve those after it
            if trouble is not None and trouble.stops_crm and (ill or not trouble.answered):
                break
            ill = trouble is not None and trouble.stops_crm
        if this.problems == 0 and which.only is None:
            with ctx.mirror.write() as conn:
                set_meta(conn, f"pulled_at:{crm}", str(ctx.run.now))
    return this.counts


def sweep_only(ctx: Context, crm: str, on_problem: OnProblem) -> dict[str, FeedCounts]:
    """Sweep every object of one CRM without reading the rest again; counts per object."""
    this = Pass(ctx, ctx.connectors[crm], {}, on_problem, Which(full=True))
    try:
        for feed in _feeds(this):
            if feed.swept:
                with this.calling(feed.object):
                    sweep.sweep(ctx, this.connector, feed, this.of(feed.object), on_problem)
    except ConnectorError as error:
        this.report(judge(error, crm, "the sweep").problem)
    return this.counts


def refetch(ctx: Context, crm: str, object_name: str, ids: Sequence[str]) -> dict[str, FeedCounts]:
    """Read these records again, now, by their ids; counts per object. Raises the connector's errors."""
    this = Pass(ctx, ctx.connectors[crm], {}, lambda _: None, ALL)
    wanted = list(dict.fromkeys(ids))
    for start in range(0, len(wanted), FETCH_BATCH):
        with this.calling(object_name):
            page = this.connector.fetch(object_name, wanted[start : start + FETCH_BATCH])
        _store_direct(this, page)
    return this.counts


def _feeds(this: Pass) -> Sequence[Feed]:
    """Sign in and say what is to be pulled; nothing, when this is not the account of this mirror."""
    crm = this.connector.crm
    identity = this.connector.sign_in()
    problem = misfit(this.ctx, crm, identity)
    if problem is not None:
        this.report(problem)
        return ()
    with this.ctx.mirror.write() as conn:
        if identity.account_id:
            set_meta(conn, f"account:{crm}", identity.account_id)
        set_meta(conn, f"skew:{crm}", f"{identity.skew_seconds:.1f}")
    return [feed for feed in this.connector.feeds() if _due(this, feed)]


def _due(this: Pass, feed: Feed) -> bool:
    """Whether a feed is on, and its time has come; one that was not read to its end is always due."""
    name, which = f"{feed.crm}.{feed.object}", this.which
    chosen = this.ctx.settings.pull.objects.get(name)
    if (chosen is not None and chosen.on is False) or (which.only is not None and name not in which.only):
        return False
    every = max(feed.every, chosen.every if chosen is not None else 0)
    left = name in which.leave
    if which.full or (every == 0 and not left):
        return True
    with this.ctx.mirror.read() as conn:
        stored = cursors.load(conn, feed)
    if stored is None or stored.completed_at is None or stored.stored_at > stored.completed_at:
        return True
    return not left and this.ctx.run.now - stored.completed_at >= every


def misfit(ctx: Context, crm: str, identity: Identity) -> RunProblem | None:
    """Why this account must be neither read into this mirror nor written from it; None when it fits.

    Ids mean other people in another account, and times cannot be compared when the clocks are far apart.
    """
    with ctx.mirror.read() as conn:
        known = get_meta(conn, f"account:{crm}")
    if known and identity.account_id and known != identity.account_id:
        message = f"this mirror belongs to account {known}, the credentials to {identity.account_id}"
        remedy = "use the credentials of that account, or another database_url for this one"
        return RunProblem(prefixed(crm, "OTHER_ACCOUNT"), crm, message, remedy, 2)
    if identity.account_id and (other := ctx.taken_by(crm, _unique(identity))):
        message = (
            f"account {identity.account_id} is served as {other} already: two would write over each other"
        )
        remedy = "take one of the two out of accounts.toml, or give it credentials of an account of its own"
        return RunProblem(prefixed(crm, "ACCOUNT_TAKEN"), crm, message, remedy, 2)
    if abs(identity.skew_seconds) > LARGEST_SKEW:
        message = f"the clocks of {crm} and this machine differ by {identity.skew_seconds:.0f} s"
        remedy = "set this machine's clock (NTP), then run again"
        return RunProblem(prefixed(crm, CLOCK_SKEW), crm, message, remedy, 5)
    return None


def _unique(identity: Identity) -> str:
    """What no two accounts of a CRM share. Simulated ones on this machine may give themselves the same id."""
    there = identity.origin if is_loopback(urlsplit(identity.origin).hostname or "") else ""
    return f"{identity.account_id} {there}".strip()


def _pull_feed(this: Pass, feed: Feed) -> Trouble | None:
    """Pull one feed to its end, or to its trouble."""
    try:
        with this.calling(feed.object):
            _turn_pages(this, feed)
            if this.which.full and feed.swept:
                this.problems += sweep.sweep(
                    this.ctx, this.connector, feed, this.of(feed.object), this.on_problem
                )
    except (RightMissing, NotOffered) as error:
        if feed.optional:
            _remember_skipped(this, feed, error)
            return None
        trouble = judge(error, feed.crm, feed.name)
    except (ConnectorError, PagesInCircles) as error:
        trouble = judge(error, feed.crm, feed.name)
    else:
        this.ctx.world.reached("pull.feed_finished")
        return None
    this.report(trouble.problem)
    return trouble


def _turn_pages(this: Pass, feed: Feed) -> None:
    shape_now = shape(_what_is_read(this.ctx, feed))
    with this.ctx.mirror.read() as conn:
        stored = cursors.load(conn, feed)
        shape_then = get_meta(conn, f"shape:{feed.name}")
    start = beginning(
        stored.cursor if stored else None, full=this.which.full, shape_then=shape_then, shape_now=shape_now
    )
    if start is None and stored is not None and feed.kind is FeedKind.DELETIONS:
        start = Cursor(since_ms=0)  # a log: as far back as it reaches, not just where a first pass begins
    turner = PageTurner(feed.name)
    for page in this.connector.changes(feed, start):
        this.ctx.world.reached("pull.page_fetched")
        turner.turned(page.cursor, complete=page.complete)
        _store(this, page, shape_now)


def _store(this: Pass, page: Page, shape_now: str) -> None:
    ctx = this.ctx
    with ctx.mirror.write() as conn:
        counts = store.save_page(conn, _without_ours(conn, page), ctx.run)
        set_meta(conn, f"shape:{page.feed.name}", shape_now)
        if page.complete:
            set_meta(conn, f"skipped:{page.feed.name}", None)
        ctx.world.reached("pull.page_stored_uncommitted")
    ctx.world.reached("pull.page_committed")
    _add(this, page, counts)


def _without_ours(conn: Connection, page: Page) -> Page:
    """A page without the tasks and notes that we made ourselves: what we write is nobody's engagement."""
    ids = {one.id.partition(":")[0] for one in page.engagements if one.source in tasks.SOURCES}
    made = tasks.ours(conn, page.feed.crm, ids)
    if not made:
        return page
    kept = [one for one in page.engagements if one.id.partition(":")[0] not in made]
    seen = page.seen - (len(page.engagements) - len(kept))
    return replace(page, engagements=tuple(kept), seen=seen)


def _store_direct(this: Pass, page: Page) -> None:
    with this.ctx.mirror.write() as conn:
        counts = store.save_rows(conn, page, this.ctx.run, direct=True)
    _add(this, page, counts)


def _add(this: Pass, page: Page, counts: FeedCounts) -> None:
    counts.calls = 0  # counted by the connector itself, see `Pass.calling`
    total = this.of(page.feed.object)
    total.add(counts)
    done = total.seen
    of = None if page.left is None else done + page.left
    this.ctx.progress.step(f"pull {page.feed.crm} {page.feed.object}", done, of)


def _remember_skipped(this: Pass, feed: Feed, error: ConnectorError) -> None:
    """An optional feed that this account does not have, or not for us: `doctor` shows it."""
    kind = "right_missing" if isinstance(error, RightMissing) else "not_offered"
    why = {"kind": kind, "code": error.code, "message": error.message, "at": this.ctx.run.now}
    with this.ctx.mirror.write() as conn:
        set_meta(conn, f"skipped:{feed.name}", json.dumps(why, sort_keys=True))


def _what_is_read(ctx: Context, feed: Feed) -> dict[str, object]:
    """The settings that decide what a row of this feed becomes."""
    if feed.kind is FeedKind.ENGAGEMENTS:
        rules = [rule for rule in ctx.settings.engagement.rules if rule.source.startswith(feed.crm)]
        read: dict[str, object] = {"rules": [rule.model_dump(mode="json") for rule in rules]}
        if feed.object in REPLACED_BY:
            other = ctx.settings.pull.objects.get(f"{feed.crm}.{REPLACED_BY[feed.object]}")
            read |= {"replaced": True} if other is not None and other.on else {}
        chosen = ctx.settings.pull.objects.get(f"{feed.crm}.{feed.object}")
        own = chosen.model_dump(include={"people", "fields"}, exclude_defaults=True) if chosen else {}
        return {**read, **own}
    if feed.kind not in (FeedKind.PEOPLE, FeedKind.COMPANIES, FeedKind.DEALS):
        return {}
    mapped = ctx.settings.mapping.fields.get(f"{feed.crm}.{feed.object}", {})
    chosen = ctx.settings.pull.objects.get(f"{feed.crm}.{feed.object}")
    if feed.kind is not FeedKind.PEOPLE:
        own = {"fields": chosen.fields} if chosen is not None and chosen.fields is not None else {}
        return {**own, **({"mapped": mapped} if mapped else {})}
    targets = ctx.settings.writeback.targets(feed.crm, feed.object)
    return {
        "fields": (chosen.fields if chosen is not None else None) or ctx.settings.pull.fields,
        "mapped": mapped,
        "targets": [policy.field for _, policy in targets.items()],
    }
