"""Two hundred hostile names on a terminal, in logs and alerts, for systemd and Prometheus: none does harm."""

from __future__ import annotations

import email
import io
import json
import logging
import re
import socket
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from config.running import AlertsSettings
from sync.alerts import Alerts
from sync.cli.given import Globals
from sync.cli.logs import logging_to
from sync.cli.output import Output
from sync.core.harmless import clean
from sync.health import Pages
from sync.messengers import roads
from sync.metrics import Metrics
from sync.mirror.engine import Mirror
from sync.redaction import Redactor
from sync.reports import RunProblem, RunReport
from sync.status import Status
from sync.vitals import Notifier, Vitals
from tests.terminal import Terminal
from tests.unit.cli.test_clean import harmless
from tests.unit.cli.test_hostile import NAMES
from tests.unit.smtp_server import mail_server
from tests.unit.test_alerts import server
from tests.world import SimulatedWorld

INJECTIONS = [
    "x\r\nBcc: everybody@evil.example",
    "x\nSubject: forged",
    "x\r\n\r\nanother body",
    "x\n.\nMAIL FROM:<evil@evil.example>",
    "<!channel> <!here|here> <@U012AB3CD> <https://evil.example|the bank>",
    "*bold* _it_ `code` ~gone~ > quote",
    "x\nREADY=1\nSTOPPING=1\nMAINPID=1",
    'x"} 1\nmqlsync_ready{a="',
    'x", "event": "close", "y": "',
    "{{ 7*7 }} ${7*7} <%= 7*7 %> #{7*7} %(x)s {0} {x!r}",
    "",
    " ",
    "x" * 100_000,
]
ALL = [*NAMES, *INJECTIONS]


@pytest.fixture(autouse=True)
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)


def output(drawing: bool = False) -> tuple[Output, Terminal, Terminal]:
    out, err = Terminal(), Terminal(drawing=drawing)
    return Output(Globals(verbose=True), SimulatedWorld(), out, err), out, err


# --- a terminal ---------------------------------------------------------------------------------------


def test_the_terminal_of_these_tests_refuses_what_does_harm() -> None:
    screen = Terminal()
    screen.write("\x1b[1;31mred\x1b[0m \x1b]0;title\x07 \x1b[2J \u202e\n")
    assert screen.refused == ["\x1b", "\x07", "\x1b", "\u202e"]
    assert Terminal(drawing=True).refused == []


def test_no_name_sends_anything_but_text_to_a_terminal() -> None:
    given, out, err = output()
    for name in ALL:
        given.line(name, "warning")
        given.say(name)
        given.warn(name)
        given.error(name)
        given.detail(name)
    assert (out.refused, err.refused) == ([], [])
    assert "\x1b[33m" in out.getvalue(), "colours are ours to send"
    assert len(out.lines) == len(ALL), "a line each, however many breaks were in it"
    assert out.lines[NAMES.index("[red]red[/red]")] == "[red]red[/red]", "no markup is followed"


def test_tables_keep_their_columns_on_a_terminal() -> None:
    given, out, _ = output()
    given.table(("person", "name", "company"), [(f"p_{n:04}", name, name) for n, name in enumerate(ALL)])
    assert out.refused == []
    assert out.width <= 80
    assert [line[:6] for line in out.lines[1:]] == [f"p_{n:04}" for n in range(len(ALL))]


def test_progress_bars_draw_no_name_but_as_text() -> None:
    given, _, err = output(drawing=True)
    with given.progress() as steps:
        for name in ALL[::20]:
            steps.step(name, 1, 2)
    assert err.refused == []


# --- logs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "people"])
def test_each_name_is_one_harmless_line_of_the_log(as_json: bool) -> None:
    stream = io.StringIO()
    with logging_to(stream, Redactor(), as_json=as_json, quiet=False, verbose=True) as lines:
        lines.set_run("f" * 32)
        for name in ALL:
            logging.getLogger("sync.x").warning("it was %s", name)
            logging.getLogger(f"lib.{name}" if len(name) < 100 else "lib").warning(name)
    written = stream.getvalue().split("\n")[:-1]
    assert len(written) == 2 * len(ALL)
    assert harmless("".join(written))
    if as_json:
        records = [json.loads(line) for line in written]
        assert {record["run_id"] for record in records} == {"f" * 32}
        said = Redactor().all
        assert [record["message"] for record in records[::2]] == [said(f"it was {name}") for name in ALL]
    else:
        assert all(re.match(r"\S+Z warning run ffffffff: ", line) for line in written)


# --- alerts -------------------------------------------------------------------------------------------


@pytest.fixture
def mirror(tmp_path: Path) -> Any:
    opened = Mirror(f"sqlite:///{tmp_path / 'mirror.db'}", SimulatedWorld())
    opened.migrate()
    yield opened
    opened.close()


SOME = [*INJECTIONS, *NAMES[::4]]
"""A part of the names: each is a message of its own on each road."""


@pytest.mark.sqlite("about what leaves, not about what is stored")
def test_every_road_of_an_alert_carries_plain_text(mirror: Mirror) -> None:
    with server(200) as (slack, in_slack), server(200) as (hook, at_hook), mail_server() as box:
        mail = {"host": "127.0.0.1", "port": box.port, "starttls": False}
        mail |= {"sender": "mqlsync@x.example", "to": ["ops@x.example"]}
        settings = AlertsSettings.model_validate({"slack": slack, "webhook": hook, "email": mail})
        alerts = Alerts(mirror, SimulatedWorld(), roads(settings))
        alerts.tell({f"key{number:04}": name for number, name in enumerate(SOME)})
    expected = [f"mqlsync: {clean(name)}" for name in SOME]
    bodies = [json.loads(body) for body in at_hook]
    assert [body["text"] for body in bodies] == expected
    assert all(set(body) == set(bodies[0]) and body["event"] == "open" for body in bodies)
    for body in [*at_hook, *in_slack]:
        assert body.isascii()
        assert harmless(json.loads(body)["text"])
    for body in in_slack:
        text = json.loads(body)["text"]
        assert set(json.loads(body)) == {"text"}
        assert "<" not in text, "nobody is called, nothing is linked"
        assert ">" not in text
    assert len(box.mails) == len(SOME)
    for (to, text), wanted in zip(box.mails, expected, strict=True):
        mail_message = email.message_from_string(text, policy=default)
        assert to == ["ops@x.example"]
        assert {name.lower() for name in mail_message} <= HEADERS
        assert " ".join(str(mail_message["Subject"]).split()) == " ".join(wanted.split())
        assert mail_message["To"] == "ops@x.example"


HEADERS = {
    "subject", "from", "to", "auto-submitted", "content-type", "content-transfer-encoding", "mime-version",
}  # fmt: skip


# --- systemd and Prometheus ---------------------------------------------------------------------------


def test_systemd_hears_one_assignment(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        listening.settimeout(5)
        vitals = Vitals(SimulatedWorld(), Notifier({"NOTIFY_SOCKET": str(path)}))
        for name in ALL:
            vitals.status(f"running {name}")
            said = listening.recv(300_000).decode()
            assert said == f"STATUS=running {clean(name)}".rstrip("\n")
            assert "\n" not in said
            assert harmless(said)


def test_the_pages_of_the_daemon_stay_what_they_are() -> None:
    world = SimulatedWorld()
    vitals = Vitals(world, Notifier({}))
    vitals.ready = True
    status = Status("ok", [], {"hubspot": 1}, 0, 0, 0, 0, books_balance=True)
    metrics = Metrics(lambda: status, vitals)
    metrics.ran(RunReport("r", problems=[RunProblem(name, "hubspot", name, name, 3) for name in ALL]))
    page = metrics.text().decode()
    assert harmless(page.replace("\n", ""))
    families = {family.name: family for family in text_string_to_metric_families(page)}
    codes = {
        one.labels["code"] for one in families["mqlsync_problems"].samples if one.name.endswith("_total")
    }
    assert all(re.fullmatch(r"[A-Za-z0-9_.:-]{0,80}", code) for code in codes)
    total = sum(one.value for one in families["mqlsync_problems"].samples if one.name.endswith("_total"))
    assert total == len(ALL)
    assert families["mqlsync_ready"].samples[0].value == 1
    pages = Pages(vitals, metrics)
    for name in ALL:
        vitals.trouble = name
        ready = pages.page("/readyz")
        assert ready.body.count(b"\n") == 1
        assert harmless(ready.body.decode().rstrip("\n"))
        assert pages.page(f"/healthz?{name}").status == 200
        assert pages.page(f"/{name}").status == 404 or f"/{name}".partition("?")[0] == "/healthz"
