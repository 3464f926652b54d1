"""Which account of accounts.toml serves which account of a CRM: one each, agreed on in the queue's database.

Two mirrors of one CRM account would decide apart and write over each other. Who comes first has the CRM
account until it is named no more in accounts.toml, or signs in to another one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import BigInteger, Column, MetaData, String, Table, and_, delete, or_, select
from sqlalchemy.dialects.postgresql import insert

from config.accounts import in_schema
from config.world import World, epoch
from sync.mirror.engine import Mirror, have_schema

SCHEMA: Final = "mqlsync_claims"
METADATA: Final = MetaData()
CLAIM: Final = Table(
    "crm_account_claim",
    METADATA,
    Column("crm", String, primary_key=True),
    Column("crm_account", String, primary_key=True),
    Column("account", String, nullable=False),
    Column("at", BigInteger, nullable=False),
)


class Claims:
    """The claims on the PostgreSQL of that URL. Raises the errors of `sync.mirror.unusable`."""

    def __init__(self, queue_url: str, world: World) -> None:
        self._world = world
        self._mirror = Mirror(in_schema(queue_url, SCHEMA), world)
        self._is_there = False

    def taken(self, account: str, crm: str, crm_account: str, known: Collection[str]) -> str:
        """Who else serves this account of the CRM; "" when we do, now that we asked.

        `known`: the accounts that there are; what others claimed is free again.
        """
        column = CLAIM.c
        ours_no_more = and_(column.account == account, column.crm == crm, column.crm_account != crm_account)
        nobodys = column.account.not_in([account, *known])
        claim = {"crm": crm, "crm_account": crm_account, "account": account, "at": epoch(self._world.now())}
        with self._mirror.write(durable=True) as conn:
            if not self._is_there:
                have_schema(conn)
                METADATA.create_all(conn)
            conn.execute(delete(CLAIM).where(or_(ours_no_more, nobodys)))
            conn.execute(insert(CLAIM).values(claim).on_conflict_do_nothing())
            query = select(column.account).where(column.crm == crm, column.crm_account == crm_account)
            holder: str = conn.execute(query).scalar_one()
        self._is_there = True
        return "" if holder == account else holder

    def close(self) -> None:
        """Let go of the connections."""
        self._mirror.close()
