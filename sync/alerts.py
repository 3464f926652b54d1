"""Telling of problems: once when one begins, once when it is over, on every road that is configured.

    what is wrong now ─┬─ not known before   → remembered as open, to be told
                       ├─ known              → nothing
                       └─ no longer wrong    → closed, to be told; forgotten once that is done

What is open, and who has been told what, stands in the mirror, so a restart tells nothing twice. A message
that cannot be delivered is tried again after the next run; nothing else depends on it, no other road either.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

from config.world import World, epoch, iso_z
from sync.core.harmless import clean
from sync.messengers import Deliver, Undelivered
from sync.mirror.engine import Mirror
from sync.mirror.runs import meta_like, set_meta
from sync.mirror.unusable import DatabaseUnusable
from sync.reports import RunReport
from sync.status import Status

log = logging.getLogger(__name__)

PREFIX: Final = "alert."
DISK_FULL: Final = 13
AUTH: Final = 4
DATABASE: Final = {
    "DATABASE_LOCKED": "another program keeps the database locked",
    "DATABASE_UNREACHABLE": "the database cannot be reached",
}
"""Code of a problem → what is said of it."""
Alert = dict[str, Any]
"""`opened_at`, `closed_at` (None: still open), `text`, `told`: the roads that know it as open."""


def problems_now(
    status: Status | None, report: RunReport, parked_over: int, *, remind: bool = True
) -> dict[str, str]:
    """Everything an administrator should hear of: key → one sentence without personal data.

    `status` is None while the mirror cannot be read. `remind`: of MQLs that are overdue, too.
    """
    found: dict[str, str] = {}
    for problem in report.problems:
        if problem.exit_code == AUTH:
            found[f"auth.{problem.crm}"] = f"signing in to {problem.crm} failed, or a right is missing"
        if problem.exit_code == DISK_FULL:
            found["disk"] = "the disk is full"
        if problem.code in DATABASE:
            found["database"] = DATABASE[problem.code]
    if not report.books_balance or (status is not None and not status.books_balance):
        found["books"] = "the books do not balance; nothing was written"
    if status is None:
        return {**found, "mirror": "the mirror cannot be read"}
    for crm in status.stale:
        found[f"stale.{crm}"] = f"{crm} has not been pulled for too long"
    if status.waits_for_approval:
        found["approval"] = "changes wait for approval: `mqlsync plan`, then `mqlsync approve`"
    if status.overdue and remind:
        found["sla"] = f"{status.overdue} MQLs were not touched in time: `mqlsync sla`"
    if status.parked + status.conflict > parked_over:
        found["parked"] = f"{status.parked + status.conflict} changes failed: `mqlsync failed list`"
    return found


class Alerts:
    """Tells what begins and ends, on each of these roads. What cannot be stored now is stored later."""

    def __init__(self, mirror: Mirror, world: World, roads: Mapping[str, Deliver]) -> None:
        self._mirror = mirror
        self._world = world
        self._roads = roads
        self._unsaved: dict[str, Alert | None] = {}

    def tell(self, wrong: Mapping[str, str]) -> None:
        """Remember what is wrong now, and tell what has begun or ended since the last time."""
        now = epoch(self._world.now())
        known = self._known()
        alerts = {key: _seen(key, known.get(key), wrong, now) for key in sorted({*known, *wrong})}
        for key, alert in alerts.items():
            if alert != known.get(key):
                self._remember(key, alert)
        for road in self._roads:
            try:
                for key in alerts:
                    alerts[key] = self._tell_one(road, key, alerts[key])
            except Undelivered as error:
                log.warning("an alert was not delivered: %s; it is tried again after the next run", error.why)
        for key, alert in alerts.items():
            if alert["closed_at"] is not None and not set(alert["told"]) & set(self._roads):
                self._remember(key, None)  # all have heard of the end, or nobody ever of the beginning

    def _known(self) -> dict[str, Alert]:
        stored: dict[str, Alert] = {}
        try:
            with self._mirror.read() as conn:
                stored = {key: _read(text) for key, text in meta_like(conn, PREFIX).items()}
        except DatabaseUnusable as error:
            log.warning("alerts cannot be looked up: %s", type(error).__name__)
        merged = {**stored, **self._unsaved}
        return {key: alert for key, alert in merged.items() if alert is not None}

    def _tell_one(self, road: str, key: str, alert: Alert) -> Alert:
        """Tell on one road what it has not been told; the alert after that. Raises Undelivered."""
        if alert["closed_at"] is None and road not in alert["told"]:
            self._roads[road](_message("open", key, alert, alert["opened_at"]))
            alert = {**alert, "told": [*alert["told"], road]}
        elif alert["closed_at"] is not None and road in alert["told"]:
            self._roads[road](_message("close", key, alert, alert["closed_at"]))
            alert = {**alert, "told": [one for one in alert["told"] if one != road]}
        else:
            return alert  # what was over before anybody heard of it is nobody's news
        self._remember(key, alert)
        return alert

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


def _read(text: str) -> Alert:
    """A stored alert; an older version knew the webhook alone."""
    alert: Alert = json.loads(text)
    if isinstance(alert["told"], bool):
        alert["told"] = ["webhook"] if alert["told"] else []
    return alert


def _seen(key: str, alert: Alert | None, wrong: Mapping[str, str], now: int) -> Alert:
    """An alert after this look; one that came back before its end was told just goes on."""
    if key in wrong:
        new: Alert = {"opened_at": now, "text": wrong[key], "told": []}
        return {**(alert or new), "closed_at": None}
    assert alert is not None  # it is wrong or known
    return {**alert, "closed_at": now if alert["closed_at"] is None else alert["closed_at"]}


def _message(event: str, key: str, alert: Alert, at: int) -> dict[str, Any]:
    """`text` is what Slack and its like show."""
    text = clean(alert["text"])
    what = text if event == "open" else f"over: {text}"
    return {
        "schema_version": 1,
        "event": event,
        "alert": key,
        "text": f"mqlsync: {what}",
        "at": iso_z(at),
        "opened_at": iso_z(alert["opened_at"]),
    }
