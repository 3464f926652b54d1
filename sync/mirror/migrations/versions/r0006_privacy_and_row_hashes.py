"""Privacy and row hashes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Part the words of the audit from its chain, and make room for row hashes, marks and copies.

    The words of an older audit go to `audit_detail` as they are; the fact `audit.old_chain` asks for the
    chain to be carried over (`sync.mirror.audit.carry`), which needs this mirror's key.
    """
    op.create_table(
        "audit_detail",
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("salt", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("n"),
    )
    op.create_index("ix_audit_detail_subject", "audit_detail", ["subject"])
    op.create_table(
        "data_copy",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_data_copy_person_id", "data_copy", ["person_id"])
    op.create_table(
        "erased_mark",
        sa.Column("mark", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mark"),
    )
    for table in ("audit", "feed_cursor", "intent"):
        op.add_column(table, sa.Column("row_hash", sa.BigInteger(), nullable=True))
    op.execute("INSERT INTO audit_detail (n, subject, detail, salt) SELECT n, subject, detail, '' FROM audit")
    op.execute(
        "INSERT INTO meta (key, value) SELECT 'audit.old_chain', '1' WHERE EXISTS (SELECT 1 FROM audit)"
    )
