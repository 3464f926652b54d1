"""What does not fit in the settings of the daemon: schedules, addresses, mail. Pure."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from config.errors import nearest
from config.running import MAY_BE_NEVER, NEVER, OWN_TIME, AlertsSettings, MailSettings, ScheduleSettings
from config.section import DURATION_TEXT, parse_duration
from config.settings import Settings
from config.toml import KeyPath
from config.urls import address_fault, is_loopback, web_url_fault

SHORTEST_INTERVAL: Final = 1  # second between two scheduled runs
SHORTEST_LEASE: Final = 5  # seconds; renewed three times within
WHEN: Final = 'an interval such as "5m" or a cron line such as "0 3 * * 0"'
OBJECT = re.compile(r"(?:salesforce|hubspot)\.\w+", re.ASCII)
OBJECT_EXAMPLE: Final = "salesforce.OBJECT or hubspot.OBJECT, such as salesforce.EmailMessage"
ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+")


class Fault(NamedTuple):
    """A key that does not fit, and why."""

    path: KeyPath
    message: str
    expected: str = ""
    nearest: str = ""


def running_faults(settings: Settings) -> Iterator[Fault]:
    """Everything that does not fit in [schedule], [daemon] and [alerts]."""
    yield from _schedules(settings.schedule)
    yield from _objects(settings)
    if settings.daemon.listen and (fault := address_fault(settings.daemon.listen)):
        yield Fault(("daemon", "listen"), fault, '"HOST:PORT", or "" for nothing')
    yield from _alerts(settings.alerts)
    if settings.daemon.lease < SHORTEST_LEASE:
        yield Fault(("daemon", "lease"), "is too short to be renewed in time", f"{SHORTEST_LEASE}s or more")


def _schedules(schedule: ScheduleSettings) -> Iterator[Fault]:
    for name in type(schedule).model_fields:
        text = getattr(schedule, name)
        if (
            name in ("zone", "objects")
            or (name in OWN_TIME and not text)
            or (name in MAY_BE_NEVER and text == NEVER)
        ):
            continue
        if fault := schedule_fault(text):
            yield Fault(("schedule", name), fault, WHEN)
    try:
        zoneinfo.ZoneInfo(schedule.zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = nearest(schedule.zone, sorted(zoneinfo.available_timezones()))
        yield Fault(("schedule", "zone"), f'"{schedule.zone}" is not a time zone', "", near)


def _objects(settings: Settings) -> Iterator[Fault]:
    """Objects with times of their own; which objects there are, only the CRM knows."""
    for name, text in settings.schedule.objects.items():
        path: KeyPath = ("schedule", "objects", name)
        chosen = settings.pull.objects.get(name)
        if not OBJECT.fullmatch(name):
            yield Fault(path, "this names no object", OBJECT_EXAMPLE)
        elif fault := schedule_fault(text):
            yield Fault(path, fault, WHEN)
        elif chosen is not None and chosen.on is False:
            yield Fault(path, f'it is never pulled: [pull.objects."{name}"] says on = false')
        elif chosen is not None and chosen.every:
            yield Fault(
                path, f'[pull.objects."{name}"] says every as well: which is meant?', "one of the two"
            )


def _alerts(alerts: AlertsSettings) -> Iterator[Fault]:
    for name in ("webhook", "slack"):
        url = getattr(alerts, name)
        if url is not None and (fault := web_url_fault(url.get_secret_value())):
            yield Fault(("alerts", name), fault)
    if alerts.email.host:
        yield from _mail(alerts.email)


def _mail(mail: MailSettings) -> Iterator[Fault]:
    path = ("alerts", "email")
    if not ADDRESS.fullmatch(mail.sender):
        yield Fault((*path, "sender"), "mail needs the address that it comes from", "an e-mail address")
    if not mail.to:
        yield Fault((*path, "to"), "mail needs somebody who gets it", 'to = ["ops@example.com"]')
    for position, address in enumerate(mail.to):
        if not ADDRESS.fullmatch(address):
            yield Fault((*path, "to", position), "this is no e-mail address")
    if not mail.starttls and not is_loopback(mail.host):
        yield Fault(
            (*path, "starttls"), "mail that is not encrypted goes to this machine (loopback) only", "true"
        )


_CRON_RANGES: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_CRON_WORD = re.compile(r"(\*|[a-z]{3}|\d{1,2})(?:-([a-z]{3}|\d{1,2}))?(?:/(\d{1,2}))?", re.ASCII)
_CRON_NAMES: Final[Mapping[int, str]] = {
    3: "jan feb mar apr may jun jul aug sep oct nov dec",
    4: "mon tue wed thu fri sat sun",
}


def schedule_fault(text: str) -> str:
    """What is wrong with an interval or cron line; "" when nothing is."""
    if DURATION_TEXT.fullmatch(text):
        seconds = parse_duration(text)
        short = isinstance(seconds, int) and seconds < SHORTEST_INTERVAL
        return f"an interval of less than {SHORTEST_INTERVAL} s" if short else ""
    words = text.lower().split()
    if len(words) != len(_CRON_RANGES):
        return "neither an interval nor a cron line of five fields"
    for place, word in enumerate(words):
        if not all(_cron_part(place, part) for part in word.split(",")):
            names = ("minute", "hour", "day", "month", "day of the week")
            return f"the {names[place]} of this cron line cannot be read"
    return ""


def _cron_part(place: int, part: str) -> bool:
    found = _CRON_WORD.fullmatch(part)
    if found is None or found[3] == "0" or (found[1] == "*" and found[2] is not None):
        return False
    low, high = _CRON_RANGES[place]
    names = _CRON_NAMES.get(place, "").split()
    ends = [end for end in (found[1], found[2]) if end not in (None, "*")]
    if not all((end in names) if end.isalpha() else low <= int(end) <= high for end in ends):
        return False
    return len(ends) < 2 or any(end.isalpha() for end in ends) or int(ends[0]) <= int(ends[1])
