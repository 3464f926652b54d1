"""SQLite and PostgreSQL: the same history leaves the same rows, and `db copy` moves them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, text

from sync.cli.exits import ending
from sync.mirror import copying
from sync.mirror.copying import all_of, columns_of, tables
from sync.mirror.engine import Connection, Mirror
from sync.mirror.lease import Lease
from sync.mirror.moved import MOVED_TO, MirrorMoved, moved_to
from sync.mirror.pseudonyms import KEYS
from sync.mirror.runs import set_meta
from tests.acceptance.histories import long_history
from tests.acceptance.site import Site, made
from tests.postgres import Postgres
from tests.unit.cli.runner import run
from tests.world import SimulatedWorld

pytestmark = pytest.mark.sqlite("has both databases in one test")

PEOPLE = 30
FEW = 12
ELSEWHERE = {
    "lease": {"holder"},
    "audit": {"subject", "detail", "hash", "previous"},
    "audit_detail": {"salt"},
    "erased_mark": {"mark"},
    "data_copy": {"path"},
}
"""What tells of the process, or hangs on the secret and the salts of one mirror, and not of the history."""

GONE = {"archived", "merged_into", "converted_into"}

WORK_TABLES = {"sweep_id", "unshown"}
"""Hold rows only while something is under way."""


@contextmanager
def site_on(url: str, folder: Path, *, people: int = PEOPLE) -> Iterator[Site]:
    folder.mkdir()
    for site in made(folder, people=people, environ={"MQLSYNC_DATABASE_URL": url}):
        site.pair("ann@acme.example")
        yield site


def mirror_of(site: Site) -> Mirror:
    return Mirror(site.environ["MQLSYNC_DATABASE_URL"], SimulatedWorld())


def rows(mirror: Mirror) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in it but what tells of the process."""
    with mirror.read() as conn:
        return {table.name: _rows(conn, table) for table in tables()}


def _rows(conn: Connection, table: Table) -> list[tuple[Any, ...]]:
    names = [column.key for column in columns_of(table)]
    hidden = ELSEWHERE.get(table.name, set())
    found = []
    for row in conn.execute(all_of(table)):
        values = dict(zip(names, row, strict=True))
        if table.name != "meta" or values["key"] != KEYS:
            found.append(tuple(value for name, value in values.items() if name not in hidden))
    return found


def test_the_same_history_leaves_the_same_rows(tmp_path: Path, postgres: Postgres) -> None:
    """In every table that there is: one that the history does not fill is asked after."""
    urls = {"sqlite": f"sqlite:///{tmp_path}/one.db", "postgresql": postgres.borrow()}
    found = {}
    for name, url in urls.items():
        with site_on(url, tmp_path / name, people=FEW) as site:
            long_history(site)
            mirror = mirror_of(site)
            found[name] = rows(mirror)
            mirror.close()
    postgres.give_back(urls["postgresql"])
    for table, expected in found["sqlite"].items():
        assert found["postgresql"][table] == expected, table
    empty = {table for table, some in found["sqlite"].items() if not some}
    assert empty == WORK_TABLES, "histories.py leads to rows in each of the others"
    done = _values(found["sqlite"], "audit", "action")
    assert done >= {"approve", "write", "hand_off", "undo", "demote", "erase"}
    assert done >= {"override", "pause", "resume", "set_apart"}
    assert _values(found["sqlite"], "tombstone", "reason") == GONE


def _values(found: dict[str, list[tuple[Any, ...]]], table: str, column: str) -> set[Any]:
    (chosen,) = (one for one in tables() if one.name == table)
    names = [one.key for one in columns_of(chosen) if one.key not in ELSEWHERE.get(table, set())]
    return {row[names.index(column)] for row in found[table]}


@contextmanager
def emptied(postgres: Postgres) -> Iterator[str]:
    url = postgres.new_database()
    yield url
    postgres.drop(url)


def test_there_and_back(tmp_path: Path, postgres: Postgres) -> None:
    first, last = f"sqlite:///{tmp_path}/one.db", f"sqlite:///{tmp_path}/three.db"
    with emptied(postgres) as second, site_on(first, tmp_path / "site", people=30) as site:
        site.approved()
        before = mirror_of(site)
        expected = rows(before)
        site.environ["SECOND"] = second
        planned = site.json("db", "copy", f"{tmp_path}/one.db", "env:SECOND", "-n")
        assert (planned["dry_run"], planned["rows"] > 100) == (True, True)
        answer = site.json("db", "copy", first, "env:SECOND")
        assert {one["table"]: one["rows"] for one in answer["tables"]} == health_of(before)
        assert answer["rows"] == sum(one["rows"] for one in answer["tables"])
        before.close()
        late = site.pair("late@acme.example")
        _the_old_one_writes_no_more(site)

        site.environ["MQLSYNC_DATABASE_URL"] = second
        assert "whole" in site.ok("db", "verify").out
        moved = mirror_of(site)
        assert rows(moved) == {**expected, "lease": rows(moved)["lease"]}
        moved.close()
        entries = len(site.sandbox.ledger)
        site.sync()
        assert site.of_lead(late.lead)[0] == "MQL"
        assert {one.id for one in site.written(entries)} == {late.lead, late.contact}

        back = mirror_of(site)
        expected = rows(back)
        back.close()
        site.json("db", "copy", "env:SECOND", last)
        site.environ["MQLSYNC_DATABASE_URL"] = last
        assert "whole" in site.ok("db", "verify").out
        third = mirror_of(site)
        assert rows(third) == {**expected, "lease": rows(third)["lease"]}
        third.close()
        site.nothing_is_written()


def health_of(mirror: Mirror) -> dict[str, int]:
    """Rows per table, the mark of the copy not counted."""
    found = copying.count(mirror)
    return {**found, "meta": found["meta"] - 1}


def _the_old_one_writes_no_more(site: Site) -> None:
    entries = len(site.sandbox.ledger)
    ran = site.ok("sync", code=2)
    assert "was moved to postgresql+psycopg://" in ran.err
    assert site.written(entries) == []
    assert site.json("people")["people"], "it can still be read"


def filled(url: str) -> Mirror:
    mirror = Mirror(url, SimulatedWorld())
    mirror.migrate()
    with mirror.write() as conn:
        conn.execute(text("INSERT INTO meta VALUES ('here', 'already')"))
    return mirror


def test_a_filled_database_is_refused(tmp_path: Path, postgres: Postgres) -> None:
    with emptied(postgres) as url:
        filled(url).close()
        source = filled(f"sqlite:///{tmp_path}/one.db")
        target = Mirror(url, SimulatedWorld())
        with pytest.raises(copying.NotEmpty):
            copying.copy(source, target, SimulatedWorld())
        with source.read() as conn:
            assert moved_to(conn) is None
        assert Lease(source, SimulatedWorld(), 30, "sync").acquire() > 0
        source.close()
        target.close()


def test_a_copy_that_is_cut_leaves_nothing_and_is_made_again(tmp_path: Path, postgres: Postgres) -> None:
    world = SimulatedWorld()
    with emptied(postgres) as url:
        source, target = filled(f"sqlite:///{tmp_path}/one.db"), Mirror(url, world)

        def cut(*_: object) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            copying.copy(source, target, world, cut)
        assert sum(copying.count(target).values()) == 0
        with source.write() as conn:  # as if the plug was pulled after the mark and before the commit
            set_meta(conn, MOVED_TO, target.where)
        with pytest.raises(MirrorMoved):
            Lease(source, world, 30, "sync").acquire()
        done = copying.copy(source, target, world)
        assert {one.table: one.rows for one in done if one.rows} == {"lease": 1, "meta": 1}
        with target.read() as conn:
            assert moved_to(conn) is None
        assert Lease(target, world, 30, "sync").acquire() > Lease(source, world, 30, "x").epoch
        source.close()
        target.close()


def test_a_row_that_comes_back_different_stops_it(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with emptied(postgres) as url:
        source, target = filled(f"sqlite:///{tmp_path}/one.db"), Mirror(url, SimulatedWorld())
        target.migrate()
        with target.write() as conn:
            conn.execute(
                text(
                    "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS "
                    "$$ BEGIN NEW.value := 'spoiled'; RETURN NEW; END $$"
                )
            )
            conn.execute(
                text("CREATE TRIGGER spoil BEFORE INSERT ON meta FOR EACH ROW EXECUTE FUNCTION spoil()")
            )
        with pytest.raises(copying.Differs) as caught:
            copying.copy(source, target, SimulatedWorld())
        assert (caught.value.table, ending(caught.value).code) == ("meta", 1)
        assert sum(copying.count(target).values()) == 0
        with source.read() as conn:
            assert moved_to(conn) is None
        source.close()
        target.close()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("one.db", "postgresql+psycopg://m:c4n4ry@db/m"), "no password on the command line"),
        (("one.db", "env:NOWHERE"), "NOWHERE is not set"),
        (("nowhere.db", "two.db"), "there is no mirror at"),
        (("one.db", "one.db"), "the same database"),
        (("one.db", "mysql://db/m"), "no database that mqlsync speaks to"),
    ],
)
def test_what_cannot_be_copied(
    given: tuple[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    filled(f"sqlite:///{tmp_path}/one.db").close()
    ran = run("db", "copy", *given)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "c4n4ry" not in ran.err
