"""What stands in deploy/ names only what exists: metrics, settings, exit codes, options."""

from __future__ import annotations

import json
import re
from pathlib import Path

from config.schema import variables
from config.sources import QUEUE_VARIABLE
from sync.cli.exits import EXIT_CODES
from sync.cli.main import COMMANDS
from sync.metrics import STATES, Metrics, WorkerMetrics
from sync.mirror.budget import BudgetView
from sync.reports import FeedCounts, RunReport
from sync.status import Status
from sync.stopping import GRACE
from sync.vitals import STUCK_AFTER, Notifier, Vitals
from tests.world import SimulatedWorld

ROOT = Path(__file__).resolve().parent.parent
RULES = (ROOT / "deploy" / "alerts.yml").read_text(encoding="utf-8")
BOARD = json.loads((ROOT / "deploy" / "grafana.json").read_text(encoding="utf-8"))
UNIT = (ROOT / "deploy" / "mqlsync.service").read_text(encoding="utf-8")
WORKER_UNIT = (ROOT / "deploy" / "mqlsync-worker.service").read_text(encoding="utf-8")
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
        reconciled={"at": 1, "classes": {"equal": 1}},
    )
    made = Metrics(lambda: status, Vitals(SimulatedWorld(), Notifier({})))
    made.ran(RunReport("r", pull={"hubspot": {"contacts": FeedCounts()}}))
    return names_on(made.text())


def worker_metrics() -> set[str]:
    """Those of workers."""
    return names_on(WorkerMetrics(Vitals(SimulatedWorld(), Notifier({}))).text())


def names_on(page: bytes) -> set[str]:
    """The names on a page of metrics."""
    return {
        f"{name}_total" if kind == "counter" and not name.endswith("_total") else name
        for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", page.decode(), re.MULTILINE)
        if not name.endswith("_created")
    }


def test_the_rules_ask_for_metrics_that_exist() -> None:
    asked = set(re.findall(r"\bmqlsync_[a-z_]+", RULES))
    assert asked
    assert asked <= metrics()
    assert set(re.findall(r'mqlsync_state\{state="(\w+)"\}', RULES)) <= set(STATES)
    for command in re.findall(r"mqlsync (status|plan|approve|failed|sla|reconcile)\b", RULES):
        assert command in COMMANDS
    assert f"> {STUCK_AFTER:.0f}" in RULES


def labels() -> dict[str, set[str]]:
    """Metric → its labels, as the reference tells them."""
    part = REFERENCE.partition("## Metrics")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(mqlsync_[a-z_]+)` \| (.*?) \|", part, re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", words)) for name, words in rows}


def test_the_board_asks_for_metrics_and_labels_that_exist() -> None:
    known, shown = labels(), set()
    for panel in BOARD["panels"]:
        for target in panel["targets"]:
            names = set(re.findall(r"\bmqlsync_[a-z_]+", target["expr"]))
            assert names <= metrics(), panel["title"]
            shown |= names
            offered = set.union(*(known[name] for name in names))
            asked = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            asked |= {
                word for text in re.findall(r"by \(([^)]*)\)", target["expr"]) for word in text.split(", ")
            }
            assert asked <= offered, panel["title"]
    assert shown == metrics(), "what nobody sees need not be measured"


def test_the_panels_of_the_board_do_not_overlap() -> None:
    places = [panel["gridPos"] for panel in BOARD["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(places)


def test_the_reference_tells_every_metric() -> None:
    part = REFERENCE.partition("## Metrics")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(mqlsync_[a-z_]+)", part, re.MULTILINE)) == metrics() | worker_metrics()


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


def test_the_unit_of_workers_fits_the_program() -> None:
    """The same confinement, and nothing but the names of what exists."""
    assert "mqlsync worker --config-dir" in WORKER_UNIT
    assert re.findall(r"LoadCredential=(MQLSYNC_\w+):", WORKER_UNIT) == [QUEUE_VARIABLE]
    assert WORKER_UNIT.partition("DynamicUser=")[2] == UNIT.partition("DynamicUser=")[2]
    (codes,) = re.findall(r"^RestartPreventExitStatus=(.*)$", WORKER_UNIT, re.MULTILINE)
    assert {int(code) for code in codes.split()} <= set(EXIT_CODES)
    (patience,) = re.findall(r"^TimeoutStopSec=(\d+)$", WORKER_UNIT, re.MULTILINE)
    assert int(patience) > GRACE
