"""What commands and stages are handed: the chosen real things, and the facts of a run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from config.settings import Settings
from config.world import World
from connectors.base import Connector
from scoring.model import Model
from sync.mirror.budget import MirrorBudget
from sync.mirror.engine import Mirror
from sync.mirror.unusable import DatabaseUnusable

log = logging.getLogger(__name__)


class Progress(Protocol):
    """Where a stage says how far it is; the command line draws it."""

    def step(self, what: str, done: int, total: int | None = None) -> None:
        """`done` of `total` (None: unknown) of `what` are finished."""
        ...


class Interrupted(Exception):
    """Somebody asked us to stop; raised by `Progress.step`, between two pages or batches."""


def plain_words(error: BaseException) -> tuple[int, list[str]]:
    """An error in words where nobody brought better ones. Its text is left out: it may hold anything."""
    return 1, [f"{type(error).__name__} ended it"]


def nobody(crm: str, crm_account: str) -> str:  # noqa: ARG001
    """Who else serves this account of a CRM, where one process serves one mirror."""
    return ""


class Silent:
    """Progress that nobody looks at."""

    def step(self, what: str, done: int, total: int | None = None) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class RunClock:
    """The moments of one run, epoch seconds, read once at its start.

    `now` stamps what the run does; `as_of` and `known_at` bound the engagements that are scored.
    """

    run_id: str
    now: int
    as_of: int
    known_at: int


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a stage may use. `models` are the live ones first, then the shadow ones, in file order."""

    settings: Settings
    world: World
    mirror: Mirror
    connectors: Mapping[str, Connector]
    models: Sequence[Model]
    run: RunClock
    mapping_hash: str = ""
    lease_epoch: int = 0
    progress: Progress = field(default_factory=Silent)
    taken_by: Callable[[str, str], str] = nobody
    """(CRM, its account) → the name of who serves it already; "" when nobody does."""


@dataclass(slots=True)
class App:
    """Everything that a command works with; close it when done."""

    settings: Settings
    world: World
    config_dir: Path
    mirror: Mirror
    models: Sequence[Model]
    mapping_hash: str
    connectors: dict[str, Connector] = field(default_factory=dict)
    budgets: list[MirrorBudget] = field(default_factory=list)
    heartbeat: bool = True  # renew the lease from a thread; tests in simulated time do without
    lease_epoch: int | None = None  # of the lease that this process holds for longer than one command
    words: Callable[[BaseException], tuple[int, list[str]]] = plain_words
    """An error → its exit code, and what to tell a person, one sentence a line."""
    redact: Callable[[str], str] = str
    """Takes our secrets out of what a CRM said: it may repeat them."""
    taken_by: Callable[[str, str], str] = nobody
    """(CRM, its account) → the name of who serves it already, so that we must not."""
    on_run: Callable[[str], object] = lambda run_id: None  # noqa: ARG005
    """Told the id of each run when it begins, and "" when it has ended."""
    model_files: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """What the models were read from: path → time of its last change, size."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def budget(self, crm: str) -> MirrorBudget:
        """A new budget of that account; what is left of it goes back when the app closes."""
        self.budgets.append(MirrorBudget(self.mirror, self.world, crm, self.settings.pull.reserve))
        return self.budgets[-1]

    def close(self) -> None:
        """Let go of connections to CRMs and database."""
        with ExitStack() as last:
            last.callback(self.mirror.close)
            for budget in self.budgets:
                last.callback(self._give_back, budget)
            for connector in self.connectors.values():
                last.callback(connector.close)

    def _give_back(self, budget: MirrorBudget) -> None:
        """What cannot be given back counts as spent; that hides nothing that went wrong before."""
        try:
            budget.close()
        except DatabaseUnusable as error:
            log.warning("unused calls were not given back: %s", type(error).__name__)
