"""The shell completes commands, and is told how."""

from __future__ import annotations

import os
import subprocess
import sys

MAIN = [sys.executable, "-c", "from sync.cli.main import app; app(prog_name='mqlsync')"]


def asked(*argv: str, **environ: str) -> str:
    """What the command prints for a shell."""
    done = subprocess.run(
        [*MAIN, *argv], env={**os.environ, **environ}, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout


def test_commands_are_completed() -> None:
    words = {"_MQLSYNC_COMPLETE": "complete_bash", "COMP_WORDS": "mqlsync re", "COMP_CWORD": "1"}
    assert asked(**words).split() == ["reject", "resync", "reconcile", "resume"]


def test_the_script_for_a_shell_is_shown() -> None:
    assert "_MQLSYNC_COMPLETE=complete_bash" in asked("--show-completion", "bash")
