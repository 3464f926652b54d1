"""What stands in deploy/ names only what exists: metrics, settings, exit codes, options."""

from __future__ import annotations

import re
from pathlib import Path

from config.schema import variables
from sync.cli.exits import EXIT_CODES
from sync.cli.main import COMMANDS
from sync.metrics import STATES, Metrics
from sync.mirror.budget import BudgetView
from sync.reports import FeedCounts, RunReport
from sync.status import Status
from sync.stopping import GRACE
from sync.vitals import STUCK_AFTER, Notifier, Vitals
from tests.world import SimulatedWorld

ROOT = Path(__file__).resolve().parent.parent
RULES = (ROOT / "deploy" / "alerts.yml").read_text(encoding="utf-8")
UNIT = (ROOT / "deploy" / "mqlsync.service").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")


def metrics() -> set[str]:
    """The names of all metrics, as they are served."""
    status = Status(
        "ok",
        [],
        {"hubspot": 1},
        0,
        0,
        0,
        0,
        books_balance=True,
        budget={"hubspot": BudgetView(1, 2, 0, None)},
    )
    made = Metrics(lambda: status, Vitals(SimulatedWorld(), Notifier({})))
    made.ran(RunReport("r", pull={"hubspot": {"contacts": FeedCounts()}}))
    return {
        f"{name}_total" if kind == "counter" and not name.endswith("_total") else name
        for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", made.text().decode(), re.MULTILINE)
        if not name.endswith("_created")
    }


def test_the_rules_ask_for_metrics_that_exist() -> None:
    asked = set(re.findall(r"\bmqlsync_[a-z_]+", RULES))
    assert asked
    assert asked <= metrics()
    assert set(re.findall(r'mqlsync_state\{state="(\w+)"\}', RULES)) <= set(STATES)
    for command in re.findall(r"mqlsync (status|plan|approve|failed)\b", RULES):
        assert command in COMMANDS
    assert f"> {STUCK_AFTER:.0f}" in RULES


def test_the_reference_tells_every_metric() -> None:
    part = REFERENCE.partition("## Metrics")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(mqlsync_[a-z_]+)", part, re.MULTILINE)) == metrics()


def test_the_unit_fits_the_program() -> None:
    known = variables()
    for name in re.findall(r"MQLSYNC_[A-Z_]+(?==|:)", UNIT):
        assert name in known
    for name in re.findall(r"LoadCredential=(\w+):", UNIT):
        assert known[name].secret
    (codes,) = re.findall(r"^RestartPreventExitStatus=(.*)$", UNIT, re.MULTILINE)
    assert {int(code) for code in codes.split()} <= set(EXIT_CODES)
    (patience,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)
    assert int(patience) > GRACE
