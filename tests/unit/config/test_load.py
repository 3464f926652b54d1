"""Where settings come from, which source wins, and that secrets stay secret."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from config import paths
from config.checks import check
from config.load import examine, load
from config.schema import leaves, variable_name, variables
from config.settings import Settings
from config.sources import unknown_variables

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = ROOT / "config" / "templates" / "mqlsync.toml"
CANARY = "s3cr3t-c4n4ry"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mqlsync.toml").write_text("", encoding="utf-8")
    return tmp_path


def write(folder: Path, text: str) -> None:
    (folder / "mqlsync.toml").write_text(text, encoding="utf-8")


def test_an_empty_file_gives_the_defaults(folder: Path) -> None:
    settings = load(folder, {})
    assert settings.limits.records_per_run == 500
    assert settings.limits.share_of_people == 0.05
    assert settings.writeback.quiet_period == 300
    assert not settings.salesforce.enabled
    assert not settings.hubspot.enabled
    assert isinstance(settings, Settings)


def test_the_environment_wins_over_the_file(folder: Path) -> None:
    write(folder, '[limits]\nrecords_per_run = 7\nper_owner_per_day = 8\n[hubspot]\napi_version = "2026-03"')
    environ = {
        "MQLSYNC_LIMITS__RECORDS_PER_RUN": "9",
        "MQLSYNC_LIMITS__SHARE_OF_PEOPLE": "0.5",
        "MQLSYNC_LIMITS__FIRST_RUN_NEEDS_APPROVAL": "false",
        "MQLSYNC_HUBSPOT__RATE_LIMIT__PER_10S": "190",
        "MQLSYNC_HUBSPOT__BASE_URL": "http://127.0.0.1:8080",
        "MQLSYNC_WRITEBACK__QUIET_PERIOD": "10m",
        "MQLSYNC_DAEMON__LEASE": "45",
        "MQLSYNC_SALESFORCE__LOGIN_URL": "",  # set to nothing is not set
    }
    loaded = examine(folder, environ)
    settings = loaded.settings
    assert settings.limits.model_dump() == {
        "first_run_needs_approval": False,
        "records_per_run": 9,
        "share_of_people": 0.5,
        "per_owner_per_day": 8,
    }
    assert settings.hubspot.rate_limit.per_10s == 190
    assert settings.hubspot.base_url == "http://127.0.0.1:8080"
    assert settings.hubspot.api_version == "2026-03"
    assert (settings.writeback.quiet_period, settings.daemon.lease) == (600, 45)
    assert settings.salesforce.login_url == "https://login.salesforce.com"
    assert loaded.origins["limits", "records_per_run"] == "MQLSYNC_LIMITS__RECORDS_PER_RUN"
    assert ("limits", "per_owner_per_day") not in loaded.origins


def test_nothing_of_the_real_environment_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LIMITS__RECORDS_PER_RUN", "MQLSYNC_LIMITS__RECORDS_PER_RUN", "limits", "LIMITS"):
        monkeypatch.setenv(name, "1")
    assert load(folder, {}).limits.records_per_run == 500


def test_a_secret_from_a_file_and_from_systemd(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{CANARY}\n", encoding="utf-8")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "MQLSYNC_SALESFORCE__PASSWORD").write_text(CANARY, encoding="utf-8")
    loaded = examine(
        folder,
        {
            "MQLSYNC_HUBSPOT__ACCESS_TOKEN_FILE": str(tmp_path / "token"),
            "MQLSYNC_SALESFORCE__USERNAME": "bot@example.com",
            "CREDENTIALS_DIRECTORY": str(credentials),
        },
    )
    token, password = loaded.settings.hubspot.access_token, loaded.settings.salesforce.password
    assert token is not None
    assert password is not None
    assert (token.get_secret_value(), password.get_secret_value()) == (CANARY, CANARY)
    assert loaded.settings.salesforce.enabled
    assert loaded.settings.hubspot.enabled
    assert loaded.origins["salesforce", "password"] == "credential MQLSYNC_SALESFORCE__PASSWORD"


def test_a_line_break_at_the_end_of_a_secret_is_left_over(folder: Path) -> None:
    token = load(folder, {"MQLSYNC_HUBSPOT__ACCESS_TOKEN": f"{CANARY}\r\n"}).hubspot.access_token
    assert token is not None
    assert token.get_secret_value() == CANARY


def test_secrets_stand_in_no_text(folder: Path) -> None:
    environ = {name: CANARY for name, variable in variables().items() if variable.secret}
    environ |= {
        "MQLSYNC_DATABASE_URL": f"postgresql+psycopg://me:{CANARY}@db/mqlsync",
        "MQLSYNC_SALESFORCE__INSTANCE_URL": "https://x.my.salesforce.com",
        "MQLSYNC_SALESFORCE__USERNAME": "bot@example.com",
        "MQLSYNC_SALESFORCE__CLIENT_ID": "x",
        "MQLSYNC_HUBSPOT__CLIENT_ID": "x",
        "MQLSYNC_HUBSPOT__ACCES_TOKEN": CANARY,
        "MQLSYNC_ALERTS__WEBHOOK": f"https://hooks.example.com/{CANARY}",
        "MQLSYNC_ALERTS__SLACK": f"https://hooks.example.com/{CANARY}",
    }
    loaded = examine(folder, environ)
    assert loaded.settings.database_url.endswith("@db/mqlsync")
    texts = [repr(loaded), str(loaded.settings), repr(loaded.settings.salesforce), *map(str, loaded.unknown)]
    assert CANARY not in "".join(texts)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("MQLSYNC_HUBSPOT__ACESS_TOKEN", "sets nothing; did you mean 'MQLSYNC_HUBSPOT__ACCESS_TOKEN'?"),
        ("MQLSYNC_HUBSPOT_ACCESS_TOKEN", "sets nothing; did you mean 'MQLSYNC_HUBSPOT__ACCESS_TOKEN'?"),
        ("mqlsync_hubspot__access_token", "sets nothing; did you mean 'MQLSYNC_HUBSPOT__ACCESS_TOKEN'?"),
        (
            "MQLSYNC_HUBSPOT__ACCESS_TOKEN_FIL",
            "sets nothing; did you mean 'MQLSYNC_HUBSPOT__ACCESS_TOKEN_FILE'?",
        ),
        ("MQLSYNC_ROUTING__UNOWNED", "sets nothing; [routing] is set in mqlsync.toml only"),
        ("MQLSYNC_WRITEBACK__HUBSPOT__CONTACTS", "sets nothing; [writeback] is set in mqlsync.toml only"),
        ("MQLSYNC_XYZ", "sets nothing"),
    ],
)
def test_an_unknown_variable_is_a_warning(folder: Path, name: str, sentence: str) -> None:
    (problem,) = examine(folder, {name: CANARY}).unknown
    assert str(problem) == f"{name}: {sentence}"


def test_known_variables_are_not_unknown() -> None:
    names = [*variables(), *(f"{name}_FILE" for name, one in variables().items() if one.secret)]
    environ = dict.fromkeys([*names, "MQLSYNC_CONFIG_DIR", "PATH"], "x")
    assert unknown_variables(environ) == []


# --- folders -------------------------------------------------------------------------------------


def test_a_named_folder_is_the_only_one(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert paths.config_dirs(empty, {"MQLSYNC_CONFIG_DIR": str(folder)}) == [empty]
    assert paths.config_dirs(None, {"MQLSYNC_CONFIG_DIR": str(folder)}) == [folder]


def test_the_current_folder_comes_before_the_users(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert paths.find_config_dir(None, {}) == folder
    assert paths.config_dirs(None, {})[1] == paths.user_config_dir()


def test_the_mirror_stands_in_the_state_folder_unless_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    assert load(folder, {}).database_url == "sqlite:////var/state/mqlsync/mirror.db"


def test_a_relative_mirror_does_not_move_with_the_current_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, 'database_url = "sqlite:///here.db"')
    monkeypatch.chdir("/")
    assert load(folder, {}).database_url == f"sqlite:///{tmp_path}/here.db"
    assert load(folder, {"MQLSYNC_DATABASE_URL": "sqlite:///x.db"}).database_url == "sqlite:////x.db"


def test_files_are_found_beside_the_configuration(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "ca.pem").write_text("", encoding="utf-8")
    write(folder, '[hubspot]\nca_file = "ca.pem"')
    monkeypatch.chdir("/")
    assert load(folder, {}).hubspot.ca_file == folder / "ca.pem"


# --- the template --------------------------------------------------------------------------------


def test_the_template_is_valid_as_it_is_and_writes_only_what_ordinary_accounts_have() -> None:
    settings = Settings.model_validate(tomllib.loads(TEMPLATE.read_text(encoding="utf-8")))
    assert check(settings) == []
    targets = settings.writeback
    assert [name for name, _ in targets.targets("salesforce", "Lead").items()] == ["status", "owner"]
    assert [name for name, _ in targets.targets("salesforce", "Contact").items()] == ["owner"]
    assert [name for name, _ in targets.targets("hubspot", "contacts").items()] == [
        "status",
        "stage",
        "owner",
    ]
    assert settings.routing.pools == {}


def test_the_template_mentions_every_key() -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    secrets = {variable.path for variable in variables().values() if variable.secret}
    for path, _ in leaves(Settings):
        word = variable_name(path) if path in secrets and path != ("database_url",) else path[-1]
        if path[0] == "writeback" and path[-1] in ("score", "grade", "reason", "mql_date", "status", "stage"):
            word = f"{path[-1]} = {{ field"
        assert word in text, path


def test_every_example_of_the_template_is_valid_too() -> None:
    """Un-commented, each commented assignment and table still parses and fits."""
    lines = []
    for line in TEMPLATE.read_text(encoding="utf-8").splitlines():
        body = line.removeprefix("# ")
        example = line.startswith("# ") and (
            body.startswith(("[", "members", "  {", "]"))
            or (" = " in body and body.split(" = ")[0].isidentifier())
        )
        lines.append(body if example else line)
    text = "\n".join(lines).replace("…", "x")
    values = tomllib.loads(text)
    assert values["salesforce"]["ca_file"] == "company-ca.pem"
    settings = Settings.model_validate(values)
    complaints = {finding.message.split(":")[0] for finding in check(settings)}
    assert complaints <= {
        "credentials are incomplete",
        "there is no file salesforce.pem",
        "there is no file company-ca.pem",
    }
    assert settings.routing.rules[0].pool == "dach"
    assert settings.engagement.rules[0].when["formName"].glob == "*roi calculator*"
