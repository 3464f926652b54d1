"""Text that came from a CRM or a file, made harmless for whoever shows it: one plain line."""

from __future__ import annotations

import re
from typing import Final

CONTROLS: Final = (
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1: cursor movement, colours, bells, window titles
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # writing direction: text that reads other than it is
    "\u2028\u2029"  # line ends that no one expects
    "\ufeff\ufff9-\ufffb"
    "\ud800-\udfff"  # halves of characters, which no output can encode
)
"""The harmful characters, as they stand in a set of a regular expression."""
_SPACING = re.compile(r"[\t\r\n\x0b\x0c\x85\u2028\u2029]+")
HARMFUL = re.compile(f"[{CONTROLS}]")


def clean(text: str) -> str:
    """The text on one line without control characters; what is printable stays as it is."""
    return HARMFUL.sub("", _SPACING.sub(" ", text))
