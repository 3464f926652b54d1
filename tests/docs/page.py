"""A page of docs/ as the steps that its test takes.

    ```console        commands after `$ `, each followed by what it prints; `…` stands for any text, a line
                      of `…` alone for any lines
    ```diff           lines to take away and to add in the file that a comment before it names:
                      <!-- edit scoring.toml -->
    <!-- append mqlsync.toml -->    the fenced block that follows is added to that file
    <!-- scene NAME [words] -->     what happens meanwhile outside mqlsync: a function of scenes.py

Everything else is prose. The first line may say which CRMs: `<!-- site people=200 -->`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
ANY = "…"
COMMENT = re.compile(r"^<!-- (edit|append|scene) (.+?) -->$")


@dataclass(frozen=True)
class Command:
    """One line after `$ ` and what should follow; lines `first` to `end` of the page hold the output."""

    line: int
    text: str
    expected: tuple[str, ...]
    first: int
    end: int


@dataclass(frozen=True)
class Edit:
    """A change to a configuration file: pieces (old, new); an empty old appends."""

    line: int
    file: str
    pieces: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Scene:
    """Something that happens in the CRMs or to the clock."""

    line: int
    name: str
    words: tuple[str, ...]


Step = Command | Edit | Scene


@dataclass
class Page:
    """Its path, its lines and its steps."""

    path: Path
    lines: list[str]
    steps: list[Step] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As the test is called."""
        return self.path.relative_to(DOCS).as_posix()


def read(path: Path) -> Page:
    """Parse a page. Raises ValueError for a directive that leads nowhere."""
    page = Page(path, path.read_text(encoding="utf-8").splitlines())
    page.steps.extend(_steps(page.lines, page.name))
    return page


def _steps(lines: list[str], name: str) -> Iterator[Step]:
    wanted: tuple[str, str] | None = None
    number = 0
    while number < len(lines):
        line = lines[number].strip()
        found = COMMENT.match(line)
        fence = re.match(r"^```(\w*)$", line)
        if found and found[1] == "scene":
            words = found[2].split()
            yield Scene(number, words[0], tuple(words[1:]))
        elif found:
            wanted = (found[1], found[2])
        elif fence:
            end = next(n for n in range(number + 1, len(lines)) if lines[n].strip() == "```")
            indent = len(lines[number]) - len(lines[number].lstrip())
            block = [text[indent:] for text in lines[number + 1 : end]]
            if fence[1] == "console":
                yield from _commands(block, number + 1)
            elif wanted:
                yield _edit(wanted, block, number)
            elif fence[1] == "diff":
                raise ValueError(f"{name}:{number + 1}: which file does this diff change?")
            wanted = None
            number = end
        number += 1


def _commands(block: list[str], first: int) -> Iterator[Command]:
    starts = [n for n, line in enumerate(block) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(block)], strict=True):
        text, after = block[start][2:], start + 1
        while text.endswith("\\"):
            text, after = text[:-1] + block[after].strip(), after + 1
        yield Command(first + start, text, tuple(block[after:end]), first + after, first + end)


def _edit(wanted: tuple[str, str], block: list[str], line: int) -> Edit:
    how, file = wanted
    if how == "append":
        return Edit(line, file, (("", "\n".join(["", *block, ""])),))
    pieces: list[tuple[str, str]] = []
    old: list[str] = []
    new: list[str] = []
    for text in [*block, " "]:
        if text.startswith("-") and not new:
            old.append(text[1:])
        elif text.startswith("+"):
            new.append(text[1:])
        elif old or new:
            pieces.append(("\n".join(old), "\n".join(new)))
            old, new = ([text[1:]], []) if text.startswith("-") else ([], [])
    return Edit(line, file, tuple(pieces))


def differs(expected: tuple[str, ...], printed: list[str]) -> bool:
    """Whether the output is not what the page says."""
    pattern = ""
    for line in expected:
        if line.strip() == ANY:
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split(ANY)) + r"[ ]*\n"
    text = "".join(line.rstrip() + "\n" for line in printed)
    return re.fullmatch(pattern, text) is None
