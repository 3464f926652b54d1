"""The first schema."""

from __future__ import annotations

from alembic import op

from sync.mirror.migrations import METADATA

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table."""
    METADATA.create_all(op.get_bind())
