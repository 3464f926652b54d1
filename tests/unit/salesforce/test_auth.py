"""Signing in by every flow, and where the token may go."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
import responses
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from config.errors import ConfigError
from config.settings import SalesforceSettings
from connectors.errors import AuthFailed, BrokenReply, ConnectorError, Retriable
from connectors.salesforce.auth import (
    Flow,
    Token,
    choose_flow,
    ids_in_identity_url,
    is_loopback,
    origin_of,
    soap_version,
    token_origin,
)
from connectors.salesforce.client import Timeouts, Transport
from connectors.salesforce.sign_in import get_token
from tests.unit.salesforce.helpers import (
    ORG_ID,
    ORIGIN,
    SECRETS,
    TOKEN_URL,
    USER_ID,
    credentials,
    token_reply,
)
from tests.world import SimulatedWorld

SOAP = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns="urn:partner.soap.sforce.com"><soapenv:Body><loginResponse><result>
<serverUrl>{server}/services/Soap/u/64.0/00D000000000001</serverUrl><sessionId>soap-session</sessionId>
<userId>005000000000001AAA</userId><userInfo><organizationId>00D000000000001AAA</organizationId></userInfo>
</result></loginResponse></soapenv:Body></soapenv:Envelope>"""

FAULT = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:sf="urn:fault.partner.soap.sforce.com"><soapenv:Body><soapenv:Fault><detail>
<sf:LoginFault><sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode>
<sf:exceptionMessage>Invalid username, password, security token</sf:exceptionMessage></sf:LoginFault>
</detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"""


def password(**more: Any) -> SalesforceSettings:
    known: dict[str, Any] = {
        "username": "bot@acme.com",
        "password": SecretStr("top-secret-1"),
        "security_token": SecretStr("top-secret-2"),
    }
    return SalesforceSettings(**{**known, **more})


def sign_in(settings: SalesforceSettings) -> Token:
    transport = Transport(SimulatedWorld(), None, Timeouts())
    try:
        return get_token(transport, settings, choose_flow(settings))
    finally:
        transport.close()


@pytest.fixture
def mock() -> Any:
    with responses.RequestsMock() as mock:
        yield mock


# Which flow


@pytest.mark.parametrize(
    ("settings", "flow"),
    [
        (SalesforceSettings(instance_url=ORIGIN, access_token=SecretStr("x")), Flow.GIVEN),
        (SalesforceSettings(client_id="c", username="u", private_key_file=Path("k")), Flow.JWT),
        (credentials(), Flow.CREDENTIALS),
        (credentials(username="u", password=SecretStr("p")), Flow.CREDENTIALS),
        (
            credentials(login_url="https://login.salesforce.com", username="u", password=SecretStr("p")),
            Flow.CONSUMER,
        ),
        (password(), Flow.PASSWORD),
    ],
)
def test_the_safest_flow_that_can_work_is_taken(settings: SalesforceSettings, flow: Flow) -> None:
    assert choose_flow(settings) is flow


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (credentials(login_url="https://login.salesforce.com"), "client credentials need the My Domain URL"),
        (credentials(login_url="https://test.salesforce.com"), "client credentials need the My Domain URL"),
        (SalesforceSettings(access_token=SecretStr("x")), "needs the instance URL"),
        (SalesforceSettings(), "no way to sign in"),
        (SalesforceSettings(username="u"), "no way to sign in"),
    ],
)
def test_what_cannot_work_is_said(settings: SalesforceSettings, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        choose_flow(settings)


@pytest.mark.parametrize(
    ("api", "soap"), [("64.0", "64.0"), ("50.0", "50.0"), ("65.0", "64.0"), ("66.0", "64.0")]
)
def test_soap_login_ends_with_version_64(api: str, soap: str) -> None:
    assert soap_version(api) == soap


# The exchange


def test_client_credentials(mock: responses.RequestsMock) -> None:
    token_reply(mock, "first-token")
    token = sign_in(credentials())
    assert (token.secret, token.origin) == ("first-token", ORIGIN)
    assert (token.account_id, token.user_id) == (ORG_ID, USER_ID)
    sent = mock.calls[0].request
    assert parse_qs(str(sent.body)) == {} or "client_credentials" in str(sent.body)
    assert sent.headers["Authorization"].startswith("Basic ")


def test_jwt_bearer_signs_with_the_key(mock: responses.RequestsMock, tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = tmp_path / "key.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    token_reply(mock, "first-token")
    token = sign_in(
        SalesforceSettings(
            login_url=ORIGIN, client_id="client", username="bot@acme.com", private_key_file=path
        )
    )
    assert token.secret == "first-token"
    body = mock.calls[0].request.body
    form = parse_qs(body.decode() if isinstance(body, bytes) else str(body))
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    claims = jwt.decode(
        form["assertion"][0],
        key.public_key(),
        algorithms=["RS256"],
        audience="https://acme.my.salesforce.com",
    )
    assert (claims["iss"], claims["sub"]) == ("client", "bot@acme.com")


@pytest.mark.parametrize("content", [None, b"no key"])
def test_a_key_that_cannot_be_used_is_a_configuration_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    settings = SalesforceSettings(
        login_url=ORIGIN, client_id="client", username="bot@acme.com", private_key_file=path
    )
    with pytest.raises(ConfigError, match="private key"):
        sign_in(settings)


@pytest.mark.parametrize("version", ["64.0", "66.0"])
def test_password_and_token_by_soap(mock: responses.RequestsMock, version: str) -> None:
    server = "https://acme.my.salesforce.com"
    mock.post("https://login.salesforce.com/services/Soap/u/64.0", body=SOAP.format(server=server))
    token = sign_in(password(api_version=version))
    assert token == Token("soap-session", server, USER_ID, ORG_ID)
    sent = mock.calls[0].request
    assert b"top-secret-1top-secret-2" in (sent.body or b"")
    assert sent.headers["SOAPAction"] == "login"


def test_consumer_password_flow(mock: responses.RequestsMock) -> None:
    mock.post(
        "https://login.salesforce.com/services/oauth2/token",
        json={"access_token": "t", "instance_url": "https://na1.salesforce.com"},
    )
    settings = credentials(
        login_url="https://login.salesforce.com",
        username="bot@acme.com",
        password=SecretStr("top-secret-1"),
        security_token=SecretStr("top-secret-2"),
    )
    assert sign_in(settings).origin == "https://na1.salesforce.com"
    assert "password=top-secret-1top-secret-2" in str(mock.calls[0].request.body)


@pytest.mark.parametrize("code", ["unsupported_grant_type", "invalid_grant", "unauthorized_client"])
def test_where_the_consumer_may_not_sign_in_by_itself_its_user_does(
    mock: responses.RequestsMock, code: str
) -> None:
    url = f"{ORIGIN}/services/oauth2/token"
    mock.post(
        url, json={"error": code, "error_description": "no client credentials user enabled"}, status=400
    )
    mock.post(url, json={"access_token": "t", "instance_url": ORIGIN})
    user = {"username": "bot@acme.com", "password": SecretStr("top-secret-1")}
    assert sign_in(credentials(**user)).secret == "t"
    sent = [str(call.request.body) for call in mock.calls]
    assert ["grant_type=client_credentials" in body for body in sent] == [True, False]
    assert "grant_type=password" in sent[1]


def test_a_wrong_secret_is_not_tried_with_a_user(mock: responses.RequestsMock) -> None:
    mock.post(f"{ORIGIN}/services/oauth2/token", json={"error": "invalid_client"}, status=400)
    user = {"username": "bot@acme.com", "password": SecretStr("top-secret-1")}
    with pytest.raises(AuthFailed):
        sign_in(credentials(**user))
    assert len(mock.calls) == 1


def test_a_given_token_asks_nobody() -> None:
    token = sign_in(SalesforceSettings(instance_url=f"{ORIGIN}/", access_token=SecretStr("given-token")))
    assert token == Token("given-token", ORIGIN)
    assert "given-token" not in repr(token)


REFUSALS: list[tuple[dict[str, Any], type[Exception]]] = [
    (
        {"json": {"error": "invalid_client", "error_description": "bad top-secret-1"}, "status": 400},
        AuthFailed,
    ),
    ({"json": {"error": "invalid_grant"}, "status": 401}, AuthFailed),
    ({"body": "<html>", "status": 503}, Retriable),
    ({"body": "", "status": 500}, Retriable),
    ({"body": "slow down", "status": 429}, Retriable),
    ({"body": "<html>", "status": 200}, BrokenReply),
    ({"body": "", "status": 200}, BrokenReply),
    ({"json": [], "status": 200}, BrokenReply),
    ({"json": {"access_token": 5, "instance_url": ORIGIN}, "status": 200}, BrokenReply),
    ({"json": {"access_token": "first-token"}, "status": 200}, BrokenReply),
    ({"body": "<html>", "status": 400}, BrokenReply),
    ({"body": "", "status": 302, "headers": {"Location": "https://evil.example"}}, ConnectorError),
]


@pytest.mark.parametrize(("reply", "family"), REFUSALS)
def test_refused_and_broken_token_replies(
    mock: responses.RequestsMock, reply: dict[str, Any], family: type[Exception]
) -> None:
    mock.post(TOKEN_URL, **reply)
    with pytest.raises(family) as caught:
        sign_in(credentials())
    assert len(mock.calls) == 1
    seen = f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert not [secret for secret in SECRETS[:2] if secret in seen]


@pytest.mark.parametrize(
    ("reply", "family"),
    [
        ({"body": FAULT, "status": 500}, AuthFailed),
        ({"body": "<html>", "status": 503}, Retriable),
        ({"body": "<not xml", "status": 200}, BrokenReply),
        ({"body": "", "status": 200}, BrokenReply),
        ({"body": "<a/>", "status": 200}, AuthFailed),
    ],
)
def test_refused_and_broken_soap_replies(
    mock: responses.RequestsMock, reply: dict[str, Any], family: type[Exception]
) -> None:
    mock.post("https://login.salesforce.com/services/Soap/u/64.0", **reply)
    with pytest.raises(family) as caught:
        sign_in(password())
    assert "top-secret" not in f"{caught.value!r} {caught.value}"


# Where the token may go


@pytest.mark.parametrize(
    ("login", "offered"),
    [
        ("https://login.salesforce.com", "https://acme.my.salesforce.com"),
        ("https://login.salesforce.com", "https://acme.lightning.force.com"),
        ("https://acme.my.salesforce.mil", "https://acme.my.salesforce.mil"),
        ("https://login.sfcrmproducts.cn", "https://acme.my.sfcrmproducts.cn"),
        ("https://crm.internal.example", "https://crm.internal.example:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:9090"),
        ("http://localhost:8080", "http://127.0.0.1:8080"),
    ],
)
def test_an_instance_of_ours_is_accepted(login: str, offered: str) -> None:
    assert token_origin(SalesforceSettings(login_url=login), offered) == offered


@pytest.mark.parametrize(
    ("login", "offered"),
    [
        ("https://login.salesforce.com", "https://evil.example"),
        ("https://login.salesforce.com", "https://salesforce.com.evil.example"),
        ("https://login.salesforce.com", "https://evilsalesforce.com"),
        ("https://login.salesforce.com", "http://acme.my.salesforce.com"),
        ("https://login.salesforce.com", "http://127.0.0.1:80"),
        ("https://login.salesforce.com", "https://user@acme.my.salesforce.com"),
        ("https://login.salesforce.com", "javascript:alert(1)"),
        ("https://login.salesforce.com", ""),
        ("https://crm.internal.example", "http://crm.internal.example"),
        ("http://127.0.0.1:8080", "https://evil.example"),
    ],
)
def test_any_other_instance_is_refused(login: str, offered: str) -> None:
    with pytest.raises(AuthFailed):
        token_origin(SalesforceSettings(login_url=login), offered)


def test_a_configured_instance_stands() -> None:
    settings = credentials(instance_url="https://other.my.salesforce.com/")
    assert token_origin(settings, "https://evil.example") == "https://other.my.salesforce.com"


@pytest.mark.parametrize("url", ["http://acme.my.salesforce.com", "ftp://x", "acme", ""])
def test_no_token_travels_unprotected(url: str) -> None:
    with pytest.raises(ConfigError):
        token_origin(credentials(instance_url=url), ORIGIN)
    with pytest.raises(ConfigError):
        sign_in(credentials(login_url=url))


@given(st.text(max_size=30))
def test_an_origin_is_an_origin_or_an_error(text: str) -> None:
    try:
        origin = origin_of(text)
    except ValueError:
        return
    assert origin_of(origin) == origin


@pytest.mark.parametrize(
    ("origin", "here"),
    [
        ("http://127.0.0.1:1", True),
        ("http://[::1]:1", True),
        ("http://localhost", True),
        ("http://10.0.0.1", False),
        ("http://localhost.evil.example", False),
        ("https://127.0.0.1.evil.example", False),
    ],
)
def test_what_is_this_machine(origin: str, here: bool) -> None:
    assert is_loopback(origin) is here


@pytest.mark.parametrize("url", [None, 5, "", "https://x/id", "https://x/id/1", "https://x/other/1/2"])
def test_an_identity_url_that_is_none(url: object) -> None:
    assert ids_in_identity_url(url) == ("", "")
