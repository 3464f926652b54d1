"""`conflicts` on two simulated CRMs: what a person has to decide, and deciding it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.test_on_sandbox import Site, made


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    for site in made(tmp_path, people=40):
        first, second = [lead for lead in site.sandbox.store.table("salesforce", "Lead") if not lead.gone][:2]
        site.sandbox.edit("salesforce", "Lead", second.id, {"Email": first.values["Email"]})
        assert site.run("sync").code in (0, 6)
        yield site


def test_an_ambiguous_person_is_listed_decided_and_listed_no_more(site: Site) -> None:
    before = site.json("conflicts", "list")
    assert set(before) == {"schema_version", "ambiguous", "changes", "unrouted", "apart"}
    person = before["ambiguous"][0]
    assert person["person_id"] in site.run("conflicts", "list").out
    twins = [ref for ref in person["records"] if ref["crm"] == person["records"][0]["crm"]]
    assert site.run("conflicts", "resolve", person["person_id"]).code == 2
    assert site.run("conflicts", "resolve", person["person_id"], "--keep", "nobody").code == 7
    asked = (
        "conflicts",
        "resolve",
        person["person_id"],
        "--keep",
        twins[0]["id"],
        "--reason",
        "the older one",
    )
    answer = site.json(*asked)
    assert [ref["id"] for ref in answer["records"]] == [ref["id"] for ref in twins[1:]]
    site.run("sync")
    after = site.json("conflicts", "list")
    assert len(after["ambiguous"]) == len(before["ambiguous"]) - 1
    assert [(row["kept"], row["reason"]) for row in after["apart"]] == [
        (twins[0]["id"], "the older one") for _ in twins[1:]
    ]
    again = site.json("conflicts", "resolve", twins[0]["id"], "--together")
    assert {ref["id"] for ref in again["records"]} == {ref["id"] for ref in twins[1:]}
    site.run("sync")
    assert len(site.json("conflicts", "list")["ambiguous"]) == len(before["ambiguous"])
