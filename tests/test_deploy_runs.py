"""What stands in deploy/ works: systemd reads the units without a word, the image holds a whole program."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from config.running import DaemonSettings
from config.schema import variables
from config.sources import OTHER_VARIABLES
from sync.cli.main import COMMANDS
from sync.health import Pages, serving
from sync.vitals import Notifier, Vitals
from tests.world import SimulatedWorld

ROOT = Path(__file__).resolve().parent.parent
UNITS = ("mqlsync.service", "mqlsync-worker.service")
PROGRAM = "/opt/mqlsync/.venv/bin/mqlsync"
KNOWN = {
    "Unit": {"Description", "Documentation", "Wants", "After"},
    "Service": {
        "AmbientCapabilities", "CapabilityBoundingSet", "DynamicUser", "Environment", "ExecStart",
        "LoadCredential", "LockPersonality", "MemoryDenyWriteExecute", "NoNewPrivileges", "NotifyAccess",
        "PrivateDevices", "PrivateTmp", "ProcSubset", "ProtectClock", "ProtectControlGroups", "ProtectHome",
        "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables",
        "ProtectProc", "ProtectSystem", "Restart", "RestartPreventExitStatus", "RestartSec",
        "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID",
        "StateDirectory", "StateDirectoryMode", "SystemCallArchitectures", "SystemCallFilter",
        "TimeoutStopSec", "Type", "UMask", "WatchdogSec",
    },
    "Install": {"WantedBy"},
}  # fmt: skip
"""systemd.unit(5), systemd.service(5), systemd.exec(5): what these units use of them."""
EXPOSURE = 2.0  # of 10, by `systemd-analyze security`

analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")


def unit(name: str) -> str:
    return (ROOT / "deploy" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", UNITS)
def test_every_directive_of_a_unit_exists_in_its_section(name: str) -> None:
    section = ""
    for line in unit(name).splitlines():
        if found := re.fullmatch(r"\[(\w+)\]", line):
            section = found[1]
        elif line and not line.startswith("#"):
            assert line.partition("=")[0] in KNOWN[section], line


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_a_command_that_exists(name: str) -> None:
    (started,) = re.findall(r"^ExecStart=(.*)$", unit(name), re.MULTILINE)
    program, command, option, folder = started.split()
    assert (program, option, folder) == (PROGRAM, "--config-dir", "/etc/mqlsync")
    assert command in COMMANDS


@analyze
@pytest.mark.parametrize("name", UNITS)
def test_systemd_reads_a_unit_without_a_word(name: str, tmp_path: Path) -> None:
    """The program need not stand in /opt here: another one does in its place."""
    path = tmp_path / name
    path.write_text(unit(name).replace(PROGRAM, sys.executable), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@analyze
@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_a_unit_well_confined(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(unit(name), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) <= EXPOSURE


# --- the image ----------------------------------------------------------------------------------------

LINES = re.sub(r"\\\n\s*", "", (ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8")).splitlines()
STEPS = [
    (word, rest.strip())
    for line in LINES
    if line and line[0] != "#"
    for word, _, rest in [line.partition(" ")]
]
COPIED = [(*rest.split()[:-1], rest.split()[-1]) for word, rest in STEPS if word == "COPY"]


def step(word: str) -> str:
    (rest,) = [rest for one, rest in STEPS if one == word]
    return rest


def copied_to(folder: Path) -> None:
    """What the image is made of, laid out as there."""
    for *sources, target in COPIED:
        for source in sources:
            origin, place = ROOT / source, folder / target
            if origin.is_dir():
                shutil.copytree(origin, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                place = folder / Path(source).name if target == "./" else folder / target / origin.name
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(origin, place)


def test_the_image_is_made_of_the_program_and_nothing_else() -> None:
    sources = {source for *names, _ in COPIED for source in names}
    tracked = subprocess.run(
        ["git", "ls-files", *sorted(sources)], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    if tracked:  # where there is a repository
        assert all(
            any(one == source or one.startswith(f"{source}/") for one in tracked) for source in sources
        )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = project["tool"]["setuptools"]["packages"]["find"]["include"]
    packages = {name.removesuffix("*").rstrip(".") for name in found}
    assert packages <= sources
    assert {"Makefile", "pyproject.toml", "requirements.lock", project["project"]["readme"]} <= sources
    assert not {".", "./", "tests", ".venv", ".git"} & sources
    bootstrap = (ROOT / ".ci" / "bootstrap.py").read_text(encoding="utf-8")
    for name in re.findall(r'ROOT / "([\w.-]+)"(?! / )', bootstrap):
        assert name in sources or name in (".venv", "requirements-dev.lock"), name


def test_what_is_copied_is_a_whole_program(tmp_path: Path) -> None:
    copied_to(tmp_path)
    environ = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    for command in (["--version"], ["run", "--help"], ["model", "lint"]):
        done = subprocess.run(
            [sys.executable, "-m", "sync.cli.main", *command],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert done.returncode == (10 if command[0] == "model" else 0), done.stderr


def test_the_image_runs_as_nobody_of_importance_where_its_mirror_is() -> None:
    words = [word for word, _ in STEPS]
    user = step("USER")
    assert user not in ("root", "0")
    assert f" {user}" in step_with("RUN", "useradd")
    assert words.index("USER") > max(number for number, word in enumerate(words) if word == "RUN")
    environ = dict(one.split("=", 1) for one in step("ENV").split())
    assert set(environ) <= {*variables(), *OTHER_VARIABLES}
    assert environ["MQLSYNC_DATABASE_URL"] == f"sqlite:///{step('VOLUME')}/mirror.db"
    home = step("WORKDIR")
    assert json.loads(step("ENTRYPOINT")) == [f"{home}/.venv/bin/mqlsync"] == [PROGRAM]
    assert json.loads(step("CMD")) == ["run"]
    assert step("STOPSIGNAL") == "SIGTERM"


def step_with(word: str, text: str) -> str:
    return next(rest for one, rest in STEPS if one == word and text in rest)


class Numbers:
    def text(self) -> bytes:
        return b""


@pytest.fixture
def check() -> list[str]:
    """The health check of the image, by this machine's Python."""
    command: list[str] = json.loads(step("HEALTHCHECK").partition(" CMD ")[2])
    assert command[0] == f"{step('WORKDIR')}/.venv/bin/python"
    return [sys.executable, *command[1:]]


def test_the_health_check_tells_the_living_from_the_stuck(check: list[str]) -> None:
    world = SimulatedWorld()
    vitals = Vitals(world, Notifier({}))
    (port,) = re.findall(r"127\.0\.0\.1:(\d+)/healthz", check[-1])
    assert DaemonSettings().listen == f"127.0.0.1:{port}"

    def healthy(served: int) -> bool:
        asked = [*check[:-1], check[-1].replace(port, str(served))]
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0

    with serving("127.0.0.1:0", Pages(vitals, Numbers())) as served:
        assert served is not None
        assert healthy(served)
        world.advance(3600)
        assert not healthy(served)
    assert not healthy(served)
