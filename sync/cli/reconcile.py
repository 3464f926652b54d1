"""`reconcile`: what is wanted against what stands in the CRMs."""

from __future__ import annotations

from typing import Annotated

import typer

from sync.cli.handing import carried_out
from sync.cli.options import command
from sync.cli.owners import owner_names
from sync.cli.report import show_problems
from sync.cli.session import Session
from sync.core.counted import some
from sync.mirror.requests import Ask
from sync.reports import RunProblem

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@command(app, "reconcile")
def reconcile(
    session: Session,
    sample: Annotated[
        int | None,
        typer.Option("--sample", metavar="N", min=1, help="Only so many people, other ones each time."),
    ] = None,
) -> int:
    """Read every linked record and compare it, value by value, with what is wanted there. Writes nothing.

    Each value is in one class, and the classes add up. Ends with 3 when something is parked, missing, moved
    or drifted.
    """
    answer = carried_out(session, Ask("reconcile", {"sample": sample}))
    assert answer is not None  # it was waited for
    found, out = answer.document, session.out
    if session.options.json:
        out.json(found)
        return answer.exit_code
    out.table(("class", "values"), list(found["classes"].items()), ("values",))
    out.line(f"{some(found['values'], 'wanted value')} of {some(found['people'], 'person')}")
    if found["findings"]:
        names = ("class", "crm", "object", "id", "field", "wanted", "live", "reason")
        with session.app() as opened:
            called = owner_names(opened)
        rows = [
            {**one, **{name: called(one["crm"], one["field"], one[name]) for name in ("wanted", "live")}}
            for one in found["findings"]
        ]
        out.table(names, [[row[name] for name in names] for row in rows])
    show_problems(out, [RunProblem(**problem) for problem in found["problems"]])
    return answer.exit_code
