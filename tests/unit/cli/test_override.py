"""`person override` on two simulated CRMs: said, kept, told, obeyed and ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from sync.mirror import outbox
from sync.mirror.engine import Mirror
from tests.unit.cli.test_on_sandbox import Site, made


@pytest.fixture
def site(tmp_path: Path, database: str) -> Iterator[Site]:
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


def test_what_gave_way_to_an_edit_is_released(site: Site) -> None:
    assert site.run("sync").code == 6
    mirror = Mirror(site.environ["MQLSYNC_DATABASE_URL"], site.world)
    with mirror.write() as conn:
        table = outbox.INTENT
        row = conn.execute(select(table).where(table.c.policy == "last_supplied").limit(1)).one()
        gave_way = {"state": "superseded", "why": "human"}
        conn.execute(update(table).where(table.c.id == row.id).values(**gave_way))
    mirror.close()
    assert site.run("person", "release", row.person_id).code == 2
    assert site.run("person", "release", row.person_id, "--field", "Stauts", "--reason", "x").code == 7
    answer = site.json("person", "release", row.person_id, "--reason", "agreed with sales")
    assert [(one["id"], one["field"]) for one in answer["released"]] == [(row.record_id, row.field)]
    acts = [one for one in site.json("audit", row.person_id)["audit"] if one["action"] == "release"]
    assert [one["detail"]["reason"] for one in acts] == ["agreed with sales"]
    assert site.run("person", "release", row.person_id, "--reason", "again").code == 7
