"""The roads on which an alert leaves: a webhook, Slack, e-mail. Each raises Undelivered, whatever went wrong.

The addresses are secrets: they stand in no error.
"""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from functools import partial
from http.client import HTTPException
from typing import Any, Final

from config.running import AlertsSettings, MailSettings
from sync.core.harmless import clean

PATIENCE: Final = 10.0  # seconds for the other side to answer
Deliver = Callable[[Mapping[str, Any]], None]
"""Delivers one message: `event` ("open" or "close"), `alert`, `text`, `at`, `opened_at`."""


class Undelivered(Exception):
    """The other side did not take it; `why` says so without its address."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def roads(settings: AlertsSettings) -> dict[str, Deliver]:
    """The roads that are configured, by name."""
    found: dict[str, Deliver] = {}
    if settings.webhook is not None:
        found["webhook"] = partial(post_json, settings.webhook.get_secret_value())
    if settings.slack is not None:
        found["slack"] = partial(tell_slack, settings.slack.get_secret_value())
    if settings.email.host:
        found["email"] = partial(send_mail, settings.email)
    return found


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The address is a secret: it is not carried on to where an answer points."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def post_json(url: str, message: Mapping[str, Any], who: str = "the webhook") -> None:
    """POST one message as JSON."""
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
        raise Undelivered(f"{who} answered {error.code}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise Undelivered(f"{who} cannot be reached ({type(error).__name__})") from None


def tell_slack(url: str, message: Mapping[str, Any]) -> None:
    """Post to an incoming webhook of Slack, which takes `text` and has three characters of its own."""
    text = clean(str(message["text"]))
    for character, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, escaped)
    sign = ":red_circle:" if message["event"] == "open" else ":white_check_mark:"
    post_json(url, {"text": f"{sign} {text}"}, "Slack")


def send_mail(
    settings: MailSettings, message: Mapping[str, Any], context: ssl.SSLContext | None = None
) -> None:
    """Send one mail. `context`: whom to believe; the system's authorities unless given."""
    mail = EmailMessage()
    mail["Subject"] = clean(str(message["text"]))  # a line break would begin another header
    mail["From"], mail["To"] = settings.sender, ", ".join(settings.to)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence is answered
    since = f"since {message['opened_at']}, told at {message['at']}; alert {message['alert']}"
    mail.set_content(f"{message['text']}\n\n{since}\n")
    try:
        with smtplib.SMTP(settings.host, settings.port, timeout=PATIENCE) as server:
            if settings.starttls:
                server.starttls(context=context or ssl.create_default_context())
            if settings.username:
                password = settings.password.get_secret_value() if settings.password else ""
                server.login(settings.username, password)
            server.send_message(mail)
    except smtplib.SMTPResponseException as error:
        raise Undelivered(f"the mail server answered {error.smtp_code}") from None
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise Undelivered(f"the mail server did not take it ({type(error).__name__})") from None
