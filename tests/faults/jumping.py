"""The real command in a process whose clock somebody sets: forwards, backwards, while it runs.

A file holds how far the clock is off, in seconds. What the product takes for the time, and what APScheduler
does, is the system's time and that; monotonic clocks go on as they do, as when an administrator sets a clock.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from multiprocessing.process import BaseProcess
from pathlib import Path

from config.world import RealWorld
from tests.faults.process import context

SHAPE = struct.Struct("d")


class Clock:
    """The test's hand on the clock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.off = 0.0
        self.set(0)

    @property
    def path(self) -> Path:
        """The file that the process looks into."""
        return self._path

    def set(self, off: float) -> None:
        """From now on the clock is off by that, in seconds."""
        new = self._path.with_suffix(".new")
        new.write_bytes(SHAPE.pack(off))
        new.replace(self._path)
        self.off = off


def start(argv: Sequence[str], environ: Mapping[str, str], clock: Clock, out: Path, err: Path) -> BaseProcess:
    """Start `mqlsync ARGV`; its output goes to these files."""
    process = context().Process(target=_main, args=(list(argv), dict(environ), clock.path, out, err))
    process.start()
    return process


def _main(argv: Sequence[str], environ: Mapping[str, str], clock: Path, out: Path, err: Path) -> None:
    from apscheduler.executors import base as executors
    from apscheduler.schedulers import base as schedulers
    from apscheduler.triggers import interval

    from sync.cli.main import main

    def off() -> timedelta:
        return timedelta(seconds=SHAPE.unpack(clock.read_bytes())[0])

    class Set(RealWorld):
        def now(self) -> datetime:
            return super().now() + off()

    class SetDatetime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + off()

    for module in (schedulers, executors, interval):
        module.datetime = SetDatetime
    with out.open("w", encoding="utf-8") as sys.stdout, err.open("w", encoding="utf-8") as sys.stderr:
        code = main(argv, world=Set(), environ=environ)
    os._exit(code)
