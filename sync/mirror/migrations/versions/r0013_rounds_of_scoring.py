"""Rounds of scoring."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let nothing be written back of those who were scored but their scores.

    Who is touched carries the number of the round that has to look; when time alone asks for a look stands
    with the score. Touched people of before are those of round 1, which no mirror has counted yet.
    """
    op.create_table(
        "unshown", sa.Column("person_id", sa.String(), nullable=False), sa.PrimaryKeyConstraint("person_id")
    )
    op.add_column("score", sa.Column("due_at", sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE score SET due_at = (SELECT p.due_at FROM person p WHERE p.person_id = score.person_id)"
    )
    op.create_index(
        "score_due",
        "score",
        ["due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.add_column("person", sa.Column("score_round", sa.Integer(), nullable=True))
    op.execute("UPDATE person SET score_round = CASE WHEN touched THEN 1 ELSE 0 END")
    op.drop_index("person_touched", table_name="person")
    op.drop_index("ix_person_due_at", table_name="person")
    with op.batch_alter_table("person", schema=None) as batch_op:
        batch_op.alter_column("score_round", existing_type=sa.Integer(), nullable=False)
        batch_op.drop_column("touched")
        batch_op.drop_column("due_at")
    op.create_index("ix_person_score_round", "person", ["score_round"])
    op.execute("INSERT INTO meta (key, value) SELECT 'people_went', 'yes' WHERE EXISTS (SELECT 1 FROM spell)")
