"""How long what is kept of people, and where the list of the erased lies."""

from __future__ import annotations

from pathlib import Path

from config.section import Duration, Section


class PrivacySettings(Section):
    """What outlives an erasure."""

    marks_file: Path | None = None
    """The list of who was erased; unset: beside the SQLite file, else in the user's state folder."""


class RetentionSettings(Section):
    """How long things are kept once they are over; "0s" keeps them for good. Looked at once a day."""

    request_answers: Duration = 3_600
    """Answers that the daemon left for commands that never fetched them."""
    runs: Duration = 400 * 86_400
    """Runs and their reports."""
    spell_readings: Duration = 400 * 86_400
    """The daily looks at open spells; a model that waits longer than this to leave needs more."""
    changes: Duration = 800 * 86_400
    """Decided changes that have ended, for `undo`, timelines and `failed`; open ones always stay."""
    plans: Duration = 90 * 86_400
    """Plans that were approved, rejected or dropped."""
    audit_words: Duration = 1_095 * 86_400
    """The words of the audit; its chain stays."""
    gone_records: Duration = 90 * 86_400
    """What a record said that is gone in its CRM; that it was there, and whose it was, stays."""
    hand_offs: Duration = 800 * 86_400
    """Hand-offs of spells that have ended."""
