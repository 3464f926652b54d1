"""Columns that are computed in Python when a row is stored, because SQL only compares them.

Each carries the version of the rules that computed it; `recompute` brings older ones up to date.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any, Final

from connectors.records import EngagementRecord, PersonRecord
from scoring import assets, domains, titles
from sync.core.identity import email_key, founder_id
from sync.mirror.dialect import id_list, sql
from sync.mirror.engine import Connection
from sync.mirror.tables import EmailDomainRow
from sync.mirror.upserts import Upsert, upsert

TITLES: Final = titles.RULES_VERSION
DOMAINS: Final = domains.RULES_VERSION
ASSETS: Final = assets.RULES_VERSION

seniority = functools.lru_cache(maxsize=20_000)(titles.seniority)
asset_key = functools.lru_cache(maxsize=20_000)(assets.normalise)

DOMAIN_UPSERT = Upsert(EmailDomainRow, ("domain", "student", "free_mail", "disposable", "rules_version"))


def person_columns(rows: Sequence[PersonRecord]) -> Iterator[tuple[Any, ...]]:
    """email_key, additional_keys, email_domain, seniority, rules_version, founder_id of each record."""
    keys = [email_key(row.email) for row in rows]
    return zip(
        keys,
        [
            additional_keys(row.additional_emails, key) if row.additional_emails else None
            for row, key in zip(rows, keys, strict=True)
        ],
        [None if key is None else key.rpartition("@")[2] for key in keys],
        [seniority(row.job_title) for row in rows],
        repeat(TITLES, len(rows)),
        [founder_id(row.crm, row.object, row.id) for row in rows],
        strict=True,
    )


def domains_of(computed: Iterable[tuple[Any, ...]]) -> Iterator[str | None]:
    """The domains of all addresses in rows of `person_columns`; an additional one may be the only one."""
    for own in computed:
        yield own[2]
        if own[1] is not None:
            yield from (key.rpartition("@")[2] for key in json.loads(own[1]))


def engagement_columns(row: EngagementRecord) -> tuple[Any, ...]:
    """asset_key, email_key, rules_version of an engagement."""
    return (asset_key(row.asset), email_key(row.person_email), ASSETS)


def additional_keys(raw: str | None, primary: str | None) -> str | None:
    """A JSON array of addresses as a sorted JSON array of keys, without the primary one."""
    if not raw:
        return None
    keys = {email_key(address) for address in json.loads(raw) if isinstance(address, str)}
    found = sorted(key for key in keys if key is not None and key != primary)
    return json.dumps(found) if found else None


def store_domains(conn: Connection, names: Iterable[str | None]) -> None:
    """Remember what kind of domains these are. Most are known: those are only looked up."""
    wanted = {name for name in set(names) if name and "\x00" not in name}
    if not wanted:
        return
    new = conn.execute(
        sql(
            conn,
            "SELECT w.value FROM [[ids]] w WHERE NOT EXISTS "
            "(SELECT 1 FROM email_domain d WHERE d.domain = w.value AND d.rules_version = :now)",
        ),
        {"ids": id_list(wanted), "now": DOMAINS},
    ).scalars()
    upsert(conn, DOMAIN_UPSERT, [_domain_row(name) for name in sorted(new)])


@functools.lru_cache(maxsize=20_000)
def _domain_row(name: str) -> tuple[str, bool, bool, bool, int]:
    return (
        name,
        domains.is_student(name),
        domains.is_free_mail(name),
        domains.is_disposable(name),
        DOMAINS,
    )


def recompute(conn: Connection, round_: int) -> None:
    """Compute anew what rules of another version computed, and give changed rows to this round."""
    stale = conn.execute(
        sql(conn, "SELECT domain FROM email_domain WHERE rules_version <> :now"), {"now": DOMAINS}
    ).scalars()
    store_domains(conn, list(stale))
    _recompute_column(conn, "person_record", "job_title", "seniority", TITLES, round_)
    _recompute_column(conn, "engagement", "asset", "asset_key", ASSETS, round_)


def _recompute_column(
    conn: Connection, table: str, source: str, target: str, version: int, round_: int
) -> None:
    names = {"table": table, "source": source, "target": target}
    rule = seniority if target == "seniority" else asset_key
    values = conn.execute(
        sql(conn, "SELECT DISTINCT [[source]] FROM [[table]] WHERE rules_version <> :now", **names),
        {"now": version},
    ).scalars()
    changes = [{"source": value, "target": rule(value), "round": round_} for value in values]
    if changes:
        conn.execute(
            sql(
                conn,
                "UPDATE [[table]] SET [[target]] = :target, changed = :round "
                "WHERE [[target]] [[differs from]] :target "
                "AND ([[source]] = :source OR ([[source]] IS NULL AND CAST(:source AS TEXT) IS NULL))",
                **names,
            ),
            changes,
        )
    conn.execute(
        sql(conn, "UPDATE [[table]] SET rules_version = :now WHERE rules_version <> :now", **names),
        {"now": version},
    )
