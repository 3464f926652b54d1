"""The floor plan, as a test: who may import whom, and where each outside library lives."""

from __future__ import annotations

import ast
import functools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("config", "connectors", "scoring", "sync")

EDGES = {
    "config": set(),
    "connectors": {"config"},
    "scoring": {"config"},
    "sync": {"config", "connectors", "scoring"},
}
SCORING_MAY_USE = {"config.errors", "config.toml"}

# Inside sync each layer may use itself and those before it.
SYNC_LAYERS = (
    ("sync.core", "sync.reports", "sync.redaction"),
    ("sync.mirror",),
    ("sync.context", "sync.stopping", "sync.vitals"),
    ("sync.stages",),
    ("sync.pipeline", "sync.doctor"),
    ("sync.resync", "sync.privacy", "sync.chores", "sync.probe", "sync.status"),
    ("sync.requests",),
    ("sync.handover",),
    ("sync.app", "sync.reload"),
    ("sync.schedule",),
    ("sync.jobs",),
    (
        "sync.daemon",
        "sync.demo",
        "sync.breaks",
        "sync.sandbox_process",
        "sync.alerts",
        "sync.messengers",
        "sync.metrics",
    ),
    ("sync.health", "sync.turns"),
    ("sync.worker",),
    ("sync.cli",),
)

HOMES = {
    "simple_salesforce": {"connectors/salesforce/client.py", "connectors/salesforce/sign_in.py"},
    "hubspot": {"connectors/hubspot/client.py"},
    "requests": {"connectors/salesforce/client.py", "connectors/hubspot/client.py"},
    "urllib3": {"connectors/salesforce/client.py", "connectors/hubspot/client.py"},
    "tenacity": {"connectors/retry.py"},
    "apscheduler": {"sync/schedule.py"},
    "alembic": {"sync/mirror/"},
    "sqlmodel": {"sync/mirror/"},
    "sqlalchemy": {
        "sync/mirror/",
        "scoring/operators.py",
        "scoring/compile/",
        "scoring/dialect.py",
    },
    "sqlite3": {"sync/mirror/"},
    "msgspec": {"connectors/"},
    "pydantic": {"config/"},
    "pydantic_settings": {"config/"},
    "typer": {"sync/cli/"},
    "click": {"sync/cli/"},
    "rich": {"sync/cli/"},
    "prometheus_client": {"sync/metrics.py"},
    "procrastinate": {"sync/worker.py"},
    "psycopg": {"sync/mirror/", "sync/worker.py"},
    "random": {"config/world.py"},
    "uuid": {"config/world.py"},
}

CLOCK_CALLS = {"time.time", "time.sleep", "time.monotonic", "datetime.now", "datetime.utcnow", "date.today"}


@functools.cache
def modules() -> tuple[tuple[str, Path], ...]:
    """(dotted name, path) of every module of the product, the sandbox apart."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.append((name, path))
    return tuple(found)


@functools.cache
def source(path: Path) -> ast.Module:
    """A file as it was parsed once; not to be changed."""
    return ast.parse(path.read_text(encoding="utf-8"))


PRODUCT = [(name, path) for name, path in modules() if not name.startswith("connectors.sandbox")]
SANDBOX = [(name, path) for name, path in modules() if name.startswith("connectors.sandbox")]


def imports(path: Path, name: str, *, at_run_time: bool = False) -> Iterator[str]:
    """Every module that a file imports, absolute; `from a import b` gives `a.b` when that is a module.

    `at_run_time`: without those that only the type checker reads.
    """
    known = {module for module, _ in modules()}
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in nodes(source(path), at_run_time=at_run_time):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).strip(".")
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in known else base


def nodes(tree: ast.AST, *, at_run_time: bool) -> Iterator[ast.AST]:
    """Every node of a tree; `at_run_time`: without what stands under `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        is_for_types = (
            isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        )
        if not (at_run_time and is_for_types):
            yield node
            yield from nodes(node, at_run_time=at_run_time)


def top(module: str) -> str:
    return module.split(".")[0]


def test_the_rooms_are_the_ones_on_the_plan() -> None:
    assert {name for name, _ in modules() if "." not in name} == set(PACKAGES)


@pytest.mark.parametrize(("name", "path"), PRODUCT, ids=[name for name, _ in PRODUCT])
def test_packages_look_in_one_direction(name: str, path: Path) -> None:
    for used in imports(path, name):
        if top(used) not in PACKAGES or top(used) == top(name):
            continue
        assert top(used) in EDGES[top(name)], f"{name} may not import {used}"
        if top(name) == "scoring":
            assert used in SCORING_MAY_USE, f"{name} may not import {used}"


def layer(module: str) -> int | None:
    for number, prefixes in enumerate(SYNC_LAYERS):
        if any(module == prefix or module.startswith(prefix + ".") for prefix in prefixes):
            return number
    return None


@pytest.mark.parametrize(("name", "path"), [(n, p) for n, p in PRODUCT if n.startswith("sync.")], ids=str)
def test_layers_of_sync_look_down_only(name: str, path: Path) -> None:
    mine = layer(name)
    assert mine is not None, f"{name} is on no layer: name it in SYNC_LAYERS"
    for used in imports(path, name):
        theirs = layer(used)
        assert theirs is None or theirs <= mine, f"{name} looks up to {used}"


def test_core_is_pure() -> None:
    for name, path in PRODUCT:
        if not name.startswith("sync.core"):
            continue
        for used in imports(path, name):
            assert top(used) in {"config", "connectors", "sync"} or is_plain(used), f"{name} imports {used}"
            assert not used.startswith(("config.settings", "config.world")) or used == "config.settings", used


def is_plain(module: str) -> bool:
    """Standard-library modules without a database, a network or a clock."""
    if module == "urllib.parse":
        return True
    return top(module) not in {"socket", "sqlite3", "time", "requests", "sqlalchemy", "urllib", "http", "os"}


@pytest.mark.parametrize(("name", "path"), PRODUCT, ids=[name for name, _ in PRODUCT])
def test_libraries_stay_at_home(name: str, path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    for used in imports(path, name):
        homes = HOMES.get(top(used))
        if homes is None:
            continue
        at_home = any(place == home or (home.endswith("/") and place.startswith(home)) for home in homes)
        assert at_home, f"{place} imports {used}; its home is {', '.join(sorted(homes))}"


@pytest.mark.parametrize(("name", "path"), PRODUCT, ids=[name for name, _ in PRODUCT])
def test_only_the_world_knows_the_time(name: str, path: Path) -> None:
    if name == "config.world":
        return
    for node in ast.walk(source(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            call = f"{ast.unparse(node.func.value).rpartition('.')[2]}.{node.func.attr}"
            assert call not in CLOCK_CALLS, f"{name}:{node.lineno} asks the system for the time"


def test_the_product_never_imports_the_sandbox() -> None:
    for name, path in PRODUCT:
        assert not any(used.startswith("connectors.sandbox") for used in imports(path, name)), name


def test_the_sandbox_shares_nothing_with_the_product() -> None:
    for name, path in SANDBOX:
        for used in imports(path, name):
            ours = top(used) in PACKAGES and not used.startswith("connectors.sandbox")
            assert not ours, f"{name} imports {used}: one mistake would cancel the other"


def test_there_are_no_import_cycles() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    known = {name for name, _ in modules()}
    for name, path in modules():
        graph[name] = {
            used for used in imports(path, name, at_run_time=True) if used in known and used != name
        }
    state: dict[str, int] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        state[name] = 1
        for used in sorted(graph[name]):
            assert state.get(used) != 1, " → ".join([*trail, name, used])
            if used not in state:
                visit(used, (*trail, name))
        state[name] = 2

    for name in sorted(graph):
        if name not in state:
            visit(name, ())


def test_every_test_folder_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert all((folder / "__init__.py").exists() for folder in folders)
