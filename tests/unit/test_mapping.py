"""The shipped engagement rules, and how own rules come before them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import Condition, EngagementRule
from connectors.mapping import MARKED, SHIPPED_RULES, SOURCES, EngagementMapper, Mapped

FORMS = [
    ("Request a DEMO", "demo_requested"),
    ("Start your free trial", "trial_started"),
    ("Unsubscribe from all e-mails", "unsubscribed"),
    ("Monthly Newsletter", "subscribed"),
    ("Blog subscribers", "subscribed"),
    ("Case Study: Contoso", "content_downloaded"),
    ("case-studies", "content_downloaded"),
    ("Whitepaper 2026", "content_downloaded"),
    ("White Paper", "content_downloaded"),
    ("eBook", "content_downloaded"),
    ("Download centre", "content_downloaded"),
    ("Webinar sign-up", "webinar_registered"),
    ("Contact us", "form_submitted"),
    ("", "form_submitted"),
]


@pytest.mark.parametrize(("name", "kind"), FORMS)
def test_a_form_is_known_by_its_name(name: str, kind: str) -> None:
    row = {"formName": name, "submittedAt": "1763800000000"}
    mapped = EngagementMapper().map("hubspot.form_submission", row)
    assert mapped == Mapped(kind, name or None, "1763800000000")


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"type": "OPEN"}, "email_opened"),
        ({"type": "click"}, "email_clicked"),
        ({"type": "REPLY"}, "email_replied"),
        ({"type": "UNSUBSCRIBE"}, "unsubscribed"),
        ({"type": "STATUSCHANGE", "subscriptionStatus": "UNSUBSCRIBED"}, "unsubscribed"),
        ({"type": "STATUSCHANGE", "subscriptionStatus": "SUBSCRIBED"}, "subscribed"),
        ({"type": "STATUSCHANGE"}, None),
        ({"type": "SENT"}, None),
        ({"type": "DELIVERED"}, None),
        ({"type": "BOUNCE"}, None),
        ({"type": None}, None),
        ({}, None),
    ],
)
def test_email_events(row: dict[str, str | None], kind: str | None) -> None:
    mapped = EngagementMapper().map("hubspot.email_event", row)
    assert (mapped.kind if mapped else None) == kind


def test_an_email_event_is_named_by_campaign_else_subject() -> None:
    mapper = EngagementMapper()
    row = {"type": "OPEN", "campaignName": "Spring", "subject": "Hello", "created": "1"}
    assert mapper.map("hubspot.email_event", row) == Mapped("email_opened", "Spring", "1")
    assert mapper.map("hubspot.email_event", {**row, "campaignName": ""}) == Mapped(
        "email_opened", "Hello", "1"
    )


@pytest.mark.parametrize(
    ("source", "row", "kind"),
    [
        ("hubspot.web_event", {"eventType": "e_visited_page", "url": "https://x/"}, "page_view"),
        ("hubspot.web_event", {"eventType": "e_clicked_link"}, None),
        ("hubspot.meetings", {}, "meeting"),
        ("hubspot.calls", {}, "call"),
        ("hubspot.emails", {"hs_email_direction": "INCOMING_EMAIL"}, "email_replied"),
        ("hubspot.emails", {"hs_email_direction": "EMAIL"}, "email_logged"),
        ("hubspot.emails", {}, "email_logged"),
        ("hubspot.communications", {}, "communication"),
        ("salesforce.task", {"TaskSubtype": "Call", "IsClosed": "true"}, "call"),
        ("salesforce.task", {"TaskSubtype": "Call", "IsClosed": "false"}, None),
        ("salesforce.task", {"TaskSubtype": "Email", "IsClosed": "true"}, "email_logged"),
        ("salesforce.task", {"Type": "Email", "IsClosed": "true", "Incoming": "true"}, "email_replied"),
        ("salesforce.task", {"TaskSubtype": "Task", "Type": "Meeting", "IsClosed": "true"}, "meeting"),
        ("salesforce.task", {"TaskSubtype": "Task", "IsClosed": "true"}, None),
        ("salesforce.event", {"Subject": "Intro"}, "meeting"),
        ("salesforce.event", {"Type": "Call"}, "call"),
        ("nowhere.else", {}, None),
    ],
)  # fmt: skip
def test_other_sources(source: str, row: dict[str, str], kind: str | None) -> None:
    mapped = EngagementMapper().map(source, row)
    assert (mapped.kind if mapped else None) == kind


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"Campaign.Type": "Webinar", "Status": "Attended", "HasResponded": "false"}, "webinar_attended"),
        ({"Campaign.Type": "webinar", "Status": "attended", "HasResponded": "true"}, "webinar_attended"),
        ({"Campaign.Type": "Webinar", "Status": "Registered", "HasResponded": "false"}, None),
        ({"Campaign.Name": "Demo week", "HasResponded": "true"}, "demo_requested"),
        ({"Campaign.Name": "Demo week", "HasResponded": "false"}, None),
        ({"Campaign.Name": "Trade fair", "HasResponded": "true"}, "campaign_responded"),
        ({"Campaign.Name": None, "HasResponded": "true"}, "campaign_responded"),
    ],
)
def test_campaign_members(row: dict[str, str | None], kind: str | None) -> None:
    mapped = EngagementMapper().map("salesforce.campaign_member", row)
    assert (mapped.kind if mapped else None) == kind


def test_a_member_without_a_response_date_has_its_creation_time() -> None:
    row = {"HasResponded": "true", "FirstRespondedDate": None, "CreatedDate": "2026-11-01T00:00:00Z"}
    mapped = EngagementMapper().map("salesforce.campaign_member", row)
    assert mapped is not None
    assert mapped.time == "2026-11-01T00:00:00Z"


def test_own_rules_come_first_and_may_ignore() -> None:
    source = "hubspot.form_submission"
    own = [
        EngagementRule(source=source, when={"formName": Condition(glob="*Internal*")}, kind="ignore"),
        EngagementRule(
            source=source,
            when={
                "pageUrl": Condition(glob="https://x.test/prices*"),
                "formName": Condition(equals="contact"),
            },
            kind="pricing_asked",
            asset="pageUrl|formName",
        ),
    ]  # fmt: skip
    mapper = EngagementMapper(own)
    assert mapper.map(source, {"formName": "internal demo"}) is None
    row = {"formName": "Contact", "pageUrl": "https://X.test/prices/eu"}
    assert mapper.map(source, row) == Mapped("pricing_asked", "https://X.test/prices/eu", None)
    assert mapper.map(source, {"formName": "Contact"}) == Mapped("form_submitted", "Contact", None)
    assert "pageUrl" in mapper.fields(source)


def test_all_comparisons_of_one_condition_must_hold() -> None:
    condition = Condition.model_validate({"glob": "e_*", "in": ["e_a", "b"]})
    mapper = EngagementMapper(
        [EngagementRule(source="hubspot.web_event", when={"eventType": condition}, kind="seen")]
    )
    assert mapper.map("hubspot.web_event", {"eventType": "E_A"}) is not None
    assert mapper.map("hubspot.web_event", {"eventType": "b"}) is None


def test_an_empty_field_matches_equality_with_nothing_but_no_pattern() -> None:
    def mapper(condition: Condition) -> EngagementMapper:
        rule = EngagementRule(source="hubspot.web_event", when={"eventType": condition}, kind="seen")
        return EngagementMapper([rule])

    assert mapper(Condition(equals="")).map("hubspot.web_event", {}) is not None
    assert mapper(Condition(glob="*")).map("hubspot.web_event", {"eventType": ""}) is None


def test_wanted_lists_the_event_types_to_ask_for() -> None:
    own = EngagementRule(
        source="hubspot.web_event",
        when={"eventType": Condition.model_validate({"in": ("e_video", "e_chat")})},
        kind="watched",
    )
    assert EngagementMapper([own]).wanted("hubspot.web_event", "eventType") == (
        "e_chat",
        "e_video",
        "e_visited_page",
    )


def test_every_shipped_rule_names_documented_fields() -> None:
    for rule in SHIPPED_RULES:
        source = SOURCES[rule.source]
        assert set(rule.when) <= {*source.fields, "Incoming"}
    for source in SOURCES.values():
        named = {*source.asset.split("|"), *source.time.split("|")} - {""}  # a note has no asset
        assert named <= set(source.fields)


@given(st.text(), st.text())
def test_case_never_decides(before: str, after: str) -> None:
    name = f"{before}demo{after}"
    mapper = EngagementMapper()
    for spelling in (name, name.upper(), name.title()):
        mapped = mapper.map("hubspot.form_submission", {"formName": spelling})
        assert mapped is not None
        assert mapped.kind == "demo_requested"


@pytest.mark.parametrize(
    ("source", "row"),
    [
        (
            "salesforce.task",
            {"Subject": "MQL [mqlsync:0123456789ab]", "IsClosed": "true", "Type": "Call"},
        ),
        ("hubspot.tasks", {"hs_task_subject": "New MQL [mqlsync:0123456789ab]"}),
    ],
)
def test_a_task_of_our_own_is_no_engagement(source: str, row: dict[str, str]) -> None:
    mapper = EngagementMapper([EngagementRule(source=source, kind="call")])
    assert mapper.map(source, row) is None
    field = MARKED[source]
    assert mapper.map(source, {**row, field: "mqlsync: call back"}) is not None
