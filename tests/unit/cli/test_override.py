"""`person override` on two simulated CRMs: said, kept, told, obeyed and ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.test_on_sandbox import Site, made


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    for site in made(tmp_path, people=20):
        assert site.run("sync", "--dry-run").code == 0
        yield site


def test_said_kept_told_obeyed_and_ended(site: Site) -> None:
    people = site.json("people")["people"]
    who = next(one for one in people if one["stage"] == "lead" and not one["ambiguous"])["person_id"]
    said = ("--reason", "met her at the fair", "--until", "2099-01-01")
    answer = site.json("person", "override", who, "--mql", *said, "--by", "Ann")
    assert answer["override"]["verdict"] == "mql"
    assert (answer["override"]["until"], answer["override"]["by"]) == ("2099-01-01T00:00:00Z", "Ann")
    site.run("sync", "--dry-run")
    shown = site.json("person", "show", who)
    assert (shown["stage"], shown["mql"]["entered_by"]) == ("mql", "override")
    assert shown["override"]["reason"] == "met her at the fair"
    assert "an MQL by override of Ann until 2099-01-01" in site.run("person", "show", who).out
    assert "met her at the fair" in site.run("person", "explain", who).out
    (act,) = site.json("audit", who)["audit"]
    assert (act["action"], act["detail"]["by"]) == ("override", "Ann")
    cleared = site.json("person", "override", who, "--clear")
    assert cleared["override"] is None
    assert "override ended" in site.run("person", "timeline", who).out
    assert site.run("person", "override", who, "--clear").code == 7


def test_what_makes_no_sense(site: Site) -> None:
    who = site.json("people")["people"][0]["person_id"]
    until = ("--until", "2099-01-01")
    for given in (
        (),
        ("--mql",),
        ("--mql", "--reason", " ", *until),
        ("--mql", "--reason", "x", "--until", "2001-01-01"),
        ("--mql", "--reason", "x"),
        ("--mql", "--clear"),
        ("--mql", "--stage", "sql", "--reason", "x", *until),
        ("--stage", "squl", "--reason", "x", *until),
    ):
        assert site.run("person", "override", who, *given).code == 2, given
