"""The README from top to bottom, as a new user types it: every command works and writes to no CRM."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.acceptance.site import made
from tests.docs.page import ROOT
from tests.docs.pictures import LEA
from tests.unit.cli.runner import run

pytestmark = pytest.mark.sqlite("the README shows a mirror in a file")


def typed() -> list[str]:
    """Every call of mqlsync that stands on a line of its own, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^ *\.venv/bin/mqlsync (.+)$", text, re.MULTILINE)


def test_the_two_commands_are_targets() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in ("demo", "test", "setup", "prove"):
        assert f"make {target}" in readme
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_every_command_works_and_writes_nothing_to_a_crm(tmp_path: Path) -> None:
    calls = typed()
    assert [call.split()[0] for call in calls] == ["init", "doctor", "sync", "people", "person", "plan"]
    for site in made(tmp_path):
        site.pair(LEA)
        site.world.advance(3600)
        before = len(site.sandbox.ledger)
        for call in calls:
            words = shlex.split(call.replace("~/mqlsync", str(tmp_path / "mqlsync")))
            words = [word.replace("somebody@example.com", LEA) for word in words]
            ran = run(*words, environ=site.environ, world=site.world)
            assert ran.code == 0, f"{call}: {ran.err}"
        assert len(site.sandbox.ledger) == before
