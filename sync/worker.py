"""Turns of many accounts on any number of hosts: procrastinate on a PostgreSQL hands them out.

    (no job) ─a─► todo ─b─► doing ─c─► (gone, and the next turn todo)
                    ▲         │
                    └────d────┘

    a  some worker's periodic task `look` finds an account without a job; its queueing lock, the account's
       name, lets only one wait
    b  a worker takes it when it is due; its lock, the account's name again, lets only one be at it
    c  the turn is over: the next one is deferred for when something is due, then the job is deleted
    d  its worker died: the periodic task `rescue` of any other gives it back when no heartbeat came for
       `rescue_after` seconds. A worker that only stood still finds that the account's lease is lost.

Periodic tasks are deferred once however many workers there are (the library's own table sees to it, and a
guard of ours for those who lag behind). They have a worker of their own in each process, so that no
account's turn holds them up. A worker that is told to stop interrupts its turns between two pages or
batches and puts them back for the others. While the queue's PostgreSQL is away it waits: a turn under way
comes to its end, by what its own mirror allows, and its job is given back as those of the dead are.

The queue lives in a schema named after the library's own schema version: a newer library begins a new queue,
which `look` fills. The jobs hold an account's name and nothing else of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import psycopg
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Status
from procrastinate.schema import SchemaManager

from config.accounts import in_schema
from config.world import World
from sync.mirror.engine import Mirror, connect_options, have_schema
from sync.mirror.unusable import DatabaseUnusable
from sync.stopping import StopSwitch
from sync.turns import Next
from sync.vitals import Vitals

log = logging.getLogger(__name__)

TURNS: Final = "accounts"
UPKEEP: Final = "upkeep"
POLL: Final = 1.0  # seconds between two looks for turns that have come due
BREATH: Final = 5.0  # seconds before a queue that failed is asked again
SHORTEST_WAIT: Final = 1.0  # seconds until a connection of the pool must be had

DEFERRED_ONCE: Final = """
CREATE FUNCTION mqlsync_deferred_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext(TG_TABLE_SCHEMA), hashtext(NEW.task_name));
  PERFORM 1 FROM procrastinate_periodic_defers AS known
    WHERE known.task_name = NEW.task_name AND known.periodic_id = NEW.periodic_id
    AND known.defer_timestamp >= NEW.defer_timestamp;
  IF FOUND THEN RETURN NULL; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER mqlsync_deferred_once BEFORE INSERT ON procrastinate_periodic_defers
FOR EACH ROW EXECUTE FUNCTION mqlsync_deferred_once();
"""
"""The library remembers only the latest moment that a periodic task was deferred for, so a worker that lags
behind would defer an earlier one once more. Nothing is deferred for a moment that is over."""

Take = Callable[[str, int], Next | None]
"""(account, failures so far) → its next turn; None: this worker knows no such account. Runs in a thread."""


class Worker:
    """Takes turns from the queue at `url` until the switch is pressed, so many at a time.

    `names` gives the accounts that there are, each time it is asked.
    """

    def __init__(
        self,
        url: str,
        concurrency: int,
        rescue_after: int,
        names: Callable[[], Sequence[str]],
        take: Take,
        world: World,
        vitals: Vitals,
    ) -> None:
        self._url = url
        self._concurrency = concurrency
        self._rescue_after = rescue_after
        self._names = names
        self._take = take
        self._world = world
        self._vitals = vitals
        self._under_way = 0
        self._is_away = False

    def run(self, switch: StopSwitch) -> None:
        """Serve. Raises the errors of `sync.mirror.unusable` when the queue cannot be had at the start.

        A queue that goes away later is waited for; should it be gone for good, it is made anew.
        """
        prepare(self._url, self._world)
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # it tells of every try to connect
        try:
            with switch.on_signals():
                while not switch:
                    self._until_it_breaks_off(switch)
                    if not switch:
                        self._vitals.beat()
                        self._world.sleep(BREATH)
        finally:
            self._vitals.stopping()

    def _until_it_breaks_off(self, switch: StopSwitch) -> None:
        why = "it broke off"
        try:
            if self._is_away:
                prepare(self._url, self._world)
            asyncio.run(self._serve(switch))
        except (ConnectorException, psycopg.Error, DatabaseUnusable) as error:
            why = type(error.__cause__ or error).__name__
        self._vitals.ready = False
        if not switch and not self._is_away:  # said once, until it is there again
            self._is_away = True
            log.warning("the queue cannot be used: %s; it is asked again every %.0f s", why, BREATH)

    async def _serve(self, switch: StopSwitch) -> None:
        """Until the switch is pressed, or the queue breaks off."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(self._concurrency + 2, thread_name_prefix="turn"))
        app = self._app()
        running: list[asyncio.Task[Any]] = [asyncio.create_task(_opened(app))]

        def end() -> None:
            """Once for each: a second one would not let it wait for its turns."""
            for task in running:
                if not task.cancelling():
                    task.cancel()

        switch.on_stop = lambda: loop.call_soon_threadsafe(end)
        try:
            try:
                await running[0]
            except asyncio.CancelledError:
                return  # told to stop before it was open
            running = self._workers(app)
            if switch:
                end()
            else:
                self._begin()
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            self._vitals.ready = False
            end()
            for ended in await asyncio.gather(*running, return_exceptions=True):
                if isinstance(ended, Exception):
                    raise ended
        finally:
            switch.on_stop = lambda: None  # this loop is over
            await app.close_async()

    def _begin(self) -> None:
        if self._is_away:
            log.info("the queue is there again")
            self._is_away = False
        self._vitals.serving()

    def _workers(self, app: App) -> list[asyncio.Task[Any]]:
        """One for turns and one for upkeep, at work."""
        kinds: list[dict[str, Any]] = [
            {"queues": [TURNS], "concurrency": self._concurrency, "name": TURNS},
            {"queues": [UPKEEP], "concurrency": 1, "name": UPKEEP, "listen_notify": False},
        ]
        return [
            asyncio.create_task(
                app.run_worker_async(
                    **kind,
                    fetch_job_polling_interval=POLL,
                    update_heartbeat_interval=self._rescue_after / 4,
                    stalled_worker_timeout=self._rescue_after,
                    delete_jobs="always",
                    install_signal_handlers=False,
                )
            )
            for kind in kinds
        ]

    def _app(self) -> App:
        """The tasks, on a fresh connection."""
        place = in_schema(self._url, queue_schema())
        connector = PsycopgConnector(
            conninfo=place.replace("+psycopg", "", 1),
            kwargs=connect_options(place),
            min_size=1,
            max_size=4,
            timeout=max(SHORTEST_WAIT, self._rescue_after / 4),  # no heartbeat waits for the next one
        )
        app = App(connector=connector)
        every = max(1, self._rescue_after // 4)

        @app.task(queue=TURNS, name="turn", pass_context=True)
        async def turn(context: JobContext, account: str, failures: int = 0) -> None:
            del context
            self._vitals.beat()
            self._under_way += 1
            try:
                following = await asyncio.to_thread(self._take, account, failures)
            finally:
                self._under_way -= 1
            if following is not None:
                await _defer(app, account, following)

        @app.periodic(cron=f"* * * * * */{every}", periodic_id="look")
        @app.task(queue=UPKEEP, name="look", queueing_lock="look")
        async def look(timestamp: int) -> None:
            del timestamp
            if not self._under_way:
                self._vitals.beat()  # else turns have to show that they move
            open_jobs = await app.job_manager.list_jobs_async(queue=TURNS)
            known = {job.lock for job in open_jobs}
            now = self._world.now()
            for name in await asyncio.to_thread(self._names):
                if name not in known:
                    await _defer(app, name, Next(now, 0))

        @app.periodic(cron=f"* * * * * */{every}", periodic_id="rescue")
        @app.task(queue=UPKEEP, name="rescue", queueing_lock="rescue")
        async def rescue(timestamp: int) -> None:
            del timestamp
            await _rescue(app, self._rescue_after)

        return app


async def _opened(app: App) -> None:
    await app.open_async()


async def _defer(app: App, account: str, following: Next) -> None:
    """Let the account have its next turn then; one that waits already is enough."""
    one = app.configure_task("turn", lock=account, queueing_lock=account, schedule_at=following.at)
    try:
        await one.defer_async(account=account, failures=following.failures)
    except AlreadyEnqueued:
        log.debug("a turn of %s waits already", account)


async def _rescue(app: App, rescue_after: int) -> None:
    """Give back what dead workers were at."""
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=rescue_after):
        try:
            if job.queue == TURNS:
                log.warning("the worker of %s has died: its turn goes to another", job.lock)
                await app.job_manager.retry_job(job)
            else:
                await app.job_manager.finish_job(job, Status.ABORTED, delete_job=True)
        except ConnectorException:  # its next turn waits already, or somebody else was quicker
            try:
                await app.job_manager.finish_job(job, Status.ABORTED, delete_job=True)
            except ConnectorException:
                log.debug("job %s is gone", job.id)


def queue_schema() -> str:
    """The schema that the queue lives in: `mqlsync_queue_` and the library's newest migration."""
    newest = max(path.name for path in Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    return f"mqlsync_queue_{newest[:8].replace('.', '_')}"


def prepare(url: str, world: World) -> None:
    """Make the queue's tables where there are none. Raises the errors of `sync.mirror.unusable`."""
    queue = Mirror(in_schema(url, queue_schema()), world)
    try:
        with queue.write(durable=True) as conn:
            have_schema(conn)
            driver: Any = conn.connection.driver_connection
            if conn.exec_driver_sql("SELECT to_regclass('procrastinate_jobs')").scalar_one() is None:
                driver.execute(SchemaManager.get_schema())
            if conn.exec_driver_sql("SELECT to_regproc('mqlsync_deferred_once')").scalar_one() is None:
                driver.execute(DEFERRED_ONCE)
    finally:
        queue.close()
