"""A site in which every reporting command has something to report, and a call of each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tests.unit.cli.test_on_sandbox import Site, made

Words = tuple[str, ...]

ANSWERLESS: Final = {"run", "worker", "demo"}
"""Processes that go on until somebody stops them, and the demo: test_demo.py, tests/acceptance/test_daemon.py
and tests/workers ask those."""
ACCOUNTS = """
queue_url = "postgresql://u@nowhere.invalid/d"
folder = "accounts"

[accounts.acme]
"""
"""Nothing answers there; tests/workers asks `accounts check` where something does."""


def lived(folder: Path) -> Iterator[Site]:
    """A plan was released, of which Salesforce refused its part; a day later. Beside it an accounts.toml."""
    for site in made(folder, people=60):
        site.sandbox.switches.sf_refused["Lead"] = ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Not today")
        assert site.run("sync").code == 6
        assert site.run("approve", "--yes").code in (0, 3)
        site.world.advance(86_400)
        (folder / "accounts" / "acme").mkdir(parents=True)
        for name in ("mqlsync.toml", "scoring.toml"):
            text = (folder / name).read_text(encoding="utf-8")
            (folder / "accounts" / "acme" / name).write_text(text, encoding="utf-8")
        (folder / "accounts.toml").write_text(ACCOUNTS, encoding="utf-8")
        yield site


def who(site: Site) -> dict[str, Any]:
    """An MQL with an address and a HubSpot contact."""
    people: list[dict[str, Any]] = site.json("people", "--stage", "mql")["people"]
    return next(
        one for one in people if one["emails"] and any(ref["crm"] == "hubspot" for ref in one["records"])
    )


def looking(site: Site, copy: Path) -> Mapping[str, Words]:
    """What each command is called with so that it changes nothing; `copy`: a file to write."""
    person = who(site)
    mql, email = person["person_id"], person["emails"][0]
    ambiguous = site.json("conflicts", "list")["ambiguous"][0]
    failed = site.json("failed", "list")["failed"]
    model = str(site.folder / "scoring.toml")
    return {
        "sync": ("-n",),
        "people": (),
        "plan": (),
        "status": (),
        "runs": (),
        "budget": (),
        "funnel": ("--by", "source"),
        "sla": ("--all",),
        "audit": (),
        "audit --verify": (),
        "doctor": (),
        "reconcile": (),
        "init": (),
        "completion": ("bash",),
        "person show": (mql,),
        "person explain": (mql,),
        "person timeline": (mql,),
        "person override": (mql, "--not-mql", "--reason", "a test", "--until", "2030-01-01", "-n"),
        "person demote": (mql, "--stage", "lead", "--reason", "a test", "-n"),
        "resync": (email, "-n"),
        "model lint": (),
        "model publish": ("-n",),
        "model diff": (model, model),
        "model backtest": (),
        "model suggest": (),
        "model drift": (),
        "failed list": (),
        "failed retry": ("--all", "-n"),
        "failed skip": (failed[0]["intent_id"], "--reason", "a test", "-n"),
        "conflicts list": (),
        "conflicts resolve": (
            ambiguous["person_id"], "--keep", ambiguous["records"][0]["id"], "--reason", "a test", "-n",
        ),
        "pause": ("hubspot", "--reason", "a test", "-n"),
        "resume": ("-n",),
        "undo": (site.json("runs")["runs"][-1]["run_id"], "-n"),
        "db migrate": (),
        "db backup": (str(copy),),
        "db restore": (str(copy), "-n"),
        "db restored": ("-n",),
        "db copy": (str(site.folder / "mirror.db"), str(copy) + ".moved", "-n"),
        "db verify": (),
        "db stats": (),
        "privacy find": (mql,),
        "privacy export": (mql,),
        "privacy erase": (mql, "-n"),
        "accounts list": (),
        "accounts check": (),
    }  # fmt: skip
