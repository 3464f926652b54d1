"""Well over a hundred broken configurations through the command: 2, a sentence on stderr, nothing else.

mqlsync.toml, variables, files of secrets, accounts.toml and scoring.toml; every sentence is whole, and no
traceback, no secret and nothing on stdout comes with it.
"""

# ruff: noqa: E501  (a message stands in one line, as its reader sees it)

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.scoring.test_load import BROKEN as MODELS
from tests.scoring.test_load import SMALL
from tests.unit.cli.runner import Ran, run
from tests.unit.config.test_accounts import QUEUE
from tests.unit.config.test_broken import BROKEN, CANARY, ENVIRONMENT
from tests.unit.config.test_broken_values import VALUES

COMMANDS = (
    ("status",),
    ("sync", "--dry-run"),
    ("run",),
    ("people", "--json"),
    ("doctor", "--json"),
    ("person", "show", "ann@acme.example"),
    ("plan", "--json"),
    ("privacy", "find", "ann@acme.example"),
)
"""What refuses in turn; each loads the whole configuration. `doctor` says it as a red line of its report."""


def refused(folder: Path, argv: tuple[str, ...], environ: Mapping[str, str]) -> list[str]:
    """The lines of the refusal, with the file called F and the folder D."""
    ran = run("--config-dir", str(folder), *argv, environ=environ)
    assert ran.code == 2, (ran.out, ran.err)
    if argv[0] != "doctor":
        assert ran.out == ""
    assert "Traceback" not in ran.err
    assert CANARY not in ran.out + ran.err
    said = ran.err if argv[0] != "doctor" else run("--config-dir", str(folder), "sync", environ=environ).err
    head, *lines = said.splitlines()
    plural = f"There are {len(lines)} problems in the configuration:"
    assert head == ("There is a problem in the configuration:" if len(lines) == 1 else plural)
    named = [line.replace(str(folder / "mqlsync.toml"), "F").replace(str(folder), "D") for line in lines]
    assert all(line.startswith("  ") for line in named)
    return [line[2:] for line in named]


FILES = [*BROKEN, *((text, f"F:2: {message}") for text, message in VALUES)]


def test_there_are_more_than_a_hundred() -> None:
    assert len({*FILES}) >= 100
    assert len({*FILES}) + len(ENVIRONMENT) + len(SECRETS) + len(ACCOUNTS) + len(MODELS) > 250


@pytest.mark.parametrize("number", range(len(FILES)))
def test_a_broken_file_is_refused_by_every_command(tmp_path: Path, number: int) -> None:
    text, message = FILES[number]
    (tmp_path / "mqlsync.toml").write_text(text, encoding="utf-8")
    lines = refused(tmp_path, COMMANDS[number % len(COMMANDS)], {})
    if number < len(BROKEN):
        assert lines == [message]
    else:
        assert [line for line in lines if line.startswith(message)]


@pytest.mark.parametrize("number", range(len(ENVIRONMENT)))
def test_a_broken_variable_is_refused(tmp_path: Path, number: int) -> None:
    environ, message = ENVIRONMENT[number]
    (tmp_path / "mqlsync.toml").write_text("", encoding="utf-8")
    assert refused(tmp_path, COMMANDS[number % len(COMMANDS)], environ) == [message]


TOKEN = "MQLSYNC_HUBSPOT__ACCESS_TOKEN"
SECRETS: list[tuple[bytes | None, str]] = [
    (None, "D/secret cannot be read: No such file or directory"),
    (b"", "D/secret is empty"),
    (b"\n\r\n", "D/secret is empty"),
    (b"x" * 65_537, "D/secret is larger than 64 KiB"),
    (b"\xff\xfe" + CANARY.encode("utf-16-le"), "D/secret is not UTF-8 text"),
    (f"{CANARY}\n{CANARY}".encode(), "holds a line break; expected one line"),
    (f"{CANARY}\0".encode(), "holds a line break; expected one line"),
]


@pytest.mark.parametrize(("content", "why"), SECRETS, ids=[why[:30] for _, why in SECRETS])
@pytest.mark.parametrize("how", ["variable", "credential"])
def test_a_broken_secret_is_refused(tmp_path: Path, content: bytes | None, why: str, how: str) -> None:
    (tmp_path / "mqlsync.toml").write_text("", encoding="utf-8")
    name = "secret" if how == "variable" else TOKEN
    if content is not None:
        (tmp_path / name).write_bytes(content)
    elif how == "credential":
        (tmp_path / name).mkdir()  # what is not there is not handed over; a folder is no credential either
        return
    environ = {
        "variable": {f"{TOKEN}_FILE": str(tmp_path / "secret")},
        "credential": {"CREDENTIALS_DIRECTORY": str(tmp_path)},
    }[how]
    (line,) = refused(tmp_path, ("status",), environ)
    where = f"{TOKEN}_FILE" if how == "variable" else f"credential {TOKEN}"
    assert line == f"{where}: {why}".replace("D/secret", f"D/{name}")


def test_a_folder_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "mqlsync.toml").write_text("", encoding="utf-8")
    (line,) = refused(tmp_path, ("status",), {f"{TOKEN}_FILE": str(tmp_path)})
    assert line == f"{TOKEN}_FILE: D cannot be read: Is a directory"


@pytest.mark.parametrize("case", MODELS, ids=range(len(MODELS)))
def test_a_broken_model_is_refused(tmp_path: Path, case: dict[str, str]) -> None:
    (tmp_path / "mqlsync.toml").write_text(f'database_url = "sqlite:///{tmp_path}/own.db"', encoding="utf-8")
    (tmp_path / "scoring.toml").write_text(SMALL.replace(case["old"], case["new"], 1), encoding="utf-8")
    (tmp_path / "lists").mkdir()
    ran = run("--config-dir", str(tmp_path), "model", "lint", environ={})
    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err
    assert f"  {tmp_path / 'scoring.toml'}{case['message']}" in ran.err.splitlines()


ACCOUNTS: list[tuple[str, dict[str, str], str]] = [
    ("[accounts.acme]\n", {}, "A: no queue: set queue_url, or MQLSYNC_QUEUE_URL; expected postgresql://user@host/name"),
    (f'queue_url = "postgresql://u:{CANARY}@h/d"\n[accounts.acme]\n', {},
     "A:1: queue_url: a URL with a password does not belong in this file: set MQLSYNC_QUEUE_URL, or MQLSYNC_QUEUE_URL_FILE"),
    (QUEUE, {}, "A: names no account; expected [accounts.NAME]"),
    (QUEUE + "[accounts.acme]\n", {"MQLSYNC_QUEUE_URL": f"sqlite:///{CANARY}"},
     "MQLSYNC_QUEUE_URL: queue_url: the queue needs a PostgreSQL; expected postgresql://user@host/name"),
    (QUEUE + "[accounts.acme]\n", {"MQLSYNC_QUEUE_URL_FILE": "/nowhere"},
     "MQLSYNC_QUEUE_URL_FILE: /nowhere cannot be read: No such file or directory"),
    (QUEUE + '[accounts.acme]\ndatabase_url = "sqlite:////x.db"\n', {},
     "A:3: accounts.acme.database_url: a file is not to be shared between hosts; expected postgresql+psycopg://user@host/name"),
    (QUEUE + f'[accounts.acme]\ndatabase_url = "postgresql+psycopg://u:{CANARY}@h/d"\n', {},
     "A:3: accounts.acme.database_url: a URL with a password does not belong in this file; expected a variable or PGPASSFILE"),
    (QUEUE + '[accounts.acme]\nprefix = "MQLSYNC_"\n', {},
     'A:3: accounts.acme.prefix: would give every account the same variables; expected such as "ACME_"'),
    (QUEUE + '[accounts.acme]\nprefix = "acme"\n', {},
     'A:3: accounts.acme.prefix: is no beginning of a variable; expected such as "ACME_"'),
    (QUEUE + "accounts = 3\n", {}, "A:2: accounts: the value does not fit; expected a table"),
    (QUEUE + "concurrency = 0\n[accounts.acme]\n", {},
     "A:2: concurrency: the value does not fit; expected 1 or more"),
    (QUEUE + 'rescue_after = "1s"\n[accounts.acme]\n', {},
     "A:2: rescue_after: the value does not fit; expected 2s to 40s"),
    (QUEUE + 'listen = "nowhere"\n[accounts.acme]\n', {},
     'A:2: listen: this is no address; expected "HOST:PORT", or "" for nothing'),
    (QUEUE + '[accounts.acme]\nshema = "a"\n', {}, "A:3: accounts.acme.shema: unknown key; did you mean 'schema'?"),
    (QUEUE + f'[accounts.acme]\naccess_token = "{CANARY}"\n', {},
     "A:3: accounts.acme.access_token: unknown key; expected one of config, schema, database_url, secrets, prefix"),
    (QUEUE + "[accounts.Acme]\nconfig = 'acme'\n", {},
     "A:2: accounts.Acme: is no name of an account; expected small letters, digits, - and _, up to 40"),
    (QUEUE + '[accounts.acme]\nsecrets = "nowhere"\n', {}, "A:3: accounts.acme.secrets: there is no such folder"),
    (QUEUE + "[accounts.acm]\n", {}, "A:2: accounts.acm: there is no mqlsync.toml in D/acm; did you mean 'acme'?"),
    (QUEUE + 'every_folder = "yes"\n[accounts.acme]\n', {},
     "A:2: every_folder: the value does not fit; expected true or false"),
    ("[accounts.acme", {}, "A:1: not valid TOML: "),
]  # fmt: skip


@pytest.mark.parametrize(
    "command", [("accounts", "list"), ("accounts", "check", "--json"), ("worker",)], ids=" ".join
)
@pytest.mark.parametrize("number", range(len(ACCOUNTS)))
def test_a_broken_list_of_accounts_is_refused(tmp_path: Path, number: int, command: tuple[str, ...]) -> None:
    text, environ, message = ACCOUNTS[number]
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "mqlsync.toml").write_text("")
    (tmp_path / "accounts.toml").write_text(text)
    ran: Ran = run("--config-dir", str(tmp_path), *command, environ=environ)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert "Traceback" not in ran.err
    assert CANARY not in ran.err
    said = ran.err.replace(str(tmp_path / "accounts.toml"), "A").replace(str(tmp_path), "D").splitlines()
    if message.endswith("TOML: "):
        assert said[1].startswith(f"  {message}")
    else:
        assert said[1:] == [f"  {message}"]
