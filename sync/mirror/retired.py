"""Engagements of what no rule takes any more and nobody reads again: they are over.

A pass over a feed tells of each row what the rules of today make of it. Of a source that no rule uses, or of
a type of event that none names, there is no such pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sync.mirror.dialect import sql
from sync.mirror.engine import Connection

END: Final = "UPDATE engagement SET deleted = :yes, changed = :round WHERE crm = :crm AND source = :source "


def end_unused(conn: Connection, crm: str, used: Callable[[str], bool], round_: int) -> None:
    """End whatever came from sources of this CRM of which no rule makes an engagement.

    What the mirror itself makes out of opt-out flags has no rule.
    """
    known = conn.execute(
        sql(conn, "SELECT DISTINCT source FROM engagement WHERE crm = :crm AND NOT deleted"), {"crm": crm}
    ).scalars()
    over = [source for source in known if source != f"{crm}.opt_out" and not used(source)]
    for source in over:
        conn.execute(
            sql(conn, END + "AND NOT deleted"), {"crm": crm, "source": source, "yes": True, "round": round_}
        )


def end_other_types(
    conn: Connection, crm: str, source: str, field: str, types: Sequence[str], round_: int
) -> None:
    """End the events of a source whose `field` has none of these values.

    It is looked for in the text of the event as it came: one that only seems to be of a type stays.
    """
    patterns = {f"type{number}": f'%"{field}"%"{one}"%' for number, one in enumerate(types)}
    none_of = "".join(f"AND raw NOT LIKE :{name} " for name in patterns)
    conn.execute(
        sql(conn, END + none_of + "AND NOT deleted"),
        {"crm": crm, "source": source, "yes": True, "round": round_, **patterns},
    )
