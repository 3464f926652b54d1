"""An overdue MQL goes on to the next colleague, in both CRMs, once; the sandbox's ledger is the judge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.site import Site, made

DAY = 86_400


@pytest.fixture
def site(tmp_path: Path, database: str) -> Iterator[Site]:
    def seed(site: Site) -> None:
        site.pair("anna@acme.example")
        site.pair("ben@acme.example")

    for made_ in made(tmp_path, seed=seed):
        made_.replace('# reassign_after = "0s"', 'reassign_after = "1h"')
        made_.unasked()
        yield made_


def owners_given(site: Site) -> dict[tuple[str, str], list[str]]:
    """Per record, the owners that we set there, in order."""
    found: dict[tuple[str, str], list[str]] = {}
    for entry in site.written():
        if entry.field in ("OwnerId", "hubspot_owner_id"):
            found.setdefault((entry.crm, entry.id), []).append(str(entry.after))
    return found


def test_what_nobody_touches_goes_on_once_and_what_somebody_touches_stays(site: Site) -> None:
    site.sync()
    first = owners_given(site)
    assert sorted(map(len, first.values())) == [1, 1, 1, 1]
    touched, left = sorted(record for crm, record in first if crm == "salesforce")
    site.edit_lead(touched, Status="Working - Contacted")
    site.sync(after=2 * DAY)
    site.sync(after=600)
    given = owners_given(site)
    assert len(given["salesforce", touched]) == 1
    old, new = given["salesforce", left]
    assert old != new
    assert sorted(map(len, given.values())) == [1, 1, 2, 2], "in both CRMs, and only there"
    (late,) = [one for one in site.json("sla", "--all")["hand_offs"] if one["earlier"]]
    assert late["owner"] != late["earlier"][0]["owner"]
    before = len(site.written())
    for _ in range(3):
        site.sync(after=2 * DAY)
    assert len(owners_given(site)["salesforce", left]) == 2, "both colleagues had it"
    assert len(site.written()) == before
