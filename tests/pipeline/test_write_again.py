"""What failed and is tried again is decided again: never sent as it was, never twice, never lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.records import Author, Outcome, OutcomeKind, RecordRef, RefusalClass, Write
from sync.mirror import failures
from sync.reports import RunReport
from tests.pipeline.write_bench import Bench, both
from tests.world import SimulatedWorld


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, SimulatedWorld())


def refusing(*refs: RecordRef) -> Callable[[Write], Outcome | None]:
    """The admin's rule refuses writes of these records."""

    def apply(write: Write) -> Outcome | None:
        if write.ref not in refs:
            return None
        return Outcome(write.ref, OutcomeKind.REFUSED, "RULE", "Budget first", RefusalClass.ADMIN_RULE)

    return apply


def refuse(bench: Bench, *refs: RecordRef) -> Callable[[], None]:
    """Refuse them until the returned function is called."""
    real, rule = bench.sf._apply, refusing(*refs)
    bench.sf._apply = lambda write: rule(write) or real(write)  # type: ignore[method-assign]

    def lift() -> None:
        bench.sf._apply = real  # type: ignore[method-assign]

    return lift


def retry_all(bench: Bench) -> int:
    with bench.mirror.write() as conn:
        return failures.retry(conn, [row.id for row in bench.intents(state="parked")], "retry", 1)


def test_w1_what_failed_in_one_run_is_sent_in_a_later_one(bench: Bench) -> None:
    """One of three is refused; the others' success neither hides it nor makes it forgotten."""
    leads = [both(bench, f"p{number}", str(number))[0] for number in range(3)]
    lift = refuse(bench, leads[1])
    counts = bench.sync()
    assert (counts.decided, counts.verified, counts.parked) == (9, 8, 1)
    assert bench.sync().decided == 0
    lift()
    assert retry_all(bench) == 1
    assert bench.sync().verified == 1
    assert [bench.value(lead, "Status") for lead in leads] == ["MQL"] * 3


def test_w2_one_good_record_does_not_make_a_good_run(bench: Bench) -> None:
    leads = [both(bench, f"p{number}", str(number))[0] for number in range(2)]
    refuse(bench, leads[0])
    report = RunReport("run", write=bench.sync())
    assert (report.exit_code, report.outcome, report.books_balance) == (3, "partial", True)


def test_w10_a_retry_decides_on_what_stands_there_now(bench: Bench) -> None:
    """Refused, then a person edits, then somebody retries: the person's value stays."""
    lead, _ = both(bench)
    lift = refuse(bench, lead)
    assert bench.sync().parked == 1
    lift()
    bench.sf.edit(lead, Author.PERSON, status="Working")
    sent = len(bench.sf.writes)
    assert retry_all(bench) == 1
    assert bench.sync().superseded == 1
    assert bench.value(lead, "Status") == "Working"
    assert len(bench.sf.writes) == sent


def test_retried_changes_count_for_the_limits(bench: Bench) -> None:
    """They were let out once; that word does not hold for ever."""
    refs = [both(bench, f"p{number}", str(number))[0] for number in range(30)]
    lift = refuse(bench, *refs)
    assert bench.sync().parked == 30
    lift()
    assert retry_all(bench) == 30
    bench.settings_with(limits={"first_run_needs_approval": False, "records_per_run": 10})
    counts = bench.sync()
    assert (counts.verified, counts.waiting) == (0, 30)
    assert bench.codes() == ["APPROVAL_NEEDED"]


def test_w10_a_person_who_set_the_same_is_not_taken_for_us(bench: Bench) -> None:
    lead, _ = both(bench)
    lift = refuse(bench, lead)
    bench.sync()
    lift()
    bench.sf.edit(lead, Author.PERSON, status="MQL")
    retry_all(bench)
    assert bench.sync().superseded == 1
    (row,) = bench.intents(field="Status")
    assert (row.state, row.why) == ("superseded", "equal")


def test_w17_a_newer_wish_replaces_the_one_that_waits(bench: Bench) -> None:
    writeback = bench.settings.writeback.model_dump(by_alias=True)
    writeback["salesforce"]["Lead"]["score"] = {"field": "MQL_Score__c", "policy": "machine"}
    bench.settings_with(writeback=writeback)
    lead, _ = both(bench, total=105_000)
    bench.sf.edit(lead, Author.AUTOMATION, MQL_Score__c="1")
    bench.mirror_record(lead)
    bench.world.advance(600)
    bench.ctx = bench.next_context()
    bench.decide()
    with bench.mirror.write() as conn:
        conn.exec_driver_sql("UPDATE score SET total = 120000")
    bench.sync()
    states = {(row.desired_value, row.state) for row in bench.intents(field="MQL_Score__c")}
    assert states == {("105", "superseded"), ("120", "verified")}
    assert [write.fields["MQL_Score__c"] for write in bench.sf.writes if "MQL_Score__c" in write.fields] == [
        "120"
    ]
