"""More broken configurations, one value each; with those of test_broken they are over a hundred."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.test_broken import problems

SCHEDULE = 'expected an interval such as "5m" or a cron line such as "0 3 * * 0"'
VALUES: list[tuple[str, str]] = [
    ("[limits]\nshare_of_people = 1.5", "limits.share_of_people: 1.5 does not fit; expected at most 1.0"),
    (
        "[limits]\nper_owner_per_day = -1",
        "limits.per_owner_per_day: -1 does not fit; expected 1 or more",
    ),
    (
        '[limits]\nfirst_run_needs_approval = "yes"',
        'limits.first_run_needs_approval: "yes" does not fit; expected true or false',
    ),
    (
        '[writeback]\nquiet_period = "5 parsecs"',
        'writeback.quiet_period: "5 parsecs" does not fit: a duration',
    ),
    ("[writeback]\nsettle_time = -1", "writeback.settle_time: -1 does not fit; expected 0 or more"),
    ('[schedule]\npull = "61 * * * *"', "schedule.pull: the minute of this cron line cannot be read"),
    (
        '[schedule]\nfull = ""',
        f"schedule.full: neither an interval nor a cron line of five fields; {SCHEDULE}",
    ),
    (
        '[schedule.objects]\n"salesforce.Lead" = "never"',
        f"schedule.objects.salesforce.Lead: neither an interval nor a cron line of five fields; {SCHEDULE}",
    ),
    (
        '[schedule.objects]\n"salesforce.Lead" = "0 3 * * 8"',
        f"schedule.objects.salesforce.Lead: the day of the week of this cron line cannot be read; {SCHEDULE}",
    ),
    (
        '[schedule.objects]\n"Lead" = "5m"',
        "schedule.objects.Lead: this names no object; expected salesforce.OBJECT or hubspot.OBJECT",
    ),
    (
        "[schedule]\nobjects = 5",
        "schedule.objects: 5 does not fit; expected a table",
    ),
    (
        '[schedule.objects]\n"salesforce.Lead" = "5m"\n[pull.objects."salesforce.Lead"]\nevery = "1h"',
        'schedule.objects.salesforce.Lead: [pull.objects."salesforce.Lead"] says every as well',
    ),
    (
        '[schedule.objects]\n"salesforce.Task" = "5m"\n[pull.objects."salesforce.Task"]\non = false',
        'schedule.objects.salesforce.Task: it is never pulled: [pull.objects."salesforce.Task"] says',
    ),
    ('[hubspot]\napi_version = "four"', "hubspot.api_version: this is no version of the API"),
    (
        "[salesforce]\napi_version = 64",
        "salesforce.api_version: the value does not fit; expected text in quotes",
    ),
    (
        '[routing.pools.default]\nmembers = "ann@example.com"',
        'routing.pools.default.members: "ann@example.com" does not fit; expected a list',
    ),
    (
        '[routing.pools.default]\nmembers = [{ email = "ann" }]',
        "routing.pools.default.members[0].email: this is no e-mail address",
    ),
    ("[pull]\nreserve = 2", "pull.reserve: 2 does not fit; expected less than 1.0"),
    ('[pull]\nfields = "some"', "pull.fields: \"some\" does not fit; expected 'needed' or 'all'"),
    ("[alerts]\nwebhook = 5", "alerts.webhook: a secret does not belong in this file"),
    ('[alerts]\nemail = "ops@x.example"', 'alerts.email: "ops@x.example" does not fit; expected a table'),
    ("[alerts.email]\nport = 0", "alerts.email.port: 0 does not fit; expected 1 or more"),
    ("[alerts.email]\nport = 65536", "alerts.email.port: 65536 does not fit; expected at most 65535"),
    ('[alerts.email]\npassword = "x"', "alerts.email.password: a secret does not belong in this file"),
    ('[daemon]\nlisten = "localhost:99999"', "daemon.listen: this is no address"),
    ("[daemon]\nlease_wait = -5", "daemon.lease_wait: -5 does not fit; expected 0 or more"),
    ("[sla]\nrounds = 0", "sla.rounds: 0 does not fit; expected 1 or more"),
    ('[sla]\nremind = "sometimes"', 'sla.remind: "sometimes" does not fit; expected true or false'),
    (
        '[sla]\nreassign_after = "next week"',
        'sla.reassign_after: "next week" does not fit: a duration looks like',
    ),
    ("[pull]\nsweep_limit = 0", "pull.sweep_limit: 0 does not fit; expected more than 0.0"),
    (
        "[pull.objects]\nLead = { on = false }",
        "pull.objects.Lead: this names no object; expected salesforce.OBJECT or hubspot.OBJECT",
    ),
    (
        '[pull.overlap]\n"salesforce.Lead" = "soon"',
        'pull.overlap.salesforce.Lead: "soon" does not fit: a duration',
    ),
    ('[retention]\nruns = "for ever"', 'retention.runs: "for ever" does not fit: a duration looks like'),
    ('[schedule]\nzone = "Europe/Berln"', 'schedule.zone: "Europe/Berln" is not a time zone; did you mean'),
    ("[stages]\naccepted = 7", "stages.accepted: 7 does not fit; expected a table"),
    (
        "[writeback.hubspot.contacts]\nstatus = 5",
        "writeback.hubspot.contacts.status: 5 does not fit; expected a table",
    ),
]


@pytest.mark.parametrize(
    ("text", "message"), VALUES, ids=[message.partition(":")[0] for _, message in VALUES]
)
def test_a_value_that_does_not_fit_says_where_and_what_would(tmp_path: Path, text: str, message: str) -> None:
    assert [line for line in problems(tmp_path, text) if line.startswith(f"F:2: {message}")]
