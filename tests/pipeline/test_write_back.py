"""Write-back on a real mirror and two CRMs that are dicts: what is sent, and above all what is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.records import Author, GoneReason, Outcome, OutcomeKind, Write
from sync.mirror import unshown
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


def test_a_new_mql_is_written_to_both_crms_and_read_back(bench: Bench) -> None:
    lead, contact = both(bench)
    counts = bench.sync()
    assert (bench.value(lead, "Status"), bench.value(contact, "hs_lead_status")) == ("MQL", "OPEN")
    assert bench.value(contact, "lifecyclestage") == "marketingqualifiedlead"
    assert (counts.decided, counts.verified, bench.problems) == (3, 3, [])


def test_a_second_run_writes_and_decides_nothing(bench: Bench) -> None:
    both(bench)
    bench.sync()
    sent = len(bench.all_writes())
    for pulled in (False, True):
        if pulled:
            for ref in (*bench.sf.records, *bench.hs.records):
                bench.mirror_record(ref)
        counts = bench.sync()
        assert (counts.decided, len(bench.all_writes())) == (0, sent)


def test_w5_all_fields_of_a_record_go_in_one_request_and_no_others(routed: Bench) -> None:
    both(routed)
    routed.sync()
    assert [set(write.fields) for write in routed.sf.writes] == [{"Status", "OwnerId"}]
    assert [set(write.fields) for write in routed.hs.writes] == [
        {"hs_lead_status", "lifecyclestage", "hubspot_owner_id"}
    ]
    assert all(write.guarded for write in routed.all_writes())


def test_no_request_leaves_before_its_intent_says_sent(bench: Bench) -> None:
    both(bench)
    seen: list[str] = []

    def look(write: Write) -> None:
        states = {row.state for row in bench.intents(record_id=write.ref.id, crm=write.ref.crm)}
        seen.append(",".join(sorted(states)))

    bench.sf.before_write = bench.hs.before_write = look
    bench.sync()
    assert seen == ["sent", "sent"]


@pytest.mark.parametrize("entered_by", ["crm"])
def test_a_spell_that_the_crms_began_writes_nothing(bench: Bench, entered_by: str) -> None:
    lead = bench.lead()
    bench.person("p1", lead, mql=False)
    bench.spell("p1", entered_by)
    assert bench.sync().decided == 0


def test_w18_an_ambiguous_person_is_never_written(bench: Bench) -> None:
    both(bench, ambiguous=True)
    assert bench.sync().decided == 0
    assert bench.all_writes() == []


def test_becoming_ambiguous_while_waiting_stops_the_write(bench: Bench) -> None:
    both(bench)
    bench.decide()
    with bench.mirror.write() as conn:
        conn.exec_driver_sql("UPDATE person SET ambiguous = true")
    counts = bench.sync()
    assert (counts.superseded, bench.all_writes()) == (3, [])


# -- people


def test_a_person_who_edits_before_the_read_wins(bench: Bench) -> None:
    lead, contact = both(bench)
    bench.decide()
    bench.sf.edit(lead, Status="Working")
    bench.hs.edit(contact, hs_lead_status="IN_PROGRESS")
    bench.world.advance(600)
    counts = bench.write()
    assert (bench.value(lead, "Status"), bench.value(contact, "hs_lead_status")) == ("Working", "IN_PROGRESS")
    assert counts.superseded == 2
    assert [set(write.fields) for write in bench.all_writes()] == [{"lifecyclestage"}]


def test_w24_salesforce_edit_between_read_and_write_is_prevented(bench: Bench) -> None:
    lead, _ = both(bench)

    def person(write: Write) -> None:
        bench.sf.before_write = None
        bench.world.advance(2)
        bench.sf.edit(lead, Status="Working")

    bench.sf.before_write = person
    bench.sync()
    versions = [version.value for version in bench.sf.records[lead].versions["Status"]]
    assert versions == ["Working", "New"]
    assert bench.states(crm="salesforce") == {"Status": "superseded"}


def test_hubspot_edit_between_read_and_write_is_put_back(bench: Bench) -> None:
    _, contact = both(bench)

    def person(write: Write) -> None:
        bench.hs.before_write = None
        bench.hs.edit(contact, hs_lead_status="IN_PROGRESS")

    bench.hs.before_write = person
    counts = bench.sync()
    assert bench.value(contact, "hs_lead_status") == "IN_PROGRESS"
    assert bench.codes() == ["EDIT_COVERED"]
    rows = bench.intents(crm="hubspot", field="hs_lead_status")
    assert [(row.policy, row.state, row.why) for row in rows] == [
        ("last_supplied", "superseded", "human"),
        ("repair", "verified", "wanted"),
    ]
    assert counts.balanced
    assert bench.sync().decided == 0


def test_a_value_that_was_put_back_is_not_taken_for_ours(bench: Bench) -> None:
    _, contact = both(bench)

    def person(write: Write) -> None:
        bench.hs.before_write = None
        bench.hs.edit(contact, hs_lead_status="IN_PROGRESS")

    bench.hs.before_write = person
    bench.sync()
    bench.mirror_record(contact)
    with bench.mirror.write() as conn:
        conn.exec_driver_sql("UPDATE spell SET left_at = 1, left_why = 'decay'")
    bench.spell("p1")
    bench.sync()
    assert bench.value(contact, "hs_lead_status") == "IN_PROGRESS"


def test_a_second_time_as_mql_writes_again_what_nobody_touched(bench: Bench) -> None:
    lead, contact = both(bench)
    bench.sync()
    with bench.mirror.write() as conn:
        conn.exec_driver_sql("UPDATE spell SET left_at = 1, left_why = 'decay'")
    bench.spell("p1")
    for crm, ref, change in (
        (bench.sf, lead, {"Status": "New"}),
        (bench.hs, contact, {"hs_lead_status": "NEW"}),
    ):
        bench.world.advance(600)
        crm.edit(ref, Author.AUTOMATION, **change)
        bench.mirror_record(ref)
    bench.sync()
    assert (bench.value(lead, "Status"), bench.value(contact, "hs_lead_status")) == ("MQL", "OPEN")


@pytest.mark.parametrize(("status", "again"), [("New", True), ("Working", False)])
def test_who_was_sent_back_is_handed_off_anew_in_another_spell(
    bench: Bench, status: str, again: bool
) -> None:
    lead = bench.lead()
    bench.person("p1", lead)
    bench.sync()
    bench.world.advance(3600)
    bench.sf.edit(lead, Status=status)
    bench.mirror_record(lead)
    assert bench.sync().decided == 0  # in the same spell a person's word stands, whatever it is
    with bench.mirror.write() as conn:
        conn.exec_driver_sql("UPDATE spell SET left_at = 1, left_why = 'recycled'")
    bench.spell("p1")
    bench.sync()
    assert bench.value(lead, "Status") == ("MQL" if again else status)


def test_a_sending_that_arrives_after_all_is_recognised(bench: Bench) -> None:
    _, contact = both(bench)
    held: list[Write] = []
    real = bench.hs._apply

    def delay(write: Write) -> Outcome:
        held.append(write)
        return Outcome(write.ref, OutcomeKind.UNKNOWN)

    bench.hs._apply = delay  # type: ignore[method-assign]
    assert bench.sync().waiting == 2
    bench.world.advance(60)
    real(held.pop())
    bench.hs._apply = real  # type: ignore[method-assign]
    assert bench.sync(seconds=100).verified == 2
    assert [v.value for v in bench.hs.records[contact].versions["hs_lead_status"]] == ["OPEN", "NEW"]


def test_a_cleared_field_is_put_back_as_empty(bench: Bench) -> None:
    _, contact = both(bench)

    def person(write: Write) -> None:
        bench.hs.before_write = None
        bench.hs.edit(contact, hs_lead_status=None)

    bench.hs.before_write = person
    bench.sync()
    assert bench.value(contact, "hs_lead_status") is None


def test_repairs_end_after_two_rounds_with_an_alert(bench: Bench) -> None:
    _, contact = both(bench)
    edits = iter(["IN_PROGRESS", "NEW", "IN_PROGRESS", "NEW", "IN_PROGRESS"])
    bench.hs.before_write = lambda write: bench.hs.edit(contact, hs_lead_status=next(edits))
    counts = bench.sync()
    assert bench.codes() == ["EDIT_COVERED", "EDIT_COVERED", "REPAIR_FAILED"]
    assert counts.parked == 1
    assert [row.policy for row in bench.intents(field="hs_lead_status")] == [
        "last_supplied",
        "repair",
        "repair",
    ]


def test_a_person_who_changes_it_back_after_us_is_never_fought(bench: Bench) -> None:
    lead, contact = both(bench)
    bench.sync()
    bench.world.advance(3600)
    bench.sf.edit(lead, Status="New")
    bench.hs.edit(contact, hs_lead_status="NEW", lifecyclestage="lead")
    for ref in (lead, contact):
        bench.mirror_record(ref)
    sent = len(bench.all_writes())
    assert bench.sync().decided == 0
    assert len(bench.all_writes()) == sent


def test_a_field_that_a_person_just_touched_waits(bench: Bench) -> None:
    _, contact = both(bench)
    bench.world.advance(600)
    bench.hs.edit(contact, hs_lead_status="NEW")
    bench.mirror_record(contact)
    counts = bench.sync(seconds=60)
    assert bench.states(crm="hubspot") == {"hs_lead_status": "quiet", "lifecyclestage": "verified"}
    assert (counts.waiting, bench.problems) == (1, [])
    assert bench.sync(seconds=60).waiting == 1
    assert bench.sync(seconds=300).verified == 1
    assert bench.value(contact, "hs_lead_status") == "OPEN"


# -- our own fields


def test_the_score_is_shown_as_a_whole_number_and_only_when_it_changed(bench: Bench) -> None:
    scored(bench)
    lead, contact = bench.lead(MQL_Score__c="0"), bench.contact(mql_grade="D4")
    bench.person("p1", lead, contact, total=49_500, mql=False)
    assert bench.sync().verified == 2
    assert (bench.value(lead, "MQL_Score__c"), bench.value(contact, "mql_grade")) == ("50", "A1")
    assert bench.sync().decided == 0
    bench.sf.edit(lead, Author.AUTOMATION, MQL_Score__c="50.0")
    bench.mirror_record(lead)
    assert bench.sync().decided == 0
    with bench.mirror.write() as conn:
        conn.exec_driver_sql("UPDATE score SET total = -3600")
        unshown.note_records(conn, [lead, contact])  # as scoring does
    assert bench.sync().verified == 1
    assert bench.value(lead, "MQL_Score__c") == "-4"
    assert all(write.guarded is False for write in bench.all_writes())


def test_our_own_fields_go_in_large_batches_and_those_of_people_first(bench: Bench) -> None:
    scored(bench)
    for number in range(150):
        bench.person(f"p{number}", bench.contact(str(number), mql_grade="D4"), mql=number >= 145)
    bench.decide()
    before = bench.hs.calls
    assert bench.write().verified == 160
    # one MQL first and four more, then 100 and 45 grades; each batch is read, written and read back
    assert bench.hs.calls - before == 12
    assert [write.guarded for write in bench.hs.writes] == [True] * 5 + [False] * 145
    assert {len(write.fields) for write in bench.hs.writes[:5]} == {3}


# -- configuration


def test_a_field_that_the_native_sync_carries_is_written_in_one_crm_only(bench: Bench) -> None:
    lead, contact = both(bench)
    changed = bench.settings.model_dump(by_alias=True)["writeback"]
    changed["salesforce"]["Lead"]["status"]["via_native"] = "hubspot"
    bench.settings_with(writeback=changed)
    bench.sync()
    assert (bench.value(lead, "Status"), bench.value(contact, "hs_lead_status")) == ("New", "OPEN")
    assert bench.sf.writes == []


def test_what_was_decided_before_a_field_is_carried_does_not_go(bench: Bench) -> None:
    lead, _ = both(bench)
    bench.decide()
    changed = bench.settings.model_dump(by_alias=True)["writeback"]
    changed["salesforce"]["Lead"]["status"]["via_native"] = "hubspot"
    bench.settings_with(writeback=changed)
    bench.write()
    assert bench.value(lead, "Status") == "New"


@pytest.mark.parametrize(("carried", "value"), [(False, "MQL"), (True, "New")])
def test_a_change_does_not_follow_a_conversion_into_a_carried_field(
    bench: Bench, carried: bool, value: str
) -> None:
    lead = bench.lead()
    bench.person("p1", lead)
    bench.decide()
    changed = bench.settings.model_dump(by_alias=True)["writeback"]
    if carried:
        changed["salesforce"]["Contact"]["status"]["via_native"] = "hubspot"
    bench.settings_with(writeback=changed)
    survivor = bench.sf.put("Contact", "0031", Author.AUTOMATION, Lead_Status__c="New")
    bench.sf.merge(lead, survivor, GoneReason.CONVERTED)
    bench.world.advance(60)
    bench.write()
    assert bench.value(survivor, "Lead_Status__c") == value


@pytest.mark.parametrize(("arrives", "codes"), [("", ["NATIVE_SYNC_LATE"]), ("MQL", []), ("Working", [])])
def test_what_the_native_sync_carries_has_to_arrive(bench: Bench, arrives: str, codes: list[str]) -> None:
    lead, _ = both(bench)
    changed = bench.settings.model_dump(by_alias=True)["writeback"]
    for crm, name in (("salesforce", "Lead"), ("hubspot", "contacts")):
        changed[crm][name]["status"]["via_native"] = "hubspot"
    bench.settings_with(writeback=changed)
    bench.sync()
    assert bench.codes() == []
    bench.sync(1800)
    assert bench.codes() == [], "the native sync takes its time"
    if arrives:
        bench.sf.edit(lead, Author.AUTOMATION, Status=arrives)
        bench.mirror_record(lead)
    bench.sync(3600)
    assert bench.codes() == codes
    assert bench.sf.writes == []


def test_record_types_have_values_of_their_own(bench: Bench) -> None:
    bench.sf.options["Lead", "Status"] = ("New", "MQL", "Partner MQL")
    plain, partner = bench.lead("1"), bench.lead("2", record_type="Partner")
    bench.person("p1", plain)
    bench.person("p2", partner)
    changed = bench.settings.model_dump(by_alias=True)["writeback"]
    changed["salesforce"]["Lead"]["status"]["record_types"] = {"Partner": {"mql": "Partner MQL"}}
    bench.settings_with(writeback=changed)
    bench.sync()
    assert (bench.value(plain, "Status"), bench.value(partner, "Status")) == ("MQL", "Partner MQL")


def test_a_field_taken_out_of_the_configuration_is_not_written_any_more(bench: Bench) -> None:
    lead, contact = both(bench)
    bench.decide()
    changed = bench.settings.model_dump(by_alias=True)["writeback"]
    changed["salesforce"]["Lead"]["status"] = None
    bench.settings_with(writeback=changed)
    counts = bench.write()
    assert (bench.value(lead, "Status"), bench.value(contact, "hs_lead_status")) == ("New", "OPEN")
    assert (counts.verified, counts.superseded + counts.waiting) == (2, 1)


def test_a_value_that_is_not_offered_stops_its_object_and_names_the_nearest(bench: Bench) -> None:
    lead, contact = both(bench)
    bench.sf.options["Lead", "Status"] = ("New", "MQL (new)", "Working")
    counts = bench.sync()
    (problem,) = bench.problems
    assert (problem.exit_code, problem.crm) == (2, "salesforce")
    assert "'MQL'" in problem.message
    assert "Working" in problem.remedy
    assert (bench.value(lead, "Status"), bench.value(contact, "hs_lead_status")) == ("New", "OPEN")
    assert counts.waiting == 1


def test_one_crm_in_trouble_does_not_stop_the_other(bench: Bench) -> None:
    from connectors.errors import AuthFailed

    _, contact = both(bench)

    def fail(*_: Any, **__: Any) -> Any:
        raise AuthFailed("expired", crm="salesforce", code="invalid_grant")

    bench.sf.read = fail  # type: ignore[method-assign]
    counts = bench.sync()
    assert [problem.exit_code for problem in bench.problems] == [4]
    assert bench.value(contact, "hs_lead_status") == "OPEN"
    assert counts.waiting == 1
