"""Every JSON answer fits the reference: no key that it does not tell of, none missing at the top."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import reference
from tests.unit.cli.test_on_sandbox import Site, made

OPEN = {"report", "pull", "run", "person", "tables", "detail", "fresh_seconds", "score", "mql", "classes"}
"""Keys whose value is told elsewhere, or whose keys are names of CRMs, objects, tables or classes."""
NAMED = {"rows", "budget", "lift"}
"""Keys whose value is keyed by names, one level deep."""
OPTIONAL = {
    "account", "file", "rows", "people", "erased", "complete", "tables", "parts", "order", "write",
    "override",
}  # fmt: skip
"""Keys that only some answers of the command have."""
UNTOLD = {"run", "worker", "demo", "accounts list", "accounts check", "person release"}
"""No answer, or one that is told with its own page."""


def told() -> dict[str, tuple[set[str], set[str]]]:
    """Command → (keys at the top, keys anywhere) of its example."""
    block = reference.REFERENCE.read_text(encoding="utf-8").partition("```jsonc\n")[2].partition("```")[0]
    found = {}
    for part in re.split(r"\n?^// mqlsync ", block, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        top: set[str] = set()
        depth = 0
        for token in re.finditer(r'"([a-z_0-9]+)":|[\[\]{}]', body):
            if token[1]:
                top |= {token[1]} if depth == 1 else set()
            else:
                depth += 1 if token[0] in "[{" else -1
        every = set(re.findall(r'"([a-z_0-9]+)":', body))
        others = re.search(r"\(also ([^)]*)\)", head)
        names = [re.sub(r" (WHO|WHAT|FILE|FROM TO|A B|--dry-run|--json).*", "", head)]
        names = [f"{names[0]} {flag}" if (flag := _flag(head)) else names[0]]
        for name in others[1].split(", ") if others else []:
            names.append(f"{name} {flag}" if flag else name)
        for name in names:
            found[name] = (top, every)
    return found


def _flag(head: str) -> str:
    return next((flag for flag in ("--dry-run",) if flag in head.partition("--json")[0]), "")


def keys(value: Any, inside: str = "") -> Iterator[str]:
    """Every key of an answer, but those that are names."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            if inside not in NAMED:
                yield name
            if name not in OPEN:
                yield from keys(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from keys(one, inside)


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Site]:
    """A site whose first plan was carried out."""
    for site in made(tmp_path_factory.mktemp("answers"), people=60):
        assert site.run("sync").code == 6
        assert site.run("approve", "--yes").code in (0, 3)
        site.world.advance(86_400)
        yield site


def test_every_command_that_answers_is_told() -> None:
    commands = {path.removeprefix("mqlsync ") for path, _ in reference.commands()}
    assert commands - set(told()) - UNTOLD == set()
    assert {name.removesuffix(" --dry-run").removesuffix(" --verify") for name in told()} <= commands


@pytest.mark.sqlite("the same queries answer on either database; here it is about their keys")
def test_every_answer_fits_what_is_told(synced: Site, tmp_path: Path) -> None:
    mql = next(one for one in synced.json("people", "--stage", "mql")["people"] if one["emails"])
    who, run_id, copy = mql["person_id"], synced.json("runs")["runs"][-1]["run_id"], str(tmp_path / "c.db")
    calls: dict[str, tuple[str, ...]] = {
        "sync": ("-n",),
        "people": (),
        "plan": (),
        "status": (),
        "runs": (),
        "budget": (),
        "funnel": ("--by", "source"),
        "sla": (),
        "audit": (),
        "doctor": (),
        "reconcile": (),
        "init": (),
        "person show": (who,),
        "person explain": (who,),
        "person timeline": (who,),
        "person override": (who, "--mql", "--reason", "a test", "--until", "2030-01-01", "-n"),
        "resync": (mql["emails"][0], "-n"),
        "model lint": (),
        "model publish": ("-n",),
        "model diff": ("scoring.toml", "scoring.toml"),
        "model backtest": (),
        "model suggest": (),
        "model drift": (),
        "failed list": (),
        "failed retry": ("--all", "-n"),
        "conflicts list": (),
        "pause": ("hubspot", "--reason", "a test", "-n"),
        "resume": ("-n",),
        "undo": (run_id, "-n"),
        "db migrate": (),
        "db backup": (copy,),
        "db restore": (copy, "-n"),
        "db verify": (),
        "db stats": (),
        "privacy find": (who,),
        "privacy export": (who,),
        "privacy erase": (who, "-n"),
    }
    answers = told()
    faults = []
    for name, words in calls.items():
        given = [str(synced.folder / word) if word.endswith(".toml") else word for word in words]
        ran = synced.run(*name.split(), *given, "--json")
        answer = json.loads(ran.out)
        top, every = answers[name]
        faults += [f"{name}: {key} is not told" for key in sorted(set(keys(answer)) - every)]
        faults += [f"{name}: {key} is not there" for key in sorted(top - OPTIONAL - set(answer))]
    assert faults == [], "\n".join(faults)
