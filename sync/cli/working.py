"""`worker`: the accounts of accounts.toml, served together with the workers of other hosts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from importlib.util import find_spec
from typing import Final

import typer

from config.accounts import Account, Accounts, find_accounts, load_accounts
from config.errors import ConfigError, NotSetUp, Problem
from config.load import examine
from config.secrets import secret_values, url_passwords
from config.world import World, epoch
from sync.app import build
from sync.cli.exits import ending
from sync.cli.handing import require_crm
from sync.cli.logs import ACCOUNT, ACCOUNTS_RUN, Lines, LoggedSteps, logging_to
from sync.cli.options import command
from sync.cli.passes import Watch
from sync.cli.session import Session
from sync.context import Interrupted
from sync.daemon import LOST
from sync.health import Pages, serving
from sync.metrics import WorkerMetrics
from sync.mirror.claims import Claims
from sync.mirror.lease import LeaseHeld
from sync.mirror.unusable import DatabaseUnreachable, DatabaseUnusable
from sync.redaction import Redactor
from sync.stopping import StoppingWorld, StopSwitch
from sync.turns import Next, Turn, pause, take_turn
from sync.vitals import Notifier, Vitals

log = logging.getLogger(__name__)
app = typer.Typer(rich_markup_mode=None, add_completion=False)

SOON: Final = 5  # seconds until an account is looked at again whose lease somebody else has


@command(app, "worker")
def worker(session: Session) -> int:
    """One of any number of processes that serve the accounts of accounts.toml; until SIGTERM or Ctrl-C."""
    if find_spec("procrastinate") is None:
        raise ConfigError(
            [Problem("procrastinate is not installed", expected="the extra `scale` of mqlsync")]
        )
    from sync.worker import Worker  # an optional dependency

    path = find_accounts(session.options.config_dir, session.environ)
    told = load_accounts(path, session.environ)
    switch = StopSwitch()
    vitals = Vitals(session.world, Notifier(session.environ))
    options, stderr = session.options, session.out.stderr
    redactor = Redactor(url_passwords(told.queue_url))
    session.out.redactor = redactor
    with logging_to(
        stderr, redactor, as_json=not stderr.isatty(), quiet=options.quiet, verbose=options.verbose
    ) as lines:
        metrics = WorkerMetrics(vitals)
        claims = Claims(told.queue_url, session.world)
        turns = Turns(session, told, switch, vitals, metrics, lines, claims)
        with closing(claims), serving(told.listen, Pages(vitals, metrics, "does not reach the queue")):
            log.info("the worker serves %d accounts; stop it with SIGTERM or Ctrl-C", len(told.accounts))
            world = StoppingWorld(session.world, switch)
            serve = Worker(
                told.queue_url, told.concurrency, told.rescue_after, turns.names, turns.take, world, vitals
            )
            try:
                serve.run(switch)
            except Interrupted:
                log.debug("stopped while it waited for the queue")
        log.info("stopped")
    return 0


class Turns:
    """Takes the turns of accounts; several threads at a time, each another account's."""

    def __init__(
        self,
        session: Session,
        told: Accounts,
        switch: StopSwitch,
        vitals: Vitals,
        metrics: WorkerMetrics,
        lines: Lines,
        claims: Claims,
    ) -> None:
        self._session = session
        self._claims = claims
        self._switch = switch
        self._vitals = vitals
        self._metrics = metrics
        self._lines = lines
        self._said = ""
        self._accounts = _by_name(told)
        self._secrets = url_passwords(told.queue_url)

    def names(self) -> list[str]:
        """The accounts that there are by now; of a file that cannot be used, those before."""
        try:
            path = find_accounts(self._session.options.config_dir, self._session.environ)
            self._accounts = _by_name(load_accounts(path, self._session.environ))
            self._said = ""
        except ConfigError as error:
            text = " ".join(ending(error).lines)
            if text != self._said:  # it is read again every few seconds
                log.error("%s", text)  # noqa: TRY400 (a person is told what to mend)
            self._said = text
        return list(self._accounts)

    def take(self, name: str, failures: int) -> Next | None:
        """One turn of that account, whatever it meets."""
        account = self._accounts.get(name)
        if account is None:
            return None
        ACCOUNT.set(name)
        world = self._session.world
        begun = world.monotonic()
        self._metrics.began()
        outcome, failed, at, blinked = "failed", True, world.now(), False
        try:
            turn = self._turn(account)
            outcome, failed = _outcome(turn), turn.reached_nothing
            at = turn.next_at or world.now()
        except Interrupted:
            outcome, failed = "interrupted", False
            log.info("stopped in the middle of a run: another worker goes on with it")
        except LeaseHeld as held:
            outcome, failed, at = "held", False, _soon(world)
            log.info("somebody else is at work: %s", held.holder)
        except LOST as error:
            outcome, failed, at = "lost", False, _soon(world)
            log.warning("%s", " ".join(ending(error).lines))
        except (ConfigError, NotSetUp, DatabaseUnusable) as error:
            log.error("%s", " ".join(ending(error).lines))  # noqa: TRY400 (said in words)
            blinked = isinstance(error, DatabaseUnreachable) and not failures
        except Exception as error:
            log.exception("%s", " ".join(ending(error).lines))
        finally:
            ACCOUNTS_RUN.set("")
            self._metrics.ended(name, outcome, world.monotonic() - begun, epoch(world.now()))
        failures = failures + 1 if failed else 0
        if blinked:
            return Next(_soon(world), failures)  # most servers are back in a moment
        return Next(max(at, world.now() + pause(failures)), failures)

    def _turn(self, account: Account) -> Turn:
        """Read the account's configuration as it is now, and serve it."""
        loaded = examine(account.folder, account.environ)
        self._secrets |= secret_values(loaded.settings)
        self._lines.hide(Redactor(self._secrets))
        self._session.out.redactor = redactor = Redactor(self._secrets)
        world = StoppingWorld(self._session.world, self._switch)
        world.on_wait = self._vitals.beat
        with build(loaded.settings, world, account.folder) as opened:
            opened.words, opened.redact = ending, redactor.secrets
            opened.on_run = ACCOUNTS_RUN.set
            opened.taken_by = partial(self._taken, account.name)
            require_crm(opened, None)
            vitals = Forwarding(self._session.world, self._vitals)
            watch = Watch(self._session, opened, vitals, account.name)
            return take_turn(opened, self._switch, vitals, LoggedSteps(world), watch.finished)

    def _taken(self, account: str, crm: str, crm_account: str) -> str:
        return self._claims.taken(account, crm, crm_account, list(self._accounts))


class Forwarding(Vitals):
    """The heartbeat of a turn; each beat is one of the worker's."""

    def __init__(self, world: World, worker: Vitals) -> None:
        super().__init__(world, Notifier({}))
        self._worker = worker

    def beat(self) -> None:
        """Progress was made."""
        super().beat()
        self._worker.beat()


def _by_name(told: Accounts) -> Mapping[str, Account]:
    return {account.name: account for account in told.accounts}


def _outcome(turn: Turn) -> str:
    """The worst of its runs; "idle" without any."""
    order = ("failed", "blocked", "deferred", "partial", "ok")
    return min((report.outcome for report in turn.reports), key=order.index, default="idle")


def _soon(world: World) -> datetime:
    return world.now() + timedelta(seconds=SOON)
