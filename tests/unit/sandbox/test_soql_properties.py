"""SOQL against brute force, and against nonsense."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.sandbox.salesforce.schema import stamp
from connectors.sandbox.salesforce.soql_dates import day_range
from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox.rest import Rest
from tests.world import SimulatedWorld

RELAXED = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def filled() -> Iterator[Rest]:
    """Forty leads over four seconds, some of them deleted or edited later."""
    world, rng = SimulatedWorld(), random.Random(3)
    with Sandbox(clock=world.clock) as sandbox:
        rest = Rest(sandbox)
        for number in range(40):
            size = rng.choice([None, 1, 5, 20])
            rest.lead(
                LastName=rng.choice("ABCD"), NumberOfEmployees=size, Rating=rng.choice([None, "Hot", "Cold"])
            )
            if number % 10 == 9:
                world.advance(1)
        ids = list(sandbox.store.table("salesforce", "Lead").rows)
        for lead in rng.sample(ids, 8):
            sandbox.edit("salesforce", "Lead", lead, {"Title": "CEO"})
        sandbox.delete("salesforce", "Lead", ids[7])
        yield rest
        assert sandbox.errors == []


values = st.sampled_from(
    [
        ("LastName = 'A'", lambda row: row["LastName"] == "A"),
        ("LastName > 'b'", lambda row: row["LastName"] > "B"),
        ("LastName IN ('A', 'c')", lambda row: row["LastName"] in "AC"),
        ("LastName LIKE '_'", lambda row: True),
        ("NumberOfEmployees >= 5", lambda row: (row["NumberOfEmployees"] or 0) >= 5),
        ("NumberOfEmployees != 5", lambda row: row["NumberOfEmployees"] != 5),
        ("NumberOfEmployees = null", lambda row: row["NumberOfEmployees"] is None),
        ("Rating NOT IN ('Hot')", lambda row: row["Rating"] != "Hot"),
        ("Title = 'ceo'", lambda row: row["Title"] == "CEO"),
        (
            "SystemModstamp > 2026-11-02T09:00:01Z",
            lambda row: row["SystemModstamp"] > "2026-11-02T09:00:01.000+0000",
        ),
        (
            "SystemModstamp <= 2026-11-02T09:00:02Z",
            lambda row: row["SystemModstamp"] <= "2026-11-02T09:00:02.000+0000",
        ),
    ]
)
conditions = st.recursive(
    values,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(
            lambda two: (f"({two[0][0]} AND {two[1][0]})", lambda row: two[0][1](row) and two[1][1](row))
        ),
        st.tuples(inner, inner).map(
            lambda two: (f"({two[0][0]} OR {two[1][0]})", lambda row: two[0][1](row) or two[1][1](row))
        ),
        inner.map(lambda one: (f"(NOT {one[0]})", lambda row: not one[1](row))),
    ),
    max_leaves=6,
)
FIELDS = "Id, LastName, NumberOfEmployees, Rating, Title, SystemModstamp"
orders = st.sampled_from(["", " ORDER BY SystemModstamp, Id", " ORDER BY Id", " ORDER BY LastName DESC, Id"])


@RELAXED
@given(condition=conditions, order=orders, limit=st.sampled_from([None, 1, 7, 100]))
def test_where_agrees_with_brute_force(filled: Rest, condition, order: str, limit: int | None) -> None:  # type: ignore[no-untyped-def]
    text, test = condition
    everything = filled.query(f"SELECT {FIELDS} FROM Lead{order}")["records"]
    tail = "" if limit is None else f" LIMIT {limit}"
    found = filled.query(f"SELECT {FIELDS} FROM Lead WHERE {text}{order}{tail}")["records"]
    expected = [row for row in everything if test(row)]
    if order:
        assert found == expected[:limit]
    else:
        assert {row["Id"] for row in found} <= {row["Id"] for row in expected}
        assert len(found) == len(expected[:limit])


WORDS = """
    SELECT FROM WHERE AND OR NOT IN LIKE ORDER BY LIMIT OFFSET GROUP COUNT ( ) , = != > null true Id Name
    Lead Contacts Owner.Name Status 'x' 5 -1 1e999 2026-01-01 TODAY LAST_N_DAYS:3 FIELDS ALL ROWS NULLS LAST
    DESC ; % '
""".split()  # noqa: SIM905 (easier to read)
FIELD_NAMES = """
    Id OwnerId Owner.Name Owner.Type Status Email NumberOfEmployees IsDeleted MQL_Date__c CreatedDate
    SystemModstamp Address Description MasterRecordId
""".split()  # noqa: SIM905
LITERALS = [
    *("'x'", "''", "'00Q5g0000010001'", "5", "-1.5", "1e999", "null", "true", "TODAY", "NOPE"),
    *("2026-01-01", "2026-99-99", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00+0100"),
    *("LAST_N_DAYS:30", "N_DAYS_AGO:", "LAST_N_DAYS:9999999999", "LAST_N_YEARS:5000"),
    *("('x', 5)", "()", "('x')", "(null)", "(2026-01-01)"),
    *("(SELECT OwnerId FROM Contact)", "(SELECT Id, Name FROM Contact)"),
]
OPERATORS = ["=", "!=", "<>", "<", "<=", ">", ">=", "LIKE", "IN", "NOT IN", "~"]


def refused_properly(rest: Rest, soql: str) -> None:
    answer = rest.get("/query", params={"q": soql})
    assert answer.status_code in (200, 400), soql
    if answer.status_code == 400:
        assert answer.json()[0].keys() == {"message", "errorCode"}


@RELAXED
@given(st.lists(st.sampled_from(WORDS), max_size=14))
def test_nonsense_is_refused_in_salesforces_shape(filled: Rest, parts: list[str]) -> None:
    refused_properly(filled, " ".join(parts))
    refused_properly(filled, "SELECT Id FROM Lead WHERE " + " ".join(parts))


@pytest.mark.parametrize("field", FIELD_NAMES)
@pytest.mark.parametrize("operator", OPERATORS)
def test_every_pairing_of_field_operator_and_literal(filled: Rest, field: str, operator: str) -> None:
    for literal in LITERALS:
        refused_properly(filled, f"SELECT Id FROM Lead WHERE {field} {operator} {literal}")


@pytest.mark.parametrize("field", [*FIELD_NAMES, "HasOptedOutOfEmail", "Nope", "Nope.Name"])
def test_every_field_in_every_clause(filled: Rest, field: str) -> None:
    for function in ("COUNT", "COUNT_DISTINCT", "MIN", "MAX", "SUM", "AVG"):
        refused_properly(filled, f"SELECT {function}({field}) FROM Lead")
    refused_properly(filled, f"SELECT {field}, COUNT(Id) FROM Lead GROUP BY {field}")
    refused_properly(filled, f"SELECT {field} FROM Lead ORDER BY {field} DESC NULLS LAST LIMIT 5")
    refused_properly(filled, f"SELECT Id FROM Lead WHERE OwnerId IN (SELECT {field} FROM Lead)")


@RELAXED
@given(data=st.data())
def test_a_keyset_walk_sees_every_row_whatever_happens_meanwhile(
    world: SimulatedWorld, data: st.DataObject
) -> None:
    """Rows that nobody touches are seen once; touched ones at least once."""
    with Sandbox(clock=world.clock) as sandbox:
        rest = Rest(sandbox)
        ids = [rest.lead() for _ in range(12)]
        touched, seen, key = set(), [], ("2000-01-01T00:00:00Z", "")
        while True:
            when, last = key
            after = f"(SystemModstamp > {when} OR (SystemModstamp = {when} AND Id > '{last}'))"
            rows = rest.query(
                f"SELECT Id, SystemModstamp FROM Lead WHERE {after} ORDER BY SystemModstamp, Id LIMIT 3"
            )["records"]
            if not rows:
                break
            seen += [row["Id"] for row in rows]
            key = (rows[-1]["SystemModstamp"].replace("+0000", "Z"), rows[-1]["Id"])
            for lead in data.draw(st.lists(st.sampled_from(ids), max_size=2)) if len(seen) < 40 else []:
                world.advance(1)
                sandbox.edit("salesforce", "Lead", lead, {"Title": "x"})
                touched.add(lead)
        assert set(seen) == set(ids)
        assert all(seen.count(lead) == 1 for lead in ids if lead not in touched)
        assert sandbox.errors == []


@pytest.mark.parametrize(
    ("literal", "first", "last"),
    [
        ("TODAY", "2026-11-02", "2026-11-02"),
        ("TOMORROW", "2026-11-03", "2026-11-03"),
        ("THIS_WEEK", "2026-11-01", "2026-11-07"),
        ("LAST_WEEK", "2026-10-25", "2026-10-31"),
        ("NEXT_WEEK", "2026-11-08", "2026-11-14"),
        ("LAST_MONTH", "2026-10-01", "2026-10-31"),
        ("NEXT_MONTH", "2026-12-01", "2026-12-31"),
        ("THIS_QUARTER", "2026-10-01", "2026-12-31"),
        ("LAST_QUARTER", "2026-07-01", "2026-09-30"),
        ("NEXT_QUARTER", "2027-01-01", "2027-03-31"),
        ("THIS_YEAR", "2026-01-01", "2026-12-31"),
        ("NEXT_YEAR", "2027-01-01", "2027-12-31"),
        ("LAST_90_DAYS", "2026-08-04", "2026-11-02"),
        ("LAST_N_DAYS:1", "2026-11-01", "2026-11-02"),
        ("NEXT_N_DAYS:2", "2026-11-03", "2026-11-04"),
        ("N_DAYS_AGO:2", "2026-10-31", "2026-10-31"),
        ("LAST_N_WEEKS:2", "2026-10-18", "2026-10-31"),
        ("N_WEEKS_AGO:1", "2026-10-25", "2026-10-31"),
        ("LAST_N_MONTHS:11", "2025-12-01", "2026-10-31"),
        ("NEXT_N_MONTHS:2", "2026-12-01", "2027-01-31"),
        ("N_MONTHS_AGO:11", "2025-12-01", "2025-12-31"),
        ("LAST_N_QUARTERS:2", "2026-04-01", "2026-09-30"),
        ("LAST_N_YEARS:2", "2024-01-01", "2025-12-31"),
    ],
)
def test_date_literals(world: SimulatedWorld, literal: str, first: str, last: str) -> None:
    start, end = day_range(literal, world.clock())
    assert (start.isoformat(), stamp(0)[:10]) == (first, "1970-01-01")
    assert (end.toordinal() - 1) == type(end).fromisoformat(last).toordinal()
