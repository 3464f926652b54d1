"""Telling a webhook of problems: once when one begins, once when it is over.

    what is wrong now ─┬─ not known before   → remembered as open, to be told
                       ├─ known              → nothing
                       └─ no longer wrong    → closed, to be told; forgotten once that is done

What is open, and what has been told, stands in the mirror, so a restart tells nothing twice. A message that
cannot be delivered is tried again after the next run; nothing else depends on it.
"""

from __future__ import annotations

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any, Final

from config.world import World, epoch, iso_z
from sync.mirror.engine import DatabaseUnusable, Mirror
from sync.mirror.runs import meta_like, set_meta
from sync.reports import RunReport
from sync.status import Status

log = logging.getLogger(__name__)

PREFIX: Final = "alert."
PATIENCE: Final = 10.0  # seconds for the webhook to answer
DISK_FULL: Final = 13
AUTH: Final = 4
Alert = dict[str, Any]
"""`opened_at`, `closed_at` (None: still open), `text`, `told`: whether its beginning was."""
Post = Callable[[str, Mapping[str, Any]], None]
"""Delivers a message to a URL. Raises Undelivered."""


class Undelivered(Exception):
    """The webhook did not take it; `why` says so without its address."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def problems_now(status: Status | None, report: RunReport, parked_over: int) -> dict[str, str]:
    """Everything an administrator should hear of: key → one sentence without personal data.

    `status` is None while the mirror cannot be read.
    """
    found: dict[str, str] = {}
    for problem in report.problems:
        if problem.exit_code == AUTH:
            found[f"auth.{problem.crm}"] = f"signing in to {problem.crm} failed, or a right is missing"
        if problem.exit_code == DISK_FULL:
            found["disk"] = "the disk is full"
    if not report.books_balance or (status is not None and not status.books_balance):
        found["books"] = "the books do not balance; nothing was written"
    if status is None:
        return {**found, "mirror": "the mirror cannot be read"}
    for crm in status.stale:
        found[f"stale.{crm}"] = f"{crm} has not been pulled for too long"
    if status.waits_for_approval:
        found["approval"] = "changes wait for approval: `mqlsync plan`, then `mqlsync approve`"
    if status.parked + status.conflict > parked_over:
        found["parked"] = f"{status.parked + status.conflict} changes failed: `mqlsync failed list`"
    return found


class Alerts:
    """Tells the webhook at `url` what begins and ends. What cannot be stored now is stored later."""

    def __init__(self, mirror: Mirror, world: World, url: str, post: Post) -> None:
        self._mirror = mirror
        self._world = world
        self._url = url
        self._post = post
        self._unsaved: dict[str, Alert | None] = {}

    def tell(self, wrong: Mapping[str, str]) -> None:
        """Remember what is wrong now, and tell what has begun or ended since the last time."""
        now = epoch(self._world.now())
        known = self._known()
        alerts = {key: _seen(key, known.get(key), wrong, now) for key in sorted({*known, *wrong})}
        for key, alert in alerts.items():
            if alert != known.get(key):
                self._remember(key, alert)
        try:
            for key, alert in alerts.items():
                self._tell_one(key, alert)
        except Undelivered as error:
            log.warning("an alert was not delivered: %s; it is tried again after the next run", error.why)

    def _known(self) -> dict[str, Alert]:
        stored: dict[str, Alert] = {}
        try:
            with self._mirror.read() as conn:
                stored = {key: json.loads(text) for key, text in meta_like(conn, PREFIX).items()}
        except DatabaseUnusable as error:
            log.warning("alerts cannot be looked up: %s", type(error).__name__)
        merged = {**stored, **self._unsaved}
        return {key: alert for key, alert in merged.items() if alert is not None}

    def _tell_one(self, key: str, alert: Alert) -> None:
        if alert["closed_at"] is None and not alert["told"]:
            self._post(self._url, _message("open", key, alert, alert["opened_at"]))
            self._remember(key, {**alert, "told": True})
        elif alert["closed_at"] is not None:
            if alert["told"]:  # what was over before anybody heard of it is nobody's news
                self._post(self._url, _message("close", key, alert, alert["closed_at"]))
            self._remember(key, None)

    def _remember(self, key: str, alert: Alert | None) -> None:
        self._unsaved[key] = alert
        try:
            with self._mirror.write() as conn:
                for name, one in self._unsaved.items():
                    set_meta(conn, PREFIX + name, None if one is None else json.dumps(one))
        except DatabaseUnusable as error:
            log.warning("an alert cannot be stored: %s", type(error).__name__)
        else:
            self._unsaved.clear()


def _seen(key: str, alert: Alert | None, wrong: Mapping[str, str], now: int) -> Alert:
    """An alert after this look; one that came back before its end was told just goes on."""
    if key in wrong:
        new: Alert = {"opened_at": now, "text": wrong[key], "told": False}
        return {**(alert or new), "closed_at": None}
    assert alert is not None  # it is wrong or known
    return {**alert, "closed_at": now if alert["closed_at"] is None else alert["closed_at"]}


def _message(event: str, key: str, alert: Alert, at: int) -> dict[str, Any]:
    """`text` is what Slack and its like show."""
    what = alert["text"] if event == "open" else f"over: {alert['text']}"
    return {
        "schema_version": 1,
        "event": event,
        "alert": key,
        "text": f"mqlsync: {what}",
        "at": iso_z(at),
        "opened_at": iso_z(alert["opened_at"]),
    }


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The address is a secret: it is not carried on to where an answer points."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def post_json(url: str, message: Mapping[str, Any]) -> None:
    """POST one message. Raises Undelivered, whatever went wrong; the address stands in no error."""
    data = json.dumps(dict(message)).encode()
    request = urllib.request.Request(  # noqa: S310 (the settings allow https, and http to this machine)
        url, data, {"Content-Type": "application/json", "User-Agent": "mqlsync"}
    )
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(request, timeout=PATIENCE):
            pass
    except urllib.error.HTTPError as error:
        error.close()
        raise Undelivered(f"the webhook answered {error.code}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise Undelivered(f"the webhook cannot be reached ({type(error).__name__})") from None
