"""The shapes of HubSpot's replies, decoded by msgspec; rows stay raw until each is read by itself.

A row that cannot be read must not cost its page: pages keep their rows as raw bytes, `row_of` reads one.
Where no more than a detail is at stake, null stands for what is left out, and a number for its text.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from connectors.fields import from_json

SMALLEST_FULL: Final = 100
"""Rows of the smallest page that is ever asked for in a search of records."""


class Next(msgspec.Struct):
    """Where a listing goes on. The link beside it is never followed."""

    after: str | int | None = None


class Paging(msgspec.Struct):
    next: Next | None = None


class ObjectPage(msgspec.Struct):
    """A page of a listing or a search; `total` only in a search."""

    results: list[msgspec.Raw]
    paging: Paging | None = None
    total: int | None = None

    @property
    def after(self) -> str | None:
        """The token of the next page; None on the last one."""
        token = self.paging.next.after if self.paging is not None and self.paging.next is not None else None
        return None if token is None or token == "" else str(token)

    @property
    def is_last(self) -> bool:
        """Of a search: whether nothing follows. Without token and total a full page may be cut."""
        if not self.results or self.after is not None:
            return not self.results
        if self.total is None:
            return len(self.results) < SMALLEST_FULL
        return self.total <= len(self.results)


class Version(msgspec.Struct):
    """One entry of a property's history."""

    timestamp: str | int | float
    value: str | None = None
    sourceType: str | None = None  # noqa: N815 (HubSpot's name)
    sourceId: str | None = None  # noqa: N815
    updatedByUserId: int | str | None = None  # noqa: N815


class WriteWarning(msgspec.Struct):
    """What a dated version says beside a write that it took."""

    category: str | None = None


class Row(msgspec.Struct):
    """A CRM object."""

    id: str | int
    properties: dict[str, Any]
    createdAt: str | int | float | None = None  # noqa: N815
    updatedAt: str | int | float | None = None  # noqa: N815
    archived: bool | None = None
    archivedAt: str | int | float | None = None  # noqa: N815
    propertiesWithHistory: dict[str, list[Version]] | None = None  # noqa: N815
    warnings: list[WriteWarning] | None = None


class TextRow(Row):
    """A CRM object all of whose properties are text or null, as HubSpot sends them."""

    properties: dict[str, str | None]


class Problem(msgspec.Struct):
    """One entry of `errors` in a batch reply."""

    category: str | None = None
    subCategory: Any = None  # noqa: N815
    message: str | None = None
    id: str | int | None = None
    context: dict[str, Any] | None = None


class Batch(msgspec.Struct):
    """A batch reply: 200, or 207 with `errors`."""

    results: list[msgspec.Raw]
    errors: list[Problem] | None = None
    numErrors: int | None = None  # noqa: N815


class Named(msgspec.Struct):
    id: str | int


class AssociationType(msgspec.Struct):
    typeId: int | str | None = None  # noqa: N815
    category: str | None = None
    label: str | None = None


class AssociatedTo(msgspec.Struct):
    toObjectId: str | int  # noqa: N815
    associationTypes: list[AssociationType] | None = None  # noqa: N815


# `from` is a keyword, hence the rename.
class Associated(msgspec.Struct, rename={"source": "from"}):
    """The associations of one record, or a page of them."""

    source: Named
    to: list[AssociatedTo] | None = None
    paging: Paging | None = None


class AssociatedFrom(msgspec.Struct, rename={"source": "from"}):
    """Whose associations they are."""

    source: Named


class AssociationBatch(msgspec.Struct):
    results: list[msgspec.Raw]
    errors: list[Problem] | None = None


class OwnerRow(msgspec.Struct):
    id: str | int
    email: str | None = None
    type: str | None = None
    firstName: str | None = None  # noqa: N815
    lastName: str | None = None  # noqa: N815
    archived: bool | None = None


class Option(msgspec.Struct):
    value: str
    hidden: bool | None = None
    archived: bool | None = None


class Modification(msgspec.Struct):
    readOnlyValue: bool | None = None  # noqa: N815


class Property(msgspec.Struct):
    name: str
    type: str | None = None
    options: list[Option] | None = None
    calculated: bool | None = None
    archived: bool | None = None
    externalOptions: bool | None = None  # noqa: N815
    referencedObjectType: str | None = None  # noqa: N815
    modificationMetadata: Modification | None = None  # noqa: N815


class PropertyName(msgspec.Struct):
    """What is needed of a property whose description cannot be read."""

    name: str


class PropertyList(msgspec.Struct):
    results: list[msgspec.Raw]


class Stage(msgspec.Struct):
    id: str | int
    metadata: dict[str, Any] | None = None


class Pipeline(msgspec.Struct):
    id: str | int
    stages: list[Stage] | None = None


class PipelineList(msgspec.Struct):
    results: list[Pipeline]


class Form(msgspec.Struct):
    id: str | int
    name: str | None = None
    formType: str | None = None  # noqa: N815


class FormList(msgspec.Struct):
    results: list[Form]
    paging: Paging | None = None


class SubmittedValue(msgspec.Struct):
    name: str | None = None
    value: Any = None


class Submission(msgspec.Struct):
    submittedAt: str | int | float  # noqa: N815
    values: list[SubmittedValue] | None = None
    pageUrl: str | None = None  # noqa: N815
    pageTitle: str | None = None  # noqa: N815
    conversionId: str | None = None  # noqa: N815


class EmailEventPage(msgspec.Struct):
    events: list[msgspec.Raw]
    hasMore: bool | None = None  # noqa: N815
    offset: str | int | None = None


class EmailEvent(msgspec.Struct):
    id: str | int
    created: str | int | float
    type: str | None = None
    recipient: str | None = None
    appId: int | str | None = None  # noqa: N815
    emailCampaignId: int | str | None = None  # noqa: N815
    filteredEvent: bool | None = None  # noqa: N815
    portalSubscriptionStatus: str | None = None  # noqa: N815
    subscriptions: list[dict[str, Any]] | None = None


class Campaign(msgspec.Struct):
    """An e-mail campaign; events name it by number only."""

    id: int | str
    name: str | None = None
    subject: str | None = None


class WebEvent(msgspec.Struct):
    id: str | int
    eventType: str  # noqa: N815
    occurredAt: str | int | float  # noqa: N815
    objectType: str | None = None  # noqa: N815
    objectId: str | int | None = None  # noqa: N815
    properties: dict[str, Any] | None = None


class ListRow(msgspec.Struct):
    """A list (a segment), by what the search shows of it."""

    listId: str | int  # noqa: N815
    name: str | None = None
    objectTypeId: str | None = None  # noqa: N815
    processingType: str | None = None  # noqa: N815


class ListPage(msgspec.Struct):
    lists: list[ListRow]
    hasMore: bool | None = None  # noqa: N815
    offset: int | str | None = None


class ListedMember(msgspec.Struct):
    recordId: str | int  # noqa: N815
    membershipTimestamp: str | int | None = None  # noqa: N815


class AccountDetails(msgspec.Struct):
    portalId: int | str | None = None  # noqa: N815
    utcOffsetMilliseconds: int | float | None = None  # noqa: N815


def raw_text(raw: msgspec.Raw) -> str:
    """A raw row as text, whatever bytes it holds."""
    return bytes(raw).decode("utf-8", "replace")


def row_of(raw: msgspec.Raw) -> Row | str:
    """A CRM object, or the reason why it is none."""
    try:
        return _TEXT_ROW.decode(raw)
    except ValueError:  # of another shape, or no JSON: what follows says what is wrong
        pass
    try:
        return from_json(bytes(raw), Row)
    except ValueError as error:
        return f"unreadable row: {error}"


def id_of(raw: msgspec.Raw) -> str:
    """The id of a row that could not be read; "" when not even that can be."""
    try:
        return str(_NAMED.decode(raw).id)
    except ValueError:
        pass
    try:
        return str(from_json(bytes(raw), Named).id)
    except ValueError:
        return ""


_TEXT_ROW = msgspec.json.Decoder(TextRow)
_NAMED = msgspec.json.Decoder(Named)
