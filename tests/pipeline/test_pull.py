"""Pull over dict CRMs: nothing lost, nothing twice, and every trouble has its name and exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from connectors.errors import (
    AuthFailed,
    BrokenReply,
    Conflict,
    ConnectorError,
    Fatal,
    NotOffered,
    QuotaSpent,
    RecordRejected,
    Retriable,
    RightMissing,
)
from connectors.memory import MemoryConnector
from connectors.records import Cursor, Feed, FeedKind, GoneReason, Identity, Page, Poison
from sync.mirror.runs import get_meta, meta_like
from sync.stages.pull import refetch
from tests.pipeline.small import Small, small
from tests.unit.mirror.rows import company, deal


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Small]:
    made = small(tmp_path)
    yield made
    made.mirror.close()


class Failing(MemoryConnector):
    """A dict CRM that fails at a feed, before or after its first page."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.errors: dict[str, Exception] = {}
        self.after_pages = 0
        self.optional: set[str] = set()

    def feeds(self) -> list[Feed]:
        return [replace(feed, optional=feed.object in self.optional) for feed in super().feeds()]

    def changes(self, feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        for number, page in enumerate(super().changes(feed, cursor)):
            if feed.object in self.errors and number >= self.after_pages:
                raise self.errors[feed.object]
            yield page


@pytest.fixture
def failing(here: Small) -> Failing:
    made = Failing("hubspot", here.world, page_size=2)
    here.connectors = {"hubspot": made}
    return made


def fill(connector: MemoryConnector, count: int, object_name: str = "contacts") -> None:
    for number in range(count):
        connector.put(object_name, f"{number:03}", email=f"p{number}@example.com", last_name=f"P{number}")


def test_a_second_pull_finds_nothing_new(here: Small) -> None:
    fill(here.connectors["hubspot"], 250)
    fill(here.connectors["salesforce"], 3, "Lead")
    first = here.pull()
    assert (first["hubspot"]["contacts"].stored, first["hubspot"]["contacts"].calls) == (250, 3)
    assert first["salesforce"]["Lead"].stored == 3
    second = here.pull()
    assert second["hubspot"]["contacts"].seen == 0
    assert here.problems == []
    assert all(counts.balanced for feeds in (*first.values(), *second.values()) for counts in feeds.values())


def test_a_change_a_deletion_and_a_merge_arrive(here: Small) -> None:
    sf = here.connectors["salesforce"]
    fill(sf, 4, "Lead")
    here.pull()
    refs = list(sf.records)
    sf.edit(refs[0], last_name="New")
    sf.delete(refs[1])
    sf.merge(refs[2], refs[3])
    counts = here.pull("salesforce")["salesforce"]["Lead"]
    assert (counts.seen, counts.stored, counts.gone) == (1, 1, 2)
    assert here.select("SELECT id, last_name, gone FROM person_record ORDER BY id") == [
        ("000", "New", 0),
        ("001", "P1", 1),
        ("002", "P2", 1),
        ("003", "P3", 0),
    ]


def test_poison_is_parked_and_the_rest_go_on(here: Small) -> None:
    hs = here.connectors["hubspot"]
    hs.put("contacts", "1", email="a@x.com")
    hs.add_poison(Poison("hubspot", "contacts", "2", "lastmodifieddate: not a time", "{}"))
    hs.put("contacts", "3", email="c@x.com")
    counts = here.pull()["hubspot"]["contacts"]
    assert (counts.seen, counts.stored, counts.parked) == (3, 2, 1)


@pytest.mark.parametrize(
    ("error", "code", "exit_code", "goes_on"),
    [
        (AuthFailed("no", crm="hubspot"), "HS-AUTH_FAILED", 4, False),
        (AuthFailed("no", crm="hubspot", code="EXPIRED"), "HS-EXPIRED", 4, False),
        (QuotaSpent("spent", crm="hubspot"), "HS-QUOTA_SPENT", 5, False),
        (QuotaSpent("spent", until=datetime(2026, 11, 3, tzinfo=UTC)), "HS-QUOTA_SPENT", 5, False),
        (Retriable("timeout"), "HS-UNREACHABLE", 5, False),
        (Retriable("burst", status=429), "HS-UNREACHABLE", 5, False),
        (Retriable("broken", status=500), "HS-UNREACHABLE", 5, True),
        (BrokenReply("html"), "HS-BROKEN_REPLY", 5, True),
        (RightMissing("scope"), "HS-RIGHT_MISSING", 4, True),
        (NotOffered("no such field", what="x"), "HS-NOT_OFFERED", 2, True),
        (RecordRejected("400"), "HS-REFUSED", 3, True),
        (Fatal("what"), "HS-UNEXPECTED", 1, False),
        (Fatal("402", status=402), "HS-REFUSED", 3, True),
        (Conflict("409", status=409), "HS-REFUSED", 3, True),
    ],
)
def test_each_error_family_is_a_problem_with_its_exit_code(
    here: Small, failing: Failing, error: ConnectorError, code: str, exit_code: int, goes_on: bool
) -> None:
    fill(failing, 2)
    failing.errors["contacts"] = error
    counts = here.pull()["hubspot"]
    assert [(problem.code, problem.exit_code) for problem in here.problems] == [(code, exit_code)]
    assert here.problems[0].message.startswith(f"hubspot.contacts: {error.message}")
    assert here.problems[0].remedy
    assert ("deals" in counts) is goes_on
    with here.mirror.read() as conn:
        assert get_meta(conn, "pulled_at:hubspot") is None


def test_a_server_that_is_broken_all_over_is_left_alone_after_two_feeds(
    here: Small, failing: Failing
) -> None:
    fill(failing, 2)
    for feed in ("companies", "contacts", "deals"):
        failing.errors[feed] = Retriable("broken", status=503)
    here.pull()
    assert [problem.message.partition(":")[0] for problem in here.problems] == [
        "hubspot.companies",
        "hubspot.contacts",
    ]


def test_a_quota_that_runs_out_mid_feed_loses_nothing(here: Small, failing: Failing) -> None:
    fill(failing, 9)
    failing.errors["contacts"] = QuotaSpent("spent")
    failing.after_pages = 2
    assert here.pull()["hubspot"]["contacts"].stored == 4
    failing.errors.clear()
    assert here.pull()["hubspot"]["contacts"].stored == 5


def test_the_calls_of_a_page_that_never_came_are_counted(here: Small, failing: Failing) -> None:
    failing.errors["contacts"] = Retriable("timeout")
    assert here.pull()["hubspot"]["contacts"].calls == 1


@pytest.mark.parametrize("error", [NotOffered("none", what="deals"), RightMissing("scope", code="403")])
def test_an_optional_feed_is_skipped_and_remembered(
    here: Small, failing: Failing, error: ConnectorError
) -> None:
    failing.optional.add("deals")
    failing.errors["deals"] = error
    here.pull()
    assert here.problems == []
    with here.mirror.read() as conn:
        assert list(meta_like(conn, "skipped:")) == ["hubspot.deals"]
        assert get_meta(conn, "pulled_at:hubspot") is not None
    failing.errors.clear()
    here.pull()
    with here.mirror.read() as conn:
        assert meta_like(conn, "skipped:") == {}


def test_pages_that_go_in_circles_end(here: Small, failing: Failing) -> None:
    def forever(feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        while True:
            yield Page(feed, Cursor(position="7"), 0, complete=False)

    failing.changes = forever  # type: ignore[method-assign]
    here.pull()
    assert {problem.code for problem in here.problems} == {"HS-PAGES_IN_CIRCLES"}


def test_another_account_is_not_mixed_in(here: Small) -> None:
    here.pull()
    other = MemoryConnector("hubspot", here.world)
    other.sign_in = lambda: Identity("hubspot", "other", "us", "x", "memory://", 0.0)  # type: ignore[method-assign]
    other.put("contacts", "1", email="a@x.com")
    here.connectors["hubspot"] = other
    here.pull()
    assert [(problem.code, problem.exit_code) for problem in here.problems] == [("HS-OTHER_ACCOUNT", 2)]
    assert here.select("SELECT count(*) FROM person_record") == [(0,)]


def test_a_clock_far_off_defers_the_crm(here: Small) -> None:
    hs = here.connectors["hubspot"]
    hs.sign_in = lambda: Identity("hubspot", "memory", "us", "x", "memory://", -900.0)
    here.pull()
    assert [(problem.code, problem.exit_code) for problem in here.problems] == [("HS-CLOCK_SKEW", 5)]


def test_a_failed_sign_in_is_a_problem(here: Small) -> None:
    def refuse() -> Identity:
        raise AuthFailed("bad token", crm="hubspot", code="401")

    here.connectors["hubspot"].sign_in = refuse
    assert here.pull()["hubspot"] == {}
    assert [(problem.code, problem.exit_code) for problem in here.problems] == [("HS-401", 4)]


@pytest.mark.parametrize(
    ("crm", "object_name"), [("hubspot", "companies"), ("hubspot", "deals"), ("salesforce", "companies")]
)
def test_p24_a_field_of_companies_or_deals_that_is_mapped_later_is_filled(
    here: Small, crm: str, object_name: str
) -> None:
    source = here.connectors[crm]
    source.add_company(company("companies", "1", crm=crm))
    source.add_deal(deal("deals", "1", crm=crm))
    here.pull()
    here.settings = Settings.model_validate(
        {"mapping": {"fields": {f"{crm}.{object_name}": {"segment": "segment"}}}}
    )
    assert here.pull(crm)[crm][object_name].seen == 1
    assert here.pull(crm)[crm][object_name].seen == 0


def test_other_fields_mean_reading_again(here: Small) -> None:
    fill(here.connectors["hubspot"], 3)
    here.pull()
    here.settings = Settings.model_validate(
        {"mapping": {"fields": {"hubspot.contacts": {"segment": "segment"}}}}
    )
    counts = here.pull("hubspot")["hubspot"]
    assert (counts["contacts"].seen, counts["contacts"].unchanged) == (3, 3)
    assert here.pull("hubspot")["hubspot"]["contacts"].seen == 0


def test_other_fields_read_half_go_on_where_they_stopped(here: Small, failing: Failing) -> None:
    fill(failing, 6)
    here.pull()
    here.settings = Settings.model_validate({"pull": {"fields": "all"}})
    failing.errors["contacts"] = QuotaSpent("spent")
    failing.after_pages = 1
    assert here.pull()["hubspot"]["contacts"].seen == 2
    failing.errors.clear()
    assert here.pull()["hubspot"]["contacts"].seen == 4


class Logged(MemoryConnector):
    """A CRM with a log of deletions; notes where its reading began."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.began: list[Cursor | None] = []

    def feeds(self) -> list[Feed]:
        return [*super().feeds(), Feed("hubspot.log", "hubspot", "contacts", FeedKind.DELETIONS)]

    def changes(self, feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        if feed.kind is not FeedKind.DELETIONS:
            yield from super().changes(feed, cursor)
            return
        self.began.append(cursor)
        yield Page(feed, Cursor(since_ms=7), 7, complete=True)


def test_p23_a_full_pull_reads_the_whole_log_of_deletions(here: Small) -> None:
    """A first pass needs but the last day of it; after an outage that would leave a gap."""
    logged = here.connectors["hubspot"] = Logged("hubspot", here.world)
    here.pull()
    here.pull()
    here.pull(full=True)
    assert logged.began == [None, Cursor(since_ms=7), Cursor(since_ms=0)]


# The sweep.


def test_a_full_pull_finds_what_went_without_a_trace(here: Small) -> None:
    hs = here.connectors["hubspot"]
    fill(hs, 30)
    here.pull()
    for ref in list(hs.records)[:3]:
        del hs.records[ref]
    assert here.pull("hubspot")["hubspot"]["contacts"].gone == 0
    counts = here.pull("hubspot", full=True)["hubspot"]["contacts"]
    assert (counts.seen, counts.unchanged, counts.gone) == (27, 27, 3)
    assert counts.balanced
    assert here.select("SELECT id, reason FROM tombstone ORDER BY id") == [
        (id_, GoneReason.ABSENT.value) for id_ in ("000", "001", "002")
    ]
    assert here.select("SELECT count(*) FROM sweep_id") == [(0,)]


def test_a_sweep_that_would_bury_many_asks(here: Small) -> None:
    hs = here.connectors["hubspot"]
    fill(hs, 60)
    here.pull()
    for ref in list(hs.records)[:6]:
        del hs.records[ref]
    here.pull("hubspot", full=True)
    assert [(problem.code, problem.exit_code) for problem in here.problems] == [("HS-SWEEP_LIMIT", 6)]
    assert here.select("SELECT count(*) FROM tombstone") == [(0,)]


# One-off reads.


def test_refetch_reads_records_by_id(here: Small) -> None:
    hs = here.connectors["hubspot"]
    fill(hs, 3)
    counts = refetch(here.run(), "hubspot", "contacts", ["000", "001", "000", "nobody"])["contacts"]
    assert (counts.seen, counts.stored, counts.gone, counts.calls) == (2, 2, 1, 1)
    assert here.select("SELECT 1 FROM feed_cursor") == []


# Being killed.


@pytest.mark.parametrize(
    "point",
    ["pull.page_fetched", "pull.page_stored_uncommitted", "pull.page_committed", "pull.feed_finished"],
)
def test_killed_anywhere_the_next_run_ends_the_same(tmp_path: Path, point: str) -> None:
    def pulled(folder: str, kill: Callable[[int], bool]) -> list[tuple[Any, ...]]:
        (tmp_path / folder).mkdir()
        here = small(tmp_path / folder)
        here.connectors = {"hubspot": MemoryConnector("hubspot", here.world, page_size=3)}
        fill(here.connectors["hubspot"], 10)
        arrivals = 0

        def reached(name: str) -> None:
            nonlocal arrivals
            if name == point:
                arrivals += 1
                if kill(arrivals):
                    raise KeyboardInterrupt

        here.world.reached = reached  # type: ignore[method-assign]
        for _ in range(12):
            try:
                here.pull()
            except KeyboardInterrupt:
                continue
            break
        rows = here.select("SELECT id, last_name, email_key, modified_ms FROM person_record ORDER BY id")
        here.mirror.close()
        return rows

    undisturbed = pulled("calm", lambda _: False)
    assert len(undisturbed) == 10
    assert pulled("killed", lambda arrival: arrival in (2, 3, 5, 9, 13)) == undisturbed


def test_every_failpoint_of_pull_is_reached(here: Small) -> None:
    fill(here.connectors["hubspot"], 1)
    here.pull()
    points = {name for name in here.world.failpoints if name.startswith("pull.")}
    assert points == {
        "pull.page_fetched",
        "pull.page_stored_uncommitted",
        "pull.page_committed",
        "pull.feed_finished",
    }
