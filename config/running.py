"""The settings of the daemon: when it does what, what it keeps, whom it tells."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, Strict

from config.section import Count, Duration, Flag, Section

NEVER = "never"
"""What stands for a job that is not wanted."""

OWN_TIME = ("salesforce", "hubspot", "score", "write")
"""Keys of `[schedule]` that may be empty: what they name is then done with every pull."""

MAY_BE_NEVER = ("full", "sweep", "reconcile", "sample", "retention")
"""Keys of `[schedule]` that may say `never`."""


class ScheduleSettings(Section):
    """When the daemon does what: an interval ("5m") or a cron line ("0 2 * * *", by the clock of `zone`)."""

    pull: str = "5m"
    """Pull, match, score, decide and write, apart from what has a time of its own below."""
    salesforce: str = ""
    """Pull Salesforce; "" is with `pull`."""
    hubspot: str = ""
    """Pull HubSpot; "" is with `pull`."""
    objects: dict[str, str] = Field(default={})
    """Pull single objects by themselves, not with the rest: `{ "salesforce.Task" = "0 */4 * * *" }`."""
    score: str = ""
    """Match and score; "" is after every pull."""
    write: str = ""
    """Decide and write; "" is after every pull."""
    full: str = "0 3 * * 0"
    """All of it with every record read again, and the sweep; or `never`."""
    sweep: str = "0 3 * * 3"
    """Compare all ids with the CRM's, for records that went or came without a trace; or `never`."""
    reconcile: str = "0 2 * * *"
    """Compare every wanted value with what stands in the CRMs; or `never`."""
    sample: str = "30 1 * * *"
    """Score a sample of people in full and compare; or `never`."""
    retention: str = "0 1 * * *"
    """Let go of what has been over for long enough, by `[retention]`; or `never`."""
    zone: str = "UTC"
    """Time zone of the cron lines. A time that its clock skips is when it jumps; one that repeats is one."""


class DaemonSettings(Section):
    """The daemon's own clockwork."""

    lease: Duration = 30
    """How long the right to write is held without renewal."""
    lease_wait: Duration = 30
    """How long a command waits for another one that holds the lease."""
    listen: str = "127.0.0.1:9464"
    """Where `run` serves `/healthz`, `/readyz` and `/metrics`: HOST:PORT; "" serves nothing."""


class MailSettings(Section):
    """`[alerts.email]`: the server that takes mail, and who gets it."""

    host: str = ""
    """Mail server; "" sends no mail."""
    port: Annotated[int, Strict(), Field(ge=1, le=65535)] = 587
    """Its port."""
    starttls: Flag = True
    """Go on encrypted; without it only to a server on this machine."""
    username: str = ""
    """Name to sign in with; "" signs in nowhere."""
    password: SecretStr | None = None
    """Password to sign in with."""
    sender: str = ""
    """Address that it comes from."""
    to: tuple[str, ...] = ()
    """Addresses that it goes to."""


class AlertsSettings(Section):
    """Where the daemon tells of problems: one message when one begins, one when it is over."""

    webhook: SecretStr | None = None
    """URL that gets a POST of JSON, whose `text` chat systems show."""
    slack: SecretStr | None = None
    """URL of an incoming webhook of Slack."""
    email: MailSettings = MailSettings()
    parked_over: Annotated[int, Strict(), Field(ge=0)] = 0
    """More failed changes than this are a problem."""


class SlaSettings(Section):
    """What happens when nobody acts on an MQL in time; the time is the model's `mql.first_touch`."""

    remind: Flag = True
    """An alert while MQLs are overdue."""
    reassign_after: Duration = 0
    """This long after its due time, in its owner's hours, an untouched MQL goes to the next; 0: never."""
    rounds: Count = 2
    """Most times that one MQL goes on to the next."""
