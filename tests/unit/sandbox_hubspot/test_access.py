"""Tokens, scopes, rate limits, absent feeds."""

from __future__ import annotations

import pytest
import requests

from connectors.sandbox.hubspot import HubSpot
from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox_hubspot.conftest import Api

CONTACTS = "/crm/v3/objects/contacts"


def test_no_token_and_a_wrong_one(sandbox: Sandbox) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        answer = requests.get(sandbox.hubspot_url + CONTACTS, headers=headers, timeout=10)
        assert (answer.status_code, answer.json()["category"]) == (401, "INVALID_AUTHENTICATION")


def test_expired_tokens_and_a_refresh(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    known = half.credentials
    form = {
        "grant_type": "refresh_token",
        **{k: known[k] for k in ("client_id", "client_secret", "refresh_token")},
    }
    token = requests.post(f"{api.base}/oauth/v1/token", data=form, timeout=10).json()["access_token"]
    api.session.headers["Authorization"] = f"Bearer {token}"
    api.get(CONTACTS)
    assert api.status == 200
    sandbox.advance(1801)
    assert api.get(CONTACTS)["category"] == "EXPIRED_AUTHENTICATION"
    assert api.status == 401
    token = requests.post(f"{api.base}/oauth/v1/token", data=form, timeout=10).json()["access_token"]
    api.session.headers["Authorization"] = f"Bearer {token}"
    api.get(CONTACTS)
    assert api.status == 200
    sandbox.expire_tokens("hubspot")
    api.get(CONTACTS)
    assert api.status == 401
    api.session.headers["Authorization"] = f"Bearer {half.account.new_access_token()}"
    api.get(CONTACTS)
    assert api.status == 200


@pytest.mark.parametrize("version", ["v1", "v3", "2026-03"])
def test_tokens_at_every_endpoint(api: Api, half: HubSpot, version: str) -> None:
    known, url = half.credentials, f"{api.base}/oauth/{version}/token"
    client = {name: known[name] for name in ("client_id", "client_secret")}
    form = {**client, "grant_type": "refresh_token", "refresh_token": known["refresh_token"]}
    token = requests.post(url, data=form, timeout=10).json()["access_token"]
    told = requests.post(f"{url}/introspect", data={**client, "token": token}, timeout=10).json()
    assert (told["active"], told["token_use"], told["expires_in"]) == (True, "access_token", 1800)
    told = requests.post(f"{url}/introspect", data={**client, "token": "nonsense"}, timeout=10).json()
    assert told == {"active": False}


def test_wrong_secrets_get_no_token(api: Api, half: HubSpot) -> None:
    known = dict(half.credentials, client_secret="wrong", grant_type="refresh_token")
    answer = requests.post(f"{api.base}/oauth/v1/token", data=known, timeout=10)
    assert (answer.status_code, answer.json()["category"]) == (400, "BAD_CLIENT_ID")


def test_the_private_app_says_who_it_is(api: Api, sandbox: Sandbox) -> None:
    token = sandbox.credentials["hubspot"]["access_token"]
    answer = api.post("/oauth/v2/private-apps/get/access-token-info", {"tokenKey": token})
    assert (answer["hubId"], answer["appId"]) == (62515, 1100042)


def test_ten_second_window_slides(api: Api, sandbox: Sandbox) -> None:
    for second in range(190):
        api.get("/account-info/v3/details")
        assert (api.status, second) == (200, second)
        sandbox.advance(0.05)
    assert api.last.headers["X-HubSpot-RateLimit-Remaining"] == "0"
    answer = api.get("/account-info/v3/details")
    assert (api.status, answer["policyName"], answer["errorType"]) == (
        429,
        "TEN_SECONDLY_ROLLING",
        "RATE_LIMIT",
    )
    assert answer["message"] == "You have reached your ten_secondly_rolling limit."
    assert "Retry-After" not in api.last.headers
    sandbox.advance(0.51)  # the first request is ten seconds old now
    api.get("/account-info/v3/details")
    assert api.status == 200


def test_search_has_a_limit_of_its_own_and_no_headers(api: Api, sandbox: Sandbox) -> None:
    for _ in range(5):
        api.post(f"{CONTACTS}/search", {})
        assert api.status == 200
        assert not [name for name in api.last.headers if name.startswith("X-HubSpot-RateLimit")]
    sandbox.switches.hs_retry_after = True
    answer = api.post(f"{CONTACTS}/search", {})
    assert (api.status, answer["policyName"]) == (429, "SECONDLY")
    assert answer["message"] == "You have reached your secondly limit."
    assert api.last.headers["Retry-After"] == "1"
    api.get(CONTACTS)
    assert (api.status, api.last.headers["X-HubSpot-RateLimit-Remaining"]) == (200, "189")
    sandbox.advance(1)
    api.post(f"{CONTACTS}/search", {})
    assert api.status == 200


def test_associations_are_exempt_from_the_burst_limit(api: Api, sandbox: Sandbox) -> None:
    sandbox.switches.hs_per_ten_seconds = 1
    for _ in range(3):
        api.post("/crm/v4/associations/contacts/companies/batch/read", {"inputs": []})
        assert api.status == 200


def test_the_day_ends_at_midnight_of_the_portal(api: Api, sandbox: Sandbox) -> None:
    sandbox.switches.hs_daily_limit = 3
    for left in (2, 1, 0):
        api.get(CONTACTS)
        assert api.last.headers["X-HubSpot-RateLimit-Daily-Remaining"] == str(left)
    answer = api.get(CONTACTS)
    assert (api.status, answer["policyName"], answer["message"]) == (
        429, "DAILY", "You have reached your daily limit.",
    )  # fmt: skip
    sandbox.advance(19.9 * 3600)  # 04:54 UTC, still yesterday in New York
    api.get(CONTACTS)
    assert api.status == 429
    sandbox.advance(0.2 * 3600)
    api.get(CONTACTS)
    assert api.status == 200


def test_usage_and_details(api: Api) -> None:
    api.get(CONTACTS)
    (usage,) = api.get("/account-info/v3/api-usage/daily/private-apps")["results"]
    assert (usage["usageLimit"], usage["currentUsage"], usage["resetsAt"]) == (
        650_000, 2, "2026-11-03T05:00:00.000Z",
    )  # fmt: skip
    assert api.get("/account-info/v3/details")["utcOffset"] == "-05:00"


def test_missing_scopes_and_absent_feeds(api: Api, sandbox: Sandbox) -> None:
    sandbox.switches.hs_missing_scopes = {"forms", "crm.objects.contacts.write"}
    answer = api.get("/marketing/v3/forms")
    assert (api.status, answer["category"]) == (403, "MISSING_SCOPES")
    assert answer["errors"][0]["context"]["requiredScopes"] == ["forms"]
    api.get(CONTACTS)
    assert api.status == 200
    api.post(f"{CONTACTS}/batch/update", {"inputs": []})
    assert api.status == 403
    sandbox.switches.hs_absent = {"/events/v3"}
    api.get("/events/v3/events", eventType="e_visited_page")
    assert api.status == 404
