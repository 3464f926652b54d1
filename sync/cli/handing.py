"""Having something done that needs the lease: by the daemon while one is at work, else in this process."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from config.errors import ConfigError, Problem
from config.schema import variable_name
from sync.cli.session import Session
from sync.context import App
from sync.handover import daemon_at_work, hand_in, hand_over
from sync.mirror.lease import Holder, LeaseHeld
from sync.mirror.requests import Ask
from sync.reports import SCHEMA_VERSION
from sync.requests import Answer, CrmOff, carry_out

NEEDS_NO_CRM: Final = ("reject", "erase")

NoWait = Annotated[
    bool,
    typer.Option(
        "--no-wait", help="While another mqlsync is at work: hand it over to a daemon and return, or fail."
    ),
]


def carried_out(session: Session, ask: Ask, *, wait: bool = True) -> Answer | None:
    """The answer; None when it was handed over and is not waited for, which has been said.

    Raises what carrying it out raises, wherever that is done.
    """
    if not wait:
        session.do_not_wait()
    with session.app() as opened:
        while True:
            holder = daemon_at_work(opened)
            if holder is None:
                try:
                    return _here(session, opened, ask)
                except LeaseHeld as held:
                    came_meanwhile = Holder(held.holder, 0).is_daemon and daemon_at_work(opened) is not None
                    if not came_meanwhile:
                        raise
                    continue
            if not wait:
                _handed_in(session, opened, ask, holder)
                return None
            session.out.say(f"A daemon is at work ({holder}); it does this as soon as it is free.")
            with session.out.progress() as progress:
                answer = hand_over(opened, ask, progress)
            if answer is not None:
                return answer
            session.out.say("The daemon has ended; this command does it by itself.")


def _here(session: Session, opened: App, ask: Ask) -> Answer:
    if ask.kind not in NEEDS_NO_CRM:
        require_crm(opened, ask.arguments.get("crm"))
    with session.out.progress() as progress:
        return carry_out(opened, ask, progress)


def _handed_in(session: Session, opened: App, ask: Ask, holder: str) -> None:
    request_id = hand_in(opened, ask)
    message = f"handed to the daemon ({holder}); `mqlsync runs` shows what becomes of it"
    if session.options.json:
        session.out.json(
            {
                "schema_version": SCHEMA_VERSION,
                "request_id": request_id,
                "state": "waiting",
                "message": message,
            }
        )
    else:
        session.out.line(message)


def require_crm(opened: App, crm: str | None) -> None:
    """A pass needs a CRM to talk to. Raises ConfigError, or CrmOff when the one asked for is off."""
    if crm is not None and crm not in opened.connectors:
        raise CrmOff(crm)
    if not opened.connectors:
        names = (
            variable_name(("hubspot", "access_token")),
            variable_name(("salesforce", "client_secret")),
            variable_name(("salesforce", "password")),
        )
        raise ConfigError([Problem(f"no CRM has credentials: set for example {' or '.join(names)}")])
