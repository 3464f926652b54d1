"""Why a person has the score they have, as the JSON of `person explain`; and scores of another moment.

Without `as_of` the answer is the stored score with its stored parts, so that it agrees with every list.
For another moment the model is evaluated anew and nothing is stored; a past moment inside a spell is
answered from the snapshot that was taken when the spell was opened, and the answer says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import literal, or_, select

from config.world import iso_z
from scoring.evaluate import Hit, evaluate, events_of
from scoring.explain import fading, hit_text, missing, summary
from scoring.model import POINT, Model
from scoring.operators import fact
from sync.mirror import catalog, overrides
from sync.mirror.accounts import account_roll_up
from sync.mirror.catalog import HIT, PERSON, SCORE, SPELL
from sync.mirror.engine import Connection
from sync.mirror.models import as_decided
from sync.mirror.programs import program_for, run_program, temporary
from sync.mirror.spells import ALIAS, spells_of

AXES: Final = {"fit": 0, "engagement": 1}


@dataclass(frozen=True, slots=True)
class View:
    """One score, wherever it came from: `origin` is "score", "as_of" or "spell"."""

    model: str
    version: int
    total: int
    fit: int
    engagement: int
    grade: str
    suppressed: str | None
    hits: tuple[Hit, ...]
    as_of: int
    origin: str


def explain_person(
    conn: Connection,
    person_id: str,
    models: Sequence[Model],
    *,
    now: int,
    as_of: int | None = None,
    known_at: int | None = None,
    model: str | None = None,
    spell: str | None = None,
) -> dict[str, Any] | None:
    """The contract of `person explain` without `schema_version`; None when there is no such person.

    `models`: live ones first. `model` asks for another than the one shown, `spell` for the score that a
    spell was opened on. Every command accepts an earlier id of a person.
    """
    person = _person(conn, person_id)
    if person is None:
        return None
    chosen = [m for m in models if model in (None, m.name)]
    view = _view(conn, person, chosen, now, as_of, known_at, model, spell)
    if view is None:
        return None
    used = as_decided(conn, models, view.model, view.version)
    answer = {
        "person_id": person["person_id"],
        "name": person["name"],
        "email": person["email"],
        "company": person["company"],
        "stage": person["stage"],
        "suppressed": view.suppressed,
        "ambiguous": bool(person["ambiguous"]),
        "score": score_json(view),
        "hits": [_hit_json(hit, used, view.as_of) for hit in _sorted(view.hits)],
        "from": view.origin,
        "summary": summary(view.total, view.fit, view.engagement, view.grade, view.hits),
        "spells": spells_of(conn, person["person_id"]),
    }
    held = overrides.current(conn, person["person_id"])
    answer["override"] = held and held.to_json()
    answer["account"] = _account(conn, used, person)
    return {**answer, **_outlook(conn, person, used, view, now if known_at is None else known_at)}


def _account(conn: Connection, model: Model | None, person: Mapping[str, Any]) -> dict[str, Any] | None:
    found = None if model is None else account_roll_up(conn, model, person)
    return found and {"name": found[0], "points": points(found[1]), "people": found[2]}


def _person(conn: Connection, person_id: str) -> dict[str, Any] | None:
    """The person of an id or of an earlier id."""
    alias = select(ALIAS.c.person_id).where(ALIAS.c.alias == person_id).scalar_subquery()
    query = select(PERSON.c.person_id).where(
        or_(PERSON.c.person_id == person_id, PERSON.c.person_id == alias)
    )
    found = conn.execute(select(catalog.people(query))).mappings().first()
    return None if found is None else dict(found)


def _view(
    conn: Connection,
    person: Mapping[str, Any],
    models: Sequence[Model],
    now: int,
    as_of: int | None,
    known_at: int | None,
    model: str | None,
    spell: str | None,
) -> View | None:
    """The score that is asked for."""
    if spell is not None or (as_of is not None and as_of < now and known_at is None):
        found = _of_spell(conn, person["person_id"], spell, as_of, model)
        if found is not None or spell is not None:
            return found
    if as_of is None and known_at is None:
        stored = _stored(conn, person["person_id"], model)
        if stored is not None:
            return stored
    moment = now if as_of is None else as_of
    known = now if known_at is None else known_at
    return _computed(conn, person, models, moment, known)


def _stored(conn: Connection, person_id: str, model: str | None) -> View | None:
    query = select(SCORE).where(SCORE.c.person_id == person_id)
    query = query.where(SCORE.c.shown.is_(True) if model is None else SCORE.c.model == model)
    row = conn.execute(query.limit(1)).mappings().first()
    if row is None:
        return None
    hits = select(HIT).where(HIT.c.person_id == person_id, HIT.c.model == row["model"])
    return _from_rows(dict(row), [dict(hit) for hit in conn.execute(hits).mappings()], "score")


def _of_spell(
    conn: Connection, person_id: str, spell: str | None, as_of: int | None, model: str | None
) -> View | None:
    """The score on which the asked-for spell, or the one that held at `as_of`, was opened."""
    query = select(SPELL.c.snapshot).where(SPELL.c.person_id == person_id)
    if spell is not None:
        query = query.where(SPELL.c.id == spell)
    else:
        query = query.where(
            SPELL.c.entered_at <= as_of, or_(SPELL.c.left_at.is_(None), SPELL.c.left_at > as_of)
        )
        query = query if model is None else query.where(SPELL.c.model == model)
    text = conn.execute(query.order_by(SPELL.c.entered_at).limit(1)).scalar()
    snapshot = json.loads(text or "{}")
    return _from_rows(snapshot["score"], snapshot["hits"], "spell") if snapshot else None


def _from_rows(row: Mapping[str, Any], hits: Iterable[Mapping[str, Any]], origin: str) -> View:
    return View(
        model=row["model"],
        version=row["version"],
        total=row["total"],
        fit=row["fit"],
        engagement=row["engagement"],
        grade=row["grade"],
        suppressed=row["suppressed"],
        hits=tuple(_hit(hit) for hit in hits),
        as_of=row["as_of"],
        origin=origin,
    )


def _hit(row: Mapping[str, Any]) -> Hit:
    sources = tuple(row["sources"].split(",")) if row["sources"] else ()
    return Hit(
        rule=row["rule"],
        axis=row["axis"],
        group=row["group"],
        points=row["points"],
        count=row["count"],
        first_at=row["first_at"],
        last_at=row["last_at"],
        sources=sources,
    )


def _computed(
    conn: Connection, person: Mapping[str, Any], models: Sequence[Model], as_of: int, known_at: int
) -> View | None:
    """The score by the first live model that applies, else by the first model."""
    rows = _engagements(conn, person["person_id"], models)
    found = [(m, evaluate(m, person, rows, as_of=as_of, known_at=known_at)) for m in models]
    live = [(m, e) for m, e in found if m.status == "live"]
    applying = [(m, e) for m, e in live if e.applies]
    if not found:
        return None
    used, result = (applying or live or found)[0]
    return View(
        used.name,
        used.version,
        result.total,
        result.fit,
        result.engagement,
        result.grade,
        result.suppressed,
        result.hits,
        as_of,
        "as_of",
    )


def _engagements(conn: Connection, person_id: str, models: Sequence[Model]) -> list[Mapping[str, Any]]:
    """What a person did that one of the models counts."""
    kinds = sorted(frozenset().union(*(model.kinds for model in models)))
    rows = catalog.engagements(select(literal(person_id)))
    found = conn.execute(select(rows).where(rows.c.kind.in_(kinds)))
    names = tuple(found.keys())
    return [dict(zip(names, row, strict=True)) for row in found]


def _outlook(
    conn: Connection, person: Mapping[str, Any], model: Model | None, view: View, known_at: int
) -> dict[str, Any]:
    """What is missing to the threshold, and when time alone ends what is there."""
    if model is None:
        return {"missing": [], "missing_fields": [], "fades": None}
    gaps = missing(model.mql.enter, view.total, view.fit, view.engagement)
    rows = _engagements(conn, person["person_id"], [model])
    events = events_of(model, rows, as_of=view.as_of, known_at=known_at)
    fades = fading(model, person, events, view.as_of)
    return {
        "missing": [{"axis": gap.axis, "points": points(gap.points)} for gap in gaps],
        "missing_fields": [name for name in model.mql.require_fields if fact(person, name) is None],
        "fades": {
            "below_enter_at": iso_z(fades.below_enter_at),
            "under_leave_at": iso_z(fades.under_leave_at),
        },
    }


def _sorted(hits: Iterable[Hit]) -> list[Hit]:
    """Fit before engagement, the largest part first, limits after what they limit."""
    return sorted(
        hits, key=lambda h: (AXES.get(h.axis, 2), h.rule.startswith("limit:"), -abs(h.points), h.rule)
    )


def points(thousandths: int) -> float:
    """Points as JSON shows them: up to three decimals."""
    return thousandths / POINT


def score_json(view: View) -> dict[str, Any]:
    """The `score` of every JSON answer."""
    return {
        "total": points(view.total),
        "fit": points(view.fit),
        "engagement": points(view.engagement),
        "grade": view.grade,
        "model": view.model,
        "version": view.version,
        "as_of": iso_z(view.as_of),
    }


def _hit_json(hit: Hit, model: Model | None, as_of: int) -> dict[str, Any]:
    return {
        "rule": hit.rule,
        "axis": hit.axis,
        "group": hit.group,
        "points": points(hit.points),
        "count": hit.count,
        "first_at": iso_z(hit.first_at),
        "last_at": iso_z(hit.last_at),
        "sources": list(hit.sources),
        "text": hit.rule if model is None else hit_text(model, hit, as_of),
    }


def people_as_of(
    conn: Connection, models: Sequence[Model], *, as_of: int, known_at: int, model: str | None = None
) -> dict[str, View]:
    """Everybody's score at a moment (without its parts), by the first live model that applies; not stored.

    `model`: by this one. Runs in temporary tables, so a reading transaction is enough.
    """
    used = [m for m in models if (m.status == "live" if model is None else m.name == model)]
    shown: dict[str, View] = {}
    fallback: dict[str, View] = {}
    for current in used:
        program = program_for(current, scoped=False)
        with temporary(conn, program.tables):
            run_program(conn, program, as_of=as_of, known_at=known_at)
            for row in conn.execute(select(program.decision)):
                view = View(
                    current.name,
                    current.version,
                    row.total,
                    row.fit,
                    row.engagement,
                    row.grade,
                    row.suppressed,
                    (),
                    as_of,
                    "as_of",
                )
                fallback.setdefault(row.person_id, view)
                if row.applies:
                    shown.setdefault(row.person_id, view)
    return {**fallback, **shown}
