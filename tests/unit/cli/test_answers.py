"""Every JSON answer fits the reference: each key is told, of that kind, and none is missing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import reference
from tests.unit.cli import calls
from tests.unit.cli.runner import Unasked
from tests.unit.cli.test_on_sandbox import Site
from tests.unit.cli.told import faults, shapes

COMMANDS = {path.removeprefix("mqlsync ") for path, _ in reference.commands()}
LATER = {"approve", "apply", "reject", "person release"}
"""Asked below, on plans of their own."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Site]:
    """A site in which every command has something to report."""
    yield from calls.lived(tmp_path_factory.mktemp("answers"))


def test_every_command_that_answers_is_told() -> None:
    named = {name.partition(" --")[0] for name in shapes()}
    assert COMMANDS - named == set()
    assert named - COMMANDS == set()


@pytest.mark.sqlite("the same queries answer on either database; here it is about their keys")
def test_every_answer_is_like_its_example(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody is asked anything for it: what would be read from stdin is a failure."""
    monkeypatch.setattr(sys, "stdin", Unasked())
    told = shapes()
    words = calls.looking(site, tmp_path / "copy.db")
    assert COMMANDS - set(words) - LATER == calls.ANSWERLESS
    wrong = []
    for name, given in words.items():
        ran = site.run(*name.split(), *given, "--json")
        assert ran.out, f"{name} ended with {ran.code}: {ran.err}"
        answer = json.loads(ran.out)
        assert answer["schema_version"] == 1
        wrong += [f"{name} {fault}" for fault in faults(answer, told[name])]
    assert wrong == [], "\n".join(wrong)


@pytest.mark.sqlite("the same queries answer on either database; here it is about their keys")
def test_answers_about_plans_are_like_their_examples(site: Site) -> None:
    """A plan that is looked at, dropped, released, and refused as stale."""
    told, mql = shapes(), calls.who(site)["person_id"]
    wrong = []

    def asked(name: str, *given: str) -> str:
        ran = site.run(*name.split(), *given, "--json")
        answer = json.loads(ran.out)
        wrong.extend(f"{name} {fault}" for fault in faults(answer, told[name]))
        return str(answer.get("digest"))

    digest = asked("undo", mql)
    for name in ("approve", "apply", "reject"):
        asked(f"{name} --dry-run", digest)
    asked("reject", digest)
    asked("approve", asked("undo", mql))
    asked("person demote", mql, "--stage", "lead", "--reason", "a test", "--yes")
    assert wrong == [], "\n".join(wrong)


def test_the_comparison_sees_what_is_wrong() -> None:
    example = {
        "n": 1,
        "at": "…Z",
        "points": 24.7,
        "state": "ok|failed",
        "inner": [{"a": True}],
        "rows": {"x": 0},
    }
    good = {
        "n": 2, "at": "2026-11-02T10:00:00Z", "points": 3, "state": "failed", "inner": [{"a": False}],
        "rows": {"any name": 7},
    }  # fmt: skip
    assert list(faults(good, example)) == []
    for name, value in (
        ("n", 1.5), ("n", "1"), ("n", True), ("at", "2026-11-02T10:00:00+00:00"), ("at", "yesterday"),
        ("points", 0.12345), ("points", "3"), ("state", "fine"), ("inner", {}), ("inner", [{"b": 1}]),
        ("inner", [{}]), ("rows", {"x": "1"}),
    ):  # fmt: skip
        assert list(faults({**good, name: value}, example)), (name, value)
    assert list(faults({**good, "new": 1}, example)) == ["$.new is not told"]
    del good["n"]
    assert list(faults(good, example)) == ["$.n is not there"]
