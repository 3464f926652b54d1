"""A set-up as a user has it: a folder, environment variables, two servers, the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from connectors.sandbox.core import Request
from connectors.sandbox.dispatch import Logged
from connectors.sandbox.faults import Match
from connectors.sandbox.ledger import Entry
from connectors.sandbox.sandbox import Sandbox
from connectors.sandbox.switches import Switches
from tests.databases import mirror_url
from tests.unit.cli.runner import Ran, run
from tests.world import SimulatedWorld

DAY = 86_400.0
REPS = ("ann", "bob", "rep")
ROUTING = """
[routing.pools.default]
members = [{ email = "ann@vendor.example" }, { email = "bob@vendor.example" }]
fallback = "queue:MQL"
"""
WRITES = {
    "salesforce": Match(
        "salesforce", "PATCH|POST", "/(sobjects/(Lead|Contact)/|composite)", body="MQL|OwnerId"
    ),
    "hubspot": Match("hubspot", "POST|PATCH", "/contacts/(batch/update|[0-9]+)$", body="OPEN|owner"),
}
"""The first request of each CRM that writes."""

READING = ("/query", "/queryAll", "/search", "/batch/read", "/token", "/access-token-info")
"""Endings of POST paths that change nothing."""


class Pair(NamedTuple):
    """One human with a record in each CRM."""

    email: str
    lead: str
    contact: str


class Site:
    """Both sandboxes, seeded by hand, and `mqlsync` run against them in this process."""

    def __init__(self, sandbox: Sandbox, world: SimulatedWorld, folder: Path) -> None:
        self.sandbox, self.world, self.folder = sandbox, world, folder
        salesforce, hubspot = sandbox.credentials["salesforce"], sandbox.credentials["hubspot"]
        self.environ = {
            "MQLSYNC_DATABASE_URL": mirror_url(folder),
            "MQLSYNC_PRIVACY__MARKS_FILE": str(folder / "mirror.db.erased"),
            "MQLSYNC_SALESFORCE__LOGIN_URL": sandbox.salesforce_url,
            "MQLSYNC_SALESFORCE__CLIENT_ID": salesforce["client_id"],
            "MQLSYNC_SALESFORCE__CLIENT_SECRET": salesforce["client_secret"],
            "MQLSYNC_HUBSPOT__BASE_URL": sandbox.hubspot_url,
            "MQLSYNC_HUBSPOT__ACCESS_TOKEN": hubspot["access_token"],
        }
        self.users: dict[str, str] = {}
        self.owners: dict[str, str] = {}
        self.forms: dict[str, str] = {}

    # -- the command line ----------------------------------------------------------------------------------

    def run(self, *argv: str, **environ: str) -> Ran:
        """One call with this folder; no secret and no traceback in what it printed."""
        given = {**self.environ, **environ}
        ran = run("--config-dir", str(self.folder), *argv, environ=given, world=self.world)
        secrets = [given[name] for name in given if name.endswith(("TOKEN", "SECRET", "PASSWORD"))]
        assert not [secret for secret in secrets if secret and secret in ran.out + ran.err]
        assert "Traceback" not in ran.err
        return ran

    def ok(self, *argv: str, code: int = 0) -> Ran:
        """The same, and it must end with that code."""
        ran = self.run(*argv)
        assert ran.code == code, f"{argv} ended with {ran.code}: {ran.err}{_troubles(ran.out)}"
        return ran

    def json(self, *argv: str, code: int = 0) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.ok(*argv, "--json", code=code).out)

    @staticmethod
    def last(ran: Ran) -> Any:
        """The JSON document that a call printed, whatever its exit code."""
        return json.loads(ran.out)

    def sync(self, *argv: str, code: int = 0, after: float = 60) -> Any:
        """A pass, some time after whatever was done before."""
        self.world.advance(after)
        return self.json("sync", *argv, code=code)

    def approved(self) -> Any:
        """The first pass, its plan approved; the answer of the approval."""
        self.sync(code=6, after=3600)
        return self.json("approve", "--yes")

    def person(self, email: str) -> Any:
        """As `people` lists them."""
        people = self.json("people")["people"]
        return next(person for person in people if email in person["emails"])

    def settings(self, more: str) -> None:
        """Add to mqlsync.toml."""
        with (self.folder / "mqlsync.toml").open("a", encoding="utf-8") as file:
            file.write(more)

    def unasked(self) -> None:
        """Let the first writing pass go out without approval."""
        self.replace("# first_run_needs_approval = true ", "first_run_needs_approval = false ")

    def replace(self, old: str, new: str, file: str = "mqlsync.toml") -> None:
        """Change a piece of a configuration file that must be there once."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    # -- the CRMs ------------------------------------------------------------------------------------------

    def colleagues(self) -> None:
        """Sales people, known to both CRMs by their address."""
        for name in REPS:
            email = f"{name}@vendor.example"
            values = {"Username": email, "Email": email, "LastName": name, "Alias": name}
            self.users[name] = self.sandbox.create("salesforce", "User", values, author="seed")
            self.owners[name] = self.sandbox.hubspot.owners.add(email, name, "Sales")

    @property
    def inbound(self) -> str:
        """The queue that new Leads belong to."""
        return self.sandbox.salesforce.org.inbound_queue

    def lead(self, email: str, **values: Any) -> str:
        """A fitting Lead of the queue."""
        local = email.partition("@")[0]
        fitting = {
            "Email": email, "FirstName": "Lea", "LastName": local, "Company": "Acme GmbH", "Status": "New",
            "Title": "VP Marketing", "NumberOfEmployees": 120, "OwnerId": self.inbound,
        }  # fmt: skip
        return self.sandbox.create("salesforce", "Lead", {**fitting, **values}, author="seed")

    def contact(self, email: str | None, **values: Any) -> str:
        """A fitting HubSpot contact."""
        fitting = {
            "email": email, "firstname": "Lea", "lastname": (email or "x").partition("@")[0],
            "company": "Acme GmbH", "jobtitle": "VP Marketing", "lifecyclestage": "lead",
            "hs_lead_status": "NEW",
        }  # fmt: skip
        return self.sandbox.create("hubspot", "contacts", {**fitting, **values}, author="seed")

    def demo(self, email: str, form: str = "Request a demo", ago: float = 7200) -> None:
        """Somebody sends a form."""
        feeds = self.sandbox.hubspot
        if form not in self.forms:
            self.forms[form] = feeds.forms.add(form)
        at = self.world.clock() - ago
        feeds.feeds.add_submission(self.forms[form], at, email, {"email": email}, "https://acme.example/")

    def pair(self, email: str) -> Pair:
        """Somebody in both CRMs who has asked for a demo: an MQL by the fast track."""
        pair = Pair(email, self.lead(email), self.contact(email))
        self.demo(email)
        return pair

    def value(self, crm: str, object_name: str, record_id: str, field: str) -> str | None:
        """What stands there, by the sandbox."""
        record = self.sandbox.store.get(crm, object_name, record_id)
        assert record is not None
        value = record.values.get(field)
        return None if value is None else str(value)

    def of_lead(self, lead: str) -> tuple[str | None, str | None]:
        """Its status and owner."""
        return self.value("salesforce", "Lead", lead, "Status"), self.value(
            "salesforce", "Lead", lead, "OwnerId"
        )

    def of_contact(self, contact: str) -> tuple[str | None, str | None]:
        """Status and owner of a HubSpot contact."""
        return (
            self.value("hubspot", "contacts", contact, "hs_lead_status"),
            self.value("hubspot", "contacts", contact, "hubspot_owner_id"),
        )

    def edit_lead(self, lead: str, **fields: str) -> None:
        """A sales person changes a Lead."""
        self.sandbox.edit("salesforce", "Lead", lead, fields)

    def edit_contact(self, contact: str, **fields: str) -> None:
        """A sales person changes a HubSpot contact."""
        self.sandbox.edit("hubspot", "contacts", contact, fields)

    def before_write(self, crm: str, act: Callable[[], None]) -> None:
        """Somebody acts after the worker's last read and before its first write arrives."""
        one = WRITES[crm]
        self.sandbox.steps.before(Match(one.crm, one.method, one.path, body=one.body), _ignoring_request(act))

    def written(self, since: int = 0) -> list[Entry]:
        """What the worker changed, by the sandbox's ledger."""
        return self.sandbox.ledger.entries(since, author="worker")

    def write_requests(self, since: int = 0) -> list[Logged]:
        """Requests that could change a record, from the n-th request of the log on."""
        return [
            one
            for one in self.sandbox.requests[since:]
            if one.method != "GET"
            and not one.path.endswith(READING)
            and "/Soap/" not in one.path
            and not (one.path.endswith("/composite") and '"PATCH"' not in one.body)
            and not (
                one.path.endswith("/composite/sobjects/Lead")
                or one.path.endswith("/composite/sobjects/Contact")
            )
        ]

    def nothing_is_written(self, *argv: str, after: float = 60, code: int = 0) -> Any:
        """A pass that changes nothing by the ledger and asks nothing to be changed."""
        entries, requests = len(self.sandbox.ledger), len(self.sandbox.requests)
        report = self.sync(*argv, after=after, code=code)
        assert self.written(entries) == []
        assert self.write_requests(requests) == []
        return report


def _troubles(out: str) -> str:
    """Of a JSON report its problems, of anything else the end."""
    try:
        report = json.loads(out)
    except ValueError:
        return out[-1000:]
    red = [one for one in report.get("checks", ()) if one["level"] == "error"]
    return json.dumps([*report.get("problems", ()), *red])


def _ignoring_request(act: Callable[[], None]) -> Callable[[Request], None]:
    return lambda _: act()


def made(
    folder: Path,
    *,
    switches: Switches | None = None,
    people: int = 0,
    settings: str = ROUTING,
    seed: Callable[[Site], None] = lambda _: None,
    environ: Mapping[str, str | None] | None = None,
) -> Iterator[Site]:
    """A site with `init` done, its sandbox running; ends with no error inside the sandbox.

    `people` asks for a generated population; `environ` adds variables, None takes one away.
    """
    world = SimulatedWorld()
    with Sandbox(clock=world.clock, switches=switches) as sandbox:
        site = Site(sandbox, world, folder)
        for name, value in (environ or {}).items():
            site.environ.pop(name, None)
            if value is not None:
                site.environ[name] = value
        site.ok("init")
        site.settings(settings)
        site.colleagues()
        if people:
            sandbox.populate(seed=7, people=people, days=60)
        seed(site)
        yield site
    assert sandbox.errors == []


def feeds_of(report: Mapping[str, Any]) -> Sequence[str]:
    """`crm.object` of everything that a report says was pulled."""
    return [f"{crm}.{name}" for crm, feeds in report["pull"].items() for name in feeds]


def mirrored(site: Site) -> set[tuple[str, str, str]]:
    """What `people` lists, record by record."""
    people = site.json("people")["people"]
    return {(one["crm"], one["object"], one["id"]) for person in people for one in person["records"]}


def held(site: Site) -> set[tuple[str, str, str]]:
    """What the CRMs hold alive; a converted Lead is its Contact."""
    store = site.sandbox.store
    tables = (("salesforce", "Lead"), ("salesforce", "Contact"), ("hubspot", "contacts"))
    return {
        (crm, name, record.id)
        for crm, name in tables
        for record in store.table(crm, name).alive()
        if not record.values.get("IsConverted")
    }
