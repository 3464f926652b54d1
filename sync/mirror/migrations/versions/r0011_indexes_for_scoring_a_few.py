"""Indexes for scoring a few."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let small runs of scoring find what they need: who is touched, and what counts of what they did.

    On SQLite alone: PostgreSQL has no index over texts as long as an asset may be.
    """
    op.drop_index("ix_person_touched", table_name="person")
    op.create_index(
        "person_touched",
        "person",
        ["person_id"],
        sqlite_where=sa.text("touched IS 1"),
        postgresql_where=sa.text("touched"),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.drop_index("engagement_of_person", table_name="engagement")
        op.create_index(
            "engagement_to_score",
            "engagement",
            ["person_id", "kind", "occurred_at", "asset"],
            sqlite_where=sa.text("person_id IS NOT NULL"),
        )
