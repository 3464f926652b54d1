"""What the accounts of the mirror add up to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from scoring.compile.accounts import account_name, select_accounts
from scoring.evaluate import account_of
from scoring.model import Model
from sync.mirror import catalog
from sync.mirror.catalog import PERSON, SCORE
from sync.mirror.engine import Connection


def account_roll_up(conn: Connection, model: Model, person: Mapping[str, Any]) -> tuple[str, int, int] | None:
    """(account, thousandths, people) of the account that a person belongs to, by the stored scores.

    None when the model rolls nothing up, or the person has no account or no score.
    """
    name = account_of(model, person)
    if model.account is None or name is None:
        return None
    colleagues = select(PERSON.c.person_id).where(account_name(model.account, PERSON) == name)
    people = catalog.people(colleagues)
    scores = select(SCORE.c.person_id, SCORE.c.engagement).where(SCORE.c.model == model.name).subquery()
    row = conn.execute(select_accounts(model.account, people, scores)).first()
    return None if row is None else (str(person[model.account.by]), int(row.points), int(row.people))
