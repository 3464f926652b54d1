"""The processes of `bench_pull`: a server, and clients whose CPU time and memory are theirs alone.

Each prints one line of JSON: the server says where it is, a client what it took.
"""

from __future__ import annotations

import csv
import io
import json
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
from pydantic import SecretStr

from config.load import load
from config.paths import MODEL_FILE, SETTINGS_FILE, sqlite_url
from config.settings import HubSpotSettings, SalesforceSettings
from config.templates import template
from config.world import RealWorld, epoch
from connectors.hubspot.account import Account
from connectors.hubspot.connector import HubSpotConnector
from connectors.hubspot.records import NEEDED
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.salesforce import soql
from connectors.salesforce.bulk import RESULT_ROWS
from connectors.salesforce.connector import SalesforceConnector
from connectors.sandbox.sandbox import Sandbox
from connectors.throttle import UnlimitedBudget
from sync import pipeline
from sync.app import build, collect_less_often
from sync.mirror import cursors, store
from sync.mirror.engine import Mirror
from sync.pipeline import SyncRequest

PEOPLE: Final = {"hubspot": "hubspot.contacts", "salesforce": "salesforce.Contact"}
"""The feed of people of each CRM that is measured."""

COPIED: Final[Mapping[str, tuple[str, ...]]] = {
    "person_record": ("id", "founder_id"),
    "person": ("person_id", "founding_id"),
    "person_member": ("id", "person_id"),
    "match_key": ("key", "id"),
    "score": ("person_id",),
    "score_hit": ("person_id",),
}
"""What a mirror has of each person, and the columns in which one copy differs from another."""

TITLES: Final = ("VP Sales", "Engineer", "Head of Marketing", "Director")
BY_QUERIES: Final = 10**9  # rows above which a Bulk job is made: never
SETTINGS: Final = '[writeback.hubspot.contacts]\nstage = { field = "lifecyclestage", policy = "ladder", ' + (
    'values = { mql = "marketingqualifiedlead" } }\n'
)


@dataclass
class Stamp:
    """What the mirror must know of a run."""

    run_id: str
    now: int


def serve(records: Mapping[str, int], latency: float) -> None:
    """The sandbox with people, so many of each CRM, until stdin closes.

    One was made each second until a day ago: no two share their times, as if by a slow import.
    """
    with Sandbox(latency=latency) as sandbox:
        made = {
            "hubspot": lambda n, at: sandbox.hubspot.create("contacts", hubspot_contact(n), at=at),
            "salesforce": lambda n, at: sandbox.salesforce.create("Contact", salesforce_contact(n), at=at),
        }
        with sandbox.store.lock:
            for crm, count in records.items():
                first = time.time() - 86_400 - count
                for n in range(count):
                    made[crm](n, first + n)
        told = {
            "hubspot": {"url": sandbox.hubspot_url, **sandbox.credentials["hubspot"]},
            "salesforce": {"url": sandbox.salesforce_url, **sandbox.credentials["salesforce"]},
            "control": sandbox.control_url,
            "control_token": sandbox.control_token,
        }
        print(json.dumps(told), flush=True)
        sys.stdin.buffer.read()


def hubspot_contact(n: int) -> dict[str, str]:
    return {
        "email": f"person{n}@company{n % 997}.example.com",
        "firstname": f"First{n % 211}",
        "lastname": f"Last{n}",
        "jobtitle": TITLES[n % 4],
        "company": f"Company {n % 997}",
        "country": "Germany",
        "city": f"City {n % 83}",
        "state": f"State {n % 16}",
        "phone": f"+49 30 {n:08d}",
        "lifecyclestage": "lead",
        "hs_lead_status": "NEW",
    }


def salesforce_contact(n: int) -> dict[str, str]:
    """Half of them are somebody else than the contacts of HubSpot."""
    return {
        "Email": f"person{n * 2}@company{n * 2 % 997}.example.com",
        "FirstName": f"First{n * 2 % 211}",
        "LastName": f"Last{n * 2}",
        "Title": TITLES[n % 4],
        "MailingCountry": "Germany",
        "MailingCity": f"City {n % 83}",
        "MailingState": f"State {n % 16}",
        "Phone": f"+49 30 {n:08d}",
        "LeadSource": "Web",
    }


def hubspot_settings(told: Mapping[str, Any]) -> HubSpotSettings:
    known = told["hubspot"]
    return HubSpotSettings(base_url=known["url"], access_token=SecretStr(known["access_token"]))


def salesforce_settings(told: Mapping[str, Any]) -> SalesforceSettings:
    known = told["salesforce"]
    secret = SecretStr(known["client_secret"])
    return SalesforceSettings(login_url=known["url"], client_id=known["client_id"], client_secret=secret)


def connector(told: Mapping[str, Any], crm: str, bulk: bool) -> HubSpotConnector | SalesforceConnector:
    options, world, budget = PullOptions(EngagementMapper()), RealWorld(), UnlimitedBudget()
    if crm == "hubspot":
        return HubSpotConnector(hubspot_settings(told), options, world, budget)
    settings, above = salesforce_settings(told), 0 if bulk else BY_QUERIES
    return SalesforceConnector(settings, options, world, budget, bulk_above=above)


def pull(
    told: Mapping[str, Any], crm: str, path: str, *, bulk: bool, everything: bool, passes: int
) -> dict[str, Any]:
    """So many passes into the mirror at `path`, of people or of all feeds; `calls` of the last, by feed."""
    collect_less_often()
    world = RealWorld()
    mirror = Mirror(f"sqlite:///{path}", world)
    mirror.migrate()
    made = connector(told, crm, bulk)
    made.sign_in()
    rows = pages = 0
    calls: dict[str, int] = {}
    started, cpu = time.monotonic(), time.process_time()
    feeds = [feed for feed in made.feeds() if not feed.every and (everything or feed.name == PEOPLE[crm])]
    for feed in feeds * passes:
        before = made.calls
        with mirror.read() as conn:
            stored = cursors.load(conn, feed)
        for page in made.changes(feed, stored.cursor if stored else None):
            with mirror.write() as conn:
                store.save_page(conn, page, Stamp("bench", epoch(world.now())))
            rows += len(page.people)
            pages += 1
        calls[feed.name] = made.calls - before
    seconds = time.monotonic() - started
    mirror.close()  # SQLite folds its log into the file here: part of what storing costs
    spent = time.process_time() - cpu
    made.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "cpu": spent, "peak": peak, "rows": rows, "pages": pages, "calls": calls}


def tick(told: Mapping[str, Any], path: str, ahead: float) -> dict[str, Any]:
    """A whole pass of the product (pull, match, score, decide, write) in the folder `path`.

    `ahead`: seconds that the CRMs' clocks are ahead of this machine's.
    """
    folder = Path(path)
    if not (folder / MODEL_FILE).exists():
        (folder / MODEL_FILE).write_text(template(MODEL_FILE), encoding="utf-8")
        (folder / SETTINGS_FILE).write_text(SETTINGS, encoding="utf-8")
        (folder / "lists").mkdir()
        (folder / "lists" / "competitors.txt").write_text("", encoding="utf-8")
    hubspot, salesforce = told["hubspot"], told["salesforce"]
    environ = {
        "MQLSYNC_DATABASE_URL": sqlite_url(folder / "mirror.db"),
        "MQLSYNC_HUBSPOT__BASE_URL": hubspot["url"],
        "MQLSYNC_HUBSPOT__ACCESS_TOKEN": hubspot["access_token"],
        "MQLSYNC_SALESFORCE__LOGIN_URL": salesforce["url"],
        "MQLSYNC_SALESFORCE__CLIENT_ID": salesforce["client_id"],
        "MQLSYNC_SALESFORCE__CLIENT_SECRET": salesforce["client_secret"],
    }
    with build(load(folder, environ), RealWorld(timedelta(seconds=ahead)), folder) as app:
        started, cpu = time.monotonic(), time.process_time()
        report = pipeline.sync(app, SyncRequest())
        spent, seconds = time.process_time() - cpu, time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seen = sum(one.seen for feeds in report.pull.values() for one in feeds.values())
    calls = {crm: sum(one.calls for one in feeds.values()) for crm, feeds in report.pull.items()}
    problems = [problem.message for problem in report.problems]
    return {"seconds": seconds, "cpu": spent, "peak": peak, "seen": seen, "calls": calls, "wrong": problems}


def grow(told: Mapping[str, Any], path: str, times: int) -> dict[str, Any]:  # noqa: ARG001 (as all parts)
    """Make a mirror so many times as large: copies of its records and people beside them, scored alike."""
    started = time.monotonic()
    mirror = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-262144"):
        mirror.execute(f"PRAGMA {pragma}")
    for table, renamed in COPIED.items():
        columns = [row[1] for row in mirror.execute(f"PRAGMA table_info({table})")]
        values = ",".join(f"\"{name}\"||'-'||:n" if name in renamed else f'"{name}"' for name in columns)
        last = mirror.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0] or 0
        copy = f"INSERT INTO {table} SELECT {values} FROM {table} WHERE rowid <= :last"
        for n in range(1, times):
            mirror.execute(copy, {"n": n, "last": last})
    records = mirror.execute("SELECT count(*) FROM person_record").fetchone()[0]
    mirror.execute("PRAGMA journal_mode=WAL")
    mirror.close()
    return {"seconds": time.monotonic() - started, "records": records}


def floor(told: Mapping[str, Any], crm: str, path: str, *, bulk: bool, batch: int) -> dict[str, float]:
    """The least that has to be done for the same people: CPU seconds of each part.

    http: fetch the same pages by the same client and drop them. parse: the same bytes, nothing built from
    them. store: executemany of what the mirror at `path` holds, with the same columns, indexes and payload,
    `batch` rows in a transaction.
    """
    spent = time.process_time()
    bodies = list({"hubspot": hubspot_bodies, "salesforce": bulk_results if bulk else query_pages}[crm](told))
    http = time.process_time() - spent
    spent = time.process_time()
    read: Callable[[bytes], object] = read_csv if bulk else msgspec.json.decode
    for body in bodies:
        read(body)
    parse = time.process_time() - spent
    return {"http": http, "parse": parse, "store": stored_bare(path, batch)}


def read_csv(body: bytes) -> None:
    for _ in csv.reader(io.StringIO(body.decode(), newline="")):
        pass


def hubspot_bodies(told: Mapping[str, Any]) -> Iterator[bytes]:
    account = Account(hubspot_settings(told), RealWorld(), UnlimitedBudget())
    path, after, token = "/crm/v3/objects/contacts", "", told["hubspot"]["access_token"]
    while True:
        query = [("limit", "100"), ("properties", ",".join(NEEDED["contacts"]))]
        query += [("after", after)] if after else []
        body = account.transport.send("GET", path, query, None, token, "the floor").body
        yield body
        after = body[-4000:].partition(b'"after":"')[2].partition(b'"')[0].decode()
        if not after:
            return


def query_pages(told: Mapping[str, Any]) -> Iterator[bytes]:
    made, fields = salesforce_fields(told)
    body = made._api.query(soql.select(fields, "Contact", []), deleted=True)
    while True:
        yield body
        url = body[:500].partition(b'"nextRecordsUrl":"')[2].partition(b'"')[0].decode()
        if not url:
            return
        body = made._api.follow(url)


def bulk_results(told: Mapping[str, Any]) -> Iterator[bytes]:
    made, fields = salesforce_fields(told)
    api = made._api
    body = {"operation": "queryAll", "query": soql.select(fields, "Contact", []), "contentType": "CSV"}
    job, locator = api.post("jobs/query", body)["id"], ""
    while api.get(f"jobs/query/{job}")["state"] != "JobComplete":
        time.sleep(0.1)
    while locator != "null":
        into = io.BytesIO()
        following = f"&locator={locator}" if locator else ""
        headers = api.download(f"jobs/query/{job}/results?maxRecords={RESULT_ROWS}{following}", into)
        yield into.getvalue()
        locator = headers["sforce-locator"]


def salesforce_fields(told: Mapping[str, Any]) -> tuple[SalesforceConnector, tuple[str, ...]]:
    """A client, and what it asks of a Contact."""
    made = connector(told, "salesforce", bulk=False)
    assert isinstance(made, SalesforceConnector)
    made.sign_in()
    return made, tuple(made._changes.plan(made._spec("Contact")).fields)


def stored_bare(path: str, batch: int) -> float:
    """CPU seconds to store the people of a mirror by the driver alone."""
    source = sqlite3.connect(path)
    rows = source.execute("SELECT * FROM person_record").fetchall()
    wanted = "SELECT sql FROM sqlite_master WHERE tbl_name = 'person_record' AND sql IS NOT NULL"
    schema = [row[0] for row in source.execute(wanted + " ORDER BY type DESC")]
    columns = [row[1] for row in source.execute("PRAGMA table_info(person_record)")]
    marks = ",".join("?" * len(columns))
    updates = ",".join(f'"{name}"=excluded."{name}"' for name in columns)
    statement = f"INSERT INTO person_record VALUES ({marks}) ON CONFLICT DO UPDATE SET {updates}"
    with tempfile.TemporaryDirectory() as folder:
        target = sqlite3.connect(f"{folder}/floor.db", isolation_level=None)
        pragmas = "journal_mode=WAL", "synchronous=NORMAL", "cache_size=-65536", "wal_autocheckpoint=20000"
        for pragma in pragmas:
            target.execute(f"PRAGMA {pragma}")
        for create in schema:
            target.execute(create)
        spent = time.process_time()
        for start in range(0, len(rows), batch):
            target.execute("BEGIN IMMEDIATE")
            target.executemany(statement, rows[start : start + batch])
            target.execute("COMMIT")
        target.close()
        return time.process_time() - spent


def main(name: str, arguments: Mapping[str, Any]) -> None:
    """One process's life."""
    if name == "serve":
        serve(**arguments)
        return
    parts: dict[str, Callable[..., dict[str, Any]]] = {
        "pull": pull,
        "tick": tick,
        "grow": grow,
        "floor": floor,
    }
    print(json.dumps(parts[name](**arguments)))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
