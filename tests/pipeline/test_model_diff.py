"""What a model would change, before anything of it is published."""

from __future__ import annotations

from sqlalchemy import insert

from scoring.load import load_model
from sync.mirror import catalog, comparison
from sync.mirror.tables import OwnerRow, PersonMember, PersonRow
from tests.pipeline.test_score_stage import FIT, Loop, hot, loop
from tests.scoring.subject import DEFAULT, default_model, engagement, person

__all__ = ["loop"]

STRICTER = DEFAULT.replace("version = 1", "version = 2", 1).replace("fit = 15 }]", "fit = 25 }]", 1)
WIDER = (
    DEFAULT.replace("version = 1", "version = 2", 1)
    .replace("{ total = 100, fit = 15", "{ total = 60, fit = 0", 1)
    .replace("leave = { total = 80", "leave = { total = 50", 1)
)


def owned(loop: Loop, person_id: str, owner: str) -> None:
    """The person's one record belongs to somebody."""
    tables = {t: t.metadata.tables[t.__tablename__] for t in (OwnerRow, PersonMember, PersonRow)}
    key = {"crm": "hubspot", "object": "contacts", "id": person_id}
    with loop.mirror.write() as conn:
        record = {"additional_emails": None, "modified_ms": 0, "version": "", "fields": "{}", "raw": "{}"}
        conn.execute(insert(tables[PersonRow]).values(**key, **record, owner_id=owner, rules_version=1))
        conn.execute(insert(tables[PersonMember]).values(**key, person_id=person_id, evidence="alone"))
        conn.execute(
            insert(tables[OwnerRow]).values(
                crm="hubspot", id=owner, email=f"{owner}@acme.test", kind="person", active=True
            )
        )


def test_who_leaves_and_what_each_owner_would_have(loop: Loop) -> None:
    small = {**FIT, "company_size": 10}
    loop.put(
        person("p1", name="Ann", **FIT),
        person("p2", name="Bob", **small),
        person("p3", **FIT),
        engagements=[engagement("demo_requested", loop.now - 60, who) for who in ("p1", "p2")],
    )
    owned(loop, "p1", "ann")
    owned(loop, "p2", "bob")
    loop.score()
    before = [loop.rows(table) for table in (catalog.SCORE, catalog.SPELL, catalog.PERSON)]
    with loop.mirror.read() as conn:
        found = comparison.compare(conn, default_model(), load_model(STRICTER, "next.toml"), loop.now)
    assert found.qualify == (2, 1)
    assert found.enters == ()
    (bob,) = found.leaves
    assert (bob.name, bob.owner, bob.in_spell, bob.total_a, bob.grade_a) == (
        "Bob",
        "bob@acme.test",
        True,
        40_000,
        "B3",
    )
    assert found.owners == {"ann@acme.test": (1, 1), "bob@acme.test": (1, 0)}
    assert bob.to_json()["total"] == {"a": 40.0, "b": 40.0}
    assert [loop.rows(table) for table in (catalog.SCORE, catalog.SPELL, catalog.PERSON)] == before


def test_who_enters_is_nobody_who_is_suppressed(loop: Loop) -> None:
    loop.put(
        person("p1", **FIT),
        person("p2", **{**FIT, "crm_stage": "customer"}),
        engagements=[e for who in ("p1", "p2") for e in hot(loop, who)[1:]],
    )
    with loop.mirror.read() as conn:
        found = comparison.compare(conn, default_model(), load_model(WIDER, "next.toml"), loop.now)
    assert [(moved.person_id, moved.in_spell, moved.owner) for moved in found.enters] == [
        ("p1", False, comparison.UNOWNED)
    ]
    assert found.leaves == ()


def test_how_many_people_each_rule_gives_points_to(loop: Loop) -> None:
    loop.put(person("p1", **FIT), person("p2", **FIT), person("p3"), engagements=hot(loop))
    with loop.mirror.read() as conn:
        counts, people = comparison.fires(conn, default_model(), loop.now)
    assert people == 3
    assert (counts["size_50_250"], counts["demo_request"], counts["newsletter"]) == (2, 1, 0)
