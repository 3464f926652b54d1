"""SIGKILL at every named point of a real sync, then the same command again: nothing lost, nothing twice.

The sandbox's own store and ledger are the judges. Each case starts from two fresh CRMs and an empty mirror.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, TextClause, text

from config.failpoints import FAILPOINTS
from config.templates import template
from config.world import RealWorld
from connectors.sandbox.sandbox import Sandbox
from connectors.sandbox.switches import Switches
from sync.cli.main import main
from sync.mirror.engine import Mirror
from tests.databases import mirror_url
from tests.faults.process import KILLED, mqlsync

PEOPLE = 40
ON_FILES = pytest.mark.sqlite("seconds for each point; those that matter most are run on PostgreSQL below")
RUNS_TO_QUIET = 4
"""After a kill so many runs must be enough to settle everything that is due."""

PATIENCE = 30.0
"""Seconds until whatever waits must have had its turn."""

SETTINGS = """
[writeback]
settle_time = "0s"
quiet_period = "0s"
[writeback.salesforce.Lead]
status = { field = "Status", values = { mql = "MQL" }, from = ["", "New", "Open - Not Contacted"] }
owner = { field = "OwnerId" }
[writeback.hubspot.contacts]
status = { field = "hs_lead_status", values = { mql = "OPEN" }, from = ["", "NEW"] }
stage = { field = "lifecyclestage", values = { mql = "marketingqualifiedlead" } }
owner = { field = "hubspot_owner_id" }
[routing.pools.default]
members = [MEMBERS]
[limits]
first_run_needs_approval = false
"""

MIRRORED = {
    ("salesforce", "Lead"): {"email": "Email", "status": "Status", "owner_id": "OwnerId"},
    ("salesforce", "Contact"): {"email": "Email", "owner_id": "OwnerId"},
    ("hubspot", "contacts"): {
        "email": "email",
        "status": "hs_lead_status",
        "lifecycle": "lifecyclestage",
        "owner_id": "hubspot_owner_id",
    },
}


class Case:
    """Two fresh CRMs, a configuration and an empty mirror."""

    def __init__(self, folder: Path, url: str = "", people: int = PEOPLE) -> None:
        self.folder = folder
        limits = Switches(hs_per_ten_seconds=1_000_000, hs_search_per_second=1_000_000)
        self.sandbox = Sandbox(switches=limits)
        self.sandbox.populate(seed=11, people=people, days=200)
        self.sandbox.start()
        members = ", ".join(f'{{ email = "{email}" }}' for email in self._representatives())
        (folder / "mqlsync.toml").write_text(SETTINGS.replace("MEMBERS", members))
        (folder / "scoring.toml").write_text(template("scoring.toml"))
        credentials = self.sandbox.credentials
        self.environ = {
            "MQLSYNC_SALESFORCE__LOGIN_URL": self.sandbox.salesforce_url,
            "MQLSYNC_SALESFORCE__CLIENT_ID": credentials["salesforce"]["client_id"],
            "MQLSYNC_SALESFORCE__CLIENT_SECRET": credentials["salesforce"]["client_secret"],
            "MQLSYNC_HUBSPOT__BASE_URL": self.sandbox.hubspot_url,
            "MQLSYNC_HUBSPOT__ACCESS_TOKEN": credentials["hubspot"]["access_token"],
            "MQLSYNC_HUBSPOT__RATE_LIMIT__PER_10S": "1000000",
            "MQLSYNC_HUBSPOT__RATE_LIMIT__SEARCH_PER_SECOND": "1000000",
            "MQLSYNC_DATABASE_URL": url or mirror_url(folder),
        }

    def _representatives(self) -> list[str]:
        owners = {owner["email"] for owner in self.sandbox.hubspot.owners if not owner["archived"]}
        users = [
            user.values["Email"]
            for user in self.sandbox.store.table("salesforce", "User")
            if user.values.get("IsActive") and user.values.get("UserType") == "Standard"
        ]
        return sorted(set(users) & owners)[:3]

    def killed_sync(self, **options: object) -> int:
        """A sync in a process of its own, which may die."""
        return mqlsync(self._argv(), self.environ, self.folder / "out.json", **options)  # type: ignore[arg-type]

    def sync(self) -> int:
        """A sync that lives, in this process: starting another for it would only cost time."""
        with (self.folder / "out.json").open("w") as file, redirect_stdout(file), redirect_stderr(file):
            return main(self._argv(), environ=self.environ)

    def killed_demotion(self, contact: str, *, kill_at: int, name: str) -> int:
        """Take a contact's lifecycle stage back, in a process of its own that dies on the way."""
        order = ("person", "demote", contact, "--stage", "lead", "--reason", "called off", "--yes")
        return self.run(*order, kill_at=kill_at, name=name)

    def run(self, *argv: str, kill_at: int | None = None, name: str = "") -> int:
        """Any command, in a process of its own."""
        given = [*argv, "--config-dir", str(self.folder)]
        names = (name,) if name else ()
        return mqlsync(given, self.environ, self.folder / "out.txt", kill_at=kill_at, names=names)

    def _argv(self) -> list[str]:
        return ["sync", "--json", "--config-dir", str(self.folder)]

    def answer(self) -> Mapping[str, object]:
        text = (self.folder / "out.json").read_text()
        assert "{" in text, text
        found: Mapping[str, object] = json.loads(text[text.index("{") :])
        return found

    def sync_until_quiet(self) -> None:
        """Run until a run decides and writes nothing more; a change that waits is given its seconds."""
        deadline = time.monotonic() + PATIENCE
        busy = 0
        while busy < RUNS_TO_QUIET and time.monotonic() < deadline:
            before = len(self.sandbox.ledger)
            code = self.sync()
            answer = self.answer()
            assert code in (0, 3), answer
            assert answer["books_balance"] is True
            waits = answer["write"]["waiting"] > 0  # type: ignore[index]
            if len(self.sandbox.ledger) == before and not waits:
                return
            if waits:
                time.sleep(0.2)  # a retry is due in whole seconds of the real clock
            else:
                busy += 1
        raise AssertionError(f"still busy after {busy} runs: {self.answer()}")

    def check(self) -> None:
        """The promises, by the sandbox's own books."""
        entries = self.sandbox.ledger.entries(author="worker")
        times = Counter((entry.crm, entry.id, entry.field) for entry in entries)
        assert [key for key, number in times.items() if number > 1] == [], "written twice"
        assert [entry for entry in entries if entry.field.startswith("#")] == [], "created or deleted"
        assert self._versions_of_ours() <= {1}, "written again with the same value"
        assert entries, "a sync that writes nothing proves nothing"
        self.compare()
        assert self.sandbox.errors == []

    def compare(self) -> None:
        """The mirror is as the CRMs are."""
        for (crm, name), columns in MIRRORED.items():
            assert self._mirrored(crm, name, columns) == self._held(crm, name, columns)

    def _versions_of_ours(self) -> set[int]:
        """How often one value was set by us in one HubSpot property: the store keeps repeats as versions."""
        found = set()
        for record in self.sandbox.store.table("hubspot", "contacts"):
            for field in record.versions or {}:
                ours = [version for version in record.history(field) if version.author == "worker"]
                found.add(max(Counter(version.value for version in ours).values(), default=0))
        return found - {0}

    def _mirrored(self, crm: str, name: str, columns: Mapping[str, str]) -> dict[str, tuple[object, ...]]:
        wanted = f"SELECT id, {', '.join(columns)} FROM person_record "
        query = text(wanted + "WHERE crm = :crm AND object = :name AND NOT gone")
        rows = self.rows(query, crm=crm, name=name)
        return {row[0]: tuple(row[1:]) for row in rows}

    def rows(self, query: TextClause, **values: object) -> Sequence[Row[Any]]:
        mirror = Mirror(self.environ["MQLSYNC_DATABASE_URL"], RealWorld())
        with mirror.read() as conn:
            rows = conn.execute(query, values).all()
        mirror.close()
        return rows

    def _held(self, crm: str, name: str, columns: Mapping[str, str]) -> dict[str, tuple[object, ...]]:
        alive = self.sandbox.store.table(crm, name).alive()
        return {
            record.id: tuple(record.values.get(field) for field in columns.values())
            for record in alive
            if not record.values.get("IsConverted")
        }

    def customers(self, number: int) -> list[str]:
        """So many contacts, of a person each, whom somebody makes customers now."""
        query = text(
            "SELECT m.id FROM person_member m JOIN person p USING (person_id) WHERE m.crm = 'hubspot' "
            "AND m.object = 'contacts' AND NOT p.ambiguous ORDER BY m.id LIMIT :number"
        )
        rows = self.rows(query, number=number)
        for (contact,) in rows:
            self.sandbox.edit("hubspot", "contacts", contact, {"lifecyclestage": "customer"})
        return [contact for (contact,) in rows]

    def close(self) -> None:
        self.sandbox.stop()


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    case = Case(tmp_path)
    yield case
    case.close()


ELSEWHERE = ("plan.saved", "write.cleared", *(name for name in FAILPOINTS if name.startswith("task.")))
"""Points that an ordinary sync does not pass."""


@ON_FILES
def test_an_ordinary_sync_passes_every_failpoint(case: Case) -> None:
    log = case.folder / "failpoints.log"
    assert case.killed_sync(log=log) in (0, 3), case.answer()
    case.sync_until_quiet()
    passed = Counter(log.read_text().split())
    assert set(FAILPOINTS) - set(passed) <= {*ELSEWHERE}, "only where a plan waits, or more is asked for"
    assert set(passed) <= set(FAILPOINTS)
    case.check()


ONCE = [name for name in FAILPOINTS if name not in ELSEWHERE]
LATER = [
    *((name, 3) for name in FAILPOINTS if name.startswith(("pull.", "write."))),
    *((name, 9) for name in FAILPOINTS if name.startswith("pull.")),
    *((name, 2) for name in FAILPOINTS if name.startswith("write.")),
]


@ON_FILES
@pytest.mark.parametrize(("name", "arrival"), [*((name, 1) for name in ONCE), *LATER])
def test_w9_killed_and_run_again(case: Case, name: str, arrival: int) -> None:
    code = case.killed_sync(kill_at=arrival, names=(name,))
    if arrival == 1:
        assert code == KILLED
    case.sync_until_quiet()
    case.check()


ON_POSTGRESQL = [
    ("pull.page_committed", 3),
    ("decide.committed", 1),
    ("write.marked_sent", 1),
    ("write.answered", 1),
    ("write.verified_uncommitted", 1),
]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("name", "arrival"), ON_POSTGRESQL)
def test_killed_on_postgresql_and_run_again(database: str, tmp_path: Path, name: str, arrival: int) -> None:
    """The lease of the killed process is free at once, and the next run finishes what it left."""
    case = Case(tmp_path)
    assert case.killed_sync(kill_at=arrival, names=(name,)) == KILLED
    case.sync_until_quiet()
    case.check()
    case.close()


@ON_FILES
def test_killed_again_and_again(case: Case) -> None:
    for arrival in (3, 7, 12, 5, 20, 9, 2, 31, 14):
        if case.killed_sync(kill_at=arrival) != KILLED:
            break
    case.sync_until_quiet()
    case.check()


STEPS = [
    ("write.marked_sent", 1),
    ("write.answered", 1),
    ("write.verified_uncommitted", 1),
    ("write.cleared", 1),
    ("write.marked_sent", 2),
    ("write.answered", 2),
    ("write.verified", 2),
]
"""In each of the two steps by which a lifecycle stage goes back."""


@ON_FILES
def test_w21_killed_while_a_stage_goes_back(case: Case) -> None:
    case.sync_until_quiet()
    customers = case.customers(len(STEPS))
    case.sync_until_quiet()
    before = len(case.sandbox.ledger)
    for contact, (name, arrival) in zip(customers, STEPS, strict=True):
        assert case.killed_demotion(contact, kill_at=arrival, name=name) == KILLED, name
        case.sync_until_quiet()
        entries = case.sandbox.ledger.entries(before, author="worker")
        steps = [(entry.before or None, entry.after or None) for entry in entries if entry.id == contact]
        assert steps == [("customer", None), (None, "lead")], (name, arrival)
    assert case.sandbox.errors == []


TASKS = [
    ("task.marked_sent", 1, "task"),
    ("task.answered", 4, "task"),
    ("task.answered", 5, "note"),
    ("task.recorded", 2, "note"),
]


def test_every_failpoint_is_one_at_which_a_process_is_killed() -> None:
    killed = {*ONCE, *(name for name, _ in STEPS), *(name for name, _, _ in TASKS), "plan.saved"}
    assert killed == set(FAILPOINTS)


@ON_FILES
def test_a_plan_waits_once_wherever_its_making_was_killed(case: Case) -> None:
    """A pending plan, and one that somebody ordered: nothing goes out, and one approval is enough."""
    settings = case.folder / "mqlsync.toml"
    asks = settings.read_text().replace("first_run_needs_approval = false", "first_run_needs_approval = true")
    settings.write_text(asks)
    assert case.killed_sync(kill_at=1, names=("plan.saved",)) == KILLED
    assert case.sync() == 6
    assert case.sandbox.ledger.entries(author="worker") == []
    assert case.run("approve", "--yes") in (0, 3)
    written = case.sandbox.ledger.entries(author="worker")
    case.sync_until_quiet()
    case.check()
    before = len(case.sandbox.ledger)
    record = next(entry.id for entry in written if entry.field == "Status")
    assert case.run("undo", record, kill_at=1, name="plan.saved") == KILLED
    assert case.sandbox.ledger.entries(before, author="worker") == []
    assert case.run("approve", "--yes") == 0
    undone = {entry.field: entry.after for entry in case.sandbox.ledger.entries(before) if entry.id == record}
    assert undone["Status"] in ("New", "Open - Not Contacted")


@ON_FILES
@pytest.mark.parametrize(("name", "arrival", "kind"), TASKS)
def test_one_task_of_each_hand_off_wherever_it_is_killed(
    case: Case, name: str, arrival: int, kind: str
) -> None:
    wanted = f'[writeback.salesforce]\nhand_off = "task"\n[writeback.hubspot]\nhand_off = "{kind}"\n'
    with (case.folder / "mqlsync.toml").open("a") as file:
        file.write(wanted)
    assert case.killed_sync(kill_at=arrival, names=(name,)) == KILLED, case.answer()
    case.sync_until_quiet()
    created = [entry for entry in case.sandbox.ledger.entries(author="worker") if entry.field == "#created"]
    made = {entry.id for entry in created if entry.object == "Task"}
    tasks = case.sandbox.store.table("salesforce", "Task")
    found = [task.values for task in tasks.alive() if task.id in made]
    beside = [task["WhoId"] for task in found]
    for task in found:
        lead = case.sandbox.store.get("salesforce", "Lead", task["WhoId"])
        assert lead is not None
        assert task["OwnerId"] == lead.values["OwnerId"]
        assert task["Description"].startswith("MQL since ")
        assert task["Status"] == "Not Started"
    others = [entry.id for entry in created if entry.object == f"{kind}s"]
    kept = case.rows(text("SELECT crm, record_id, state, task_id FROM hand_off_task"))
    assert {row.state for row in kept} == {"done"}
    assert sorted(row.record_id for row in kept if row.crm == "salesforce") == sorted(beside)
    assert sorted(row.task_id for row in kept if row.crm == "hubspot") == sorted(others)
    assert len(created) == len(made) + len(others)
    assert beside
    assert others
    touched = text("SELECT count(*) FROM hand_off WHERE touched_at IS NOT NULL")
    engaged = text("SELECT count(*) FROM engagement WHERE raw LIKE '%mqlsync:%' AND NOT deleted")
    assert [row[0] for query in (touched, engaged) for row in case.rows(query)] == [0, 0]
    assert case.sandbox.errors == []
