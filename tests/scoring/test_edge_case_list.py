"""Where each edge case of scoring is tested; a test that goes away or is renamed is missed here."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

TESTS = Path(__file__).resolve().parent.parent

CASES: Final = (
    (
        "late arrival",
        "pipeline/test_history.py",
        "test_late_arrival_is_scored_by_when_it_happened_and_the_spell_starts_now",
    ),
    (
        "deleted or erased engagement",
        "scoring/test_edge_cases.py",
        "test_a_deleted_engagement_is_gone",
    ),
    (
        "merge: the oldest open spell wins",
        "pipeline/test_merged_spells.py",
        "test_two_people_with_open_spells_who_become_one_keep_the_older",
    ),
    (
        "merge: engagements follow",
        "pipeline/test_match.py",
        "test_engagements_find_their_person_by_record_by_address_and_through_merges",
    ),
    (
        "merge: a cycle is reported",
        "pipeline/test_merge_circle.py",
        "test_a_circle_of_merges_is_reported_and_ends_when_a_record_is_seen_again",
    ),
    (
        "the same event from both CRMs",
        "scoring/test_edge_cases.py",
        "test_the_same_event_from_both_crms_is_one",
    ),
    (
        "reload bursts",
        "scoring/test_edge_cases.py",
        "test_a_burst_of_reloads_is_one_visit",
    ),
    (
        "future dates",
        "scoring/test_edge_cases.py",
        "test_future_dates_wait",
    ),
    (
        "missing time",
        "scoring/test_edge_cases.py",
        "test_a_missing_time_is_never_scored",
    ),
    (
        "future and missing are counted",
        "pipeline/test_odd_times.py",
        "test_future_dates_and_missing_times_are_counted_by_doctor",
    ),
    (
        "daylight saving",
        "scoring/test_edge_cases.py",
        "test_days_are_seconds_whatever_the_local_clock_does",
    ),
    (
        "exactly on the threshold",
        "scoring/test_edge_cases.py",
        "test_exactly_on_the_threshold_is_enough",
    ),
    (
        "NULL",
        "scoring/test_edge_cases.py",
        "test_a_missing_fact_does_not_match_unless_the_rule_says_so",
    ),
    (
        "job titles",
        "scoring/test_titles.py",
        "test_director_or_higher",
    ),
    (
        "assistants of directors",
        "scoring/test_titles.py",
        "test_below_a_director",
    ),
    (
        ".edu staff",
        "scoring/test_edge_cases.py",
        "test_staff_of_a_university_hospital_are_no_students",
    ),
    (
        "mail scanners",
        "scoring/test_edge_cases.py",
        "test_mail_opened_by_a_scanner_is_nothing",
    ),
    (
        "unsubscribe then subscribe",
        "scoring/test_edge_cases.py",
        "test_unsubscribed_then_subscribed_again",
    ),
    (
        "employee, partner, competitor",
        "scoring/test_edge_cases.py",
        "test_employees_partners_and_competitors_come_from_lists_whatever_their_case",
    ),
    (
        "our field overwritten, drift",
        "pipeline/test_reconcile.py",
        "test_w16_a_persons_value_is_theirs_and_a_lost_one_has_drifted",
    ),
    (
        "override",
        "pipeline/test_override.py",
        "test_an_mql_by_override_whatever_the_points_until_it_ends",
    ),
    (
        "rule edited while a spell is open",
        "pipeline/test_history.py",
        "test_a_rule_edited_while_a_spell_is_open_evicts_nobody_and_what_was_decided_stays_told",
    ),
    (
        "flapping",
        "pipeline/test_score_stage.py",
        "test_flapping_around_the_line_does_not_open_and_close",
    ),
    (
        "a spell just opened",
        "scoring/test_stage.py",
        "test_a_spell_just_opened_is_not_closed",
    ),
    (
        "a returned lead comes back",
        "pipeline/test_score_stage.py",
        "test_returned_by_sales_then_a_new_high_intent_event_after_the_cooldown",
    ),
    (
        "fast track with a low total",
        "pipeline/test_score_stage.py",
        "test_a_fast_track_mql_is_not_evicted_for_a_low_total",
    ),
    (
        "outage",
        "pipeline/test_score_stage.py",
        "test_an_outage_evicts_nobody",
    ),
    (
        "history",
        "pipeline/test_history.py",
        "test_why_was_she_an_mql_on_3_march",
    ),
)


@pytest.mark.parametrize(("path", "name"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_case_has_its_test(path: str, name: str) -> None:
    assert f"def {name}(" in (TESTS / path).read_text(encoding="utf-8")
