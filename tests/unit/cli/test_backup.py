"""A copy of the mirror, and going back to it: nothing is written to a CRM before somebody approves again."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from sync.mirror.engine import Mirror
from sync.mirror.lease import Lease, current_epoch
from tests.acceptance.site import Site, made
from tests.postgres import Postgres

of_a_file = pytest.mark.sqlite("a copied file; PostgreSQL has pg_dump and pg_restore")


@pytest.fixture
def site(tmp_path: Path, database: str) -> Iterator[Site]:
    """A site that writes unasked: a restore makes it ask all the same."""
    for site in made(tmp_path / "site"):
        site.unasked()
        yield site


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()


@of_a_file
def test_an_old_copy_writes_nothing_before_an_approval(site: Site, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    anna = site.pair("anna@acme.example")
    site.sync("--only", "pull,match,score,decide", after=3600)
    assert site.json("db", "backup", str(copy), "-n")["bytes"] > 0
    assert not copy.exists()
    assert site.json("db", "backup", str(copy))["bytes"] == copy.stat().st_size
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    site.sync()
    site.edit_lead(anna.lead, Status="New")  # a rep takes it back; the copy knows nothing of it all
    site.world.advance(3600)
    entries = len(site.sandbox.ledger)
    answer = site.json("db", "restore", str(copy))
    assert Path(answer["former"]).exists()
    assert site.json("db", "verify")["ok"]
    ben = site.pair("ben@acme.example")
    report = site.sync(code=6)
    assert report["outcome"] == "blocked"
    assert site.written(entries) == []
    site.ok("approve", "--yes")
    assert site.of_lead(ben.lead)[0] == "MQL"
    site.pair("carl@acme.example")
    assert site.sync()["write"]["verified"] > 0, "once approved, the settings hold again"


@of_a_file
def test_epochs_go_on_from_the_later_ones(site: Site, tmp_path: Path) -> None:
    site.ok("db", "backup", str(tmp_path / "copy.db"))
    mirror = Mirror(site.environ["MQLSYNC_DATABASE_URL"], site.world)
    for _ in range(3):
        with Lease(mirror, site.world, 30, "sync").held():
            pass
    with mirror.read() as conn:
        before = current_epoch(conn)
    mirror.close()
    site.ok("db", "restore", str(tmp_path / "copy.db"))
    with Lease(mirror, site.world, 30, "sync").held() as epoch:
        assert epoch > before
    mirror.close()


@of_a_file
def test_a_copy_never_replaces_a_file(site: Site, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("mine")
    assert "exists already" in site.ok("db", "backup", str(tmp_path / "copy.db"), code=2).err
    assert (tmp_path / "copy.db").read_text() == "mine"
    assert list(tmp_path.glob("*.part")) == []


@of_a_file
def test_no_restore_under_somebody_at_work(site: Site, tmp_path: Path) -> None:
    site.ok("db", "backup", str(tmp_path / "copy.db"))
    mirror = Mirror(site.environ["MQLSYNC_DATABASE_URL"], site.world)
    with Lease(mirror, site.world, 30, "daemon").held():
        site.ok("db", "restore", str(tmp_path / "copy.db"), code=11)
    mirror.close()


@of_a_file
@pytest.mark.parametrize("kind", ["text", "other", "cut", "none"])
def test_what_is_no_whole_mirror_is_not_put_back(site: Site, tmp_path: Path, kind: str) -> None:
    site.pair("anna@acme.example")
    site.sync("--only", "pull,match", after=3600)
    copy = tmp_path / "copy.db"
    if kind == "text":
        copy.write_text("no database at all, but long enough to be looked at" * 100)
    elif kind == "other":
        other = sqlite3.connect(copy)
        other.execute("CREATE TABLE x (y)")
        other.close()
    elif kind == "cut":
        site.ok("db", "backup", str(copy))
        copy.write_bytes(copy.read_bytes()[: copy.stat().st_size // 2])
    ran = site.run("db", "restore", str(copy))
    assert ran.code == (2 if kind == "none" else 12), ran.err
    assert str(copy) in ran.err
    assert len(site.json("people")["people"]) == 1, "the mirror is as it was"


@of_a_file
def test_a_damaged_mirror_can_be_put_back(site: Site, tmp_path: Path) -> None:
    site.pair("anna@acme.example")
    site.sync("--only", "pull,match", after=3600)
    site.ok("db", "backup", str(tmp_path / "copy.db"))
    path = site.folder / "mirror.db"
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    path.write_bytes(b"garbage" * 10_000)
    site.ok("status", code=12)
    site.ok("db", "restore", str(tmp_path / "copy.db"))
    assert len(site.json("people")["people"]) == 1
    assert (site.folder / "mirror.db.before-restore").read_bytes().startswith(b"garbage")


@of_a_file
def test_what_was_on_its_way_in_the_copy_is_read_back_and_not_sent_again(site: Site, tmp_path: Path) -> None:
    """The copy was made in the moment before a write was answered; the write has long arrived."""
    copy = tmp_path / "copy.db"
    anna = site.pair("anna@acme.example")

    def back_up() -> None:
        site.ok("db", "backup", str(copy))

    site.before_write("salesforce", back_up)
    site.sync(after=3600)
    assert site.of_lead(anna.lead)[0] == "MQL"
    with sqlite3.connect(copy) as conn:
        states = [row[0] for row in conn.execute("SELECT state FROM intent WHERE crm = 'salesforce'")]
    conn.close()
    assert set(states) == {"sent"}
    entries = len(site.sandbox.ledger)
    site.ok("db", "restore", str(copy))
    report = site.last(site.run("sync", "--json"))
    assert site.written(entries) == [], "nothing is written before an approval"
    assert report["write"]["verified"] >= len(states), "what had arrived is proved by reading"
    site.run("approve", "--yes")
    assert not [entry for entry in site.written(entries) if entry.id == anna.lead], "nor written twice"


@contextmanager
def put_back(site: Site, tmp_path: Path, postgres: Postgres | None) -> Iterator[Callable[[], None]]:
    """Copies the mirror as other tools do; what is given puts the copy in its place."""
    url = make_url(site.environ["MQLSYNC_DATABASE_URL"])
    if postgres is None:
        assert url.database is not None
        shutil.copy(url.database, tmp_path / "copy.db")
        yield lambda: _in_place(tmp_path / "copy.db", Path(str(url.database)))
        return
    copy = postgres.new_database(str(url.database))
    yield lambda: site.environ.update(MQLSYNC_DATABASE_URL=copy)
    postgres.drop(copy)


def _in_place(copy: Path, mirror: Path) -> None:
    for suffix in ("-wal", "-shm"):
        Path(f"{mirror}{suffix}").unlink(missing_ok=True)
    shutil.copy(copy, mirror)


def test_a_copy_that_other_tools_put_back_writes_nothing_before_an_approval(
    site: Site, tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    anna = site.pair("anna@acme.example")
    site.sync("--only", "pull,match,score,decide", after=3600)
    with put_back(
        site, tmp_path, request.getfixturevalue("postgres") if database == "postgresql" else None
    ) as go_back:
        site.sync()
        site.edit_lead(anna.lead, Status="New")  # a rep takes it back; the copy knows nothing of it all
        site.world.advance(3600)
        entries = len(site.sandbox.ledger)
        go_back()
        planned = site.json("db", "restored", "-n")
        said = site.json("db", "restored")
        assert (planned["dry_run"], said["dry_run"]) == (True, False)
        assert planned["open_changes"] == said["open_changes"] > 0
        assert site.sync(code=6)["outcome"] == "blocked"
        assert site.written(entries) == []
        mirror = Mirror(site.environ["MQLSYNC_DATABASE_URL"], site.world)
        with Lease(mirror, site.world, 30, "daemon").held() as epoch:
            assert epoch > 1_000_000, "no former holder of the lease has this number"
            site.ok("db", "restored", code=11)
        mirror.close()
