"""`init` on a terminal: what it asks, what it writes, and that it leaves both CRMs as they are."""

from __future__ import annotations

import io
import os
import pty
import select
import signal
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.load import examine
from config.templates import template
from connectors.sandbox.sandbox import Sandbox
from connectors.sandbox.switches import Switches
from sync.cli.main import main
from tests.acceptance.site import Site
from tests.unit.cli.runner import Ran
from tests.world import SimulatedWorld

ROOT = Path(__file__).resolve().parents[2]
ONCE = pytest.mark.sqlite("makes no mirror")
SALESFORCE, HUBSPOT = "MQLSYNC_SALESFORCE__", "MQLSYNC_HUBSPOT__"


class Terminal(io.StringIO):
    """A stream that says it is one; reading past its end is Ctrl-D, `\\x03` is Ctrl-C."""

    def isatty(self) -> bool:
        return True

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
        line = super().readline(-1 if size is None else size)
        if line.startswith("\x03"):
            raise KeyboardInterrupt
        return line


class Newcomer:
    """A folder without files and whatever credentials a test leaves in the environment."""

    def __init__(self, site: Site) -> None:
        self.site, self.sandbox = site, site.sandbox
        self.folder = site.folder / "conf"

    def types(self, monkeypatch: pytest.MonkeyPatch, *answers: str, args: tuple[str, ...] = ()) -> Ran:
        """One `init` on a terminal with these answers; no secret shows in what it printed or wrote."""
        streams = Terminal("".join(f"{line}\n" for line in answers)), Terminal(), Terminal()
        for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
            monkeypatch.setattr(sys, name, stream)
        argv = ["--config-dir", str(self.folder), "init", *args]
        code = main(argv, world=self.site.world, environ=self.site.environ)
        monkeypatch.undo()
        ran = Ran(code, streams[1].getvalue(), streams[2].getvalue())
        assert "Traceback" not in ran.err
        self._holds_no_secret(ran)
        return ran

    def _holds_no_secret(self, ran: Ran) -> None:
        secrets = [
            value
            for name, value in self.site.environ.items()
            if name.endswith(("TOKEN", "SECRET", "PASSWORD"))
        ]
        written = b"".join(file.read_bytes() for file in self.site.folder.rglob("*") if file.is_file())
        for secret in secrets:
            assert secret not in ran.out + ran.err
            assert secret.encode() not in written

    def without(self, *prefixes: str) -> None:
        """Take the credentials of these CRMs away."""
        for name in list(self.site.environ):
            if name.startswith(prefixes):
                del self.site.environ[name]

    @property
    def text(self) -> str:
        return (self.folder / "mqlsync.toml").read_text(encoding="utf-8")

    @property
    def settings(self) -> Any:
        return examine(self.folder, self.site.environ).settings

    @property
    def files(self) -> set[str]:
        return {file.name for file in self.folder.iterdir()} if self.folder.exists() else set()


def arrived(folder: Path, switches: Switches | None = None) -> Iterator[Newcomer]:
    world = SimulatedWorld()
    with Sandbox(clock=world.clock, switches=switches) as sandbox:
        site = Site(sandbox, world, folder)
        site.colleagues()
        for name in ("lea", "tom", "ida"):
            site.pair(f"{name}@acme.example")
        site.lead("nobody@acme.example")
        before = len(sandbox.ledger)
        yield Newcomer(site)
        assert len(sandbox.ledger) == before, "something was written to a CRM"
        assert site.write_requests() == []
    assert sandbox.errors == []


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    yield from arrived(tmp_path)


Types = Callable[..., Ran]


@pytest.fixture
def typed(newcomer: Newcomer, monkeypatch: pytest.MonkeyPatch) -> Types:
    """Answers typed into one `init`."""
    return lambda *answers, **more: newcomer.types(monkeypatch, *answers, **more)


def test_enter_throughout_ends_in_a_dry_run_on_both_crms(newcomer: Newcomer, typed: Types) -> None:
    ran = typed("", "", "", "")
    assert ran.code == 0, ran.out + ran.err
    assert "Salesforce: signed in at" in ran.out
    assert "HubSpot: signed in at" in ran.out
    assert "MQL   (likely)" in ran.out
    assert newcomer.text == template("mqlsync.toml")
    assert newcomer.files >= {"mqlsync.toml", "scoring.toml"}
    assert {stat.S_IMODE((newcomer.folder / name).stat().st_mode) for name in newcomer.files} == {0o600}
    assert "4 people; 3 would be made MQLs:" in ran.out
    assert "lea@acme.example" in ran.out
    assert "mqlsync plan --config-dir" in ran.out
    assert "docs/how-to/first-week.md" in ran.out


@ONCE
def test_answers_go_into_the_template_and_its_comments_stay(newcomer: Newcomer, typed: Types) -> None:
    ran = typed("0", "3", "1,3", "n")
    assert ran.code == 0, ran.out + ran.err
    shown = ran.out.split("hs_lead_status: which value")[1]
    value = next(line.split()[1] for line in shown.splitlines() if line.split()[:1] == ["3"])
    settings = newcomer.settings
    assert settings.writeback.hubspot.contacts.status.values == {"mql": value}
    assert settings.writeback.salesforce.Lead.status.values == {"mql": "MQL"}
    members = [member.email for member in settings.routing.pools["default"].members]
    assert members == ["ann@vendor.example", "rep@vendor.example"]
    comments = [line for line in template("mqlsync.toml").splitlines() if line.startswith("#")]
    kept = newcomer.text.splitlines()
    assert [line for line in comments if line not in kept] == [
        next(line for line in comments if line.startswith("# [routing.pools.default]"))
    ]
    assert "people;" not in ran.out


@ONCE
@pytest.mark.parametrize(
    ("values", "answer", "expected"),
    [
        (("New", "Working", "Marketing Qualified"), "", "Marketing Qualified"),
        (("New", "Working"), "", "MQL"),
        (("New", 'Hot "A" \\ lead'), "2", 'Hot "A" \\ lead'),
        (("New", "Hot\x1b]0;owned\x07"), "2", "Hot\x1b]0;owned\x07"),
    ],
    ids=["a likely one", "none", "quotes", "hostile"],
)
def test_a_picklist_without_mql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: tuple[str, ...], answer: str, expected: str
) -> None:
    switches = Switches(sf_picklists={"Lead.Status": values})
    for newcomer in arrived(tmp_path, switches):
        newcomer.without(HUBSPOT)
        ran = newcomer.types(monkeypatch, "", answer, "", "n")
        assert ran.code == 0, ran.out + ran.err
        assert "nothing is written there until it is offered" in ran.out
        assert "\x1b]0" not in ran.out
        assert newcomer.settings.writeback.salesforce.Lead.status.values == {"mql": expected}


def test_one_crm_alone(newcomer: Newcomer, typed: Types) -> None:
    newcomer.without(SALESFORCE)
    ran = typed("", "", "2", "")
    assert ran.code == 0, ran.out + ran.err
    assert "Salesforce: the environment holds no credentials" in ran.out
    assert "These are active in HubSpot." in ran.out
    assert "3 people; 3 would be made MQLs:" in ran.out
    assert [member.email for member in newcomer.settings.routing.pools["default"].members] == [
        "bob@vendor.example"
    ]


@ONCE
def test_no_credentials_tells_what_to_set_and_goes_on_the_next_time(newcomer: Newcomer, typed: Types) -> None:
    given = dict(newcomer.site.environ)
    newcomer.without(SALESFORCE, HUBSPOT)
    ran = typed("1", "1")
    assert ran.code == 0, ran.out + ran.err
    assert f'export {SALESFORCE}LOGIN_URL="https://YOURS.my.salesforce.com"' in ran.out
    assert f"read -rs {SALESFORCE}CLIENT_SECRET && export {SALESFORCE}CLIENT_SECRET" in ran.out
    assert f"read -rs {HUBSPOT}ACCESS_TOKEN && export {HUBSPOT}ACCESS_TOKEN" in ran.out
    assert "mqlsync init" in ran.out
    assert newcomer.text == template("mqlsync.toml")
    newcomer.site.environ.update(given)
    again = typed("", "", "1", "n")
    assert again.code == 0, again.out + again.err
    assert "default" in newcomer.settings.routing.pools
    assert not (newcomer.folder / "mqlsync.toml.old").exists()


@ONCE
def test_a_file_that_somebody_changed_stays_unless_forced(newcomer: Newcomer, typed: Types) -> None:
    newcomer.folder.mkdir()
    mine = "# mine\n" + template("mqlsync.toml")
    (newcomer.folder / "mqlsync.toml").write_text(mine, encoding="utf-8")
    ran = typed("n")
    assert ran.code == 0, ran.out + ran.err
    assert "which value" not in ran.out
    assert newcomer.text == mine
    assert typed("", "", "", "n", args=("--force",)).code == 0
    assert newcomer.text == template("mqlsync.toml")
    assert (newcomer.folder / "mqlsync.toml.old").read_text(encoding="utf-8") == mine


@ONCE
@pytest.mark.parametrize("answered", [0, 1, 2])
@pytest.mark.parametrize("end", ["\x03", None], ids=["Ctrl-C", "Ctrl-D"])
def test_leaving_at_a_question_writes_nothing(
    newcomer: Newcomer, typed: Types, answered: int, end: str | None
) -> None:
    ran = typed(*[""] * answered, *([end] if end else []))
    assert ran.code == 130
    assert "No file was written." in ran.out
    assert newcomer.files == set()


@ONCE
def test_leaving_at_the_last_question_keeps_both_files_whole(newcomer: Newcomer, typed: Types) -> None:
    assert typed("", "", "", "\x03").code == 130
    assert newcomer.files == {"mqlsync.toml", "scoring.toml"}
    assert newcomer.text == template("mqlsync.toml")


@ONCE
def test_a_sign_in_that_fails_is_told_and_the_other_crm_goes_on(newcomer: Newcomer, typed: Types) -> None:
    newcomer.site.environ[f"{HUBSPOT}ACCESS_TOKEN"] = "pat-wrong-0000"
    ran = typed("", "", "n")
    assert ran.code == 4
    assert "HubSpot" in ran.err
    assert "sign-in failed" in ran.err
    assert "hs_lead_status" not in ran.out
    assert newcomer.files == {"mqlsync.toml", "scoring.toml"}


@ONCE
def test_answers_that_are_none_are_asked_again(newcomer: Newcomer, typed: Types) -> None:
    ran = typed("99", "MQL", "", "", "0,1", "x", "2", "n")
    assert ran.code == 0, ran.out + ran.err
    assert ran.out.count("Type a number from 0") == 2
    assert ran.out.count("Type numbers from 1") == 2


@ONCE
def test_credentials_that_do_not_fit_are_told_before_any_question(newcomer: Newcomer, typed: Types) -> None:
    del newcomer.site.environ[f"{SALESFORCE}CLIENT_ID"]
    ran = typed()
    assert ran.code == 2
    assert f"{SALESFORCE}CLIENT_ID missing" in ran.err
    assert "toml:" not in ran.err
    assert newcomer.files == set()


@ONCE
@pytest.mark.parametrize("option", ["--yes", "--json", "--quiet"])
def test_without_questions_it_writes_the_templates(newcomer: Newcomer, typed: Types, option: str) -> None:
    ran = typed(args=(option,))
    assert ran.code == 0
    assert newcomer.text == template("mqlsync.toml")
    assert newcomer.sandbox.requests == []
    assert "[" not in ran.out or option == "--json"


@ONCE
def test_on_a_real_terminal_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MQLSYNC_")}
    leader, follower = pty.openpty()
    folder = tmp_path / "conf"
    process = subprocess.Popen(
        [sys.executable, "-m", "sync.cli.main", "init", "--config-dir", str(folder)],
        cwd=ROOT, env=environ, stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    try:
        shown = b""
        while b"Salesforce [1]:" not in shown:
            more = _read(leader)
            assert more is not None, shown.decode()
            shown += more
        process.send_signal(signal.SIGINT)
        while (more := _read(leader)) is not None:
            shown += more
            if not more:
                process.send_signal(signal.SIGINT)  # the first came just before it began to read
        assert process.wait(timeout=20) == 130
    finally:
        process.kill()
        os.close(leader)
    assert b"No file was written." in shown
    assert not folder.exists()


def _read(leader: int) -> bytes | None:
    """What has come, b"" when nothing does for a while, None once the other end is closed."""
    if not select.select([leader], [], [], 10)[0]:
        return b""
    try:
        return os.read(leader, 4096) or None
    except OSError:  # closed: how Linux says so
        return None


@ONCE
def test_the_written_file_is_toml_that_says_what_was_answered(newcomer: Newcomer, typed: Types) -> None:
    assert typed("", "", "1 2 3", "n").code == 0
    assert len(tomllib.loads(newcomer.text)["routing"]["pools"]["default"]["members"]) == 3


@ONCE
def test_an_account_of_accounts_toml_is_not_guided_with_the_credentials_of_the_environment(
    newcomer: Newcomer, typed: Types
) -> None:
    accounts = '[accounts.conf]\nprefix = "NORTH_"\n'
    (newcomer.site.folder / "accounts.toml").write_text(accounts, encoding="utf-8")
    assert typed().code == 0
    assert newcomer.text == template("mqlsync.toml")
    assert newcomer.sandbox.requests == []


@ONCE
def test_without_any_input_at_all_it_asks_nothing(
    newcomer: Newcomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert newcomer.site.run("init").code == 0
    assert newcomer.sandbox.requests == []
