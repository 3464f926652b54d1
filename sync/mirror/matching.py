"""Which records are one person, set by set in SQL; only what SQL cannot decide goes to `core.identity`.

    1  changed     records that changed since the last round, and what they went into or came from
    2  keys        their keys anew: address, additional addresses, native links, ids that went into them
    3  records     all live records of every person that a changed record belonged to or meets now
    4  components  records that share keys, directly or through others, get one label (the oldest's number)
    5  claims      which earlier people are in which component, also through records that went
    6  decide      plain components take their person in SQL, the others are handed out and put back
    7  apply       (in `membership`) members, former members, aliases, people who are no more

The work tables (`w_…`) are temporary and live in one transaction. An untouched component cannot meet a
touched one except through a changed record's new key, so one step of looking around is enough.
"""

# ruff: noqa: S608 (statements are put together from our own constants; values are always bound)

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sync.core.identity import Claim, Known, Member, Resolved, founder_id
from sync.mirror.dialect import by_bytes, id_list, sql
from sync.mirror.engine import Connection

NO_DATE: Final = 9_000_000_000_000_000
"""Creation time (ms) of a record that has none: younger than every other."""

DEEPEST: Final = 30
"""Merges and conversions followed in a row; a longer chain (or a circle) ends there."""

TRIED_IDS: Final = 4
"""Ids of a new person that are looked up before one is chosen."""

WORK_TABLES: Final[Mapping[str, str]] = {
    "w_changed": "crm TEXT, object TEXT, id TEXT, PRIMARY KEY (crm, object, id)",
    "w_key": "key TEXT PRIMARY KEY",
    "w_met": "person_id TEXT PRIMARY KEY",
    "w_record": "n INTEGER PRIMARY KEY, crm TEXT, object TEXT, id TEXT, label INTEGER",
    "w_edge": "a INTEGER, b INTEGER, PRIMARY KEY (a, b)",
    "w_next": "n INTEGER PRIMARY KEY, label INTEGER",
    "w_walk": "crm TEXT, object TEXT, id TEXT, n INTEGER, PRIMARY KEY (crm, object, id)",
    "w_claim": "person_id TEXT, label INTEGER, founding BOOLEAN, PRIMARY KEY (person_id, label)",
    "w_group": "label INTEGER PRIMARY KEY, person_id TEXT, plain BOOLEAN, ambiguous BOOLEAN, why TEXT",
    "w_moved": "crm TEXT, object TEXT, id TEXT, PRIMARY KEY (crm, object, id)",
    "w_absorbed": "alias TEXT PRIMARY KEY, person_id TEXT",
    "w_touched": "person_id TEXT PRIMARY KEY",
}

SAME: Final = re.compile(r"\[\[(\w+)=(\w+)\]\]")
"""`[[a=b]]` in a statement."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """What `core.identity.resolve` needs for the components that SQL cannot decide."""

    components: Mapping[int, Sequence[Member]]
    claims: Sequence[Claim]
    known: Mapping[str, Known]
    taken: frozenset[str]


def run(conn: Connection, template: str, /, **values: object) -> int:
    """One statement; `[[a=b]]` says that the rows a and b are about the same record. The rows it changed."""
    return conn.execute(sql(conn, SAME.sub(_same, template)), values).rowcount


def _same(found: re.Match[str]) -> str:
    a, b = found.groups()
    return f"({a}.crm = {b}.crm AND {a}.object = {b}.object AND {a}.id = {b}.id)"


def make_tables(conn: Connection, tables: Mapping[str, str] = WORK_TABLES) -> None:
    """Make work tables (name → columns), empty."""
    drop_tables(conn, tables)
    for name, words in tables.items():
        columns = by_bytes(conn.dialect.name, words)
        conn.execute(sql(conn, "CREATE TEMPORARY TABLE [[name]] ([[columns]])", name=name, columns=columns))


def drop_tables(conn: Connection, tables: Mapping[str, str] = WORK_TABLES) -> None:
    """Drop work tables."""
    for name in tables:
        conn.execute(sql(conn, "DROP TABLE IF EXISTS [[name]]", name=name))


def find_changed(conn: Connection, round_: int, people: Sequence[str]) -> int:
    """Step 1. `people`: the objects that are people. The number of records that changed."""
    values = {"round": round_, "ids": id_list(people)}
    run(
        conn,
        "INSERT INTO w_changed SELECT crm, object, id FROM person_record WHERE changed = :round "
        "UNION SELECT crm, object, id FROM tombstone WHERE changed = :round AND object IN [[ids]]",
        **values,
    )
    for column, other in (("to_", ""), ("", "to_")):
        _follow(conn, column, other)
    run(  # whose decision may have lost its ground
        conn,
        "INSERT INTO w_changed SELECT a.crm, a.object, a.id FROM w_changed c [[then]] record_apart a "
        "ON a.kept_crm = c.crm AND a.kept_object = c.object AND a.kept_id = c.id "
        "WHERE 1 = 1 ON CONFLICT DO NOTHING",
    )
    return int(conn.execute(sql(conn, "SELECT count(*) FROM w_changed")).scalar_one())


def _follow(conn: Connection, into: str, out_of: str) -> None:
    """Add what changed records went into (`to_`), or what went into them."""
    conn.execute(
        sql(
            conn,
            "WITH RECURSIVE walk (crm, object, id, depth) AS ("
            "SELECT t.crm, t.[[into]]object, t.[[into]]id, 1 FROM w_changed c [[then]] tombstone t ON "
            "t.crm = c.crm AND t.[[out]]object = c.object AND t.[[out]]id = c.id "
            "WHERE t.to_id IS NOT NULL "
            "UNION SELECT t.crm, t.[[into]]object, t.[[into]]id, walk.depth + 1 FROM walk "
            "JOIN tombstone t ON t.crm = walk.crm AND t.[[out]]object = walk.object "
            "AND t.[[out]]id = walk.id WHERE t.to_id IS NOT NULL AND walk.depth < :deepest) "
            "INSERT INTO w_changed SELECT DISTINCT crm, object, id FROM walk WHERE 1 = 1 "
            "ON CONFLICT DO NOTHING",
            into=into,
            out=out_of,
        ),
        {"deepest": DEEPEST},
    )


def renew_keys(conn: Connection) -> None:
    """Step 2. Keys of changed records that were and that are now are kept in `w_key`."""
    remember = (
        "INSERT INTO w_key SELECT k.key FROM w_changed c [[then]] match_key k ON [[k=c]] "
        "WHERE 1 = 1 ON CONFLICT DO NOTHING"
    )
    run(conn, remember)
    run(
        conn,
        "DELETE FROM match_key WHERE (crm, object, id) IN (SELECT crm, object, id FROM w_changed)",
    )
    live = "FROM w_changed c [[then]] person_record p ON [[p=c]] AND NOT p.gone"
    head = "INSERT INTO match_key (key, crm, object, id, additional) "
    tail = " ON CONFLICT DO NOTHING"
    own = "p.crm || ':' || p.object || ':' || substr(p.id, 1, 15)"
    link = "'salesforce:{}:' || substr(p.sf_{}_id, 1, 15)"
    for key, more, additional in (
        ("'email:' || p.email_key", "WHERE p.email_key IS NOT NULL", ":no"),
        ("'email:' || j.value", ", [[each additional key]] WHERE p.additional_keys IS NOT NULL", ":yes"),
        (own, "WHERE p.crm = 'salesforce'", ":no"),
        (link.format("Lead", "lead"), "WHERE p.sf_lead_id IS NOT NULL", ":no"),
        (link.format("Contact", "contact"), "WHERE p.sf_contact_id IS NOT NULL", ":no"),
    ):
        statement = f"{head}SELECT {key}, p.crm, p.object, p.id, {additional} {live} {more}{tail}"
        run(conn, statement, yes=True, no=False)
    _inherit_ids(conn, head, tail)
    _keep_apart(conn)
    run(conn, remember)


def _inherit_ids(conn: Connection, head: str, tail: str) -> None:
    """A survivor answers to the ids of what went into it: native links may still name those."""
    run(
        conn,
        "WITH RECURSIVE walk (crm, object, id, was_object, was_id, depth) AS ("
        "SELECT p.crm, p.object, p.id, t.object, t.id, 1 FROM w_changed c "
        "[[then]] person_record p ON [[p=c]] AND NOT p.gone AND p.crm = 'salesforce' "
        "JOIN tombstone t ON t.crm = p.crm AND t.to_object = p.object AND t.to_id = p.id "
        "UNION SELECT walk.crm, walk.object, walk.id, t.object, t.id, walk.depth + 1 FROM walk "
        "JOIN tombstone t ON t.crm = walk.crm AND t.to_object = walk.was_object AND t.to_id = walk.was_id "
        "WHERE walk.depth < :deepest) " + head + "SELECT DISTINCT crm || ':' || was_object || ':' || "
        "substr(was_id, 1, 15), crm, object, id, :no FROM walk WHERE 1 = 1" + tail,
        deepest=DEEPEST,
        no=False,
    )


def _keep_apart(conn: Connection) -> None:
    """A record that was set apart meets nobody: it keeps the key of its own id, and no other has that."""
    own = "crm || ':' || object || ':' || substr(id, 1, 15)"
    apart = "FROM record_apart a JOIN person_record p ON p.crm = a.kept_crm AND p.object = a.kept_object "
    apart += "AND p.id = a.kept_id AND NOT p.gone"
    run(
        conn,
        f"DELETE FROM match_key WHERE key <> {own} "
        f"AND (crm, object, id) IN (SELECT a.crm, a.object, a.id {apart})",
    )
    run(
        conn,
        f"DELETE FROM match_key WHERE key <> {own} "
        f"AND key IN (SELECT a.crm || ':' || a.object || ':' || substr(a.id, 1, 15) {apart})",
    )


def gather_records(conn: Connection) -> None:
    """Step 3. Records are numbered by age, so that the smallest number of a component founds."""
    for statement in (
        "SELECT m.person_id FROM w_changed c [[then]] person_member m ON [[m=c]]",
        "SELECT f.person_id FROM w_changed c [[then]] person_former f ON [[f=c]]",
        "SELECT m.person_id FROM w_key w [[then]] match_key k ON k.key = w.key "
        "JOIN person_member m ON [[m=k]]",
    ):
        run(conn, f"INSERT INTO w_met {statement} WHERE 1 = 1 ON CONFLICT DO NOTHING")
    run(
        conn,
        "INSERT INTO w_record SELECT row_number() OVER "
        "(ORDER BY COALESCE(p.created_ms, :no_date), p.crm, p.object, p.id), p.crm, p.object, p.id, 0 "
        "FROM (SELECT crm, object, id FROM w_changed UNION SELECT m.crm, m.object, m.id "
        "FROM w_met w [[then]] person_member m ON m.person_id = w.person_id) c "
        "JOIN person_record p ON [[p=c]] AND NOT p.gone",
        no_date=NO_DATE,
    )
    run(conn, "UPDATE w_record SET label = n")
    run(conn, "CREATE UNIQUE INDEX w_record_ref ON w_record (crm, object, id)")


def label_components(conn: Connection) -> None:
    """Step 4. Every record takes the smallest label around it, then the label's label, until all agree."""
    run(
        conn,
        "INSERT INTO w_edge SELECT DISTINCT h.a, r.n FROM ("
        "SELECT k.key AS key, min(r.n) AS a FROM w_record r [[then]] match_key k ON [[k=r]] "
        "GROUP BY k.key HAVING count(*) > 1) h JOIN match_key k ON k.key = h.key "
        "JOIN w_record r ON [[k=r]] WHERE r.n > h.a",
    )
    while True:
        run(conn, "DELETE FROM w_next")
        run(
            conn,
            "INSERT INTO w_next SELECT n, min(label) FROM ("
            "SELECT e.b AS n, r.label AS label FROM w_edge e [[then]] w_record r ON r.n = e.a UNION ALL "
            "SELECT e.a, r.label FROM w_edge e [[then]] w_record r ON r.n = e.b) s GROUP BY n",
        )
        lowered = run(
            conn,
            "UPDATE w_record SET label = w_next.label FROM w_next "
            "WHERE w_next.n = w_record.n AND w_next.label < w_record.label",
        )
        if not lowered:
            return
        run(
            conn,
            "UPDATE w_record SET label = h.label FROM w_record h "
            "WHERE h.n = w_record.label AND h.label < w_record.label",
        )


def claim(conn: Connection) -> None:
    """Step 5. `w_walk`: records that went → the number of the live record that they are now."""
    run(
        conn,
        "WITH RECURSIVE walk (n, crm, object, id, depth) AS ("
        "SELECT r.n, t.crm, t.object, t.id, 1 FROM w_record r [[then]] tombstone t "
        "ON t.crm = r.crm AND t.to_object = r.object AND t.to_id = r.id "
        "UNION SELECT walk.n, t.crm, t.object, t.id, walk.depth + 1 FROM walk JOIN tombstone t "
        "ON t.crm = walk.crm AND t.to_object = walk.object AND t.to_id = walk.id "
        "WHERE walk.depth < :deepest) "
        "INSERT INTO w_walk SELECT crm, object, id, min(n) FROM walk GROUP BY crm, object, id",
        deepest=DEEPEST,
    )
    founding = (
        "max(CASE WHEN p.founding_crm = x.crm AND p.founding_object = x.object AND p.founding_id = x.id "
        "THEN 1 ELSE 0 END) = 1"
    )
    run(
        conn,
        f"INSERT INTO w_claim SELECT x.person_id, x.label, {founding} FROM ("
        "SELECT m.person_id, r.label, m.crm, m.object, m.id FROM w_record r "
        "[[then]] person_member m ON [[m=r]] "
        "UNION ALL SELECT m.person_id, r.label, m.crm, m.object, m.id FROM w_walk w "
        "[[then]] w_record r ON r.n = w.n JOIN person_member m ON [[m=w]] "
        "UNION ALL SELECT f.person_id, r.label, f.crm, f.object, f.id FROM w_walk w "
        "[[then]] w_record r ON r.n = w.n JOIN person_former f ON [[f=w]] "
        # a record that came back belongs where it belonged, unless others went on as that person
        "UNION ALL SELECT f.person_id, r.label, f.crm, f.object, f.id FROM w_record r "
        "[[then]] person_former f ON [[f=r]] "
        "WHERE NOT EXISTS (SELECT 1 FROM person alive WHERE alive.person_id = f.person_id)) x "
        "LEFT JOIN person p ON p.person_id = x.person_id GROUP BY x.person_id, x.label",
    )


def decide_plain(conn: Connection) -> None:
    """Step 6, first half: one record a CRM, at most one earlier person, who is nowhere else."""
    run(
        conn,
        "INSERT INTO w_group SELECT g.label, COALESCE(q.person_id, p.founder_id), "
        "g.crms = g.size AND COALESCE(q.claims, 0) <= 1 AND COALESCE(q.homes, 0) <= 1 "
        "AND (q.person_id IS NOT NULL OR NOT EXISTS "
        "(SELECT 1 FROM person taken WHERE taken.person_id = p.founder_id)), :no, NULL "
        "FROM (SELECT label, count(*) AS size, count(DISTINCT crm) AS crms FROM w_record GROUP BY label) g "
        "JOIN w_record r ON r.n = g.label JOIN person_record p ON [[p=r]] "
        "LEFT JOIN (SELECT w.label, min(w.person_id) AS person_id, count(*) AS claims, max(h.homes) AS homes "
        "FROM w_claim w [[then]] (SELECT person_id, count(*) AS homes FROM w_claim GROUP BY person_id) h "
        "ON h.person_id = w.person_id GROUP BY w.label) q ON q.label = g.label",
        no=False,
    )


def undecided(conn: Connection) -> Undecided:
    """Step 6, handed out: components with several records of one CRM, or where people meet or part."""
    components: dict[int, list[Member]] = {}
    rows = conn.execute(
        sql(
            conn,
            "SELECT r.label, COALESCE(p.created_ms, :no_date) AS created_ms, r.crm, r.object, r.id "
            "FROM w_group g [[then]] w_record r ON r.label = g.label JOIN person_record p ON "
            "p.crm = r.crm AND p.object = r.object AND p.id = r.id WHERE NOT g.plain ORDER BY r.n",
        ),
        {"no_date": NO_DATE},
    )
    for row in rows:
        member = Member(row.created_ms, row.crm, row.object, row.id)
        components.setdefault(row.label, []).append(member)
    claims = [
        Claim(row.person_id, row.label, bool(row.founding))
        for row in conn.execute(
            sql(
                conn,
                "SELECT w.person_id, w.label, w.founding FROM w_group g "
                "[[then]] w_claim w ON w.label = g.label "
                "WHERE NOT g.plain ORDER BY w.person_id, w.label",
            )
        )
    ]
    return Undecided(components, claims, _known(conn), _taken(conn, components))


def _known(conn: Connection) -> dict[str, Known]:
    """Earlier people of undecided components. One that is no more is known by what went into the records."""
    rows = conn.execute(
        sql(
            conn,
            "SELECT w.person_id, p.founding_crm, p.founding_object, p.founding_id, f.created_ms, "
            "(SELECT min(s.entered_at) FROM spell s WHERE s.person_id = w.person_id AND s.left_at IS NULL) "
            "AS spell_at, old.crm, old.object, old.id "
            "FROM (SELECT DISTINCT w.person_id FROM w_group g [[then]] w_claim w ON w.label = g.label "
            "WHERE NOT g.plain) w LEFT JOIN person p ON p.person_id = w.person_id "
            "LEFT JOIN person_record f ON f.crm = p.founding_crm AND f.object = p.founding_object "
            "AND f.id = p.founding_id LEFT JOIN person_former old ON old.person_id = w.person_id "
            "AND p.person_id IS NULL ORDER BY w.person_id, old.crm, old.object, old.id",
        )
    )
    found: dict[str, Known] = {}
    for row in rows:
        created = NO_DATE if row.created_ms is None else row.created_ms
        if row.founding_id is not None:
            member = Member(created, row.founding_crm, row.founding_object, row.founding_id)
        else:
            member = Member(created, row.crm or "", row.object or "", row.id or "")
        found.setdefault(row.person_id, Known(member, row.spell_at))
    return found


def _taken(conn: Connection, components: Mapping[int, Sequence[Member]]) -> frozenset[str]:
    """Which ids that new people could take are in use."""
    tried = [
        founder_id(*min(members).ref, attempt)
        for members in components.values()
        for attempt in range(TRIED_IDS)
    ]
    rows = conn.execute(
        sql(conn, "SELECT person_id FROM person WHERE person_id IN [[ids]]"), {"ids": id_list(tried)}
    )
    return frozenset(rows.scalars())


def put_back(conn: Connection, resolved: Sequence[Resolved], why: Mapping[int, str]) -> None:
    """Step 6, second half. `why`: the candidates of ambiguous components, as JSON."""
    if resolved:
        conn.execute(
            sql(
                conn,
                "UPDATE w_group SET person_id = :person_id, ambiguous = :ambiguous, why = :why "
                "WHERE label = :label",
            ),
            [
                {
                    "label": one.component,
                    "person_id": one.person_id,
                    "ambiguous": one.ambiguous,
                    "why": why.get(one.component),
                }
                for one in resolved
            ],
        )
    absorbed = [{"alias": old, "person_id": one.person_id} for one in resolved for old in one.absorbed]
    if absorbed:
        conn.execute(
            sql(conn, "INSERT INTO w_absorbed (alias, person_id) VALUES (:alias, :person_id)"), absorbed
        )
