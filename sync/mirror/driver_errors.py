"""What PostgreSQL says of an error, without the values that it repeats: they are personal data."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Engine, ExceptionContext
from sqlalchemy.event import listen
from sqlalchemy.exc import DBAPIError

DATA = "22"
"""Class of the states of which the first line, too, tells the value ("invalid input … for type integer")."""


def keep_wordless(engine: Engine) -> None:
    """See that no error of this engine repeats a value."""
    listen(engine, "handle_error", _reworded)


def without_values(error: BaseException) -> bool:
    """Leave of a psycopg error what names the trouble; whether there was anything to take away."""
    said: Any = getattr(error, "diag", None)
    state = getattr(error, "sqlstate", None)
    if said is None or not state or not said.message_primary:
        return False
    told = f"{type(error).__name__} ({state})" if state.startswith(DATA) else str(said.message_primary)
    changed = (told,) != error.args
    error.args = (told,)
    return changed


def _reworded(context: ExceptionContext) -> DBAPIError | None:
    """SQLAlchemy's error anew: its text was made from the first words of the driver's."""
    known, error = context.sqlalchemy_exception, context.original_exception
    if not isinstance(known, DBAPIError) or not without_values(error):
        return None
    return type(known)(
        known.statement,
        known.params,
        error,
        hide_parameters=True,
        connection_invalidated=context.is_disconnect,
        code=known.code,
        ismulti=known.ismulti,
    )
