"""One turn of an account in simulated time: what is due, what failed, and when it is looked at again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from config.load import load
from connectors.errors import AuthFailed
from sync.app import build
from sync.cli.exits import ending
from sync.context import App, Interrupted, Silent
from sync.handover import hand_in
from sync.mirror import requests
from sync.mirror.lease import DAEMON, Lease, LeaseHeld
from sync.mirror.requests import Ask
from sync.pipeline import SyncRequest
from sync.reports import RunReport
from sync.stopping import StopSwitch
from sync.turns import Turn, due_now, due_times, pause, take_turn
from sync.vitals import Notifier, Vitals
from tests.acceptance.site import Site, made


class Account:
    """An app whose turns are taken one by one."""

    def __init__(self, app: App, site: Site) -> None:
        self.app, self.site, self.switch = app, site, StopSwitch()
        self.kinds: list[str] = []

    def turn(self, after: float = 0) -> Turn:
        self.site.world.advance(after)
        vitals = Vitals(self.site.world, Notifier({}))
        return take_turn(self.app, self.switch, vitals, Silent(), self._finished)

    def _finished(self, report: RunReport) -> None:
        self.kinds.append(report.outcome)

    def due(self) -> list[str]:
        return due_now(self.app, self.site.world.now())

    def broken(self, *crms: str) -> None:
        """From now on these CRMs refuse to sign us in, and no other."""
        for crm, connector in self.app.connectors.items():
            vars(connector).pop("sign_in", None)
            if crm in crms:
                vars(connector)["sign_in"] = refusal(crm)


def refusal(crm: str) -> Callable[[], None]:
    def refuse() -> None:
        raise AuthFailed("revoked", crm=crm)

    return refuse


def anna(site: Site) -> None:
    """An MQL by the fast track, in both CRMs."""
    site.pair("anna@acme.example")


@pytest.fixture
def account(tmp_path: Path, database: str) -> Iterator[Account]:
    for site in made(tmp_path, seed=anna):
        with build(load(tmp_path, site.environ), site.world, tmp_path) as app:
            app.heartbeat, app.words = False, ending
            yield Account(app, site)


def test_a_turn_does_what_is_due_and_says_when_to_come_again(account: Account) -> None:
    assert account.due() == ["full"]
    turn = account.turn()
    assert len(turn.reports) == 1
    assert not turn.reached_nothing
    assert account.due() == []
    assert turn.next_at == account.site.world.now().replace(microsecond=0) + timedelta(minutes=5)
    assert account.turn().reports == [], "nothing is due: nothing is done"
    account.site.world.advance(300)
    assert account.due() == ["pull"]


def test_a_crm_that_refuses_neither_pauses_the_other_nor_has_everything_read_again(account: Account) -> None:
    account.broken("hubspot")
    turn = account.turn()
    assert turn.reports[0].exit_code == 4
    assert not turn.reached_nothing
    assert account.due() == ["pull"], "the full pass failed and is not tried again at once"
    account.turn()
    assert account.due() == []
    account.site.world.advance(300)
    assert account.due() == ["pull"]
    account.site.world.advance(3600)
    assert account.due() == ["full"], "after an hour it is"


def test_an_account_that_lets_nothing_be_done_is_left_alone_for_longer_and_longer(account: Account) -> None:
    account.broken("salesforce", "hubspot")
    assert account.turn().reached_nothing
    assert [pause(failures).seconds for failures in (0, 1, 2, 3, 6, 99)] == [0, 30, 60, 120, 900, 900]
    account.broken()
    assert not account.turn(after=3600).reached_nothing


def test_requests_are_carried_out_by_the_turn_under_way(account: Account) -> None:
    account.turn()
    request_id = hand_in(account.app, Ask("sync", SyncRequest().to_json()))
    assert account.turn().reports == []
    with account.app.mirror.read() as conn:
        view = requests.look(conn, request_id)
    assert view is not None
    assert view.state == "done"


def test_an_account_that_somebody_is_at_is_not_waited_for(account: Account) -> None:
    other = Lease(account.app.mirror, account.site.world, 60, "sync")
    other.acquire()
    with pytest.raises(LeaseHeld):
        account.turn()
    other.release()
    assert account.turn().reports


def test_a_turn_that_is_told_to_stop_leaves_its_work_for_the_next(account: Account) -> None:
    account.switch.press()
    assert account.turn().next_at == account.site.world.now().replace(microsecond=0), "still due"
    account.switch = StopSwitch()

    class Pressing(Silent):
        def step(self, what: str, done: int, total: int | None = None) -> None:
            account.switch.press()

    with pytest.raises(Interrupted):
        take_turn(
            account.app,
            account.switch,
            Vitals(account.site.world, Notifier({})),
            Pressing(),
            account._finished,
        )
    account.switch = StopSwitch()
    assert account.app.lease_epoch is None
    assert "full" in due_times(account.app, account.site.world.now())
    assert account.turn().reports, "another one goes on"
    assert Lease(account.app.mirror, account.site.world, 60, DAEMON).acquire(), "the lease was let go"
