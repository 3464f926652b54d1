"""Shared fixtures."""

from tests.sandbox_fixture import sandbox, world

__all__ = ["sandbox", "world"]
