"""What every table of mqlsync.toml has in common: strictness, and the kinds of values."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

DURATION_TEXT = re.compile(r"\s*(\d{1,9})\s*([smhd]?)\s*", re.ASCII)


def parse_duration(value: object) -> object:
    """`"90s"`, `"5m"`, `"24h"`, `"30d"` or a whole number of seconds → seconds (int)."""
    if isinstance(value, str):
        match = DURATION_TEXT.fullmatch(value)
        if match is None:
            raise ValueError('a duration looks like "90s", "5m", "24h" or "30d"')
        return int(match[1]) * _UNITS[match[2] or "s"]
    return value


Duration = Annotated[int, Strict(), BeforeValidator(parse_duration), Field(ge=0)]
"""Whole seconds; written as "5m" in TOML."""

Flag = Annotated[bool, Strict()]
"""`true` or `false`, nothing that looks like it."""

Count = Annotated[int, Strict(), Field(ge=1)]
"""A whole number, 1 or more."""

Share = Annotated[float, Strict(), Field(gt=0, le=1)]
"""A part of the whole: over 0, up to 1."""


class Section(BaseModel):
    """A table of mqlsync.toml: unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
