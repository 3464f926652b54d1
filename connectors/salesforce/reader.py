"""Pages of a query: decoded only as far as needed, each row keeping its own JSON.

A page is believed as a whole or not at all (BrokenReply); a row that cannot be read is poison and the
others go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from connectors.errors import BrokenReply
from connectors.salesforce.api import Api
from connectors.salesforce.http import CRM


class QueryPage(msgspec.Struct):
    """The envelope of a query reply; rows stay bytes until they are looked at."""

    records: list[msgspec.Raw]
    done: bool
    totalSize: int = 0  # noqa: N815 (the API's name)
    nextRecordsUrl: str | None = None  # noqa: N815


class Row(NamedTuple):
    """One row: its fields, and its JSON as it came. `fields` is None when it cannot be read.

    `problem` says why a row that can be read must not be believed.
    """

    fields: dict[str, Any] | None
    raw: str
    problem: str = ""


_PAGE = msgspec.json.Decoder(QueryPage)
_ROW = msgspec.json.Decoder(dict[str, Any])


def read_page(body: bytes) -> QueryPage:
    """The envelope. Raises BrokenReply for anything but a query result."""
    try:
        page = _PAGE.decode(body)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as exc:
        raise BrokenReply("this is no query result", crm=CRM, code="NOT_A_PAGE") from exc
    if not page.done and page.nextRecordsUrl is None:
        raise BrokenReply("an unfinished result without a next page", crm=CRM, code="NOT_A_PAGE")
    return page


def read_row(raw: msgspec.Raw) -> Row:
    """One row of a page."""
    data = bytes(raw)
    text = data.decode("utf-8", "backslashreplace")
    try:
        return Row(_ROW.decode(data), text)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError):
        return Row(None, text)


def query_page(api: Api, soql: str, *, deleted: bool = False) -> tuple[list[Row], bool]:
    """The first page of a query, and whether it is all there is. A broken body is asked for again."""
    page = api.retry(lambda: read_page(api.query(soql, deleted=deleted)))
    return [read_row(raw) for raw in page.records], page.done


def query_all(api: Api, soql: str, *, deleted: bool = False) -> Iterator[Row]:
    """Every row of a (small) query, its pages followed by nextRecordsUrl; raises BrokenReply on circles."""
    page = api.retry(lambda: read_page(api.query(soql, deleted=deleted)))
    followed: set[str] = set()
    while True:
        yield from (read_row(raw) for raw in page.records)
        url = page.nextRecordsUrl
        if page.done or url is None:
            return
        if url in followed:
            raise BrokenReply("the pages go in circles", crm=CRM, code="CIRCLE")
        followed.add(url)
        page = _follow(api, url)


def _follow(api: Api, url: str) -> QueryPage:
    return api.retry(lambda: read_page(api.follow(url)))


def fields_of(rows: Sequence[Row] | Iterator[Row]) -> list[dict[str, Any]]:
    """The readable rows, for look-ups where an unreadable one is as good as none."""
    return [row.fields for row in rows if row.fields is not None]
