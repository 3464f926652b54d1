"""What matching decided, written down: members, former members, people, aliases (step 7 of `matching`)."""

# ruff: noqa: S608 (statements are put together from our own constants; values are always bound)

from __future__ import annotations

from sync.mirror import unshown
from sync.mirror.engine import Connection
from sync.mirror.matching import run
from sync.mirror.runs import PEOPLE_WENT, scoring_round, set_meta

SKIP = "ON CONFLICT DO NOTHING"


def apply(conn: Connection) -> None:
    """Make people and their members what `w_group` and `w_absorbed` say."""
    _absorb(conn)
    _find_moved(conn)
    _remember_former(conn)
    _write_people(conn)
    _write_members(conn)
    _write_evidence(conn)
    _remove_vanished(conn)
    unshown.note_group(conn)


def _absorb(conn: Connection) -> None:
    """People who became part of others: their id goes on as an alias. (Scoring moves their spells.)"""
    in_absorbed = "IN (SELECT alias FROM w_absorbed)"
    now_part_of = "(SELECT a.person_id FROM w_absorbed a WHERE a.alias = {}.person_id)"
    run(conn, f"INSERT INTO w_touched SELECT DISTINCT person_id FROM w_absorbed WHERE 1 = 1 {SKIP}")
    for table in ("person_alias", "person_former", "engagement", "intent", "turn"):
        target = now_part_of.format(table)
        run(conn, f"UPDATE {table} SET person_id = {target} WHERE person_id {in_absorbed}")
    absorbed = run(
        conn,
        "INSERT INTO person_alias (alias, person_id) SELECT alias, person_id FROM w_absorbed WHERE 1 = 1 "
        "ON CONFLICT (alias) DO UPDATE SET person_id = excluded.person_id",
    )
    if absorbed:
        set_meta(conn, PEOPLE_WENT, "yes")
    run(conn, "DELETE FROM person_alias WHERE alias IN (SELECT person_id FROM w_group)")


def _find_moved(conn: Connection) -> None:
    """`w_moved`: references (to live records, or to ones that went) that may mean another person now."""
    run(
        conn,
        "INSERT INTO w_moved SELECT r.crm, r.object, r.id FROM w_record r "
        "[[then]] w_group g ON g.label = r.label LEFT JOIN person_member m ON [[m=r]] "
        "WHERE m.person_id IS NULL OR m.person_id <> g.person_id",
    )
    run(
        conn,
        "INSERT INTO w_touched SELECT m.person_id FROM w_moved v [[then]] person_member m ON [[m=v]] "
        "UNION SELECT g.person_id FROM w_moved v [[then]] w_record r ON [[r=v]] "
        f"JOIN w_group g ON g.label = r.label WHERE 1 = 1 {SKIP}",
    )
    run(
        conn,
        "INSERT INTO w_moved SELECT w.crm, w.object, w.id FROM w_walk w [[then]] w_record r ON r.n = w.n "
        "JOIN w_group g ON g.label = r.label LEFT JOIN person_former f ON [[f=w]] "
        f"WHERE f.person_id IS NULL OR f.person_id <> g.person_id OR NOT f.survives {SKIP}",
    )
    run(
        conn,
        "INSERT INTO w_moved SELECT c.crm, c.object, c.id FROM w_changed c "
        f"WHERE NOT EXISTS (SELECT 1 FROM w_record r WHERE [[r=c]]) {SKIP}",
    )
    run(
        conn,
        "INSERT INTO w_touched SELECT m.person_id FROM w_moved v [[then]] person_member m ON [[m=v]] "
        f"WHERE 1 = 1 {SKIP}",
    )
    run(
        conn,
        f"INSERT INTO w_key SELECT k.key FROM w_moved v [[then]] match_key k ON [[k=v]] WHERE 1 = 1 {SKIP}",
    )


def _remember_former(conn: Connection) -> None:
    """Records that went keep the person they belonged to, or have the person of their survivor."""
    run(
        conn,
        "UPDATE person_former SET survives = :no WHERE survives "
        "AND (crm, object, id) IN (SELECT crm, object, id FROM w_changed)",
        no=False,
    )
    run(
        conn,
        "INSERT INTO person_former (crm, object, id, person_id, survives) SELECT m.crm, m.object, m.id, "
        "COALESCE(a.person_id, m.person_id), :no FROM w_changed c [[then]] person_member m ON [[m=c]] "
        "LEFT JOIN w_absorbed a ON a.alias = m.person_id "
        "WHERE NOT EXISTS (SELECT 1 FROM w_record r WHERE [[r=c]]) "
        "ON CONFLICT (crm, object, id) DO UPDATE SET person_id = excluded.person_id",
        no=False,
    )
    run(
        conn,
        "INSERT INTO person_former (crm, object, id, person_id, survives) "
        "SELECT w.crm, w.object, w.id, g.person_id, :yes FROM w_walk w "
        "[[then]] w_record r ON r.n = w.n JOIN w_group g ON g.label = r.label WHERE 1 = 1 "
        "ON CONFLICT (crm, object, id) DO UPDATE SET person_id = excluded.person_id, survives = :yes "
        "WHERE person_former.person_id <> excluded.person_id OR NOT person_former.survives",
        yes=True,
    )
    run(
        conn,
        "DELETE FROM person_former WHERE (crm, object, id) IN (SELECT r.crm, r.object, r.id "
        "FROM w_changed c [[then]] w_record r ON [[r=c]])",
    )


def _write_people(conn: Connection) -> None:
    """A row for every person; facts follow."""
    run(
        conn,
        "INSERT INTO person (person_id, founding_crm, founding_object, founding_id, ambiguous, "
        "ambiguous_why, emails, student_domain, free_mail, disposable, fields, crm_stage, crm_mql, stage, "
        "score_round) SELECT g.person_id, r.crm, r.object, r.id, g.ambiguous, g.why, '[]', :no, :no, :no, "
        "'{}', 'lead', :no, 'lead', :scoring FROM w_group g [[then]] w_record r ON r.n = g.label WHERE 1 = 1 "
        "ON CONFLICT (person_id) DO UPDATE SET ambiguous = excluded.ambiguous, "
        "ambiguous_why = excluded.ambiguous_why, score_round = :scoring "
        "WHERE person.ambiguous <> excluded.ambiguous "
        "OR COALESCE(person.ambiguous_why, '') <> COALESCE(excluded.ambiguous_why, '')",
        scoring=scoring_round(conn),
        no=False,
    )


def _write_members(conn: Connection) -> None:
    run(conn, "DELETE FROM person_member WHERE (crm, object, id) IN (SELECT crm, object, id FROM w_moved)")
    run(
        conn,
        "INSERT INTO person_member (crm, object, id, person_id, evidence) "
        "SELECT r.crm, r.object, r.id, g.person_id, '' FROM w_moved v [[then]] w_record r ON [[r=v]] "
        "JOIN w_group g ON g.label = r.label",
    )


def _write_evidence(conn: Connection) -> None:
    """By what each record met the others of its person: a native link beats an address."""
    run(
        conn,
        "WITH met AS (SELECT r.crm AS crm, r.object AS object, r.id AS id, "
        "max(CASE WHEN k.key LIKE 'email:%' THEN 1 ELSE 2 END) AS strength "
        "FROM w_record r [[then]] match_key k ON [[k=r]] JOIN match_key o ON o.key = k.key "
        "AND NOT [[o=k]] GROUP BY r.crm, r.object, r.id), "
        "found AS (SELECT r.crm AS crm, r.object AS object, r.id AS id, "
        "CASE met.strength WHEN 2 THEN 'native_link' WHEN 1 THEN 'email' ELSE 'alone' END AS evidence "
        "FROM w_record r LEFT JOIN met ON [[met=r]]) "
        "UPDATE person_member SET evidence = found.evidence FROM found "
        "WHERE [[found=person_member]] AND person_member.evidence <> found.evidence",
    )


def _remove_vanished(conn: Connection) -> None:
    """People without a live record are no more; what they did waits for whoever comes back as them."""
    run(
        conn,
        "DELETE FROM w_met WHERE EXISTS "
        "(SELECT 1 FROM person_member m WHERE m.person_id = w_met.person_id) "
        "OR NOT EXISTS (SELECT 1 FROM person p WHERE p.person_id = w_met.person_id)",
    )
    vanished = "WHERE person_id IN (SELECT person_id FROM w_met)"
    run(conn, f"UPDATE engagement SET person_id = NULL {vanished}")
    for table in ("score", "score_hit"):
        run(conn, f"DELETE FROM {table} {vanished}")
    if run(conn, f"DELETE FROM person {vanished}"):
        set_meta(conn, PEOPLE_WENT, "yes")
