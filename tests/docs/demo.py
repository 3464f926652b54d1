"""The reader of the tutorial: `mqlsync demo --serve` in one terminal, commands in another."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from config.world import RealWorld
from tests.acceptance.site import Site
from tests.docs.page import ROOT

PEOPLE = 300
"""As many as the tutorial says; the names in it are those of this number and the default seed."""
MAIN = "import sys; from sync.cli.main import main; sys.exit(main(sys.argv[1:]))"
LAST_VARIABLE = "MQLSYNC_HUBSPOT__ACCESS_TOKEN"


class DemoSite(Site):
    """The folder and the variables that the demo has left."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder, self.environ = folder, environ
        self.world = RealWorld()  # type: ignore[assignment]


def served(folder: Path) -> Iterator[DemoSite]:
    """The demo as a process of its own, until the block ends."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("MQLSYNC_")}
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "demo", "--serve", "--people", str(PEOPLE)],
        cwd=folder,
        env={**environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield DemoSite(folder / "demo-data", _exports(process))
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) in (0, 130)
        if process.stdout:
            process.stdout.close()


def _exports(process: subprocess.Popen[str]) -> dict[str, str]:
    """The variables that the demo tells its reader to export."""
    found: dict[str, str] = {}
    for line in process.stdout or ():
        told = re.search(r"export (MQLSYNC_\w+)=(\S+)", line)
        if told:
            found[told[1]] = told[2]
        if LAST_VARIABLE in found:
            return found
    raise AssertionError(f"the demo ended with {process.wait()}")
