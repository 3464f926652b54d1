"""What became of a write: the outcome tables of both protocols, row by row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connectors.records import Author, FieldVersion, Live, RecordRef
from sync.core.cases import Known, Target
from sync.core.readback import Fate, Sent, Verdict, judge_read_back

BASE_MS, SENT_MS, NOW = 1_000_000, 1_010_000, 1_012_000
SETTLE = 120_000
PERSON, US, AUTO, UNKNOWN = Author.PERSON, Author.US, Author.AUTOMATION, Author.UNKNOWN
SENT = Sent("MQL", "NEW", "v1", BASE_MS, SENT_MS, accepted=True)
LOST = replace(SENT, accepted=False)
OLD = ("NEW", AUTO, BASE_MS)

Entry = tuple[str | None, Author, int]


def target(crm: str, policy: str = "last_supplied") -> Target:
    return Target(crm, "x", "status", "f", policy, frozenset({"NEW"}))


def live(crm: str, value: str | None, *history: Entry, **rest: Any) -> Live:
    """History newest first; on HubSpot our writes look like any program's."""
    versions = tuple(
        FieldVersion(v, at, AUTO if author is US and crm == "hubspot" else author, f"API:{author.value}")
        for v, author, at in history
    )
    given: dict[str, Any] = {
        "values": {"f": value},
        "versions": {"f": versions},
        "has_history": {"f": bool(history)},
        "version": "v2",
        "server_ms": NOW,
        "modified_ms": SENT_MS,
        **rest,
    }
    return Live(RecordRef(crm, "x", "1"), True, **given)


def judged(sent: Sent, now: Live, policy: str = "last_supplied", known: Known | None = None) -> Verdict:
    crm = now.ref.crm
    return judge_read_back(
        target(crm, policy), sent, now, known or Known(), guarded=crm == "salesforce", settle_ms=SETTLE
    )


S, H = "salesforce", "hubspot"
AT = SENT_MS + 500


@pytest.mark.parametrize(
    ("sent", "now", "fate", "why"),
    [
        (SENT, live(S, "MQL", modified_by=US), Fate.VERIFIED, "wanted"),
        (SENT, live(S, "Other", modified_by=US), Fate.SUPERSEDED, "overridden_by_automation"),
        (SENT, live(S, "Other", modified_by=AUTO), Fate.SUPERSEDED, "overridden_by_automation"),
        (SENT, live(S, "Working", modified_by=PERSON), Fate.SUPERSEDED, "human"),
        (SENT, live(S, "NEW", version="v1"), Fate.PARK, "refused_silently"),
        (LOST, live(S, "NEW", version="v1"), Fate.SEND_AGAIN, "unknown"),
        (LOST, live(S, "MQL", modified_by=US), Fate.VERIFIED, "wanted"),
        (LOST, live(S, "MQL", modified_by=PERSON), Fate.SUPERSEDED, "equal"),
        (LOST, live(S, "Other", modified_by=US), Fate.SUPERSEDED, "overridden_by_automation"),
        (LOST, live(S, "Working", modified_by=PERSON), Fate.SUPERSEDED, "human"),
        # set back by a person, or never arrived: without history nobody can tell
        (LOST, live(S, "NEW", modified_by=PERSON), Fate.ASK_PERSON, "cannot_tell"),
        (LOST, live(S, "NEW", modified_by=AUTO), Fate.DECIDE_AGAIN, "unknown"),
        # with history one can
        (LOST, live(S, "NEW", OLD, modified_by=PERSON), Fate.DECIDE_AGAIN, "unknown"),
        (LOST, live(S, "P", ("P", PERSON, AT), OLD, modified_by=PERSON), Fate.DECIDE_AGAIN, "unknown"),
        (
            LOST,
            live(S, "NEW", ("NEW", PERSON, AT + 9), ("MQL", US, AT), OLD, modified_by=PERSON),
            Fate.SUPERSEDED,
            "human",
        ),
        (
            SENT,
            live(S, "Other", ("Other", US, AT), ("MQL", US, AT), OLD),
            Fate.SUPERSEDED,
            "overridden_by_automation",
        ),
        (SENT, live(S, "NEW", OLD, modified_by=PERSON), Fate.PARK, "refused_silently"),
    ],
)
def test_salesforce(sent: Sent, now: Live, fate: Fate, why: str) -> None:
    verdict = judged(sent, now)
    assert (verdict.fate, verdict.why) == (fate, why)
    assert verdict.reason


@pytest.mark.parametrize(
    ("sent", "now", "fate", "why", "value"),
    [
        (SENT, live(H, "MQL", ("MQL", US, AT), OLD), Fate.VERIFIED, "wanted", None),
        (LOST, live(H, "MQL", ("MQL", US, AT), OLD), Fate.VERIFIED, "wanted", None),
        (SENT, live(H, "MQL", ("MQL", US, AT), ("P", PERSON, AT - 9), OLD), Fate.REPAIR, "human", "P"),
        (SENT, live(H, "MQL", ("MQL", US, AT), (None, PERSON, AT - 9), OLD), Fate.REPAIR, "human", None),
        (
            SENT,
            live(H, "MQL", ("MQL", US, AT), ("Q", PERSON, AT - 5), ("P", PERSON, AT - 9), OLD),
            Fate.REPAIR,
            "human",
            "Q",
        ),
        (SENT, live(H, "MQL", ("MQL", US, AT), ("MQL", PERSON, AT - 9), OLD), Fate.VERIFIED, "wanted", None),
        (SENT, live(H, "P", ("P", PERSON, AT + 9), ("MQL", US, AT), OLD), Fate.SUPERSEDED, "human", None),
        (
            SENT,
            live(H, "A", ("A", AUTO, AT + 9), ("MQL", US, AT), OLD),
            Fate.SUPERSEDED,
            "overridden_by_automation",
            None,
        ),
        # automation in the gap is no person's edit: nothing is put back
        (SENT, live(H, "MQL", ("MQL", US, AT), ("A", AUTO, AT - 9), OLD), Fate.VERIFIED, "wanted", None),
        (SENT, live(H, "NEW", OLD), Fate.PARK, "refused_silently", None),
        (SENT, live(H, "P", ("P", PERSON, AT), OLD), Fate.SUPERSEDED, "human", None),
        (LOST, live(H, "NEW", OLD), Fate.WAIT, "unknown", None),
        (LOST, live(H, "P", ("P", PERSON, AT), OLD), Fate.WAIT, "unknown", None),
        (LOST, live(H, "NEW", OLD, server_ms=SENT_MS + SETTLE), Fate.DECIDE_AGAIN, "unknown", None),
        (
            LOST,
            live(H, "P", ("P", PERSON, AT), OLD, server_ms=SENT_MS + SETTLE),
            Fate.SUPERSEDED,
            "human",
            None,
        ),
        # a clock that is far off keeps no edit of a person from being put back
        (
            replace(SENT, sent_ms=SENT_MS + 10**9),
            live(H, "MQL", ("MQL", US, AT), ("P", PERSON, AT - 9), OLD),
            Fate.REPAIR,
            "human",
            "P",
        ),
        # neither history nor conditions: the value is all there is
        (SENT, live(H, "MQL"), Fate.VERIFIED, "wanted", None),
        (SENT, live(H, "NEW"), Fate.PARK, "refused_silently", None),
        (SENT, live(H, "P"), Fate.SUPERSEDED, "human", None),
        (LOST, live(H, "NEW"), Fate.WAIT, "unknown", None),
        (LOST, live(H, "NEW", server_ms=SENT_MS + SETTLE), Fate.DECIDE_AGAIN, "unknown", None),
    ],
)
def test_hubspot(sent: Sent, now: Live, fate: Fate, why: str, value: str | None) -> None:
    verdict = judged(sent, now)
    assert (verdict.fate, verdict.why, verdict.value) == (fate, why, value)
    assert verdict.reason


def test_a_repeat_is_harmless_and_recorded() -> None:
    known = Known(ours=())
    now = live(S, "MQL", ("MQL", US, AT), ("MQL", US, AT - 9), OLD)
    verdict = judge_read_back(target(H), SENT, now, known, guarded=False, settle_ms=SETTLE)
    assert (verdict.fate, verdict.why) == (Fate.VERIFIED, "repeated")


def test_the_version_that_is_ours_is_named_with_its_author_word() -> None:
    verdict = judged(SENT, live(H, "MQL", ("MQL", US, AT), OLD))
    assert (verdict.claimed_ms, verdict.source) == (AT, "API:us")


def test_our_own_field_is_decided_anew_after_a_lost_answer() -> None:
    assert judged(LOST, live(S, "7", modified_by=PERSON), "machine").fate is Fate.DECIDE_AGAIN


@pytest.mark.parametrize("crm", [S, H])
def test_a_record_that_moved_is_decided_anew_elsewhere(crm: str) -> None:
    gone = replace(live(crm, None), exists=False)
    assert judged(SENT, gone).fate is Fate.DECIDE_AGAIN
