"""The outbox in pages: everything comes once, all of a record together, whatever is changed meanwhile."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from sync.core.cases import UNDO
from sync.mirror import outbox, sending
from sync.mirror.engine import Mirror
from sync.mirror.outbox import NewIntent
from sync.mirror.sending import Sendable

POLICIES = ("machine", "last_supplied")
Drawn = tuple[str, str, str, int, str]


def fill(mirror: Mirror, drawn: list[Drawn]) -> None:
    """Exactly these intents are queued: (crm, object, record, field number, policy)."""
    intents = [
        NewIntent(
            f"i{number}", f"p-{record}", None, crm, name, record, "score", f"f{field}", policy,
            None, "1", "r", "m",
        )
        for number, (crm, name, record, field, policy) in enumerate(drawn)
    ]  # fmt: skip
    with mirror.write() as conn:
        conn.execute(delete(outbox.INTENT))
        outbox.add(conn, intents, run_id="run", now=1)


def key(one: Drawn) -> tuple[str, str, str, int]:
    return one[:4]


FIELDS = st.tuples(
    st.sampled_from(("hubspot", "salesforce")),
    st.sampled_from(("Lead", "Contact", "contacts")),
    st.sampled_from("abcdefgh"),
    st.integers(0, 3),
    st.sampled_from(POLICIES),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(FIELDS, max_size=40, unique_by=key), size=st.integers(5, 12))
def test_pages_are_everything_once_and_never_part_of_a_record(
    mirror: Mirror, drawn: list[Drawn], size: int
) -> None:
    fill(mirror, drawn)
    found = []
    picked = sending.open_ones(["hubspot", "salesforce"], [("hubspot", "Lead")], ["queued"])
    for rows in sending.pages(mirror, picked, size):
        found.append(rows)
        with mirror.write() as conn:  # as the writer does: what was taken has an end before the next page
            ends = [(row, {"why": "w", "message": "m"}) for row in rows]
            outbox.end_all(conn, ends, "superseded", run_id="run", now=2)
    meant = [one for one in drawn if one[:2] != ("hubspot", "Lead")]
    assert Counter((row.crm, row.object, row.record_id) for page in found for row in page) == Counter(
        one[:3] for one in meant
    )
    assert [row.ref for page in found for row in page] == sorted(row.ref for page in found for row in page)
    assert all(len(page) <= size for page in found if len(meant) > size)
    for page, later in pairwise(found):
        assert page[-1].ref != later[0].ref


def test_records_that_people_work_by_come_first(mirror: Mirror) -> None:
    drawn: list[Drawn] = [
        ("hubspot", "contacts", "a", 0, "machine"),
        ("hubspot", "contacts", "b", 0, "machine"),
        ("hubspot", "contacts", "b", 1, "last_supplied"),
        ("salesforce", "Lead", "a", 1, "last_supplied"),
    ]
    fill(mirror, drawn)
    first, second = Sendable("hubspot", 5).pages(mirror)
    assert [(row.record_id, row.field) for row in first] == [("b", "f0"), ("b", "f1")]
    assert [(row.record_id, row.field) for row in second] == [("a", "f0")]
    assert list(Sendable("hubspot", 5, stopped=["contacts"]).pages(mirror)) == []
    assert [len(page) for page in Sendable("hubspot", 5, people=["p-a"]).pages(mirror)] == [1]
    assert list(Sendable("hubspot", 5, released_only=True).pages(mirror)) == []


def test_how_many_records_get_a_field(mirror: Mirror) -> None:
    drawn: list[Drawn] = [("hubspot", "contacts", name, 0, "machine") for name in "abc"]
    restored = ("hubspot", "contacts", "d", 0, UNDO)  # a value that we do not supply is no proof of ours
    fill(mirror, [*drawn, ("hubspot", "contacts", "a", 1, "last_supplied"), restored])
    with mirror.read() as conn:
        where = Sendable("hubspot", 5).where
        assert sending.count(conn, where) == 5
        assert sending.records_per_field(conn, where) == {("contacts", "f0"): 3, ("contacts", "f1"): 1}
