"""The wire and the process: lost answers, refusals, conflicts, moved records, crashes, a lost lease."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from config.failpoints import FAILPOINTS
from connectors.memory import MemoryConnector
from connectors.records import Author, GoneReason, Outcome, OutcomeKind, RefusalClass, Write
from sync.mirror import audit, outbox
from sync.mirror.lease import LeaseLost
from tests.pipeline.write_bench import POOLS, Bench, both, scored
from tests.world import SimulatedWorld


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld) -> Iterator[Bench]:
    made = Bench(tmp_path, world)
    yield made
    made.mirror.close()


@pytest.fixture
def routed(tmp_path: Path, world: SimulatedWorld) -> Iterator[Bench]:
    made = Bench(tmp_path, world, routing=POOLS)
    yield made
    made.mirror.close()


def test_a_lost_answer_does_not_write_twice(bench: Bench) -> None:
    lead, contact = both(bench)
    for crm in (bench.sf, bench.hs):
        crm.answer = lambda write, outcome: Outcome(write.ref, OutcomeKind.UNKNOWN)
    counts = bench.sync()
    assert counts.verified == 3
    assert len(bench.all_writes()) == 2
    assert [v.value for v in bench.sf.records[lead].versions["Status"]] == ["MQL", "New"]
    assert [v.value for v in bench.hs.records[contact].versions["hs_lead_status"]] == ["OPEN", "NEW"]


def lose_first_request(crm: MemoryConnector) -> None:
    real, seen = crm._apply, []

    def apply(write: Write) -> Outcome:
        seen.append(write)
        return Outcome(write.ref, OutcomeKind.UNKNOWN) if len(seen) == 1 else real(write)

    crm._apply = apply  # type: ignore[method-assign]


def test_a_request_that_never_arrived_is_sent_again(bench: Bench) -> None:
    _, contact = both(bench)
    lose_first_request(bench.sf)
    lose_first_request(bench.hs)
    counts = bench.sync()
    assert bench.states(crm="salesforce") == {"Status": "verified"}
    assert bench.states(crm="hubspot") == {"hs_lead_status": "unsure", "lifecyclestage": "unsure"}
    assert (counts.waiting, bench.problems) == (2, [])
    assert bench.sync(seconds=30).waiting == 2  # it may still arrive: no resend before the settle time
    assert len(bench.hs.writes) == 1
    assert bench.sync(seconds=120).verified == 2
    assert bench.value(contact, "hs_lead_status") == "OPEN"


def test_a_conflict_three_times_ends_as_conflict(bench: Bench) -> None:
    lead, _ = both(bench)

    def touch(write: Write) -> None:
        bench.world.advance(2)
        bench.sf.edit(lead, Author.AUTOMATION, Company="Other")

    bench.sf.before_write = touch
    counts = bench.sync()
    assert len(bench.sf.writes) == 3
    assert (counts.conflict, bench.value(lead, "Status")) == (1, "New")


def test_the_second_of_the_last_change_is_waited_out(bench: Bench) -> None:
    lead = bench.lead()
    bench.person("p1", lead)
    bench.world.advance(600.2)
    bench.sf.edit(lead, Author.AUTOMATION, Company="Other")
    bench.ctx = bench.next_context()
    bench.decide()
    bench.write()
    assert 1.0 in bench.world.slept
    assert bench.value(lead, "Status") == "MQL"


def test_our_own_fields_survive_the_second_look_at_a_young_record(bench: Bench) -> None:
    scored(bench)
    lead = bench.lead(MQL_Score__c="0")
    bench.person("p1", lead)
    bench.world.advance(600.2)
    bench.sf.edit(lead, Author.AUTOMATION, Company="Other")
    bench.ctx = bench.next_context()
    bench.decide()
    assert bench.write().verified == 2
    assert [set(write.fields) for write in bench.sf.writes] == [{"Status", "MQL_Score__c"}]


def test_a_refused_record_is_parked_with_its_remedy(bench: Bench) -> None:
    lead, _ = both(bench)
    refusal = Outcome(
        lead,
        OutcomeKind.REFUSED,
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "Budget first",
        RefusalClass.ADMIN_RULE,
    )
    bench.sf.answer = lambda write, outcome: refusal
    counts = bench.sync()
    assert counts.parked == 1
    with bench.mirror.read() as conn:
        (failed,) = outbox.failed(conn)
    assert failed.cause == "SF-FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert (failed.message, failed.field) == ("Budget first", "Status")
    assert "administrator" in failed.remedy
    assert bench.sync().decided == 0


def test_a_busy_record_is_tried_again_after_a_while_and_then_later(bench: Bench) -> None:
    lead, _ = both(bench)
    busy = Outcome(lead, OutcomeKind.REFUSED, "UNABLE_TO_LOCK_ROW", "locked", RefusalClass.TRANSIENT)
    bench.sf._apply = lambda write: busy  # type: ignore[method-assign]
    counts = bench.sync()
    assert (counts.verified, counts.waiting, len(bench.sf.writes)) == (2, 1, 3)
    assert [(problem.code, problem.exit_code) for problem in bench.problems] == [("SF-UNABLE_TO_LOCK_ROW", 5)]
    assert len([pause for pause in bench.world.slept if pause >= 0.5]) == 2
    del bench.sf._apply
    assert bench.sync().verified == 1


def test_the_innocent_of_a_refused_batch_are_sent_singly(bench: Bench) -> None:
    for number in range(4):
        both(bench, f"p{number}", str(number))
    real = bench.hs.write

    def write(writes: Sequence[Write]) -> Sequence[Outcome]:
        if len(writes) == 1:
            return real(writes)
        return [
            Outcome(w.ref, OutcomeKind.REFUSED, "BATCH_REFUSED", "?", RefusalClass.INNOCENT) for w in writes
        ]

    bench.hs.write = write  # type: ignore[method-assign]
    assert bench.sync().verified == 12


def test_a_record_deleted_between_read_and_write_is_let_go(bench: Bench) -> None:
    lead, _ = both(bench)
    bench.sf.before_write = lambda write: bench.sf.delete(lead)
    counts = bench.sync()
    assert (counts.verified, counts.superseded) == (2, 1)
    assert bench.intents(crm="salesforce")[0].why == "gone"


def test_only_the_refused_field_of_several_is_parked(routed: Bench) -> None:
    lead, _ = both(routed)

    def answer(write: Write, outcome: Outcome) -> Outcome:
        if "OwnerId" not in write.fields:
            return outcome
        return Outcome(write.ref, OutcomeKind.REFUSED, "INVALID_OWNER", "no", RefusalClass.OWNER)

    real = routed.sf._apply

    def apply(write: Write) -> Outcome:
        refused = answer(write, Outcome(write.ref, OutcomeKind.ACCEPTED))
        return real(write) if refused.kind is OutcomeKind.ACCEPTED else refused

    routed.sf._apply = apply  # type: ignore[method-assign]
    routed.sync()
    assert routed.states(crm="salesforce") == {"Status": "verified", "OwnerId": "parked"}
    assert routed.value(lead, "Status") == "MQL"


@pytest.mark.parametrize(("seconds", "paused"), [(3600, True), (30_000, False)])
def test_the_circuit_breaker_counts_over_the_runs_of_a_day(bench: Bench, seconds: int, paused: bool) -> None:
    bench.sf.answer = lambda write, outcome: Outcome(
        write.ref, OutcomeKind.REFUSED, "STRING_TOO_LONG", "too long", RefusalClass.OUR_CONFIG
    )
    told = []
    for number in range(6):
        bench.person(f"p{number}", bench.lead(str(number)))
        bench.sync(seconds)
        told.append("FIELD_PAUSED" in bench.codes())
    assert told == [False, False, False, False, paused, False]


def test_the_circuit_breaker_pauses_the_field_alone(bench: Bench) -> None:
    for number in range(8):
        both(bench, f"p{number}", str(number))
    bench.sf.answer = lambda write, outcome: Outcome(
        write.ref, OutcomeKind.REFUSED, "STRING_TOO_LONG", "too long", RefusalClass.OUR_CONFIG
    )
    counts = bench.sync()
    assert "FIELD_PAUSED" in bench.codes()
    assert (counts.verified, counts.parked) == (16, 8)
    bench.sf.answer = None
    lead = bench.lead("99")
    bench.person("p99", lead)
    assert bench.sync().waiting == 1
    assert bench.value(lead, "Status") == "New"


def test_a_pause_holds_what_it_names_and_nothing_else(bench: Bench) -> None:
    _, contact = both(bench)
    with bench.mirror.write() as conn:
        outbox.pause(conn, "hubspot.contacts.lifecyclestage", "asked to", "me", 0)
    counts = bench.sync()
    assert (counts.verified, counts.waiting) == (2, 1)
    assert bench.value(contact, "lifecyclestage") == "lead"


def test_a_converted_lead_is_followed_to_its_contact(bench: Bench) -> None:
    lead, _ = both(bench)
    bench.decide()
    survivor = bench.sf.put("Contact", "0031", Author.PERSON, status="New", record_type=None)
    bench.sf.merge(lead, survivor, GoneReason.CONVERTED)
    bench.world.advance(600)
    counts = bench.write()
    assert bench.value(survivor, "Lead_Status__c") == "MQL"
    assert bench.value(lead, "Status") == "New"
    assert (counts.verified, counts.superseded) == (3, 1)


def test_a_deleted_record_is_left_and_never_created_anew(bench: Bench) -> None:
    lead, _ = both(bench)
    bench.decide()
    bench.sf.delete(lead)
    counts = bench.write()
    assert (counts.superseded, len(bench.sf.records)) == (1, 1)
    assert bench.sf.writes == []


def test_automation_that_rewrites_our_value_is_not_fought(bench: Bench) -> None:
    _, contact = both(bench)

    def flow(write: Write, outcome: Outcome) -> Outcome:
        bench.hs.edit(contact, Author.AUTOMATION, hs_lead_status="IN_PROGRESS")
        return outcome

    bench.hs.answer = flow
    counts = bench.sync()
    assert counts.superseded == 1
    row = bench.intents(field="hs_lead_status")[0]
    assert row.why == "overridden_by_automation"
    bench.mirror_record(contact)
    assert bench.sync().decided == 0


def test_w22_a_write_accepted_and_ignored_is_parked(bench: Bench) -> None:
    both(bench)
    bench.sf._apply = lambda write: Outcome(write.ref, OutcomeKind.ACCEPTED)  # type: ignore[method-assign]
    counts = bench.sync()
    assert counts.parked == 1
    assert bench.intents(crm="salesforce")[0].why == "refused_silently"


# -- crashes and leases


def test_w15_what_a_killed_run_had_sent_is_read_back_first(bench: Bench) -> None:
    both(bench)

    class PowerCut(BaseException):
        pass

    def cut(name: str) -> None:
        if name == "write.answered":
            raise PowerCut

    reached = bench.world.reached
    bench.world.reached = cut  # type: ignore[method-assign]
    with pytest.raises(PowerCut):
        bench.sync()
    bench.world.reached = reached  # type: ignore[method-assign]
    assert bench.states(crm="salesforce") == {"Status": "sent"}
    counts = bench.sync()
    assert (counts.verified, len(bench.sf.writes)) == (3, 1)


def test_what_was_sent_is_settled_though_the_field_is_not_configured_any_more(bench: Bench) -> None:
    both(bench)
    lost = bench.hs._apply
    bench.hs._apply = lambda write: Outcome(write.ref, OutcomeKind.UNKNOWN)  # type: ignore[method-assign]
    assert bench.sync().waiting == 2
    bench.hs._apply = lost  # type: ignore[method-assign]
    bench.settings_with(writeback={})
    counts = bench.sync()
    assert (counts.waiting, counts.superseded, len(bench.hs.writes)) == (0, 2, 1)


def test_a_worker_that_lost_its_lease_records_no_success(bench: Bench) -> None:
    both(bench)
    bench.add("lease", name="writer", holder="me", epoch=1, expires_at=0)
    bench.lease_epoch = 1

    def steal(write: Write, outcome: Outcome) -> Outcome:
        with bench.mirror.write() as conn:
            conn.exec_driver_sql("UPDATE lease SET epoch = 2")
        return outcome

    bench.sf.answer = steal
    with pytest.raises(LeaseLost):
        bench.sync()
    assert bench.states(crm="salesforce") == {"Status": "sent"}
    bench.lease_epoch, bench.sf.answer = 2, None
    assert bench.sync().verified == 3
    assert len(bench.sf.writes) == 1


def test_every_failpoint_of_writing_is_reached(bench: Bench) -> None:
    both(bench)
    bench.sync()
    names = {name for name in bench.world.failpoints if name.startswith(("write.", "decide."))}
    elsewhere = {"write.cleared"}  # passed only by a stage that goes back
    assert names == {name for name in FAILPOINTS if name.startswith(("write.", "decide."))} - elsewhere


def test_the_audit_chain_holds_and_a_changed_row_breaks_it(bench: Bench) -> None:
    both(bench)
    bench.sync()
    with bench.mirror.write() as conn:
        assert audit.broken_at(conn) is None
        rows = conn.exec_driver_sql("SELECT n, subject FROM audit_detail ORDER BY n").all()
        assert [row.subject.split(".")[-1] for row in rows] == ["Status", "hs_lead_status", "lifecyclestage"]
        conn.exec_driver_sql("UPDATE audit SET detail = '{}' WHERE n = 2")
        assert audit.broken_at(conn) == 2
