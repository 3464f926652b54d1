"""Every exception of the libraries below has a family of ours: a new class fails these tests."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
import requests.exceptions
import simple_salesforce.exceptions
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from connectors.errors import AuthFailed, BrokenReply, ConnectorError, Fatal, Retriable
from connectors.retry import NOT_SENT, had_no_effect
from connectors.salesforce.client import (
    LIBRARY_FAMILIES,
    TRANSPORT_FAMILIES,
    library_error,
    transport_error,
)


def classes(module: object, base: type) -> Iterator[type]:
    for _, found in inspect.getmembers(module, inspect.isclass):
        if issubclass(found, base):
            yield found


TRANSPORT = sorted(
    classes(requests.exceptions, requests.exceptions.RequestException), key=lambda c: c.__name__
)
LIBRARY = sorted(classes(simple_salesforce.exceptions, Exception), key=lambda c: c.__name__)


def test_the_libraries_have_classes_to_walk() -> None:
    assert len(TRANSPORT) >= 20
    assert len(LIBRARY) >= 10


@pytest.mark.parametrize("cls", TRANSPORT, ids=lambda c: c.__name__)
def test_every_class_of_requests_is_mapped(cls: type) -> None:
    assert cls in TRANSPORT_FAMILIES


@pytest.mark.parametrize("cls", LIBRARY, ids=lambda c: c.__name__)
def test_every_class_of_simple_salesforce_is_mapped(cls: type) -> None:
    assert cls in LIBRARY_FAMILIES


@pytest.mark.parametrize("cls", TRANSPORT, ids=lambda c: c.__name__)
def test_a_transport_error_comes_out_as_ours_without_its_text(cls: type) -> None:
    url = "https://x/query?q=SELECT+Id+WHERE+Email='ann@example.com'"
    exc = cls(url, "doc", 0) if cls is requests.exceptions.JSONDecodeError else cls(url)
    found = transport_error(exc)
    assert isinstance(found, ConnectorError)
    assert "ann@example.com" not in f"{found!r} {found}"


def test_which_failures_surely_never_left() -> None:
    refused = requests.exceptions.ConnectionError(
        MaxRetryError(None, "/", NewConnectionError(None, "refused"))  # type: ignore[arg-type]
    )
    lost = requests.exceptions.ConnectionError(ProtocolError("Connection aborted."))
    timeout = requests.exceptions.ReadTimeout("x")
    certain = {exc: transport_error(exc) for exc in (refused, lost, timeout)}
    assert certain[refused].code == NOT_SENT
    assert [isinstance(e, Retriable) and had_no_effect(e) for e in certain.values()] == [True, False, False]


def test_a_cut_body_is_a_broken_reply() -> None:
    assert isinstance(transport_error(requests.exceptions.ChunkedEncodingError("x")), BrokenReply)


def test_a_bad_certificate_is_not_tried_again() -> None:
    exc = requests.exceptions.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed")
    assert isinstance(transport_error(exc), Fatal)


def test_a_failed_login_keeps_its_code() -> None:
    exc = simple_salesforce.exceptions.SalesforceAuthenticationFailed("invalid_grant", "for ann@example.com")
    found = library_error(exc)
    assert isinstance(found, AuthFailed)
    assert found.code == "invalid_grant"
    assert "ann@example.com" not in str(found)
