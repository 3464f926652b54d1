"""The demo: two simulated CRMs and a fortnight with them, told as a RevOps admin would want to see it.

Everything here is the product as it is: the same settings, pipeline and mirror, over real HTTP. Only the
clock is shifted, so that the fortnight ends now, and only the sandbox's ledger is asked who was right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from config.world import RealWorld, epoch
from sync import pipeline
from sync.breaks import BREAKS, processes
from sync.context import App
from sync.core.counted import some
from sync.demo.judgement import Judgement, judge
from sync.demo.site import opened, representatives
from sync.demo.telling import DemoFailed, DemoOptions, Edit, Narrator
from sync.mirror import books, outbox, plans, queries, sending
from sync.mirror.explain import explain_person
from sync.pipeline import STAGES, SyncRequest
from sync.reports import SCHEMA_VERSION, RunReport
from sync.sandbox_process import SandboxProcess

FORTNIGHT: Final = timedelta(days=14)
BLOCKED: Final = 6  # the exit code of a run whose plan waits
SHOWN: Final = (
    "Lead",
    "Contact",
    "Account",
    "CampaignMember",
    "Opportunity",
    "contacts",
    "companies",
    "deals",
)
COMMANDS: Final = (
    "people --stage mql",
    "person explain {who}",
    "person timeline {who}",
    "status",
    "runs",
    "model lint",
)
LEAD_WRITES: Final = "/composite$|/sobjects/Lead/"
CONTACT_WRITES: Final = "/contacts/batch/update$"
EDITS: Final = (
    ("salesforce", "Status", "Working - Contacted", LEAD_WRITES),
    ("hubspot", "hs_lead_status", "IN_PROGRESS", CONTACT_WRITES),
)
"""CRM, field and value of what a person sets while we write, and the requests that it comes before."""


class Demo:
    """One telling of the story."""

    def __init__(self, options: DemoOptions, tell: Narrator) -> None:
        self._options = options
        self._tell = tell
        self._world = RealWorld(-FORTNIGHT)
        self._edits: list[Edit] = []
        self._verified = 0
        self._somebody = ""

    def run(self) -> None:
        """Tell it. Raises DemoFailed when a promise was not kept."""
        options = self._options
        with SandboxProcess(
            seed=options.seed,
            people=options.people,
            days=options.days,
            future=FORTNIGHT.days,
            offset=-FORTNIGHT.total_seconds(),
        ) as sandbox:
            self._two_crms(sandbox)
            with opened(options.folder, sandbox.environ, self._world) as app:
                self._first_sync(app, sandbox)
                self._one_person(app)
                self._people_at_work(app, sandbox)
                self._at_the_same_moment(app, sandbox)
                self._today(app, sandbox)
                found = self._judgement(sandbox)
            self._where_to_look(sandbox)
            self._tell.result(self._to_json(sandbox, found))
            if options.serve:
                sandbox.wait()

    # The chapters.

    def _two_crms(self, sandbox: SandboxProcess) -> None:
        self._tell.chapter("1. Two CRMs, a fortnight ago")
        rows = [
            (crm, name, f"{number:,}")
            for crm, objects in sandbox.counts().items()
            for name, number in objects.items()
            if name in SHOWN and number
        ]
        self._tell.table(("crm", "object", "records"), rows, ("records",))

    def _first_sync(self, app: App, sandbox: SandboxProcess) -> None:
        self._tell.chapter("2. First sync: pull, match, score, decide; then wait for a word")
        report = self._sync(app)
        for crm, feeds in report.pull.items():
            seen, calls = (sum(getattr(one, name) for one in feeds.values()) for name in ("seen", "calls"))
            self._tell.say(f"{crm}: {seen:,} rows pulled with {calls:,} API calls.")
        self._tell.say(
            f"{report.match.people:,} people ({report.match.ambiguous:,} ambiguous: scored, never written), "
            f"{report.score.mql_entered:,} of them became MQLs."
        )
        with app.mirror.read() as conn:
            digest = plans.choose(conn, None)
            items = plans.items(conn, digest)
            rows = outbox.by_ids(conn, [item.intent_id for item in items])
        changes = [(rows[item.intent_id], item) for item in items if rows[item.intent_id].spell_id]
        self._tell.say(f"Plan {digest} holds {len(items):,} changes and waits for approval. Some of them:")
        self._tell.table(
            ("crm", "record", "field", "before", "after", "why"),
            [(r.crm, r.record_id, r.field, i.before or "(empty)", i.after, r.reason) for r, i in changes[:6]],
        )
        if self._options.breaks:
            waiting = [rows[item.intent_id] for item in items]
            self._broken(app, sandbox, digest, waiting)
            return
        self._tell.say("Approved.")
        self._count(pipeline.approve(app, digest, self._tell.progress))

    def _broken(self, app: App, sandbox: SandboxProcess, digest: str, waiting: Sequence[outbox.Row]) -> None:
        """The plan is carried out by processes that are disturbed; in the end all of it must be settled."""
        chosen = BREAKS[self._options.breaks]
        self._tell.chapter(f"2b. Approved, and the plug is pulled: {self._options.breaks}")
        self._tell.say(f"What happens: {chosen.told}.")
        if chosen.edits:
            self._edit_while_writing(sandbox, waiting)
        told, offset = [], self._world.offset
        first = ("approve", digest, "--yes", "--json")
        for number, ended in enumerate(processes(chosen, sandbox, self._options.folder, first, offset)):
            states = self._states(app)
            ours = [entry for entry in sandbox.ledger() if entry["author"] == "worker"]
            on_the_way = states["sent"] + states["unsure"]
            told.append((ended.call, ended.how, len(ours), states["verified"], on_the_way, states["queued"]))
            if number >= len(chosen.kills) and on_the_way + states["queued"] == 0:
                break
            self._move_to(sandbox, offset + (number + 1) * chosen.wait)
        columns = ("process", "how it ended", "in the CRMs", "verified", "not known", "waiting")
        self._tell.table(columns, told, columns[2:])
        if on_the_way + states["queued"]:
            raise DemoFailed(f"{on_the_way + states['queued']} changes of the plan were left over")
        self._verified = states["verified"]
        self._tell.say(
            f"{some(states['verified'], 'change')} written and verified, {states['superseded']:,} dropped "
            f"(a person was faster, or they are needed no more), {states['parked']:,} refused by a CRM, none "
            "left over: nothing was lost. Chapter 7 counts what was written twice."
        )

    def _edit_while_writing(self, sandbox: SandboxProcess, waiting: Sequence[outbox.Row]) -> None:
        """Arm one edit by a person for a record of each CRM, to happen between our read and our write."""
        for crm, field, value, paths in EDITS:
            row = next((row for row in waiting if (row.crm, row.field) == (crm, field)), None)
            if row is None:
                continue
            edit = Edit(crm, row.object, row.record_id, {field: value})
            sandbox.edit_before_write(crm, row.object, row.record_id, edit.fields, paths)
            self._edits.append(edit)
            self._tell.say(f"Between our read and our write a person sets {edit.told}")

    def _states(self, app: App) -> Counter[str]:
        """How many changes are in each state."""
        with app.mirror.read() as conn:
            return Counter(books.by_state(conn))

    def _one_person(self, app: App) -> None:
        self._tell.chapter("3. Why is somebody an MQL?")
        with app.mirror.read() as conn:
            mqls = list(queries.people(conn, stage="mql"))
            chosen = max(
                (person for person in mqls if person.entered_by == "threshold" and len(person.records) > 1),
                key=lambda person: (float((person.score or {})["total"]), person.person_id),
                default=None,
            )
            if chosen is None:
                return
            now = epoch(self._world.now())
            story = explain_person(conn, chosen.person_id, app.models, now=now) or {}
        self._somebody = chosen.emails[0]
        score = story["score"]
        self._tell.say(
            f"{chosen.name}, {chosen.company}: {score['total']:g} points, fit {score['fit']:g} and "
            f"engagement {score['engagement']:g}, grade {score['grade']}; "
            f"{len(chosen.records)} records, one person."
        )
        rows = [
            (
                hit["rule"],
                f"{hit['points']:+g}",
                hit["count"],
                (hit["last_at"] or "")[:10],
                " ".join(hit["sources"]),
            )
            for hit in story["hits"]
        ]
        self._tell.table(("rule", "points", "times", "last", "seen in"), rows, ("points", "times"))
        total = sum(round(hit["points"] * 1000) for hit in story["hits"]) / 1000
        if total != score["total"]:
            raise DemoFailed(f"the parts add up to {total:g}, the score says {score['total']:g}")
        self._tell.say(f"The parts add up to {total:g}.")

    def _people_at_work(self, app: App, sandbox: SandboxProcess) -> None:
        self._tell.chapter("4. Three days later: sales work their leads")
        self._move_to(sandbox, timedelta(days=-11))
        ours = [entry for entry in sandbox.ledger() if entry["author"] == "worker"]
        leads = [entry["id"] for entry in ours if (entry["object"], entry["field"]) == ("Lead", "Status")]
        contacts = [e["id"] for e in ours if (e["object"], e["field"]) == ("contacts", "hs_lead_status")]
        users, owners = (representatives(app, crm) for crm in ("salesforce", "hubspot"))
        work = [("salesforce", "Lead", lead, "Status", "OwnerId", users) for lead in leads[:2]]
        work += [
            ("hubspot", "contacts", contact, "hs_lead_status", "hubspot_owner_id", owners)
            for contact in contacts[-2:]
        ]
        statuses = {"salesforce": "Working - Contacted", "hubspot": "IN_PROGRESS"}
        for crm, name, record_id, status, owner, people in work:
            fields = {status: statuses[crm], owner: people[-1]}
            self._person_edits(sandbox, Edit(crm, name, record_id, fields))
        self._move_to(sandbox, timedelta(days=-10))
        self._count(self._pass(app))

    def _at_the_same_moment(self, app: App, sandbox: SandboxProcess) -> None:
        self._tell.chapter("5. A week later: somebody edits a record at the very moment we write it")
        self._move_to(sandbox, timedelta(days=-4))
        self._sync(app, SyncRequest(only=STAGES - {"write"}))
        queued = sending.open_ones(app.connectors, (), ("queued",))
        waiting = [row for rows in sending.pages(app.mirror, queued) for row in rows]
        self._edit_while_writing(sandbox, waiting)
        self._count(self._pass(app))

    def _today(self, app: App, sandbox: SandboxProcess) -> None:
        self._tell.chapter("6. Today")
        self._move_to(sandbox, timedelta(0))
        report = self._sync(app)
        self._tell.say(f"{report.score.mql_entered:,} more became MQLs, {report.score.mql_left:,} left.")
        self._count(self._let_out(app, report))
        before = len(sandbox.ledger())
        again = self._sync(app)
        written = [entry for entry in sandbox.ledger(before) if entry["author"] == "worker"]
        if written or again.write.verified:
            raise DemoFailed(f"a run with nothing new wrote {len(written)} fields")
        self._tell.say("A last run with nothing new wrote nothing.")

    def _judgement(self, sandbox: SandboxProcess) -> Judgement:
        self._tell.chapter("7. What the CRMs' own ledger says")
        found = judge(sandbox.ledger(), self._edits, self._kept(sandbox), self._verified)
        self._tell.table(("what", "how often"), found.rows(), ("how often",))
        if not found.kept:
            raise DemoFailed("a promise was not kept; see the table above")
        return found

    def _where_to_look(self, sandbox: SandboxProcess) -> None:
        folder, who = self._options.folder, self._somebody or "EMAIL"
        if folder.is_relative_to(Path.cwd()):
            folder = folder.relative_to(Path.cwd())
        self._tell.chapter("Look around")
        for command in COMMANDS:
            self._tell.say(f"  .venv/bin/mqlsync {command.format(who=who)} --config-dir {folder}")
        if self._options.serve:
            self._tell.say("The simulated CRMs go on until Ctrl-C. In another shell:")
            for name, value in sandbox.environ.items():
                self._tell.say(f"  export {name}={value}")
        else:
            self._tell.say("With --serve the simulated CRMs go on running, for sync, plan and doctor.")

    def _to_json(self, sandbox: SandboxProcess, found: Judgement) -> Mapping[str, Any]:
        options = self._options
        return {
            "schema_version": SCHEMA_VERSION,
            "folder": str(options.folder),
            "seed": options.seed,
            "people": options.people,
            "break": options.breaks or None,
            "judgement": found.to_json(),
            "environment": sandbox.environ if options.serve else None,
        }

    # What the chapters are made of.

    def _sync(self, app: App, request: SyncRequest | None = None) -> RunReport:
        report = pipeline.sync(app, request or SyncRequest(), self._tell.progress)
        if report.outcome == "failed" or not report.books_balance:
            raise DemoFailed("; ".join(problem.message for problem in report.problems) or report.outcome)
        return report

    def _pass(self, app: App) -> RunReport:
        """A pass; when its plan waits, the word is given at once."""
        return self._let_out(app, self._sync(app))

    def _let_out(self, app: App, report: RunReport) -> RunReport:
        """What became of a pass's changes; a plan that waits is approved, as an admin would."""
        if report.outcome != "blocked":
            return report
        reasons = [one.message for one in report.problems if one.exit_code == BLOCKED]
        self._tell.say(f"It waits for a word: {'; '.join(reasons)}. Approved.")
        return pipeline.approve(app, None, self._tell.progress)

    def _count(self, report: RunReport) -> None:
        write = report.write
        self._verified += write.verified
        self._tell.say(
            f"{some(write.decided, 'change')} decided: {write.verified:,} written and verified, "
            f"{write.superseded:,} dropped for what a person had done, {write.parked:,} refused by a CRM."
        )

    def _move_to(self, sandbox: SandboxProcess, offset: timedelta) -> None:
        self._world.offset = offset
        sandbox.set_offset(offset.total_seconds())

    def _person_edits(self, sandbox: SandboxProcess, edit: Edit) -> None:
        sandbox.edit(edit.crm, edit.object, edit.id, edit.fields)
        self._edits.append(edit)
        self._tell.say(f"A person sets {edit.told}")

    def _kept(self, sandbox: SandboxProcess) -> list[Edit]:
        """The edits whose values stand in the CRM now."""
        return [
            edit
            for edit in self._edits
            if edit.fields.items() <= sandbox.values(edit.crm, edit.object, edit.id).items()
        ]
