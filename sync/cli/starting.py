"""The two files that `init` writes: which are missing, writing them whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from config import paths
from config.templates import template

FILES: Final = (paths.SETTINGS_FILE, paths.MODEL_FILE)


def mine_to_write(path: Path, *, force: bool) -> bool:
    """Whether a file of that name is to be written: there is none, or it may be replaced."""
    return force or not path.exists()


def untouched(path: Path) -> bool:
    """Whether the file is there and still as its template: nobody has put anything into it yet."""
    try:
        return path.read_bytes() == template(path.name).encode()
    except OSError:
        return False


def write(path: Path, text: str, *, keep_old: bool = True) -> None:
    """Write a file that only its owner may read; whoever looks sees the old one or the new one, whole.

    `keep_old`: one that is replaced is kept as FILE.old.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    if keep_old and path.exists():
        path.replace(path.with_name(f"{path.name}.old"))
    new.replace(path)


def option_for(folder: Path) -> str:
    """What to add to a command so that it finds the folder: nothing in the folder itself."""
    return "" if folder == Path.cwd() else f" --config-dir {folder}"
