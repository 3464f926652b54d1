"""Refused owners, records without an owner, and the clock of hand-offs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the three tables of owner routing."""
    op.create_table(
        "hand_off",
        sa.Column("spell_id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("touched_at", sa.BigInteger(), nullable=True),
        sa.Column("touched_by", sa.String(), nullable=True),
        sa.Column("judged", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("spell_id"),
    )
    op.create_index(op.f("ix_hand_off_person_id"), "hand_off", ["person_id"], unique=False)
    op.create_table(
        "refused_owner",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "crm", "owner_id"),
    )
    op.create_table(
        "unrouted_record",
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("crm", "object", "record_id"),
    )
    op.create_index(op.f("ix_unrouted_record_person_id"), "unrouted_record", ["person_id"], unique=False)
