"""One call and what may come of it: limits kept, errors told apart, tokens renewed."""

from __future__ import annotations

import json
import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses
from pydantic import SecretStr

from connectors.errors import (
    AuthFailed,
    BrokenReply,
    ConnectorError,
    NotOffered,
    OutcomeUnknown,
    QuotaSpent,
    RecordRejected,
    Retriable,
    RightMissing,
)
from connectors.hubspot.account import Account
from connectors.hubspot.reader import AssociationBatch, Batch, ObjectPage
from connectors.records import Limits
from connectors.sandbox.sandbox import Sandbox
from connectors.throttle import UnlimitedBudget
from tests.unit.hubspot.made import API, TOKEN, account, settings, slow_limits
from tests.world import SimulatedWorld

OWNERS = f"{API}/crm/v3/owners"
SEARCH = f"{API}/crm/v3/objects/contacts/search"
UPDATE = f"{API}/crm/v3/objects/contacts/batch/update"
EMPTY = {"results": []}


class RememberingBudget(UnlimitedBudget):
    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.heard: list[tuple[int | None, int | None, int]] = []
        self.ends: list[datetime | None] = []

    def acquire(self, kind: str, n: int = 1) -> float:
        self.kinds.append(kind)
        return 0.0

    def observe(self, used: int | None, limit: int | None, ours: int = 0) -> None:
        self.heard.append((used, limit, ours))

    def spent(self, until: datetime | None) -> None:
        self.ends.append(until)


def read(made: Account) -> Any:
    return made.read(ObjectPage, "owners").value


@responses.activate
@pytest.mark.parametrize(
    ("status", "body", "family"),
    [
        (400, {"category": "VALIDATION_ERROR"}, RecordRejected),
        (401, {"category": "INVALID_AUTHENTICATION"}, AuthFailed),
        (403, {"category": "MISSING_SCOPES"}, RightMissing),
        (404, {}, NotOffered),
        (429, {"policyName": "DAILY"}, QuotaSpent),
    ],
)
def test_a_definite_answer_is_not_asked_for_again(
    world: SimulatedWorld, status: int, body: dict[str, str], family: type[ConnectorError]
) -> None:
    responses.get(OWNERS, status=status, json=body)
    with pytest.raises(family) as caught:
        read(account(world))
    assert caught.value.crm == "hubspot"
    assert len(responses.calls) == 1
    assert TOKEN not in f"{caught.value!r}{caught.value.__dict__}{account(world)!r}"


@responses.activate
@pytest.mark.parametrize("status", [423, 477, 500, 502, 503, 504, 524])
def test_a_passing_answer_is(world: SimulatedWorld, status: int) -> None:
    responses.get(OWNERS, status=status, body="<html>")
    responses.get(OWNERS, json=EMPTY)
    assert read(account(world)).results == []
    assert world.slept


@responses.activate
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Maintenance</html>", b'{"results": [{"id": "1"', b"[]", b'{"message": "ok"}', b"null",
     b'{"results": null}', b'{"results": {}}'],
)  # fmt: skip
def test_a_success_that_is_none_is_never_believed(world: SimulatedWorld, body: bytes) -> None:
    responses.get(OWNERS, body=body)
    with pytest.raises(BrokenReply):
        read(account(world))
    assert 1 < len(responses.calls) < 10


@responses.activate
def test_burst_limits_wait_as_long_as_their_policy_says(world: SimulatedWorld) -> None:
    responses.get(OWNERS, status=429, json={"policyName": "TEN_SECONDLY_ROLLING"})
    responses.get(OWNERS, json=EMPTY)
    read(account(world))
    assert 10.0 <= world.monotonic() <= 12.0


@responses.activate
def test_search_slows_down_after_a_refusal(world: SimulatedWorld) -> None:
    responses.post(SEARCH, status=429, json={"policyName": "SECONDLY"})
    responses.post(SEARCH, json=EMPTY)
    made = account(world)

    def search() -> None:
        made.read(ObjectPage, "search", body={"limit": 1}, object="contacts")

    search()
    assert 1.0 <= world.monotonic() <= 1.5
    began = world.monotonic()
    for _ in range(12):
        search()
    assert world.monotonic() - began >= 2.0  # four a second


@responses.activate
def test_search_and_other_calls_have_limits_of_their_own(world: SimulatedWorld) -> None:
    responses.post(SEARCH, json=EMPTY)
    responses.get(OWNERS, json=EMPTY)
    made = account(world)
    for _ in range(50):
        read(made)
    assert world.monotonic() == 0
    for _ in range(11):
        made.read(ObjectPage, "search", body={"limit": 1}, object="contacts")
    assert 2.0 <= world.monotonic() < 3.0


@responses.activate
def test_the_burst_limit_is_the_one_of_the_headers(world: SimulatedWorld) -> None:
    headers = {"X-HubSpot-RateLimit-Max": "20", "X-HubSpot-RateLimit-Interval-Milliseconds": "10000"}
    responses.get(OWNERS, json=EMPTY, headers=headers)
    made = account(world)
    for _ in range(20):
        read(made)
    assert world.monotonic() == 0
    read(made)
    assert world.monotonic() >= 10


@responses.activate
def test_a_configured_limit_stands(world: SimulatedWorld) -> None:
    headers = {"X-HubSpot-RateLimit-Max": "190", "X-HubSpot-RateLimit-Interval-Milliseconds": "10000"}
    responses.get(OWNERS, json=EMPTY, headers=headers)
    responses.post(SEARCH, json=EMPTY)
    made = account(world, rate_limit=slow_limits())
    for _ in range(11):
        read(made)
    assert world.monotonic() >= 10
    before = world.monotonic()
    for _ in range(3):
        made.read(ObjectPage, "search", body={"limit": 1}, object="contacts")
    assert world.monotonic() - before >= 4


@responses.activate
def test_the_daily_quota_is_told_to_the_budget(world: SimulatedWorld) -> None:
    responses.get(OWNERS, json=EMPTY)
    responses.get(
        OWNERS,
        json=EMPTY,
        headers={"X-HubSpot-RateLimit-Daily": "250000", "X-HubSpot-RateLimit-Daily-Remaining": "249000"},
    )
    responses.get(OWNERS, status=429, json={"policyName": "DAILY"}, headers={"Retry-After": "3600"})
    budget = RememberingBudget()
    made = account(world, budget)
    read(made)
    read(made)
    assert budget.heard == [(1000, 250_000, 2)]
    assert made.limits == Limits(used=1000, limit=250_000)
    with pytest.raises(QuotaSpent) as caught:
        read(made)
    assert budget.ends == [caught.value.until] == [world.now() + timedelta(hours=1)]
    assert budget.kinds == ["read"] * 3


@responses.activate
def test_a_budget_that_says_no_is_obeyed(world: SimulatedWorld) -> None:
    class Spent(UnlimitedBudget):
        def acquire(self, kind: str, n: int = 1) -> float:
            raise QuotaSpent("the reserve is kept", crm="hubspot")

    with pytest.raises(QuotaSpent):
        read(account(world, Spent()))
    assert not responses.calls


@responses.activate
def test_the_servers_clock_is_kept_as_a_difference(world: SimulatedWorld) -> None:
    responses.get(OWNERS, json=EMPTY, headers={"Date": "Mon, 02 Nov 2026 09:01:00 GMT"})
    made = account(world)
    answer = made.read(ObjectPage, "owners")
    assert answer.server_ms == int(datetime(2026, 11, 2, 9, 1, tzinfo=UTC).timestamp()) * 1000
    assert made.skew_ms == 60_000
    assert made.server_now_ms() == answer.server_ms


# Writes


@responses.activate
@pytest.mark.parametrize("status", [423, 477, 500, 502, 503, 504])
def test_a_write_without_a_clear_answer_is_unknown_and_not_repeated(
    world: SimulatedWorld, status: int
) -> None:
    responses.post(UPDATE, status=status)
    with pytest.raises(OutcomeUnknown):
        account(world).write("batch_update", {"inputs": []}, object="contacts")
    assert len(responses.calls) == 1


@responses.activate
def test_a_write_that_was_refused_for_its_rate_is_repeated(world: SimulatedWorld) -> None:
    responses.post(UPDATE, status=429, json={"policyName": "TEN_SECONDLY_ROLLING"})
    responses.post(UPDATE, json=EMPTY)
    budget = RememberingBudget()
    made = account(world, budget)
    assert made.write("batch_update", {"inputs": []}, object="contacts").status == 200
    assert budget.kinds == ["write", "write"]


@responses.activate
@pytest.mark.parametrize("status", [400, 403, 404, 409])
def test_a_refused_write_comes_back_with_its_body(world: SimulatedWorld, status: int) -> None:
    responses.post(UPDATE, status=status, json={"category": "X_Y"})
    reply = account(world).write("batch_update", {"inputs": []}, object="contacts")
    assert (reply.status, json.loads(reply.body)) == (status, {"category": "X_Y"})


# Versions of the API


@responses.activate
def test_a_server_without_a_dated_path_is_asked_by_the_older_one(world: SimulatedWorld) -> None:
    responses.get(f"{API}/crm/owners/2026-03", status=404)
    responses.get(OWNERS, json=EMPTY)
    made = account(world, api_version="2026-03")
    read(made)
    read(made)
    assert [call.request.url for call in responses.calls] == [f"{API}/crm/owners/2026-03", OWNERS, OWNERS]


@responses.activate
def test_what_neither_path_has_is_not_offered(world: SimulatedWorld) -> None:
    responses.get(f"{API}/crm/owners/2026-03", status=404)
    responses.get(OWNERS, status=404)
    with pytest.raises(NotOffered):
        read(account(world, api_version="2026-03"))


@responses.activate
def test_object_paths_have_no_second_chance(world: SimulatedWorld) -> None:
    dated = f"{API}/crm/objects/2026-03/contacts/batch/read"
    responses.post(dated, status=404)
    with pytest.raises(NotOffered):
        account(world, api_version="2026-03").read(Batch, "batch_read", body={}, object="contacts")
    assert len(responses.calls) == 1


# Tokens


def refreshing(sandbox: Sandbox, world: SimulatedWorld, **changes: Any) -> Account:
    known = sandbox.credentials["hubspot"]
    given = {
        "base_url": sandbox.hubspot_url,
        "access_token": None,
        "client_id": known["client_id"],
        "client_secret": SecretStr(known["client_secret"]),
        "refresh_token": SecretStr(known["refresh_token"]),
    }
    return Account(settings(**{**given, **changes}), world, UnlimitedBudget())


def exchanges(sandbox: Sandbox) -> int:
    return sum(1 for logged in sandbox.requests if logged.path == "/oauth/2026-03/token")


def test_a_token_is_got_once_and_renewed_before_its_end(sandbox: Sandbox, world: SimulatedWorld) -> None:
    made = refreshing(sandbox, world)
    read(made)
    read(made)
    assert exchanges(sandbox) == 1
    world.advance(1790)
    read(made)
    assert exchanges(sandbox) == 2
    assert all(logged.status != 401 for logged in sandbox.requests)


def test_a_refused_token_is_replaced_once_for_all_threads(sandbox: Sandbox, world: SimulatedWorld) -> None:
    made = refreshing(sandbox, world)
    read(made)
    sandbox.expire_tokens("hubspot")
    failed: list[Exception] = []

    def work() -> None:
        try:
            read(made)
        except ConnectorError as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert exchanges(sandbox) == 2


def test_a_given_token_that_ends_is_replaced_when_it_can_be(sandbox: Sandbox, world: SimulatedWorld) -> None:
    read(refreshing(sandbox, world, access_token=SecretStr("dead-token")))
    with pytest.raises(AuthFailed):
        read(refreshing(sandbox, world, access_token=SecretStr("dead-token"), refresh_token=None))


def test_a_token_refused_twice_is_final(sandbox: Sandbox, world: SimulatedWorld) -> None:
    made = refreshing(sandbox, world)
    sandbox.faults.arm(crm="hubspot", path="owners", count=100, kind="status", status=401)
    with pytest.raises(AuthFailed):
        read(made)
    assert exchanges(sandbox) == 2


def test_a_wrong_secret_is_final_and_stays_secret(
    sandbox: Sandbox, world: SimulatedWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = refreshing(sandbox, world, client_secret=SecretStr("wrong-secret"))
    with pytest.raises(AuthFailed) as caught:
        read(made)
    assert "wrong-secret" not in f"{caught.value!r}{caught.value.__cause__!r}{made!r}{caplog.text}"
    assert exchanges(sandbox) == 1


def test_a_broken_token_endpoint_is_asked_again(sandbox: Sandbox, world: SimulatedWorld) -> None:
    for kind in ({"kind": "status", "status": 503}, {"kind": "html", "status": 200}, {"kind": "empty"}):
        sandbox.faults.arm(crm="hubspot", path="/oauth/2026-03/token", count=1, **kind)
        read(refreshing(sandbox, world))


@responses.activate
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, "<html>no such path</html>"),
        (405, ""),
        (401, '{"status": "error", "category": "INVALID_AUTHENTICATION", "message": "no credentials"}'),
    ],
)
def test_a_server_without_the_dated_token_endpoint_is_asked_by_the_older_one(
    world: SimulatedWorld, status: int, body: str
) -> None:
    responses.post(f"{API}/oauth/2026-03/token", status=status, body=body)
    granted = {"access_token": "new", "expires_in": 100, "refresh_token": "next"}
    older = responses.post(f"{API}/oauth/v1/token", json=granted)
    responses.get(OWNERS, json=EMPTY)
    made = account(
        world, access_token=None, client_id="id", client_secret=SecretStr("s"), refresh_token=SecretStr("r")
    )
    read(made)
    world.advance(60)
    read(made)
    paths = [call.request.url for call in responses.calls if "oauth" in str(call.request.url)]
    assert paths == [f"{API}/oauth/2026-03/token", f"{API}/oauth/v1/token", f"{API}/oauth/v1/token"]
    assert "refresh_token=next" in str(older.calls[1].request.body)


@responses.activate
def test_a_refused_refresh_token_is_not_tried_elsewhere(world: SimulatedWorld) -> None:
    said = {"error": "invalid_grant", "status": "BAD_REFRESH_TOKEN"}
    responses.post(f"{API}/oauth/2026-09/token", status=400, json=said)
    changes = {"client_id": "id", "client_secret": SecretStr("s"), "refresh_token": SecretStr("r")}
    with pytest.raises(AuthFailed):
        read(account(world, access_token=None, api_version="2026-09", **changes))
    assert len(responses.calls) == 1


@responses.activate
def test_without_any_token_there_is_no_call(world: SimulatedWorld) -> None:
    with pytest.raises(AuthFailed):
        read(account(world, access_token=None))
    assert not responses.calls


@responses.activate
def test_a_lasting_fault_comes_out_as_it_is(world: SimulatedWorld) -> None:
    responses.get(OWNERS, status=503)
    with pytest.raises(Retriable) as caught:
        read(account(world))
    assert caught.value.status == 503


@responses.activate
def test_after_a_burst_refusal_less_than_the_limit_is_used(world: SimulatedWorld) -> None:
    headers = {"X-HubSpot-RateLimit-Max": "100", "X-HubSpot-RateLimit-Interval-Milliseconds": "10000"}
    responses.get(OWNERS, status=429, json={"policyName": "TEN_SECONDLY_ROLLING"}, headers=headers)
    for _ in range(200):
        responses.get(OWNERS, json=EMPTY, headers=headers)
    made = account(world)
    moments = []
    for _ in range(150):
        read(made)
        moments.append(world.monotonic())
    in_ten_seconds = max(sum(start <= at < start + 10.0 for at in moments) for start in moments)
    assert in_ten_seconds == 97


ASSOCIATIONS = f"{API}/crm/v4/associations/contacts/companies/batch/read"


def associate(made: Account) -> None:
    made.read(AssociationBatch, "associations", body={"inputs": []}, object="contacts", to="companies")


@responses.activate
def test_associations_take_no_turn_of_the_others(world: SimulatedWorld) -> None:
    responses.post(ASSOCIATIONS, json=EMPTY)
    responses.get(OWNERS, json=EMPTY)
    made = account(world)
    started = world.monotonic()
    for _ in range(90):
        read(made)
        associate(made)
    assert world.monotonic() - started < 1.0


@responses.activate
def test_a_server_that_counts_associations_with_the_rest_is_believed(world: SimulatedWorld) -> None:
    responses.post(ASSOCIATIONS, status=429, json={"policyName": "TEN_SECONDLY_ROLLING"})
    responses.post(ASSOCIATIONS, json=EMPTY)
    responses.get(OWNERS, json=EMPTY)
    made = account(world)
    moments = []
    for _ in range(150):
        associate(made)
        read(made)
        moments += [world.monotonic()] * 2
    after = moments[2:]
    assert max(sum(start <= at < start + 10.0 for at in after) for start in after) <= 100


@responses.activate
def test_a_configured_limit_holds_for_associations_too(world: SimulatedWorld) -> None:
    responses.post(ASSOCIATIONS, json=EMPTY)
    made = account(world, rate_limit=slow_limits())
    started = world.monotonic()
    for _ in range(21):
        associate(made)
    assert world.monotonic() - started >= 20.0
