"""Checks of this machine, its files and the mirror. No CRM is asked."""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import config
from config.paths import SETTINGS_FILE
from config.schema import variables
from config.sources import FILE_SUFFIX
from config.world import epoch
from sync.doctor.findings import Check, Finding, Level, Patient
from sync.mirror.circles import merged_in_circles
from sync.mirror.oddtimes import odd_times
from sync.mirror.runs import last_run
from sync.stages.targets import objects_of

LITTLE_SPACE: Final = 1024**3  # bytes free beside the mirror
NO_SPACE: Final = 100 * 1024**2
SHOWN_RECORDS: Final = 6


def _environment(_: Patient) -> Iterator[Finding]:
    python = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding("environment", Level.OK, f"Python {python}")
    ours = Path(__file__).resolve().parents[2]
    if Path(config.__file__).resolve().parent.parent != ours:
        yield Finding(
            "environment",
            Level.ERROR,
            f"another package named `config` stands before ours: {config.__file__}",
            "install mqlsync into a virtual environment of its own: make setup",
            exit_code=2,
        )


def _disk(patient: Patient) -> Iterator[Finding]:
    if patient.mirror.path is None:
        yield Finding("mirror", Level.OK, f"mirror in {patient.mirror.where}")
        return
    free = shutil.disk_usage(patient.mirror.path.parent).free
    text = f"mirror in {patient.mirror.where}; {free / 1024**3:.1f} GiB free"
    if free >= LITTLE_SPACE:
        yield Finding("mirror", Level.OK, text)
    elif free >= NO_SPACE:
        yield Finding("mirror", Level.WARNING, text, "make room, or move the mirror: database_url")
    else:
        yield Finding(
            "mirror", Level.ERROR, text, "make room, or move the mirror: database_url", exit_code=13
        )


def _permissions(patient: Patient) -> Iterator[Finding]:
    path = patient.config_dir / SETTINGS_FILE
    if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        message = f"{path} can be changed by other users of this machine"
        yield Finding("permissions", Level.WARNING, message, f"chmod go-w {path}")
    for name, variable in variables().items():
        named = patient.environ.get(name + FILE_SUFFIX) if variable.secret else None
        file = Path(named).expanduser() if named else None
        if file and file.is_file() and file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
            message = f"{file} holds a secret and can be read by other users of this machine"
            yield Finding("permissions", Level.WARNING, message, f"chmod 600 {file}")


def _variables(patient: Patient) -> Iterator[Finding]:
    for problem in patient.unknown_variables:
        yield Finding("variables", Level.WARNING, str(problem), "correct the name, or unset it")


def _configuration(patient: Patient) -> Iterator[Finding]:
    yield Finding("configuration", Level.OK, f"{patient.config_dir / SETTINGS_FILE} is valid")
    if not patient.connectors:
        yield Finding(
            "credentials",
            Level.ERROR,
            "no CRM has credentials",
            "set MQLSYNC_HUBSPOT__ACCESS_TOKEN, or MQLSYNC_SALESFORCE__CLIENT_ID and …__CLIENT_SECRET with "
            "…__LOGIN_URL, in the environment",
            exit_code=2,
        )


def _models(patient: Patient) -> Iterator[Finding]:
    for model in patient.models:
        yield Finding("model", Level.OK, f"{model.name} version {model.version} is {model.status}")
        if model.review_by is not None and model.review_by < patient.world.now().date():
            message = f"{model.name} was to be reviewed by {model.review_by}"
            remedy = "look at it with sales, then move review_by; at least once a quarter"
            yield Finding("model", Level.WARNING, message, remedy)
    if not any(model.status == "live" for model in patient.models):
        message = "no model is live: people are scored, nothing is decided or written"
        yield Finding("model", Level.WARNING, message, 'set status = "live" in scoring.toml')


def _routing(patient: Patient) -> Iterator[Finding]:
    routing = patient.settings.routing
    wanted = [
        f"{crm}.{name}"
        for crm in patient.connectors
        for name in objects_of(crm)
        if patient.settings.writeback.targets(crm, name).owner is not None
    ]
    if wanted and not any(pool.members for pool in routing.pools.values()):
        message = f"no pool has members: owners of {', '.join(wanted)} are not decided"
        remedy = (
            "name who takes new MQLs in [routing.pools.default] of mqlsync.toml, or take out the owner lines"
        )
        yield Finding("routing", Level.WARNING, message, remedy)
    elif routing.pools and "default" not in routing.pools:
        message = "there is no pool `default`: who matches no routing rule gets no owner"
        yield Finding("routing", Level.WARNING, message, "add [routing.pools.default] to mqlsync.toml")


def _last_pass(patient: Patient) -> Iterator[Finding]:
    with patient.mirror.read() as conn:
        run = last_run(conn)
    if run is None:
        yield Finding("mirror", Level.NOTE, "nothing has been pulled yet", "mqlsync sync --dry-run")
        return
    hours = (epoch(patient.world.now()) - run.started_at) / 3600
    yield Finding("mirror", Level.OK, f"last run: {run.kind}, {run.state}, {hours:.1f} h ago")


def _engagements(patient: Patient) -> Iterator[Finding]:
    with patient.mirror.read() as conn:
        future, missing = odd_times(conn, epoch(patient.world.now()))
    if future:
        message = f"{future:,} engagements are dated in the future and wait until then"
        yield Finding("engagements", Level.WARNING, message, "look at the clock of whatever reports them")
    if missing:
        message = f"{missing:,} engagements have no time that can be read and are never scored"
        yield Finding("engagements", Level.WARNING, message, "see where their source keeps the time")


def _merges(patient: Patient) -> Iterator[Finding]:
    with patient.mirror.read() as conn:
        lost = merged_in_circles(conn)
    for crm in sorted({ref.crm for ref in lost}):
        here = [f"{ref.object} {ref.id}" for ref in lost if ref.crm == crm]
        named = ", ".join(here[:SHOWN_RECORDS]) + (", …" if len(here) > SHOWN_RECORDS else "")
        message = f"{len(here):,} records were merged in a circle, so none of them counts: {named}"
        remedy = "look in the CRM which of them is there, and read it again: mqlsync resync ID"
        yield Finding("merges", Level.WARNING, message, remedy, crm)


LOCAL: Final[tuple[Check, ...]] = (
    _environment,
    _configuration,
    _variables,
    _permissions,
    _disk,
    _models,
    _routing,
    _last_pass,
    _engagements,
    _merges,
)
"""Looked at before any CRM is asked."""
