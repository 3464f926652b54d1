"""Pages into rows: everything that a CRM showed us is stored, unchanged, parked or gone, and counted so."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from connectors.records import (
    CompanyRecord,
    DealRecord,
    Dismissed,
    EngagementRecord,
    Owner,
    Page,
    PersonRecord,
    Poison,
    Tombstone,
)
from sync.core.identity import email_key
from sync.mirror import cursors, erased, graves, links, listing, optout
from sync.mirror.computed import domains_of, engagement_columns, person_columns, store_domains
from sync.mirror.dialect import id_list, sql
from sync.mirror.engine import Connection
from sync.mirror.runs import RunStamp, current_round
from sync.mirror.tables import CompanyRow, DealRow, EngagementRow, OwnerRow, PersonRow
from sync.mirror.upserts import Unstorable, Upsert, upsert
from sync.reports import FeedCounts

PERSON_OWN: Final = (
    "email_key",
    "additional_keys",
    "email_domain",
    "seniority",
    "rules_version",
    "founder_id",
)
PEOPLE: Final = Upsert(
    PersonRow,
    (*PersonRecord._fields, *PERSON_OWN, "gone", "changed", "first_seen"),
    insert_only=("gone", "first_seen"),
    silent=(*PERSON_OWN, "changed"),
    newest="modified_ms",
)
COMPANIES: Final = Upsert(
    CompanyRow,
    (*CompanyRecord._fields, "gone", "changed"),
    insert_only=("gone",),
    silent=("changed",),
    newest="modified_ms",
)
DEALS: Final = Upsert(
    DealRow,
    (*DealRecord._fields, "gone", "changed"),
    insert_only=("gone",),
    silent=("changed",),
    newest="modified_ms",
)
ENGAGEMENTS: Final = Upsert(
    EngagementRow,
    (
        *(name if name != "person_id" else "person_record_id" for name in EngagementRecord._fields),
        "asset_key",
        "email_key",
        "rules_version",
        "changed",
        "first_seen",
    ),
    insert_only=("first_seen",),
    silent=("asset_key", "email_key", "rules_version", "changed"),
    newest="modified_ms",
)
OWNERS: Final = Upsert(OwnerRow, (*Owner._fields, "email_key"))


def save_page(conn: Connection, page: Page, run: RunStamp) -> FeedCounts:
    """Store a page and the cursor that follows it; the caller's transaction commits both or neither."""
    counts = save_rows(conn, page, run)
    cursors.save(conn, page.feed, page.cursor, run.now, complete=page.complete)
    return counts


def save_rows(conn: Connection, page: Page, run: RunStamp, *, direct: bool = False) -> FeedCounts:
    """Store a page's rows without a cursor.

    `direct`: the rows were asked for by id, so what is alive is alive and what is gone is gone, whatever
    we thought before (a feed may show a late index).
    """
    page, kept_out = erased.without_erased(conn, page, run.now)
    round_ = current_round(conn)
    counts = FeedCounts(seen=page.seen, unchanged=kept_out, calls=page.calls)
    poison = list(page.poison)
    _save_people(conn, page.people, run, round_, counts, poison)
    _save_plain(conn, COMPANIES, page.companies, (False, round_), counts, poison)
    _save_plain(conn, DEALS, page.deals, (False, round_), counts, poison)
    _save_engagements(conn, page, run, round_, counts, poison)
    _save_owners(conn, page.owners, counts, poison)
    _add(counts, len(page.links), links.save(conn, page.links, round_))
    graves.revive(conn, (*page.people, *page.companies, *page.deals), round_, direct=direct)
    counts.gone += graves.bury(conn, page.tombstones, round_, direct=direct)
    _park(conn, page, poison, run)
    counts.parked += len(poison)
    return counts


def _save_people(
    conn: Connection,
    rows: Sequence[PersonRecord],
    run: RunStamp,
    round_: int,
    counts: FeedCounts,
    poison: list[Poison],
) -> None:
    if not rows:
        return
    flags = optout.turned(conn, rows)
    computed = list(person_columns(rows))
    store_domains(conn, set(domains_of(computed)))
    ours = (False, round_, run.now)
    full = [row + own + ours for row, own in zip(rows, computed, strict=True)]
    changed, bad = upsert(conn, PEOPLE, full)
    _count(counts, rows, changed, bad, poison)
    upsert(conn, ENGAGEMENTS, [(*row, *engagement_columns(row), round_, run.now) for row in flags])


def _save_plain(
    conn: Connection,
    how: Upsert,
    rows: Sequence[CompanyRecord] | Sequence[DealRecord],
    own: tuple[Any, ...],
    counts: FeedCounts,
    poison: list[Poison],
) -> None:
    changed, bad = upsert(conn, how, [(*row, *own) for row in rows])
    _count(counts, rows, changed, bad, poison)


def _save_engagements(
    conn: Connection, page: Page, run: RunStamp, round_: int, counts: FeedCounts, poison: list[Poison]
) -> None:
    rows = page.engagements
    left = [row for part in page.list_parts for row in listing.save(conn, part)]
    if page.lists is not None:
        listing.forget_others(conn, page.feed.crm, page.lists)
    full = [(*row, *engagement_columns(row), round_, run.now) for row in (*rows, *left)]
    changed, bad = upsert(conn, ENGAGEMENTS, full)
    counts.seen += len(left)
    _add(counts, len(full) - len(bad), changed)
    _drop_former_participants(conn, rows, round_)
    _dismiss(conn, page.dismissed, round_)
    for one in bad:
        row = (*rows, *left)[one.index]
        poison.append(Poison(row.crm, page.feed.object, row.id, one.reason, row.raw))


def _dismiss(conn: Connection, rows: Sequence[Dismissed], round_: int) -> None:
    """What the rules of today, or the row as it is today, make no engagement of is none any more."""
    over: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        over.setdefault((row.crm, row.source), []).append(row.id)
    update = "UPDATE engagement SET deleted = :yes, changed = :round WHERE crm = :crm AND source = :source "
    for (crm, source), ids in over.items():
        where = {"crm": crm, "source": source, "yes": True, "round": round_}
        single = [id_ for id_ in ids if not id_.endswith(":")]
        shared = [id_[:-1] for id_ in ids if id_.endswith(":")]
        if single:
            named = {**where, "ids": id_list(single)}
            conn.execute(sql(conn, update + "AND NOT deleted AND id IN [[ids]]"), named)
        if shared:
            begins = sql(conn, update + "AND [[id begins]] AND NOT deleted")
            conn.execute(begins, [{**where, "low": low} for low in shared])


def _drop_former_participants(conn: Connection, rows: Sequence[EngagementRecord], round_: int) -> None:
    """An activity with several people is a row for each, `ACTIVITY:RECORD`, and comes with all of them:
    rows of the same activity that are not among these (one contact was merged into another) are over."""
    activities: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        activity, _, participant = row.id.rpartition(":")
        if activity and participant == row.person_id:
            activities.setdefault((row.crm, row.source, activity), []).append(row.id)
    if activities:
        conn.execute(
            sql(
                conn,
                "UPDATE engagement SET deleted = :yes, changed = :round WHERE crm = :crm "
                "AND source = :source AND [[id begins]] AND NOT deleted AND id NOT IN [[ids]]",
            ),
            [
                {"crm": crm, "source": source, "low": low, "ids": id_list(ids), "yes": True, "round": round_}
                for (crm, source, low), ids in activities.items()
            ],
        )


def _save_owners(conn: Connection, rows: Sequence[Owner], counts: FeedCounts, poison: list[Poison]) -> None:
    changed, bad = upsert(conn, OWNERS, [(*row, email_key(row.email)) for row in rows])
    _add(counts, len(rows) - len(bad), changed)
    poison.extend(Poison(rows[one.index].crm, "owner", rows[one.index].id, one.reason, "") for one in bad)


def _count(
    counts: FeedCounts,
    rows: Sequence[PersonRecord] | Sequence[CompanyRecord] | Sequence[DealRecord],
    changed: int,
    bad: Sequence[Unstorable],
    poison: list[Poison],
) -> None:
    _add(counts, len(rows) - len(bad), changed)
    for one in bad:
        row = rows[one.index]
        poison.append(Poison(row.crm, row.object, row.id, one.reason, row.raw))


def _add(counts: FeedCounts, shown: int, changed: int) -> None:
    counts.stored += changed
    counts.unchanged += shown - changed


def _park(conn: Connection, page: Page, poison: Sequence[Poison], run: RunStamp) -> None:
    """Keep unreadable rows with their reasons, and let go of those that came readable or went."""
    _let_go(conn, page, {(row.object, row.id) for row in poison})
    if poison:
        conn.execute(
            sql(
                conn,
                "INSERT INTO parked_record (crm, object, id, reason, raw, since, attempts) "
                "VALUES (:crm, :object, :id, :reason, :raw, :now, 1) ON CONFLICT (crm, object, id) "
                "DO UPDATE SET reason = excluded.reason, raw = excluded.raw, "
                "attempts = parked_record.attempts + 1",
            ),
            [_parked(row, run.now) for row in poison],
        )


def _let_go(conn: Connection, page: Page, poison: set[tuple[str, str]]) -> None:
    """Rows that were parked are not any more, when this page showed them whole, or as gone."""
    rows: list[PersonRecord | CompanyRecord | DealRecord | Tombstone]
    rows = [*page.people, *page.companies, *page.deals, *page.tombstones]
    objects = {row.object for row in rows} | ({page.feed.object} if page.engagements else set())
    if not objects:
        return
    crm = page.feed.crm
    parked = conn.execute(
        sql(conn, "SELECT object, id FROM parked_record WHERE crm = :crm AND object IN [[ids]]"),
        {"crm": crm, "ids": id_list(objects)},
    ).all()
    if not parked:
        return
    shown = {(row.object, row.id) for row in rows} | {(page.feed.object, row.id) for row in page.engagements}
    shown -= poison
    done = [
        {"crm": crm, "object": row.object, "id": row.id} for row in parked if (row.object, row.id) in shown
    ]
    if done:
        conn.execute(
            sql(conn, "DELETE FROM parked_record WHERE crm = :crm AND object = :object AND id = :id"), done
        )


def _parked(row: Poison, now: int) -> dict[str, Any]:
    raw = row.raw.encode("utf-8", "backslashreplace").decode()
    known = row.id.encode("utf-8", "backslashreplace").decode()
    return {
        "crm": row.crm,
        "object": row.object,
        "id": known or "?" + hashlib.sha256(raw.encode()).hexdigest()[:16],
        "reason": row.reason,
        "raw": raw,
        "now": now,
    }
