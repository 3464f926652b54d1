"""Every class of refusal, provoked over HTTP on the sandbox: one action for each, and the way back from it.

The classes are those of `RefusalClass`, with conflict and moved beside them; the last test says that none is
without a case here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from connectors.records import OutcomeKind, RecordRef, RefusalClass
from connectors.sandbox.faults import Match
from connectors.sandbox.sandbox import Sandbox
from sync.mirror import failures, outbox
from tests.pipeline.test_write_sandbox import WRITES, SandboxBench
from tests.pipeline.write_bench import POOLS
from tests.world import SimulatedWorld

pytestmark = pytest.mark.sqlite("it is about the answers of the CRMs")

FIELD = {"salesforce": "Status", "hubspot": "hs_lead_status"}
LEAD_WRITE = "/(sobjects/Lead/|composite)"


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld, sandbox: Sandbox) -> Iterator[SandboxBench]:
    made = SandboxBench(tmp_path, world, sandbox)
    made.queue = made.users["rep"]  # somebody's leads: their owners are not the matter here
    yield made
    for connector in made.connectors.values():
        connector.close()
    made.mirror.close()


@pytest.fixture
def routed(tmp_path: Path, world: SimulatedWorld, sandbox: Sandbox) -> Iterator[SandboxBench]:
    made = SandboxBench(tmp_path, world, sandbox, routing=POOLS)
    yield made
    for connector in made.connectors.values():
        connector.close()
    made.mirror.close()


def sf_refuses(code: str, message: str = "no") -> Callable[[SandboxBench, RecordRef], None]:
    def arm(bench: SandboxBench, ref: RecordRef) -> None:
        bench.sandbox.switches.sf_refused[ref.id] = (code, message)

    return arm


def sf_answers(status: int, code: str) -> Callable[[SandboxBench, RecordRef], None]:
    def arm(bench: SandboxBench, _: RecordRef) -> None:
        bench.sandbox.faults.salesforce_error(status, code, method="PATCH|POST", path=LEAD_WRITE, count=None)

    return arm


def hs_answers(status: int, category: str, message: str = "no") -> Callable[[SandboxBench, RecordRef], None]:
    def arm(bench: SandboxBench, _: RecordRef) -> None:
        body = {"status": "error", "category": category, "message": message}
        bench.sandbox.faults.arm(
            "status", crm="hubspot", path="/batch/update", count=None, status=status, body=body
        )

    return arm


def hs_refuses(error: str, field: str = "hs_lead_status") -> Callable[[SandboxBench, RecordRef], None]:
    detail = json.dumps([{"isValid": False, "message": "no", "error": error, "name": field}])
    return hs_answers(400, "VALIDATION_ERROR", f"Property values were not valid: {detail}")


def hs_limit(policy: str) -> Callable[[SandboxBench, RecordRef], None]:
    def arm(bench: SandboxBench, _: RecordRef) -> None:
        bench.sandbox.faults.rate_limit(policy, path="/batch/update", count=None)

    return arm


def locked(bench: SandboxBench, ref: RecordRef) -> None:
    bench.sandbox.switches.sf_locked.add(ref.id)


def healed(bench: SandboxBench, ref: RecordRef) -> None:
    switches = bench.sandbox.switches
    switches.sf_refused.pop(ref.id, None)
    switches.sf_locked.discard(ref.id)
    bench.sandbox.faults.disarm()


@dataclass(frozen=True)
class Case:
    """What goes wrong with the status of one record, and what it comes to."""

    about: RefusalClass | OutcomeKind
    crm: str
    arm: Callable[[SandboxBench, RecordRef], None]
    state: str
    exit_code: int | None  # of the problem reported; None: none is
    code: str | None = None  # kept with the change
    comes_by_itself: bool = False  # a later run needs nobody's word


T, Q, A = RefusalClass.TRANSIENT, RefusalClass.QUOTA, RefusalClass.AUTH
ADMIN, CONFIG, OWNER = RefusalClass.ADMIN_RULE, RefusalClass.OUR_CONFIG, RefusalClass.OWNER
NESTED = "LeadTrigger: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access"

CASES = {
    "sf lock": Case(T, "salesforce", locked, "queued", 5, "UNABLE_TO_LOCK_ROW", True),
    "sf lock in a trigger": Case(
        T,
        "salesforce",
        sf_refuses("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", NESTED),
        "queued",
        5,
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
        True,
    ),
    "sf governor": Case(
        T,
        "salesforce",
        sf_refuses("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "Too many SOQL queries: 101"),
        "queued",
        5,
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
        True,
    ),
    "hs burst limit": Case(T, "hubspot", hs_limit("TEN_SECONDLY_ROLLING"), "queued", 5, None, True),
    "sf quota": Case(Q, "salesforce", sf_answers(403, "REQUEST_LIMIT_EXCEEDED"), "queued", 5, None, True),
    "hs quota": Case(Q, "hubspot", hs_limit("DAILY"), "queued", 5, None, True),
    "sf session": Case(A, "salesforce", sf_answers(401, "INVALID_SESSION_ID"), "queued", 4, None, True),
    "hs token": Case(A, "hubspot", hs_answers(401, "INVALID_AUTHENTICATION"), "queued", 4, None, True),
    "hs scope": Case(A, "hubspot", hs_answers(403, "MISSING_SCOPES"), "queued", 4, None, True),
    "sf save conflict": Case(
        OutcomeKind.CONFLICT,
        "salesforce",
        sf_refuses("ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE"),
        "conflict",
        None,
    ),
    "hs conflict": Case(OutcomeKind.CONFLICT, "hubspot", hs_answers(409, "CONFLICT"), "conflict", None),
    **{
        f"sf {code}": Case(ADMIN, "salesforce", sf_refuses(code, "Budget first"), "parked", None, code)
        for code in (
            "FIELD_CUSTOM_VALIDATION_EXCEPTION",
            "FIELD_FILTER_VALIDATION_EXCEPTION",
            "CANNOT_EXECUTE_FLOW_TRIGGER",
            "PROCESSING_HALTED",
            "DUPLICATES_DETECTED",
        )
    },
    "hs rule": Case(ADMIN, "hubspot", hs_refuses("INVALID_REGEX"), "parked", None, "INVALID_REGEX"),
    **{
        f"sf {code}": Case(CONFIG, "salesforce", sf_refuses(code), "parked", None, code)
        for code in (
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "STRING_TOO_LONG",
            "INSUFFICIENT_ACCESS_OR_READONLY",
        )
    },
    "hs option": Case(CONFIG, "hubspot", hs_refuses("INVALID_OPTION"), "parked", None, "INVALID_OPTION"),
    **{
        f"sf {code}": Case(OWNER, "salesforce", sf_refuses(code), "parked", None, code)
        for code in ("OP_WITH_INVALID_USER_TYPE_EXCEPTION", "TRANSFER_REQUIRES_READ")
    },
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_refusal_comes_to_and_the_way_back(bench: SandboxBench, name: str) -> None:
    case = CASES[name]
    lead, contact = bench.pair("p1")
    ref, other = (lead, contact) if case.crm == "salesforce" else (contact, lead)
    case.arm(bench, ref)
    before = bench.shown(ref, FIELD[ref.crm])
    bench.sync()
    (intent,) = bench.intents(crm=case.crm, purpose="status")
    assert (intent.state, bench.shown(ref, FIELD[ref.crm])) == (case.state, before), intent.message
    assert case.code is None or intent.code == case.code
    assert [one.exit_code for one in bench.problems] == ([] if case.exit_code is None else [case.exit_code])
    assert bench.shown(other, FIELD[other.crm]) in ("MQL", "OPEN"), "the other CRM is served"
    healed(bench, ref)
    if not case.comes_by_itself:
        assert bench.sync().decided == 0, "nothing is tried again before somebody says so"
        with bench.mirror.write() as conn:
            ids = [row.intent_id for row in outbox.failed(conn)]
            assert failures.retry(conn, ids, "run-x", bench.ctx.run.now) == len(ids)
    bench.sync()
    assert bench.shown(ref, FIELD[ref.crm]) in ("MQL", "OPEN")
    assert {row.state for row in bench.intents()} == {"verified"}


def test_the_headers_of_a_write_survive_a_new_sign_in(bench: SandboxBench) -> None:
    lead, _ = bench.pair("p1")
    sent: list[Mapping[str, str]] = []
    match = Match("salesforce", "PATCH", "/sobjects/Lead/", count=None)
    bench.sandbox.steps.before(match, lambda request: sent.append(request.headers))
    bench.sandbox.faults.salesforce_error(401, "INVALID_SESSION_ID", method="PATCH|POST", path=LEAD_WRITE)
    bench.sync()
    assert bench.shown(lead, "Status") == "MQL"
    names = ("sforce-auto-assign", "if-unmodified-since", "authorization")
    first, second = [{name: headers[name] for name in names} for headers in sent]
    assert first["sforce-auto-assign"] == "FALSE"
    assert first.pop("authorization") != second.pop("authorization")
    assert first == second


def alive(bench: SandboxBench, ref: RecordRef) -> int:
    """How many live records there are of that kind."""
    return sum(1 for _ in bench.sandbox.store.table(ref.crm, ref.object).alive())


@pytest.mark.parametrize("crm", ["salesforce", "hubspot"])
def test_moved_a_record_that_goes_between_read_and_write_is_let_go(bench: SandboxBench, crm: str) -> None:
    lead, contact = bench.pair("p1")
    ref = lead if crm == "salesforce" else contact
    size = alive(bench, ref)
    match = Match(crm, *WRITES[crm], body="MQL|OPEN")
    bench.sandbox.steps.before(match, lambda _: bench.sandbox.delete(crm, ref.object, ref.id))
    bench.sync()
    ended = {row.why for row in bench.intents(crm=crm)}
    assert ended == {"gone"}
    assert alive(bench, ref) == size - 1, "404 creates nothing"
    assert bench.sync().decided == 0


def test_innocent_records_of_a_refused_batch_go_singly(bench: SandboxBench) -> None:
    pairs = [bench.pair(f"p{number}") for number in range(3)]
    body = {"status": "error", "category": "VALIDATION_ERROR", "message": "something is wrong"}
    bench.sandbox.faults.arm("status", crm="hubspot", path="/batch/update", status=400, body=body)
    assert bench.sync().parked == 0
    assert {bench.shown(contact, "hs_lead_status") for _, contact in pairs} == {"OPEN"}
    assert {row.attempts for row in bench.intents(crm="hubspot")} == {1}


def test_w2_the_guilty_one_is_parked_and_the_innocent_are_written(bench: SandboxBench) -> None:
    pairs = [bench.pair(f"p{number}") for number in range(3)]
    guilty = pairs[1][0]
    bench.sandbox.switches.sf_refused[guilty.id] = ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Budget first")
    counts = bench.sync()
    assert (counts.parked, counts.verified) == (1, 8)
    assert [bench.shown(lead, "Status") for lead, _ in pairs] == ["MQL", "New", "MQL"]


def pulled_again(bench: SandboxBench, ref: RecordRef) -> None:
    """The mirror has the record as the CRM has it now."""
    with bench.mirror.write() as conn:
        conn.exec_driver_sql(f"DELETE FROM person_record WHERE id = '{ref.id}'")
    bench.pull_one(ref)


def test_a_rule_is_asked_again_when_the_record_was_changed(bench: SandboxBench) -> None:
    lead, _ = bench.pair("p1")
    bench.sandbox.switches.sf_validation_rules["Lead"] = ("Phone", "Phone first")
    assert bench.sync().parked == 1
    assert bench.sync().decided == 0
    bench.sandbox.edit("salesforce", "Lead", lead.id, {"Phone": "+43 1 555"})
    pulled_again(bench, lead)
    counts = bench.sync()
    assert (counts.superseded, counts.verified, bench.shown(lead, "Status")) == (1, 1, "MQL")
    with bench.mirror.read() as conn:
        assert outbox.failed(conn) == []


def test_our_mistake_is_asked_again_when_the_mapping_was_changed(bench: SandboxBench) -> None:
    lead, _ = bench.pair("p1")
    sf_refuses("STRING_TOO_LONG")(bench, lead)
    bench.sync()
    bench.sandbox.edit("salesforce", "Lead", lead.id, {"Phone": "+43 1 555"})
    pulled_again(bench, lead)
    assert bench.sync().decided == 0
    healed(bench, lead)
    bench.world.advance(600)
    bench.ctx = replace(bench.next_context(), mapping_hash="mapping-2")
    bench.decide()
    assert bench.write().verified == 1
    assert bench.shown(lead, "Status") == "MQL"


def test_our_configuration_stops_the_field_after_five_refusals(bench: SandboxBench) -> None:
    pairs = [bench.pair(f"p{number}") for number in range(6)]
    for lead, _ in pairs:
        sf_refuses("STRING_TOO_LONG")(bench, lead)
    bench.sync()
    assert bench.codes() == ["FIELD_PAUSED"]
    with bench.mirror.read() as conn:
        assert list(outbox.pauses(conn)) == ["salesforce.Lead.Status"]
    assert {bench.shown(contact, "hs_lead_status") for _, contact in pairs} == {"OPEN"}


@pytest.mark.parametrize(
    "code", ["INACTIVE_OWNER_OR_USER", "INVALID_OWNER", "OP_WITH_INVALID_USER_TYPE_EXCEPTION"]
)
def test_a_refused_owner_is_replaced_by_the_next(routed: SandboxBench, code: str) -> None:
    lead, _ = routed.pair("p1")
    body = [{"message": "no", "errorCode": code, "fields": ["OwnerId"]}]
    first = routed.users["ann"]
    routed.sandbox.faults.arm(
        "status",
        crm="salesforce",
        method="PATCH",
        path="/sobjects/Lead/",
        body_match=first,
        count=None,
        status=400,
        body=body,
    )
    routed.sync()
    assert routed.shown(lead, "OwnerId") == routed.users["bob"]
    assert routed.shown(lead, "Status") == "MQL"


def test_every_class_has_a_case() -> None:
    named = {case.about for case in CASES.values()} | {RefusalClass.INNOCENT, OutcomeKind.MOVED}
    assert set(RefusalClass) - {RefusalClass.OTHER} <= named
    assert {OutcomeKind.CONFLICT, OutcomeKind.MOVED} <= named
