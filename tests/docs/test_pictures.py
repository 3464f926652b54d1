"""The pictures of the README show what the commands print today, and load nothing from elsewhere."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests.docs.pictures import FOLDER, STORY, drawn
from tests.test_docs import TEXTS

pytestmark = pytest.mark.sqlite("the pictures show a mirror in a file")


def test_every_picture_is_what_its_command_prints() -> None:
    kept = {file.stem: settled(file.read_text(encoding="utf-8")) for file in FOLDER.glob("*.svg")}
    now = {name: settled(text) for name, text in drawn().items()}
    assert now == kept, "run: python -m tests.docs.pictures"


def settled(text: str) -> str:
    """Without what every change to pulling changes: how many calls it took, and how many seconds."""
    text = re.sub(r"(calls&#160;today:|as&#160;of)[^<]*", r"\1", text)
    return re.sub(r'textLength="[^"]*"', "", text)


def test_every_picture_is_shown_and_loads_nothing() -> None:
    shown = set(re.findall(r"pictures/([a-z]+)\.svg\)", "".join(TEXTS.values())))
    assert shown == {picture.name for picture in STORY}
    for file in FOLDER.glob("*.svg"):
        text = file.read_text(encoding="utf-8")
        ElementTree.fromstring(text)
        assert re.findall(r"https?://[^\s\"]+", text) == ["http://www.w3.org/2000/svg"]
        assert "mqlsync-" in text
