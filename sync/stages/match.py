"""Match: records become people, engagements find theirs, facts are put together. One transaction.

    1  bring stored columns of older rules up to date          4  attribute engagements
    2  find the components of records that changed             5  put together the facts that changed
    3  give each its person: SQL the plain ones, the rest core  6  mark people to be scored; next round

What did not change costs nothing, and a run that is killed leaves the round as it was.
"""

from __future__ import annotations

import hashlib
import json
from typing import Final

from sync.context import Context
from sync.core import identity
from sync.mirror import attribution, computed, evidence, matching, membership, people, queries
from sync.mirror.engine import Connection
from sync.mirror.runs import MATCHED_ROUND, current_round, get_meta, set_meta
from sync.reports import MatchCounts

RULES_META: Final = "computed_rules"
READINGS_META: Final = "matched_readings"
PEOPLE_OBJECTS: Final = tuple(object_name for _, object_name in evidence.PEOPLE)

CODE: Final = 1
"""Grows when the same rows and settings give other facts than before: then everybody is put together anew."""


def match(ctx: Context) -> MatchCounts:
    """Match everything that was stored since the last round; how many people there are now."""
    ctx.world.reached("match.started")
    readings = people.Readings(
        ctx.settings.mapping, evidence.words(ctx.settings.stages, ctx.settings.writeback)
    )
    with ctx.mirror.write(large=True) as conn:
        _match(conn, readings)
        counts = queries.count_people(conn)
        ctx.world.reached("match.uncommitted")
    ctx.world.reached("match.committed")
    ctx.progress.step("match people", counts.people, counts.people)
    return counts


def _match(conn: Connection, readings: people.Readings) -> None:
    round_ = current_round(conn)
    _recompute(conn, round_)
    fingerprint = _fingerprint(readings)
    everybody = get_meta(conn, READINGS_META) != fingerprint
    if not everybody and not queries.anything_changed(conn, round_):
        return
    matching.make_tables(conn)
    if matching.find_changed(conn, round_, PEOPLE_OBJECTS):
        _resolve(conn)
    attribution.attribute(conn, round_)
    people.refresh(conn, round_, readings, everybody=everybody)
    people.touch(conn)
    matching.drop_tables(conn)
    set_meta(conn, MATCHED_ROUND, str(round_))
    set_meta(conn, READINGS_META, fingerprint)


def _resolve(conn: Connection) -> None:
    """Steps 2 and 3. Only components that SQL cannot decide pass through Python."""
    matching.renew_keys(conn)
    matching.gather_records(conn)
    matching.label_components(conn)
    matching.claim(conn)
    matching.decide_plain(conn)
    open_ones = matching.undecided(conn)
    resolved = identity.resolve(open_ones.components, open_ones.claims, open_ones.known, open_ones.taken)
    why = {one.component: _candidates(one) for one in resolved if one.ambiguous}
    matching.put_back(conn, resolved, why)
    membership.apply(conn)


def _candidates(one: identity.Resolved) -> str:
    """The records that an ambiguous person could be, as JSON."""
    named = [{"crm": crm, "object": name, "id": id_} for crm, name, id_ in one.candidates]
    return json.dumps(named, separators=(",", ":"))


def _recompute(conn: Connection, round_: int) -> None:
    versions = f"{computed.TITLES}.{computed.DOMAINS}.{computed.ASSETS}"
    if get_meta(conn, RULES_META) != versions:
        computed.recompute(conn, round_)
        set_meta(conn, RULES_META, versions)


def _fingerprint(readings: people.Readings) -> str:
    parts = [CODE, computed.DOMAINS, list(readings.mapping.precedence), sorted(map(str, readings.words))]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
