from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from simple_salesforce import (
    Salesforce,
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox.rest import LoopbackAdapter, Rest
from tests.world import SimulatedWorld

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def session(sandbox: Sandbox) -> requests.Session:
    """A session with which simple-salesforce, which knows https alone, reaches the sandbox."""
    made = requests.Session()
    made.trust_env = False
    made.mount("https://", LoopbackAdapter(sandbox.salesforce_url))
    return made


def by_password(sandbox: Sandbox) -> Salesforce:
    known = sandbox.credentials["salesforce"]
    return Salesforce(
        username=known["username"],
        password=known["password"],
        security_token=known["security_token"],
        session=session(sandbox),
    )


def test_simple_salesforce_by_soap_password(sandbox: Sandbox) -> None:
    client = by_password(sandbox)
    assert f"http://{client.sf_instance}" == sandbox.salesforce_url
    made = client.Lead.create({"LastName": "Doe", "Company": "Acme"})
    assert made["success"] is True
    assert client.Lead.update(made["id"], {"Status": "MQL"}, headers={"Sforce-Auto-Assign": "FALSE"}) == 204
    rows = client.query("SELECT Id, Status, Owner.Name FROM Lead")
    assert (rows["records"][0]["Status"], rows["records"][0]["Owner"]["Name"]) == ("MQL", "Inbound")
    assert client.Lead.get(made["id"])["LastName"] == "Doe"
    assert client.api_usage["api-usage"].total == 100_000
    assert client.Lead.delete(made["id"]) == 204
    assert client.query_all("SELECT Id FROM Lead", include_deleted=True)["totalSize"] == 1


def test_simple_salesforce_walks_pages_and_describes(sandbox: Sandbox) -> None:
    ids = {sandbox.salesforce.create("Lead", {"LastName": "L", "Company": "C"}) for _ in range(2300)}
    client = by_password(sandbox)
    assert {row["Id"] for row in client.query_all_iter("SELECT Id FROM Lead")} == ids
    assert client.describe()["sobjects"][0]["name"] == "Lead"
    assert client.Lead.describe()["name"] == "Lead"
    assert client.limits()["DailyApiRequests"]["Max"] == 100_000
    part = {"method": "GET", "url": f"/services/data/v{client.sf_version}/limits", "referenceId": "x"}
    composite = client.restful("composite", method="POST", json={"compositeRequest": [part]})
    assert composite["compositeResponse"][0]["httpStatusCode"] == 200


def test_the_rest_of_simple_salesforce(sandbox: Sandbox, world: SimulatedWorld) -> None:
    client = by_password(sandbox)
    start = world.now()
    assert client.Contact.upsert("External_Id__c/7", {"LastName": "Ext"}) == 201
    assert client.Contact.upsert("External_Id__c/7", {"Title": "CEO"}) == 200
    contact = client.Contact.get_by_custom_id("External_Id__c", "7")["Id"]
    world.advance(120)
    assert client.Contact.updated(start, world.now())["ids"] == [contact]
    assert client.Contact.delete(contact) == 204
    world.advance(60)
    assert client.Contact.deleted(start, world.now())["deletedRecords"][0]["id"] == contact
    assert client.is_sandbox() is False
    assert client.Lead.metadata()["objectDescribe"]["keyPrefix"] == "00Q"
    assert client.query_more(_next(client, sandbox), identifier_is_url=True)["done"] is True


def _next(client: Salesforce, sandbox: Sandbox) -> str:
    sandbox.switches.sf_page_size = 5
    return str(client.query("SELECT Id FROM LeadStatus LIMIT 10")["nextRecordsUrl"])


def test_simple_salesforce_raises_its_own_errors(sandbox: Sandbox) -> None:
    client = by_password(sandbox)
    with pytest.raises(SalesforceMalformedRequest, match="No such column"):
        client.query("SELECT Nope FROM Lead")
    with pytest.raises(SalesforceResourceNotFound):
        client.Lead.get("00Q5g00000zzzzzEAA")
    given = Salesforce(instance="x.my.salesforce.com", session_id="dead", session=session(sandbox))
    with pytest.raises(SalesforceExpiredSession):
        given.query("SELECT Id FROM Lead")


def test_simple_salesforce_by_client_credentials(sandbox: Sandbox) -> None:
    known = sandbox.credentials["salesforce"]
    client = Salesforce(
        consumer_key=known["client_id"],
        consumer_secret=known["client_secret"],
        domain="acme.my",
        session=session(sandbox),
    )
    assert client.query("SELECT COUNT() FROM Lead")["totalSize"] == 0


@pytest.mark.parametrize("version", ["64.0", "65.0"])
def test_soap_login_ends_with_version_65(sandbox: Sandbox, version: str) -> None:
    known = sandbox.credentials["salesforce"]
    arguments: dict[str, Any] = {
        "username": known["username"],
        "password": known["password"],
        "security_token": known["security_token"],
        "session": session(sandbox),
        "version": version,
    }
    if version == "64.0":
        assert Salesforce(**arguments).query("SELECT COUNT() FROM Lead")["done"] is True
        with pytest.raises(SalesforceAuthenticationFailed, match="INVALID_LOGIN"):
            Salesforce(**{**arguments, "security_token": "wrong"})
    else:
        with pytest.raises(SalesforceAuthenticationFailed, match="UNSUPPORTED_API_VERSION"):
            Salesforce(**arguments)


def form(sandbox: Sandbox, **more: str) -> dict[str, str]:
    known = sandbox.credentials["salesforce"]
    return {"client_id": known["client_id"], "client_secret": known["client_secret"], **more}


def test_instance_url_echoes_the_host_used(rest: Rest) -> None:
    port = rest.root.rsplit(":", 1)[1]
    url = f"http://localhost:{port}/services/oauth2/token"
    answer = rest.session.post(
        url, data=form(rest.sandbox, grant_type="client_credentials"), timeout=10
    ).json()
    assert answer["instance_url"] == f"http://localhost:{port}"
    assert answer["id"].startswith(f"http://localhost:{port}/id/00D")
    info = rest.get("/services/oauth2/userinfo").json()
    assert info["user_id"] == rest.sandbox.salesforce.org.worker_id
    assert info["organization_id"].startswith("00D")
    identity = rest.get("").json()["identity"]
    assert rest.get(identity).json()["user_id"] == info["user_id"]


def test_grants(rest: Rest) -> None:
    known = rest.sandbox.credentials["salesforce"]
    basic = base64.b64encode(f"{known['client_id']}:{known['client_secret']}".encode()).decode()
    by_header = requests.post(
        f"{rest.root}/services/oauth2/token",
        data={"grant_type": "client_credentials"},
        headers={"Authorization": f"Basic {basic}"},
        timeout=10,
    )
    assert by_header.json()["token_type"] == "Bearer"
    password = known["password"] + known["security_token"]
    assert rest.token(
        **form(rest.sandbox, grant_type="password", username=known["username"], password=password)
    ).ok
    assert rest.token(
        **form(rest.sandbox, grant_type="refresh_token", refresh_token=known["refresh_token"])
    ).ok


@pytest.mark.parametrize(
    ("changes", "code", "description"),
    [
        ({"client_secret": "x"}, "invalid_client", "invalid client credentials"),
        ({"client_id": "x"}, "invalid_client_id", "client identifier invalid"),
        ({"grant_type": "magic"}, "unsupported_grant_type", "grant type not supported"),
        (
            {"grant_type": "password", "username": "x", "password": "y"},
            "invalid_grant",
            "authentication failure",
        ),
        (
            {"grant_type": "refresh_token", "refresh_token": "x"},
            "invalid_grant",
            "expired access/refresh token",
        ),
        ({"grant_type": JWT_BEARER, "assertion": "x.y"}, "invalid_grant", "invalid assertion"),
    ],
)
def test_refusals(rest: Rest, changes: dict[str, str], code: str, description: str) -> None:
    answer = rest.token(**{**form(rest.sandbox, grant_type="client_credentials"), **changes})
    assert answer.status_code == 400
    assert answer.json() == {"error": code, "error_description": description}


def claims(rest: Rest, world: SimulatedWorld, **changes: Any) -> str:
    known = rest.sandbox.credentials["salesforce"]
    told = {
        "iss": known["client_id"],
        "sub": known["username"],
        "aud": "https://login.salesforce.com",
        "exp": int(world.clock()) + 180,
        **changes,
    }
    header, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "RS256"}, told)
    )
    return f"{header}.{body}.c2lnbmF0dXJl"


def test_jwt_bearer(rest: Rest, world: SimulatedWorld) -> None:
    def status(**changes: Any) -> int:
        return rest.token(grant_type=JWT_BEARER, assertion=claims(rest, world, **changes)).status_code

    assert status() == 200
    assert status(exp=str(int(world.clock()) + 60)) == 200  # simple-salesforce sends text
    assert status(aud=rest.root) == 200
    assert status(exp=int(world.clock()) - 1) == 400
    assert status(exp=int(world.clock()) + 3600) == 400
    assert status(aud="https://evil.example") == 400
    assert status(sub="somebody@else") == 400


def test_a_really_signed_jwt(rest: Rest, world: SimulatedWorld) -> None:
    known = rest.sandbox.credentials["salesforce"]
    told = {"iss": known["client_id"], "sub": known["username"], "aud": "https://test.salesforce.com"}
    signed = jwt.encode({**told, "exp": int(world.clock()) + 100}, KEY, algorithm="RS256")
    assert rest.token(grant_type=JWT_BEARER, assertion=signed).status_code == 200


def test_sessions_slide_and_end(rest: Rest, world: SimulatedWorld) -> None:
    for _ in range(3):
        world.advance(7000)
        assert rest.get("/limits").status_code == 200  # each use makes it live two more hours
    world.advance(7201)
    dead = rest.get("/limits")
    assert (dead.status_code, dead.json()[0]) == (
        401,
        {"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"},
    )
    rest.sign_in()
    assert rest.get("/limits").status_code == 200
    rest.sandbox.expire_tokens("salesforce")
    assert rest.get("/limits").status_code == 401
    rest.sign_in()
    token = str(rest.session.headers["Authorization"]).split()[1]
    rest.session.post(f"{rest.root}/services/oauth2/revoke", data={"token": token}, timeout=10)
    assert rest.get("/limits").status_code == 401
    assert rest.get("/services/oauth2/userinfo").status_code == 403


def test_rotated_refresh_tokens_are_for_one_use(rest: Rest) -> None:
    rest.sandbox.switches.sf_rotate_refresh_tokens = True
    old = rest.sandbox.credentials["salesforce"]["refresh_token"]
    fresh = rest.token(**form(rest.sandbox, grant_type="refresh_token", refresh_token=old)).json()[
        "refresh_token"
    ]
    assert rest.token(**form(rest.sandbox, grant_type="refresh_token", refresh_token=old)).status_code == 400
    assert (
        rest.token(**form(rest.sandbox, grant_type="refresh_token", refresh_token=fresh)).status_code == 200
    )


def test_versions(rest: Rest) -> None:
    offered = [one["version"] for one in requests.get(f"{rest.root}/services/data", timeout=10).json()]
    assert (offered[0], offered[-1], len(offered)) == ("50.0", "66.0", 17)
    for version, status in (("v50.0", 200), ("v66.0", 200), ("v49.0", 404), ("v67.0", 404)):
        assert rest.get(f"/services/data/{version}/limits").status_code == status
    assert rest.get("/services/data/v62.0/nowhere").json()[0]["errorCode"] == "NOT_FOUND"


def test_the_daily_budget_rolls(rest: Rest, world: SimulatedWorld) -> None:
    rest.sandbox.switches.sf_daily_limit = 50
    assert rest.get("/limits").headers["Sforce-Limit-Info"] == "api-usage=1/50"
    rest.sandbox.switches.sf_limit_per_app = True
    assert rest.get("/limits").headers["Sforce-Limit-Info"] == (
        "api-usage=2/50; per-app-api-usage=2/50(appName=mql-worker)"
    )
    rest.sandbox.salesforce.spend_calls(48)
    spent = rest.get("/query", params={"q": "SELECT Id FROM Lead"})
    assert (spent.status_code, spent.json()[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert spent.headers["Sforce-Limit-Info"].startswith("api-usage=50/50")
    world.advance(86_400 + 60)
    rest.sign_in()
    assert rest.get("/limits").json()["DailyApiRequests"] == {"Max": 50, "Remaining": 49}
