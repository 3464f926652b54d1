"""The two simulated CRMs as a process of their own: started for the demo, ended by closing its input.

The product never imports the sandbox; it talks to it as to any CRM, and to its control port for what a
demo needs besides: the clock, edits by people, the ledger that judges us.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

PROJECT: Final = Path(__file__).resolve().parent.parent
TIMEOUT: Final = 60.0  # seconds for one control request


class SandboxFailed(RuntimeError):
    """The sandbox did not start or did not do what it was asked."""


class SandboxProcess:
    """A running `python -m connectors.sandbox`; ends with the block that opened it."""

    def __init__(self, *, seed: int, people: int, days: int, future: int, offset: float) -> None:
        command = [sys.executable, "-m", "connectors.sandbox", "--json"]
        for name, value in (("seed", seed), ("people", people), ("days", days), ("future", future)):
            command += [f"--{name}", str(value)]
        command.append(f"--offset={offset}")
        self._process = subprocess.Popen(  # noqa: S603 (our own module, numbers as arguments)
            command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._told = self._first_line()

    def _first_line(self) -> Mapping[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise SandboxFailed(f"the sandbox ended with {self._process.wait()} before it was ready")
        told: Mapping[str, Any] = json.loads(line)
        return told

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(timeout=10)
        if self._process.stdout:
            self._process.stdout.close()

    @property
    def environ(self) -> dict[str, str]:
        """The variables that point mqlsync at this sandbox."""
        salesforce, hubspot = self._told["credentials"]["salesforce"], self._told["credentials"]["hubspot"]
        return {
            "MQLSYNC_SALESFORCE__LOGIN_URL": self._told["salesforce_url"],
            "MQLSYNC_SALESFORCE__CLIENT_ID": salesforce["client_id"],
            "MQLSYNC_SALESFORCE__CLIENT_SECRET": salesforce["client_secret"],
            "MQLSYNC_HUBSPOT__BASE_URL": self._told["hubspot_url"],
            "MQLSYNC_HUBSPOT__ACCESS_TOKEN": hubspot["access_token"],
        }

    def set_offset(self, seconds: float) -> None:
        """How far its clock is from the system's; what is due by then happens."""
        self._control("/clock", {"offset": seconds})

    def edit(self, crm: str, object_name: str, record_id: str, fields: Mapping[str, str]) -> None:
        """A person changes a record in the CRM's own screen, now."""
        self._control("/edit", {"crm": crm, "object": object_name, "id": record_id, "fields": fields})

    def edit_before_write(
        self, crm: str, object_name: str, record_id: str, fields: Mapping[str, str], paths: str
    ) -> None:
        """A person changes a record after our next write to it was sent and before it takes effect."""
        match = {"crm": crm, "method": "PATCH|POST", "path": paths, "body": record_id}
        action = {"action": "edit", "crm": crm, "object": object_name, "id": record_id, "fields": fields}
        self._control("/steps", {"when": "before", "match": match, "do": action})

    def fault(self, **fault: Any) -> None:
        """Let one thing go wrong: the keywords of the sandbox's `Faults.arm`."""
        self._control("/faults", fault)

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        self._control("/faults", {"disarm": True})

    def ledger(self, since: int = 0) -> Sequence[Mapping[str, Any]]:
        """What really happened in the CRMs, after entry number `since`."""
        entries: Sequence[Mapping[str, Any]] = self._control(f"/ledger?since={since}")["entries"]
        return entries

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """CRM → object → how many records are alive."""
        state = self._control("/state")
        if state["errors"]:
            raise SandboxFailed(state["errors"][0])
        counts: Mapping[str, Mapping[str, int]] = state["counts"]
        return counts

    def values(self, crm: str, object_name: str, record_id: str) -> Mapping[str, Any]:
        """What a record holds now, by the CRM's field names."""
        state = self._control(f"/state?crm={crm}&object={object_name}&id={record_id}")
        values: Mapping[str, Any] = state["records"][record_id]["values"]
        return values

    def wait(self) -> None:
        """Until somebody ends the process."""
        self._process.wait()

    def _control(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 (the loopback address that the child told us)
            self._told["control_url"] + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self._told['control_token']}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 (as above)
            return json.load(answer)
