"""What is asked before the first pass: the proven end and the number of rows, and what the number spares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.salesforce.bulk import BULK_ABOVE
from connectors.salesforce.connector import SalesforceConnector
from connectors.salesforce.soql import PAGE_ROWS
from connectors.sandbox.sandbox import Sandbox
from tests.unit.salesforce.helpers import connect, error
from tests.unit.salesforce.pulling import drain, lead, people
from tests.world import SimulatedWorld


@pytest.fixture
def connector(sandbox: Sandbox, world: SimulatedWorld) -> Iterator[SalesforceConnector]:
    made = connect(sandbox, world, bulk_above=BULK_ABOVE)
    made.sign_in()
    yield made
    made.close()


def leads(sandbox: Sandbox, count: int) -> set[str]:
    return {lead(sandbox, LastName=f"L{number}") for number in range(count)}


def asked(sandbox: Sandbox, seen: int) -> list[str]:
    """The ends of the paths of what was asked since."""
    return [one.path.rstrip("/").rpartition("/")[2] for one in sandbox.requests[seen:]]


def test_a_full_pass_is_a_call_for_each_page_and_two(
    connector: SalesforceConnector, sandbox: Sandbox
) -> None:
    refs, seen = leads(sandbox, 2 * PAGE_ROWS), len(sandbox.requests)
    pages, _ = drain(connector, "Lead")
    assert set(people(pages)) == refs
    assert asked(sandbox, seen) == ["describe", "composite", "queryAll", "queryAll"]


def test_rows_that_the_count_does_not_know_are_read(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    """It counts the living: what is in the bin comes beside them, and leaves the last page not the last."""
    gone = leads(sandbox, PAGE_ROWS + 1)
    for record in gone:
        sandbox.salesforce.delete("Lead", record)
    refs, seen = leads(sandbox, 2 * PAGE_ROWS), len(sandbox.requests)
    pages, _ = drain(connector, "Lead")
    assert set(people(pages)) == refs
    assert {stone.id for page in pages for stone in page.tombstones} == gone
    assert asked(sandbox, seen) == ["describe", "composite", *["queryAll"] * 4]


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_without_composite_requests_each_is_asked_by_itself(
    connector: SalesforceConnector, sandbox: Sandbox, status: int
) -> None:
    sandbox.faults.arm("status", path="/composite$", status=status, body=error("NO", "no"), count=None)
    refs, seen = leads(sandbox, PAGE_ROWS), len(sandbox.requests)
    _, cursor = drain(connector, "Lead")
    tried = asked(sandbox, seen).count("composite")
    assert asked(sandbox, seen)[tried + 1 :] == ["updated", "queryAll", "query", "queryAll"]
    assert '"covered":true' in (cursor.state or "")
    seen = len(sandbox.requests)
    drain(connector, "Contact")  # and the next object is not asked for in that way
    assert asked(sandbox, seen) == ["describe", "updated", "queryAll"]
    assert len(refs) == PAGE_ROWS


@pytest.mark.parametrize("answer", [{}, [], {"compositeResponse": [1, {"referenceId": 2}]}, "no"])
def test_a_composite_answer_that_is_none_is_not_believed(
    connector: SalesforceConnector, sandbox: Sandbox, answer: object
) -> None:
    sandbox.faults.arm("status", path="/composite$", status=200, body=answer, count=None)
    ref, seen = lead(sandbox), len(sandbox.requests)
    pages, cursor = drain(connector, "Lead")
    assert set(people(pages)) == {ref}
    assert '"covered":true' in (cursor.state or "")
    assert "updated" in asked(sandbox, seen)
