"""The page and the picture of what was proved."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks.throughput import Throughput
from tests.proof.game import RECORDS, Result

Row = tuple[str, str, int, Result]
"""CRM, strategy, games, sums."""

TITLES = {"salesforce": "Salesforce", "hubspot": "HubSpot"}

INTRO = """# Guarantees

Written by `make prove` ({seeds:,} games on each CRM, seeds from {first}, {minutes:.0f} minutes on {machine}).

A game is {records} records of people who became MQLs. While the worker writes their status and owner, people
set other values, claim or edit the record, automation rewrites fields, requests and answers are lost, delayed
by up to 110 s, cut or replaced by error pages, the process is killed before or after any request and at any
named point, and a second worker takes over. Everything is drawn from the seed. The product runs as it is: its
stages, its database file, its API clients. The CRM is the sandbox, whose ledger of all versions of all fields
is the judge.

The naive strategies use the same clients on the same seeds: *blind PATCH* sets the value until an answer says
2xx; *read, then write* looks first and writes without a condition; *verbatim retry* sends what failed again
as it was; *echo by time window* takes every change within five minutes of its own write for that write coming
back. They have no named points, so fewer of them are killed.
"""

READING = """
- **Lost edits**: values set by people over which a write of the worker stands at the end.
- **Covered for a while**: edits that stood under a write of the worker until they were put back, or until
  somebody changed the field again. Salesforce refuses a write when the record changed since it was read, so
  it cannot happen there. HubSpot has no such condition: an edit made in the moment between our read and our
  write is found in the field's history when the write is read back, and put back. That takes as long as two
  calls, and longer only where the process was killed in between or the answer was lost: until a later run.
  `mqlsync sync` reports each as `EDIT_COVERED`.
- **Written twice**: effective changes of one field to a wanted value beyond the first. On HubSpot that is a
  second sending after an answer was lost and automation or a person had changed the field.
- **Unexplained**: fields whose end the strategy does not know or tells wrongly: said to be written and was
  not, was written unknown to it, or has no end.

What this rests on: HubSpot carries out a request at the latest {settle} s (`writeback.settle_time`) after it
was sent, and names a user as the author of what people do.
"""


def page(
    rows: Sequence[Row],
    speeds: Sequence[Throughput],
    first: int,
    machine: str,
    minutes: float,
) -> str:
    """The whole of docs/guarantees.md."""
    seeds = max((games for _, _, games, _ in rows), default=0)
    parts = [INTRO.format(seeds=seeds, first=first, minutes=minutes, machine=machine, records=RECORDS)]
    parts.append("![Lost edits per thousand edits of people](guarantees.svg)\n")
    for crm, title in TITLES.items():
        mine = [row for row in rows if row[0] == crm]
        if mine:
            parts.append(f"## {title}\n\n{_table(mine)}{_windows(mine[0])}")
    parts.append("## How to read this\n" + READING.format(settle=120))
    if speeds:
        parts.append(_speeds(speeds))
    return "\n".join(parts)


def _table(rows: Sequence[Row]) -> str:
    lines = [
        "| | games | killed | people's edits | lost edits | covered for a while | written twice "
        "| unexplained |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for _, name, games, sums in rows:
        shown = f"**{name}**" if name == "mqlsync" else name
        lines.append(
            f"| {shown} | {games:,} | {sums.cuts:,} | {sums.edits:,} | {sums.lost:,} "
            f"| {len(sums.windows):,} | {sums.double:,} | {len(sums.unexplained):,} |"
        )
    return "\n".join(lines) + "\n"


def _windows(row: Row) -> str:
    windows = sorted(row[3].windows)
    if not windows:
        return ""
    tenth = windows[int(len(windows) * 0.9)]
    within = sum(window <= 2.0 for window in windows)
    return (
        f"\nThe {len(windows):,} edits that mqlsync covered stood so for {statistics.median(windows):.2f} s "
        f"(median), {tenth:.1f} s (nine in ten) and {windows[-1]:.0f} s (longest); "
        f"{within:,} for at most 2 s.\n"
    )


def _speeds(speeds: Sequence[Throughput]) -> str:
    count = speeds[0].records
    lines = [
        "## Speed",
        "",
        f"Status and owner of {count:,} records: read, decided, written, read back, committed. Every call "
        "takes 200 ms (simulated), HubSpot's limits are enforced.",
        "",
        "| | calls | calls per record | least possible | seconds | least possible | our CPU, seconds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in speeds:
        lines.append(
            f"| {TITLES[one.crm]} | {one.calls:,} | {one.calls / one.records:.3f} "
            f"| {one.least_calls / one.records:.3f} | {one.seconds:,.0f} | {one.least_seconds:,.0f} "
            f"| {one.cpu:.0f} |"
        )
    lines += [
        "",
        "Least possible: one call after another, each as full as the API allows. Salesforce: 200 records in "
        "a query, 25 conditional updates in a composite request. HubSpot: 50 records with history in a batch "
        "read, 100 in a batch update, 190 calls in ten seconds.",
        "",
    ]
    for one in speeds:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(one.by_kind.items()))
        lines.append(f"{TITLES[one.crm]}: {kinds}.")
        lines.append("")
    return "\n".join(lines)


def picture(rows: Sequence[Row]) -> str:
    """Bars: lost edits per thousand edits of people."""
    width, left, bar = 760, 190, 20
    worst = max((_per_thousand(row[3]) for row in rows), default=0.0) or 1.0
    parts, y = [], 30
    for crm, title in TITLES.items():
        mine = [row for row in rows if row[0] == crm]
        parts.append(f'<text x="10" y="{y}" class="t">{title}</text>')
        y += 12
        for _, name, _, sums in mine:
            value = _per_thousand(sums)
            length = (width - left - 80) * value / worst
            kind = "ours" if name == "mqlsync" else "naive"
            parts.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{name}</text>')
            parts.append(
                f'<rect x="{left}" y="{y}" width="{max(length, 1):.0f}" height="{bar}" class="{kind}"/>'
            )
            parts.append(f'<text x="{left + max(length, 1) + 6:.0f}" y="{y + 15}">{value:.0f}</text>')
            y += bar + 6
        y += 26
    style = (
        "text{font:13px sans-serif;fill:#333}.t{font-weight:bold}.ours{fill:#2a7f62}.naive{fill:#c65d3b}"
        "@media(prefers-color-scheme:dark){text{fill:#ddd}}"
    )
    label = "Lost edits per thousand edits of people, by strategy"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" role="img" aria-label="{label}">'
        f"<style>{style}</style>{''.join(parts)}</svg>\n"
    )


def _per_thousand(sums: Result) -> float:
    return 1000 * sums.lost / sums.edits if sums.edits else 0.0
