"""Lists on narrow and wide terminals: they fit, and what the next command needs is whole."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest
from rich.cells import cell_len

from sync.cli.main import main
from tests.unit.cli.runner import Terminal, Unasked
from tests.unit.cli.test_on_sandbox import Site, made

pytestmark = pytest.mark.sqlite("about the terminal")
LISTS = ("people", "runs", "budget", "audit", "sla")


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    for site in made(tmp_path_factory.mktemp("widths"), people=20):
        assert site.run("sync").code == 6
        assert site.run("approve", "--yes").code == 0
        yield site


@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_list_fits(synced: Site, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    addresses = {one["emails"][0] for one in synced.json("people")["people"] if one["emails"]}
    for name in LISTS:
        screen = Terminal()
        with monkeypatch.context() as patch:
            patch.setenv("COLUMNS", str(width))
            patch.setenv("NO_COLOR", "1")
            for stream, what in (("stdin", Unasked()), ("stdout", screen), ("stderr", Terminal())):
                patch.setattr(sys, stream, what)
            assert main([name], world=synced.world, environ=synced.environ) == 0
        lines = re.sub(r"\x1b\[\d*m", "", screen.getvalue()).splitlines()
        assert [line for line in lines if cell_len(line.rstrip()) > width] == [], name
        if name == "people":
            text = "".join(line.strip() for line in lines)
            assert [address for address in addresses if address not in text] == []
