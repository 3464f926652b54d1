"""One call: token, refresh, headers, quota, clock, retries, origin."""

from __future__ import annotations

import gzip
import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import responses
from pydantic import SecretStr
from responses import matchers

from config.settings import SalesforceSettings
from connectors.errors import (
    AuthFailed,
    BrokenReply,
    Fatal,
    NotOffered,
    OutcomeUnknown,
    QuotaSpent,
    Retriable,
)
from connectors.records import Limits
from connectors.salesforce.reader import fields_of, query_all, query_page
from tests.unit.salesforce.helpers import (
    DATA,
    ORIGIN,
    SECRETS,
    TOKEN_URL,
    USER_ID,
    NotingBudget,
    credentials,
    error,
    make_api,
    token_reply,
)
from tests.world import SimulatedWorld

EXPIRED = error("INVALID_SESSION_ID", "Session expired or invalid")
LEAD = f"{DATA}/sobjects/Lead/00Q000000000001AAA"


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def test_a_call_carries_the_token_and_comes_back_decoded(mock: responses.RequestsMock) -> None:
    mock.get(f"{DATA}/limits", json={"a": 1}, match=[matchers.header_matcher({"X-PrettyPrint": "0"})])
    api = make_api(SimulatedWorld())
    assert api.get("limits") == {"a": 1}
    assert mock.calls[0].request.headers["Authorization"] == "Bearer given-token"
    assert api.calls == 1


ZIPPED = {"Content-Encoding": "gzip"}


def test_compressed_replies_are_read_in_full(mock: responses.RequestsMock) -> None:
    body = {"numbers": list(range(50_000))}
    mock.get(f"{DATA}/limits", body=gzip.compress(json.dumps(body).encode()), headers=ZIPPED)
    assert make_api(SimulatedWorld()).get("limits") == body


@pytest.mark.parametrize("cut", [slice(0, 40), slice(5, None)])
def test_a_spoilt_compressed_reply_is_broken(mock: responses.RequestsMock, cut: slice) -> None:
    body = gzip.compress(json.dumps({"numbers": list(range(5_000))}).encode())
    mock.get(f"{DATA}/limits", body=body[cut], headers=ZIPPED)
    with pytest.raises(BrokenReply):
        make_api(SimulatedWorld()).get("limits")


@pytest.mark.parametrize("code", ["INVALID_SESSION_ID", "INVALID_AUTH_HEADER"])
def test_an_expired_token_is_renewed_and_the_same_request_sent_again_with_its_headers(
    mock: responses.RequestsMock, code: str
) -> None:
    token_reply(mock, "first-token")
    mock.patch(LEAD, json=error(code), status=401)
    token_reply(mock, "second-token")
    mock.patch(LEAD, status=204)
    api = make_api(SimulatedWorld(), credentials())
    guard = {"If-Unmodified-Since": "Sun, 22 Nov 2026 07:35:32 GMT", "Sforce-Auto-Assign": "FALSE"}
    assert api.send("PATCH", "sobjects/Lead/00Q000000000001AAA", {"Status": "MQL"}, guard).status == 204
    first, second = (call.request for call in mock.calls if call.request.method == "PATCH")
    assert {name: second.headers[name] for name in guard} == guard
    assert first.body == second.body == b'{"Status":"MQL"}'
    assert first.headers["Authorization"] == "Bearer first-token"
    assert second.headers["Authorization"] == "Bearer second-token"


def test_a_second_401_is_final(mock: responses.RequestsMock) -> None:
    token_reply(mock, "first-token")
    mock.get(f"{DATA}/limits", json=EXPIRED, status=401)
    api = make_api(SimulatedWorld(), credentials())
    with pytest.raises(AuthFailed):
        api.get("limits")
    assert [call.request.method for call in mock.calls] == ["POST", "GET", "POST", "GET"]


def test_a_401_without_salesforces_json_renews_too(mock: responses.RequestsMock) -> None:
    token_reply(mock, "first-token")
    mock.get(f"{DATA}/limits", body="<html>", status=401)
    token_reply(mock, "second-token")
    mock.get(f"{DATA}/limits", json={})
    assert make_api(SimulatedWorld(), credentials()).get("limits") == {}


def test_a_given_token_is_not_renewed(mock: responses.RequestsMock) -> None:
    mock.get(f"{DATA}/limits", json=EXPIRED, status=401)
    with pytest.raises(AuthFailed):
        make_api(SimulatedWorld()).get("limits")
    assert len(mock.calls) == 1


CONSUMER = credentials(
    login_url="https://login.salesforce.com",
    username="bot@acme.com",
    password=SecretStr("top-secret-2"),
    security_token=SecretStr("top-secret-3"),
)
"""User name, password and token of a user, with the consumer's key and secret."""


@pytest.mark.parametrize("settings", [credentials(), CONSUMER], ids=["client_credentials", "consumer"])
def test_p22_renewing_is_single_flight(mock: responses.RequestsMock, settings: SalesforceSettings) -> None:
    token_url = f"{settings.login_url}/services/oauth2/token"
    alive = {"token": "first-token"}
    gate = threading.Barrier(4, timeout=10)

    def limits(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        if request.headers["Authorization"] == "Bearer first-token":
            gate.wait()
            return 401, {}, '[{"errorCode":"INVALID_SESSION_ID"}]'
        return 200, {}, "{}"

    def token(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        given = alive["token"]
        alive["token"] = "second-token"
        return 200, {}, f'{{"access_token":"{given}","instance_url":"{ORIGIN}"}}'

    mock.add_callback(responses.GET, f"{DATA}/limits", limits)
    mock.add_callback(responses.POST, token_url, token)
    api = make_api(SimulatedWorld(), settings)
    api._ensure_session()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: api.get("limits"), range(4))) == [{}] * 4
    assert sum(1 for call in mock.calls if call.request.url == token_url) == 2


def test_signing_in_again_must_lead_to_the_same_host(mock: responses.RequestsMock) -> None:
    token_reply(mock, "first-token")
    mock.get(f"{DATA}/limits", json=EXPIRED, status=401)
    token_reply(mock, "second-token", "https://elsewhere.my.salesforce.com")
    with pytest.raises(AuthFailed) as caught:
        make_api(SimulatedWorld(), credentials()).get("limits")
    assert caught.value.code == "ORIGIN_CHANGED"


def test_a_write_whose_token_cannot_be_renewed_was_not_sent(mock: responses.RequestsMock) -> None:
    token_reply(mock, "first-token")
    mock.patch(LEAD, json=EXPIRED, status=401)
    mock.post(TOKEN_URL, status=503)
    with pytest.raises(Retriable):
        make_api(SimulatedWorld(), credentials()).send("PATCH", "sobjects/Lead/00Q000000000001AAA", {})


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/services/data/v64.0/query/01g-2000",
        "//evil.example/services/data/v64.0/query/01g-2000",
        "http://acme.my.salesforce.com/services/data/v64.0/query/01g-2000",
        "https://acme.my.salesforce.com.evil.example/x",
        "https://acme.my.salesforce.com:444/x",
        "nonsense",
    ],
)
def test_a_next_page_elsewhere_is_an_error(mock: responses.RequestsMock, url: str) -> None:
    mock.get(f"{DATA}/limits", json={})
    api = make_api(SimulatedWorld())
    api.get("limits")
    with pytest.raises(Fatal):
        api.follow(url)
    assert len(mock.calls) == 1


def test_a_next_page_here_is_followed(mock: responses.RequestsMock) -> None:
    mock.get(f"{DATA}/limits", json={})
    mock.get(f"{DATA}/query/01g-2000", body=b"{}")
    api = make_api(SimulatedWorld())
    api.get("limits")
    assert api.follow("/services/data/v64.0/query/01g-2000") == b"{}"
    assert api.follow(f"{DATA}/query/01g-2000") == b"{}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_never_followed(mock: responses.RequestsMock, status: int) -> None:
    mock.get(f"{DATA}/limits", status=status, headers={"Location": "https://evil.example/"})
    mock.get("https://evil.example/", json={})
    with pytest.raises(Fatal):
        make_api(SimulatedWorld()).get("limits")
    assert len(mock.calls) == 1


def test_reads_are_repeated_and_bounded(mock: responses.RequestsMock) -> None:
    mock.get(f"{DATA}/limits", status=503, headers={"Retry-After": "7"})
    world = SimulatedWorld()
    api = make_api(world)
    with pytest.raises(Retriable):
        api.get("limits")
    assert len(mock.calls) == api.calls == 3
    assert all(7.0 <= slept <= 8.0 for slept in world.slept)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"records": [', b"[]", b'{"done": true}', b'{"records": 5, "done": true}']
)
def test_a_broken_page_is_asked_for_again(mock: responses.RequestsMock, body: bytes) -> None:
    mock.get(f"{DATA}/query", body=body)
    mock.get(f"{DATA}/query", json={"done": True, "totalSize": 1, "records": [{"Id": "1"}]})
    rows, done = query_page(make_api(SimulatedWorld()), "SELECT Id FROM Lead")
    assert (done, [row.fields for row in rows]) == (True, [{"Id": "1"}])
    assert len(mock.calls) == 2


def test_an_unfinished_page_without_a_next_one_is_broken(mock: responses.RequestsMock) -> None:
    mock.get(f"{DATA}/query", json={"done": False, "records": []})
    with pytest.raises(BrokenReply):
        query_page(make_api(SimulatedWorld()), "SELECT Id FROM Lead")


def test_all_pages_of_a_small_query_are_followed(mock: responses.RequestsMock) -> None:
    second, third = (f"/services/data/v64.0/query/01g-{n}" for n in (1, 2))
    mock.get(f"{DATA}/query", json={"done": False, "nextRecordsUrl": second, "records": [{"Id": "1"}]})
    mock.get(ORIGIN + second, json={"done": False, "nextRecordsUrl": third, "records": []})
    mock.get(ORIGIN + third, body="cut")
    mock.get(ORIGIN + third, json={"done": True, "records": [{"Id": "2"}]})
    rows = query_all(make_api(SimulatedWorld()), "SELECT Id FROM Lead")
    assert fields_of(rows) == [{"Id": "1"}, {"Id": "2"}]


def test_pages_that_go_in_circles_end(mock: responses.RequestsMock) -> None:
    again = "/services/data/v64.0/query/01g-1"
    mock.get(f"{DATA}/query", json={"done": False, "nextRecordsUrl": again, "records": []})
    mock.get(ORIGIN + again, json={"done": False, "nextRecordsUrl": again, "records": []})
    with pytest.raises(BrokenReply):
        list(query_all(make_api(SimulatedWorld()), "SELECT Id FROM Lead"))
    assert len(mock.calls) == 2


@pytest.mark.parametrize(
    "failure",
    [
        requests.exceptions.ReadTimeout("slow"),
        requests.exceptions.ConnectionError("reset"),
        requests.exceptions.ChunkedEncodingError("cut"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_write_that_may_have_happened_is_unknown_and_sent_once(
    mock: responses.RequestsMock, failure: Exception
) -> None:
    mock.patch(LEAD, body=failure)
    with pytest.raises(OutcomeUnknown):
        make_api(SimulatedWorld()).send("PATCH", "sobjects/Lead/00Q000000000001AAA", {})
    assert len(mock.calls) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_on_a_write_is_unknown(mock: responses.RequestsMock, status: int) -> None:
    mock.patch(LEAD, status=status)
    with pytest.raises(OutcomeUnknown):
        make_api(SimulatedWorld()).send("PATCH", "sobjects/Lead/00Q000000000001AAA", {})
    assert len(mock.calls) == 1


def test_a_write_refused_for_haste_is_sent_again(mock: responses.RequestsMock) -> None:
    mock.patch(LEAD, status=429, headers={"Retry-After": "2"})
    mock.patch(LEAD, json=error("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded."), status=403)
    mock.patch(LEAD, status=204)
    assert make_api(SimulatedWorld()).send("PATCH", "sobjects/Lead/00Q000000000001AAA", {}).status == 204


@pytest.mark.parametrize(
    ("header", "limits"),
    [
        ("api-usage=25/5000", Limits(25, 5000)),
        ("api-usage=26/5000; per-app-api-usage=17/250(appName=x)", Limits(26, 5000)),
    ],
)
def test_the_quota_is_heard_on_every_reply(mock: responses.RequestsMock, header: str, limits: Limits) -> None:
    mock.get(f"{DATA}/limits", json=error("NOT_FOUND"), status=404, headers={"Sforce-Limit-Info": header})
    budget = NotingBudget()
    api = make_api(SimulatedWorld(), budget=budget)
    with pytest.raises(NotOffered):
        api.get("limits")
    assert api.limits == limits
    assert budget.observed == [(limits.used, limits.limit, 1)]
    assert budget.acquired == ["read"]


def test_a_spent_quota_is_told_to_the_budget_and_not_retried(mock: responses.RequestsMock) -> None:
    mock.get(f"{DATA}/limits", json=error("REQUEST_LIMIT_EXCEEDED", "TotalRequests"), status=403)
    budget = NotingBudget()
    with pytest.raises(QuotaSpent):
        make_api(SimulatedWorld(), budget=budget).get("limits")
    assert budget.spent_until == [None]
    assert len(mock.calls) == 1


def test_a_budget_that_says_wait_is_obeyed(mock: responses.RequestsMock) -> None:
    class Slow(NotingBudget):
        def acquire(self, kind: str, n: int = 1) -> float:
            return 3.0

    mock.get(f"{DATA}/limits", json={})
    world = SimulatedWorld()
    make_api(world, budget=Slow()).get("limits")
    assert world.slept == [3.0]


def test_the_servers_clock_is_its_date_header(mock: responses.RequestsMock) -> None:
    world = SimulatedWorld()
    mock.get(f"{DATA}/limits", json={}, headers={"Date": "Mon, 02 Nov 2026 09:00:42 GMT"})
    api = make_api(world)
    api.get("limits")
    assert api.server_ms() == int(world.now().timestamp() + 42) * 1000
    world.advance(10)
    assert api.server_ms() == int(world.now().timestamp() + 42) * 1000


def test_who_we_are(mock: responses.RequestsMock) -> None:
    token_reply(mock, "first-token")
    mock.get(DATA, json={"identity": "https://login.salesforce.com/id/00D/005"})
    mock.get(f"{ORIGIN}/services/oauth2/userinfo", json={"preferred_username": "bot@acme.com"})
    identity = make_api(SimulatedWorld(), credentials()).sign_in()
    assert (identity.user_id, identity.user_name) == (USER_ID, "bot@acme.com")
    assert identity.origin == ORIGIN


def test_who_we_are_by_the_root_alone(mock: responses.RequestsMock) -> None:
    mock.get(DATA, json={"identity": "https://login.salesforce.com/id/00D1/0051"})
    mock.get(f"{ORIGIN}/services/oauth2/userinfo", body="Bad_OAuth_Token", status=403)
    identity = make_api(SimulatedWorld()).sign_in()
    assert (identity.account_id, identity.user_id) == ("00D1", "0051")


def test_an_api_version_that_is_not_there_is_named(mock: responses.RequestsMock) -> None:
    mock.get(DATA, json=error("NOT_FOUND"), status=404)
    mock.get(f"{ORIGIN}/services/data", json=[{"version": "61.0"}, {"version": "62.0"}])
    with pytest.raises(NotOffered, match=r"newest is 62\.0") as caught:
        make_api(SimulatedWorld()).sign_in()
    assert caught.value.what == "API version 64.0"


def test_a_version_without_a_root_will_do(mock: responses.RequestsMock) -> None:
    mock.get(DATA, status=404)
    mock.get(f"{ORIGIN}/services/data", json=[{"version": "64.0"}])
    mock.get(f"{ORIGIN}/services/oauth2/userinfo", json={"user_id": "005", "organization_id": "00D"})
    assert make_api(SimulatedWorld()).sign_in().user_id == "005"


def test_signing_in_again_keeps_a_token_that_works(mock: responses.RequestsMock) -> None:
    token_reply(mock, "first-token")
    mock.get(DATA, json={})
    mock.get(f"{ORIGIN}/services/oauth2/userinfo", json={"preferred_username": "bot@acme.com"})
    api = make_api(SimulatedWorld(), credentials())
    assert api.sign_in() == api.sign_in()
    assert [call.request.method for call in mock.calls] == ["POST", "GET", "GET", "GET"]


def test_secrets_stay_secret(mock: responses.RequestsMock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token_reply(mock, "first-token")
    mock.get(f"{DATA}/limits", json=error("X", "Bearer first-token 00D000000000001!first-token"), status=400)
    api = make_api(SimulatedWorld(), credentials())
    with pytest.raises(Exception) as caught:
        api.get("limits")
    seen = f"{api!r} {caplog.text} {caught.value!r} {api._transport!r} {api._settings!r}"
    assert not [secret for secret in ("top-secret-1", "first-token!") if secret in seen]
    assert SECRETS[0] not in str(vars(caught.value))


def test_every_request_has_a_timeout(mock: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    original = requests.adapters.HTTPAdapter.send

    def spy(self: requests.adapters.HTTPAdapter, request: object, *args: object, **kwargs: object) -> object:
        seen.append(kwargs.get("timeout"))
        return original(self, request, *args, **kwargs)  # type: ignore[arg-type]

    token_reply(mock, "first-token")
    mock.get(f"{DATA}/limits", json={})
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", spy)
    make_api(SimulatedWorld(), credentials()).get("limits")
    assert seen == [(10.0, 130.0)] * 2
