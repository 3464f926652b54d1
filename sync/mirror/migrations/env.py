"""How Alembic runs our steps: on the connection and in the transaction that it is given."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from sqlmodel.sql.sqltypes import AutoString

from sync.mirror.migrations import METADATA, belongs_to


def render(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Steps name SQLAlchemy's own types alone: they outlive the tables of their day."""
    return "sa.String()" if kind == "type" and isinstance(item, AutoString) else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    include_object=belongs_to(connection.dialect.name),
    target_metadata=METADATA,
    render_item=render,
    render_as_batch=True,
    # SQLite can undo changes of the schema; Alembic only supposes that it cannot
    transactional_ddl=True,
)
context.run_migrations()
