"""What configuration can get wrong: a list of problems, all reported at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where it is wrong, and what would be right.

    `where` is a file path or the name of an environment variable; `line` is 1-based and absent for
    variables. `expected` and `nearest` complete the sentence when they are known.
    """

    message: str
    where: str = ""
    line: int | None = None
    key: str = ""
    expected: str = ""
    nearest: str = ""

    def __str__(self) -> str:
        place = self.where if self.line is None else f"{self.where}:{self.line}"
        parts = [f"{place}: " if place else "", f"{self.key}: " if self.key else "", self.message]
        if self.expected:
            parts.append(f"; expected {self.expected}")
        if self.nearest:
            parts.append(f"; did you mean {self.nearest!r}?")
        return "".join(parts)


class ConfigError(Exception):
    """One or more problems in what the user gave us; exit code 2."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class NotSetUp(Exception):
    """There is no configuration yet; `mqlsync init` makes one. Exit code 10."""

    def __init__(self, searched: Sequence[str]) -> None:
        self.searched = tuple(searched)
        super().__init__(f"no mqlsync.toml in {', '.join(self.searched)}")


def nearest(word: str, choices: Iterable[str]) -> str:
    """The choice that looks most like `word`, or "" when none does."""
    found = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return found[0] if found else ""
