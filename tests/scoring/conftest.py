"""The databases that scoring is tested on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest
from sqlalchemy import Connection

from tests.postgres import Postgres
from tests.scoring.subject import database

Databases = Callable[[], AbstractContextManager[Connection]]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """Opens the empty tables that scoring reads, on either database; as often as wanted."""
    if request.param == "sqlite":
        yield database
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.new_database()
    yield partial(database, url)
    server.drop(url)
