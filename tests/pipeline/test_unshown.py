"""Comparing only those who may show something else finds what comparing everybody finds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, insert, select, update

from config.settings import Settings
from connectors.records import Author
from sync.context import Context
from sync.mirror import outbox, proofs, scored, unshown
from sync.mirror.outbox import INTENT
from sync.mirror.scored import ScoredField
from sync.mirror.unshown import UNSHOWN
from sync.mirror.wants import Want
from sync.stages.decide import decide
from sync.stages.match import match
from sync.stages.score import score
from sync.stages.targets import scored_fields
from sync.stages.writeback import write_back
from tests.databases import forget
from tests.pipeline import test_match_incremental as records
from tests.pipeline.small import Small, small
from tests.scoring.subject import DAY, default_model

SCORE, GRADE = "MQL_Score__c", "mql_grade"
WRITEBACK = {
    "salesforce": {"Lead": {"score": {"field": SCORE, "policy": "machine"}}},
    "hubspot": {
        "contacts": {
            "score": {
                "field": "mql_score",
                "policy": "fill",
            },  # what stands there stays: a lasting difference
            "grade": {"field": GRADE, "policy": "machine"},
        }
    },
}
OURS = {"salesforce": {SCORE}, "hubspot": {"mql_score", GRADE}}
ENDS = (
    ("superseded", "not_needed"),
    ("superseded", "overridden_by_automation"),
    ("parked", "admin_rule"),
    ("conflict", None),
    ("verified", "undone"),
    ("queued", None),
    ("unsure", None),
)
happenings = st.one_of(
    records.steps,
    records.steps,
    st.tuples(st.just("edit"), records.refs, st.sampled_from(("0", "5", "-5", "A1", "D4", None))),
    st.tuples(st.just("deed"), records.refs),
    st.tuples(st.just("end"), st.sampled_from(ENDS)),
    st.tuples(st.just("wait"), st.sampled_from((60, DAY, 40 * DAY))),
    *(st.tuples(st.just(name)) for name in ("score", "sweep", "other_fields", "decide", "write")),
)
passes = st.sampled_from(("decide", "write", "settle", "settle"))
stories = st.lists(st.tuples(st.lists(happenings, min_size=1, max_size=4), passes), min_size=1, max_size=6)


class NotKept(Exception):
    """What was done is undone."""


def wanted(here: Small, *, everybody: bool) -> list[Want]:
    """What would be decided now; nothing of the comparison is kept."""
    found: list[Want] = []
    with suppress(NotKept), here.mirror.write() as conn:
        if everybody:
            unshown.forget(conn)
        fields = scored_fields(here.settings)
        scored.compare(conn, fields)
        found += (want for field in fields for some in scored.score_wants(conn, field) for want in some)
        raise NotKept
    return found


class Story(records.Story):
    """Passes over both CRMs, cut into their stages, between things that happen."""

    def run(self) -> Context:
        return replace(self.here.run(), models=[default_model()], mapping_hash="m")

    def put(self, who: tuple[str, int], email: str | None, other: str | None) -> None:
        """A record, with our fields when it is new."""
        super().put(who, email, other)
        ref = self.ref(*who)
        if self.alive(ref) and not OURS[ref.crm] & self.crm(ref.object).records[ref].fields.keys():
            ours: dict[str, str | None] = dict.fromkeys(OURS[ref.crm], "7")
            if ref.crm == "hubspot":  # at first sight an MQL
                ours["lifecycle"] = "marketingqualifiedlead"
            self.crm(ref.object).edit(ref, Author.AUTOMATION, **ours)

    def edit(self, who: tuple[str, int], value: str | None) -> None:
        """Somebody changes one of our fields."""
        ref = self.ref(*who)
        if self.alive(ref):
            field = SCORE if ref.crm == "salesforce" else GRADE if str(value)[-1:] in "14" else "mql_score"
            self.crm(ref.object).edit(ref, Author.PERSON, **{field: value})

    def deed(self, who: tuple[str, int]) -> None:
        """Something that scores."""
        self.n += 1
        ref = self.ref(*who)
        at = int(self.here.world.now().timestamp())
        row = records.engagement(
            f"s{self.n}", kind="demo_requested", crm=ref.crm, person_object=ref.object, person_id=ref.id,
            occurred_at=at,
        )  # fmt: skip
        self.crm(ref.object).add_engagement(row)

    def end(self, how: tuple[str, str | None]) -> None:
        """Whatever becomes of the changes that wait."""
        with self.here.mirror.write() as conn:
            conn.execute(update(INTENT).where(INTENT.c.state == "queued").values(state=how[0], why=how[1]))

    def wait(self, seconds: int) -> None:
        self.here.world.advance(seconds)

    def score(self) -> None:
        score(self.run())

    def sweep(self) -> None:
        score(self.run(), full=True)

    def other_fields(self) -> None:
        """The configuration names other fields, and later these again."""
        without = Settings.model_validate({"limits": {"first_run_needs_approval": False}})
        configured = bool(scored_fields(self.here.settings))
        self.here.settings = without if configured else make_settings()

    def decide(self) -> None:
        """A pass after pulling."""
        match(self.run())
        self.score()
        self.same()
        decide(self.run())

    def write(self) -> None:
        self.decide()
        write_back(self.run(), lambda _: None)

    def settle(self) -> None:
        """Everything is written, heard of again, and compared."""
        self.write()
        self.sync()
        self.decide()

    def scored(self) -> list[Any]:
        """What was decided about everybody."""
        return [
            self.here.select(f"SELECT {columns} FROM {table} ORDER BY {columns}")
            for table, columns in (
                ("score", "person_id, grade, eligible, over_enter, under_leave, shown"),
                ("spell", "person_id, entered_at, entered_by, left_at, left_why"),
                ("person", "person_id, stage"),
            )
        ]

    def same(self) -> None:
        assert wanted(self.here, everybody=False) == wanted(self.here, everybody=True)


def make_settings() -> Settings:
    return Settings.model_validate({"writeback": WRITEBACK, "limits": {"first_run_needs_approval": False}})


EXAMPLES = int(os.environ.get("SCORE_EXAMPLES", "5"))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(stories)
def test_whatever_happens_nobody_is_left_out_by_scoring_or_comparing(
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[list[tuple[Any, ...]], str]]
) -> None:
    folder = tmp_path_factory.mktemp("story")
    told = Story(small(folder, make_settings()))
    for who, address in ((("Lead", 1), "a@x.com"), (("contacts", 1), "a@x.com"), (("Lead", 2), None)):
        told.put(who, address, None)
    told.sync()
    told.settle()
    for happened, then in story:
        for step in happened:
            told.do(step)
        told.sync()
        told.do((then,))
    before = told.scored()
    told.sweep()
    assert told.scored() == before
    told.here.mirror.close()
    forget(folder)


def test_a_write_that_is_proved_when_another_score_is_due_is_compared_again(here: Small) -> None:
    """It was sent, nobody knew its fate, and the score went on meanwhile to what stood there before."""
    told = Story(here)
    told.put(("Lead", 1), "a@x.com", None)
    told.sync()
    told.write()
    told.decide()
    assert (stand(here), wanted(here, everybody=True)) == ([], [])
    with here.mirror.write() as conn:
        (sent,) = outbox.by_ids(conn, conn.execute(select(INTENT.c.id)).scalars()).values()
        later = int(here.world.now().timestamp() * 1000) + 60_000
        proofs.put_verified(conn, [(sent._replace(desired_value="25"), "v2", later)])
    assert [want.current for want in wanted(here, everybody=True)] == ["25"]
    told.same()


def stand(here: Small) -> Sequence[Any]:
    with here.mirror.read() as conn:
        return conn.execute(select(UNSHOWN)).all()


@pytest.fixture
def here(tmp_path: Any) -> Any:
    found = small(tmp_path, make_settings())
    yield found
    found.mirror.close()


def test_who_shows_the_score_is_not_looked_at_again(here: Small) -> None:
    told = Story(here)
    told.put(("Lead", 1), "a@x.com", None)
    told.put(("Lead", 2), "b@y.edu", None)
    told.sync()
    told.decide()
    assert len(stand(here)) == 2
    told.write()
    told.sync()
    told.decide()
    assert stand(here) == []
    told.deed(("Lead", 1))
    told.sync()
    told.decide()
    assert len(stand(here)) == 1


def test_our_field_that_somebody_edits_is_compared_again(here: Small) -> None:
    told = Story(here)
    told.put(("Lead", 1), "a@x.com", None)
    told.sync()
    told.settle()
    assert stand(here) == []
    told.edit(("Lead", 1), "5")
    told.sync()
    told.decide()
    assert len(stand(here)) == 1


def test_spells_follow_people_who_go_or_become_others(here: Small) -> None:
    told = Story(here)
    for number, address in ((1, "a@x.com"), (2, "c@x.com")):
        told.put(("contacts", number), address, None)
    told.sync()
    told.decide()
    told.merge(("contacts", 2), 1)
    told.sync()
    told.decide()
    spells = "SELECT left_why FROM spell ORDER BY 1"
    assert sorted(str(row[0]) for row in here.select(spells)) == ["None", "merged"]
    told.delete(("contacts", 1))
    told.sync()
    told.decide()
    assert sorted(str(row[0]) for row in here.select(spells)) == ["gone", "merged"]


@pytest.mark.sqlite("the plans of SQLite")
def test_nothing_new_goes_through_no_records(here: Small) -> None:
    told = Story(here)
    told.put(("Lead", 1), "a@x.com", None)
    told.sync()
    told.write()
    asked: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if " unshown" in statement and not statement.startswith("INSERT"):
            asked.append((statement, parameters))

    event.listen(here.mirror.engine, "before_cursor_execute", note)
    wanted(here, everybody=False)
    event.remove(here.mirror.engine, "before_cursor_execute", note)
    assert len(asked) >= 4
    with here.mirror.write() as conn:
        conn.execute(insert(UNSHOWN).values(person_id="x"))
        for statement, parameters in asked:
            for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
                table, _, how = row.detail.partition(" USING ")
                large = table.split()[-1] in ("person", "person_member", "person_record", "score", "intent")
                assert not large or (how and not how.endswith("(crm=? AND object=?)")), row.detail


def test_a_field_of_a_crm_that_is_away_is_not_forgotten(here: Small) -> None:
    told = Story(here)
    told.put(("Lead", 1), "a@x.com", None)
    told.sync()
    both = dict(here.connectors)
    del here.connectors["salesforce"]
    told.decide()
    assert len(stand(here)) == 1
    here.connectors = both
    told.write()
    assert told.crm("Lead").records[told.ref("Lead", 1)].fields[SCORE] == "0"


def test_the_field_decides_what_differs() -> None:
    fields = scored_fields(make_settings())
    assert fields == [
        ScoredField("salesforce", "Lead", "score", SCORE),
        ScoredField("hubspot", "contacts", "score", "mql_score"),
        ScoredField("hubspot", "contacts", "grade", GRADE),
    ]
