"""Mistakes that are easily made when writing to a CRM, each as a precise change of the product's source.

Every one must be found by a test. `old` occurs exactly once in its file; the day it does not, the mutation
has to be written anew (`make mutants` and the normal run say so).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Change:
    """In `path`, `old` becomes `new`."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutation:
    """One mistake. `tests`: what should find it, as pytest is told; the first that fails is named."""

    name: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...]


SEEDS: Final = "tests/proof/test_seeds.py"
WIRE: Final = "tests/pipeline/test_write_wire.py"
SANDBOX: Final = "tests/pipeline/test_write_sandbox.py"
WRITER: Final = "sync/stages/writer.py"
READBACK: Final = "sync/core/readback.py"

MUTATIONS: Final = (
    Mutation(
        "no If-Unmodified-Since",
        (
            Change(
                "connectors/salesforce/writer.py",
                'return {"If-Unmodified-Since": http_date(base)}',
                "return {}",
            ),
        ),
        (SANDBOX, SEEDS),
    ),
    Mutation(
        "no wait for the end of the second",
        (
            Change(
                WRITER,
                "and lives[row.ref].server_ms // 1000 <= lives[row.ref].modified_ms // 1000",
                "and lives[row.ref].server_ms < 0",
            ),
        ),
        (SANDBOX, WIRE),
    ),
    Mutation(
        "no Sforce-Auto-Assign",
        (
            Change(
                "connectors/salesforce/writer.py",
                '_AUTO_ASSIGN: Final[Mapping[str, str]] = {"Sforce-Auto-Assign": "FALSE"}',
                "_AUTO_ASSIGN: Final[Mapping[str, str]] = {}",
            ),
        ),
        (SANDBOX,),
    ),
    Mutation(
        "echo by time window",
        (
            Change(
                "sync/core/authors.py",
                "if version.author in (Author.US, Author.PERSON):",
                "if version.author is Author.US:",
            ),
            Change(
                "sync/core/authors.py",
                "    if our_source:\n        return version.source == our_source\n",
                "    if version.source is not None:\n        return True\n",
            ),
            Change(
                "sync/core/authors.py",
                "    if (version.value or None) != (write.value or None):\n        return False\n",
                "",
            ),
        ),
        ("tests/unit/core/test_writes_readback.py", SANDBOX, SEEDS),
    ),
    Mutation(
        "what failed is sent again as it was",
        (
            Change(
                "sync/stages/late.py",
                "    decision = decide(target, live, row.desired_value, known)\n",
                "    decision = decide(target, live, row.desired_value, known)\n"
                "    if row.attempts and live.exists:\n"
                '        decision = SetField(row.desired_value, "again")\n',
            ),
        ),
        ("tests/pipeline/test_write_again.py", WIRE, SEEDS),
    ),
    Mutation(
        "success if any",
        (
            Change(
                WRITER,
                "outcome = by_ref.get(row.ref) or Outcome(row.ref, OutcomeKind.UNKNOWN)",
                "outcome = next((o for o in outcomes if o.kind is OutcomeKind.ACCEPTED), by_ref[row.ref])",
            ),
            Change(
                WRITER,
                "accepted = {outcome.ref for outcome in outcomes if outcome.kind is OutcomeKind.ACCEPTED}",
                "accepted = {outcome.ref for outcome in outcomes}",
            ),
        ),
        ("tests/pipeline/test_write_bounds.py", WIRE),
    ),
    Mutation(
        "no reading back",
        (
            Change(
                READBACK,
                "    if live.moved_to is not None or not live.exists:\n"
                "        return Verdict(Fate.DECIDE_AGAIN,",
                "    if sent.accepted:\n"
                '        return Verdict(Fate.VERIFIED, Why.WANTED, "the answer said so")\n'
                "    if live.moved_to is not None or not live.exists:\n"
                "        return Verdict(Fate.DECIDE_AGAIN,",
            ),
        ),
        ("tests/unit/core/test_writes_readback.py", WIRE),
    ),
    Mutation(
        "cursor before the rows",
        (
            Change(
                "sync/stages/pull.py",
                "    with ctx.mirror.write() as conn:\n"
                "        counts = store.save_page(conn, _without_ours(conn, page), ctx.run)\n",
                "    with ctx.mirror.write() as conn:\n"
                "        cursors.save(conn, page.feed, page.cursor, ctx.run.now, complete=page.complete)\n"
                "    with ctx.mirror.write() as conn:\n"
                "        counts = store.save_page(conn, _without_ours(conn, page), ctx.run)\n",
            ),
        ),
        ("tests/pipeline/test_pull.py",),
    ),
    Mutation(
        "no fencing",
        (
            Change(
                WRITER,
                "if current_epoch(conn) != self._ctx.lease_epoch:",
                "if current_epoch(conn) < 0:",
            ),
        ),
        (WIRE, SEEDS),
    ),
    Mutation(
        "the whole row is sent",
        (
            Change(
                WRITER,
                "            fields={\n                row.field:",
                "            fields=dict(batch.lives[ref].values)\n"
                "            | {\n                row.field:",
            ),
        ),
        ("tests/pipeline/test_write_bounds.py", SANDBOX),
    ),
    Mutation(
        "the whole batch is tried again",
        (
            Change(
                WRITER,
                "                stop = self._take(conn, row, outcome,",
                "                if any(one.kind is not OutcomeKind.ACCEPTED for one in outcomes):\n"
                '                    outcome = Outcome(row.ref, OutcomeKind.REFUSED, "BATCH", "", '
                "RefusalClass.TRANSIENT)\n"
                "                stop = self._take(conn, row, outcome,",
            ),
        ),
        (WIRE, "tests/pipeline/test_write_again.py"),
    ),
    Mutation(
        "addresses by case",
        (
            Change(
                "sync/core/identity.py",
                ".strip().casefold()",
                ".strip()",
            ),
        ),
        ("tests/unit/core/test_identity.py", "tests/pipeline/test_match.py"),
    ),
    Mutation(
        "404 creates",
        (
            Change(
                "connectors/salesforce/writer.py",
                "                found[place] = outcome_of(write, reply.status, _readable(reply))\n",
                "                if reply.status == 404:\n"
                '                    place_of_all = f"sobjects/{write.ref.object}"\n'
                '                    reply = self._api.send("POST", place_of_all, body, {})\n'
                "                found[place] = outcome_of(write, reply.status, _readable(reply))\n",
            ),
        ),
        ("tests/pipeline/test_write_bounds.py", SANDBOX),
    ),
    Mutation(
        "the first of many",
        (
            Change(
                "sync/core/identity.py",
                "return len(members) > LARGEST_COMPONENT or "
                "len({member.crm for member in members}) < len(members)",
                "return len(members) > LARGEST_COMPONENT",
            ),
        ),
        ("tests/unit/core/test_identity.py", "tests/pipeline/test_match.py"),
    ),
    Mutation(
        "undo without a guard",
        (
            Change(
                "sync/core/writes.py",
                "    if not same(case.target.purpose, case.value, case.known.seen):\n"
                '        return Leave(Why.HUMAN, f"it was changed to {shown(case.value)} since")\n'
                "    if case.versions and case.versions[0].author is Author.PERSON:\n",
                "    if case.versions and case.versions[0].author is Author.PERSON and case.value is None:\n",
            ),
        ),
        ("tests/pipeline/test_undo.py",),
    ),
    Mutation(
        "a limit only warns",
        (
            Change(
                "sync/stages/plan.py",
                "        on_problem(_needs_approval(plan.digest, plan.blocked_by))\n    else:\n",
                "        on_problem(_needs_approval(plan.digest, plan.blocked_by))\n"
                "        return True\n    else:\n",
            ),
            Change(
                "sync/stages/plan.py",
                "        save_plan(ctx, plan, pending=True)\n",
                "",
            ),
        ),
        ("tests/pipeline/test_write_plans.py",),
    ),
    Mutation(
        "HubSpot is sent to again before the settle time",
        (
            Change(
                READBACK,
                "    if case.live.server_ms < case.sent.sent_ms + settle_ms:\n",
                "    if case.live.server_ms < 0:\n",
            ),
        ),
        ("tests/unit/core/test_writes_readback.py", WIRE, SEEDS),
    ),
)
