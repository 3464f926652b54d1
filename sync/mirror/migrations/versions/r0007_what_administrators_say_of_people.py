"""What administrators say of people; what the CRMs said when a spell was opened."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of overrides, and the column of spells."""
    op.create_table(
        "person_override",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_why", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_person_override_person_id"), "person_override", ["person_id"], unique=False)
    still_open = sa.text("ended_at IS NULL")
    op.create_index(
        "one_override",
        "person_override",
        ["person_id"],
        unique=True,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.add_column("spell", sa.Column("stage_before", sa.String(), nullable=True))
