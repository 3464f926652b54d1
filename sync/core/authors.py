"""Who wrote a value: we, a person, or the CRM's own automation. Pure.

Salesforce says it by user id, so its versions arrive attributed. HubSpot shows every write through the
API alike; a version is ours only when it matches a write that the outbox knows, and each write claims one
version at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from connectors.records import Author, Crm, FieldVersion, Live

CLAIM_EARLY_MS = 5_000
"""A version may be stamped this much before we thought we sent it (the CRM's clock has jitter)."""


@dataclass(frozen=True, slots=True)
class OurWrite:
    """One write of one field, as the outbox knows it; times are milliseconds by the CRM's clock.

    `seen_ms` is the read-back that settled it (None: not settled yet). `claimed_ms` is the stamp of the
    version that was found to be this write (None: none yet).
    """

    value: str | None
    sent_ms: int
    seen_ms: int | None = None
    claimed_ms: int | None = None


def attribute(
    versions: Sequence[FieldVersion], ours: Sequence[OurWrite], our_source: str = ""
) -> tuple[FieldVersion, ...]:
    """The versions, newest first as they came, with those that are ours marked so.

    `our_source` is the source word that our writes were found to carry ("" until one was found); once it
    is known, a version with another word is never ours.
    """
    claimed = {write.claimed_ms for write in ours if write.claimed_ms is not None}
    open_writes = [write for write in ours if write.claimed_ms is None]
    marked: list[FieldVersion] = []
    for version in reversed(versions):
        if version.author in (Author.US, Author.PERSON):
            marked.append(version)
            continue
        match = None
        if version.at_ms not in claimed and _may_be_ours(version, our_source):
            match = next((write for write in open_writes if _fits(version, write)), None)
        if match is not None:
            open_writes.remove(match)
        ours_now = match is not None or version.at_ms in claimed
        marked.append(replace(version, author=Author.US) if ours_now else version)
    marked.reverse()
    return tuple(marked)


def newest_first(versions: Sequence[FieldVersion], value: str | None) -> tuple[FieldVersion, ...]:
    """The versions by time; of several with the newest stamp the one whose value stands there is last."""
    found = sorted(versions, key=lambda version: version.at_ms, reverse=True)
    top = [version for version in found if version.at_ms == found[0].at_ms]
    standing = [version for version in top if (version.value or None) == value][:1]
    rest = [version for version in top if version not in standing]
    return (*standing, *rest, *found[len(top) :])


def _may_be_ours(version: FieldVersion, our_source: str) -> bool:
    if our_source:
        return version.source == our_source
    return version.source.partition(":")[0].upper() in ("API", "INTEGRATION")


def _fits(version: FieldVersion, write: OurWrite) -> bool:
    if (version.value or None) != (write.value or None):
        return False
    latest = write.seen_ms if write.seen_ms is not None else version.at_ms
    return write.sent_ms - CLAIM_EARLY_MS <= version.at_ms <= latest


def newest_by(versions: Sequence[FieldVersion], author: Author) -> FieldVersion | None:
    """The newest version by that author; `versions` are newest first."""
    return next((version for version in versions if version.author is author), None)


def wrote_last(live: Live, versions: Sequence[FieldVersion]) -> Author:
    """Who wrote the value that stands there: by history where there is one, else by the record's stamp.

    A field with a complete history and no version still has the value it was created with.
    """
    if versions:
        return versions[0].author
    return Author.UNKNOWN if live.modified_by is Author.US else live.modified_by


def touched_by_person_ms(live: Live, field: str, versions: Sequence[FieldVersion], seen: str | None) -> int:
    """When a person last touched this field, for the quiet period; 0: not that we know.

    The first version of a field and the creation of the record are no touch. Without history: the record
    was modified by a person after its creation, and the value is not the one we had seen.
    """
    if versions:
        # Salesforce lists changes; elsewhere the oldest version of a complete history is the first value
        only_changes = live.ref.crm == Crm.SALESFORCE or not live.has_history.get(field)
        later = versions if only_changes else versions[:-1]
        newest = newest_by(later, Author.PERSON)
        if newest is None or newest.at_ms <= live.created_ms + 1_000:
            return 0
        return newest.at_ms
    if live.has_history.get(field) or live.modified_by is not Author.PERSON:
        return 0
    if live.modified_ms <= live.created_ms + 1_000 or (live.values.get(field) or None) == (seen or None):
        return 0
    return live.modified_ms
