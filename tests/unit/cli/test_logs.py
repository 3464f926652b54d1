"""Logs and messages: one harmless line a record, the run on each, no secret and no person in any."""

from __future__ import annotations

import base64
import io
import json
import logging
import sqlite3
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from config.load import load
from sync.app import build
from sync.cli.exits import ending
from sync.cli.logs import LoggedSteps, logging_to
from sync.cli.passes import log_report
from sync.daemon import Service
from sync.jobs import schedules
from sync.mirror.engine import Mirror
from sync.mirror.lease import Lease
from sync.redaction import Redactor
from sync.schedule import Clockwork
from sync.stopping import StopSwitch
from sync.vitals import Notifier, Vitals
from tests.acceptance.site import Site, made
from tests.databases import mirror_url
from tests.unit.cli.runner import run
from tests.world import SimulatedWorld

SECRET = "c4n4ry/s3cret+value=="
PERSON = "ann.canary@acme.example"
PHONE = "+49 30 123456-78"


def logged(*, as_json: bool = True, quiet: bool = False, verbose: bool = False, run: str = "") -> Any:
    """What `with logged() as read:` … read() gives: everything written so far."""
    stream = io.StringIO()
    manager = logging_to(stream, Redactor([SECRET]), as_json=as_json, quiet=quiet, verbose=verbose)
    return stream, manager


def test_json_lines_carry_the_run_and_nothing_private() -> None:
    stream, manager = logged()
    with manager as lines:
        lines.set_run("f" * 32)
        logging.getLogger("sync.x").info("wrote %s for %s, call %s", SECRET, PERSON, PHONE)
        lines.set_run("")
        logging.getLogger("some.library").warning("Authorization: Bearer abcdefgh12345678\nnext")
        logging.getLogger("some.library").info("chatter")
        logging.getLogger("sync.x").debug("chatter")
        warnings.warn(f"old: {SECRET}", stacklevel=1)
    first, second, third = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (first["level"], first["logger"], first["run_id"]) == ("info", "sync.x", "f" * 32)
    assert first["message"] == "wrote [secret] for [person], call [person]"
    assert second["message"] == "Authorization: [secret]\nnext"
    assert (third["logger"], SECRET in third["message"]) == ("py.warnings", False)
    assert first["at"].endswith("Z")


def test_lines_for_people_are_harmless_and_one_a_record() -> None:
    stream, manager = logged(as_json=False)
    with manager as lines:
        lines.set_run("abcdef0123")
        logging.getLogger("sync.x").warning("name \x1b[2J\nforged: line")
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("warning run abcdef01: name [2J forged: line")


@pytest.mark.parametrize(
    ("options", "levels"),
    [
        ({"quiet": True}, ["warning"]),
        ({}, ["info", "warning"]),
        ({"verbose": True}, ["debug", "info", "warning"]),
    ],
    ids=["quiet", "plain", "verbose"],
)
def test_quiet_and_verbose(options: dict[str, bool], levels: list[str]) -> None:
    stream, manager = logged(**options)
    before = logging.getLogger("sync").level, logging.getLogger().handlers[:]
    with manager:
        for level in (logging.DEBUG, logging.INFO, logging.WARNING):
            logging.getLogger("sync.x").log(level, "x")
    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == levels
    assert (logging.getLogger("sync").level, logging.getLogger().handlers) == before


def test_traces_are_for_verbose_alone_and_redacted() -> None:
    for verbose in (False, True):
        stream, manager = logged(verbose=verbose)
        with manager:
            try:
                raise ValueError(f"{SECRET} of {PERSON}")
            except ValueError:
                logging.getLogger("sync.x").exception("it failed")
        line = json.loads(stream.getvalue())
        assert ("trace" in line) == verbose
        assert SECRET not in stream.getvalue()
        assert PERSON not in stream.getvalue()


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    stream, manager = logged()
    with manager:
        stream.close()
        logging.getLogger("sync.x").info("said")


def test_a_record_whose_arguments_do_not_fit_is_still_a_line() -> None:
    _, manager = logged(as_json=False)
    with manager as lines:
        record = logging.makeLogRecord({"msg": "%d", "args": ("no number",), "levelname": "INFO"})
        assert lines.line(record).endswith("info: %d")


@pytest.mark.parametrize(
    "line",
    [
        "00DWs000001abcd!AQEAQ.abcdefghij",
        "pat-na1-01234567-89ab-cdef-0123-456789abcdef",
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhYmMifQ.c2lnbmF0dXJl",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
        "Authorization: Basic YWJjOmRlZmdoaWo=",
        'said {"refresh_token": "abcdefgh"}',
        "POST /token?client_secret=abcdefgh&x=1",
        "postgresql://mqlsync:hunter22@db.example/x",
    ],
)
def test_secrets_are_known_by_their_shape(line: str) -> None:
    said = Redactor().secrets(line)
    assert "[secret]" in said
    for piece in ("AQEAQ", "89ab-cdef", "c2lnbmF0", "MIIEow", "YWJjOmRl", "abcdefgh", "hunter22"):
        assert piece not in said


@pytest.mark.parametrize(
    "line",
    [
        "run 0a1b2c3d ok: 2,000 people, 12 new MQLs",
        "salesforce: 2026-11-22T07:35:32.000+0000 Lead 00Q5f000001AbCdEAK",
        "password sign-in is off; set MQLSYNC_SALESFORCE__PASSWORD",
        "pulled 1700000000 of 00120012",
    ],
)
def test_ordinary_lines_stay_as_they_are(line: str) -> None:
    assert Redactor(["hunter22"]).all(line) == line


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=6, max_size=40))
def test_a_known_secret_goes_in_every_coding(secret: str) -> None:
    redactor = Redactor([secret])
    coded = base64.b64encode(secret.encode()).decode().rstrip("=")
    for form in (secret, quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1], coded):
        assert redactor.secrets(f"<{form}>") in ("<[secret]>", f"<{redactor.secrets(form)}>")
        assert form not in redactor.secrets(f"\x00{form}\x00") or form in "[secret]"


LONG = [
    "x" * 300_000,
    "a@" * 150_000,
    "a%40" * 75_000,
    "ab.cd@" * 50_000,
    "00 " * 100_000,
    "+1-" * 100_000,
    "eyJ-" * 75_000,
    "eyJaaaaaaaa." * 25_000,
    "Bearer " * 40_000,
    "-----BEGIN PRIVATE KEY-----" * 10_000,
    "://a:" * 60_000,
    " password" * 30_000,
    " sid= " * 50_000,
    "'" * 300_000,
]


@pytest.mark.parametrize("text", LONG, ids=[text[:12] for text in LONG])
def test_no_text_keeps_the_redactor_busy(text: str) -> None:
    """Time that grows with the square of the length would be minutes."""
    begun = time.process_time()
    Redactor([SECRET]).all(text)
    assert time.process_time() - begun < 20.0


# --- canaries through everything that can fail --------------------------------------------------------

CANARY = "canary-8f3a-never-shown"
SAID = f"refused {CANARY} for {PERSON}, {PHONE}"
BODIES = {
    "salesforce": [{"message": SAID, "errorCode": "SOME_CODE", "fields": []}],
    "hubspot": {"status": "error", "message": SAID, "category": "VALIDATION_ERROR", "correlationId": "x"},
}


@pytest.fixture
def site(tmp_path: Path, database: str) -> Iterator[Site]:
    yield from made(tmp_path, seed=lambda site: site.demo(site.pair(PERSON).email))


def refuse(site: Site, crm: str, status: int, path: str) -> None:
    """From now on every such request is refused by an answer that repeats our secret and a person."""
    kind = "html" if status == 502 else "status"
    body = f"<html>{SAID}</html>" if kind == "html" else BODIES[crm]
    if path == "token":
        body = {"error": "invalid_grant", "error_description": SAID}
    site.sandbox.faults.arm(kind, crm=crm, path=path, count=None, status=status, body=body)


FAILURES = [
    ("salesforce", 400, "token"),
    ("salesforce", 400, "/query"),
    ("salesforce", 401, "/query"),
    ("salesforce", 403, "/limits"),
    ("salesforce", 502, "/query"),
    ("hubspot", 400, "/contacts"),
    ("hubspot", 401, "/"),
    ("hubspot", 403, "/contacts"),
    ("hubspot", 502, "/contacts"),
]


@pytest.mark.sqlite("about the answers of the CRMs")
@pytest.mark.parametrize(("crm", "status", "path"), FAILURES, ids=str)
def test_no_canary_leaves_by_any_failing_path(site: Site, crm: str, status: int, path: str) -> None:
    refuse(site, crm, status, path)
    site.environ["MQLSYNC_SALESFORCE__SECURITY_TOKEN"] = CANARY  # a secret of ours that the answers repeat
    for argv in (("-v", "sync"), ("sync", "--json"), ("-v", "doctor"), ("runs", "--json"), ("status",)):
        ran = run("--config-dir", str(site.folder), *argv, environ=site.environ, world=site.world)
        assert "sync" not in argv or ran.code != 0
        for private in (CANARY, PERSON):
            assert private not in ran.out + ran.err
    site.world.advance(60)
    said = daemon_turn(site)
    assert '"level": "warning"' in said or '"level": "error"' in said
    for private in (CANARY, PERSON, PHONE):
        assert private not in said


def daemon_turn(site: Site, verbose: bool = True) -> str:
    """One pass of the daemon, as it is logged."""
    settings = load(site.folder, site.environ)
    stream = io.StringIO()
    redactor = Redactor([CANARY])
    with (
        logging_to(stream, redactor, as_json=True, quiet=False, verbose=verbose) as lines,
        build(settings, site.world, site.folder) as app,
    ):
        app.heartbeat, app.words, app.on_run = False, ending, lines.set_run
        lease = Lease(app.mirror, site.world, 86_400, "daemon")
        with lease.held():
            vitals = Vitals(site.world, Notifier({}))
            clockwork = Clockwork(schedules(settings.schedule))
            service = Service(
                app, lease, clockwork, vitals, LoggedSteps(site.world), log_report, StopSwitch()
            )
            app.lease_epoch = lease.epoch
            service.tick("pull")
    return stream.getvalue()


def test_a_bug_is_logged_without_what_it_was_about(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise sqlite3.IntegrityError(SAID)

    monkeypatch.setattr("sync.pipeline.match", broken)
    site.environ["MQLSYNC_SALESFORCE__SECURITY_TOKEN"] = CANARY
    said = daemon_turn(site)
    assert "IntegrityError" in said
    for private in (CANARY, PERSON, PHONE):
        assert private not in said


def test_errors_of_the_database_hold_no_values(tmp_path: Path, database: str) -> None:
    mirror = Mirror(mirror_url(tmp_path), SimulatedWorld())
    row = {"key": PERSON}
    with mirror.write() as conn:
        conn.execute(text("INSERT INTO meta (key, value) VALUES (:key, 'x')"), row)
    with pytest.raises(IntegrityError) as caught, mirror.write() as conn:
        conn.execute(text("INSERT INTO meta (key, value) VALUES (:key, 'x')"), row)
    mirror.close()
    assert PERSON not in str(caught.value)
