"""Writes what the commands of the pages really print: `python -m tests.docs [how-to/undo.md …]`.

Output that the page already tells, with its `…`, stays as it is.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.docs.page import DOCS, differs, read
from tests.docs.shell import site_of, take


def renew(path: Path) -> int:
    """Go through a page and put the outputs in; returns how many changed."""
    page = read(path)
    changed = 0
    with tempfile.TemporaryDirectory() as folder:
        for site in site_of(page, Path(folder)):
            for command, printed, code in reversed(take(page, site)):
                if not differs(command.expected, printed):
                    continue
                changed += 1
                indent = page.lines[command.line][: -len(page.lines[command.line].lstrip())]
                page.lines[command.first : command.end] = [(indent + line).rstrip() for line in printed]
                sys.stderr.write(f"{page.name}:{command.line + 1}: $ {command.text} (ended with {code})\n")
    path.write_text("\n".join(page.lines) + "\n", encoding="utf-8")
    return changed


if __name__ == "__main__":
    for name in sys.argv[1:] or [p.relative_to(DOCS).as_posix() for p in sorted(DOCS.glob("**/*.md"))]:
        renew(DOCS / name)
