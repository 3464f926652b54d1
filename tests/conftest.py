"""Shared fixtures, and the patience that a busy machine needs."""

import signal

from hypothesis import HealthCheck, settings

from tests.databases import (
    database,
    pytest_configure,
    pytest_generate_tests,
    pytest_runtest_setup,
    pytest_runtest_teardown,
)
from tests.postgres import postgres, pytest_terminal_summary
from tests.sandbox_fixture import sandbox, world

__all__ = [
    "database",
    "postgres",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_runtest_setup",
    "pytest_runtest_teardown",
    "pytest_terminal_summary",
    "sandbox",
    "world",
]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started as `pytest … &` by a script
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
