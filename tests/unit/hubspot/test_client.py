"""The way to HubSpot: what is sent where, and every exception of the libraries below."""

from __future__ import annotations

import importlib
import logging
import socket
import time
from collections.abc import Iterator

import pytest
import requests
import responses
import urllib3

from config.errors import ConfigError
from connectors.errors import BrokenReply, ConnectorError, Fatal, Retriable
from connectors.hubspot.client import (
    FAMILIES,
    READ_TIMEOUT,
    TOTAL_TIMEOUT,
    Transport,
    checked_base_url,
    family_of,
)
from connectors.retry import NOT_SENT
from connectors.sandbox.sandbox import Sandbox
from tests.unit.hubspot.made import API, TOKEN, account
from tests.world import SimulatedWorld

TOKENS = "/oauth/2026-03/token"


def subclasses(base: type[BaseException], package: str) -> Iterator[type[BaseException]]:
    for found in base.__subclasses__():
        if found.__module__.split(".")[0] == package:
            yield found
        yield from subclasses(found, package)


def library_errors() -> set[type[BaseException]]:
    importlib.import_module("requests.exceptions")
    found = {requests.exceptions.RequestException, urllib3.exceptions.HTTPError}
    found |= set(subclasses(requests.exceptions.RequestException, "requests"))
    return found | set(subclasses(urllib3.exceptions.HTTPError, "urllib3"))


def test_every_exception_of_requests_and_urllib3_has_a_family() -> None:
    unknown = library_errors() - set(FAMILIES)
    assert not unknown, f"say in FAMILIES what these mean: {unknown}"


def test_no_family_is_left_over() -> None:
    assert set(FAMILIES) <= library_errors()


@pytest.mark.parametrize("known", sorted(FAMILIES, key=lambda known: f"{known.__module__}.{known.__name__}"))
def test_each_becomes_its_family_and_quotes_nothing(known: type[BaseException]) -> None:
    error = known.__new__(known, "https://x/?email=ann@secret.test")
    made = family_of(error, "contacts search")
    assert type(made) is FAMILIES[known][0]
    assert made.code == FAMILIES[known][1]
    assert "secret" not in str(made)


def test_a_wrapped_cause_says_whether_the_request_left() -> None:
    pool = urllib3.HTTPSConnectionPool("api.hubspot.test")
    never = urllib3.exceptions.NewConnectionError(pool, "refused")  # type: ignore[arg-type]
    wrapped = requests.exceptions.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/", never))
    assert family_of(wrapped, "x").code == NOT_SENT
    lost = requests.exceptions.ConnectionError(urllib3.exceptions.ProtocolError("aborted"))
    assert family_of(lost, "x").code != NOT_SENT


@pytest.mark.parametrize("url", ["https://api.hubapi.com/", "http://127.0.0.1:8080", "http://localhost/x",
                                 "http://[::1]:9", "http://127.0.0.2:9"])  # fmt: skip
def test_addresses_that_may_be_used(url: str) -> None:
    assert checked_base_url(url) == url.rstrip("/")


@pytest.mark.parametrize("url", ["http://api.hubapi.com", "ftp://x", "api.hubapi.com", "https://u:p@x", "",
                                 "http://127.0.0.1.evil.test", "https://x?y=1"])  # fmt: skip
def test_addresses_that_may_not(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked_base_url(url)
    assert "u:p" not in str(caught.value)


@responses.activate
def test_a_redirect_is_not_followed(world: SimulatedWorld) -> None:
    responses.get(f"{API}/crm/v3/owners", status=302, headers={"Location": "https://elsewhere.test/"})
    with pytest.raises(Fatal):
        account(world).read(dict, "owners")
    assert [call.request.url for call in responses.calls] == [f"{API}/crm/v3/owners"]


@responses.activate
def test_what_a_request_carries(world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    responses.post(f"{API}/crm/v3/objects/contacts/search", json={"results": []})
    query = [("a", "1 2"), ("a", "ä")]
    transport = Transport(API, None, world)
    body = {"limit": 1}
    reply = transport.send("POST", "/crm/v3/objects/contacts/search", query, body, TOKEN, "x")
    assert reply.status == 200
    sent = responses.calls[0].request
    assert sent.headers["Authorization"] == f"Bearer {TOKEN}"
    assert sent.url == f"{API}/crm/v3/objects/contacts/search?a=1+2&a=%C3%A4"
    assert sent.body == '{"limit": 1}'
    assert sent.req_kwargs["timeout"][1] == READ_TIMEOUT  # type: ignore[attr-defined]
    assert TOKEN not in repr(transport)


def test_a_closed_port_was_not_reached(world: SimulatedWorld) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(Retriable) as caught:
        Transport(f"http://127.0.0.1:{port}", None, world).send("GET", "/x", (), None, TOKEN, "x")
    assert caught.value.code == NOT_SENT
    with pytest.raises(Retriable) as caught:
        Transport(f"http://127.0.0.1:{port}", None, world).exchange_token(TOKENS, "i", "s", "r")
    assert caught.value.code == NOT_SENT


def test_a_reply_that_drips_for_ever_is_given_up(sandbox: Sandbox) -> None:
    class Hurried(SimulatedWorld):
        def monotonic(self) -> float:
            self.advance(TOTAL_TIMEOUT + 1)
            return super().monotonic()

    transport = Transport(sandbox.hubspot_url, None, Hurried())
    with pytest.raises(Retriable, match="ReadTimeout"):
        transport.send("GET", "/crm/v3/owners", (), None, TOKEN, "owners")


@pytest.mark.parametrize(
    ("fault", "family"),
    [
        ({"kind": "cut"}, BrokenReply),
        ({"kind": "drop_before"}, Retriable),
        ({"kind": "drop_after"}, Retriable),
    ],
)
def test_lost_connections(
    sandbox: Sandbox, world: SimulatedWorld, fault: dict[str, str], family: type[ConnectorError]
) -> None:
    sandbox.faults.arm(crm="hubspot", path="owners", count=1, **fault)
    token = sandbox.credentials["hubspot"]["access_token"]
    transport = Transport(sandbox.hubspot_url, None, world)
    with pytest.raises(family) as caught:
        transport.send("GET", "/crm/v3/owners", (), None, token, "owners")
    assert caught.value.code != NOT_SENT
    assert transport.send("GET", "/crm/v3/owners", (), None, token, "owners").status == 200


def test_the_new_token_is_in_no_log(
    sandbox: Sandbox, world: SimulatedWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    known = sandbox.credentials["hubspot"]
    transport = Transport(sandbox.hubspot_url, None, world)
    reply = transport.exchange_token(
        TOKENS, known["client_id"], known["client_secret"], known["refresh_token"]
    )
    assert b"access_token" in reply.body
    refused = transport.exchange_token(TOKENS, known["client_id"], "wrong-secret", known["refresh_token"])
    assert refused.status in (400, 401)
    for secret in (known["client_secret"], known["refresh_token"], "wrong-secret", reply.body.decode()):
        assert secret not in caplog.text


def test_the_token_exchange_does_not_wait_on_its_own(
    sandbox: Sandbox, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left to itself, the library below obeys any Retry-After of a 429, without a limit."""
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits by itself"))
    sandbox.faults.arm("status", path=TOKENS, status=429, body={}, headers={"Retry-After": "86400"})
    assert (
        Transport(sandbox.hubspot_url, None, world).exchange_token(TOKENS, "id", "secret", "token").status
        == 429
    )


def test_one_connection_serves_many_calls(sandbox: Sandbox, world: SimulatedWorld) -> None:
    made = Transport(sandbox.hubspot_url, None, world)
    token = sandbox.credentials["hubspot"]["access_token"]
    for path in ("/crm/v3/owners", "/crm/v3/objects/contacts", "/nowhere", "/crm/v3/owners"):
        made.send("GET", path, (), None, token, "x")
    pools = made._session.get_adapter(sandbox.hubspot_url).poolmanager.pools  # type: ignore[attr-defined]
    assert [pools[key].num_connections for key in pools.keys()] == [1]  # noqa: SIM118 (no plain mapping)
