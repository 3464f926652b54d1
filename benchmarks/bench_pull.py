"""What pulling from HubSpot costs, as ratios measured side by side in one run.

    python -m benchmarks.bench_pull [--records 40000] [--latency 0.2] [--memory 40000 120000]

Starts the sandbox as a process, fills it with contacts of 25 properties, and pulls them into a SQLite
mirror in processes of their own (their CPU time and peak memory are theirs alone):

    rate    a first sync with latency and HubSpot's limits: calls against what is permitted meanwhile, with
            list cursors that are ids and with opaque ones
    calls   of that sync, of a change to 500 records, and of a pass with nothing new, against the fewest
    cpu     of a first sync, against the floor: fetching the same pages and dropping them, parsing the same
            bytes, and sqlite3.executemany of the same columns with the same indexes and payload
    memory  the peak with few records and with many
    idle    CPU of a pass with nothing new over the whole mirror
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import SecretStr

from config.settings import HubSpotSettings
from config.world import RealWorld, epoch
from connectors.hubspot.account import Account
from connectors.hubspot.connector import FEEDS, HubSpotConnector
from connectors.hubspot.records import NEEDED
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.sandbox.sandbox import Sandbox
from connectors.throttle import UnlimitedBudget
from sync.mirror import cursors, store
from sync.mirror.engine import Mirror

CONTACTS = next(feed for feed in FEEDS if feed.name == "hubspot.contacts")
LIST_RATE, SEARCH_RATE = 19.0, 5.0  # calls a second: 190 in ten seconds, and 5 searches
DEEP = 1_300.0  # seconds: a pass after so long neither reads the overlap nor re-reads for a late index
NO_LIMITS = {"hs_per_ten_seconds": 10**9, "hs_search_per_second": 10**9, "hs_daily_limit": 10**9}


@dataclass
class Stamp:
    """What the mirror must know of a run."""

    run_id: str
    now: int


# The child processes


def serve(records: int, latency: float) -> None:
    """The sandbox with contacts a day old, until stdin closes."""
    with Sandbox(latency=latency) as sandbox:
        born = time.time() - 86_400
        with sandbox.store.lock:
            for n in range(records):
                sandbox.hubspot.create("contacts", contact(n), at=born)
        told = {
            "url": sandbox.hubspot_url,
            "token": sandbox.credentials["hubspot"]["access_token"],
            "control": sandbox.control_url,
            "control_token": sandbox.control_token,
        }
        print(json.dumps(told), flush=True)
        sys.stdin.buffer.read()


def contact(n: int) -> dict[str, str]:
    return {
        "email": f"person{n}@company{n % 997}.example.com",
        "firstname": f"First{n % 211}",
        "lastname": f"Last{n}",
        "jobtitle": ("VP Sales", "Engineer", "Head of Marketing", "Director")[n % 4],
        "company": f"Company {n % 997}",
        "country": "Germany",
        "city": f"City {n % 83}",
        "state": f"State {n % 16}",
        "phone": f"+49 30 {n:08d}",
        "lifecyclestage": "lead",
        "hs_lead_status": "NEW",
    }


def connector(told: dict[str, str]) -> HubSpotConnector:
    made = HubSpotSettings(base_url=told["url"], access_token=SecretStr(told["token"]))
    return HubSpotConnector(made, PullOptions(EngagementMapper()), RealWorld(), UnlimitedBudget())


def pull(told: dict[str, str], path: str, everything: bool) -> None:
    """One pass into the mirror at `path`; prints seconds, CPU seconds, peak memory and calls."""
    world = RealWorld()
    mirror = Mirror(f"sqlite:///{path}", world)
    mirror.migrate()
    made = connector(told)
    made.sign_in()
    rows = 0
    calls: dict[str, int] = {}
    started, cpu = time.monotonic(), time.process_time()
    for feed in FEEDS if everything else [CONTACTS]:
        before = made.calls
        with mirror.read() as conn:
            stored = cursors.load(conn, feed)
        for page in made.changes(feed, stored.cursor if stored else None):
            with mirror.write() as conn:
                store.save_page(conn, page, Stamp("bench", epoch(world.now())))
            rows += len(page.people)
        calls[feed.name] = made.calls - before
    result = {
        "seconds": time.monotonic() - started,
        "cpu": time.process_time() - cpu,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "rows": rows,
        "calls": calls,
    }
    mirror.close()
    made.close()
    print(json.dumps(result))


def floor(told: dict[str, str], path: str) -> None:
    """The least that has to be done for the same contacts; prints CPU seconds of each part."""
    made = HubSpotSettings(base_url=told["url"], access_token=SecretStr(told["token"]))
    account = Account(made, RealWorld(), UnlimitedBudget())
    bodies: list[bytes] = []
    after, spent = "", time.process_time()
    while True:
        query = [("limit", "100"), ("properties", ",".join(NEEDED["contacts"]))]
        query += [("after", after)] if after else []
        reply = account.transport.send(
            "GET", "/crm/v3/objects/contacts", query, None, told["token"], "the floor"
        )
        bodies.append(reply.body)
        after = reply.body[-4000:].partition(b'"after":"')[2].partition(b'"')[0].decode()
        if not after:
            break
    http = time.process_time() - spent
    spent = time.process_time()
    for body in bodies:
        msgspec.json.decode(body)
    parse = time.process_time() - spent
    source = sqlite3.connect(path)
    rows = source.execute("SELECT * FROM person_record").fetchall()
    wanted = "SELECT sql FROM sqlite_master WHERE tbl_name = 'person_record' AND sql IS NOT NULL"
    schema = [row[0] for row in source.execute(wanted + " ORDER BY type DESC")]
    columns = [row[1] for row in source.execute("PRAGMA table_info(person_record)")]
    with tempfile.TemporaryDirectory() as folder:
        target = sqlite3.connect(f"{folder}/floor.db", isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-65536"):
            target.execute(f"PRAGMA {pragma}")
        for statement in schema:
            target.execute(statement)
        marks = ",".join("?" * len(columns))
        updates = ",".join(f'"{name}"=excluded."{name}"' for name in columns)
        statement = f"INSERT INTO person_record VALUES ({marks}) ON CONFLICT DO UPDATE SET {updates}"
        spent = time.process_time()
        for start in range(0, len(rows), 100):
            target.execute("BEGIN IMMEDIATE")
            target.executemany(statement, rows[start : start + 100])
            target.execute("COMMIT")
        store_cpu = time.process_time() - spent
    print(json.dumps({"http": http, "parse": parse, "store": store_cpu, "rows": len(rows)}))


# The measuring process


class Server:
    """A sandbox process; ends with the block that opened it."""

    def __init__(self, records: int, latency: float, **switches: Any) -> None:
        command = [sys.executable, "-m", "benchmarks.bench_pull", "serve", str(records), str(latency)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.told: dict[str, str] = json.loads(self._process.stdout.readline())
        self.post("/switches", switches)
        self._seen = 0

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def post(self, path: str, body: dict[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.told["control"] + path, data)
        request.add_header("Authorization", f"Bearer {self.told['control_token']}")
        with urllib.request.urlopen(request, timeout=120) as reply:
            return json.loads(reply.read())

    def requests(self) -> list[dict[str, Any]]:
        """Those since the last time."""
        found = self.post(f"/requests?since={self._seen}", None)["requests"]
        self._seen = max([self._seen, *(one["n"] for one in found)])
        return [one for one in found if one["crm"] == "hubspot" and "/objects/contacts" in one["path"]]

    def child(self, *arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "benchmarks.bench_pull", arguments[0], json.dumps(self.told)]
        done = subprocess.run([*command, *arguments[1:]], stdout=subprocess.PIPE, text=True, check=True)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def rate(records: int, latency: float, numeric: bool, folder: str) -> None:
    """A first sync under HubSpot's limits, and the calls of later passes."""
    name = "ids as list cursors" if numeric else "opaque list cursors"
    path = f"{folder}/rate-{numeric}.db"
    with Server(records, latency, hs_numeric_after=numeric) as server:
        result = server.child("pull", path)
        asked = server.requests()
        answered = [one for one in asked if one["status"] == 200]
        searches = sum(one["path"].endswith("/search") for one in answered)
        lists = len(answered) - searches
        seconds = result["seconds"]
        first = [one["at"] for one in answered[:5]]  # the pages that one cursor reads before the rest
        cursor = 4 / (first[-1] - first[0])
        list_rate = LIST_RATE if numeric else cursor
        permitted = list_rate + SEARCH_RATE
        refused = sum(one["status"] == 429 for one in asked)
        print(f"rate, {name}: {result['rows']} rows in {seconds:.1f} s, {lists} lists + {searches} searches")
        print(f"  calls a second {len(answered) / seconds:.2f} of {permitted:.1f} permitted: "
              f"{len(answered) / seconds / permitted:.1%}; {refused} refused (429)")  # fmt: skip
        per_row = list_rate * 100 + SEARCH_RATE * 200
        share = result["rows"] / seconds / per_row
        print(f"  rows a second {result['rows'] / seconds:.0f} of {per_row:.0f}: {share:.1%}")
        print(f"  one list cursor alone gets {cursor:.2f} pages a second here")
        fewest = -(-records // 100)
        print(f"calls, full: {len(asked)} of {fewest} by lists alone: {len(asked) / fewest:.3f}")
        if not numeric:
            return
        server.post("/clock", {"advance": DEEP})
        chosen = sqlite3.connect(path).execute("SELECT id FROM person_record LIMIT 500").fetchall()
        for (record,) in chosen:
            edit = {"crm": "hubspot", "object": "contacts", "id": record}
            server.post("/edit", {**edit, "fields": {"city": "Moved"}})
        server.requests()
        changed = server.child("pull", path)
        print(f"calls, {changed['rows']} changed: {len(server.requests())} of {-(-500 // 200)}")


def cpu(records: int, folder: str) -> None:
    """CPU of a first sync against the floor, and of a pass with nothing new."""
    path = f"{folder}/cpu.db"
    with Server(records, 0.0, **NO_LIMITS) as server:
        ours, least = server.child("pull", path), server.child("floor", path)
        per = 100_000 / records
        bare = least["parse"] + least["store"]
        print(f"cpu for 100,000: ours {ours['cpu'] * per:.2f} s; floor {(least['http'] + bare) * per:.2f} s "
              f"(http {least['http'] * per:.2f}, parse {least['parse'] * per:.2f}, "
              f"store {least['store'] * per:.2f})")  # fmt: skip
        print(f"  with http {ours['cpu'] / (least['http'] + bare):.2f}x; "
              f"without {(ours['cpu'] - least['http']) / bare:.2f}x")  # fmt: skip
        server.child("pull", path, "everything")
        server.post("/clock", {"advance": DEEP})
        idle = server.child("pull", path, "everything")
        calls = {name.removeprefix("hubspot."): count for name, count in idle["calls"].items()}
        print(f"idle over {records} records: {idle['cpu']:.2f} s CPU, {sum(calls.values())} calls: {calls}")


def memory(sizes: Sequence[int], folder: str) -> None:
    """The peak of a first sync with few records and with many."""
    peaks = []
    for records in sizes:
        with Server(records, 0.0, **NO_LIMITS) as server:
            peaks.append(server.child("pull", f"{folder}/memory-{records}.db")["peak_mib"])
    shown = ", ".join(f"{n}: {peak:.0f} MiB" for n, peak in zip(sizes, peaks, strict=True))
    print(f"memory, peak: {shown}; {peaks[-1] / peaks[0] - 1:+.1%}")


def main(argv: Sequence[str]) -> None:
    if argv[:1] == ["serve"]:
        serve(int(argv[1]), float(argv[2]))
        return
    if argv[:1] == ["pull"]:
        pull(json.loads(argv[1]), argv[2], len(argv) > 3)
        return
    if argv[:1] == ["floor"]:
        floor(json.loads(argv[1]), argv[2])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--records", type=int, default=40_000, help="contacts of a first sync")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds before each answer")
    parser.add_argument("--memory", type=int, nargs=2, default=(40_000, 120_000), help="few and many")
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    parser.add_argument("--only", choices=("rate", "cpu", "memory"), help="one part alone")
    told = parser.parse_args(argv)
    cores, load = os.cpu_count(), os.getloadavg()[0]
    print(f"{platform.machine()}, {cores} cores, load {load:.1f}, Python {platform.python_version()}, "
          f"SQLite {sqlite3.sqlite_version}; {told.records} contacts, {told.latency} s latency")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        if told.only in (None, "rate"):
            rate(told.records, told.latency, True, folder)
            rate(told.records, told.latency, False, folder)
        if told.only in (None, "cpu"):
            cpu(told.records, folder)
        if told.only in (None, "memory"):
            memory(told.memory, folder)


if __name__ == "__main__":
    main(sys.argv[1:])
