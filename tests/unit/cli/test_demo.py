"""`demo` as a whole: what it says to a program, what it never deletes, what its ledger is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sync.demo.judgement import judge
from sync.demo.telling import Edit
from tests.unit.cli.runner import run

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.sqlite("the demo brings its own mirror in a file")


def test_a_demo_over_a_limit_gives_the_word_itself_and_answers_in_json(tmp_path: Path) -> None:
    """With a hundred people the share of people is looked at, so a plan waits in the middle of the story."""
    ended = subprocess.run(
        [sys.executable, "-m", "sync.cli.main", "demo", "--people", "100", "--days", "14", "--json"],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["people"], told["break"], told["environment"]) == (100, None, None)
    judged = told["judgement"]
    assert judged["written"] > 50
    assert (judged["created_deleted_merged"], judged["written_twice"]) == (0, 0)
    assert judged["edits"] == judged["edits_standing"] > 2
    assert judged["written"] == judged["verified"] + judged["edits_covered"]
    assert "7. What the CRMs' own ledger says" in ended.stderr
    assert (Path(told["folder"]) / "mirror.db").is_file()


def test_a_folder_with_anything_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work", encoding="utf-8")
    ran = run("demo", "--folder", str(tmp_path))
    assert (ran.code, ran.out) == (2, "")
    assert "holds something else than a demo" in ran.err
    real = tmp_path / "real"
    assert run("init", "--config-dir", str(real)).code == 0
    assert run("demo", "--folder", str(real)).code == 2
    assert run("demo", "--folder", str(tmp_path / "thesis.txt")).code == 2
    assert (real / "mqlsync.toml").is_file()


def entry(author: str, before: str | None, after: str, field: str = "hs_lead_status") -> dict[str, Any]:
    return {
        "crm": "hubspot", "object": "contacts", "id": "101", "field": field, "before": before,
        "after": after, "author": author,
    }  # fmt: skip


EDIT = Edit("hubspot", "contacts", "101", {"hs_lead_status": "IN_PROGRESS"})


def test_the_judge_counts_what_was_covered_for_a_moment() -> None:
    ledger = [
        entry("person", "NEW", "IN_PROGRESS"),
        entry("worker", "IN_PROGRESS", "OPEN"),
        entry("worker", "OPEN", "IN_PROGRESS"),
    ]
    found = judge(ledger, [EDIT], [EDIT], verified=1)
    assert found.kept
    assert (found.written, found.edits_covered, found.written_twice) == (2, 1, 0)


def test_the_judge_sees_every_broken_promise() -> None:
    written = entry("worker", "NEW", "OPEN")
    assert judge([written, written], [], [], 2).written_twice == 1
    assert judge([entry("worker", None, "101", "#created")], [], [], 0).created_deleted_merged == 1
    for broken in (
        judge([written, written], [], [], 2),
        judge([entry("worker", None, "101", "#created")], [], [], 0),
        judge([written], [EDIT], [], 1),
    ):
        assert not broken.kept
