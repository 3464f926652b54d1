"""Is there room for the database to grow? SQLite says so only where the whole file system is full.

A quota of the user, or a limit on the size of files, it reports as a failed write like a broken disk.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import tempfile
from pathlib import Path
from typing import Final

SOME: Final = 256 * 1024  # bytes that a commit may need
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def no_room(database: Path) -> bool:
    """Whether a write to this database fails for want of room, as far as one can tell from here."""
    try:
        if shutil.disk_usage(database.parent).free < SOME or _at_limit(database):
            return True
        with tempfile.TemporaryFile(dir=database.parent) as file:
            os.posix_fallocate(file.fileno(), 0, SOME)
    except OSError as error:
        return error.errno in NO_ROOM
    return False


def _at_limit(database: Path) -> bool:
    """Whether one of the database's files is as large as a process may make one."""
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit == resource.RLIM_INFINITY:
        return False
    files = (database, database.with_name(database.name + "-wal"))
    return any(file.exists() and file.stat().st_size + SOME > limit for file in files)
