"""Codes of what went wrong, as lists and alerts show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PREFIXES: Final[Mapping[str, str]] = {"salesforce": "SF", "hubspot": "HS"}


def prefixed(crm: str, code: str) -> str:
    """A code with its CRM in front."""
    return f"{PREFIXES.get(crm, crm.upper())}-{code}"
