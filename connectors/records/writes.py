"""What is known just before a write, what is asked, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from connectors.records.refs import RecordRef


class Author(StrEnum):
    """Who wrote a version of a field."""

    US = "us"
    PERSON = "person"
    AUTOMATION = "automation"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FieldVersion:
    """One value that a field had. `source` is the CRM's own word for its author (kept for the audit)."""

    value: str | None
    at_ms: int
    author: Author
    source: str = ""


@dataclass(frozen=True, slots=True)
class Live:
    """A record as the CRM shows it this moment.

    `values` holds exactly the fields asked for; None is empty ("" is read as None); a field that is not
    among them was not in the answer, none is of a record that could not be read. `version` is the
    token for a guarded write. `versions` are known versions per field, newest first; where the CRM
    keeps no history per field they are empty and `modified_by` is all there is.
    """

    ref: RecordRef
    exists: bool
    values: Mapping[str, str | None] = field(default_factory=dict)
    version: str = ""
    modified_ms: int = 0
    created_ms: int = 0
    modified_by: Author = Author.UNKNOWN
    modified_by_id: str = ""
    created_by: Author = Author.UNKNOWN
    versions: Mapping[str, tuple[FieldVersion, ...]] = field(default_factory=dict)
    has_history: Mapping[str, bool] = field(default_factory=dict)  # per field: are `versions` complete?
    moved_to: RecordRef | None = None  # survivor of a merge or conversion
    record_type: str | None = None
    owner_id: str | None = None
    owner_kind: str = ""  # "person" | "queue" | "integration" | "" (unassigned or unknown)
    owner_active: bool | None = None
    server_ms: int = 0  # the CRM's clock when it answered
    read_at: float = 0.0  # world.monotonic() when the answer arrived


@dataclass(frozen=True, slots=True)
class Write:
    """Set exactly these fields of this record, provided it still is what `base` says.

    `guarded` is False only for fields that no person edits (policy `machine`).
    """

    ref: RecordRef
    fields: Mapping[str, str | None]
    base: str
    guarded: bool = True


class OutcomeKind(StrEnum):
    """What is known about one write from its answer alone; the read-back has the last word."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    CONFLICT = "conflict"
    MOVED = "moved"
    UNKNOWN = "unknown"


WARNING = "WARNING"
"""Code of an accepted write that the CRM had something to say about; the message has its words for it."""


class RefusalClass(StrEnum):
    """What a refusal asks for next (the class table of the CRM facts)."""

    TRANSIENT = "transient"
    QUOTA = "quota"
    AUTH = "auth"
    ADMIN_RULE = "admin_rule"
    OUR_CONFIG = "our_config"
    OWNER = "owner"
    INNOCENT = "innocent"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one write, in the order of the writes asked. `code` is the CRM's own word."""

    ref: RecordRef
    kind: OutcomeKind
    code: str = ""
    message: str = ""
    refusal: RefusalClass | None = None
    moved_to: RecordRef | None = None


@dataclass(frozen=True, slots=True)
class Offered:
    """What values a CRM offers for a field.

    `exists` False: there is no such field, or we may not see it. `writable` False: seen, not ours to
    write. `values` None: any text; else the values that may be set, active ones only. `by_record_type`
    narrows them per record type DeveloperName where the CRM told us. `length`: most characters of a text,
    None where the CRM did not say.
    """

    exists: bool
    writable: bool = False
    values: tuple[str, ...] | None = None
    by_record_type: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The daily quota of the account as last heard; None where the CRM did not say."""

    used: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are in a CRM, learnt at sign-in."""

    crm: str
    account_id: str
    user_id: str
    user_name: str
    origin: str  # scheme://host[:port] that the token may go to
    skew_seconds: float  # the CRM's clock minus ours


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a connector can promise about writing.

    `read_batch` and `write_batch` are records in one call; `plain_batch` is both of them where every field
    is one that no person edits, read without its history.
    """

    conditional_write: bool
    read_batch: int
    write_batch: int
    field_history: bool
    plain_batch: int
