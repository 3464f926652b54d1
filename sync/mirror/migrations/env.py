"""How Alembic runs our steps: on the connection and in the transaction that it is given."""

from __future__ import annotations

from alembic import context

from sync.mirror.migrations import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    # SQLite can undo changes of the schema; Alembic only supposes that it cannot
    transactional_ddl=True,
)
context.run_migrations()
