"""What `demo --break` breaks: where a real process of mqlsync is killed, or what the CRMs do to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol

SALESFORCE_WRITES: Final = {
    "crm": "salesforce",
    "method": "PATCH|POST",
    "path": "/sobjects/(Lead|Contact)/|/composite",
    "body_match": "MQL|OwnerId",
}
HUBSPOT_WRITES: Final = {"crm": "hubspot", "method": "PATCH|POST", "path": "/contacts/batch/update$"}
PROJECT: Final = Path(__file__).resolve().parent.parent
PATIENCE: Final = 300.0  # seconds for one process
TRIES: Final = 4
"""So many passes may follow a break before everything must be settled."""

Fault = Mapping[str, Any]


def _everywhere(**how: Any) -> tuple[Fault, ...]:
    """The same fault for the writes of both CRMs."""
    return ({**SALESFORCE_WRITES, **how}, {**HUBSPOT_WRITES, **how})


def _refusal(status: int, salesforce: str, hubspot: Mapping[str, str]) -> tuple[Fault, ...]:
    """An answer of that status in the form of each CRM, until the fault is taken away."""
    said: Mapping[str, Any] = {"kind": "status", "status": status, "skip": 2, "count": None}
    return (
        {**SALESFORCE_WRITES, **said, "body": [{"message": salesforce, "errorCode": salesforce}]},
        {**HUBSPOT_WRITES, **said, "status": 401 if status == 401 else 429, "body": hubspot},
    )


@dataclass(frozen=True, slots=True)
class Break:
    """One way to disturb the writing of a plan.

    `kills`: a process dies at each of these failpoints, at that arrival, one after the other. `faults`: what
    the CRMs do to the first one. `edits`: a person edits records between our reads and our writes. `wait`:
    how much later each next pass comes.
    """

    told: str
    kills: tuple[tuple[str, int], ...] = ()
    faults: tuple[Fault, ...] = ()
    edits: bool = False
    wait: timedelta = timedelta(minutes=10)


BREAKS: Final[Mapping[str, Break]] = {
    "kill9": Break(
        "kill -9 while it writes, three times: just before it sends, when the CRM has answered and nothing "
        "of it is noted, and while the proof is being noted",
        kills=(("write.marked_sent", 1), ("write.answered", 3), ("write.verified_uncommitted", 3)),
    ),
    "timeout": Break(
        "both CRMs do what they are asked, and the answer never arrives",
        faults=_everywhere(kind="drop_after"),
    ),
    "html": Break(
        "both CRMs do what they are asked, and answer with a web page",
        faults=_everywhere(kind="html", status=200, after=True),
    ),
    "quota": Break(
        "in the middle of the writing both CRMs say that the calls of the day are spent",
        faults=_refusal(
            403,
            "REQUEST_LIMIT_EXCEEDED",
            {
                "status": "error",
                "errorType": "RATE_LIMIT",
                "policyName": "DAILY",
                "message": "You have reached your daily limit.",
            },
        ),
        wait=timedelta(hours=25),
    ),
    "token": Break(
        "both tokens are revoked in the middle of the writing, and given back ten minutes later",
        faults=_refusal(
            401,
            "INVALID_SESSION_ID",
            {"status": "error", "category": "INVALID_AUTHENTICATION", "message": "Authentication failed."},
        ),
    ),
    "edit": Break("a person edits records between our read and our write", edits=True),
}
"""Names of `--break`."""


class Crms(Protocol):
    """What a break asks of the simulated CRMs (`sync.sandbox_process.SandboxProcess`)."""

    @property
    def environ(self) -> dict[str, str]:
        """The variables that point mqlsync at them."""
        ...

    def fault(self, **fault: Any) -> None:
        """Let one thing go wrong."""
        ...

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        ...


@dataclass(frozen=True, slots=True)
class Ended:
    """How one process of mqlsync ended: what it was called with, and the words for its end."""

    call: str
    how: str


def processes(
    chosen: Break, crms: Crms, folder: Path, first: Sequence[str], offset: timedelta
) -> Iterator[Ended]:
    """Run `first`, broken, then passes; each result as it comes. The caller moves the clock and may stop."""
    for fault in chosen.faults:
        crms.fault(**fault)
    for number in range(len(chosen.kills) + TRIES):
        argv = list(first) if number == 0 else ["sync", "--json"]
        kill_at = chosen.kills[number] if number < len(chosen.kills) else ("", 0)
        shift = offset + number * chosen.wait
        yield _process(argv, crms.environ, folder, shift, kill_at)
        if number == 0:
            crms.heal()


def _process(
    argv: Sequence[str], environ: Mapping[str, str], folder: Path, offset: timedelta, kill_at: tuple[str, int]
) -> Ended:
    """One real process, killed at a failpoint if one is named."""
    told = json.dumps({"offset": offset.total_seconds(), "kill_at": kill_at})
    command = [sys.executable, "-m", "sync.cli.unplugged", told, "--config-dir", str(folder), *argv]
    done = subprocess.run(  # noqa: S603 (our own module)
        command,
        cwd=PROJECT,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    call = "mqlsync " + " ".join(word for word in argv if word != "--json")
    how = f"killed at {kill_at[0]}" if done.returncode < 0 else f"ended with {done.returncode}"
    return Ended(call, how)
