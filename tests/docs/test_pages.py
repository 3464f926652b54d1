"""Every page of docs/ that has commands is gone through from top to bottom, as its reader would."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.page import DOCS, differs, read
from tests.docs.shell import site_of, take

NOT_RUN = ("mqlsync run", "mqlsync demo", "mqlsync worker", "mqlsync db copy")
"""Commands that go on until somebody stops them, or need a PostgreSQL (tests/workers and tests/acceptance/
test_databases.py run those): the pages show them outside of console blocks."""
pytestmark = pytest.mark.sqlite("the pages show a mirror in a file")
PAGES = {page.name: page for page in map(read, sorted(DOCS.glob("**/*.md")))}


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if page.steps])
def test_a_page_does_what_it_says(name: str, tmp_path: Path) -> None:
    page = PAGES[name]
    for site in site_of(page, tmp_path):
        taken = take(page, site)
        wrong = []
        for number, (command, printed, code) in enumerate(taken):
            if differs(command.expected, printed):
                wrong.append(f"{name}:{command.line + 1}: $ {command.text}\n" + "\n".join(printed))
            following = taken[number + 1][0].text if number + 1 < len(taken) else ""
            if code and following != "echo $?" and command.text != "echo $?":
                wrong.append(
                    f"{name}:{command.line + 1}: $ {command.text}\nended with {code}, and the page is silent"
                )
        assert not wrong, "\n\n".join([*wrong, f"run: python -m tests.docs {name}"])


def test_every_command_of_the_pages_is_executed() -> None:
    """A call of mqlsync stands in a console block, unless it goes on until somebody stops it."""
    for name, page in PAGES.items():
        text = "\n".join(page.lines)
        for kind, block in re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE):
            for line in block.splitlines() if kind != "text" else ():  # text: what a command printed
                call = line.strip().removeprefix("$ ").removeprefix(".venv/bin/")
                if call.startswith("mqlsync ") and not call.startswith(NOT_RUN):
                    assert kind == "console", f"{name}: {line.strip()}"
