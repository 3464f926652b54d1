"""The files that `mqlsync init` writes: commented, and working as they are."""

from __future__ import annotations

from importlib.resources import files


def template(name: str) -> str:
    """The text of a template, by the name of its file."""
    return (files(__name__) / name).read_text(encoding="utf-8")
