"""Whether there is room for a database, by a limit that this process has."""

from __future__ import annotations

import resource
from pathlib import Path

from sync.mirror import room
from sync.mirror.room import SOME, no_room


def test_there_is_room_until_a_limit_says_no(tmp_path: Path) -> None:
    database = tmp_path / "mirror.db"
    database.write_bytes(b"x" * SOME)
    assert not no_room(database)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SOME - 1, before[1]))
    try:
        assert no_room(database)
        assert no_room(tmp_path / "other.db"), "not even a new file may be so large"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == [database]


def test_a_folder_that_is_gone_is_another_trouble(tmp_path: Path) -> None:
    assert not room.no_room(tmp_path / "gone" / "mirror.db")
