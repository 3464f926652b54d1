"""What somebody may type to mean a person: an address, a person id, a record's id, or its URL in a CRM."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from connectors.records import RecordRef
from sync.core.identity import email_key

PERSON_ID: Final = re.compile(r"p_[a-z2-7]{16}")
SALESFORCE_ID: Final = re.compile(r"(00Q|003)[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?")
SALESFORCE_OBJECT: Final = {"00Q": "Lead", "003": "Contact"}
"""Key prefix of an id → object (Salesforce's fixed prefixes of standard objects)."""

HUBSPOT_PATH: Final = re.compile(r"/(?:contact|record/0-1)/(\d+)(?:/|$)")
HUBSPOT_ID: Final = re.compile(r"\d{1,20}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Exactly one of the three is set; all None: the text means nothing that we know."""

    person_id: str | None = None
    email_key: str | None = None
    record: RecordRef | None = None


def wanted(text: str) -> Wanted:
    """Read what was typed."""
    text = text.strip()
    if PERSON_ID.fullmatch(text):
        return Wanted(person_id=text)
    if "://" in text:
        return Wanted(record=_from_url(text))
    if SALESFORCE_ID.fullmatch(text):
        return Wanted(record=_salesforce(text))
    if HUBSPOT_ID.fullmatch(text):
        return Wanted(record=RecordRef("hubspot", "contacts", text))
    return Wanted(email_key=email_key(text))


def _from_url(text: str) -> RecordRef | None:
    try:
        path = urlsplit(text).path
    except ValueError:  # a broken IPv6 host
        return None
    for part in path.split("/"):
        if SALESFORCE_ID.fullmatch(part):
            return _salesforce(part)
    found = HUBSPOT_PATH.search(path)
    return RecordRef("hubspot", "contacts", found[1]) if found else None


def _salesforce(record_id: str) -> RecordRef:
    return RecordRef("salesforce", SALESFORCE_OBJECT[record_id[:3]], record_id)
