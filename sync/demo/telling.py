"""What the demo is asked for, whom it tells its story, and what people do in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sync.context import Progress


class Narrator(Protocol):
    """Who tells the story; the command line draws it."""

    @property
    def progress(self) -> Progress:
        """Where stages say how far they are."""
        ...

    def chapter(self, title: str) -> None:
        """A new part of the story."""
        ...

    def say(self, text: str) -> None:
        """One plain sentence."""
        ...

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[object]], numbers: Sequence[str] = ()
    ) -> None:
        """Something to look at; columns called `numbers` hold such."""
        ...

    def result(self, value: Mapping[str, Any]) -> None:
        """What it came to, for a program to read; the last thing that is told."""
        ...


class DemoFailed(RuntimeError):
    """The demo did not end as it should have: what the ledger or a run said."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """How large, how long, and where the mirror and the configuration of the demo go."""

    folder: Path = Path("demo-data")
    seed: int = 7
    people: int = 2000
    days: int = 365
    serve: bool = False
    breaks: str = ""  # a name of `BREAKS`: how the first plan's writing is disturbed


@dataclass(frozen=True, slots=True)
class Edit:
    """What a person did to a record in a CRM, and must still be there at the end."""

    crm: str
    object: str
    id: str
    fields: Mapping[str, str]

    @property
    def told(self) -> str:
        """In words."""
        values = ", ".join(f"{name} = {value}" for name, value in self.fields.items())
        return f"{self.crm} {self.object} {self.id}: {values}"
