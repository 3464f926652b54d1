"""E-mail domains and assets: the normalised columns that models compare."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.assets import normalise
from scoring.domains import email_domain, is_disposable, is_free_mail, is_student


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("ann@Example.COM", "example.com"),
        (" ann@example.com. ", "example.com"),
        ("a@b@example.com", "example.com"),
        ("no-at-sign", None),
        ("@example.com", None),
        ("ann@", None),
        ("", None),
        (None, None),
    ],
)
def test_email_domain(address: str | None, domain: str | None) -> None:
    assert email_domain(address) == domain


@pytest.mark.parametrize(
    "domain",
    ["mit.edu", "cs.stanford.edu", "unimelb.edu.au", "ox.ac.uk", "student.kuleuven.be", "a.student.uva.nl"],
)
def test_students(domain: str) -> None:
    assert is_student(domain)


@pytest.mark.parametrize(
    "domain",
    ["educause.edu", "www.si.edu", "example.com", "edu", "ac.me", "education.com", "acme.ac", None, ""],
)
def test_not_students(domain: str | None) -> None:
    assert not is_student(domain)


def test_free_and_disposable_mailboxes() -> None:
    assert is_free_mail("gmail.com")
    assert not is_free_mail("example.com")
    assert is_disposable("mailinator.com")
    assert is_disposable("sub.mailinator.com")
    assert not is_disposable("gmail.com")
    assert not is_free_mail(None)
    assert not is_disposable(None)


@pytest.mark.parametrize(
    ("asset", "key"),
    [
        ("https://www.Example.com/Case-Study/?utm=1#top", "www.example.com/case-study"),
        ("http://example.com:8080/a/", "example.com/a"),
        ("//example.com/a", "example.com/a"),
        ("HTTPS://example.com", "example.com"),
        ("  Case Study: ACME ", "case study: acme"),
        ("/pricing?x=1", "/pricing?x=1"),
        ("http://[broken/x", "http://[broken/x"),
        (None, ""),
    ],
)
def test_assets(asset: str | None, key: str) -> None:
    assert normalise(asset) == key


@given(st.text(max_size=80))
def test_any_text_is_an_asset(asset: str) -> None:
    assert isinstance(normalise(asset), str)
    assert isinstance(is_student(email_domain(asset)), bool)
