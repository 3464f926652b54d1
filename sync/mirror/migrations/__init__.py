"""The steps from an empty database to today's schema (Alembic), run inside one transaction."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

import sync.mirror.tables  # noqa: F401 (fills the metadata)
from sync.mirror import rowhash

METADATA = SQLModel.metadata


def config_for(conn: Connection | None = None) -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "r%%(rev)s_%%(slug)s")
    config.attributes["connection"] = conn
    return config


def upgrade(conn: Connection) -> tuple[str, str] | None:
    """Bring the schema to the newest revision within the caller's transaction.

    Returns (found, newest known) and does nothing when the database is at a revision that is not ours.
    """
    config = config_for(conn)
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head() or ""
    found = MigrationContext.configure(conn).get_current_revision()
    if found == head or not head:
        return None
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        return found, head
    rowhash.drop(conn)
    command.upgrade(config, "head")
    return None
