"""Every path in one table, by number and by date."""

from __future__ import annotations

import pytest

from config.errors import ConfigError
from connectors.hubspot.paths import DATED, NUMBERED, OBJECT_PATHS, Paths


def test_numbered_and_dated_paths() -> None:
    numbered, dated = Paths("v3"), Paths("2026-03")
    assert numbered.path("search", object="contacts") == "/crm/v3/objects/contacts/search"
    assert dated.path("search", object="contacts") == "/crm/objects/2026-03/contacts/search"
    assert numbered.path("associations", object="contacts", to="deals").startswith("/crm/v4/associations/")
    assert dated.path("web_events") == "/events/event-occurrences/2026-03"
    assert dated.path("forms") == numbered.path("forms") == "/marketing/v3/forms"


def test_both_tables_know_the_same_names() -> None:
    assert set(NUMBERED) == set(DATED)
    assert set(NUMBERED) >= OBJECT_PATHS


def test_parts_are_encoded() -> None:
    assert Paths("v3").path("object", object="contacts", id="a/b@x?y") == (
        "/crm/v3/objects/contacts/a%2Fb%40x%3Fy"
    )


def test_only_paths_that_differ_have_an_older_form() -> None:
    dated = Paths("2026-03")
    assert dated.older("owners") == "/crm/v3/owners"
    assert dated.older("objects", object="contacts") is None  # its 404 speaks of the object type
    assert dated.older("forms") is None
    assert Paths("v3").older("owners") is None


@pytest.mark.parametrize("version", ["", "v4", "3", "2026", "2026-3", "../x", "v3/"])
def test_other_versions_are_a_mistake_in_the_configuration(version: str) -> None:
    with pytest.raises(ConfigError, match="api_version"):
        Paths(version)


def test_a_beta_is_a_version() -> None:
    assert Paths("2026-09-beta").path("owners") == "/crm/owners/2026-09-beta"
