"""`privacy`: what is held of a person is found, handed out, and erased so that nothing brings it back."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync.mirror.engine import Mirror
from tests.acceptance.site import Pair, Site, made

ANN = "ann.smith@acme.example"
OTHERS = {"ben@acme.example", "carl@other.example"}
NAME, FAMILY, PHONE = "Annegret", "Smithers", "+49 30 1234567"
REASON = "Annegret Smithers rang us herself"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "site").mkdir()
    for site in made(tmp_path / "site"):
        site.unasked()
        site.replace('# fields = "needed"  ', 'fields = "all"  ')
        yield site


def ann_and_others(site: Site) -> Pair:
    """Ann, with everything that can be held of somebody, and two more people of whom nothing may go."""
    company = site.sandbox.create("hubspot", "companies", {"name": "Smithers und Tochter"}, author="seed")
    lead = site.lead(ANN, FirstName=NAME, LastName=FAMILY, Phone=PHONE, Company="Smithers und Tochter")
    contact = site.contact(ANN, firstname=NAME, lastname=FAMILY, phone=PHONE, company="Smithers und Tochter")
    site.sandbox.hubspot.associate("contacts", contact, "companies", company)
    site.demo(ANN)
    site.pair("ben@acme.example")
    site.pair("carl@other.example")
    site.sync(after=3600)
    site.sandbox.edit("salesforce", "Lead", lead, {"Title": "Chief Marketing Officer"})
    site.sync(after=600)
    return Pair(ANN, lead, contact)


def traces(site: Site, ann: Pair, *more: str) -> list[tuple[str, str]]:
    """Every file of the state folder that holds a byte of Ann: (file, what)."""
    person = [
        ANN,
        ANN.split("@")[0],
        NAME,
        FAMILY,
        PHONE,
        "1234567",
        "Tochter",
        REASON,
        ann.lead,
        ann.lead[:15],
        *more,
    ]
    found = []
    for file in sorted(site.folder.rglob("*")):
        if file.is_file():
            content = file.read_bytes().lower()
            found += [(file.name, word) for word in person if word.lower().encode() in content]
    return found


def emails(site: Site) -> set[str]:
    return {email for person in site.json("people")["people"] for email in person["emails"]}


def test_find_tells_where_the_data_lie(site: Site, tmp_path: Path) -> None:
    ann = ann_and_others(site)
    site.ok("people", "--csv", str(tmp_path / "all.csv"))
    if site.environ["MQLSYNC_DATABASE_URL"].startswith("sqlite"):
        site.ok("db", "backup", str(tmp_path / "copy.db"))
    (found,) = site.json("privacy", "find", ANN)["people"]
    assert found["addresses"] == [ANN]
    assert {ref["id"] for ref in found["records"]} == {ann.lead, ann.contact}
    for table in (
        "person_record",
        "person",
        "engagement",
        "intent",
        "score",
        "spell",
        "audit_detail",
        "match_key",
    ):
        assert found["rows"][table] >= 1, table
    kinds = {copy["kind"] for copy in found["copies"]}
    assert "people_csv" in kinds
    assert all(copy["holds"] and copy["at"].endswith("Z") for copy in found["copies"])
    shown = site.ok("privacy", "find", ann.lead).out
    assert ANN in shown
    assert "all.csv" in shown
    site.ok("privacy", "find", "nobody@acme.example", code=7)


def test_export_is_everything_and_private(site: Site, tmp_path: Path) -> None:
    ann = ann_and_others(site)
    value = site.json("privacy", "export", ANN)
    assert value["schema_version"] == 1
    assert {row["id"] for row in value["tables"]["person_record"]} == {ann.lead, ann.contact}
    assert "ben@acme" not in json.dumps(value)
    file = tmp_path / "ann.json"
    answer = site.json("privacy", "export", ANN, "-o", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert answer["rows"] == sum(len(rows) for rows in json.loads(file.read_text())["tables"].values()) > 10
    site.ok("privacy", "export", ANN, "-o", str(file), code=2)
    (copy,) = site.json("privacy", "find", ANN)["people"][0]["copies"]
    assert (copy["kind"], copy["path"], copy["holds"]) == ("privacy_export", str(file), True)


def test_nothing_is_erased_without_a_word(site: Site) -> None:
    ann_and_others(site)
    before = site.json("privacy", "find", ANN)
    dry = site.json("privacy", "erase", ANN, "-n")
    assert (dry["erased"], dry["rows"]) == (False, before["people"][0]["rows"])
    assert site.json("privacy", "erase", ANN, code=6)["erased"] is False
    assert site.json("privacy", "find", ANN) == before
    site.ok("privacy", "erase", "nobody@acme.example", "--yes", code=7)


@pytest.mark.sqlite("looks at the bytes of its files")
def test_no_byte_of_the_person_is_left(site: Site, tmp_path: Path) -> None:
    ann = ann_and_others(site)
    person = site.person(ANN)["person_id"]
    site.ok("people", "--csv", str(tmp_path / "all.csv"))
    site.ok("people", "--csv", str(tmp_path / f"{NAME} {FAMILY}.csv"))
    site.ok("pause", "hubspot", "--reason", REASON)
    assert {name for _, name in traces(site, ann)} >= {ANN, NAME, FAMILY, PHONE, REASON, ann.lead}
    answer = site.json("privacy", "erase", ANN, "--yes")
    assert answer["erased"]
    assert answer["complete"]
    names = [Path(copy["path"]).name for copy in answer["copies"]]
    assert names == ["all.csv", f"{NAME} {FAMILY}.csv"], "told once more, and forgotten where its name tells"
    assert traces(site, ann, person) == []
    assert emails(site) == OTHERS
    assert site.json("audit", "--verify")["intact"]
    acts = site.json("audit", "--limit", "100")["audit"]
    assert any(act["erased"] for act in acts)
    assert not all(act["erased"] for act in acts)
    assert "erased" in site.ok("audit").out
    assert site.json("db", "verify")["ok"]
    for _ in range(2):  # nor does looking at her again leave one
        site.ok("privacy", "find", ann.lead, code=7)
    assert "Erased at" in site.ok("privacy", "find", ANN, code=7).err
    assert traces(site, ann, person) == []


ROADS: dict[str, list[tuple[str, ...]]] = {
    "pull": [("sync",)],
    "full": [("sync", "--full")],
    "resync by address": [("resync", ANN)],
    "resync all": [("resync", "--all")],
}


@pytest.mark.parametrize("road", ROADS)
def test_no_road_brings_the_person_back(site: Site, road: str) -> None:
    ann = ann_and_others(site)
    site.ok("privacy", "erase", ANN, "--yes")
    site.edit_lead(ann.lead, Title="CEO")
    site.edit_contact(ann.contact, jobtitle="CEO")
    site.demo(ANN, ago=60)
    site.demo(ANN, "Newsletter", ago=50)
    before = len(site.sandbox.ledger)
    for argv in ROADS[road]:
        site.world.advance(3600)
        ran = site.run(*argv, "--json")
        assert ran.code in (0, 7), ran.err
    site.ok("privacy", "find", ANN, code=7)
    site.ok("privacy", "find", ann.lead, code=7)
    assert emails(site) == OTHERS
    assert not [
        entry
        for entry in site.written(before)
        if entry.id in (ann.lead, ann.contact) and entry.author == "worker"
    ]


def test_the_same_address_under_a_new_id_stays_out(site: Site) -> None:
    ann = ann_and_others(site)
    site.ok("privacy", "erase", ANN, "--yes")
    again = site.lead(ANN.upper(), LastName="Again")
    other = site.contact("other.ann@acme.example")
    site.sandbox.merge("hubspot", "contacts", other, ann.contact)
    report = site.sync(after=3600)
    assert report["books_balance"]
    assert emails(site) == OTHERS
    site.ok("privacy", "find", again, code=7)
    site.ok("privacy", "find", other, code=7)
    site.edit_lead(again, Email="now.another@acme.example")
    site.sync(after=3600)
    site.sync("--full", after=3600)
    assert emails(site) == OTHERS, "once known by its id it stays out under any address"


def test_a_lead_that_is_converted_stays_out(site: Site) -> None:
    ann = ann_and_others(site)
    site.ok("privacy", "erase", ANN, "--yes")
    site.sandbox.convert(ann.lead)
    site.sync(after=3600)
    site.sync("--full", after=3600)
    assert emails(site) == OTHERS


def test_what_others_share_with_the_person_stays(site: Site) -> None:
    company = site.sandbox.create("hubspot", "companies", {"name": "Shared GmbH"}, author="seed")
    ann = ann_and_others(site)
    ben = next(one["id"] for one in site.person("ben@acme.example")["records"] if one["crm"] == "hubspot")
    for contact in (ann.contact, ben):
        site.sandbox.hubspot.associate("contacts", contact, "companies", company)
    site.sync(after=3600)
    before = site.json("person", "explain", "ben@acme.example")
    site.ok("privacy", "erase", ANN, "--yes")
    assert site.json("person", "explain", "ben@acme.example") == before
    (found,) = site.json("privacy", "export", "ben@acme.example")["tables"]["company_record"]
    assert found["name"] == "Shared GmbH"


@pytest.mark.sqlite("puts a file back")
@pytest.mark.parametrize("way", ["db restore", "a copied file"])
def test_an_older_copy_does_not_bring_the_person_back(site: Site, tmp_path: Path, way: str) -> None:
    ann = ann_and_others(site)
    copy = tmp_path / "copy.db"
    site.ok("db", "backup", str(copy))
    site.ok("people", "--csv", str(tmp_path / "all.csv"))
    answer = site.json("privacy", "erase", ANN, "--yes")
    assert {(one["kind"], one["holds"]) for one in answer["copies"]} == {
        ("backup", True),
        ("people_csv", True),
    }
    marks = site.folder / "mirror.db.erased"
    assert stat.S_IMODE(marks.stat().st_mode) == 0o600
    assert json.loads(marks.read_text())["keys"] == keys_of(site)
    site.world.advance(3600)
    if way == "db restore":
        site.ok("db", "restore", str(copy))
        assert [name for name, _ in traces(site, ann) if not name.startswith("mirror.db.before")] == []
    else:
        path = site.folder / "mirror.db"
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        path.write_bytes(copy.read_bytes())
    assert emails(site) == OTHERS
    assert traces(site, ann) == []
    site.run("sync", "--full")
    assert emails(site) == OTHERS
    assert site.json("audit", "--verify")["intact"]
    assert "Erased at" in site.ok("privacy", "erase", ANN, "--yes", code=7).err


@pytest.mark.sqlite("puts a file back")
def test_a_copy_of_another_mirror_learns_who_was_erased_here(site: Site, tmp_path: Path) -> None:
    """Its key is another one: both are known from then on, and its chain holds."""
    ann_and_others(site)
    first = {**site.environ}
    site.environ["MQLSYNC_DATABASE_URL"] = f"sqlite:///{site.folder / 'second.db'}"
    site.sync(after=60)
    site.ok("db", "backup", str(tmp_path / "second.db"))
    site.environ.update(first)
    site.ok("privacy", "erase", ANN, "--yes")
    site.ok("db", "restore", str(tmp_path / "second.db"))
    assert emails(site) == OTHERS
    site.run("sync", "--full")
    assert emails(site) == OTHERS
    assert site.json("audit", "--verify")["intact"]


@pytest.mark.sqlite("looks at the bytes of its files")
def test_a_reader_delays_the_end_and_the_next_command_finishes(site: Site) -> None:
    ann = ann_and_others(site)
    mirror = Mirror(site.environ["MQLSYNC_DATABASE_URL"], site.world)
    with mirror.read() as conn:
        conn.exec_driver_sql("SELECT count(*) FROM person").fetchall()
        answer = site.json("privacy", "erase", ANN, "--yes", code=5)
        assert (answer["erased"], answer["complete"]) == (True, False)
    mirror.close()
    site.ok("status")
    assert traces(site, ann) == []


def keys_of(site: Site) -> list[str]:
    mirror = Mirror(site.environ["MQLSYNC_DATABASE_URL"], site.world)
    with mirror.read() as conn:
        found = conn.exec_driver_sql("SELECT value FROM meta WHERE key = 'privacy.keys'").scalar_one()
    mirror.close()
    listed: list[str] = json.loads(found)
    return listed


def test_the_key_is_never_printed(site: Site, tmp_path: Path) -> None:
    ann_and_others(site)
    key = keys_of(site)[0]
    said: list[Any] = []
    files = (str(tmp_path / "a.json"), str(tmp_path / "all.csv"))
    commands = [
        ("privacy", "find", ANN), ("privacy", "export", ANN), ("privacy", "export", ANN, "-o", files[0]),
        ("privacy", "erase", ANN, "-n"), ("privacy", "erase", ANN, "--yes"),
        ("privacy", "find", ANN), ("audit",), ("audit", "--verify"), ("db", "stats"), ("db", "verify"),
        ("status",), ("runs",), ("doctor",), ("people", "--csv", files[1]),
    ]  # fmt: skip
    for argv in commands:
        for more in ((), ("--json",)):
            ran = site.run(*argv, *more)
            said += [ran.out, ran.err]
    said += [file.read_text() for file in tmp_path.glob("*.*") if file.is_file()]
    assert len(key) == 64
    assert not [text for text in said if key in text or key[:16] in text]
