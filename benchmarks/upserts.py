"""Ways to store a page of person records in PostgreSQL, rows a second beside what mqlsync does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy.types import BigInteger, Boolean, Integer

from sync.mirror import store, upserts
from sync.mirror.engine import Connection, Mirror
from sync.mirror.upserts import Upsert, table_of
from tests.postgres import Postgres
from tests.world import SimulatedWorld

HOW: Final = store.PEOPLE
PAGE: Final = 2_000  # rows a transaction
SMALL_PAGE: Final = 100
PAYLOAD: Final = '{"id": "1", "properties": {' + '"a_property": "a value of it", ' * 20 + '"z": ""}}'
BATCH: Final = 200  # rows of VALUES in one statement

Row = tuple[Any, ...]
Way = Callable[[Connection, Upsert, Sequence[Row]], object]


def rows(count: int, title: str) -> list[Row]:
    """So many records with this job title."""
    nothing = dict.fromkeys(HOW.columns)
    found = []
    for number in range(count):
        email = f"person{number}@company{number // 5}.test"
        values = {
            **nothing, "crm": "hubspot", "object": "contacts", "id": str(number), "email": email,
            "first_name": "Lea", "last_name": f"Person {number}", "job_title": title,
            "company_name": f"Company {number // 5}", "company_size": number % 900, "country": "DE",
            "status": "NEW", "lifecycle": "lead", "owner_id": "7", "created_ms": 1_790_000_000_000,
            "modified_ms": 1_790_000_000_000 + number, "version": "v", "fields": "{}", "raw": PAYLOAD,
            "email_key": email, "email_domain": email.partition("@")[2], "seniority": 4,
            "rules_version": 1, "founder_id": f"p_{number:016x}", "gone": False, "changed": 1,
            "first_seen": 1_790_000_000,
        }  # fmt: skip
        found.append(tuple(values[name] for name in HOW.columns))
    return found


def by_row(conn: Connection, how: Upsert, page: Sequence[Row]) -> None:
    """One prepared statement a row, pipelined by the driver."""
    conn.exec_driver_sql(upserts._sql("postgresql", how), list(page))


def by_copy(conn: Connection, how: Upsert, page: Sequence[Row]) -> None:
    """COPY into a work table, then INSERT … SELECT from it."""
    name, columns = table_of(how.table).name, ", ".join(how.columns)
    conn.exec_driver_sql("DROP TABLE IF EXISTS upsert_work")
    conn.exec_driver_sql(f"CREATE TEMPORARY TABLE upsert_work AS SELECT {columns} FROM {name} LIMIT 0")
    driver: Any = conn.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY upsert_work ({columns}) FROM STDIN") as stream:
        for row in page:
            stream.write_row(row)
    conn.exec_driver_sql(_from(how, f"SELECT {columns} FROM upsert_work"))


def by_arrays(conn: Connection, how: Upsert, page: Sequence[Row]) -> None:
    """One array a column, and INSERT … SELECT from all of them side by side."""
    columns = table_of(how.table).columns
    arrays = ", ".join(f"%s::{_type(columns[name].type)}[]" for name in how.columns)
    values = tuple(list(column) for column in zip(*page, strict=True))
    conn.exec_driver_sql(_from(how, f"SELECT * FROM unnest({arrays})"), values)


def by_values(conn: Connection, how: Upsert, page: Sequence[Row]) -> None:
    """INSERT with many rows of VALUES."""
    for start in range(0, len(page), BATCH):
        some = page[start : start + BATCH]
        sql = upserts._sql("postgresql", how, len(some))
        conn.exec_driver_sql(sql, tuple(value for row in some for value in row))


WAYS: Final[Mapping[str, Way]] = {
    f"mqlsync: COPY from {upserts.LEAST_COPIED} rows on, else row by row": upserts.upsert,
    "one prepared statement a row, pipelined": by_row,
    "an array a column, INSERT … SELECT": by_arrays,
    "COPY into a work table, INSERT … SELECT": by_copy,
    f"INSERT with {BATCH} rows of VALUES": by_values,
}


def measure(postgres: Postgres, count: int, rounds: int) -> list[list[str]]:
    """For each way: rows a second of new, unchanged and changed rows, and of new ones in small pages; and
    the first three as times of what mqlsync does."""
    best: dict[str, list[float]] = {name: [0.0] * 4 for name in WAYS}
    for _ in range(rounds):  # round by round, so that a busy minute hits all alike
        for name, way in WAYS.items():
            rates = _rates(postgres, way, count)
            best[name] = [max(pair) for pair in zip(best[name], rates, strict=True)]
    ours = next(iter(best.values()))
    return [
        [name, *(f"{rate:,.0f} ({rate / base:.2f})" for rate, base in zip(rates, ours, strict=True))]
        for name, rates in best.items()
    ]


def _rates(postgres: Postgres, way: Way, count: int) -> list[float]:
    first, then = rows(count, "Head of Sales"), rows(count, "VP Sales")
    found = []
    for given, page, fresh in ((first, PAGE, True), (first, PAGE, False), (then, PAGE, False),
                               (first, SMALL_PAGE, True)):  # fmt: skip
        if fresh:
            url = postgres.borrow()
            mirror = Mirror(url, SimulatedWorld())
        begun = time.perf_counter()
        for start in range(0, len(given), page):
            with mirror.write() as conn:
                way(conn, HOW, given[start : start + page])
        found.append(count / (time.perf_counter() - begun))
        if given is then or page == SMALL_PAGE:
            mirror.close()
            postgres.give_back(url)
    return found


def _from(how: Upsert, select: str) -> str:
    """The statement of mqlsync with its rows out of a query."""
    before, _, after = upserts._parts("postgresql", how)
    return f"{before} {select}{after}"


def _type(kind: object) -> str:
    if isinstance(kind, Boolean):
        return "boolean"
    if isinstance(kind, BigInteger):
        return "bigint"
    return "integer" if isinstance(kind, Integer) else "text"
