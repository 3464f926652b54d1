"""`python -m sync.cli.unplugged JSON …`: mqlsync in a world in which somebody pulls the plug.

Only `mqlsync demo --break` starts it. JSON is {"offset": SECONDS, "kill_at": [FAILPOINT, N]}: its clock is
shifted by so much, and it ends by SIGKILL at its Nth arrival at the failpoint; N 0 lets it live. The rest is
a command line as any other.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta

from config.world import RealWorld
from sync.cli.main import main


class Unplugged(RealWorld):
    """A real world that ends when the process reaches a failpoint."""

    def __init__(self, offset: float, kill_at: str, arrival: int) -> None:
        super().__init__(timedelta(seconds=offset))
        self._kill_at = kill_at
        self._left = arrival

    def reached(self, failpoint: str) -> None:
        """No handler runs and nothing is flushed, as when the machine loses power."""
        if failpoint != self._kill_at:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def run(argv: Sequence[str]) -> int:
    """One command line; the exit code."""
    told = json.loads(argv[0])
    name, arrival = told["kill_at"]
    return main(argv[1:], world=Unplugged(float(told["offset"]), str(name), int(arrival)))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
