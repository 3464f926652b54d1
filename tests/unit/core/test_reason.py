"""The text that a representative reads: what matters first, never longer than the field."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sync.core.reason import Did, HandOffFacts, hand_off_text

FACTS = HandOffFacts(
    since="2026-11-20",
    entered_by="fast_track:demo",
    points=95.0,
    grade="A1",
    rules=[("demo_request", 40.0), ("pricing_pages", 24.7), ("free_mail", -15.0)],
    did=[
        Did("demo_requested", "Book a demo", "2026-11-20"),
        Did("page_view", "https://www.example.com/pricing/?utm_source=x#top", "2026-11-19"),
        Did("page_view", "https://www.example.com/pricing/", "2026-11-18"),
        Did("content_downloaded", 'The "ROI"\nwhitepaper', "2026-11-02"),
        Did("webinar_attended", "Live", "2026-10-02"),
    ],
    source="Web",
)


def test_everything_in_order() -> None:
    assert hand_off_text(FACTS, 1000) == (
        "MQL since 2026-11-20, fast track demo: 95 points, A1. "
        "Why: demo request +40, pricing pages +24.7. "
        'Last: demo requested "Book a demo" 2026-11-20; page view "www.example.com/pricing" 2026-11-19; '
        "content downloaded \"The 'ROI' whitepaper\" 2026-11-02. "
        'Content: "The \'ROI\' whitepaper", "Live". Source: Web.'
    )


def test_a_short_field_keeps_whole_items() -> None:
    text = hand_off_text(FACTS, 160)
    assert text == (
        "MQL since 2026-11-20, fast track demo: 95 points, A1. Why: demo request +40, pricing pages +24.7. "
        'Last: demo requested "Book a demo" 2026-11-20. Source: Web.'
    )


def test_little_is_known() -> None:
    bare = HandOffFacts("2026-11-20", "threshold", None, None, [], [], None)
    assert hand_off_text(bare, 255) == "MQL since 2026-11-20."


@given(st.integers(1, 300), st.text(max_size=200), st.text(max_size=80))
def test_it_always_fits_on_one_line(limit: int, asset: str, source: str) -> None:
    facts = replace(FACTS, did=[Did("page_view", asset, "2026-11-20")], source=source)
    text = hand_off_text(facts, limit)
    assert len(text) <= limit
    assert text.isprintable()
