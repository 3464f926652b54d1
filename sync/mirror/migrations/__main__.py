"""`python -m sync.mirror.migrations "what changes"`: write the step from the last revision to the tables.

For developers, after a change in `sync.mirror.tables`. Read what it wrote before you commit it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory

from config.world import RealWorld
from sync.mirror.engine import Mirror
from sync.mirror.migrations import config_for, upgrade


def main(message: str) -> None:
    """Compare an empty database, migrated, with the tables, and write the difference as a new revision."""
    with tempfile.TemporaryDirectory() as folder:
        mirror = Mirror(f"sqlite:///{Path(folder) / 'mirror.db'}", RealWorld())
        with mirror.write() as conn:
            upgrade(conn)
            config = config_for(conn)
            head = ScriptDirectory.from_config(config).get_current_head() or "0000"
            command.revision(config, message, autogenerate=True, rev_id=f"{int(head) + 1:04}")
        mirror.close()


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "change the schema")
