"""A long history of one site: all that people and CRMs do to a mirror, for tests of whole databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from config.load import load
from sync.app import build
from sync.cli.exits import ending
from sync.context import App, Silent
from sync.handover import hand_in
from sync.mirror.requests import Ask
from sync.pipeline import SyncRequest
from sync.stopping import StopSwitch
from sync.turns import take_turn
from sync.vitals import Notifier, Vitals
from tests.acceptance.site import Site

LISTS: Final = """
[[engagement.rules]]
source = "hubspot.list_membership"
kind = "content_downloaded"
when = { action = { equals = "joined" } }
"""
DAY: Final = 86_400.0
TASKS: Final = {
    "MQLSYNC_WRITEBACK__SALESFORCE__HAND_OFF": "task",
    "MQLSYNC_WRITEBACK__HUBSPOT__HAND_OFF": "note",
}


def long_history(site: Site) -> None:
    """From the first pass over merges, conversions, decisions of administrators and erasure to a full one."""
    site.environ |= TASKS
    site.settings(LISTS)
    names = ("ann", "ben", "cat", "dan", "eve", "fay", "gus", "hal")
    pairs = {name: site.pair(f"{name}@acme.example") for name in names}
    twins = [site.contact(f"ivo@{host}.example") for host in ("acme", "acme-group")]
    leads = [site.lead("joe@acme.example"), site.lead("joe@acme.example", LastName="Joe II")]
    trial = site.sandbox.hubspot.lists.add("Trial users")
    site.sandbox.hubspot.lists.join(trial, [pairs["eve"].contact, pairs["fay"].contact])
    site.approved()
    _work_of_sales(site, pairs["ann"].lead, pairs["ben"].contact)
    site.sandbox.convert(pairs["cat"].lead)
    site.sandbox.merge("hubspot", "contacts", pairs["dan"].contact, twins[0])
    site.sandbox.delete("hubspot", "contacts", twins[1])
    site.sync(after=DAY)
    _word_of_administrators(site, pairs["eve"].email, pairs["fay"].email, leads[0])
    site.sync(after=DAY)
    site.json("undo", "gus@acme.example", "--yes")
    site.json("person", "demote", "hal@acme.example", "--stage", "lead", "--reason", "called off", "--yes")
    _through_a_worker(site)
    site.sandbox.merge("salesforce", "Lead", *leads)
    site.sync("--full", after=40 * DAY)
    site.ok("privacy", "erase", "ann@acme.example", "--yes")
    site.ok("privacy", "export", "ben@acme.example", "--output", str(site.folder / "ben.json"))
    site.json("reconcile")
    _nobody_sells(site)
    site.sync("--full", after=3 * DAY, code=2)
    _asked(site)


def _work_of_sales(site: Site, lead: str, contact: str) -> None:
    site.contact("nul@acme.example", company="zero\x00byte", city="Zürich 😀")
    site.edit_lead(lead, Status="Working - Contacted")
    site.sandbox.edit("hubspot", "contacts", contact, {"jobtitle": "Intern"})
    site.sync(after=900)
    site.edit_lead(lead, Status="Closed - Not Converted")


def _word_of_administrators(site: Site, wanted: str, unwanted: str, kept: str) -> None:
    site.ok("person", "override", wanted, "--mql", "--until", "2099-01-01", "--reason", "met", "--by", "Ann")
    site.ok(
        "person", "override", unwanted, "--not-mql", "--until", "2099-01-01", "--reason", "no", "--by", "Bob"
    )
    site.ok("conflicts", "resolve", "joe@acme.example", "--keep", kept, "--reason", "the older one")
    site.ok("pause", "hubspot.contacts", "--reason", "a fair")
    late = site.pair("kim@acme.example")
    site.sync(after=900)
    site.ok("resume", "hubspot.contacts")
    site.ok("pause", "salesforce.Contact", "--reason", "until further notice")
    site.sandbox.edit("hubspot", "contacts", late.contact, {"hubspot_owner_id": site.owners["rep"]})


def _through_a_worker(site: Site) -> None:
    """What was asked for is carried out by who holds the lease."""
    with _app(site) as app:
        hand_in(app, Ask("sync", SyncRequest().to_json()))
        take_turn(app, StopSwitch(), Vitals(site.world, Notifier({})), Silent(), lambda report: None)


def _asked(site: Site) -> None:
    """Nobody has carried it out yet."""
    with _app(site) as app:
        hand_in(app, Ask("sync", SyncRequest().to_json()))


def _nobody_sells(site: Site) -> None:
    """One half of the pool has left since it was read, then the other; a row comes that nobody can read."""
    body = '{"totalSize": 1, "done": true, "records": [{"Id": 7, "SystemModstamp": {"no": "time"}}]}'
    site.sandbox.faults.arm(
        "status", crm="salesforce", path="/query", query="FROM Task", status=200, body=body
    )
    site.pair("of.bob@acme.example")
    site.before_write("salesforce", lambda: _leaves(site, "bob"))
    site.sync(after=60, code=3)
    site.pair("of.nobody@acme.example")
    _leaves(site, "ann")
    site.sync(after=60, code=2)


def _leaves(site: Site, name: str) -> None:
    site.sandbox.edit("salesforce", "User", site.users[name], {"IsActive": False})


@contextmanager
def _app(site: Site) -> Iterator[App]:
    with build(load(site.folder, site.environ), site.world, site.folder) as app:
        app.heartbeat, app.words = False, ending
        yield app
