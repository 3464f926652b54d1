"""A shell completes commands, options and values: what it asks the command, in the words of each shell."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.runner import run

ROOT = Path(__file__).resolve().parents[3]
MAIN = [sys.executable, "-m", "sync.cli.main"]
pytestmark = pytest.mark.sqlite("about the command line")
Asks = Callable[[str, str], str]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Asks:
    """What the command answers when a shell wants the end of a line completed."""
    from sync.cli.main import main

    def ask(shell: str, line: str) -> str:
        environ = {
            "_MQLSYNC_COMPLETE": f"complete_{shell}",
            "COMP_WORDS": line,
            "COMP_CWORD": str(line.count(" ")),
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit):
            main([])
        told = capsys.readouterr()
        assert told.err == ""
        return told.out

    return ask


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_values_are_completed_in_every_shell(asked: Asks, shell: str) -> None:
    answer = asked(shell, "mqlsync people --stage m")
    assert "mql" in answer
    assert "subscriber" not in answer


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("mqlsync re", ["reject", "resync", "reconcile", "resume"]),
        ("mqlsync person e", ["explain"]),
        ("mqlsync sync --fu", ["--full"]),
        ("mqlsync resync --crm h", ["hubspot"]),
        ("mqlsync pause salesforce.L", ["salesforce.Lead"]),
        ("mqlsync demo --break k", ["kill9"]),
    ],
)
def test_commands_options_and_words_are_completed(asked: Asks, line: str, words: list[str]) -> None:
    assert asked("bash", line).split() == words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_in_the_words_of_its_shell(shell: str) -> None:
    ran = run("completion", shell)
    assert (ran.code, ran.err) == (0, "")
    assert f"_MQLSYNC_COMPLETE=complete_{shell}" in ran.out


def test_another_shell_is_told_which_there_are() -> None:
    ran = run("completion", "fisch")
    assert ran.code == 2
    assert "did you mean 'fish'?" in ran.err


def test_bash_takes_the_script_and_completes(tmp_path: Path) -> None:
    command = tmp_path / "mqlsync"
    call = f'#!/bin/sh\ncd {shlex.quote(str(ROOT))} && exec {shlex.join(MAIN)} "$@"\n'
    command.write_text(call, encoding="utf-8")
    command.chmod(0o755)
    script = run("completion", "bash").out
    typed = "COMP_WORDS=(mqlsync pl); COMP_CWORD=1; _mqlsync_completion mqlsync; echo ${COMPREPLY[@]}"
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{typed}"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["plan"]
