"""Servers that answer by the vendors' references, but not as our sandbox does: it makes no difference."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.salesforce.connector import SalesforceConnector
from connectors.sandbox.core import Request, Response
from connectors.sandbox.sandbox import Sandbox
from connectors.throttle import UnlimitedBudget
from tests.pipeline.dialects import (
    Rewrite,
    both,
    everywhere,
    milliseconds,
    on_json,
    refusing,
    speaking,
    times,
    unchanged,
    with_offset,
)
from tests.pipeline.small import Small
from tests.pipeline.test_pull_sandbox import over
from tests.unit.salesforce.helpers import sandbox_settings
from tests.world import SimulatedWorld

HOUR = 3600
TABLES = {
    "person_record": "object, id, email, additional_emails, first_name, last_name, job_title, company_name, "
    "company_id, company_size, industry, country, state, city, lead_source, status, lifecycle, owner_id, "
    "opted_out, record_type, sf_lead_id, sf_contact_id, created_ms, modified_ms, gone",
    "company_record": "object, id, name, domain, company_size, country, owner_id, modified_ms, gone",
    "deal_record": "object, id, name, stage, is_closed, is_won, amount, company_id, closed_ms, gone",
    "engagement": "source, id, person_object, person_record_id, person_email, kind, asset, occurred_at, "
    "is_bot, deleted",
    "link": "from_object, from_id, to_object, to_id, types, is_primary",
    "owner": "id, email, name, kind, active",
    "tombstone": "object, id, reason, to_object, to_id",
    "parked_record": "object, id, reason",
}


def content(here: Small) -> dict[str, list[tuple[Any, ...]]]:
    """What a mirror holds, but for how the CRM spelt it."""
    return {
        table: here.select(f"SELECT {columns} FROM {table} ORDER BY {columns}")
        for table, columns in TABLES.items()
    }


# HubSpot


def _numbers(_: Request, body: Any) -> Any:
    """Ids, list cursors and associated ids are numbers."""

    def change(one: dict[str, Any]) -> None:
        for name in ("id", "toObjectId", "after", "objectId", "recordId", "listId", "offset", "typeId"):
            if isinstance(one.get(name), str) and one[name].isascii() and one[name].isdigit():
                one[name] = int(one[name])

    return everywhere(body, change)


def _nulls(_: Request, body: Any) -> Any:
    """What is absent is null; empty lists and false are null; there is more than was asked for."""

    def change(one: dict[str, Any]) -> None:
        for name, value in list(one.items()):
            if name not in ("results", "events", "lists", "properties") and value in ([], False):
                one[name] = None
        one["x-unheard-of"] = {"deep": [1, None, "two"]}
        if "results" in one:
            one.setdefault("paging", None)
            one.setdefault("errors", None)

    body = everywhere(body, change)
    for row in body.get("results") or () if isinstance(body, dict) else ():
        if isinstance(row, dict) and isinstance(row.get("properties"), dict):
            row["properties"].pop("x-unheard-of", None)
    return body


def _bare(_: Request, body: Any) -> Any:
    """Nothing that the references call optional."""
    optional = (
        "total", "archived", "archivedAt", "createdAt", "label", "category", "userId", "calculated", "hidden",
        "modificationMetadata", "objectWriteTraceId", "url", "startedAt", "completedAt", "numErrors", "link",
        "formType", "userIdIncludingInactive", "teams", "updatedAt",
    )  # fmt: skip

    def change(one: dict[str, Any]) -> None:
        for name in optional:
            if name == "archived" and one.get(name):
                continue
            one.pop(name, None)

    kept = [row.get("properties") for row in body.get("results", ()) if isinstance(row, dict)]
    whole = [dict(row) for row in kept if isinstance(row, dict)]
    body = everywhere(body, change)
    for row, properties in zip(
        [row for row in body.get("results", ()) if isinstance(row.get("properties"), dict)],
        whole,
        strict=True,
    ):
        row["properties"] = properties
    return body


def _without_headers(_: Request, response: Response) -> Response:
    response.headers = {
        name: value for name, value in response.headers.items() if not name.lower().startswith("x-hubspot")
    }
    return response


def _shouted(_: Request, response: Response) -> Response:
    response.headers = {name.upper(): value for name, value in response.headers.items()}
    return response


def _no_missing_properties(_: Request, body: Any) -> Any:
    """Properties without a value are left out instead of being null."""
    for row in body.get("results", ()) if isinstance(body, dict) else ():
        if isinstance(row, dict) and isinstance(row.get("properties"), dict):
            row["properties"] = {name: one for name, one in row["properties"].items() if one is not None}
    return body


def _small_batches(request: Request, response: Response) -> Response:
    """Batches of a hundred at most, also where the reference says a thousand; smaller pages."""
    too_many = request.path.endswith("/batch/read") and len(request.json()["inputs"]) > 100
    if (
        too_many
        or int(request.param("limit") or 0) > 100
        or (request.path.endswith("/search") and request.json().get("limit", 0) > 100)
    ):
        return Response.json({"status": "error", "category": "VALIDATION_ERROR", "message": "limit"}, 400)
    return response


HUBSPOT: dict[str, Rewrite] = {
    "numbers": on_json(_numbers),
    "nulls": on_json(_nulls),
    "bare": both(on_json(_bare), _without_headers),
    "milliseconds": both(on_json(lambda _, body: times(milliseconds)(body)), _shouted),
    "offsets": both(on_json(lambda _, body: times(with_offset)(body)), on_json(_no_missing_properties)),
    "small_batches": _small_batches,
    "no_search": refusing("/objects/.*/search$", 404),
    "search_refused": refusing("/objects/.*/search$", 400, {"category": "VALIDATION_ERROR"}),
    "little_else": both(
        refusing("/objects/.*/search$", 501),
        both(
            refusing("/account-info", 404),
            both(refusing("/pipelines", 400, {"category": "VALIDATION_ERROR"}), refusing("/properties", 501)),
        ),
    ),
}


def hubspot(sandbox: Sandbox, world: SimulatedWorld, folder: Path) -> Small:
    here = over(sandbox, world, folder)
    del here.connectors["salesforce"]
    return here


def change_hubspot(sandbox: Sandbox, here: Small) -> None:
    """A day at work: edits, an archived contact, a merge, another association, a new submission."""
    people = [row[0] for row in here.select("SELECT id FROM person_record WHERE NOT gone ORDER BY id")]
    active = here.select("SELECT person_record_id FROM engagement WHERE id LIKE '%:%'")
    idle = [one for one in people if (one,) not in active]  # activities are not read again after a merge
    firms = [row[0] for row in here.select("SELECT id FROM company_record WHERE NOT gone ORDER BY id")]
    for number, one in enumerate(people[:9]):
        sandbox.edit("hubspot", "contacts", one, {"city": f"City {number}", "jobtitle": None})
    sandbox.delete("hubspot", "contacts", idle[0])
    sandbox.merge("hubspot", "contacts", idle[1], idle[2])
    sandbox.hubspot.associate("contacts", people[0], "companies", firms[-1])
    new = sandbox.create("hubspot", "contacts", {"email": "new@example.com", "lastname": "New"})
    call = sandbox.create("hubspot", "calls", {"hs_call_title": "Hi", "hs_timestamp": "2026-10-01T10:00:00Z"})
    sandbox.hubspot.associate("calls", call, "contacts", new)


@pytest.mark.sqlite("what is tested is how replies are read")
def test_hubspot_in_other_tongues(sandbox: Sandbox, world: SimulatedWorld, tmp_path: Path) -> None:
    sandbox.populate(seed=11, people=30, days=15)
    world.advance(5 * HOUR)
    tongues = {"plain": unchanged, **HUBSPOT}
    mirrors = {name: hubspot(sandbox, world, tmp_path / name) for name in tongues}
    for stage in ("first", "later"):
        found = {}
        for name, rewrite in tongues.items():
            with speaking(sandbox, "hubspot", rewrite):
                mirrors[name].pull()
            assert (stage, name, mirrors[name].problems) == (stage, name, [])
            found[name] = content(mirrors[name])
        empty = {table for table, rows in found["plain"].items() if not rows}
        assert empty <= {"parked_record", "deal_record", "tombstone" if stage == "first" else ""}
        for name in HUBSPOT:
            for table in TABLES:
                assert (stage, name, found[name][table]) == (stage, name, found["plain"][table])
        if stage == "first":
            change_hubspot(sandbox, mirrors["plain"])
            world.advance(2 * HOUR)
    for here in mirrors.values():
        here.mirror.close()


# Salesforce


def zulu(moment: datetime) -> str:
    """Whole seconds and `Z`."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _no_null_fields(_: Request, body: Any) -> Any:
    """Rows without `attributes` and without their null fields; more in the envelope than was asked for."""
    if isinstance(body, dict) and isinstance(body.get("records"), list):
        body["records"] = [_thinned(row) for row in body["records"]]
        body["x-unheard-of"] = [None]
    return body


def _thinned(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: _thinned(one) for name, one in value.items() if one is not None and name != "attributes"}


def _short_describe(request: Request, body: Any) -> Any:
    """Describes with names, types and relationships, and what the type makes necessary."""
    if not request.path.endswith("/describe"):
        return body
    kept = ("name", "type", "referenceTo", "relationshipName")
    body = {"name": body["name"], "fields": [{name: one[name] for name in kept} for one in body["fields"]]}
    for one in body["fields"]:
        if not one["referenceTo"]:
            del one["referenceTo"], one["relationshipName"]
    return body


def _mute(_: Request, response: Response) -> Response:
    response.headers.pop("Sforce-Limit-Info", None)
    return response


def _error(code: str) -> list[dict[str, str]]:
    return [{"errorCode": code, "message": code}]


def _no_bin_of_events(request: Request, response: Response) -> Response:
    if request.path.endswith("/queryAll") and " FROM Event" in request.param("q"):
        return Response.json(_error("INVALID_TYPE_FOR_OPERATION"), 400)
    return response


def _no_slash(request: Request, response: Response) -> Response:
    if request.path.endswith("/"):
        return Response.json(_error("NOT_FOUND"), 404)
    return response


def _session_ends_oddly() -> Rewrite:
    """Each token serves seven calls; then it is dead by 403, not by 401."""
    served: dict[str, int] = {}

    def rewrite(request: Request, response: Response) -> Response:
        served[request.bearer] = served.get(request.bearer, 0) + 1
        if request.bearer and served[request.bearer] > 7:
            return Response.json(_error("INVALID_SESSION_ID"), 403)
        return response

    return rewrite


SALESFORCE: dict[str, Rewrite] = {
    "zulu": both(on_json(lambda _, body: times(zulu)(body)), _mute),
    "offsets": both(on_json(lambda _, body: times(with_offset)(body)), _shouted),
    "thin": both(on_json(_no_null_fields), on_json(_short_describe)),
    "no_changes": refusing("/(updated|deleted)$", 404, _error("NOT_FOUND")),
    "no_such_thing": refusing("/(updated|deleted|userinfo)$|/jobs/|/limits$", 501),
    "refused": refusing("/(updated|deleted)$", 400, _error("UNKNOWN_EXCEPTION")),
    "no_words": refusing("/updated$", 400),
    "no_slash": _no_slash,
    "no_versions": refusing(r"/services/data$|/services/data/v[0-9.]+$|userinfo", 404),
    "no_bin_of_events": _no_bin_of_events,
    "no_bulk": refusing("/jobs/query", 404, _error("NOT_FOUND")),
    "odd_session": _session_ends_oddly(),
}


def salesforce(sandbox: Sandbox, world: SimulatedWorld, folder: Path) -> Small:
    here = over(sandbox, world, folder)
    options = PullOptions(engagement=EngagementMapper())
    made = SalesforceConnector(sandbox_settings(sandbox), options, world, UnlimitedBudget(), bulk_above=20)
    here.connectors = {"salesforce": made}
    return here


def change_salesforce(sandbox: Sandbox, here: Small) -> None:
    """A day at work: edits, a deleted lead, a merge, a conversion, a new task."""
    rows = here.select("SELECT id FROM person_record WHERE NOT gone AND object = 'Lead' ORDER BY id")
    leads = [row[0] for row in rows]
    for number, one in enumerate(leads[:5]):
        sandbox.edit("salesforce", "Lead", one, {"City": f"City {number}", "Title": None})
    sandbox.delete("salesforce", "Lead", leads[5])
    sandbox.merge("salesforce", "Lead", leads[6], leads[7])
    sandbox.salesforce.convert(leads[8])
    values = {"Subject": "Call", "Status": "Completed", "Type": "Call", "WhoId": leads[9]}
    sandbox.create("salesforce", "Task", values)


@pytest.mark.sqlite("what is tested is how replies are read")
def test_salesforce_in_other_tongues(sandbox: Sandbox, world: SimulatedWorld, tmp_path: Path) -> None:
    sandbox.switches.sf_page_size = 20
    sandbox.populate(seed=11, people=45, days=15)
    world.advance(5 * HOUR)
    tongues = {"plain": unchanged, **SALESFORCE}
    mirrors = {name: salesforce(sandbox, world, tmp_path / name) for name in tongues}
    for stage in ("first", "later"):
        found = {}
        for name, rewrite in tongues.items():
            with speaking(sandbox, "salesforce", rewrite):
                mirrors[name].pull()
            assert (stage, name, mirrors[name].problems) == (stage, name, [])
            found[name] = content(mirrors[name])
        empty = {table for table, rows in found["plain"].items() if not rows}
        assert empty <= {"parked_record", "link", "tombstone" if stage == "first" else ""}
        for name in SALESFORCE:
            for table in TABLES:
                assert (stage, name, found[name][table]) == (stage, name, found["plain"][table])
        if stage == "first":
            change_salesforce(sandbox, mirrors["plain"])
            world.advance(2 * HOUR)
    for here in mirrors.values():
        here.mirror.close()
