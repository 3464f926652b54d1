"""Taking secrets and personal data out of text that goes to a log or a screen: by value and by shape."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Set
from typing import Final
from urllib.parse import quote, quote_plus

LONG: Final = 8  # characters
HIDDEN: Final = "[secret]"
PERSON: Final = "[person]"

# Each shape is tried once at the beginning of a run of its characters, and not at each of them: what a CRM
# says may be very long, and must not keep the daemon busy for minutes.
_SECRET_SHAPES: Final = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"\b(?:Bearer|Basic|OAuth)\s+[A-Za-z0-9._~+/!=-]{8,}", re.IGNORECASE),
    re.compile(r"\b00D[A-Za-z0-9]{12,15}![A-Za-z0-9._]{8,}"),  # a Salesforce session
    re.compile(r"\bpat-[a-z]{2,4}\d-[0-9a-fA-F-]{8,}"),  # a HubSpot private-app token
    re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),  # a JWT
    re.compile(
        r"(?<=[:/&?;,{\s\"'])(?:access_token|refresh_token|client_secret|password|security_token|assertion"
        r"|sessionId|sid)[\"']?\s*[=:>]\s*[\"']?[^\s\"'&<>,;}]{4,}",
        re.IGNORECASE,
    ),
    re.compile(r"(?<=://)[^/\s@:]+:[^/\s@]+(?=@)"),  # user and password in a URL
)
_PERSON_SHAPES: Final = (
    re.compile(r"(?<![\w.+%'-])[\w.+%'-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+"),
    re.compile(r"(?<![\w.])(?:\+|00)\d[\d ()/.-]{6,30}\d(?!\w)"),  # a telephone number
)


class Redactor:
    """Replaces what must not be read. `values`: secrets that are known, in whatever coding they turn up."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        forms = {form for value in values for form in _forms(value)}
        self._values = _any_of(forms)
        self._long = _any_of({form for form in forms if len(form) >= LONG})

    def known(self, text: str) -> str:
        """Without the secrets that are known and too long to be a word of something else."""
        return text if self._long is None else self._long.sub(HIDDEN, text)

    def secrets(self, text: str) -> str:
        """Without secrets."""
        if self._values is not None:
            text = self._values.sub(HIDDEN, text)
        for shape in _SECRET_SHAPES:
            text = shape.sub(HIDDEN, text)
        return text

    def all(self, text: str) -> str:
        """Without secrets and personal data."""
        text = self.secrets(text)
        for shape in _PERSON_SHAPES:
            text = shape.sub(PERSON, text)
        return text


def _any_of(texts: Set[str]) -> re.Pattern[str] | None:
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if texts else None


def _forms(value: str) -> set[str]:
    """How a secret may be written: as it is, in a URL, in JSON, in a repr, in base64."""
    plain = {value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], repr(value)[1:-1]}
    return plain | {base64.b64encode(value.encode()).decode().rstrip("=")}
