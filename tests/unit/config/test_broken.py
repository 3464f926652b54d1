"""Broken configurations: each says where, what, and what would be right, and all say it at once."""

# ruff: noqa: E501  (a message stands in one line, as its reader sees it)

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigError, NotSetUp
from config.load import examine, load

CANARY = "s3cr3t-c4n4ry"
SALESFORCE = {
    "MQLSYNC_SALESFORCE__USERNAME": "bot@example.com",
    "MQLSYNC_SALESFORCE__PASSWORD": CANARY,
}


def problems(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """What is wrong, one line each, with the file called F."""
    (tmp_path / "mqlsync.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, environ or {})
    lines = [str(problem) for problem in caught.value.problems]
    assert CANARY not in "".join(lines)
    assert CANARY not in str(caught.value) + repr(caught.value)
    return [line.replace(str(tmp_path / "mqlsync.toml"), "F").replace(str(tmp_path), "D") for line in lines]


STAGES = "one of subscriber, lead, mql, sql, opportunity, customer, recycled, disqualified"
RECORDS = (
    "one of salesforce.Contact, salesforce.Lead, salesforce.Account, hubspot.companies, hubspot.contacts"
)
LEAD = "[writeback.salesforce.Lead]\n"

BROKEN: list[tuple[str, str]] = [
    # --- keys that do not exist
    (
        '[writeback.hubspot]\nhand_off = "taks"',
        "F:2: writeback.hubspot.hand_off: \"taks\" does not fit; expected 'task' or 'note'; "
        "did you mean 'task'?",
    ),
    ('databse_url = "x"', "F:1: databse_url: unknown key; did you mean 'database_url'?"),
    ("[limit]\nrecords_per_run = 5", "F:1: limit: unknown key; did you mean 'limits'?"),
    (
        "\n[limits]\nrecords_a_run = 5",
        "F:3: limits.records_a_run: unknown key; did you mean 'records_per_run'?",
    ),
    (
        '[limits]\nquiet_period = "5m"',
        "F:2: limits.quiet_period: unknown key here; it belongs to [writeback]",
    ),
    (
        "[daemon]\ncolour = 1",
        "F:2: daemon.colour: unknown key; expected one of lease, lease_wait, listen",
    ),
    (
        LEAD + 'status = { feild = "Status", field = "Status", values = { mql = "MQL" }, from = [""] }',
        "F:2: writeback.salesforce.Lead.status.feild: unknown key; did you mean 'field'?",
    ),
    (
        '[writeback.salesforce.Leads]\nowner = { field = "OwnerId" }',
        "F:1: writeback.salesforce.Leads: unknown key; did you mean 'Lead'?",
    ),
    (
        '[routing.pools.a]\nmembers = [\n  { email = "ann@example.com" },\n'
        '  { email = "bob@example.com", wieght = 2 },\n]',
        "F:4: routing.pools.a.members[1].wieght: unknown key; did you mean 'weight'?",
    ),
    # --- values of the wrong type or size
    (
        '[limits]\nrecords_per_run = "many"',
        'F:2: limits.records_per_run: "many" does not fit; expected a whole number',
    ),
    (
        "[limits]\nrecords_per_run = true",
        "F:2: limits.records_per_run: true does not fit; expected a whole number",
    ),
    ("[limits]\nrecords_per_run = 0", "F:2: limits.records_per_run: 0 does not fit; expected 1 or more"),
    (
        "[limits]\nrecords_per_run = 1.5",
        "F:2: limits.records_per_run: 1.5 does not fit; expected a whole number",
    ),
    ("[limits]\nshare_of_people = 5", "F:2: limits.share_of_people: 5 does not fit; expected at most 1.0"),
    ("[limits]\nshare_of_people = 0", "F:2: limits.share_of_people: 0 does not fit; expected more than 0.0"),
    (
        "[limits]\nfirst_run_needs_approval = 1",
        "F:2: limits.first_run_needs_approval: 1 does not fit; expected true or false",
    ),
    ("[pull]\nreserve = 1", "F:2: pull.reserve: 1 does not fit; expected less than 1.0"),
    (
        '[pull]\nfields = "al"',
        "F:2: pull.fields: \"al\" does not fit; expected 'needed' or 'all'; did you mean 'all'?",
    ),
    (
        '[writeback]\nquiet_period = "five"',
        'F:2: writeback.quiet_period: "five" does not fit: a duration looks like "90s", "5m", "24h" or "30d"',
    ),
    ("[writeback]\nsettle_time = -1", "F:2: writeback.settle_time: -1 does not fit; expected 0 or more"),
    ("limits = 3", "F:1: limits: 3 does not fit; expected a table"),
    ('salesforce = "on"', "F:1: salesforce: the value does not fit; expected a table"),
    (
        '[mapping]\nprecedence = "salesforce.Lead"',
        'F:2: mapping.precedence: "salesforce.Lead" does not fit; expected a list such as ["a", "b"]',
    ),
    ("[routing]\nunowned = [1]", "F:2: routing.unowned[0]: 1 does not fit; expected text in quotes"),
    (
        '[[routing.rules]]\nwhen = { country = "DE" }',
        "F:1: routing.rules[0].pool: is missing",
    ),
    (
        LEAD
        + 'status = { field = "Status", policy = "last_suplied", values = { mql = "MQL" }, from = [""] }',
        "F:2: writeback.salesforce.Lead.status.policy: \"last_suplied\" does not fit; expected 'machine', 'fill', "
        "'last_supplied', 'human_wins', 'ladder' or 'owner_claim'; did you mean 'last_supplied'?",
    ),
    # --- URLs and versions
    (
        '[salesforce]\nlogin_url = "http://login.salesforce.com"',
        "F:2: salesforce.login_url: plain http is accepted for this machine (loopback) only",
    ),
    (
        '[hubspot]\nbase_url = "api.hubapi.com"',
        "F:2: hubspot.base_url: this is not a URL that starts with https://",
    ),
    (
        f'[hubspot]\nbase_url = "https://me:{CANARY}@api.hubapi.com"',
        "F:2: hubspot.base_url: a URL here holds no user or password",
    ),
    ('[hubspot]\nbase_url = "https://[::1"', "F:2: hubspot.base_url: this is not a URL"),
    (
        f'[salesforce]\ninstance_url = "https://x.my.salesforce.com/?token={CANARY}"',
        "F:2: salesforce.instance_url: a URL here has no ? or # part",
    ),
    (
        '[salesforce]\napi_version = "v64"',
        'F:2: salesforce.api_version: this is no version of the API; expected a number such as "64.0"',
    ),
    (
        "[salesforce]\napi_version = 64.0",
        "F:2: salesforce.api_version: the value does not fit; expected text in quotes",
    ),
    (
        '[hubspot]\napi_version = "2026-13"',
        'F:2: hubspot.api_version: this is no version of the API; expected "v3" or a date such as "2026-03"',
    ),
    ('[hubspot]\nca_file = "no.pem"', "F:2: hubspot.ca_file: there is no file D/no.pem"),
    (
        'database_url = "mysql://localhost/x"',
        "F:1: database_url: this is no database that mqlsync speaks to; "
        "expected sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME",
    ),
    (
        'database_url = "sqlite://"',
        "F:1: database_url: a mirror in memory would be lost with the process; "
        "expected sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME",
    ),
    # --- secrets
    (
        f'[hubspot]\naccess_token = "{CANARY}"',
        "F:2: hubspot.access_token: a secret does not belong in this file: set the environment variable "
        "MQLSYNC_HUBSPOT__ACCESS_TOKEN, or MQLSYNC_HUBSPOT__ACCESS_TOKEN_FILE to the path of a file that holds it",
    ),
    (
        f'[salesforce]\npassword = ["{CANARY}"]',
        "F:2: salesforce.password: a secret does not belong in this file: set the environment variable "
        "MQLSYNC_SALESFORCE__PASSWORD, or MQLSYNC_SALESFORCE__PASSWORD_FILE to the path of a file that holds it",
    ),
    (
        f'database_url = "postgresql+psycopg://me:{CANARY}@db/x"',
        "F:1: database_url: a URL with a password does not belong in this file: set the environment variable "
        "MQLSYNC_DATABASE_URL, or MQLSYNC_DATABASE_URL_FILE to the path of a file that holds it",
    ),
    (f'[hubspot]\ntoken = "{CANARY}"', "F:2: hubspot.token: unknown key; did you mean 'access_token'?"),
    (
        f'[salesforce]\nsecurity_tokn = "{CANARY}"',
        "F:2: salesforce.security_tokn: unknown key; did you mean 'security_token'?",
    ),
    # --- sign-in
    (
        '[salesforce]\nusername = "bot@example.com"',
        "F:1: salesforce: credentials are incomplete: username given, MQLSYNC_SALESFORCE__PASSWORD missing",
    ),
    (
        '[salesforce]\nclient_id = "3MVG"',
        "F:1: salesforce: credentials are incomplete: client_id given, MQLSYNC_SALESFORCE__CLIENT_SECRET missing",
    ),
    (
        '[hubspot]\nclient_id = "x"',
        "F:1: hubspot: credentials are incomplete: client_id given, "
        "MQLSYNC_HUBSPOT__CLIENT_SECRET and MQLSYNC_HUBSPOT__REFRESH_TOKEN missing",
    ),
    # --- policies
    (
        LEAD + 'status = { field = "Status", values = { mql = "MQL" } }',
        'F:2: writeback.salesforce.Lead.status: policy "last_supplied" needs `from`: the values it may replace; '
        'expected for example from = ["", "New"]',
    ),
    (
        LEAD + 'status = { field = "Status", values = { mlq = "MQL", mql = "MQL" }, from = [""] }',
        f"F:2: writeback.salesforce.Lead.status.values.mlq: there is no such stage; expected {STAGES}; "
        "did you mean 'mql'?",
    ),
    (
        LEAD + 'status = { field = "Status", from = [""] }',
        "F:2: writeback.salesforce.Lead.status.values: no value says that a person is an MQL; "
        'expected values = { mql = "…" }',
    ),
    (
        LEAD + 'score = { field = "MQL_Score__c", policy = "owner_claim" }',
        'F:2: writeback.salesforce.Lead.score.policy: policy "owner_claim" does not fit score; '
        'expected "machine", "fill", "last_supplied", "human_wins" or "ladder"',
    ),
    (
        LEAD + 'owner = { field = "OwnerId", policy = "machine" }',
        'F:2: writeback.salesforce.Lead.owner.policy: policy "machine" does not fit owner; expected "owner_claim"',
    ),
    (
        LEAD + 'score = { field = "Notes__c" }\nreason = { field = "notes__c" }',
        "F:3: writeback.salesforce.Lead.reason.field: notes__c is already written as score",
    ),
    (
        LEAD + 'stage = { field = "Stage__c", policy = "ladder", values = { mql = "MQL" } }',
        "F:2: writeback.salesforce.Lead.stage: the order of the values of Stage__c is not known; "
        "expected ladder = [ … from low to high … ]",
    ),
    (
        LEAD + 'owner = { field = " " }',
        "F:2: writeback.salesforce.Lead.owner.field: no field is named; expected the API name of a field",
    ),
    # --- routing
    (
        '[routing.pools.dach]\nmembers = []\n[[routing.rules]]\npool = "dahc"',
        "F:4: routing.rules[0].pool: there is no pool \"dahc\"; expected one of dach; did you mean 'dach'?",
    ),
    (
        '[[routing.rules]]\npool = "x"',
        'F:2: routing.rules[0].pool: there is no pool "x"; expected a table [routing.pools.x]',
    ),
    (
        '[routing.pools.a]\nmembers = [{ email = "ann" }]',
        "F:2: routing.pools.a.members[0].email: this is no e-mail address",
    ),
    (
        '[routing.pools.a]\nmembers = [\n{ email = "ann@example.com" },\n{ email = "Ann@Example.com" }]',
        "F:4: routing.pools.a.members[1].email: this colleague already stands in the pool; "
        "expected weight = 2 for two turns",
    ),
    (
        '[routing.pools.a]\nfallback = "queue:"',
        'F:2: routing.pools.a.fallback: this names nobody; expected an e-mail address or "queue:NAME"',
    ),
    # --- schedules, stages, mapping, engagement
    (
        '[schedule]\npull = "0s"',
        "F:2: schedule.pull: an interval of less than 1 s; "
        'expected an interval such as "5m" or a cron line such as "0 3 * * 0"',
    ),
    (
        '[schedule]\npull = "0 25 * * *"',
        "F:2: schedule.pull: the hour of this cron line cannot be read; "
        'expected an interval such as "5m" or a cron line such as "0 3 * * 0"',
    ),
    (
        '[schedule]\nfull = "weekly"',
        "F:2: schedule.full: neither an interval nor a cron line of five fields; "
        'expected an interval such as "5m" or a cron line such as "0 3 * * 0"',
    ),
    (
        '[daemon]\nlisten = "9464"',
        'F:2: daemon.listen: this is no address; expected "HOST:PORT", or "" for nothing',
    ),
    (
        '[alerts]\nwebhook = "https://hooks.example.com/x"',
        "F:2: alerts.webhook: a secret does not belong in this file: set the environment variable "
        "MQLSYNC_ALERTS__WEBHOOK, or MQLSYNC_ALERTS__WEBHOOK_FILE to the path of a file that holds it",
    ),
    ("[alerts]\nparked_over = -1", "F:2: alerts.parked_over: -1 does not fit; expected 0 or more"),
    ('[daemon]\nlease = "1s"', "F:2: daemon.lease: is too short to be renewed in time; expected 5s or more"),
    (
        '[stages]\naccepted = { salesforce = ["SQL"] }\nrecycled = { salesforce = ["Rejected", "sql"] }',
        'F:3: stages.recycled.salesforce[1]: "sql" already stands in stages.accepted',
    ),
    (
        '[mapping]\nprecedence = ["salesforce.Leads"]',
        f'F:2: mapping.precedence[0]: there are no "salesforce.Leads"; expected {RECORDS}; '
        "did you mean 'salesforce.Lead'?",
    ),
    (
        '[mapping]\nprecedence = ["salesforce.Lead", "salesforce.Lead"]',
        "F:2: mapping.precedence[1]: salesforce.Lead stands here twice",
    ),
    (
        '[mapping.fields."salesforce.Deal"]\nsegment = "Segment__c"',
        f'F:1: mapping.fields.salesforce.Deal: there are no "salesforce.Deal"; expected {RECORDS}; '
        "did you mean 'salesforce.Lead'?",
    ),
    (
        '[[engagement.rules]]\nsource = "forms"\nkind = "form_submitted"',
        "F:2: engagement.rules[0].source: this names no source; "
        "expected hubspot.SOURCE or salesforce.SOURCE, such as hubspot.form_submission",
    ),
    (
        '[[engagement.rules]]\nsource = "hubspot.calls"\nkind = "Call made"',
        'F:3: engagement.rules[0].kind: this is no kind; expected a lower-case word such as page_view, or "ignore"',
    ),
    (
        '[[engagement.rules]]\nsource = "hubspot.calls"\nkind = "call"\nwhen = { title = { glob = "a", in = ["b"] } }',
        "F:4: engagement.rules[0].when.title: this says not exactly one thing; expected one of glob, equals, in",
    ),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=[message[3:48] for _, message in BROKEN])
def test_one_broken_file_one_precise_sentence(tmp_path: Path, text: str, message: str) -> None:
    assert problems(tmp_path, text) == [message]


def test_there_are_enough_of_them() -> None:
    assert len(BROKEN) >= 60
    assert len({message for _, message in BROKEN}) == len(BROKEN)


ENVIRONMENT: list[tuple[dict[str, str], str]] = [
    (
        {"MQLSYNC_LIMITS__RECORDS_PER_RUN": CANARY},
        "MQLSYNC_LIMITS__RECORDS_PER_RUN: limits.records_per_run: the value does not fit; expected a whole number",
    ),
    (
        {"MQLSYNC_LIMITS__FIRST_RUN_NEEDS_APPROVAL": "maybe"},
        "MQLSYNC_LIMITS__FIRST_RUN_NEEDS_APPROVAL: limits.first_run_needs_approval: the value does not fit; "
        "expected true or false",
    ),
    (
        {"MQLSYNC_WRITEBACK__QUIET_PERIOD": CANARY},
        "MQLSYNC_WRITEBACK__QUIET_PERIOD: writeback.quiet_period: the value does not fit: "
        'a duration looks like "90s", "5m", "24h" or "30d"',
    ),
    (
        {"MQLSYNC_HUBSPOT__BASE_URL": "http://10.0.0.1"},
        "MQLSYNC_HUBSPOT__BASE_URL: hubspot.base_url: plain http is accepted for this machine (loopback) only",
    ),
    (
        {"MQLSYNC_DATABASE_URL": f"oracle://me:{CANARY}@db"},
        "MQLSYNC_DATABASE_URL: database_url: this is no database that mqlsync speaks to; "
        "expected sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME",
    ),
    (
        {"MQLSYNC_HUBSPOT__ACCESS_TOKEN": f"{CANARY}\n{CANARY}"},
        "MQLSYNC_HUBSPOT__ACCESS_TOKEN: holds a line break; expected one line",
    ),
    (
        {"MQLSYNC_HUBSPOT__ACCESS_TOKEN": CANARY, "MQLSYNC_HUBSPOT__ACCESS_TOKEN_FILE": "/x"},
        "MQLSYNC_HUBSPOT__ACCESS_TOKEN: is set, and so is MQLSYNC_HUBSPOT__ACCESS_TOKEN_FILE: which is meant?; "
        "expected one of the two",
    ),
    (
        {"MQLSYNC_HUBSPOT__ACCESS_TOKEN_FILE": "/nowhere/token"},
        "MQLSYNC_HUBSPOT__ACCESS_TOKEN_FILE: /nowhere/token cannot be read: No such file or directory",
    ),
    (
        {"MQLSYNC_SALESFORCE__CLIENT_ID": "x", "MQLSYNC_SALESFORCE__CLIENT_SECRET": CANARY},
        "F: salesforce.login_url: client credentials need the My Domain URL here; "
        "expected https://YOUR-DOMAIN.my.salesforce.com",
    ),
    (
        {"MQLSYNC_SALESFORCE__ACCESS_TOKEN": CANARY},
        "F: salesforce: credentials are incomplete: access_token given, MQLSYNC_SALESFORCE__INSTANCE_URL missing",
    ),
    (
        {"MQLSYNC_SALESFORCE__SECURITY_TOKEN": CANARY},
        "F: salesforce: credentials are incomplete: security_token given, "
        "MQLSYNC_SALESFORCE__USERNAME and MQLSYNC_SALESFORCE__PASSWORD missing",
    ),
    (
        {"MQLSYNC_ROUTING__UNOWNED": f"{CANARY}@x.example"},
        'MQLSYNC_ROUTING__UNOWNED: this is no JSON at character 1; expected a list as JSON, such as ["a", "b"]',
    ),
    (
        {"MQLSYNC_ROUTING__POOLS": f'{{"{CANARY}": '},
        "MQLSYNC_ROUTING__POOLS: this is no JSON at character 19; "
        'expected a table as JSON, such as {"a": "b"}',
    ),
    (
        {"MQLSYNC_PULL__OBJECTS": "[" * 100_000},
        'MQLSYNC_PULL__OBJECTS: this is no JSON; expected a table as JSON, such as {"a": "b"}',
    ),
    (
        {"MQLSYNC_ALERTS__EMAIL__TO": "{}"},
        'MQLSYNC_ALERTS__EMAIL__TO: the value does not fit; expected a list as JSON, such as ["a", "b"]',
    ),
    (
        {"MQLSYNC_ROUTING__UNOWNED": '["a@x.example", 5]'},
        "MQLSYNC_ROUTING__UNOWNED: routing.unowned[1]: the value does not fit; expected text in quotes",
    ),
    (
        {"MQLSYNC_ROUTING__POOLS": '{"a": {"members": [{"email": "ann@x.example", "wieght": 2}]}}'},
        "MQLSYNC_ROUTING__POOLS: routing.pools.a.members[0].wieght: unknown key; did you mean 'weight'?",
    ),
    (
        {"MQLSYNC_ROUTING__RULES": '[{"when": {"country": "DE"}}]'},
        "MQLSYNC_ROUTING__RULES: routing.rules[0].pool: is missing",
    ),
    (
        {"MQLSYNC_PULL__OBJECTS": '{"salesforce.Task": {"every": "soon"}}'},
        "MQLSYNC_PULL__OBJECTS: pull.objects.salesforce.Task.every: the value does not fit: "
        'a duration looks like "90s", "5m", "24h" or "30d"',
    ),
    (
        {"MQLSYNC_WRITEBACK__SALESFORCE__LEAD__STATUS__FROM": '["New"]'},
        "F: writeback.salesforce.Lead.status.field: is missing",
    ),
    (
        {**SALESFORCE, "MQLSYNC_SALESFORCE__CA_FILE": "/nowhere/ca.pem"},
        "MQLSYNC_SALESFORCE__CA_FILE: salesforce.ca_file: there is no file /nowhere/ca.pem",
    ),
]


@pytest.mark.parametrize(
    ("environ", "message"), ENVIRONMENT, ids=[message[:40] for _, message in ENVIRONMENT]
)
def test_a_problem_of_a_variable_names_the_variable(
    tmp_path: Path, environ: dict[str, str], message: str
) -> None:
    assert problems(tmp_path, "", environ) == [message]


def test_all_problems_come_at_once_from_top_to_bottom(tmp_path: Path) -> None:
    text = (
        'databse_url = "x"\n'
        "[salesforce]\n"
        f'password = "{CANARY}"\n'
        'login_url = "http://example.com"\n'
        "[limits]\n"
        "records_per_run = 0\n" + LEAD + 'status = { field = "Status", values = { mql = "MQL" } }\n'
        "[[routing.rules]]\n"
        'pool = "x"\n'
    )
    lines = problems(tmp_path, text, {"MQLSYNC_LIMITS__PER_OWNER_PER_DAY": "x"})
    assert [line.split(": ")[0] for line in lines] == [
        "F:1",
        "F:3",
        "F:4",
        "F:6",
        "F:8",
        "F:10",
        "MQLSYNC_LIMITS__PER_OWNER_PER_DAY",
    ]


def test_a_syntax_error_is_reported_alone(tmp_path: Path) -> None:
    lines = problems(tmp_path, 'databse_url = "x"\n[limits\n', {"MQLSYNC_LIMITS__PER_OWNER_PER_DAY": "x"})
    assert len(lines) == 1
    assert lines[0].startswith("F:2: not valid TOML: ")


def test_no_configuration_at_all_is_not_an_error_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(NotSetUp) as caught:
        examine(tmp_path, {})
    assert caught.value.searched == (str(tmp_path),)
