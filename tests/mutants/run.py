"""Make a mistake in a copy of the source, never in the source, and run the tests that should find it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from tests.mutants.mutations import Change, Mutation

PACKAGES = ("config", "connectors", "scoring", "sync", "tests", "benchmarks", "deploy")
FILES = ("pyproject.toml", "README.md")
PATIENCE = 900.0
"""Seconds that the tests of one mistake may take; more counts as found, for it hangs."""


FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


class Fate(StrEnum):
    """What became of a mistake."""

    KILLED = "killed"
    SURVIVED = "survived"
    STALE = "stale"  # the source has changed: the mistake cannot be made as it is written


@dataclass(frozen=True, slots=True)
class Found:
    """`told`: the test that found it, or what is wrong."""

    fate: Fate
    told: str


def stale(root: Path, mutation: Mutation) -> str:
    """Why the mistake cannot be made in this tree; "" when it can."""
    texts: dict[str, str] = {}
    for change in mutation.changes:
        text = texts.get(change.path) or (root / change.path).read_text(encoding="utf-8")
        times = text.count(change.old)
        if times != 1:
            return f"occurs {times} times in {change.path}: {change.old.strip()!r}"
        texts[change.path] = text.replace(change.old, change.new)
    return ""


class Lab:
    """A copy of the tree in a temporary folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = tempfile.TemporaryDirectory(prefix="mutants-")
        self._copy = Path(self._folder.name) / "tree"
        self._left_out: list[str] = []

    def __enter__(self) -> Self:
        unwanted = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
        for name in PACKAGES:
            if (self._root / name).is_dir():
                shutil.copytree(self._root / name, self._copy / name, ignore=unwanted)
        for name in FILES:
            shutil.copy(self._root / name, self._copy / name)
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def try_out(self, mutation: Mutation) -> Found:
        """Make the mistake, run the tests, take it back."""
        problem = stale(self._copy, mutation)
        if problem:
            return Found(Fate.STALE, f"CANNOT BE MADE: {problem}")
        paths = {change.path for change in mutation.changes}
        before = {path: (self._copy / path).read_text(encoding="utf-8") for path in paths}
        try:
            for change in mutation.changes:
                self._make(change)
            killer = self.killer(mutation.tests)
        finally:
            for path, text in before.items():
                self._write(path, text)
        return Found(Fate.KILLED, killer) if killer else Found(Fate.SURVIVED, "SURVIVED")

    def _make(self, change: Change) -> None:
        text = (self._copy / change.path).read_text(encoding="utf-8")
        self._write(change.path, text.replace(change.old, change.new))

    def _write(self, path: str, text: str) -> None:
        (self._copy / path).write_text(text, encoding="utf-8")
        compile(text, path, "exec")

    def look_at_unharmed(self, tests: Collection[str]) -> list[str]:
        """Run tests without any mistake; those that fail say nothing of mistakes and are left out from now
        on. Returns them."""
        done = self._pytest([*dict.fromkeys(tests)])
        self._left_out = FAILED.findall(done.stdout)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"pytest ended with {done.returncode}:\n{done.stdout[-3000:]}")
        return list(self._left_out)

    def killer(self, tests: Collection[str]) -> str:
        """The first of these tests that fails; "" when none does."""
        left_out = [word for name in self._left_out for word in ("--deselect", name)]
        try:
            done = self._pytest(["-x", *left_out, *tests])
        except subprocess.TimeoutExpired:
            return f"no end within {PATIENCE:.0f} s"
        if done.returncode == 0:
            return ""
        named = FAILED.search(done.stdout)
        if done.returncode not in (1, 2) or named is None:
            told = f"{done.stdout[-3000:]}{done.stderr[-1000:]}"
            raise RuntimeError(f"pytest ended with {done.returncode}:\n{told}")
        return str(named[1])

    def _pytest(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-B", "-m", "pytest", "-q", "-n0", "--no-header", "--tb=line"]
        argv += ["-p", "no:cacheprovider", "-p", "no:randomly", "-k", "not postgresql", *words]
        environ = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}
        environ["PYTHONPATH"] = str(self._copy)
        return subprocess.run(
            argv,
            cwd=self._copy,
            env=environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
