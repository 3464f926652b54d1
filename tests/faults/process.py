"""The real command in a process of its own, in a world that pulls the plug at a chosen moment.

Processes are forked from a server that has loaded the product once, so that hundreds of them are cheap; what
runs in them is `sync.cli.main.main`, with real sockets, a real database file and a real SIGKILL.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path

from config.world import RealWorld

KILLED = -signal.SIGKILL


class PulledPlug(RealWorld):
    """A real world in which the process dies at its n-th arrival at a failpoint, `names` counted alone."""

    def __init__(self, arrival: int | None, names: Sequence[str] = (), log: Path | None = None) -> None:
        super().__init__()
        self._left = arrival
        self._names = frozenset(names)
        self._log = log

    def reached(self, failpoint: str) -> None:
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(failpoint + "\n")
        if self._left is None or (self._names and failpoint not in self._names):
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def run_main(
    argv: Sequence[str],
    environ: Mapping[str, str],
    arrival: int | None,
    names: Sequence[str],
    log: Path | None,
    output: Path,
) -> None:
    """What the process does: the command, its output into a file."""
    from sync.cli.main import main

    with output.open("w", encoding="utf-8") as file:
        sys.stdout = sys.stderr = file
        code = main(argv, world=PulledPlug(arrival, names, log), environ=environ)
        file.flush()
    os._exit(code)


def context() -> ForkServerContext:
    """Where processes are forked from."""
    found = multiprocessing.get_context("forkserver")
    commands = ["sync.cli.main", "sync.cli.passes", "sync.cli.working", "sync.worker"]
    found.set_forkserver_preload(["tests.faults.process", *commands])
    return found


def mqlsync(
    argv: Sequence[str],
    environ: Mapping[str, str],
    output: Path,
    *,
    kill_at: int | None = None,
    names: Sequence[str] = (),
    log: Path | None = None,
    timeout: float = 60.0,
) -> int:
    """Run the command; returns its exit code, KILLED when the plug was pulled.

    `kill_at`: die at that arrival (from 1) at one of the failpoints `names`, all of them when empty. `log`
    collects the failpoints passed.
    """
    process = context().Process(target=run_main, args=(argv, dict(environ), kill_at, names, log, output))
    process.start()
    process.join(timeout)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise AssertionError(f"mqlsync {' '.join(argv)} did not end in {timeout} s")
    return process.exitcode
