"""Who is meant by what somebody typed."""

from __future__ import annotations

import getpass

from sync.cli.errors import NotFound, UsageFault
from sync.mirror import queries
from sync.mirror.engine import Connection
from sync.mirror.queries import PersonView


def the_person(conn: Connection, who: str) -> PersonView:
    """The one person meant. Raises NotFound, or UsageFault when several could be meant."""
    found = queries.find_people(conn, who)
    if not found:
        raise NotFound(f"Nobody here is {who}. Pull first (`mqlsync sync`), or try `mqlsync resync {who}`.")
    if len(found) > 1:
        raise UsageFault(f"{who} could be {len(found)} people; name one of {', '.join(found)}.")
    return next(iter(queries.people(conn, person_ids=found)))


def the_user() -> str:
    """The user at the keyboard."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"
