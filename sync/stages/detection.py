"""Whether a CRM tells who wrote a field. What write-back leaves alone depends on it, so `doctor` looks.

Three things blur it: people or programs that share the user or app that we sign in as, and fields whose
history Salesforce does not keep. Each shows on records at hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from config.settings import Settings
from connectors.base import Connector
from connectors.records import Author, Live, RecordRef
from sync.core.authors import OurWrite, attribute, newest_first
from sync.core.cases import MACHINE, Verified
from sync.mirror import proofs, reconciling
from sync.mirror.engine import Mirror
from sync.mirror.runs import get_meta
from sync.stages.targets import objects_of

SAMPLE = 50
"""Records of each object that are looked at: those changed last."""

CREATION_MS = 1_000
"""A change so soon after the creation is part of it."""

OurWrites = Mapping[tuple[RecordRef, str], Sequence[tuple[str, OurWrite]]]


def degraded(mirror: Mirror, connector: Connector, settings: Settings) -> list[tuple[str, str]]:
    """What blurs who wrote the fields that people work by, each with its remedy.

    Raises what the connector raises about the account.
    """
    found: list[tuple[str, str]] = []
    crm = connector.crm
    for object_name in objects_of(crm):
        targets = settings.writeback.targets(crm, object_name).items()
        fields = sorted({policy.field for _, policy in targets if policy.policy != MACHINE})
        with mirror.read() as conn:
            ids = reconciling.changed_last(conn, crm, object_name, SAMPLE)
            refs = [RecordRef(crm, object_name, record_id) for record_id in ids]
            ours, verified = proofs.our_writes(conn, refs), proofs.verified_values(conn, refs)
            source = get_meta(conn, f"{crm}.our_source") or ""
        if not fields or not ids:
            continue
        lives = dict(zip(refs, connector.read(object_name, ids, fields), strict=True))
        found += _shared_user(object_name, lives, ours)
        found += _shared_app(object_name, lives, ours, source)
        if connector.capabilities.conditional_write:
            found += _untracked(object_name, lives, verified)
    return found


def _shared_user(object_name: str, lives: Mapping[RecordRef, Live], ours: OurWrites) -> list[tuple[str, str]]:
    """Records that our user changed last and mqlsync never did."""
    written = {ref for ref, _ in ours}
    others = [
        ref.id
        for ref, live in lives.items()
        if live.exists
        and live.modified_by is Author.US
        and live.modified_ms > live.created_ms + CREATION_MS
        and ref not in written
    ]
    if not others:
        return []
    message = (
        f"writer detection is degraded: our user changed {len(others)} of the last {len(lives)} "
        f"{object_name} records outside of mqlsync, such as {others[0]}; such edits pass for ours"
    )
    return [(message, "give mqlsync a user of its own, with which nobody and nothing else signs in")]


def _shared_app(
    object_name: str, lives: Mapping[RecordRef, Live], ours: OurWrites, source: str
) -> list[tuple[str, str]]:
    """Versions that carry the word for our app and are no write of ours."""
    fields: set[str] = set()
    for ref, live in lives.items():
        for name, versions in live.versions.items():
            writes = [write for _, write in ours.get((ref, name), ())]
            marked = attribute(newest_first(versions, live.values.get(name)), writes, source)
            if any(source and one.source == source and one.author is Author.AUTOMATION for one in marked):
                fields.add(name)
    if not fields:
        return []
    message = (
        f"writer detection is degraded: another program writes {', '.join(sorted(fields))} of {object_name} "
        "with the app that mqlsync uses"
    )
    return [(message, "give mqlsync a private app (or service key) of its own")]


def _untracked(
    object_name: str, lives: Mapping[RecordRef, Live], verified: Mapping[tuple[RecordRef, str], Verified]
) -> list[tuple[str, str]]:
    """Fields that we changed and whose history shows nothing: it is not kept."""
    fields = sorted(
        {
            name
            for ref, live in lives.items()
            for name, known in live.has_history.items()
            if (ref, name) in verified and not known
        }
    )
    if not fields:
        return []
    message = (
        f"writer detection is degraded: the history of {', '.join(fields)} of {object_name} is not kept; "
        "who set it is told by the record's last change alone"
    )
    return [(message, f"switch on field history tracking of {', '.join(fields)} in Salesforce's set-up")]
