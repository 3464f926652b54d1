"""`mqlsync run` as a real process whose disk is full for a while, in two ways: a small tmpfs, where this
machine lets us mount one, and a limit on the size of its files, which every machine has.
"""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import pytest

from tests.acceptance.schema import STATUS, check
from tests.acceptance.test_daemon import GRACE, PATIENCE, Daemons, daemons
from tests.unit.test_alerts import server

__all__ = ["daemons"]

pytestmark = [
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
    pytest.mark.usefixtures("database"),
]
SIZE = 24  # MiB of the tmpfs
LITTLE = 16 * 1024  # bytes that are left
LATE = 15  # people who come while it is full


class Disk(Protocol):
    """Somewhere to keep the mirror."""

    folder: Path

    def fill(self, process: subprocess.Popen[bytes]) -> None:
        """From now on hardly anything more can be written by that process."""

    def clear(self, process: subprocess.Popen[bytes]) -> None:
        """There is room again."""


class Tmpfs:
    """A small file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, process: subprocess.Popen[bytes]) -> None:
        with (self.folder / "filler").open("wb", buffering=0) as file, suppress(OSError):
            while (free := shutil.disk_usage(self.folder).free) > LITTLE:
                file.write(b"x" * (free - LITTLE))  # the process writes meanwhile, too

    def clear(self, process: subprocess.Popen[bytes]) -> None:
        (self.folder / "filler").unlink()


class Limit:
    """A limit on what the process may write: the files of the mirror can grow no more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, process: subprocess.Popen[bytes]) -> None:
        largest = max(path.stat().st_size for path in self.folder.glob("own.db*"))
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest + LITTLE, resource.RLIM_INFINITY))

    def clear(self, process: subprocess.Popen[bytes]) -> None:
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, unlimited)


@contextmanager
def disk(kind: str, folder: Path) -> Iterator[Disk]:
    """The disk of that kind for a block."""
    folder.mkdir()
    if kind == "limit":
        yield Limit(folder)
        return
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}m,mode=700", "none", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("this machine has no mount")
    if done.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield Tmpfs(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def page(port: int, path: str) -> tuple[int, str]:
    """What the daemon answers there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def served_on(daemons: Daemons) -> int:
    """The port of the daemon's pages, by its log."""
    lines = [json.loads(line) for line in daemons.errors(0).read_text("utf-8").splitlines()]
    (said,) = [line["message"] for line in lines if line["message"].startswith("serving /healthz")]
    return int(said.rpartition(":")[2])


def told(got: list[bytes]) -> list[tuple[str, str]]:
    return [(one["event"], one["alert"]) for one in map(json.loads, list(got))]


@pytest.mark.parametrize("kind", ["tmpfs", "limit"])
def test_a_full_disk_is_a_state_and_goes_by(daemons: Daemons, tmp_path: Path, kind: str) -> None:
    site = daemons.site
    with disk(kind, tmp_path / "disk") as place, server(204) as (url, got):
        site.environ |= {
            "MQLSYNC_DATABASE_URL": f"sqlite:///{place.folder / 'own.db'}",
            "MQLSYNC_ALERTS__WEBHOOK": url,
            "MQLSYNC_DAEMON__LISTEN": "127.0.0.1:0",
        }
        anna = site.pair("anna@acme.example")
        daemon = daemons.start("run", "--json")
        daemons.until(lambda: site.of_contact(anna.contact)[0] == "OPEN", "the first MQL")
        daemons.until(lambda: site.of_lead(anna.lead)[0] == "MQL", "the first MQL")
        port = served_on(daemons)

        place.fill(daemon)
        crowd = [site.pair(f"late{number}@acme.example") for number in range(LATE)]
        daemons.until(lambda: ("open", "disk") in told(got), "the alert")
        assert page(port, "/healthz")[0] == 200, "it lives: a restart would mend nothing"
        daemons.until(lambda: page(port, "/readyz")[0] == 503, "not ready")
        assert "DISK" in page(port, "/readyz")[1].upper().replace("_", "")
        assert one_off(daemons, place, kind) == 13
        assert daemon.poll() is None

        place.clear(daemon)
        last = crowd[-1]
        daemons.until(lambda: site.of_contact(last.contact)[0] == "OPEN", "what waited, once there is room")
        daemons.until(lambda: all(site.of_lead(one.lead)[0] == "MQL" for one in crowd), "all of what waited")
        daemons.until(lambda: ("close", "disk") in told(got), "the end of the alert")
        daemons.until(lambda: page(port, "/readyz")[0] == 200, "ready again")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(GRACE) == 0
        nothing_was_lost(daemons)
        assert told(got).count(("open", "disk")) == told(got).count(("close", "disk")) == 1


def one_off(daemons: Daemons, place: Disk, kind: str) -> int:
    """What a command ends with meanwhile."""
    site = daemons.site
    command = [sys.executable, "-m", "sync.cli.main", "--config-dir", str(site.folder), "sync"]

    def limited() -> None:
        if kind == "limit":
            largest = max(path.stat().st_size for path in place.folder.glob("own.db*"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (max(1, largest // 2), resource.RLIM_INFINITY))

    environ = {**site.environ, "PATH": "/usr/bin:/bin", "HOME": str(site.folder)}
    done = subprocess.run(
        command, env=environ, capture_output=True, check=False, timeout=PATIENCE, preexec_fn=limited
    )
    assert b"Traceback" not in done.stderr
    assert b"No room left" in done.stderr or b"disk" in done.stderr, done.stderr
    return done.returncode


def nothing_was_lost(daemons: Daemons) -> None:
    site = daemons.site
    written = len(site.written())
    assert site.json("sync")["outcome"] == "ok"  # the daemon may have been stopped in the midst of a run
    assert len(site.written()) == written, "nothing was left to be written"
    status = check(site.json("status"), STATUS)
    assert status["books_balance"] is True
    assert (status["state"], status["waiting"], status["parked"]) == ("ok", 0, 0), status["reasons"]
    assert len(site.json("people")["people"]) == LATE + 1
    assert site.run("db", "verify").code == 0
    wrote = [(entry.crm, entry.id, entry.field) for entry in site.written()]
    assert len(set(wrote)) == len(wrote)
    assert len({one[:2] for one in wrote}) == 2 * (LATE + 1)
