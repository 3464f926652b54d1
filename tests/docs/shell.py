"""A shell as the reader of a page has it: the configuration folder, its variables, two CRMs, `mqlsync`."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from sync.cli.main import main
from tests.acceptance.site import Site, made
from tests.docs import demo, scenes
from tests.docs.page import Command, Edit, Page, Scene

PLAIN = {"cp", "ls", "cat", "mkdir", "mv", "rm", "chmod", "head", "grep"}
"""Commands of the system that a page may use; they run in the configuration folder."""
FOLDER = "/home/ann/mqlsync"
"""What stands in the pages for the folder of the test."""
VARYING = (
    (r"127\.0\.0\.1:\d+", "127.0.0.1:…"),
    (r"[\d,.]+ [MGT]iB free", "… free"),
    (r"Python 3\.\d+\.\d+", "Python …"),
)
"""What differs from machine to machine."""


class Shell:
    """Takes the steps of a page, one after the other."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.code = 0

    def edit(self, step: Edit) -> None:
        """Change a file as the page says."""
        for old, new in step.pieces:
            if old:
                self.site.replace(old, new, step.file)
            else:
                path = self.site.folder / step.file
                path.parent.mkdir(exist_ok=True)
                with path.open("a", encoding="utf-8") as file:
                    file.write(new)

    def scene(self, step: Scene) -> None:
        """What happens meanwhile."""
        scenes.SCENES[step.name](self.site, *step.words)

    def run(self, text: str) -> list[str]:
        """The lines that a command prints, on a screen where both streams meet."""
        text, _, target = text.partition(" > ")
        words = shlex.split(self._real(text), comments=True)
        while words and re.fullmatch(r"MQLSYNC_\w+=.*", words[0]):
            raise ValueError("export variables on a line of their own")
        if words[:2] == ["echo", "$?"]:
            return [str(self.code)]
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            if name.removesuffix("_FILE") not in self.site.environ:  # else the sandbox's own is meant
                self.site.environ.setdefault(name, value)
            return []
        if words[0] in ("mqlsync", ".venv/bin/mqlsync"):
            printed = self._mqlsync(words[1:])
        elif words[0] in PLAIN and shutil.which(words[0]):
            done = subprocess.run(
                words, cwd=self.site.folder, capture_output=True, text=True, timeout=20, check=False
            )
            self.code, printed = done.returncode, done.stdout + done.stderr
        else:
            raise ValueError(f"the pages may not use {words[0]!r}")
        if target:
            (self.site.folder / target).write_text(printed, encoding="utf-8")
            return []
        return self._shown(printed).splitlines()

    def _mqlsync(self, words: list[str]) -> str:
        environ = {**self.site.environ, "MQLSYNC_CONFIG_DIR": str(self.site.folder)}
        screen, before = io.StringIO(), (sys.stdout, sys.stderr)
        sys.stdout = sys.stderr = screen
        try:
            with contextlib.chdir(self.site.folder):
                self.code = main(words, world=self.site.world, environ=environ)
        finally:
            sys.stdout, sys.stderr = before
        return screen.getvalue()

    def _real(self, text: str) -> str:
        text = text.replace(FOLDER, str(self.site.folder)).replace("~/mqlsync", str(self.site.folder))
        return re.sub(r"<(\w[\w ]*)>", lambda found: scenes.named(self.site, found[1]), text)

    def _shown(self, text: str) -> str:
        for pattern, word in VARYING:
            text = re.sub(pattern, word, text)
        return text.replace(str(self.site.folder), FOLDER)


def site_of(page: Page, folder: Path) -> Iterator[Site]:
    """The CRMs that the first line of a page asks for: `<!-- site people=200 -->`, `<!-- site demo -->`."""
    asked = re.fullmatch(r"<!-- site (?:(demo)|people=(\d+)) -->", page.lines[0])
    if asked and asked[1]:
        return demo.served(folder)
    return made(folder, people=int(asked[2]) if asked else 0)


def take(page: Page, site: Site) -> list[tuple[Command, list[str], int]]:
    """Take every step; for each command its output and the exit code it left."""
    shell = Shell(site)
    taken: list[tuple[Command, list[str], int]] = []
    for step in page.steps:
        if isinstance(step, Edit):
            shell.edit(step)
        elif isinstance(step, Scene):
            shell.scene(step)
        else:
            taken.append((step, shell.run(step.text), shell.code))
    return taken
