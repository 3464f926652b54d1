"""The facts of people, from their records and those records' companies, by `mapping.precedence`.

A fact is the first one that is set, looking at the sources in order of precedence and, among equals, of
age. "First that is set" is one aggregate per fact: the smallest of (place in that order, value), where the
place has a fixed width. A person's row changes, and the person is touched, only when a fact differs.
"""

# ruff: noqa: S608 (statements are put together from our own constants; values are always bound)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from config.settings import MappingSettings
from sync.mirror import evidence
from sync.mirror.engine import Connection
from sync.mirror.matching import NO_DATE, drop_tables, make_tables, run
from sync.mirror.runs import scoring_round

CHUNK: Final = 20_000
"""People whose facts are put together at once; bounds the memory of the work tables."""

FIRST_PLACE: Final = 1_000_000
"""Places begin here, so that all have seven digits."""

UNRANKED: Final = 1000
"""Precedence of sources that `mapping.precedence` does not name."""

TEXT_FACTS: Final = (
    "first_name",
    "last_name",
    "job_title",
    "company",
    "industry",
    "country",
    "state",
    "city",
    "lead_source",
)

WORK_TABLES: Final[Mapping[str, str]] = {
    "w_rank": "name TEXT PRIMARY KEY, place INTEGER",
    "w_who": "n INTEGER PRIMARY KEY, person_id TEXT UNIQUE",
    "w_source": "person_id TEXT, place TEXT, crm TEXT, object TEXT, id TEXT, is_person BOOLEAN, "
    "first_name TEXT, last_name TEXT, job_title TEXT, seniority INTEGER, company TEXT, company_size BIGINT, "
    "industry TEXT, country TEXT, state TEXT, city TEXT, lead_source TEXT, status TEXT, lifecycle TEXT, "
    "record_type TEXT, fields TEXT, PRIMARY KEY (person_id, place)",
    "w_mail": "person_id TEXT, address TEXT, place TEXT, PRIMARY KEY (person_id, place)",
    **evidence.WORK_TABLES,
}

COLUMNS: Final = (
    "email",
    "emails",
    "email_domain",
    "first_name",
    "last_name",
    "name",
    "company",
    "company_size",
    "industry",
    "country",
    "state",
    "city",
    "lead_source",
    "job_title",
    "seniority",
    "student_domain",
    "free_mail",
    "disposable",
    "fields",
    "crm_stage",
    "crm_mql",
    "rejected_reason",
)
"""The columns of `person` that this module fills."""


@dataclass(frozen=True, slots=True)
class Readings:
    """The settings that facts depend on."""

    mapping: MappingSettings
    words: evidence.Words


def refresh(conn: Connection, round_: int, readings: Readings, *, everybody: bool) -> None:
    """Put together anew the facts of everybody whose sources changed in this round (or of all people)."""
    make_tables(conn, WORK_TABLES)
    ranks = [{"name": name, "place": n} for n, name in enumerate(readings.mapping.precedence)]
    if ranks:
        conn.execute(text("INSERT INTO w_rank (name, place) VALUES (:name, :place)"), ranks)
    evidence.fill_words(conn, readings.words)
    count = _choose(conn, round_, everybody=everybody)
    for low in range(0, count, CHUNK):
        _gather(conn, low)
        _addresses(conn)
        evidence.weigh(conn)
        _write(conn)
    drop_tables(conn, WORK_TABLES)


def touch(conn: Connection) -> None:
    """People whose engagements or members changed are to be scored again."""
    run(
        conn,
        "UPDATE person SET score_round = :scoring WHERE score_round < :scoring "
        "AND person_id IN (SELECT person_id FROM w_touched)",
        scoring=scoring_round(conn),
    )


def _choose(conn: Connection, round_: int, *, everybody: bool) -> int:
    """Fill `w_who` with numbers from 1; how many."""
    chosen = "SELECT person_id FROM person"
    if not everybody:
        chosen = (
            "SELECT person_id FROM w_group "
            # their company changed, or the company that a link names
            "UNION SELECT m.person_id FROM company_record c JOIN person_record p ON p.company_id = c.id "
            "AND p.crm = c.crm JOIN person_member m ON [[m=p]] WHERE c.changed = :round "
            "UNION SELECT m.person_id FROM company_record c JOIN link l ON l.crm = c.crm "
            "AND l.to_object = c.object AND l.to_id = c.id JOIN person_member m ON m.crm = l.crm "
            "AND m.object = l.from_object AND m.id = l.from_id WHERE c.changed = :round "
            # a deal of theirs changed
            "UNION SELECT m.person_id FROM deal_record d JOIN link l ON l.crm = d.crm "
            "AND l.to_object = d.object AND l.to_id = d.id JOIN person_member m ON m.crm = l.crm "
            "AND m.object = l.from_object AND m.id = l.from_id WHERE d.changed = :round "
            # engagement tells a subscriber from a lead
            "UNION SELECT w.person_id FROM w_touched w WHERE EXISTS (SELECT 1 FROM person_member m "
            "JOIN person_record p ON [[m=p]] WHERE m.person_id = w.person_id AND p.lifecycle IS NOT NULL)"
        )
    run(
        conn,
        "INSERT INTO w_who SELECT row_number() OVER (ORDER BY w.person_id), w.person_id "
        f"FROM ({chosen}) w [[then]] person p ON p.person_id = w.person_id",
        **({} if everybody else {"round": round_}),
    )
    return int(conn.execute(text("SELECT count(*) FROM w_who")).scalar_one())


def _gather(conn: Connection, low: int) -> None:
    """Fill `w_source` for one chunk: person records, and the company of each."""
    run(conn, "DELETE FROM w_source")
    run(
        conn,
        "WITH companies AS (SELECT w.person_id AS person_id, p.crm AS crm, "
        "CASE p.crm WHEN 'salesforce' THEN 'Account' ELSE 'companies' END AS object, "
        "COALESCE(p.company_id, (SELECT l.to_id FROM link l WHERE l.crm = p.crm "
        "AND l.from_object = p.object AND l.from_id = p.id AND l.to_object IN ('companies', 'Account') "
        "ORDER BY CASE WHEN l.is_primary THEN 0 ELSE 1 END, l.to_id LIMIT 1)) AS id "
        "FROM w_who w [[then]] person_member m ON m.person_id = w.person_id JOIN person_record p ON [[m=p]] "
        "WHERE w.n > :low AND w.n <= :high), "
        "sources AS ("
        "SELECT w.person_id AS person_id, p.crm AS crm, p.object AS object, p.id AS id, :yes AS is_person, "
        "p.first_name AS first_name, p.last_name AS last_name, p.job_title AS job_title, "
        "p.seniority AS seniority, p.company_name AS company, CASE WHEN p.crm = 'hubspot' THEN NULL "
        "ELSE p.company_size END AS company_size, p.industry AS industry, p.country AS country, "
        "p.state AS state, p.city AS city, p.lead_source AS lead_source, p.status AS status, "
        "p.lifecycle AS lifecycle, p.record_type AS record_type, p.fields AS fields, "
        "p.created_ms AS created_ms FROM w_who w [[then]] person_member m ON m.person_id = w.person_id "
        "JOIN person_record p ON [[m=p]] WHERE w.n > :low AND w.n <= :high "
        "UNION ALL SELECT f.person_id, c.crm, c.object, c.id, :no, NULL, NULL, NULL, NULL, c.name, "
        "c.company_size, c.industry, c.country, c.state, c.city, NULL, NULL, NULL, NULL, c.fields, "
        "c.created_ms FROM (SELECT DISTINCT person_id, crm, object, id FROM companies) f "
        "JOIN company_record c ON [[c=f]] WHERE NOT c.gone) "
        "INSERT INTO w_source SELECT s.person_id, CAST(:first + row_number() OVER (PARTITION BY s.person_id "
        "ORDER BY COALESCE(r.place, :unranked), COALESCE(s.created_ms, :no_date), s.crm, s.object, s.id) "
        "AS TEXT), s.crm, s.object, s.id, s.is_person, s.first_name, s.last_name, s.job_title, s.seniority, "
        "s.company, s.company_size, s.industry, s.country, s.state, s.city, s.lead_source, s.status, "
        "s.lifecycle, s.record_type, s.fields FROM sources s "
        "LEFT JOIN w_rank r ON r.name = s.crm || '.' || s.object",
        low=low,
        high=low + CHUNK,
        yes=True,
        no=False,
        first=FIRST_PLACE,
        unranked=UNRANKED,
        no_date=NO_DATE,
    )


def _addresses(conn: Connection) -> None:
    """Fill `w_mail`: the address that records share comes first, then those of records in their order."""
    run(conn, "DELETE FROM w_mail")
    run(
        conn,
        "WITH found AS (SELECT s.person_id AS person_id, substr(k.key, 7) AS address, count(*) AS records, "
        "min(CASE WHEN k.additional THEN '1' ELSE '0' END || s.place) AS place "
        "FROM w_source s [[then]] match_key k ON [[k=s]] WHERE s.is_person AND k.key LIKE 'email:%' "
        "GROUP BY s.person_id, k.key) "
        "INSERT INTO w_mail SELECT person_id, address, "
        "CASE WHEN records > 1 THEN '0' ELSE '1' END || place || address FROM found",
    )


def _first(column: str, kind: str = "TEXT") -> str:
    """The first set value of a fact; blank text is not set."""
    is_set = f"{column} IS NOT NULL" + (f" AND trim({column}) <> ''" if kind == "TEXT" else "")
    value = column if kind == "TEXT" else f"CAST({column} AS TEXT)"
    first = f"substr(min(CASE WHEN {is_set} THEN place || {value} END), 8)"
    return first if kind == "TEXT" else f"CAST({first} AS {kind})"


def _write(conn: Connection) -> None:
    """Upsert the chunk's people; touched only where a fact differs."""
    facts = ", ".join(f"{_first(name)} AS {name}" for name in TEXT_FACTS)
    seniority = (
        "CAST(NULLIF(substr(min(CASE WHEN job_title IS NOT NULL AND trim(job_title) <> '' "
        "THEN place || COALESCE(CAST(seniority AS TEXT), '') END), 8), '') AS INTEGER)"
    )
    name = "NULLIF(trim(COALESCE(trim(f.first_name), '') || ' ' || COALESCE(trim(f.last_name), '')), '')"
    values = {
        "email": "m.email",
        "emails": "COALESCE(m.emails, '[]')",
        "email_domain": "d.name",
        "name": name,
        "student_domain": "COALESCE(e.student, :no)",
        "free_mail": "COALESCE(e.free_mail, :no)",
        "disposable": "COALESCE(e.disposable, :no)",
        "fields": "COALESCE(c.fields, '{}')",
        "crm_stage": "v.crm_stage",
        "crm_mql": "v.crm_mql",
        "rejected_reason": "v.rejected_reason",
    }
    selected = ", ".join(values.get(column, f"f.{column}") for column in COLUMNS)
    differs = " OR ".join(f"person.{column} [[differs from]] excluded.{column}" for column in COLUMNS)
    replaced = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS)
    run(
        conn,
        f"WITH facts AS (SELECT person_id, {facts}, {_first('company_size', 'BIGINT')} AS company_size, "
        f"{seniority} AS seniority FROM w_source GROUP BY person_id), "
        "mail AS (SELECT person_id, substr(min(place), 10) AS email, [[array of address]] AS emails "
        "FROM (SELECT person_id, address, place FROM w_mail ORDER BY person_id, place) x "
        "GROUP BY person_id), "
        "custom AS (SELECT person_id, [[object of name and value]] AS fields FROM ("
        "SELECT s.person_id AS person_id, j.key AS name, "
        "substr(min(s.place || [[field as text]]), 8) AS value "
        "FROM w_source s, [[each field]] WHERE s.fields <> '{}' AND trim([[field as text]]) <> '' "
        "GROUP BY s.person_id, j.key ORDER BY s.person_id, j.key) x GROUP BY person_id), "
        "domain AS (SELECT person_id, substr(email, length(rtrim(email, replace(email, '@', ''))) + 1) "
        "AS name FROM mail) "
        "INSERT INTO person "
        "(person_id, founding_crm, founding_object, founding_id, ambiguous, stage, score_round, "
        f"{', '.join(COLUMNS)}) SELECT p.person_id, p.founding_crm, p.founding_object, p.founding_id, "
        f"p.ambiguous, p.stage, p.score_round, {selected} FROM facts f "
        "[[then]] person p ON p.person_id = f.person_id JOIN w_evidence v ON v.person_id = f.person_id "
        "LEFT JOIN mail m ON m.person_id = f.person_id LEFT JOIN domain d ON d.person_id = f.person_id "
        "LEFT JOIN email_domain e ON e.domain = d.name LEFT JOIN custom c ON c.person_id = f.person_id "
        f"WHERE 1 = 1 ON CONFLICT (person_id) DO UPDATE SET {replaced}, score_round = :scoring, "
        "stage = CASE WHEN person.crm_stage = excluded.crm_stage THEN person.stage "
        f"ELSE excluded.crm_stage END WHERE {differs}",
        scoring=scoring_round(conn),
        no=False,
    )
