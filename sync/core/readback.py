"""What became of a write, judged from what stands in the CRM afterwards. Pure.

The answer to a request proves little: this reads the record again and tells. Two protocols: on a CRM with
conditional writes the version token decides (at most one of two sendings can win); on one without them the
versions newer than our base are read in order of time:

    [ours] verified · [person, ours] our write covered an edit: put it back · [ours, person] superseded
    [ours, automation] overridden, not fought · none, and the value is not there: refused silently
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from connectors.records import Author, FieldVersion, Live
from sync.core.authors import OurWrite, attribute, newest_first
from sync.core.cases import Known, Target, Why, same, shown


class Fate(StrEnum):
    """What to do with the intent now."""

    VERIFIED = "verified"  # our value stands there
    SUPERSEDED = "superseded"  # somebody else's value stands there, rightly
    REPAIR = "repair"  # our value covers a person's edit: put `value` back
    PARK = "park"  # the CRM took the request and did nothing
    SEND_AGAIN = "send_again"  # it did not arrive; the same request again is safe
    DECIDE_AGAIN = "decide_again"  # the world moved: read and decide anew
    WAIT = "wait"  # it may still arrive: look again later
    ASK_PERSON = "ask_person"  # cannot be told


@dataclass(frozen=True, slots=True)
class Sent:
    """A write as it went out. `accepted`: the answer named the record as done; else there was no answer.

    `base_value` and `base_version` are what the decision was made on, `base_ms` the newest version of the
    field (or of the record) then, `sent_ms` the moment of sending; all by the CRM's clock.
    """

    desired: str | None
    base_value: str | None
    base_version: str
    base_ms: int
    sent_ms: int
    accepted: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of it. `claimed_ms` and `source` name the version that is ours, where one was found."""

    fate: Fate
    why: Why
    reason: str
    value: str | None = None
    claimed_ms: int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class _Case:
    target: Target
    sent: Sent
    live: Live
    value: str | None
    versions: tuple[FieldVersion, ...]
    newer: tuple[FieldVersion, ...]

    @property
    def stands(self) -> bool:
        """Our value is what the CRM shows."""
        return same(self.target.purpose, self.value, self.sent.desired)

    @property
    def mine(self) -> FieldVersion | None:
        """The newest version of ours since the base."""
        return next((version for version in self.newer if version.author is Author.US), None)

    @property
    def newest(self) -> Author | None:
        """Who wrote last since the base."""
        return self.newer[0].author if self.newer else None

    def verdict(self, fate: Fate, why: Why, reason: str, value: str | None = None) -> Verdict:
        mine = self.mine or _must_be_ours(self)
        return Verdict(fate, why, reason, value, mine.at_ms if mine else None, mine.source if mine else "")


def judge_read_back(
    target: Target, sent: Sent, live: Live, known: Known, *, guarded: bool, settle_ms: int = 0
) -> Verdict:
    """What became of `sent`, from the record as it stands now.

    `known.ours` holds our other writes of the field, without this one. `guarded`: the CRM compares the
    version before it writes. `settle_ms`: how long an unanswered request may still arrive (unguarded).
    """
    if live.moved_to is not None or not live.exists:
        return Verdict(Fate.DECIDE_AGAIN, Why.MOVED, "the record moved")
    if target.field not in live.values:
        return Verdict(Fate.WAIT, Why.UNKNOWN, "the field was not in the answer")
    ours = (*known.ours, OurWrite(sent.desired, sent.sent_ms))
    source = "" if sent.accepted else known.our_source
    value = live.values.get(target.field) or None
    versions = attribute(newest_first(live.versions.get(target.field, ()), value), ours, source)
    newer = tuple(version for version in versions if version.at_ms > sent.base_ms)
    case = _Case(target, sent, live, value, versions, newer)
    if guarded:
        return _guarded(case)
    if not versions and not live.has_history.get(target.field):
        return _by_value(case, settle_ms)
    return _by_history(case, settle_ms)


# -- a CRM that compares the version before it writes


def _guarded(case: _Case) -> Verdict:
    if case.stands:
        if case.sent.accepted or case.mine or case.live.modified_by is Author.US:
            return case.verdict(Fate.VERIFIED, Why.WANTED, "read back as written")
        return case.verdict(Fate.SUPERSEDED, Why.EQUAL, "somebody else set the same value")
    if case.live.version == case.sent.base_version:
        if case.sent.accepted:
            return case.verdict(Fate.PARK, Why.SILENT, f"accepted, yet it still is {shown(case.value)}")
        return case.verdict(Fate.SEND_AGAIN, Why.UNKNOWN, "the request did not arrive")
    if case.target.policy == "machine" and not case.sent.accepted:
        return case.verdict(Fate.DECIDE_AGAIN, Why.UNKNOWN, "no answer, and our field shows something else")
    if case.newer or case.live.has_history.get(case.target.field):
        return _guarded_with_history(case)
    return _guarded_by_stamp(case)


def _guarded_with_history(case: _Case) -> Verdict:
    applied = case.sent.accepted or case.mine is not None
    if not applied:
        return case.verdict(Fate.DECIDE_AGAIN, Why.UNKNOWN, "somebody wrote before our request arrived")
    if case.newest is None:
        return case.verdict(Fate.PARK, Why.SILENT, f"accepted, yet it still is {shown(case.value)}")
    if case.newest is Author.PERSON:
        return case.verdict(Fate.SUPERSEDED, Why.HUMAN, f"a person set it to {shown(case.value)} after us")
    return case.verdict(Fate.SUPERSEDED, Why.OVERRIDDEN, f"automation made it {shown(case.value)}")


def _guarded_by_stamp(case: _Case) -> Verdict:
    """No history of the field: all there is to go by is who touched the record last."""
    writer, accepted = case.live.modified_by, case.sent.accepted
    if writer is Author.US or (writer is Author.AUTOMATION and accepted):
        return case.verdict(Fate.SUPERSEDED, Why.OVERRIDDEN, f"automation made it {shown(case.value)}")
    if writer is Author.AUTOMATION:
        return case.verdict(Fate.DECIDE_AGAIN, Why.UNKNOWN, "automation wrote before our request arrived")
    changed = not same(case.target.purpose, case.value, case.sent.base_value)
    if accepted or changed:
        return case.verdict(Fate.SUPERSEDED, Why.HUMAN, f"somebody set it to {shown(case.value)} after us")
    return case.verdict(
        Fate.ASK_PERSON,
        Why.CANNOT_TELL,
        "no answer came, and the record was changed since: it may have been set back by a person",
    )


# -- a CRM that keeps history and writes unconditionally


def _by_history(case: _Case, settle_ms: int) -> Verdict:
    mine = case.mine or _must_be_ours(case)
    if mine is not None:
        return _ours_arrived(case, mine)
    if not case.sent.accepted:
        return _not_arrived(case, settle_ms)
    if case.stands:
        return case.verdict(Fate.VERIFIED, Why.WANTED, "it stands there as written")
    if case.newest is None:
        return case.verdict(Fate.PARK, Why.SILENT, f"accepted, yet it still is {shown(case.value)}")
    if case.newest is Author.PERSON:
        return case.verdict(Fate.SUPERSEDED, Why.HUMAN, f"a person set it to {shown(case.value)}")
    return case.verdict(Fate.SUPERSEDED, Why.OVERRIDDEN, f"automation made it {shown(case.value)}")


def _must_be_ours(case: _Case) -> FieldVersion | None:
    """The version of an accepted write that could not be claimed, for the CRM's clocks disagree."""
    if not case.sent.accepted:
        return None
    fits = (
        version
        for version in case.newer
        if version.author is not Author.PERSON and same(case.target.purpose, version.value, case.sent.desired)
    )
    return next(fits, None)


def _ours_arrived(case: _Case, mine: FieldVersion) -> Verdict:
    after = case.newer[: case.newer.index(mine)]
    if any(version.author is Author.PERSON for version in after):
        return case.verdict(Fate.SUPERSEDED, Why.HUMAN, f"a person set it to {shown(case.value)} after us")
    if after and not case.stands:
        return case.verdict(Fate.SUPERSEDED, Why.OVERRIDDEN, f"automation made it {shown(case.value)}")
    covered = _covered_edit(case.newer)
    if covered is not None and not same(case.target.purpose, covered.value, case.sent.desired):
        reason = f"our write covered a person's edit to {shown(covered.value)}"
        return case.verdict(Fate.REPAIR, Why.HUMAN, reason, covered.value or None)
    arrived = sum(version.author is Author.US for version in case.newer)
    if arrived > 1:
        return case.verdict(Fate.VERIFIED, Why.REPEATED, "it arrived more than once, harmlessly")
    return case.verdict(Fate.VERIFIED, Why.WANTED, "read back as written")


def _covered_edit(newer: Sequence[FieldVersion]) -> FieldVersion | None:
    """The newest edit by a person that stands under a write of ours."""
    return next((version for version in newer if version.author is Author.PERSON), None)


def _not_arrived(case: _Case, settle_ms: int) -> Verdict:
    """No answer, and no version of ours: as long as it may still arrive nothing else is done."""
    if case.live.server_ms < case.sent.sent_ms + settle_ms:
        return case.verdict(Fate.WAIT, Why.UNKNOWN, "no answer; it may still arrive")
    if case.stands:
        return case.verdict(Fate.SUPERSEDED, Why.EQUAL, "somebody else set the same value")
    if case.newest is Author.PERSON:
        return case.verdict(Fate.SUPERSEDED, Why.HUMAN, f"a person set it to {shown(case.value)}")
    return case.verdict(Fate.DECIDE_AGAIN, Why.UNKNOWN, "the request did not arrive")


def _by_value(case: _Case, settle_ms: int) -> Verdict:
    """Neither conditions nor history: the value is all there is."""
    if case.stands:
        return case.verdict(Fate.VERIFIED, Why.WANTED, "read back as written")
    if not case.sent.accepted and case.live.server_ms < case.sent.sent_ms + settle_ms:
        return case.verdict(Fate.WAIT, Why.UNKNOWN, "no answer; it may still arrive")
    if not same(case.target.purpose, case.value, case.sent.base_value):
        return case.verdict(Fate.SUPERSEDED, Why.HUMAN, f"somebody set it to {shown(case.value)}")
    if case.sent.accepted:
        return case.verdict(Fate.PARK, Why.SILENT, f"accepted, yet it still is {shown(case.value)}")
    return case.verdict(Fate.DECIDE_AGAIN, Why.UNKNOWN, "the request did not arrive")
