"""Where settings come from, which source wins, and that secrets stay secret."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from config import paths
from config.checks import check
from config.load import examine, load
from config.schema import leaves, variable_name, variables
from config.settings import Settings
from config.sources import build, gather, put, unknown_variables
from config.toml import Document

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


VALUES: dict[type, tuple[str, ...]] = {
    bool: ("true", "false"),
    int: ("47",),
    float: ("0.47",),
    Path: ("/etc/hostname",),
    list: ('["salesforce.Lead"]', '[{"salesforce": "a@x.example", "hubspot": "b@x.example"}]'),
    dict: ('{"mql": "47"}', '{"mql": 47}', '{"mql": {}}', '{"salesforce.Lead": {"x": "y"}}'),
    SecretStr: ("https://hooks.example.com/47", "47-secret"),
    str: ("47", "v4", "64.0", "task", "all", "machine", "owner_claim", "ladder", "salesforce", "https://x.my.salesforce.com",
          "0 4 7 * *", "Europe/Berlin", "127.0.0.1:47", "me@x.example", "sqlite:////tmp/47.db"),
}  # fmt: skip
"""Kind of key → values, of which one fits any such key."""
SAME = {"MQLSYNC_ENGAGEMENT__RULES": '[{"source": "hubspot.calls", "kind": "call"}]',
        "MQLSYNC_ROUTING__RULES": '[{"pool": "a"}]', "MQLSYNC_ROUTING__POOLS": '{"a": {}}'}  # fmt: skip


def settled(name: str, text: str) -> Any:
    """The value of that key when only its variable sets it; None when that does not fit."""
    gathered = gather(Document("F", {}, {}), Path(), {name: text})
    if gathered.problems:
        return None
    path = variables()[name].path
    if path[0] == "writeback" and len(path) == 5 and path[-1] != "field":
        put(gathered.environment, (*path[:-1], "field"), "X__c")  # the target is there at all
    try:
        found: Any = build(gathered.environment, gathered.file)
    except ValidationError:
        return None
    for key in path:
        found = getattr(found, {"from": "from_"}.get(key, key), None)
    return found


@pytest.mark.parametrize("name", variables())
def test_every_key_has_a_variable_that_sets_it(name: str) -> None:
    """Whatever the settings have: a key that is added and cannot be set fails here."""
    kind = variables()[name].kind
    values = (SAME[name],) if name in SAME else VALUES[kind]
    default = settled(name, "")
    taken = [value for text in values if (value := settled(name, text)) not in (None, default)]
    assert taken, f"{name} takes none of {values}"


def test_there_is_a_variable_for_every_leaf_of_the_settings() -> None:
    assert {one.path for one in variables().values()} == {path for path, _ in leaves(Settings)}
    assert len(variables()) == len(list(leaves(Settings)))
    assert "MQLSYNC_SLA__REASSIGN_AFTER" in variables()


def test_a_table_lies_over_that_of_the_file_and_a_list_stands_instead(folder: Path) -> None:
    write(
        folder,
        '[pull.objects."salesforce.Task"]\non = false\nevery = "1h"\n'
        '[pull.objects."salesforce.Event"]\non = false\n'
        '[routing]\nunowned = ["a@x.example", "b@x.example"]\n',
    )
    environ = {
        "MQLSYNC_PULL__OBJECTS": '{"salesforce.Task": {"every": "2h"}}',
        "MQLSYNC_ROUTING__UNOWNED": '["c@x.example"]',
        "MQLSYNC_WRITEBACK__SALESFORCE__LEAD__SCORE__FIELD": "Score__c",
    }
    loaded = examine(folder, environ)
    objects = loaded.settings.pull.objects
    assert (objects["salesforce.Task"].every, objects["salesforce.Task"].on) == (7200, False)
    assert objects["salesforce.Event"].on is False
    assert loaded.settings.routing.unowned == ("c@x.example",)
    assert loaded.settings.writeback.salesforce.Lead.items()[0][1].field == "Score__c"
    assert loaded.unknown == ()


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
        (
            "MQLSYNC_ROUTING__POOLS__DEFAULT__FALLBACK",
            "sets nothing: MQLSYNC_ROUTING__POOLS holds the whole table, as JSON",
        ),
        (
            "MQLSYNC_WRITEBACK__HUBSPOT__CONTACTS",
            "sets nothing: the keys of this table are set one by one, "
            "as by MQLSYNC_WRITEBACK__HUBSPOT__CONTACTS__STATUS__FIELD",
        ),
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
