"""Two steps of a value that goes back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Say which step of a change is under way that is made in two."""
    with op.batch_alter_table("intent", schema=None) as batch_op:
        batch_op.add_column(sa.Column("step", sa.String(), nullable=True))
