"""The steps from an empty database to today's schema (Alembic), run inside one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

import sync.mirror.tables  # noqa: F401 (fills the metadata)
from sync.mirror import rowhash

METADATA = SQLModel.metadata
ONE_AT_A_TIME: Final = threading.Lock()
"""Alembic keeps what it is at in a global of its module; a process may bring several mirrors up to date."""
IN_LOCALE_ORDER: Final = text(
    "SELECT table_name, column_name FROM information_schema.columns "
    "JOIN information_schema.tables USING (table_schema, table_name) "
    "WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' AND collation_name IS NULL "
    "AND data_type IN ('character varying', 'text') AND table_name <> 'alembic_version' "
    "ORDER BY table_name, ordinal_position"
)


def belongs_to(dialect: str) -> Callable[..., bool]:
    """For Alembic's `include_object`: everything but the indexes that only another database has."""

    def included(item: Any, _name: str | None, kind: str, reflected: bool, _other: Any) -> bool:
        return kind != "index" or reflected or item.info.get("only") in (None, dialect)

    return included


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
    with ONE_AT_A_TIME:
        command.upgrade(config, "head")
    if conn.dialect.name == "postgresql":
        _order_by_bytes(conn)
    return None


def _order_by_bytes(conn: Connection) -> None:
    """Give the text columns that have none the collation of SQLite: by bytes, whatever the server's locale.

    So both databases sort and page alike, and an index serves for "begins with".
    """
    tables: dict[str, list[str]] = {}
    for table, column in conn.execute(IN_LOCALE_ORDER):
        tables.setdefault(table, []).append(f'ALTER COLUMN "{column}" TYPE VARCHAR COLLATE "C"')
    for table, changes in tables.items():
        conn.execute(text(f'ALTER TABLE "{table}" {", ".join(changes)}'))
