"""The roll-up of accounts, over people and the scores they have."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, case, func, select

from scoring.compile.tables import integer, whole
from scoring.dialect import folded
from scoring.model import Account
from scoring.operators import is_known_sql


def account_name(account: Account, people: FromClause) -> ColumnElement[str]:
    """What the people of an account have in common, as it is compared."""
    return folded(people.c[account.by])


def select_accounts(account: Account, people: FromClause, scores: FromClause) -> Select[Any]:
    """account, points, people: one row for each account of `people` that have a row in `scores`."""
    engaged = case((scores.c.engagement > 0, scores.c.engagement), else_=integer(0))
    name = account_name(account, people)
    place = func.row_number().over(partition_by=name, order_by=engaged.desc())
    has_one = is_known_sql(account.by, people)
    ranked = (
        select(name.label("account"), engaged.label("points"), place.label("place"))
        .select_from(people.join(scores, scores.c.person_id == people.c.person_id))
        .where(has_one, people.c.free_mail.is_(False) if account.by == "email_domain" else has_one)
        .subquery()
    )
    top = case((ranked.c.place <= account.sum_top, ranked.c.points), else_=integer(0))
    return select(
        ranked.c.account, whole(func.sum(top)).label("points"), func.count().label("people")
    ).group_by(ranked.c.account)
