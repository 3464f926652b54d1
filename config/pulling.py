"""The settings of pulling: what is read, how much of it, how often."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from config.section import Duration, Flag, Section, Share

Fields = Literal["needed", "all"]
"""How many fields of a record are read."""


class PulledObject(Section):
    """One object, by CRM and API name, such as `[pull.objects."salesforce.EmailMessage"]`."""

    on: Flag | None = None
    """Whether it is pulled; unset: as shipped. What was pulled before stays as it was."""
    fields: Fields | None = None
    """Which fields are read, of this object alone; unset: `pull.fields`."""
    every: Duration = 0
    """At least so long between two pulls of it; 0: at every pull."""
    people: tuple[str, ...] = ()
    """Of a custom object: the fields that name the person; unset: its look-ups to Contact, then Lead."""


class PullSettings(Section):
    """What is pulled."""

    fields: Fields = "needed"
    """`needed`: fields that matching, model, mapping or write-back use; `all`: every readable field."""
    reserve: Annotated[float, Strict(), Field(ge=0, lt=1)] = 0.2
    """Share of the daily calls that pulling leaves for writing and for others."""
    sweep_limit: Share = 0.05
    """A sweep that would mark more than this share of an object as gone stops and asks."""
    overlap: dict[str, Duration] = Field(default={})
    """Per feed name: how much to read again before the last cursor, over the built-in overlap."""
    refresh_calculated: Duration = 86_400
    """How often all is read again for formula fields that are used: they move no time stamp. 0: never."""
    objects: dict[str, PulledObject] = Field(default={})
    """`[pull.objects."salesforce.Opportunity"]`: what differs for one object."""
