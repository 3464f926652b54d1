"""Find the record types in use by an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index the records that have a type."""
    typed = sa.text("record_type IS NOT NULL")
    op.create_index(
        "record_of_type",
        "person_record",
        ["crm", "object", "record_type"],
        sqlite_where=typed,
        postgresql_where=typed,
    )
