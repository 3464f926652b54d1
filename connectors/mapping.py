"""Engagement rules: a row of a CRM → what kind of engagement it is. The first rule that matches wins.

A row is a flat dict of text, keyed as the CRM names its fields (for Salesforce by SOQL path). `SOURCES`
documents the keys that a connector fills for each source and which of them an engagement's asset and
time come from unless a rule says otherwise. A connector also fills any further field that a rule names
(`EngagementMapper.fields`), so that own rules may look at custom fields.

Where a rule names several fields with `|`, the first of them that is set counts.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from config.settings import Condition, EngagementRule
from connectors.records import MARK

IGNORE: Final = "ignore"
"""The kind of a rule that says: this row is no engagement, look no further."""


class Source(NamedTuple):
    """What a connector knows about the rows of one engagement source."""

    fields: tuple[str, ...]  # the keys of a row
    asset: str  # where the asset stands when a rule does not say
    time: str  # where the time stands when a rule does not say


SOURCES: Final[Mapping[str, Source]] = {
    # Form Integrations v1 submissions, joined with the form's name; `pageUrl` is where the form stood.
    "hubspot.form_submission": Source(
        ("formName", "formId", "formType", "pageUrl", "pageTitle", "submittedAt"), "formName", "submittedAt"
    ),
    # Events v3; the event's own properties stand beside these under their own names (`hs_title`, ...).
    "hubspot.web_event": Source(
        ("eventType", "url", "hs_title", "hs_referrer", "occurredAt"), "url", "occurredAt"
    ),
    # E-mail events v1. `subscriptionStatus` is what a STATUSCHANGE changed to: SUBSCRIBED or UNSUBSCRIBED.
    "hubspot.email_event": Source(
        (
            "type", "campaignName", "subject", "emailCampaignId", "appName", "filteredEvent",
            "subscriptionStatus", "subscription", "url", "created",
        ),
        "campaignName|subject|subscription|emailCampaignId",
        "created",
    ),
    # Engagement objects: property names of the CRM objects API. The owner says whose touch it was.
    "hubspot.meetings": Source(
        ("hs_meeting_title", "hs_meeting_outcome", "hs_activity_type", "hs_timestamp", "hubspot_owner_id"),
        "hs_meeting_title",
        "hs_timestamp",
    ),
    "hubspot.calls": Source(
        (
            "hs_call_title", "hs_call_direction", "hs_call_status", "hs_activity_type", "hs_timestamp",
            "hubspot_owner_id",
        ),
        "hs_call_title",
        "hs_timestamp",
    ),
    "hubspot.emails": Source(
        ("hs_email_subject", "hs_email_direction", "hs_email_status", "hs_timestamp", "hubspot_owner_id"),
        "hs_email_subject",
        "hs_timestamp",
    ),
    "hubspot.communications": Source(
        (
            "hs_communication_channel_type", "hs_communication_logged_from", "hs_timestamp",
            "hubspot_owner_id",
        ),
        "hs_communication_channel_type",
        "hs_timestamp",
    ),
    # Read when a rule names them. Of notes there is nothing but when and whose: their text is never read.
    "hubspot.notes": Source(("hs_timestamp", "hs_createdate", "hubspot_owner_id"), "", "hs_timestamp"),
    "hubspot.tasks": Source(
        (
            "hs_task_subject", "hs_task_status", "hs_task_type", "hs_task_completion_date", "hs_timestamp",
            "hubspot_owner_id",
        ),
        "hs_task_subject",
        "hs_task_completion_date|hs_timestamp",
    ),
    # The `leads` object: a lead of sales beside its contact, in a pipeline of its own.
    "hubspot.leads": Source(
        (
            "hs_lead_name", "hs_lead_type", "hs_lead_label", "hs_pipeline", "hs_pipeline_stage",
            "hs_createdate", "hubspot_owner_id",
        ),
        "hs_lead_name",
        "hs_createdate",
    ),
    # Lists and memberships v3, read when a rule names them: one row when a contact joins a list (`action` is
    # joined) and one when it is found to have left (left; the time is when that was seen).
    "hubspot.list_membership": Source(
        ("listName", "listId", "processingType", "action", "occurredAt"), "listName", "occurredAt"
    ),
    # Booleans are "true" or "false"; dates without a time mean 00:00 UTC.
    "salesforce.campaign_member": Source(
        (
            "Campaign.Name", "Campaign.Type", "Campaign.Status", "Status", "HasResponded",
            "FirstRespondedDate", "CreatedDate",
        ),
        "Campaign.Name",
        "FirstRespondedDate|CreatedDate",
    ),
    "salesforce.task": Source(
        (
            "Subject", "TaskSubtype", "Type", "CallType", "Status", "IsClosed", "CompletedDateTime",
            "ActivityDate", "CreatedDate", "OwnerId",
        ),
        "Subject",
        "CompletedDateTime|ActivityDate",
    ),
    "salesforce.event": Source(
        ("Subject", "EventSubtype", "Type", "StartDateTime", "ActivityDateTime", "ActivityDate", "OwnerId"),
        "Subject",
        "StartDateTime|ActivityDateTime|ActivityDate",
    ),
    # Changes of tracked fields, read when a rule names them: who set which field to what, and when.
    "salesforce.lead_history": Source(
        ("Field", "OldValue", "NewValue", "CreatedById", "CreatedDate"), "NewValue", "CreatedDate"
    ),
    "salesforce.contact_history": Source(
        ("Field", "OldValue", "NewValue", "CreatedById", "CreatedDate"), "NewValue", "CreatedDate"
    ),
    # Headers only, never a body. `Status` "5" is a draft (Object Reference, EmailMessage).
    "salesforce.email_message": Source(
        ("Subject", "Incoming", "Status", "IsBounced", "MessageDate", "CreatedDate", "RelatedToId"),
        "Subject",
        "MessageDate|CreatedDate",
    ),
}  # fmt: skip

MARKED: Final[Mapping[str, str]] = {"salesforce.task": "Subject", "hubspot.tasks": "hs_task_subject"}
"""Source → the field in which tasks of our own carry their mark: no rule makes an engagement of one."""

CUSTOM: Final = Source(("Name", "CreatedDate"), "Name", "CreatedDate")
"""Of `salesforce.OBJECT`, a custom object that the configuration pulls; its rules name the rest."""


def source_of(name: str) -> Source:
    """What is known about the rows of a source."""
    unknown = CUSTOM if name.startswith("salesforce.") else Source((), "", "")
    return SOURCES.get(name, unknown)


_BY_NAME: Final[tuple[tuple[str, str], ...]] = (
    ("*demo*", "demo_requested"),
    ("*trial*", "trial_started"),
    ("*unsubscribe*", "unsubscribed"),
    ("*newsletter*", "subscribed"),
    ("*subscribe*", "subscribed"),
    ("*case*stud*", "content_downloaded"),
    ("*whitepaper*", "content_downloaded"),
    ("*white paper*", "content_downloaded"),
    ("*ebook*", "content_downloaded"),
    ("*download*", "content_downloaded"),
    ("*webinar*", "webinar_registered"),
)
"""What the name of a form or campaign says about its purpose, most telling first."""


def _rule(source: str, kind: str, **when: Condition) -> EngagementRule:
    return EngagementRule(source=source, kind=kind, when=when)


def _when(source: str, kind: str, when: Mapping[str, str | tuple[str, ...]]) -> EngagementRule:
    conditions = {
        name: Condition(equals=value) if isinstance(value, str) else Condition.model_validate({"in": value})
        for name, value in when.items()
    }
    return _rule(source, kind, **conditions)


def _named(source: str, field: str, otherwise: str, **also: Condition) -> list[EngagementRule]:
    """One rule per telling name, then one for every other name; all only where `also` holds."""
    by_name = [
        EngagementRule(source=source, kind=kind, when={**also, field: Condition(glob=glob)})
        for glob, kind in _BY_NAME
    ]
    return [*by_name, EngagementRule(source=source, kind=otherwise, when=dict(also))]


def _hubspot_rules() -> Iterable[EngagementRule]:
    yield from _named("hubspot.form_submission", "formName", "form_submitted")
    yield _when("hubspot.web_event", "page_view", {"eventType": "e_visited_page"})
    email = "hubspot.email_event"
    yield _when(email, "email_opened", {"type": "OPEN"})
    yield _when(email, "email_clicked", {"type": "CLICK"})
    yield _when(email, "email_replied", {"type": "REPLY"})
    yield _when(email, "unsubscribed", {"type": "UNSUBSCRIBE"})
    yield _when(email, "unsubscribed", {"type": "STATUSCHANGE", "subscriptionStatus": "UNSUBSCRIBED"})
    yield _when(email, "subscribed", {"type": "STATUSCHANGE", "subscriptionStatus": "SUBSCRIBED"})
    yield _rule("hubspot.meetings", "meeting")
    yield _rule("hubspot.calls", "call")
    yield _when("hubspot.emails", "email_replied", {"hs_email_direction": "INCOMING_EMAIL"})
    yield _rule("hubspot.emails", "email_logged")
    yield _rule("hubspot.communications", "communication")


def _salesforce_rules() -> Iterable[EngagementRule]:
    member, responded = "salesforce.campaign_member", Condition(equals="true")
    yield _when(member, "webinar_attended", {"Campaign.Type": "Webinar", "Status": "Attended"})
    yield from _named(member, "Campaign.Name", "campaign_responded", HasResponded=responded)
    task, closed = "salesforce.task", {"IsClosed": "true"}
    for field in ("TaskSubtype", "Type"):
        yield _when(task, "call", {**closed, field: "Call"})
        yield _when(task, "email_replied", {**closed, field: ("Email", "ListEmail"), "Incoming": "true"})
        yield _when(task, "email_logged", {**closed, field: ("Email", "ListEmail")})
        yield _when(task, "meeting", {**closed, field: "Meeting"})
    event = "salesforce.event"
    yield _when(event, "call", {"Type": "Call"})
    yield _when(event, "email_logged", {"Type": "Email"})
    yield _rule(event, "meeting")
    message = "salesforce.email_message"
    yield _when(message, IGNORE, {"Status": "5"})
    yield _when(message, "email_replied", {"Incoming": "true"})
    yield _rule(message, "email_logged")


SHIPPED_RULES: Final[tuple[EngagementRule, ...]] = (*_hubspot_rules(), *_salesforce_rules())
"""The rules that hold when nothing is configured, in the order in which they are tried."""


class Mapped(NamedTuple):
    """What a rule made of a row; `asset` and `time` are the values of the fields that the rule names."""

    kind: str
    asset: str | None
    time: str | None


class _Compiled(NamedTuple):
    """A rule ready to be asked."""

    tests: tuple[tuple[str, Sequence[_Test]], ...]
    kind: str
    asset: tuple[str, ...]
    time: tuple[str, ...]


class _Test(NamedTuple):
    """One comparison of folded text: by pattern, or by membership."""

    pattern: re.Pattern[str] | None
    members: frozenset[str]

    def holds(self, text: str) -> bool:
        if self.pattern is not None:
            return bool(text) and self.pattern.match(text) is not None
        return text in self.members


class EngagementMapper:
    """Own rules first, then the shipped ones. Text is compared ignoring case; a missing field is "".

    A pattern never matches an empty field; `equals = ""` does. All conditions of a rule must hold.
    """

    def __init__(self, rules: Sequence[EngagementRule] = ()) -> None:
        self._rules = (*rules, *SHIPPED_RULES)
        self._by_source: dict[str, list[_Compiled]] = {}
        for rule in self._rules:
            self._by_source.setdefault(rule.source, []).append(_compile(rule))

    def map(self, source: str, row: Mapping[str, str | None]) -> Mapped | None:
        """The kind of a row of `source`; None when it is no engagement, or of our own making."""
        if source in MARKED and MARK.search(row.get(MARKED[source]) or ""):
            return None
        for rule in self._by_source.get(source, ()):
            if _holds(rule, row):
                if rule.kind == IGNORE:
                    return None
                return Mapped(rule.kind, _first(rule.asset, row), _first(rule.time, row))
        return None

    def uses(self, source: str) -> bool:
        """Whether some rule makes an engagement of rows of that source."""
        return any(rule.kind != IGNORE for rule in self._by_source.get(source, ()))

    def fields(self, source: str) -> tuple[str, ...]:
        """Every field that the rules of `source` look at, sorted: what its rows must hold."""
        named: set[str] = set()
        for rule in self._by_source.get(source, ()):
            named.update(name for name, _ in rule.tests)
            named.update(rule.asset)
            named.update(rule.time)
        return tuple(sorted(named))

    def wanted(self, source: str, field: str) -> tuple[str, ...]:
        """The values of `field` that some rule of `source` turns into an engagement, as written, sorted.

        Lets a connector ask a CRM for exactly these (event types). Patterns cannot be listed.
        """
        found: set[str] = set()
        for rule in self._rules:
            condition = rule.when.get(field)
            if rule.source != source or rule.kind == IGNORE or condition is None:
                continue
            found.update(condition.in_ or ())
            found.update((condition.equals,) if condition.equals else ())
        return tuple(sorted(found))


def _compile(rule: EngagementRule) -> _Compiled:
    source = source_of(rule.source)
    tests = tuple((name, _tests(condition)) for name, condition in rule.when.items())
    return _Compiled(tests, rule.kind, _fields(rule.asset or source.asset), _fields(rule.time or source.time))


def _tests(condition: Condition) -> list[_Test]:
    tests = []
    if condition.glob is not None:
        tests.append(_Test(re.compile(fnmatch.translate(condition.glob.casefold())), frozenset()))
    if condition.equals is not None:
        tests.append(_Test(None, frozenset((condition.equals.casefold(),))))
    if condition.in_ is not None:
        tests.append(_Test(None, frozenset(value.casefold() for value in condition.in_)))
    return tests


def _fields(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split("|") if name.strip())


def _holds(rule: _Compiled, row: Mapping[str, str | None]) -> bool:
    for name, tests in rule.tests:
        text = (row.get(name) or "").casefold()
        if not all(test.holds(text) for test in tests):
            return False
    return True


def _first(names: Sequence[str], row: Mapping[str, str | None]) -> str | None:
    return next((value for name in names if (value := row.get(name))), None)
