"""How a run is shown: counts as tables, problems with their remedies."""

from __future__ import annotations

from collections.abc import Sequence

from sync.cli.output import Output
from sync.cli.words import crm_name
from sync.core.counted import some
from sync.reports import RunProblem, RunReport, WriteCounts


def show_report(out: Output, report: RunReport) -> None:
    """A run, as JSON or as a person wants to see it."""
    if out.options.json:
        out.json(report.to_json())
        return
    if report.pull:
        names = ("seen", "stored", "unchanged", "parked", "gone", "calls")
        rows = [
            (f"{crm_name(crm)} {name}", *(getattr(counts, column) for column in names))
            for crm, feeds in report.pull.items()
            for name, counts in feeds.items()
        ]
        busy = [row for row in rows if any(row[1:-1])]
        if busy:
            out.table(("pulled", *names), busy, names)
        if len(busy) < len(rows):
            others = some(len(rows) - len(busy), "other object" if busy else "object")
            out.line(f"nothing new in {others}")
    if report.match.people or report.pull:
        out.line(_people_line(report))
    out.line(write_line(report.write))
    if not report.books_balance:
        out.line("The books do not balance.", "error")
    show_problems(out, report.problems)
    style = {"ok": "ok", "failed": "error"}.get(report.outcome, "warning")
    out.line(f"{report.outcome} (run {report.run_id})", style)


def _people_line(report: RunReport) -> str:
    return (
        f"{some(report.match.people, 'person')} ({report.match.ambiguous:,} ambiguous); "
        f"{report.score.recomputed:,} scored, {some(report.score.mql_entered, 'new MQL')}, "
        f"{report.score.mql_left:,} left"
    )


def write_line(counts: WriteCounts) -> str:
    """What became of the decided changes."""
    parts = [f"{counts.verified:,} verified", f"{counts.waiting:,} waiting"]
    for name in ("superseded", "conflict", "parked"):
        number = getattr(counts, name)
        if number:
            parts.append(f"{number:,} {name}")
    return f"{some(counts.decided, 'change')} decided: {', '.join(parts)}"


def show_problems(out: Output, problems: Sequence[RunProblem]) -> None:
    """Each problem with what to do about it; on stderr, so that results stay clean."""
    for problem in problems:
        crm = crm_name(problem.crm)
        out.error(f"{crm}: {problem.message}" if crm else problem.message)
        if problem.remedy:
            out.error(f"  → {problem.remedy}")
