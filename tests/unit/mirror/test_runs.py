"""Runs, facts about the mirror, and cursors."""

from __future__ import annotations

from connectors.records import Cursor, Feed, FeedKind
from sync.mirror import cursors, runs
from sync.mirror.engine import Mirror
from tests.unit.mirror.rows import Stamp


def test_a_run_without_an_end_is_running_and_then_was_killed(mirror: Mirror) -> None:
    with mirror.write() as conn:
        runs.begin_run(conn, Stamp("a", 1), "sync")
        runs.begin_run(conn, Stamp("b", 2), "sync")
        runs.finish_run(conn, "b", 5, {"outcome": "ok", "run_id": "b"})
        runs.begin_run(conn, Stamp("c", 3), "resync")
    with mirror.read() as conn:
        assert [(run.run_id, run.state) for run in runs.runs(conn)] == [
            ("c", "running"),
            ("b", "ok"),
            ("a", "killed"),
        ]
        last = runs.last_run(conn)
    assert last is not None
    assert (last.run_id, last.kind, last.finished_at) == ("c", "resync", None)
    with mirror.write() as conn:
        assert runs.close_killed(conn, but="c") == ["a"]
        assert runs.close_killed(conn, but="c") == []
        assert runs.runs(conn, limit=1)[0].state == "running"


def test_reports_are_kept(mirror: Mirror) -> None:
    with mirror.write() as conn:
        runs.begin_run(conn, Stamp("a", 1), "sync")
        runs.finish_run(conn, "a", 9, {"outcome": "partial", "pull": {"hubspot": {}}})
        (only,) = runs.runs(conn)
    assert (only.state, only.finished_at, only.report["pull"]) == ("partial", 9, {"hubspot": {}})


def test_facts_are_set_changed_listed_and_forgotten(mirror: Mirror) -> None:
    with mirror.write() as conn:
        assert runs.get_meta(conn, "a:1") is None
        runs.set_meta(conn, "a:1", "x")
        runs.set_meta(conn, "a:1", "y")
        runs.set_meta(conn, "a:2", "z")
        runs.set_meta(conn, "b", "n")
        assert runs.get_meta(conn, "a:1") == "y"
        assert runs.meta_like(conn, "a:") == {"1": "y", "2": "z"}
        runs.set_meta(conn, "a:1", None)
        assert runs.meta_like(conn, "a:") == {"2": "z"}


def test_cursors(mirror: Mirror) -> None:
    one = Feed("hubspot.contacts", "hubspot", "contacts", FeedKind.PEOPLE)
    two = Feed("salesforce.Lead", "salesforce", "Lead", FeedKind.PEOPLE)
    with mirror.write() as conn:
        assert cursors.load(conn, one) is None
        cursors.save(conn, one, Cursor(since_ms=5, until_ms=9, position="7"), 100, complete=True)
        cursors.save(conn, one, Cursor(since_ms=9, state='{"job":"1"}'), 200, complete=False)
        cursors.save(conn, two, Cursor(since_ms=1), 200, complete=False)
        stored = cursors.load(conn, one)
        assert stored == cursors.Stored(Cursor(since_ms=9, state='{"job":"1"}'), 200, 100)
        cursors.rewind(conn, one, 3, 300)
        rewound = cursors.load(conn, one)
        assert rewound is not None
        assert rewound.cursor == Cursor(since_ms=3)
        assert cursors.reset(conn, crm="salesforce", feed=None) == 1
        assert cursors.load(conn, two) is None
        assert cursors.reset(conn) == 1


def test_rewinding_never_goes_forward(mirror: Mirror) -> None:
    """Reading again "since yesterday" must not skip the week that was not read yet."""
    feed = Feed("hubspot.contacts", "hubspot", "contacts", FeedKind.PEOPLE)
    under_way = Cursor(until_ms=9, position="7")
    with mirror.write() as conn:
        cursors.rewind(conn, feed, 8, 300)
        assert cursors.load(conn, feed) is None, "never read: it begins at the beginning"
        cursors.save(conn, feed, under_way, 100, complete=False)
        cursors.rewind(conn, feed, 8, 300)
        assert cursors.load(conn, feed) == cursors.Stored(under_way, 100, None)
        cursors.save(conn, feed, Cursor(since_ms=5, until_ms=9, position="7"), 100, complete=False)
        cursors.rewind(conn, feed, 8, 300)
        stored = cursors.load(conn, feed)
    assert stored is not None
    assert stored.cursor == Cursor(since_ms=5)
