"""People and engagements in bulk, the same ones for the same numbers."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Table

from scoring.assets import normalise
from sync.mirror import catalog
from sync.mirror.engine import Connection, Mirror

DAY: Final = 86400
BATCH: Final = 20_000
PAYLOAD: Final = (
    '{"properties": {"hs_object_id": "0", "hs_timestamp": "2026-01-01T00:00:00Z", "source": "x"}}'
)

KINDS: Final = (
    # kind, assets, weight
    ("page_view", ("https://www.acme.test/", "https://www.acme.test/blog/post", "/product?x=1"), 52),
    ("page_view", ("https://www.acme.test/pricing", "https://www.acme.test/pricing/?utm=1"), 12),
    ("page_view", ("https://www.acme.test/careers/engineer",), 2),
    ("email_opened", ("Spring campaign", "Autumn campaign"), 16),
    ("email_clicked", ("Spring campaign",), 4),
    ("content_downloaded", ("Case study A", "Case study B", "Whitepaper"), 5),
    ("webinar_attended", ("Webinar I", "Webinar II"), 3),
    ("form_submitted", ("Contact form", "Demo form"), 2),
    ("demo_requested", ("Demo form",), 1),
    ("trial_started", ("Trial",), 1),
    ("subscribed", ("Newsletter", "opt-out flag"), 1),
    ("unsubscribed", ("opt-out flag",), 1),
)
"""Roughly what a B2B site sees: mostly page views and opened mail, few hands raised."""


def fill(mirror: Mirror, people: int, engagements: int, now: int, seed: int = 7) -> None:
    """Store so many people, untouched yet by scoring, and so many engagements of the past year."""
    draw = random.Random(seed)
    with mirror.write() as conn:
        _insert(conn, catalog.PERSON, _people(people, draw))
        _insert(conn, catalog.ENGAGEMENT, _engagements(engagements, people, now, draw))


def person_id(number: int) -> str:
    """An id as matching gives it: in no order that follows from the number."""
    return "p_" + format(number * 0x9E3779B97F4A7C15 % 2**64, "016x")


def _people(count: int, draw: random.Random) -> Iterator[dict[str, Any]]:
    nothing = {column.name: None for column in catalog.PERSON.columns}
    for number in range(count):
        stage = draw.choices(("lead", "subscriber", "sql", "customer", "recycled"), (80, 10, 4, 4, 2))[0]
        domain = f"company{number // 5}.test"
        yield {
            **nothing,
            "person_id": person_id(number),
            "founding_crm": "hubspot",
            "founding_object": "contacts",
            "founding_id": str(number),
            "ambiguous": draw.random() < 0.01,
            "email": f"person{number}@{domain}",
            "emails": f'["person{number}@{domain}"]',
            "email_domain": domain,
            "name": f"Person {number}",
            "company": f"Company {number // 5}" if draw.random() < 0.9 else None,
            "company_size": draw.choice((None, 5, 20, 60, 120, 250, 900, 5000)),
            "country": draw.choice(("DE", "US", "FR", None)),
            "job_title": "Title",
            "seniority": draw.choices((None, 3, 4, 5, 6, 7, 8), (10, 30, 25, 15, 8, 7, 5))[0],
            "student_domain": draw.random() < 0.02,
            "free_mail": draw.random() < 0.1,
            "disposable": False,
            "fields": "{}",
            "crm_stage": stage,
            "crm_mql": False,
            "stage": stage,
            "score_round": 1,
        }


def _engagements(count: int, people: int, now: int, draw: random.Random) -> Iterator[dict[str, Any]]:
    nothing = {column.name: None for column in catalog.ENGAGEMENT.columns}
    weights = [weight for _, _, weight in KINDS]
    keys = {asset: normalise(asset) for _, assets, _ in KINDS for asset in assets}
    for number in range(count):
        kind, assets, _ = draw.choices(KINDS, weights)[0]
        asset = draw.choice(assets)
        # some people do much, most do little
        who = int(people * draw.random() ** 2)
        at = now - int(365 * DAY * draw.random() ** 1.5)
        yield {
            **nothing,
            "crm": "salesforce" if kind == "webinar_attended" else "hubspot",
            "source": "bench",
            "id": str(number),
            "kind": kind,
            "asset": asset,
            "asset_key": keys[asset],
            "occurred_at": at,
            "is_bot": kind == "email_opened" and draw.random() < 0.2,
            "deleted": draw.random() < 0.001,
            "modified_ms": at * 1000,
            "raw": PAYLOAD,
            "rules_version": 1,
            "changed": 0,
            "first_seen": at + 60,
            "person_id": person_id(who),
        }


def _insert(conn: Connection, table: Table, rows: Iterator[dict[str, Any]]) -> None:
    names = [column.name for column in table.columns]
    columns = ", ".join(names)  # our own names
    found = (tuple(row[name] for name in names) for row in rows)
    if conn.dialect.name == "postgresql":
        driver: Any = conn.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as stream:
            for row in found:
                stream.write_row(row)
        return
    sql = f"INSERT INTO {table.name} ({columns}) VALUES ({', '.join('?' for _ in names)})"
    while batch := list(itertools.islice(found, BATCH)):
        conn.exec_driver_sql(sql, batch)
