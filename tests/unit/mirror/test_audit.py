"""The audit chain: it names nobody, holds without its words, and carries an older chain over."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from sqlalchemy import text

from connectors.records import RecordRef
from sync.mirror import audit
from sync.mirror.audit import Entry
from sync.mirror.engine import Connection, Mirror
from sync.mirror.pseudonyms import KEYS
from sync.mirror.runs import set_meta
from tests.databases import mirror_url
from tests.world import SimulatedWorld

ANN = "salesforce.Lead.00Q000000000001AAA"
ENTRIES = [
    Entry("write", f"{ANN}.Status", {"before": "New", "after": "MQL"}),
    Entry("skip", "hubspot.contacts.101.owner", {"reason": "Ann asked us to"}),
]


def test_the_chain_holds_no_plain_word_and_the_words_are_shown(mirror: Mirror) -> None:
    with mirror.write() as conn:
        audit.append(conn, ENTRIES, at=1, run_id="r1")
        audit.append(conn, ENTRIES[:1], at=2, run_id="r2")
        chain = str(conn.execute(text("SELECT * FROM audit")).all())
        assert "00Q" not in chain
        assert "Ann" not in chain
        assert "MQL" not in chain
        shown = audit.acts(conn, 10)
        assert [act.n for act in shown] == [3, 2, 1]
        assert shown[1].detail == {"reason": "Ann asked us to"}
        assert shown[2].subject == f"{ANN}.Status"
        lead = RecordRef("salesforce", "Lead", "00Q000000000001AAA")
        assert [act.n for act in audit.acts(conn, 10, records=[lead])] == [3, 1]
        assert audit.broken_at(conn) is None


def test_equal_acts_are_not_seen_to_be_equal(mirror: Mirror) -> None:
    with mirror.write() as conn:
        audit.append(conn, [ENTRIES[0], ENTRIES[0]], at=1, run_id="r1")
        assert len(set(conn.execute(text("SELECT detail FROM audit")).scalars())) == 2


def test_the_chain_holds_without_its_words(mirror: Mirror) -> None:
    with mirror.write() as conn:
        audit.append(conn, ENTRIES, at=1, run_id="r1")
        conn.execute(text("DELETE FROM audit_detail WHERE n = 1"))
        assert audit.broken_at(conn) is None
        erased = audit.acts(conn, 10)[1]
        assert erased.detail is None
        assert "00Q" not in erased.subject


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET actor = 'nobody' WHERE n = 2",
        "UPDATE audit_detail SET detail = '{}' WHERE n = 2",
        "UPDATE audit_detail SET subject = 'all' WHERE n = 2",
        "DELETE FROM audit WHERE n = 1",
    ],
)
def test_whatever_is_changed_is_found(mirror: Mirror, change: str) -> None:
    with mirror.write() as conn:
        audit.append(conn, ENTRIES, at=1, run_id="r1")
        conn.execute(text(change))
        assert audit.broken_at(conn) == 2


def old_chain(conn: Connection, count: int) -> str:
    """A chain as mirrors had it while its rows held plain words; its head."""
    previous = audit.ROOT
    for n in range(1, count + 1):
        row = {"at": n, "run_id": "r", "actor": "mqlsync", "action": "write", "subject": f"{ANN}.F{n}"}
        row |= {"n": n, "detail": json.dumps({"before": n}), "previous": previous}
        names = ("previous", "at", "run_id", "actor", "action", "subject", "detail")
        previous = hashlib.sha256("\x1f".join(str(row[name]) for name in names).encode()).hexdigest()
        conn.execute(
            text(
                "INSERT INTO audit (n, at, run_id, actor, action, subject, detail, previous, hash) VALUES "
                "(:n, :at, :run_id, :actor, :action, :subject, :detail, :previous, :hash)"
            ),
            {**row, "hash": previous},
        )
    conn.execute(
        text("INSERT INTO audit_detail (n, subject, detail, salt) SELECT n, subject, detail, '' FROM audit")
    )
    set_meta(conn, audit.OLD_CHAIN, "1")
    return previous


def test_an_older_chain_is_carried_over_and_sealed(tmp_path: Path, database: str) -> None:
    del database
    mirror = Mirror(mirror_url(tmp_path), SimulatedWorld())
    mirror.migrate()
    with mirror.write() as conn:
        head = old_chain(conn, 2_300)
    mirror.migrate()
    with mirror.read() as conn:
        assert audit.broken_at(conn) is None
        seal, last = audit.acts(conn, 2)
        assert (seal.action, seal.detail) == ("seal", {"acts": 2_300, "head": head})
        assert last.detail == {"before": 2_300}
        assert "00Q" not in str(conn.execute(text("SELECT * FROM audit")).all())
        before = audit.head(conn)
    mirror.migrate()
    with mirror.read() as conn:
        assert audit.head(conn) == before, "carried over once"
    mirror.close()


def test_a_broken_older_chain_stays_broken_at_the_same_act(mirror: Mirror) -> None:
    with mirror.write() as conn:
        old_chain(conn, 5)
        conn.execute(text("UPDATE audit SET at = 99 WHERE n = 3"))
    mirror.migrate()
    with mirror.read() as conn:
        assert audit.broken_at(conn) == 3


def test_the_key_is_made_once(mirror: Mirror) -> None:
    with mirror.write() as conn:
        audit.append(conn, ENTRIES, at=1, run_id="r1")
    with mirror.write() as conn:
        audit.append(conn, ENTRIES, at=1, run_id="r1")
        names = conn.execute(text("SELECT subject FROM audit ORDER BY n")).scalars().all()
        assert names[:2] == names[2:]
        made = json.loads(
            conn.execute(text("SELECT value FROM meta WHERE key = :key"), {"key": KEYS}).scalar_one()
        )
        assert [len(bytes.fromhex(one)) for one in made] == [32]
