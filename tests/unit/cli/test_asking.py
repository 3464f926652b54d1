"""Nobody is asked anything that a flag cannot say, and without a terminal nobody is asked at all."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.cli.main import main
from tests import reference
from tests.unit.cli.runner import Asked, Ran, Terminal, Unasked
from tests.unit.cli.test_on_sandbox import Site, made

ROOT = Path(__file__).resolve().parents[3]
CLI = ROOT / "sync" / "cli"
READERS = {"confirm", "prompt", "input", "getpass", "getchar"}
"""Functions that wait for somebody to type something."""
ASKING = {"setup.py": ["init"], "check.py": ["doctor"], "plans.py": ["apply", "approve", "reject"]}
"""Modules that ask, and their commands that do; each has the flag that answers for whoever runs it."""
pytestmark = pytest.mark.sqlite("about the command line")


def called(path: Path) -> set[str]:
    """Names of everything that a module calls."""
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return {one.attr if isinstance(one, ast.Attribute) else getattr(one, "id", "") for one in calls}


def test_one_module_asks_and_three_let_it() -> None:
    waiting = {path.name for path in (ROOT / "sync").rglob("*.py") if called(path) & READERS}
    assert waiting == {"asking.py"}
    users = {path.name for path in CLI.glob("*.py") if called(path) & {"agreed", "on_terminal", "guide"}}
    assert users - {"asking.py"} == set(ASKING)


def test_each_question_has_its_flag() -> None:
    commands = {path.removeprefix("mqlsync "): command for path, command in reference.commands()}
    for name in (name for names in ASKING.values() for name in names):
        options = {option for param in commands[name].params for option in param.opts}
        assert {"--yes", "-y"} <= options, name


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Site]:
    """A site with a plan that waits."""
    for site in made(tmp_path, people=20):
        assert site.run("sync").code == 6
        yield site


def typed(site: Site, monkeypatch: pytest.MonkeyPatch, *argv: str, said: Terminal) -> Ran:
    """One call on a terminal at which somebody says that."""
    streams = (said, Terminal(), Terminal())
    for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
        monkeypatch.setattr(sys, name, stream)
    try:
        code = main(list(argv), world=site.world, environ=site.environ)
    finally:
        monkeypatch.undo()
    return Ran(code, streams[1].getvalue(), streams[2].getvalue())


def test_a_plan_is_let_out_only_after_yes_or_a_flag(waiting: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site, ledger = waiting, len(waiting.sandbox.ledger)
    digest = site.json("plan")["digest"]
    for verb in ("approve", "apply", "reject"):
        for answer in ("n\n", "\n", ""):
            ran = typed(site, monkeypatch, verb, digest, said=Terminal(answer))
            assert (ran.code, ran.out.strip()) == (130, "")
            assert "Go on? [y/N]" in ran.err
            assert "Nothing was done." in ran.err
    wrong = typed(site, monkeypatch, "approve", "--confirm", "1000000", said=Unasked())
    assert wrong.code == 2
    assert len(site.sandbox.ledger) == ledger
    changes = len(site.json("plan")["changes"])
    assert typed(site, monkeypatch, "approve", "--confirm", str(changes), said=Unasked()).code == 0


@pytest.mark.parametrize("given", ["--yes", "yes"])
def test_yes_is_said_by_a_flag_or_a_person(
    waiting: Site, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    flags, said = ([given], Unasked()) if given.startswith("-") else ([], Terminal("y\n"))
    assert typed(waiting, monkeypatch, "reject", *flags, said=said).code == 0


def test_a_closed_stdin_is_nobody_to_ask(waiting: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert waiting.run("reject").code == 0
    probe = waiting.run("doctor", "--probe", "--record", "hubspot.contacts.101")
    assert probe.code == 2
    assert "Say --yes" in probe.err
    assert waiting.run("init").code == 0


def test_the_keyboard_of_these_tests_tells() -> None:
    with pytest.raises(Asked):
        Unasked().readline()


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_streams_that_were_closed_before_are_no_error(closed: str, tmp_path: Path) -> None:
    call = f'exec "{sys.executable}" -m sync.cli.main init --config-dir "{tmp_path}" {closed}'
    ended = subprocess.run(
        ["sh", "-c", call], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    assert (tmp_path / "mqlsync.toml").is_file()
