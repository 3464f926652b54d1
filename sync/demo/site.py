"""Where the demo takes place: a fresh folder, and a pool of people who may own records in both CRMs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from config.load import load
from config.paths import MODEL_FILE, SETTINGS_FILE, sqlite_url
from config.templates import template
from config.world import World
from sync.app import build
from sync.context import App

DEMO_FILE: Final = "demo.toml"
REPRESENTATIVES: Final = 3
"""How many of the CRMs' users take turns in the demo's pool."""
COMPETITORS: Final = ("rivalsoft-crm.com", "leadgrinder.de")
"""Domains in the simulated population whose people are not to be sold to."""


def may_replace(folder: Path) -> bool:
    """Whether nothing but a former demo is in the folder; a new one takes the place of everything there."""
    if not folder.exists():
        return True
    if not folder.is_dir():
        return False
    settings = folder / SETTINGS_FILE
    first = template(DEMO_FILE).partition("\n")[0]
    is_demo = settings.is_file() and first in settings.read_text(encoding="utf-8", errors="replace")
    return is_demo or not any(folder.iterdir())


def opened(folder: Path, environ: Mapping[str, str], world: World) -> App:
    """The product on a fresh folder, with three of the CRMs' users in a pool."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "lists").mkdir(parents=True, mode=0o700)
    (folder / MODEL_FILE).write_text(template(MODEL_FILE), encoding="utf-8")
    (folder / "lists" / "competitors.txt").write_text("\n".join(COMPETITORS) + "\n", encoding="utf-8")
    (folder / SETTINGS_FILE).write_text(template(DEMO_FILE).replace("@MEMBERS@", ""), encoding="utf-8")
    environ = {**environ, "MQLSYNC_DATABASE_URL": sqlite_url(folder / "mirror.db")}
    with build(load(folder, environ), world, folder) as app:
        members = ", ".join(f'{{ email = "{email}" }}' for email in _emails(app))
    database = f'database_url = "{environ["MQLSYNC_DATABASE_URL"]}"\n\n'
    settings = database + template(DEMO_FILE).replace("@MEMBERS@", members)
    (folder / SETTINGS_FILE).write_text(settings, encoding="utf-8")
    return build(load(folder, environ), world, folder)


def _emails(app: App) -> list[str]:
    """Addresses of active people who may own records in both CRMs."""
    found: list[set[str]] = []
    for connector in app.connectors.values():
        connector.sign_in()
        owners = (o for o in connector.owners() if o.active and o.kind == "person" and o.email)
        found.append({(owner.email or "").lower() for owner in owners})
    return sorted(set.intersection(*found))[:REPRESENTATIVES]


def representatives(app: App, crm: str) -> list[str]:
    """Owner ids of active people in one CRM."""
    owners = app.connectors[crm].owners()
    return sorted(owner.id for owner in owners if owner.active and owner.kind == "person")
