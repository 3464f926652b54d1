"""The command line as a whole: options anywhere, did-you-mean, endings."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from config.load import Loaded, examine
from sync.cli import main as cli
from sync.cli.errors import Stopped
from sync.cli.main import COMMANDS
from tests.unit.cli.runner import run

MQLSYNC = [sys.executable, "-m", "sync.cli.main"]
ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.sqlite("about the command line; test_on_sandbox runs the commands on both")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A set-up without CRMs: configuration and mirror in one folder."""
    assert run("init", "--config-dir", str(tmp_path)).code == 0
    return {"MQLSYNC_CONFIG_DIR": str(tmp_path), "MQLSYNC_DATABASE_URL": f"sqlite:///{tmp_path}/mirror.db"}


# --- options ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        ("--config-dir", "DIR", "--json", "db", "migrate"),
        ("db", "--config-dir", "DIR", "migrate", "--json"),
        ("db", "migrate", "--json", "--config-dir=DIR"),
        ("--json", "db", "--config-dir", "DIR", "migrate", "-qv"),
        ("-q", "db", "-v", "migrate", "--config-dir", "DIR", "--json"),
    ],
    ids=" ".join,
)
def test_global_options_stand_anywhere(
    argv: tuple[str, ...], environ: dict[str, str], tmp_path: Path
) -> None:
    del environ["MQLSYNC_CONFIG_DIR"]
    ran = run(*(word.replace("DIR", str(tmp_path)) for word in argv), environ=environ)
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out)["mirror"] == f"{tmp_path}/mirror.db"


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (("snyc",), "No such command 'snyc'. Did you mean 'sync'"),
        (("perosn", "show"), "No such command 'perosn'. Did you mean 'person'"),
        (("model", "pubish"), "No such command 'pubish'. Did you mean 'publish'"),
        (("sync", "--ful"), "No such option: --ful"),
        (("sync", "--only", "pull,scoer"), "there is no stage 'scoer'; did you mean 'score'?"),
        (("sync", "--crm", "hubspto"), "there is no CRM 'hubspto'; did you mean 'hubspot'?"),
        (("sync", "--as-of", "yesterday"), "is no moment"),
        (("sync", "extra"), "unexpected extra argument"),
        (("pause", "hubspot.contact", "--reason", "x"), "did you mean 'hubspot.contacts'?"),
        (("pause", "all"), "Missing option '--reason'"),
        (("failed", "retry"), "Say which"),
        (("failed", "skip", "x"), "Missing option '--reason'"),
        (("status", "--config-dir"), "requires an argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_command_line_ends_with_2_and_a_hint(
    argv: tuple[str, ...], sentence: str, environ: dict[str, str]
) -> None:
    ran = run(*argv, environ=environ)
    assert ran.code == 2
    assert sentence in ran.err
    assert ran.out == ""
    assert "Traceback" not in ran.err


def test_asking_for_nothing_shows_the_commands() -> None:
    ran = run()
    assert ran.code == 2
    assert all(re.search(rf"^  {name} +[A-Z]", ran.err, re.MULTILINE) for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_the_global_options(name: str) -> None:
    ran = run(name, "--help")
    assert ran.code == 0
    for option in ("--config-dir", "--json", "--quiet", "--verbose", "--help"):
        assert option in ran.out
    assert len(ran.out.splitlines()) > 6


def test_help_says_whole_sentences_and_h_is_short_for_it() -> None:
    for words in ((), ("person",), ("db",)):
        ran = run(*words, "-h")
        assert (ran.code, ran.err) == (0, "")
        assert "..." not in ran.out.partition("Commands:")[2]
        assert ran.out == run(*words, "--help").out


def test_an_error_is_no_result_with_json_either(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for argv, code in (
        (("status", "--config-dir", str(tmp_path / "empty")), 10),
        (("person", "show", "nobody@acme.example"), 7),
        (("sync",), 2),
        (("people", "--stage", "mqll"), 2),
    ):
        ran = run(*argv, "--json", environ=environ)
        assert (ran.code, ran.out) == (code, "")
        assert ran.err


def test_version() -> None:
    ran = run("--version")
    assert ran.code == 0
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert ran.out == f"mqlsync {project['version']}\n"


# --- init ------------------------------------------------------------------------------------------


def test_init_writes_private_files_and_keeps_what_exists(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    dry = run("init", "-n", "--config-dir", str(folder))
    assert (dry.code, dry.out.count("would write"), folder.exists()) == (0, 2, False)
    ran = run("init", "--config-dir", str(folder), "--json")
    assert json.loads(ran.out) == {
        "schema_version": 1,
        "config_dir": str(folder),
        "written": [str(folder / "mqlsync.toml"), str(folder / "scoring.toml")],
        "kept": [],
        "dry_run": False,
    }
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("mqlsync.toml", "scoring.toml"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
        template = (ROOT / "config" / "templates" / name).read_text(encoding="utf-8")
        assert (folder / name).read_text(encoding="utf-8") == template
    (folder / "mqlsync.toml").write_text("# mine\n", encoding="utf-8")
    assert json.loads(run("init", "--config-dir", str(folder), "--json").out)["written"] == []
    assert (folder / "mqlsync.toml").read_text(encoding="utf-8") == "# mine\n"
    run("init", "--config-dir", str(folder), "--force")
    assert (folder / "mqlsync.toml.old").read_text(encoding="utf-8") == "# mine\n"


def test_init_goes_to_the_current_folder_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run("init")
    assert ran.code == 0
    assert (tmp_path / "scoring.toml").is_file()
    assert "mqlsync doctor" in ran.err


# --- endings ---------------------------------------------------------------------------------------


def test_not_set_up_is_10(tmp_path: Path) -> None:
    ran = run("status", "--config-dir", str(tmp_path))
    assert ran.code == 10
    assert "mqlsync init" in ran.err
    assert ran.out == ""


def test_a_broken_configuration_is_2_with_every_line(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "mqlsync.toml").write_text("limitz = 1\n[pull]\nreserve = 3\n", encoding="utf-8")
    ran = run("status", environ=environ)
    assert ran.code == 2
    assert f"{tmp_path}/mqlsync.toml:1: limitz" in ran.err
    assert f"{tmp_path}/mqlsync.toml:3: pull.reserve" in ran.err
    assert "Traceback" not in ran.err


def test_a_pass_without_any_credentials_says_which_to_set(environ: dict[str, str]) -> None:
    ran = run("sync", environ=environ)
    assert ran.code == 2
    assert "MQLSYNC_HUBSPOT__ACCESS_TOKEN" in ran.err
    asked = run("sync", "--crm", "hubspot", environ=environ)
    assert asked.code == 2
    assert "hubspot has no credentials and is off" in asked.err


def test_unknown_variables_are_warned_of(environ: dict[str, str]) -> None:
    ran = run("runs", environ={**environ, "MQLSYNC_HUBSPOT__ACESS_TOKEN": "canary"})
    assert ran.code == 0
    assert "did you mean 'MQLSYNC_HUBSPOT__ACCESS_TOKEN'?" in ran.err
    assert "canary" not in ran.err + ran.out


def test_a_database_that_is_none_is_12(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "mirror.db").write_text(
        "this is not a database at all, but some text " * 50, encoding="utf-8"
    )
    ran = run("status", environ=environ)
    assert ran.code == 12
    assert "damaged" in ran.err


def broken(kind: BaseException) -> Any:
    def examine(*_: object) -> None:
        raise kind

    return examine


def test_a_bug_of_ours_is_1_without_a_traceback(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.cli.session.examine", broken(KeyError("ann@example.com")))
    ran = run("status", environ=environ)
    assert ran.code == 1
    assert "reference " in ran.err
    assert "Traceback" not in ran.err
    assert "ann@example.com" not in ran.err
    verbose = run("status", "-v", environ=environ)
    assert verbose.code == 1
    assert "Traceback" in verbose.err
    assert "KeyError" in verbose.err


@pytest.mark.parametrize(
    ("kind", "code"), [(Stopped(130), 130), (Stopped(143), 143), (BrokenPipeError(), 0)], ids=repr
)
def test_being_stopped_is_no_error(
    kind: BaseException, code: int, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.cli.session.examine", broken(kind))
    monkeypatch.setattr(cli, "_forget_stdout", lambda: None)
    ran = run("status", environ=environ)
    assert ran.code == code
    assert "Traceback" not in ran.err


SLEEPER = """
import sys, time
from sync.cli import session, main
def examine(*_):
    print("ready", file=sys.stderr, flush=True)
    while True:
        time.sleep(0.05)
session.find_config_dir = session.examine = examine
sys.exit(main.main(["status"]))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_the_real_process_cleanly(number: signal.Signals, code: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", SLEEPER], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert "run the same command again" in err
    assert "Traceback" not in err


def test_in_the_background_of_a_script_ctrl_c_is_not_meant_and_sigterm_is() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN){SLEEPER}"],
        cwd=ROOT, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 143
    assert "run the same command again" in err


STUBBORN = """
import sys, time
from sync.cli import session, main
def examine(*_):
    try:
        print("ready", file=sys.stderr, flush=True)
        time.sleep(60)
    finally:
        print("tidying", file=sys.stderr, flush=True)
        time.sleep(60)
session.find_config_dir = session.examine = examine
sys.exit(main.main(["status"]))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_a_process_that_is_still_tidying(number: signal.Signals, code: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", STUBBORN], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in ("ready\n", "tidying\n"):
        assert process.stderr.readline() == line
        process.send_signal(number)
    assert process.wait(timeout=20) == code
    assert process.stderr.read() == ""
    process.stderr.close()


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as pipe:
        ran = subprocess.run(
            [*MQLSYNC, "init", "--config-dir", str(tmp_path)],
            cwd=ROOT, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False, timeout=30,
        )  # fmt: skip
    assert ran.returncode == 0
    assert "Traceback" not in ran.stderr
    assert "BrokenPipe" not in ran.stderr


def test_starting_is_quick_because_little_is_loaded() -> None:
    code = (
        "import sys\n"
        "from sync.cli.main import main\n"
        "main(['--version'])\n"
        "heavy = {'sqlalchemy', 'sqlmodel', 'alembic', 'hubspot', 'simple_salesforce', 'requests'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


def test_the_configuration_is_read_once(environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    def counted(config_dir: Path | None, given: Mapping[str, str]) -> Loaded:
        calls.append(config_dir)
        return examine(config_dir, given)

    monkeypatch.setattr("sync.cli.session.examine", counted)
    ran = run("runs", environ=environ)
    assert ran.code == 0
    assert len(calls) == 1
