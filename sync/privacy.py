"""What one person is owed: to know what is held, to have it, and to be erased for good.

    1. the marks go into the file beside the mirror, so that no older copy brings the person back
    2. one transaction: marks, every row of the person, and the order itself; the audit says that it happened
    3. the database is written anew and its log emptied: no byte of the person is left in its files

Killed after 1 or 2, the next start does the rest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from config.keeping import PrivacySettings
from config.paths import user_state_dir
from config.world import World, epoch, iso_z
from connectors.records import RecordRef
from sync.context import App, Progress
from sync.core.lookup import wanted
from sync.mirror import audit, copies, erased, marks_file, personal, pseudonyms
from sync.mirror.audit import Entry
from sync.mirror.copies import Copy, Holding
from sync.mirror.engine import Connection, Mirror
from sync.mirror.marks_file import Marks
from sync.mirror.personal import Subject
from sync.mirror.runs import get_meta, set_meta
from sync.mirror.unusable import DatabaseLocked
from sync.pipeline import leased, run_of
from sync.reports import SCHEMA_VERSION

ORDER: Final = "privacy.order."
"""Begins the key of a person who is to be erased: a request names the order, never the person."""

UNCOMPACTED: Final = "privacy.uncompacted"
"""Set while deleted rows may still stand in the files of the database."""

TRIES: Final = 30
"""Times that the log is tried to be emptied while somebody reads, a second apart."""


def marks_file_of(mirror: Mirror, settings: PrivacySettings) -> Path:
    """The file of marks: the one that is set, else beside a SQLite mirror or in the user's state folder."""
    if settings.marks_file is not None:
        return settings.marks_file
    if mirror.path is not None:
        return marks_file.beside(mirror.path)
    name = hashlib.sha256(mirror.where.encode()).hexdigest()[:12]
    return user_state_dir() / f"mirror-{name}{marks_file.SUFFIX}"


def keep_erased(mirror: Mirror, world: World, settings: PrivacySettings) -> None:
    """Make mirror and file of marks agree: whoever the file names and the mirror has is erased again."""
    file = marks_file_of(mirror, settings)
    known = marks_file.read(file)
    with mirror.read() as conn:
        here = marks_file.of_mirror(conn)
    if known.at.keys() - here.at.keys():
        with mirror.write(durable=True) as conn:
            marks_file.replay(conn, known, epoch(world.now()))
            set_meta(conn, UNCOMPACTED, "1")
            here = marks_file.of_mirror(conn)
    if here.at.keys() - known.at.keys():
        marks_file.write(file, here.with_those_of(known))
    with suppress(DatabaseLocked):  # somebody writes: the next start tries again
        finish(mirror, world, tries=1)


def held(conn: Connection, subject: Subject) -> dict[str, Any]:
    """What there is of a person, as `privacy find --json` tells it."""
    return {
        "person_ids": list(subject.person_ids),
        "records": [ref._asdict() for ref in subject.records],
        "addresses": list(subject.addresses),
        "rows": personal.counts(conn, subject),
        "copies": [one.to_json() for one in held_elsewhere(conn, subject)],
    }


def held_elsewhere(conn: Connection, subject: Subject) -> list[Holding]:
    """The files that commands wrote, are still there, and hold the person."""
    found = copies.all_copies(conn)
    names = [ref.id for ref in subject.records if len(ref.id) > 10]
    return copies.holding(found, subject.person_ids, [*subject.words, *names])


def everything(conn: Connection, subject: Subject, now: int) -> dict[str, Any]:
    """All that is held of a person, row by row, as `privacy export` writes it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "exported_at": iso_z(now),
        "person_ids": list(subject.person_ids),
        "records": [ref._asdict() for ref in subject.records],
        "addresses": list(subject.addresses),
        "tables": dict(personal.rows(conn, subject)),
    }


def erased_at(conn: Connection, typed: str) -> int | None:
    """When the record or address that was typed was erased, epoch seconds; None: never, as far as we know."""
    meant = wanted(typed)
    known = erased.marks(conn)
    for key in pseudonyms.keys(conn):
        if meant.record is not None:
            mark = pseudonyms.record_mark(key, *meant.record)
        elif meant.email_key is not None:
            mark = pseudonyms.address_mark(key, meant.email_key)
        else:
            continue
        if mark in known:
            return known[mark]
    return None


def remember_copy(app: App, kind: str, path: Path, person_id: str | None = None) -> None:
    """Remember a file with personal data that a command wrote."""
    copy = Copy(app.world.new_id(), kind, str(path.absolute()), epoch(app.world.now()), person_id)
    with app.mirror.write() as conn:
        copies.record(conn, copy)


# -- erasing


def order(app: App, subject: Subject) -> str:
    """Leave word of whom to erase; what a request may name instead of the person."""
    order_id = app.world.new_id()
    value = {
        "person_ids": subject.person_ids,
        "records": [list(ref) for ref in subject.records],
        "addresses": subject.addresses,
    }
    with app.mirror.write() as conn:
        set_meta(conn, ORDER + order_id, json.dumps(value))
    return order_id


def withdraw(app: App, order_id: str) -> None:
    """Nobody is to carry it out any more."""
    with app.mirror.write() as conn:
        if get_meta(conn, ORDER + order_id) is not None:
            set_meta(conn, ORDER + order_id, None)


def erase(app: App, order_id: str, progress: Progress) -> Mapping[str, Any]:
    """Carry out an order; what it did, without a word of whom. Raises LeaseHeld."""
    with leased(app, "erase") as number, run_of(app, progress, number, "erase") as (ctx, _):
        now = ctx.run.now
        with app.mirror.write(durable=True) as conn:
            subject = _ordered(conn, order_id)
            key = pseudonyms.key(conn)
            fresh = erased.marks_with_deals(conn, key, subject)
            known = marks_file.of_mirror(conn)
        file = marks_file_of(app.mirror, app.settings.privacy)
        marks = Marks((key,), dict.fromkeys(fresh, now)).with_those_of(known)
        marks_file.write(file, marks.with_those_of(marks_file.read(file)))
        with app.mirror.write(durable=True) as conn:
            set_meta(conn, ORDER + order_id, None)
            rows = erased.erase(conn, subject, now)
            entry = Entry("erase", "person", {"rows": sum(rows.values())})
            audit.append(conn, [entry], at=now, run_id=ctx.run.run_id, actor="operator")
            set_meta(conn, UNCOMPACTED, "1")
        progress.step("erase: writing the database anew", 0)
        complete = finish(app.mirror, app.world)
    return {"rows": rows, "marks": len(fresh), "complete": complete}


def finish(mirror: Mirror, world: World, tries: int = TRIES) -> bool:
    """Write the database anew if an erasure still asks for it; False: somebody kept reading the old one."""
    with mirror.read() as conn:
        if get_meta(conn, UNCOMPACTED) is None:
            return True
    mirror.compact()
    for _ in range(tries):
        if mirror.empty_log():
            with mirror.write() as conn:
                set_meta(conn, UNCOMPACTED, None)
            return True
        world.sleep(1.0)
    return False


def _ordered(conn: Connection, order_id: str) -> Subject:
    value = json.loads(get_meta(conn, ORDER + order_id) or "{}")
    records = [RecordRef(*one) for one in value.get("records", ())]
    return personal.gather(conn, value.get("person_ids", ()), records, value.get("addresses", ()))
