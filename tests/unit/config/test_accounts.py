"""accounts.toml: what an account gets, and every problem at once with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.accounts import Accounts, account_of, in_schema, load_accounts
from config.errors import ConfigError
from config.load import examine, load

QUEUE = 'queue_url = "postgresql://mqlsync@db.example/mqlsync"\n'


def account(folder: Path, name: str, settings: str = "") -> Path:
    """A configuration folder."""
    made = folder / name
    made.mkdir(parents=True)
    (made / "mqlsync.toml").write_text(settings)
    return made


def read(folder: Path, text: str, **environ: str) -> Accounts:
    path = folder / "accounts.toml"
    path.write_text(text)
    return load_accounts(path, environ)


def refused(folder: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(folder, text, **environ)
    return [str(one).removeprefix(f"{folder}/") for one in caught.value.problems]


def test_an_account_is_a_folder_a_schema_and_its_secrets(tmp_path: Path) -> None:
    account(tmp_path, "acme")
    account(tmp_path, "beta-two")
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "MQLSYNC_HUBSPOT__ACCESS_TOKEN").write_text("of acme\n")
    text = QUEUE + '[accounts.acme]\nsecrets = "secrets"\n[accounts.beta-two]\nprefix = "BETA_"\n'
    told = read(tmp_path, text, BETA_HUBSPOT__ACCESS_TOKEN="of beta", HOME="/root")
    assert [one.name for one in told.accounts] == ["acme", "beta-two"]
    acme, beta = (load(one.folder, one.environ) for one in told.accounts)
    assert acme.database_url == (
        "postgresql+psycopg://mqlsync@db.example/mqlsync?options=-csearch_path%3Dacme"
    )
    assert beta.database_url.endswith("search_path%3Dbeta_two")
    tokens = [one.hubspot.access_token for one in (acme, beta)]
    assert [token.get_secret_value() for token in tokens if token] == ["of acme", "of beta"]
    assert "of beta" not in repr(told)


def test_nothing_of_the_workers_own_environment_reaches_an_account(tmp_path: Path) -> None:
    account(tmp_path, "acme")
    told = read(
        tmp_path,
        QUEUE + "[accounts.acme]\n",
        MQLSYNC_HUBSPOT__ACCESS_TOKEN="of somebody else",
        MQLSYNC_DATABASE_URL="sqlite:////tmp/other.db",
        CREDENTIALS_DIRECTORY=str(tmp_path),
        PATH="/bin",
    )
    (one,) = told.accounts
    assert set(one.environ) == {"PATH", "MQLSYNC_DATABASE_URL"}
    assert "acme" in one.environ["MQLSYNC_DATABASE_URL"]


def test_credentials_of_systemd_are_named_by_the_prefix(tmp_path: Path) -> None:
    account(tmp_path, "acme")
    handed = tmp_path / "credentials"
    handed.mkdir()
    (handed / "secrets_acme_HUBSPOT__ACCESS_TOKEN").write_text("handed over")
    text = QUEUE + '[accounts.acme]\nprefix = "secrets_acme_"\n'
    (one,) = read(tmp_path, text, CREDENTIALS_DIRECTORY=str(handed)).accounts
    token = load(one.folder, one.environ).hubspot.access_token
    assert token is not None
    assert token.get_secret_value() == "handed over"


def test_a_mirror_may_be_elsewhere(tmp_path: Path) -> None:
    account(tmp_path, "acme", 'database_url = "postgresql+psycopg://u@own/acme"\n')
    account(tmp_path, "beta")
    account(tmp_path, "gamma")
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "MQLSYNC_DATABASE_URL").write_text("postgresql+psycopg://u:pw@own/gamma")
    text = QUEUE + '[accounts.acme]\n[accounts.beta]\ndatabase_url = "postgresql+psycopg://u@b/beta"\n'
    told = read(tmp_path, text + '[accounts.gamma]\nsecrets = "secrets"\n')
    urls = [load(one.folder, one.environ).database_url.partition("@")[2] for one in told.accounts]
    assert urls == ["own/acme", "b/beta", "own/gamma"]


def test_a_folder_of_configurations_names_them(tmp_path: Path) -> None:
    account(tmp_path / "all", "acme")
    account(tmp_path / "all", "beta")
    account(tmp_path / "all", "Not a name")
    (tmp_path / "all" / "empty").mkdir()
    text = QUEUE + 'folder = "all"\nevery_folder = true\n[accounts.renamed]\nconfig = "all/beta"\n'
    assert [one.name for one in read(tmp_path, text).accounts] == ["acme", "renamed"]


def test_a_folder_finds_its_account(tmp_path: Path) -> None:
    folder = account(tmp_path / "accounts", "acme")
    text = QUEUE + 'folder = "accounts"\n[accounts.acme]\nprefix = "ACME_"\n'
    read(tmp_path, text)
    found = account_of(folder, {"ACME_HUBSPOT__ACCESS_TOKEN": "token"})
    assert found is not None
    assert found.name == "acme"
    assert examine(folder, found.environ).settings.hubspot.enabled
    assert account_of(account(tmp_path, "unlisted"), {}) is None
    assert account_of(tmp_path.parent, {}) is None
    (tmp_path / "accounts.toml").write_text("[bank]\nnumber = 3\n")
    assert account_of(folder, {}) is None, "another program's file"


def test_all_problems_at_once_with_lines_and_the_nearest_name(tmp_path: Path) -> None:
    account(tmp_path, "acme")
    account(tmp_path, "beta")
    text = """queue_url = "mysql://db.example/mqlsync"
concurency = 3
listen = "nowhere"
[accounts.acme]
shema = "acme"
prefix = "A_"
[accounts.Beta]
config = "bta"
secrets = "nowhere"
[accounts.gamma]
config = "acme"
prefix = "A_B_"
database_url = "postgresql+psycopg://u:secret@db/x"
schema = "Bad Name"
access_token = "pat-na1-secret"
"""
    found = refused(tmp_path, text)
    said = "\n".join(found)
    for begin in (
        "accounts.toml:1: queue_url: the queue needs a PostgreSQL",
        "accounts.toml:2: concurency: unknown key; did you mean 'concurrency'?",
        "accounts.toml:3: listen: this is no address",
        "accounts.toml:5: accounts.acme.shema: unknown key; did you mean 'schema'?",
        "accounts.toml:7: accounts.Beta: is no name of an account",
        "accounts.toml:8: accounts.Beta.config: there is no mqlsync.toml in",
        "accounts.toml:9: accounts.Beta.secrets: there is no such folder",
        "accounts.toml:11: accounts.gamma: is the same folder as of acme",
        "accounts.toml:12: accounts.gamma.prefix: begins with the prefix of acme",
        "accounts.toml:13: accounts.gamma.database_url: a URL with a password",
        "accounts.toml:14: accounts.gamma.schema: is for the queue's PostgreSQL",
        "accounts.toml:15: accounts.gamma.access_token: unknown key",
    ):
        assert any(one.startswith(begin) for one in found), f"{begin}\n{said}"
    assert "did you mean 'beta'?" in said
    assert "secret" not in said.replace("secrets", "")


@pytest.mark.parametrize(
    ("text", "environ", "message"),
    [
        ("[accounts.acme]\n", {}, "no queue: set queue_url, or MQLSYNC_QUEUE_URL"),
        (
            'queue_url = "postgresql://u:pw@h/d"\n[accounts.acme]\n',
            {},
            "a URL with a password does not belong in this file",
        ),
        (QUEUE, {}, "names no account"),
        (QUEUE + "[accounts.acme]\n", {"MQLSYNC_QUEUE_URL": "sqlite:///x"}, "MQLSYNC_QUEUE_URL: queue_url:"),
        (QUEUE + '[accounts.acme]\ndatabase_url = "sqlite:////x.db"\n', {}, "a file is not to be shared"),
        (QUEUE + '[accounts.acme]\nprefix = "MQLSYNC_"\n', {}, "would give every account the same"),
        (QUEUE + 'concurrency = 0\n[accounts.acme]\nprefix = "acme"\n', {}, "is no beginning of a variable"),
        (QUEUE + "accounts = 3\n", {}, "expected a table"),
        ("[accounts.acme", {}, "not valid TOML"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, text: str, environ: dict[str, str], message: str
) -> None:
    account(tmp_path, "acme")
    assert any(message in one for one in refused(tmp_path, text, **environ)), refused(
        tmp_path, text, **environ
    )


def test_two_accounts_never_share_a_mirror(tmp_path: Path) -> None:
    account(tmp_path, "acme")
    account(tmp_path, "beta")
    found = refused(tmp_path, QUEUE + '[accounts.acme]\n[accounts.beta]\nschema = "acme"\n')
    assert found == ["accounts.toml:4: accounts.beta: is the same mirror as of acme"]


def test_the_password_of_the_queue_comes_from_variable_or_file(tmp_path: Path) -> None:
    account(tmp_path, "acme")
    file = tmp_path / "queue"
    file.write_text("postgresql+psycopg://u:pw@h/d\n")
    told = read(tmp_path, "[accounts.acme]\n", MQLSYNC_QUEUE_URL_FILE=str(file))
    assert told.queue_url == "postgresql://u:pw@h/d"
    assert "pw" not in repr(told)


def test_options_of_the_url_are_kept() -> None:
    url = "postgresql:///d?host=/run&options=-cstatement_timeout%3D5s"
    assert in_schema(url, "acme") == (
        "postgresql+psycopg:///d?host=%2Frun&options=-cstatement_timeout%3D5s+-csearch_path%3Dacme"
    )
