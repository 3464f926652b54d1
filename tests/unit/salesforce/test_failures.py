"""What went wrong in the pulls of others, by its number (P1 to P25): as far as Salesforce can do it to us."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from config.settings import SalesforceSettings
from connectors.errors import AuthFailed, BrokenReply, ConnectorError, Fatal, QuotaSpent, Retriable
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.records import Cursor, GoneReason, Page
from connectors.retry import RetryPolicy
from connectors.salesforce import soql
from connectors.salesforce.connector import SalesforceConnector
from connectors.sandbox.faults import Match
from connectors.sandbox.salesforce.schema import Field
from connectors.sandbox.sandbox import Sandbox
from connectors.throttle import UnlimitedBudget
from tests.unit.salesforce.helpers import connect, error, sandbox_settings
from tests.unit.salesforce.pulling import drain, feed_of, lead, options, people
from tests.world import SimulatedWorld

PAGES = 4
ROWS = 5  # of a page


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soql, "PAGE_ROWS", ROWS)


@pytest.fixture
def connector(sandbox: Sandbox, world: SimulatedWorld) -> Iterator[SalesforceConnector]:
    made = connect(sandbox, world, bulk_above=10**9, retries=RetryPolicy(attempts=3))
    yield made
    made.close()


def fill(sandbox: Sandbox, count: int = PAGES * ROWS - 2) -> set[str]:
    return {lead(sandbox, LastName=f"L{number}") for number in range(count)}


def until_trouble(connector: SalesforceConnector, cursor: Cursor | None) -> tuple[list[Page], ConnectorError]:
    """The pages that came before the trouble, and the trouble."""
    pages: list[Page] = []
    with pytest.raises(ConnectorError) as caught:
        pages.extend(connector.changes(feed_of(connector, "Lead"), cursor))
    return pages, caught.value


# Every row once, whatever they share


def test_p19_p1_twelve_thousand_records_of_one_moment(
    connector: SalesforceConnector, sandbox: Sandbox
) -> None:
    refs = {
        sandbox.salesforce.create("Lead", {"LastName": f"L{number}", "Company": "Acme"})
        for number in range(12_000)
    }
    pages, _ = drain(connector, "Lead")
    assert len({person.modified_ms for page in pages for person in page.people}) == 1
    told = [person.id for page in pages for person in page.people]
    assert (len(told), set(told)) == (12_000, refs)
    assert len(pages) == 6  # of 2,000; the last one is known to be it by the count


@pytest.mark.usefixtures("small_pages")
def test_p2_p3_p4_every_page_begins_behind_the_last_row_of_the_one_before(
    connector: SalesforceConnector, sandbox: Sandbox
) -> None:
    fill(sandbox)
    drain(connector, "Lead")
    asked = [str(one.query) for one in sandbox.requests if one.path.endswith("/queryAll")]
    texts = [text for text in asked if "FROM Lead" in text and "COUNT" not in text]
    assert len(texts) == len({*texts}) == PAGES
    assert all("AND Id > '" in text and "OFFSET" not in text for text in texts[1:])


# Wide objects


@pytest.mark.parametrize(("count", "calls"), [(200, 1), (450, 2)])
def test_p11_two_hundred_fields_and_more_than_a_url_holds(
    sandbox: Sandbox, world: SimulatedWorld, count: int, calls: int
) -> None:
    names = [f"A_field_with_a_rather_long_name_{number:03}__c" for number in range(count)]
    sandbox.salesforce.org.add_fields("Lead", *(Field(name, "string", length=80) for name in names))
    values = {name: f"value {number}" for number, name in enumerate(names)}
    refs = {lead(sandbox, **values) for _ in range(3)}
    connector = connect(sandbox, world, options(all_fields=True))
    seen = len(sandbox.requests)
    pages, _ = drain(connector, "Lead")
    found = people(pages)
    assert set(found) == refs
    for person in found.values():
        raw = json.loads(person.raw)
        assert {name: raw[name] for name in names} == values
    asked = [
        one for one in sandbox.requests[seen:] if "queryAll" in one.path or "composite/sobjects" in one.path
    ]
    assert len(asked) == calls
    connector.close()


# Merges, deletions


def test_p12_a_merge_names_its_survivor(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    winner, loser = lead(sandbox), lead(sandbox)
    sandbox.merge("salesforce", "Lead", winner, loser)
    pages, _ = drain(connector, "Lead")
    stones = [(one.id, one.reason, one.to_id) for page in pages for one in page.tombstones]
    assert stones == [(loser, GoneReason.MERGED.value, winner)]
    assert set(people(pages)) == {winner}


# The boundary of windows


@pytest.mark.parametrize("offered", [True, False])
def test_p17_a_row_that_is_committed_late_behind_the_boundary(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld, offered: bool
) -> None:
    if not offered:
        body = error("NOT_FOUND")
        sandbox.faults.arm("status", path="/updated|/composite$", status=404, body=body, count=None)
    late, other = lead(sandbox), lead(sandbox)
    world.advance(3600)
    _, cursor = drain(connector, "Lead")
    sandbox.salesforce.edit_late("Lead", late, {"Title": "VP"}, seconds=300)
    world.advance(120)
    sandbox.edit("salesforce", "Lead", other, {"Title": "CEO"})
    pages, cursor = drain(connector, "Lead", cursor)
    assert people(pages)[other].job_title == "CEO"
    world.advance(240)
    pages, cursor = drain(connector, "Lead", cursor)
    assert people(pages)[late].job_title == "VP"


def test_p17_an_empty_window_passes_nothing(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    record = lead(sandbox)
    world.advance(3600)
    _, cursor = drain(connector, "Lead")
    sandbox.salesforce.edit_late("Lead", record, {"Title": "VP"}, seconds=500)
    for _ in range(8):
        world.advance(60)
        pages, cursor = drain(connector, "Lead", cursor)
        assert not people(pages)
    world.advance(60)
    pages, _ = drain(connector, "Lead", cursor)
    assert people(pages)[record].job_title == "VP"


@pytest.mark.usefixtures("small_pages")
def test_p18_no_cursor_is_ahead_of_its_rows(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    """Going on from the cursor of any page brings exactly what that page and those before did not."""
    refs = fill(sandbox)
    world.advance(3600)
    pages, _ = drain(connector, "Lead")
    for place, page in enumerate(pages[:-1], 1):
        rest, _ = drain(connector, "Lead", Cursor.from_json(page.cursor.to_json()))
        before = set(people(pages[:place]))
        assert before | set(people(rest)) == refs
        assert not before & set(people(rest))


# Limits


def test_p15_haste_is_waited_out_as_the_server_says(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    refs = fill(sandbox, 3)
    policies: list[tuple[int, Any, dict[str, str]]] = [
        (429, error("TOO_MANY_REQUESTS"), {"Retry-After": "7"}),
        (429, error("TOO_MANY_REQUESTS"), {}),
        (429, "", {}),
        (
            403,
            error("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded."),
            {},
        ),
        (503, error("SERVER_UNAVAILABLE"), {"Retry-After": "3"}),
    ]
    for status, body, headers in policies:
        sandbox.faults.arm("status", path="/queryAll", status=status, body=body, headers=headers)
        before = world.now()
        assert set(people(drain(connector, "Lead")[0])) == refs
        waited = (world.now() - before).total_seconds()
        assert waited >= float(headers.get("Retry-After", "0.1"))
        assert waited < 60
        sandbox.faults.disarm()


def test_p15_too_many_long_calls_of_others_are_waited_out(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    refs = fill(sandbox, 3)
    sandbox.salesforce.occupy(25, 50)
    world.advance(20)
    before = world.now()
    assert set(people(drain(connector, "Lead")[0])) == refs
    assert 30 <= (world.now() - before).total_seconds() < 90
    assert {one.status for one in sandbox.requests} == {200, 403}


@pytest.mark.parametrize("page", range(PAGES))
@pytest.mark.usefixtures("small_pages")
def test_p20_a_spent_quota_ends_the_pass_and_loses_nothing(
    connector: SalesforceConnector, sandbox: Sandbox, page: int
) -> None:
    refs = fill(sandbox)
    connector.offered("Lead", "Status")  # describes, so that only the pages are counted
    body = error("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    sandbox.faults.arm(
        "status", path="/queryAll", query="FROM Lead", status=403, body=body, skip=page, count=None
    )
    pages, trouble = until_trouble(connector, None)
    assert isinstance(trouble, QuotaSpent)
    assert not any(one.complete for one in pages)
    asked = sum(one.path.endswith("/queryAll") for one in sandbox.requests)
    assert asked == page + 1  # not once more: the quota is what is short
    sandbox.faults.disarm()
    rest, _ = drain(connector, "Lead", pages[-1].cursor if pages else None)
    assert set(people(pages)) | set(people(rest)) == refs


# Broken replies


def broken(sandbox: Sandbox, kind: str, skip: int, count: int | None) -> None:
    status = {"html_200": 200, "html_431": 431, "html_502": 502}.get(kind, 200)
    sandbox.faults.arm(
        kind.partition("_")[0] if kind.startswith("html") else kind,
        path="/queryAll",
        query="FROM Lead",
        status=status,
        skip=skip,
        count=count,
    )


@pytest.mark.parametrize("kind", ["html_200", "html_502", "cut", "empty", "wrong_json", "drop_before"])
@pytest.mark.parametrize("page", range(PAGES))
@pytest.mark.usefixtures("small_pages")
def test_a_broken_page_comes_again_whole(
    connector: SalesforceConnector, sandbox: Sandbox, kind: str, page: int
) -> None:
    refs = fill(sandbox)
    broken(sandbox, kind, page, 1)
    pages, _ = drain(connector, "Lead")
    told = [person.id for one in pages for person in one.people]
    assert (len(told), set(told)) == (len(refs), refs)


@pytest.mark.parametrize(
    ("kind", "family"),
    [("html_200", BrokenReply), ("html_431", Fatal), ("html_502", Retriable), ("cut", BrokenReply)],
)
@pytest.mark.usefixtures("small_pages")
def test_a_page_that_stays_broken_is_not_stored_by_half(
    connector: SalesforceConnector, sandbox: Sandbox, kind: str, family: type[ConnectorError]
) -> None:
    refs = fill(sandbox)
    broken(sandbox, kind, 2, None)
    pages, trouble = until_trouble(connector, None)
    assert isinstance(trouble, family)
    assert {len(one.people) for one in pages} == {ROWS}
    assert not any(one.complete for one in pages)
    sandbox.faults.disarm()
    rest, _ = drain(connector, "Lead", pages[-1].cursor)
    assert set(people(pages)) | set(people(rest)) == refs


# Tokens


@pytest.mark.usefixtures("small_pages")
def test_p22_the_token_dies_before_every_page_in_turn(
    connector: SalesforceConnector, sandbox: Sandbox
) -> None:
    refs = fill(sandbox)
    for page in range(PAGES):
        seen = len(sandbox.requests)
        match = Match(path="/queryAll", query="FROM Lead", skip=page)
        sandbox.steps.before(match, lambda _: sandbox.expire_tokens("salesforce"))
        pages, _ = drain(connector, "Lead")
        told = [person.id for one in pages for person in one.people]
        assert (len(told), set(told)) == (len(refs), refs)
        calls = sandbox.requests[seen:]
        assert [one.status for one in calls].count(401) == 1
        assert sum(one.path.endswith("/oauth2/token") for one in calls) == 1
        refused = next(place for place, one in enumerate(calls) if one.status == 401)
        after = [one for one in calls[refused + 1 :] if one.path.endswith("/queryAll")]
        assert after[0].query == calls[refused].query  # the same page again
        sandbox.steps.clear()


Settings = Callable[[Sandbox, Path], SalesforceSettings]


def by_jwt(sandbox: Sandbox, folder: Path) -> SalesforceSettings:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = folder / "key.pem"
    plain = serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    known = sandbox.credentials["salesforce"]
    return SalesforceSettings.model_validate(
        {
            "login_url": sandbox.salesforce_url,
            "client_id": known["client_id"],
            "username": known["username"],
            "private_key_file": path,
        }
    )


def by_password(sandbox: Sandbox, _: Path) -> SalesforceSettings:
    known = sandbox.credentials["salesforce"]
    user = {name: known[name] for name in ("username", "password", "security_token")}
    return SalesforceSettings.model_validate({"login_url": sandbox.salesforce_url, **user})


FLOWS: dict[str, Settings] = {
    "client_credentials": lambda sandbox, _: sandbox_settings(sandbox),
    "jwt": by_jwt,
    "password": by_password,
}


@pytest.mark.parametrize("flow", FLOWS)
def test_p22_whatever_the_flow_one_renewal_serves_all_threads(
    world: SimulatedWorld, tmp_path: Path, flow: str
) -> None:
    with Sandbox() as sandbox:  # a JWT is dated by the real clock
        one_renewal(sandbox, world, FLOWS[flow](sandbox, tmp_path))


def one_renewal(sandbox: Sandbox, world: SimulatedWorld, settings: SalesforceSettings) -> None:
    """Twelve calls from six threads with a dead token: one signing in."""
    fill(sandbox, 3)
    plain = PullOptions(engagement=EngagementMapper())
    connector = SalesforceConnector(settings, plain, world, UnlimitedBudget())
    connector.sign_in()
    ids = [id_ for batch in connector.ids("Lead") for id_ in batch]
    sandbox.expire_tokens("salesforce")
    seen = len(sandbox.requests)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: len(connector.fetch("Lead", ids).people), range(12)))
    assert found == [3] * 12
    calls = sandbox.requests[seen:]
    assert sum("/oauth2/token" in one.path or "/Soap/" in one.path for one in calls) == 1
    connector.close()


def test_p22_a_given_session_that_dies_is_said_to_be_dead(sandbox: Sandbox, world: SimulatedWorld) -> None:
    token = sandbox.salesforce.token(sandbox.salesforce.org.worker_id)
    settings = SalesforceSettings.model_validate(
        {"access_token": token, "instance_url": sandbox.salesforce_url}
    )
    plain = PullOptions(engagement=EngagementMapper())
    connector = SalesforceConnector(settings, plain, world, UnlimitedBudget())
    refs = fill(sandbox, 2)
    assert set(people(drain(connector, "Lead")[0])) == refs
    sandbox.expire_tokens("salesforce")
    seen = len(sandbox.requests)
    with pytest.raises(AuthFailed):
        drain(connector, "Lead")
    assert [one.status for one in sandbox.requests[seen:]] == [401]
    connector.close()


# The schema moves


@pytest.mark.usefixtures("small_pages")
def test_p24_a_field_goes_and_another_comes_between_two_pages(
    sandbox: Sandbox, world: SimulatedWorld
) -> None:
    refs = fill(sandbox)
    connector = connect(sandbox, world, options(all_fields=True), bulk_above=10**9)
    pages = connector.changes(feed_of(connector, "Lead"), None)
    found = [next(pages)]
    sandbox.switches.sf_missing_fields.add("Lead.Website")
    sandbox.salesforce.org.add_fields("Lead", Field("Brand_new__c", "string", length=80))
    newest = lead(sandbox, Brand_new__c="yes")
    found += pages
    assert set(people(found)) == {*refs, newest} or set(people(found)) == refs
    assert "Website" in found[0].people[0].raw
    assert "Website" not in found[1].people[0].raw
    cursor = Cursor.from_json(found[-1].cursor.to_json())
    world.advance(3700)  # describes are an hour old by now
    later, _ = drain(connector, "Lead", cursor)
    assert '"Brand_new__c":"yes"' in people(later)[newest].raw
    connector.close()


def test_p16_a_value_that_is_cleared_there_is_cleared_here(
    connector: SalesforceConnector, sandbox: Sandbox
) -> None:
    record = lead(sandbox, Title="VP")
    assert people(drain(connector, "Lead")[0])[record].job_title == "VP"
    sandbox.edit("salesforce", "Lead", record, {"Title": None})
    found = people(drain(connector, "Lead")[0])[record]
    assert (found.job_title, json.loads(found.raw)["Title"]) == (None, None)


@pytest.mark.parametrize("bulk_above", [0, 10**9])
def test_p25_text_is_text_by_either_road(sandbox: Sandbox, world: SimulatedWorld, bulk_above: int) -> None:
    words = ["NA", "NULL", "None", "NaN", "null", "  two blanks", "a,b", 'say "hi"', "ж 🎉", "0012", "1e5"]
    refs = {lead(sandbox, LastName=word): word for word in words}
    sandbox.switches.sf_page_size = 3
    connector = connect(sandbox, world, bulk_above=bulk_above)
    pages, _ = drain(connector, "Lead")
    assert {id_: person.last_name for id_, person in people(pages).items()} == refs
    connector.close()
