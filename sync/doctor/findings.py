"""What `doctor` finds and whom it looks at. A check is one function of a patient that yields findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from config.errors import Problem
from config.settings import Settings
from config.world import World
from connectors.base import Connector
from connectors.records import Identity
from scoring.model import Model
from sync.mirror.engine import Mirror
from sync.reports import EXIT_PRECEDENCE


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. An error has a remedy and the exit code that it causes."""

    check: str
    level: Level
    message: str
    remedy: str = ""
    crm: str = ""
    exit_code: int = 0

    def to_json(self) -> dict[str, Any]:
        """As it stands in `doctor --json`."""
        return {
            "check": self.check,
            "crm": self.crm or None,
            "level": self.level.value,
            "message": self.message,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class Patient:
    """Everything that is looked at."""

    settings: Settings
    config_dir: Path
    world: World
    mirror: Mirror
    connectors: Mapping[str, Connector]
    models: Sequence[Model]
    environ: Mapping[str, str] = field(default_factory=dict)
    unknown_variables: Sequence[Problem] = ()


Check = Callable[[Patient], Iterator[Finding]]
CrmCheck = Callable[[Patient, Connector, Identity], Iterator[Finding]]


def exit_code(findings: Sequence[Finding]) -> int:
    """The exit code of a report: the gravest of its errors."""
    codes = {one.exit_code for one in findings if one.level is Level.ERROR}
    return next((code for code in EXIT_PRECEDENCE if code in codes), 0)
