"""Each exit code of the table, reached by a command as it is typed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from connectors.sandbox.sandbox import Sandbox
from sync.cli.exits import EXIT_CODES
from sync.mirror.engine import Mirror
from sync.mirror.lease import Lease
from tests.acceptance.site import Site
from tests.unit.cli.runner import run
from tests.world import SimulatedWorld

ROOT: Final = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.sqlite("about exit codes; the commands run on both elsewhere")
LEA: Final = "lea@acme.example"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A set-up of which both CRMs are there, and one person asks for a demo."""
    world = SimulatedWorld()
    sandbox = Sandbox(clock=world.clock)
    sandbox.__enter__()
    made = Site(sandbox, world, tmp_path)
    made.ok("init")
    made.colleagues()
    made.pair(LEA)
    world.advance(3600)
    return made


@pytest.fixture(autouse=True)
def _ended(site: Site) -> object:
    yield
    site.sandbox.__exit__(None, None, None)


def all_fine(site: Site) -> int:
    return site.run("sync", "-n").code


def our_bug(site: Site) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sync.cli.session.examine", lambda *_: 1 / 0)
        return site.run("status").code


def usage(site: Site) -> int:
    return site.run("people", "--stage", "mqll").code


def parked(site: Site) -> int:
    site.sandbox.switches.sf_refused["Lead"] = ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "not today")
    site.unasked()
    return site.run("sync").code


def sign_in(site: Site) -> int:
    return site.run("sync", "-n", MQLSYNC_HUBSPOT__ACCESS_TOKEN="pat-na1-wrong").code


def unreachable(site: Site) -> int:
    return site.run("sync", "-n", MQLSYNC_HUBSPOT__BASE_URL="http://127.0.0.1:1").code


def stopped(site: Site) -> int:
    return site.run("sync").code


def not_found(site: Site) -> int:
    return site.run("person", "show", "nobody@acme.example").code


def pending(site: Site) -> int:
    site.ok("sync", code=6)
    return site.run("plan", "--detailed-exitcode").code


def stale(site: Site) -> int:
    site.ok("sync", code=6)
    digest = site.json("plan")["digest"]
    site.ok("reject", digest)
    return site.run("approve", digest).code


def not_set_up(site: Site) -> int:
    return run("status", "--config-dir", str(site.folder / "lists")).code


def held(site: Site) -> int:
    mirror = Mirror(site.environ["MQLSYNC_DATABASE_URL"], site.world)
    mirror.migrate()
    with Lease(mirror, site.world, 600, "sync").held():
        code = site.run("sync", "--no-wait").code
    mirror.close()
    return code


def damaged(site: Site) -> int:
    site.ok("db", "migrate")
    with (site.folder / "mirror.db").open("r+b") as file:
        file.write(b"no database any more" * 500)
    return site.run("status").code


FULL = """
import resource, signal, sys
from sync.cli.main import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))
sys.exit(main(["sync"]))
"""
WAITING = """
import sys, time
from sync.cli import main, session
def examine(*_):
    print("ready", flush=True)
    time.sleep(60)
session.find_config_dir = session.examine = examine
sys.exit(main.main(["status"]))
"""


def disk_full(site: Site) -> int:
    environ = {**site.environ, "MQLSYNC_CONFIG_DIR": str(site.folder)}
    ended = subprocess.run([sys.executable, "-B", "-c", FULL], cwd=ROOT, env=environ, check=False, timeout=60)
    return ended.returncode


def by_signal(number: signal.Signals) -> Callable[[Site], int]:
    def code(_: Site) -> int:
        with subprocess.Popen([sys.executable, "-c", WAITING], cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            process.send_signal(number)
            return process.wait(timeout=30)

    return code


REACHED: Final[dict[int, Callable[[Site], int]]] = {
    0: all_fine,
    1: our_bug,
    2: usage,
    3: parked,
    4: sign_in,
    5: unreachable,
    6: stopped,
    7: not_found,
    8: pending,
    9: stale,
    10: not_set_up,
    11: held,
    12: damaged,
    13: disk_full,
    130: by_signal(signal.SIGINT),
    143: by_signal(signal.SIGTERM),
}


def test_every_code_has_a_command_that_ends_with_it() -> None:
    assert set(REACHED) == set(EXIT_CODES)


@pytest.mark.parametrize("code", REACHED)
def test_the_code_is_reached(site: Site, code: int) -> None:
    assert REACHED[code](site) == code
