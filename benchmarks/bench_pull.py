"""What pulling costs, as ratios measured side by side in one run, each against its target.

    python -m benchmarks.bench_pull [--records 100000] [--latency 0.2] [--memory 100000 1000000] [--only PART]

Starts the sandbox as a process, fills it with people, and pulls them into SQLite mirrors in processes of
their own (their CPU time and peak memory are theirs alone):

    rate    a first sync with latency and HubSpot's limits: calls against what is permitted meanwhile, with
            list cursors that are ids and with opaque ones
    cpu     of a first sync, against the floor: fetching the same pages and dropping them, parsing the same
            bytes, and sqlite3.executemany of the same columns with the same indexes and payload; HubSpot,
            Salesforce by queries, Salesforce by a Bulk job
    calls   of a first sync, of a pass after 500 changes, and of one with nothing new, against the fewest
    idle    CPU of a whole pass with nothing new (pull, match, score, decide, write) over the larger number of
            records: the smaller is pulled, half of it from either CRM, and then copied within the mirror
    memory  the peak of a first sync with few records and with many

Says on stderr what it is at. As it stands it takes some ten to fifteen minutes on two idle cores, and four
gigabytes of memory for the sandbox. Everything it makes lies in a temporary folder that goes with it; it ends
with 1 when a target was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

LIST_RATE, SEARCH_RATE = 19.0, 5.0  # calls a second: 190 in ten seconds, and 5 searches
DEEP: Final = 1_300.0  # seconds: a pass after so long neither reads the overlap nor does what is done hourly
ROUNDS: Final = 5
"""How often CPU is measured; the middle one counts, for threads meet otherwise each time."""
CHANGED: Final = 500
FREE: Final = {
    "hs_per_ten_seconds": 10**9,
    "hs_search_per_second": 10**9,
    "hs_daily_limit": 10**9,
    "sf_daily_limit": 10**9,
}
PART: Final = "benchmarks.pull_parts"
PARTS: Final = ("rate", "cpu", "calls", "idle", "memory")  # the longest last
ROADS: Final = (
    ("HubSpot", "hubspot", False),
    ("Salesforce, queries", "salesforce", False),
    ("Salesforce, Bulk", "salesforce", True),
)
"""How it is called, the CRM, and whether by a Bulk job."""


class Line(NamedTuple):
    """One result. `met`: None where there is no target."""

    part: str
    what: str
    measured: str
    target: str = ""
    met: bool | None = None

    def told(self) -> str:
        word = {None: "    ", True: "pass", False: "FAIL"}[self.met]
        target = f"  ({self.target})" if self.target else ""
        return f"{word}  {self.part:7} {self.what}: {self.measured}{target}"

    def row(self) -> str:
        word = {None: "", True: "pass", False: "**missed**"}[self.met]
        return f"| {self.part} | {self.what} | {self.measured} | {self.target} | {word} |"


class Results:
    """What was measured so far; tells each line at once."""

    def __init__(self, markdown: bool) -> None:
        self.lines: list[Line] = []
        self._markdown = markdown
        self._started = time.monotonic()

    def add(self, part: str, what: str, measured: str, target: str = "", met: bool | None = None) -> None:
        self.lines.append(Line(part, what, measured, target, met))
        print(self.lines[-1].row() if self._markdown else self.lines[-1].told(), flush=True)

    def at(self, what: str) -> None:
        """Progress, for whoever waits."""
        print(f"[{time.monotonic() - self._started:5.0f} s] {what}", file=sys.stderr, flush=True)


class Server:
    """A sandbox process; ends with the block that opened it."""

    def __init__(self, latency: float = 0.0, switches: Mapping[str, Any] = FREE, **records: int) -> None:
        arguments = json.dumps({"records": records, "latency": latency})
        command = [sys.executable, "-m", PART, "serve", arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.told: dict[str, Any] = json.loads(self._process.stdout.readline())
        self._seen = 0
        self.post("/switches", switches)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def post(self, path: str, body: Mapping[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.told["control"] + path, data)
        request.add_header("Authorization", f"Bearer {self.told['control_token']}")
        with urllib.request.urlopen(request, timeout=120) as reply:
            return json.loads(reply.read())

    def requests(self) -> list[dict[str, Any]]:
        """Those about HubSpot's contacts since the last time."""
        found = self.post(f"/requests?since={self._seen}", None)["requests"]
        self._seen = max([self._seen, *(one["n"] for one in found)])
        return [one for one in found if one["crm"] == "hubspot" and "/objects/contacts" in one["path"]]

    def change(self, crm: str, path: str) -> None:
        """A person edits some of the records that the mirror holds."""
        object_name, field = {"hubspot": ("contacts", "city"), "salesforce": ("Contact", "MailingCity")}[crm]
        with sqlite3.connect(path) as mirror:
            chosen = mirror.execute("SELECT id FROM person_record LIMIT ?", (CHANGED,)).fetchall()
        for (record,) in chosen:
            edit = {"crm": crm, "object": object_name, "id": record, "fields": {field: "Moved"}}
            self.post("/edit", edit)

    def child(self, name: str, **arguments: Any) -> dict[str, Any]:
        told = json.dumps({"told": self.told, **arguments})
        command = [sys.executable, "-m", PART, name, told]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def pull(
        self, crm: str, path: str, *, bulk: bool = False, everything: bool = False, passes: int = 1
    ) -> dict[str, Any]:
        return self.child("pull", crm=crm, path=path, bulk=bulk, everything=everything, passes=passes)


def rate(told: argparse.Namespace, out: Results, folder: str) -> None:
    """A first sync under HubSpot's limits."""
    for numeric in (True, False):
        name = "ids as list cursors" if numeric else "opaque list cursors"
        out.at(f"rate: {told.records} contacts, {name}")
        path = f"{folder}/rate-{numeric}.db"
        with Server(told.latency, {"hs_numeric_after": numeric}, hubspot=told.records) as server:
            result = server.pull("hubspot", path)
            asked = server.requests()
        answered = [one for one in asked if one["status"] == 200]
        searches = sum(one["path"].endswith("/search") for one in answered)
        refused = sum(one["status"] == 429 for one in asked)
        first = [one["at"] for one in answered[:5]]  # the pages that one cursor reads before the rest
        list_rate = LIST_RATE if numeric else 1 / told.latency
        permitted, seconds = list_rate + SEARCH_RATE, result["seconds"]
        share = len(answered) / seconds / permitted
        out.add("rate", f"HubSpot, {name}: calls a second of {permitted:.1f} permitted",
                f"{len(answered) / seconds:.2f} = {share:.1%}", "≥ 90 %", share >= 0.9)  # fmt: skip
        per_row = list_rate * 100 + SEARCH_RATE * 200
        lists = len(answered) - searches
        out.add("rate", "  took",
                f"{seconds:.1f} s for {result['rows']} rows ({result['rows'] / seconds / per_row:.0%} of the "
                f"rows of full pages); {lists} lists + {searches} searches, {refused} refused; "
                f"CPU {result['cpu']:.2f} s")  # fmt: skip
        if not numeric:
            cursor = 4 / (first[-1] - first[0])
            out.add("rate", "  one list cursor alone, pages a second", f"{cursor:.2f}")


def cpu(told: argparse.Namespace, out: Results, folder: str) -> None:
    """CPU of a first sync against the floor."""
    for name, crm, bulk in ROADS:
        out.at(f"cpu: {name}, {told.records} people, {ROUNDS} times")
        with Server(**{crm: told.records}) as server:
            rounds = [
                _cpu_round(server, crm, bulk, f"{folder}/cpu-{crm}-{bulk}-{n}.db") for n in range(ROUNDS)
            ]
        rounds.sort(key=lambda one: one[0]["cpu"] / sum(one[1].values()))
        ours, least, batch = rounds[ROUNDS // 2]
        per = 100_000 / ours["rows"]
        bare = least["parse"] + least["store"]
        ratios = [one[0]["cpu"] / sum(one[1].values()) for one in rounds]
        whole, apart = ratios[ROUNDS // 2], (ours["cpu"] - least["http"]) / bare
        spread = f"{whole:.2f}x ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        out.add("cpu", f"{name}: CPU against the floor", spread, "≤ 2.0x", whole <= 2.0)
        out.add("cpu", "  without HTTP on both sides", f"{apart:.2f}x")
        out.add("cpu", "  seconds for 100,000",
                f"ours {ours['cpu'] * per:.2f}; floor {(least['http'] + bare) * per:.2f} = HTTP "
                f"{least['http'] * per:.2f} + parse {least['parse'] * per:.2f} + store "
                f"{least['store'] * per:.2f}, {batch} rows a transaction")  # fmt: skip


def _cpu_round(
    server: Server, crm: str, bulk: bool, path: str
) -> tuple[dict[str, Any], dict[str, float], int]:
    """One first sync, the floor right after it, and the rows of a transaction that both had."""
    ours = server.pull(crm, path, bulk=bulk)
    batch = -(-ours["rows"] // ours["pages"])
    return ours, server.child("floor", crm=crm, path=path, bulk=bulk, batch=batch), batch


def calls(told: argparse.Namespace, out: Results, folder: str) -> None:
    """API calls of full, incremental and idle passes against the fewest that do."""
    for name, crm, bulk in ROADS:
        page, changes = (100, 200) if crm == "hubspot" else (2000, 2000)
        out.at(f"calls: {name}, {told.records} people")
        path = f"{folder}/calls-{crm}-{bulk}.db"
        with Server(**{crm: told.records}) as server:
            whole = sum(server.pull(crm, path, bulk=bulk)["calls"].values())
            fewest = -(-told.records // page)
            share = whole / fewest
            out.add("calls", f"{name}: full, of {fewest} pages of {page}", f"{whole} = {share:.3f}",
                    "≤ 1.05", share <= 1.05)  # fmt: skip
            if bulk:
                continue
            server.pull(crm, path, everything=True, passes=2)
            server.post("/clock", {"advance": DEEP})
            server.change(crm, path)
            changed = sum(server.pull(crm, path)["calls"].values())
            least = max(1, -(-CHANGED // changes))
            out.add("calls", f"{name}: {CHANGED} changed, fewest {least}", str(changed), f"≤ {least + 1}",
                    changed <= least + 1)  # fmt: skip
            server.post("/clock", {"advance": DEEP})
            by_feed = server.pull(crm, path, everything=True, passes=3)["calls"]
            most = max(by_feed.values())
            over = [f"{feed} {count}" for feed, count in by_feed.items() if count > 1]
            out.add("calls", f"{name}: nothing new, the most of {len(by_feed)} feeds",
                    ", ".join(over) or str(most), "≤ 1", most <= 1)  # fmt: skip


def memory(told: argparse.Namespace, out: Results, folder: str) -> None:
    """The peak of a first sync with few records and with many."""
    for name, crm, bulk in (("HubSpot", "hubspot", False), ("Salesforce, Bulk", "salesforce", True)):
        peaks = []
        for records in told.memory:
            out.at(f"memory: {name}, {records} people")
            path = Path(folder, f"memory-{crm}.db")
            with Server(**{crm: records}) as server:
                peaks.append(server.pull(crm, str(path), bulk=bulk)["peak"])
            for left in path.parent.glob(path.name + "*"):
                left.unlink()
        few, many = peaks
        shown = ", ".join(f"{n}: {peak:.0f} MiB" for n, peak in zip(told.memory, peaks, strict=True))
        out.add("memory", f"{name}: peak", shown, "< 256 MiB", max(peaks) < 256)
        out.add("memory", f"{name}: growth", f"{many / few - 1:+.1%}", "≤ 10 %", many <= few * 1.1)


def idle(told: argparse.Namespace, out: Results, folder: str) -> None:
    """A whole pass with nothing new over a large mirror: first pulled, then made larger by copies."""
    few, many = told.memory
    records = few
    path = Path(folder, "idle")
    path.mkdir()
    out.at(f"idle: first sync of {few} people of both CRMs, matched and scored")
    with Server(hubspot=few // 2, salesforce=few - few // 2) as server:
        first = server.child("tick", path=str(path), ahead=0.0)
        if first["wrong"]:
            out.at(f"idle: the first sync says {first['wrong']}")
        took = f"{first['seconds']:.0f} s, CPU {first['cpu']:.0f} s, peak {first['peak']:.0f} MiB"
        out.add("idle", f"first sync of {few} people, matched and scored", took)
        for passed in (1, 2):  # the first one reads the overlap again
            out.at(f"idle: pass {passed} with nothing new over {records} records")
            server.post("/clock", {"advance": DEEP})
            result = server.child("tick", path=str(path), ahead=DEEP * passed)
            if passed == 1:
                out.at(f"idle: the mirror made {many // few} times as large")
                records = server.child("grow", path=str(path / "mirror.db"), times=many // few)["records"]
        if result["wrong"]:
            out.at(f"idle: the pass says {result['wrong']}")
        out.add("idle", f"CPU of a whole pass with nothing new over {records} records",
                f"{result['cpu']:.2f} s", "< 1 s", result["cpu"] < 1.0)  # fmt: skip
        told_calls = ", ".join(f"{crm} {count}" for crm, count in result["calls"].items())
        out.add("idle", "  rows seen, calls", f"{result['seen']}; {told_calls}")


MEASURE: Final[Mapping[str, Callable[[argparse.Namespace, Results, str], None]]] = {
    "rate": rate,
    "cpu": cpu,
    "calls": calls,
    "memory": memory,
    "idle": idle,
}


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000, help="people of a first sync")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds before each answer, for rate")
    parser.add_argument("--memory", type=int, nargs=2, default=(100_000, 1_000_000), help="few and many")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="these parts alone")
    parser.add_argument("--markdown", action="store_true", help="a table for docs/performance.md")
    told = parser.parse_args(argv)
    out = Results(told.markdown)
    cores, load, python = os.cpu_count(), os.getloadavg()[0], platform.python_version()
    print(f"{platform.machine()}, {cores} cores, load {load:.1f}, Python {python}, "
          f"SQLite {sqlite3.sqlite_version}; {told.records} people, {told.latency} s latency",
          flush=True)  # fmt: skip
    if told.markdown:
        print("\n| part | what | measured | target | |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for name in told.only:
            MEASURE[name](told, out, folder)
    missed = [line for line in out.lines if line.met is False]
    met = sum(line.met is True for line in out.lines)
    print(f"\n{met} of {met + len(missed)} targets met", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
