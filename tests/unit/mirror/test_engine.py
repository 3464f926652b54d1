"""Transactions, on either database."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from config.errors import ConfigError
from sync.mirror.engine import Mirror
from tests.world import SimulatedWorld


def test_a_block_that_raises_leaves_nothing(mirror: Mirror) -> None:

    def insert_and_stop() -> None:
        with mirror.write() as conn:
            conn.execute(text("INSERT INTO meta VALUES ('a', 'b')"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        insert_and_stop()
    with mirror.read() as conn:
        assert conn.execute(text("SELECT count(*) FROM meta")).scalar() == 0


def test_a_reader_sees_one_state(mirror: Mirror) -> None:
    with mirror.read() as reader:
        assert reader.execute(text("SELECT count(*) FROM meta")).scalar() == 0
        with mirror.write() as writer:
            writer.execute(text("INSERT INTO meta VALUES ('a', 'b')"))
        assert reader.execute(text("SELECT count(*) FROM meta")).scalar() == 0


def test_a_write_inside_a_write_is_our_mistake(mirror: Mirror) -> None:
    with mirror.write(), pytest.raises(RuntimeError), mirror.write():
        pass
    with mirror.write():
        pass  # and the mistake blocks nothing


def test_writers_in_threads_take_turns(mirror: Mirror) -> None:
    with mirror.write() as conn:
        conn.execute(text("INSERT INTO meta VALUES ('n', '0')"))

    def count() -> None:
        for _ in range(20):
            with mirror.write() as conn:
                n = int(conn.execute(text("SELECT value FROM meta")).scalar_one())
                conn.execute(text("UPDATE meta SET value = :n"), {"n": str(n + 1)})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with mirror.read() as conn:
        assert conn.execute(text("SELECT value FROM meta")).scalar() == "80"


@pytest.mark.parametrize("url", ["nonsense", "mysql://localhost/x", "sqlite://", "sqlite:///:memory:"])
def test_urls_that_cannot_be_a_mirror(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Mirror(url, SimulatedWorld())
    assert "database_url" in str(caught.value)


def test_errors_do_not_repeat_what_was_stored(mirror: Mirror) -> None:
    query = text("INSERT INTO meta (key, value) VALUES (:key, :value)")
    row = {"key": "ann@secret.test", "value": "x"}
    with pytest.raises(IntegrityError) as caught, mirror.write() as conn:
        conn.execute(query, [row, row])
    assert "secret" not in str(caught.value)
