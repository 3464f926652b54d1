"""What the global options were given as, wherever on the command line they stood."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Globals:
    """`quiet`: only results and errors. `verbose`: details, and where an error came from."""

    config_dir: Path | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
