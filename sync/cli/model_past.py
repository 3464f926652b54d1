"""`model backtest`, `suggest` and `drift`: what the past says about a model. Nothing is stored or written."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from config.settings import parse_duration
from config.world import epoch, iso_z
from scoring.model import Model
from sync.cli.errors import UsageFault
from sync.cli.model_meant import chosen
from sync.cli.output import Output
from sync.cli.session import Session
from sync.cli.times import moment
from sync.cli.words import unknown
from sync.mirror.backtest import FEW, Backtest, backtest
from sync.mirror.drift import Checked, Drift, drift
from sync.mirror.leaks import Leak, leaks
from sync.mirror.past import LABELS, Watched
from sync.mirror.suggest import Suggested, suggest
from sync.reports import SCHEMA_VERSION

Which = Annotated[
    str | None,
    typer.Argument(metavar="[MODEL]", help="A file, or name@version; not needed while there is only one."),
]
Label = Annotated[
    str, typer.Option("--label", metavar="LABEL", help="What is to be foretold: won, or opportunity.")
]
Horizon = Annotated[
    str, typer.Option("--horizon", metavar="TIME", help="How long it is waited for after each moment.")
]


def backtest_command(
    session: Session,
    which: Which = None,
    label: Label = "won",
    horizon: Horizon = "90d",
    months: Annotated[int, typer.Option("--months", metavar="N", min=1, max=60, help="How many.")] = 12,
) -> int:
    """How well the model would have foretold who buys: scored as of the first of each past month.

    By time only: a score sees nothing that was done later. Facts are today's; fields that are filled in
    only once sales works somebody are warned about.
    """
    watched = _watched(label, horizon)
    with session.app() as opened, opened.mirror.read() as conn:
        model = chosen(opened, conn, which)
        found = backtest(conn, model, watched, epoch(opened.world.now()), months)
        leaking = [leak for leak in leaks(conn, model) if leak.used]
    if session.options.json:
        session.out.json(_backtest_json(model, watched, found, leaking))
    else:
        _tell_backtest(session.out, model, watched, found)
    _warn(session.out, found.won, watched, leaking)
    return 0


def suggest_command(
    session: Session,
    which: Which = None,
    label: Label = "won",
    horizon: Horizon = "90d",
    windows: Annotated[
        int, typer.Option("--windows", metavar="N", min=1, max=40, help="How many horizons to look back.")
    ] = 8,
) -> int:
    """Points for at most 15 rules, from what those who won had more often than the others.

    Whole points in steps of five, ten for each doubling of the odds. A start for thought, not a model.
    """
    watched = _watched(label, horizon)
    with session.app() as opened, opened.mirror.read() as conn:
        model = chosen(opened, conn, which)
        found = suggest(conn, model, watched, epoch(opened.world.now()), windows)
    if session.options.json:
        session.out.json(
            {
                "schema_version": SCHEMA_VERSION,
                **_asked(model, watched),
                "people": found.people,
                "won": found.won,
                "few": found.won < FEW,
                "rules": [rule.to_json() for rule in found.rules],
                "leaks": [leak.to_json() for leak in found.leaks],
            }
        )
    else:
        _tell_suggested(session.out, watched, found)
    _warn(session.out, found.won, watched, found.leaks)
    return 0


def drift_command(
    session: Session,
    which: Which = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Compare with then; 90 days ago if not given."),
    ] = None,
) -> int:
    """Whether people still score as they did: both axes, the share of MQLs, and what sales makes of them.

    The stability index of an axis is 0 when nothing moved, "shifting" from 0.1 and "drifted" from 0.25.
    """
    with session.app() as opened, opened.mirror.read() as conn:
        model = chosen(opened, conn, which)
        now = epoch(opened.world.now())
        then = moment(since)
        if then is not None and then >= now:
            raise UsageFault("--since must be a moment in the past.")
        found = drift(conn, model, now - 90 * 86_400 if then is None else then, now)
    if session.options.json:
        session.out.json(
            {
                "schema_version": SCHEMA_VERSION,
                "model": f"{model.name}@{model.version}",
                "since": iso_z(found.before),
                "now": iso_z(found.after),
                "people": {"since": found.people[0], "now": found.people[1]},
                "axes": [axis.to_json() for axis in found.axes],
                "weeks": [week.to_json() for week in found.weeks],
                "mql_to_sql": found.to_sales.to_json(),
            }
        )
    else:
        _tell_drift(session.out, model, found)
    return 0


def _watched(label: str, horizon: str) -> Watched:
    if label not in LABELS:
        raise UsageFault(unknown("label", label, LABELS))
    try:
        seconds = parse_duration(horizon)
    except ValueError as error:
        raise UsageFault(f"--horizon {horizon}: {error}") from None
    if not isinstance(seconds, int) or seconds < 86_400:
        raise UsageFault(f"--horizon {horizon}: at least one day, such as 90d.")
    return Watched(label, seconds)


def _asked(model: Model, watched: Watched) -> dict[str, Any]:
    return {
        "model": f"{model.name}@{model.version}",
        "label": watched.label,
        "horizon_seconds": watched.horizon,
    }


def _backtest_json(model: Model, watched: Watched, found: Backtest, leaking: list[Leak]) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        **_asked(model, watched),
        "people": found.people,
        "won": found.won,
        "few": found.won < FEW,
        "auc": found.auc,
        "lift": {str(top): value for top, value in found.lift.items()},
        "qualified": found.qualified,
        "qualified_won": found.qualified_won,
        "precision": found.precision,
        "recall": found.recall,
        "months": [month.to_json() for month in found.months],
        "leaks": [leak.to_json() for leak in leaking],
    }


def _tell_backtest(out: Output, model: Model, watched: Watched, found: Backtest) -> None:
    days = watched.horizon // 86_400
    out.line(f"{model.name}@{model.version}: {watched.label} within {days} days", "bold")
    out.line(f"{found.people} looks at people, {found.won} {watched.label}")
    out.line(f"AUC {_figure(found.auc)}")
    for top, value in found.lift.items():
        out.line(f"lift of the best {top} %: {_figure(value)}")
    caught = f"{found.qualified_won} of {found.qualified} who qualified"
    out.line(
        f"precision at the threshold {_percent(found.precision)} ({caught}), recall {_percent(found.recall)}"
    )
    rows = [
        (
            (iso_z(one.at) or "")[:7],
            one.people,
            one.won,
            one.qualified,
            one.qualified_won,
            _percent(one.to_json()["rate"]),
        )
        for one in found.months
    ]
    columns = ("month", "people", watched.label, "qualified", f"of them {watched.label}", "MQL to won")
    out.table(columns, rows, columns[1:])


def _tell_suggested(out: Output, watched: Watched, found: Suggested) -> None:
    out.line(f"{found.people} looks at people, {found.won} {watched.label}")
    columns = ("points", "axis", "what", "people", watched.label, "odds", "95 %", "confidence")
    rows = [
        (
            one.points,
            one.axis,
            one.words,
            one.people,
            one.won,
            one.odds,
            f"{one.low} to {one.high}",
            one.confidence,
        )
        for one in found.rules
    ]
    out.table(columns, rows, ("points", "people", watched.label, "odds"))
    for one in found.rules:
        out.line(one.toml)


def _tell_drift(out: Output, model: Model, found: Drift) -> None:
    out.line(f"{model.name}@{model.version}: since {iso_z(found.before)}", "bold")
    out.line(f"{found.people[0]} people then, {found.people[1]} now")
    for axis in found.axes:
        out.line(f"{axis.axis}: stability index {_figure(axis.psi)}, {axis.verdict}")
    for week in found.weeks:
        out.line(f"MQLs of the people seen in the week of {(iso_z(week.at) or '')[:10]}: {_rated(week.mqls)}")
    out.line(f"MQL to SQL: {_rated(found.to_sales)}")


def _rated(checked: Checked) -> str:
    words = f"{_percent(checked.rate)} ({checked.part} of {checked.whole})"
    if checked.band is None or checked.healthy is None:
        return words
    low, high = checked.band
    said = "healthy" if checked.healthy else "outside"
    return f"{words}, {said}: {100 * low:g} to {100 * high:g} %"


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.1f} %"


def _warn(out: Output, won: int, watched: Watched, leaking: tuple[Leak, ...] | list[Leak]) -> None:
    if won < FEW:
        out.warn(f"only {won} {watched.label}: below {FEW} these figures say little")
    for leak in leaking:
        out.warn(leak.words)
