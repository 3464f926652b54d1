"""Shared fixtures."""

from tests.postgres import postgres
from tests.sandbox_fixture import sandbox, world

__all__ = ["postgres", "sandbox", "world"]
