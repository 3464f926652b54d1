"""Whether a mirror is of this version's schema, asked without changing it."""

from __future__ import annotations

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from sync.mirror.engine import Connection
from sync.mirror.migrations import config_for


def is_behind(conn: Connection) -> bool:
    """Whether a migration is due; True also for a database without any schema."""
    head = ScriptDirectory.from_config(config_for()).get_current_head()
    return MigrationContext.configure(conn).get_current_revision() != head
