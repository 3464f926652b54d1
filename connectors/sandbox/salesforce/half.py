"""The Salesforce half (being built)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.sandbox.core import Core, Request, Response


class Salesforce:
    credentials: dict[str, str]

    def __init__(self, core: Core) -> None:
        self.core = core
        self.credentials = {}

    def handle(self, request: Request) -> Response:
        return Response.json([{"message": request.path, "errorCode": "NOT_FOUND"}], 404)

    def create(
        self,
        object_name: str,
        values: Mapping[str, Any],
        *,
        author: str = "seed",
        actor: str = "",
        at: float | None = None,
        record_id: str | None = None,
    ) -> str:
        return self.core.store.create(
            "salesforce", object_name, values, author=author, actor=actor, at=at, record_id=record_id
        ).id

    def edit(
        self,
        object_name: str,
        record_id: str,
        fields: Mapping[str, Any],
        *,
        author: str = "person",
        actor: str = "",
        at: float | None = None,
    ) -> None:
        record = self.core.store.table("salesforce", object_name).rows[record_id]
        self.core.store.change("salesforce", record, fields, author=author, actor=actor, at=at)

    def delete(
        self, object_name: str, record_id: str, *, author: str = "person", at: float | None = None
    ) -> None:
        raise LookupError(object_name)

    def merge(
        self, object_name: str, winner: str, loser: str, *, author: str = "person", at: float | None = None
    ) -> str:
        raise LookupError(object_name)

    def convert(self, lead_id: str, *, author: str = "person", **options: Any) -> dict[str, str]:
        raise LookupError(lead_id)

    def expire_tokens(self) -> None:
        """Nothing issued yet."""
