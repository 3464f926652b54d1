"""One name for one thing: the asset of an engagement, normalised so that two spellings meet."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

RULES_VERSION: Final = 1
"""Grows when `normalise` changes its answer for any input; stored keys of older rules are computed anew."""

_URL = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)


def normalise(asset: str | None) -> str:
    """URLs become host and path, case-folded, without query, fragment and trailing slash; names are
    trimmed and case-folded. Nothing becomes "".
    """
    text = (asset or "").strip()
    if not _URL.match(text):
        return text.casefold()
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:  # a broken IPv6 host, for example: it is then a name like any other
        return text.casefold()
    return f"{host}{parts.path}".rstrip("/").casefold()
