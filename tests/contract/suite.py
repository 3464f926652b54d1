"""The contract of `connectors.base.Connector`, once for all connectors.

A new connector joins with a subject (`tests/contract/subjects.py`) and a class of two lines.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.base import Connector
from connectors.errors import AuthFailed, QuotaSpent, Retriable
from connectors.records import (
    Author,
    Cursor,
    Feed,
    FeedKind,
    GoneReason,
    NewTask,
    OutcomeKind,
    Page,
    PersonRecord,
    RecordRef,
    RefusalClass,
    Write,
)
from tests.contract.subjects import Subject

HARD_TEXT = ("NA", "NULL", "  leading", "two\nlines", "Zoë 🚀", 'O\'Brien "x"', "a;b,c", "=1+1", "<b>&amp;")


class ConnectorContract:
    """Everything that the rest of the product relies on."""

    def make(self) -> Subject:
        raise NotImplementedError

    @pytest.fixture
    def subject(self) -> Iterator[Subject]:
        subject = self.make()
        yield subject
        subject.close()

    @pytest.fixture
    def connector(self, subject: Subject) -> Iterator[Connector]:
        connector = subject.connector()
        connector.sign_in()
        yield connector
        connector.close()

    # Signing in, feeds

    def test_signing_in_says_who_we_are(self, connector: Connector) -> None:
        identity = connector.sign_in()
        assert identity.crm == connector.crm
        assert abs(identity.skew_seconds) <= 2

    def test_wrong_credentials_fail_for_good(self, subject: Subject) -> None:
        if not subject.has_http:
            pytest.skip("a dict asks for no credentials")
        connector = subject.forget_credentials()
        with pytest.raises(AuthFailed) as caught:
            connector.sign_in()
        assert (
            "wrong-secret" not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {connector!r}"
        )
        connector.close()

    def test_feeds_have_names_of_their_own_and_come_in_pulling_order(self, connector: Connector) -> None:
        feeds = connector.feeds()
        assert len({feed.name for feed in feeds}) == len(feeds)
        order = list(FeedKind)
        assert [order.index(feed.kind) for feed in feeds] == sorted(order.index(feed.kind) for feed in feeds)
        assert {feed.crm for feed in feeds} == {connector.crm}

    # Pulling

    def test_the_first_pass_brings_every_record(self, subject: Subject, connector: Connector) -> None:
        wanted = {ref.id for ref in subject.create_many(250)}
        pages = list(connector.changes(people_feed(connector, subject), None))
        assert {person.id for page in pages for person in page.people} >= wanted
        assert [page.complete for page in pages] == [False] * (len(pages) - 1) + [True]

    def test_the_counts_of_a_page_add_up(self, subject: Subject, connector: Connector) -> None:
        subject.create_many(5)
        subject.delete(subject.create(email="gone@example.com", last_name="Gone"))
        for page in connector.changes(people_feed(connector, subject), None):
            assert page.seen == len(page.people) + len(page.poison)

    def test_going_on_from_any_page_misses_nothing(self, subject: Subject, connector: Connector) -> None:
        wanted = {ref.id for ref in subject.create_many(450)}
        feed = people_feed(connector, subject)
        seen_before: set[str] = set()
        cursors: list[Cursor | None] = [None]
        for page in connector.changes(feed, None):
            cursors.append(page.cursor)
        for number, cursor in enumerate(cursors[:-1]):
            other = subject.connector()
            other.sign_in()
            seen_after = {p.id for page in other.changes(feed, reborn(cursor)) for p in page.people}
            other.close()
            assert seen_before | seen_after >= wanted, f"after page {number}"
            pages = list(connector.changes(feed, reborn(cursor)))
            seen_before |= {person.id for person in pages[0].people}

    def test_an_idle_pass_costs_next_to_nothing(self, subject: Subject, connector: Connector) -> None:
        subject.create_many(450)
        feed = people_feed(connector, subject)
        cursor = drain(connector, feed, None)[1]
        subject.pass_time(3 * 3600)
        cursor = drain(connector, feed, cursor)[1]
        subject.pass_time(300)
        before = connector.calls
        people, _ = drain(connector, feed, cursor)
        assert connector.calls - before <= 2
        assert people == {}

    def test_a_change_shows_in_the_next_pass(self, subject: Subject, connector: Connector) -> None:
        ref = subject.create(email="ann@example.com", last_name="Old", job_title="Director")
        feed = people_feed(connector, subject)
        first, cursor = drain(connector, feed, None)
        assert (first[ref.id].last_name, first[ref.id].job_title) == ("Old", "Director")
        subject.pass_time(60)
        subject.edit(ref, last_name="New", job_title=None)
        subject.pass_time(60)
        second, _ = drain(connector, feed, cursor)
        assert (second[ref.id].last_name, second[ref.id].job_title) == ("New", None)
        assert second[ref.id].modified_ms > first[ref.id].modified_ms

    def test_w14_changes_made_while_paging_are_not_lost(self, subject: Subject, connector: Connector) -> None:
        refs = subject.create_many(450)
        feed = people_feed(connector, subject)
        mirror: dict[str, PersonRecord] = {}
        cursor: Cursor | None = None
        for number, page in enumerate(connector.changes(feed, None)):
            keep_newest(mirror, page)
            cursor = page.cursor
            subject.pass_time(1)
            subject.edit(refs[number * 7], last_name=f"Edited-{number}")
            subject.edit(refs[-1 - number * 7], last_name=f"Edited-{number}")
        subject.pass_time(60)
        for page in connector.changes(feed, cursor):
            keep_newest(mirror, page)
        edited = sum(1 for person in mirror.values() if (person.last_name or "").startswith("Edited-"))
        held = sum(1 for ref in refs if "Edited-" in str(dict(subject.values(ref))))
        assert edited == held > 0

    def test_text_is_text(self, subject: Subject, connector: Connector) -> None:
        refs = {
            text: subject.create(email=f"t{number}@example.com", last_name=text, first_name=text)
            for number, text in enumerate(HARD_TEXT)
        }
        people, _ = drain(connector, people_feed(connector, subject), None)
        held = {text: subject.holds(ref, "last_name") for text, ref in refs.items()}  # a CRM may trim
        assert {text: people[ref.id].last_name for text, ref in refs.items()} == held
        assert sum(text == value for text, value in held.items()) >= len(HARD_TEXT) - 1

    def test_a_deleted_record_becomes_a_tombstone(self, subject: Subject, connector: Connector) -> None:
        ref = subject.create(email="bob@example.com", last_name="Bob")
        cursors = drain_all(connector, {})
        subject.pass_time(60)
        subject.delete(ref)
        subject.pass_time(60)
        gone = tombstones(connector, cursors)
        assert gone[ref.id].reason in {GoneReason.DELETED, GoneReason.ARCHIVED}

    def test_a_merged_record_names_its_survivor(self, subject: Subject, connector: Connector) -> None:
        winner = subject.create(email="w@example.com", last_name="Winner")
        loser = subject.create(email="l@example.com", last_name="Loser")
        cursors = drain_all(connector, {})
        subject.pass_time(60)
        survivor = subject.merge(loser, winner)
        subject.pass_time(60)
        gone = tombstones(connector, cursors)
        assert gone[loser.id].reason == GoneReason.MERGED
        assert gone[loser.id].to_id == survivor.id

    # One-off look-ups

    def test_fetch_brings_the_current_rows(self, subject: Subject, connector: Connector) -> None:
        kept = subject.create(email="k@example.com", last_name="Kept")
        gone = subject.create(email="g@example.com", last_name="Gone")
        subject.delete(gone)
        page = connector.fetch(subject.people, [kept.id, gone.id])
        assert [person.id for person in page.people] == [kept.id]
        assert [stone.id for stone in page.tombstones] == [gone.id]

    @pytest.mark.parametrize("address", ["ann.o'neil@example.com", "UPPER@Example.com"])
    def test_find_by_address(self, subject: Subject, connector: Connector, address: str) -> None:
        ref = subject.create(email=address, last_name="Found")
        subject.create(email="other@example.com", last_name="Other")
        subject.pass_time(60)
        assert [found.id for found in connector.find(address.lower())] == [ref.id]

    def test_a_hostile_address_finds_nobody(self, subject: Subject, connector: Connector) -> None:
        subject.create(email="a@example.com", last_name="A")
        assert connector.find("x' OR Email != '") == []

    def test_ids_lists_the_living(self, subject: Subject, connector: Connector) -> None:
        refs = subject.create_many(120)
        subject.delete(refs[0])
        found = {record_id for batch in connector.ids(subject.people) for record_id in batch}
        assert found == {ref.id for ref in refs[1:]}

    # Reading before a write

    def test_read_answers_in_the_order_asked(self, subject: Subject, connector: Connector) -> None:
        refs = [subject.create(email=f"r{n}@example.com", last_name=f"R{n}") for n in range(3)]
        refs.reverse()
        lives = connector.read(subject.people, [ref.id for ref in refs], [subject.status_field])
        assert [live.ref for live in lives] == refs
        assert all(live.exists and set(live.values) == {subject.status_field} for live in lives)
        assert all(live.version and live.server_ms for live in lives)

    def test_read_says_what_became_of_a_record(self, subject: Subject, connector: Connector) -> None:
        winner = subject.create(email="w@example.com", last_name="Winner")
        loser = subject.create(email="l@example.com", last_name="Loser")
        gone = subject.create(email="g@example.com", last_name="Gone")
        survivor = subject.merge(loser, winner)
        subject.delete(gone)
        moved, absent = connector.read(subject.people, [loser.id, gone.id], [subject.status_field])
        assert (moved.exists, moved.moved_to) == (False, survivor)
        assert (absent.exists, absent.moved_to) == (False, None)

    def test_the_last_author_is_known(self, subject: Subject, connector: Connector) -> None:
        ref = subject.create(email="h@example.com", last_name="H", status=subject.status_values[0])
        subject.pass_time(60)
        subject.edit(ref, status=subject.status_values[1])
        live = connector.read(subject.people, [ref.id], [subject.status_field])[0]
        if live.has_history.get(subject.status_field):
            newest = live.versions[subject.status_field][0]
            assert (newest.value, newest.author) == (subject.status_values[1], Author.PERSON)
        else:
            assert live.modified_by is Author.PERSON

    # Writing

    def test_a_write_sets_its_fields_and_nothing_else(self, subject: Subject, connector: Connector) -> None:
        ref = subject.create(email="w@example.com", last_name="W", job_title="VP")
        subject.pass_time(60)
        before, held = live(connector, subject, ref), dict(subject.values(ref))
        outcome = connector.write([status_write(subject, ref, before.version, 1)])[0]
        assert (outcome.kind, outcome.ref) == (OutcomeKind.ACCEPTED, ref)
        after = live(connector, subject, ref)
        assert after.values == {subject.status_field: subject.status_values[1]}
        changed = {name for name, value in subject.values(ref).items() if held.get(name) != value}
        assert {name for _, name in subject.worker_writes()} == {subject.status_field} <= changed

    def test_w7_a_write_never_creates(self, subject: Subject, connector: Connector) -> None:
        ref = subject.create(email="x@example.com", last_name="X")
        subject.delete(ref)
        count = subject.count()
        outcome = connector.write([status_write(subject, ref, "2026-11-01T00:00:00.000+0000", 1)])[0]
        assert outcome.kind in {OutcomeKind.MOVED, OutcomeKind.REFUSED, OutcomeKind.UNKNOWN}
        assert subject.count() == count
        assert subject.worker_writes() == []

    def test_an_edit_after_our_read_stands(self, subject: Subject, connector: Connector) -> None:
        if not connector.capabilities.conditional_write:
            pytest.skip("this CRM has no conditional write")
        ref = subject.create(email="c@example.com", last_name="C")
        subject.pass_time(60)
        base = live(connector, subject, ref).version

        def edit() -> None:
            subject.pass_time(2)
            subject.edit(ref, status=subject.status_values[2])

        subject.before_next_write(edit)
        outcome = connector.write([status_write(subject, ref, base, 1)])[0]
        assert outcome.kind is OutcomeKind.CONFLICT
        assert subject.values(ref)[subject.status_field] == subject.status_values[2]

    def test_one_refusal_leaves_the_others_alone(self, subject: Subject, connector: Connector) -> None:
        good, bad = (subject.create(email=f"{n}@example.com", last_name=n) for n in ("good", "bad"))
        subject.pass_time(60)
        writes = [
            Write(bad, {subject.status_field: "no such value"}, live(connector, subject, bad).version),
            status_write(subject, good, live(connector, subject, good).version, 1),
        ]
        refused, other = connector.write(writes)
        assert (refused.kind, refused.refusal) == (OutcomeKind.REFUSED, RefusalClass.OUR_CONFIG)
        assert refused.code
        innocent = other.kind is OutcomeKind.ACCEPTED or other.refusal is RefusalClass.INNOCENT
        assert innocent
        held = subject.values(good).get(subject.status_field)
        assert (held == subject.status_values[1]) is (other.kind is OutcomeKind.ACCEPTED)

    def test_a_lost_answer_is_unknown_and_not_sent_again(
        self, subject: Subject, connector: Connector
    ) -> None:
        if not subject.has_http:
            pytest.skip("a dict loses no answers")
        ref = subject.create(email="u@example.com", last_name="U")
        subject.pass_time(60)
        base = live(connector, subject, ref).version
        subject.fault("drop_after", writes=True)
        outcome = connector.write([status_write(subject, ref, base, 1)])[0]
        assert outcome.kind is OutcomeKind.UNKNOWN
        assert subject.worker_writes() == [(ref.id, subject.status_field)]

    # Tasks of hand-offs

    def test_a_task_is_found_by_its_mark_and_no_other(self, subject: Subject, connector: Connector) -> None:
        ref = subject.create(email="t@example.com", last_name="T")
        first, second = (new_task(ref, f"mqlsync:00000000000{number}", subject) for number in (1, 2))
        assert connector.find_task(first) is None
        made = connector.create_task(first)
        assert made.kind is OutcomeKind.ACCEPTED
        assert connector.find_task(first) == made.ref
        assert connector.find_task(second) is None

    def test_a_task_without_an_answer_is_sent_once_and_found(
        self, subject: Subject, connector: Connector
    ) -> None:
        if not subject.has_http:
            pytest.skip("a dict always answers")
        ref = subject.create(email="t@example.com", last_name="T")
        task = new_task(ref, "mqlsync:0123456789ab", subject)
        subject.fault("drop_after", writes=True)
        assert connector.create_task(task).kind is OutcomeKind.UNKNOWN
        assert connector.find_task(task) is not None

    # Owners and what is offered

    def test_offered_values(self, subject: Subject, connector: Connector) -> None:
        offered = connector.offered(subject.people, subject.status_field)
        assert offered.exists
        assert offered.writable
        assert set(subject.status_values) <= set(offered.values or ())
        assert not connector.offered(subject.people, "no_such_field__c").exists

    def test_owners_are_listed_with_their_state(self, connector: Connector) -> None:
        owners = connector.owners()
        assert {owner.kind for owner in owners} <= {"person", "queue", "integration"}
        assert any(owner.active and owner.email for owner in owners)
        assert any(not owner.active for owner in owners)

    # The way to the CRM

    @pytest.mark.parametrize("fault", ["503", "html", "cut", "empty", "drop_before", "drop_after"])
    def test_a_passing_fault_costs_nothing_but_time(
        self, subject: Subject, connector: Connector, fault: str
    ) -> None:
        if not subject.has_http:
            pytest.skip("a dict has no way to it")
        wanted = {ref.id for ref in subject.create_many(230)}
        feed = people_feed(connector, subject)
        subject.fault(fault)
        people, _ = drain(connector, feed, None)
        assert set(people) >= wanted

    def test_a_lasting_fault_is_retriable_and_bounded(self, subject: Subject, connector: Connector) -> None:
        if not subject.has_http:
            pytest.skip("a dict has no way to it")
        subject.create_many(3)
        feed = people_feed(connector, subject)
        subject.fault("503", count=10_000)
        before = connector.calls
        with pytest.raises(Retriable):
            drain(connector, feed, None)
        assert connector.calls - before < 20

    def test_tokens_may_expire_on_every_page(self, subject: Subject, connector: Connector) -> None:
        if not subject.has_http:
            pytest.skip("a dict issues no tokens")
        wanted = {ref.id for ref in subject.create_many(450)}
        found: set[str] = set()
        for page in connector.changes(people_feed(connector, subject), None):
            found |= {person.id for person in page.people}
            subject.expire_tokens()
        assert found >= wanted

    def test_a_spent_quota_is_told_apart(self, subject: Subject, connector: Connector) -> None:
        if not subject.has_http:
            pytest.skip("a dict has no quota")
        subject.create_many(3)
        feed = people_feed(connector, subject)
        subject.fault("quota", count=10_000)
        before = connector.calls
        with pytest.raises(QuotaSpent):
            drain(connector, feed, None)
        assert connector.calls - before <= 2


def new_task(ref: RecordRef, mark: str, subject: Subject) -> NewTask:
    now = int(subject.world.now().timestamp())
    return NewTask(
        "task", ref, None, f"New [{mark}]", "MQL < now", mark, now * 1000, "2026-11-24", now * 1000
    )


def people_feed(connector: Connector, subject: Subject) -> Feed:
    return next(
        feed for feed in connector.feeds() if feed.kind is FeedKind.PEOPLE and feed.object == subject.people
    )


def reborn(cursor: Cursor | None) -> Cursor | None:
    """The cursor as another process would read it."""
    return None if cursor is None else Cursor.from_json(cursor.to_json())


def keep_newest(mirror: dict[str, PersonRecord], page: Page) -> None:
    for person in page.people:
        known = mirror.get(person.id)
        if known is None or known.modified_ms <= person.modified_ms:
            mirror[person.id] = person


def drain(
    connector: Connector, feed: Feed, cursor: Cursor | None
) -> tuple[dict[str, PersonRecord], Cursor | None]:
    """One whole pass: the newest version of every record it brought, and the cursor after it."""
    mirror: dict[str, PersonRecord] = {}
    for page in connector.changes(feed, reborn(cursor)):
        keep_newest(mirror, page)
        cursor = page.cursor
    return mirror, cursor


def record_feeds(connector: Connector) -> list[Feed]:
    return [feed for feed in connector.feeds() if feed.kind in (FeedKind.PEOPLE, FeedKind.DELETIONS)]


def drain_all(connector: Connector, cursors: dict[str, Cursor | None]) -> dict[str, Cursor | None]:
    for feed in record_feeds(connector):
        cursors[feed.name] = drain(connector, feed, cursors.get(feed.name))[1]
    return cursors


def tombstones(connector: Connector, cursors: dict[str, Cursor | None]) -> dict[str, object]:
    found = {}
    for feed in record_feeds(connector):
        for page in connector.changes(feed, reborn(cursors.get(feed.name))):
            found |= {stone.id: stone for stone in page.tombstones}
    return found


def live(connector: Connector, subject: Subject, ref: RecordRef):  # type: ignore[no-untyped-def]
    return connector.read(ref.object, [ref.id], [subject.status_field])[0]


def status_write(subject: Subject, ref: RecordRef, base: str, value: int) -> Write:
    return Write(ref, {subject.status_field: subject.status_values[value]}, base)
