"""The roads of alerts, against servers on loopback: Slack's form, and mail with and without encryption."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from config.running import AlertsSettings, MailSettings
from sync.messengers import Undelivered, roads, send_mail, tell_slack
from tests.unit.hubspot.test_tls import self_signed
from tests.unit.smtp_server import mail_server
from tests.unit.test_alerts import server

OPEN: dict[str, Any] = {
    "event": "open",
    "alert": "disk",
    "text": "mqlsync: the disk is full",
    "at": "2026-11-02T12:00:00Z",
    "opened_at": "2026-11-02T12:00:00Z",
}


def settings(port: int, **more: Any) -> MailSettings:
    given = {"host": "127.0.0.1", "port": port, "sender": "mqlsync@example.com", "to": ["ops@example.com"]}
    return MailSettings.model_validate({"starttls": False, **given, **more})


def test_slack_gets_a_line_of_text_with_its_own_characters_escaped() -> None:
    with server(200) as (url, got):
        tell_slack(url, {**OPEN, "text": "a < b & c > d"})
        tell_slack(url, {**OPEN, "event": "close"})
    assert [json.loads(body) for body in got] == [
        {"text": ":red_circle: a &lt; b &amp; c &gt; d"},
        {"text": ":white_check_mark: mqlsync: the disk is full"},
    ]


def test_slack_that_says_no_is_named() -> None:
    with server(404) as (url, _), pytest.raises(Undelivered, match="Slack answered 404"):
        tell_slack(url, OPEN)


def test_a_mail_says_what_and_since_when() -> None:
    with mail_server() as box:
        send_mail(settings(box.port, to=["ops@example.com", "on-call@example.com"]), OPEN)
    ((to, text),) = box.mails
    assert to == ["ops@example.com", "on-call@example.com"]
    assert "Subject: mqlsync: the disk is full" in text
    assert "Auto-Submitted: auto-generated" in text
    assert "since 2026-11-02T12:00:00Z" in text
    assert box.signed_in == []


def test_mail_is_encrypted_before_anybody_signs_in(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    known = settings(25, starttls=True, username="me", password="c4n4ry")
    with mail_server(tls) as box:
        trusting = ssl.create_default_context(cafile=str(certificate))
        send_mail(known.model_copy(update={"port": box.port}), OPEN, trusting)
        assert (box.encrypted, box.signed_in) == ([True], ["|me|c4n4ry"])
        with pytest.raises(Undelivered) as caught:  # a stranger's certificate
            send_mail(known.model_copy(update={"port": box.port}), OPEN)
    assert str(caught.value) == "the mail server did not take it (SSLCertVerificationError)"
    assert len(box.mails) == len(box.signed_in) == 1


def test_a_server_that_cannot_encrypt_gets_nothing() -> None:
    with mail_server() as box, pytest.raises(Undelivered, match="did not take it"):
        send_mail(settings(box.port, starttls=True, username="me", password="c4n4ry"), OPEN)
    assert box.mails == []
    assert box.signed_in == []


def test_a_mail_that_is_refused_is_no_delivery() -> None:
    with mail_server(refuse=452) as box, pytest.raises(Undelivered, match="the mail server answered 452"):
        send_mail(settings(box.port), OPEN)
    with pytest.raises(Undelivered, match="ConnectionRefusedError"):
        send_mail(settings(box.port), OPEN)


def test_only_what_is_configured_is_a_road() -> None:
    assert roads(AlertsSettings()) == {}
    given = {"webhook": "https://h.example", "slack": "https://s.example", "email": {"host": "m.example"}}
    assert set(roads(AlertsSettings.model_validate(given))) == {"webhook", "slack", "email"}
