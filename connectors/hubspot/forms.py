"""Form submissions as engagement: forms side by side, each newest first down to where the last pass stopped.

The cursor's notes hold, per form, the time of its newest stored submission (`floors`); while a pass is under
way also which forms are open and where each goes on (`lanes`), with the newest time seen there (`tops`). A
form's floor moves only when the pass has come down to the old one, so a new process goes on without a gap.

Sources: HubSpot's "Get submissions for a form" (limit 50, newest first) and "Get a list of forms" pages;
blog comment forms answer 400 and are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from connectors import fields
from connectors.errors import BrokenReply, NotOffered, RecordRejected
from connectors.hubspot.account import Account, Answer
from connectors.hubspot.lanes import Fetch, LanePage, Lanes
from connectors.hubspot.reader import Form, FormList, ObjectPage, Submission, raw_text
from connectors.hubspot.replies import CRM
from connectors.hubspot.steps import state_of, state_text
from connectors.options import PullOptions
from connectors.records import Cursor, Dismissed, EngagementRecord, Feed, Page, Poison

SOURCE: Final = "hubspot.form_submission"
OVERLAP: Final = 300  # seconds below the floor that are read again
PAGE: Final = 50
FORMS_PAGE: Final = 100
LANES: Final = "lanes"


class Submissions:
    """`hubspot.form_submissions` as pages."""

    def __init__(self, account: Account, options: PullOptions) -> None:
        self._account = account
        self._options = options

    def pages(self, feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        """New submissions of every form. Forms with few of them share a page."""
        cursor = cursor or Cursor()
        before = self._account.calls
        forms = {str(form.id): form for form in self._forms()}
        state = state_of(cursor)
        until = cursor.until_ms if cursor.until_ms is not None else self._account.server_now_ms()
        floors: dict[str, int] = dict(state.get("floors", {}))
        under_way = cursor.until_ms is not None and LANES in state
        lanes = {
            form: token
            for form, token in (state[LANES] if under_way else dict.fromkeys(forms)).items()
            if form in forms
        }
        tops: dict[str, int] = dict(state.get("tops", {})) if under_way else {}
        waiting: list[tuple[Form, msgspec.Raw]] = []
        for page in Lanes(self._account, self._fetch(feed, floors)).pages(lanes):
            form = page.lane
            waiting += [(forms[form], raw) for raw in page.rows]
            tops[form], lanes[form] = max(page.more, tops.get(form, 0)), page.token
            if page.token is None:
                floors[form] = max(tops.pop(form), floors.get(form, 0))
                del lanes[form]
            if lanes and len(waiting) >= PAGE:
                notes = {"floors": floors, LANES: lanes, "tops": tops}
                calls, before = self._account.calls - before, self._account.calls
                yield self._page(
                    feed, waiting, Cursor(cursor.since_ms, until, None, state_text(notes)), calls
                )
                waiting = []
        done = Cursor(since_ms=until, state=state_text({"floors": floors}))
        yield self._page(feed, waiting, done, self._account.calls - before)

    def _forms(self) -> list[Form]:
        """Every form whose submissions can be had, sorted by id."""
        found: list[Form] = []
        after: str | None = None
        while True:
            answer = self._form_page(after)
            found += [form for form in answer.value.results if form.formType != "blog_comment"]
            paging = answer.value.paging
            token = paging.next.after if paging is not None and paging.next is not None else None
            if token is None or token == "":
                return sorted(found, key=lambda form: str(form.id))
            if str(token) == after:
                raise BrokenReply("the list of forms goes in circles", crm=CRM, code="circle")
            after = str(token)

    def _form_page(self, after: str | None) -> Answer:
        query = [("limit", str(FORMS_PAGE)), *([("after", after)] if after is not None else [])]
        try:
            return self._account.read(FormList, "forms", query=[*query, ("formTypes", "all")])
        except RecordRejected:
            return self._account.read(FormList, "forms", query=query)

    def _fetch(self, feed: Feed, floors: Mapping[str, int]) -> Fetch:
        """Pages of a form down to its floor; `more` is the newest time of a page."""
        overlap = self._options.overlap.get(feed.name, OVERLAP)
        stops = {form: floor - overlap * 1000 for form, floor in floors.items()}

        def fetch(form: str, token: str | None) -> LanePage:
            answer = self._submissions(form, token)
            if answer is None:
                return LanePage(form, (), None, self._account.server_now_ms(), 0)
            stop, rows = stops.get(form), answer.value.results
            times = [_time_of(raw) for raw in rows]
            wanted = [
                raw
                for raw, time in zip(rows, times, strict=True)
                if stop is None or time is None or time >= stop
            ]
            known_below = any(time is not None and stop is not None and time < stop for time in times)
            going_on = None if known_below else answer.value.after
            newest = max((time for time in times if time is not None), default=0)
            return LanePage(form, wanted, going_on, answer.server_ms, newest)

        return fetch

    def _submissions(self, form: str, after: str | None) -> Answer | None:
        """A page; from the start when the server no longer knows the token. None: a form without submissions
        of its own, or deleted meanwhile."""
        query = [("limit", str(PAGE)), *([("after", after)] if after is not None else [])]
        try:
            return self._account.read(ObjectPage, "submissions", query=query, form=form)
        except NotOffered:
            return None
        except RecordRejected:
            return None if after is None else self._submissions(form, None)

    def _page(self, feed: Feed, rows: Sequence[tuple[Form, msgspec.Raw]], cursor: Cursor, calls: int) -> Page:
        found = [self._engagement(form, raw) for form, raw in rows]
        engagements = tuple(entry for entry in found if isinstance(entry, EngagementRecord))
        poison = tuple(entry for entry in found if isinstance(entry, Poison))
        return Page(
            feed=feed,
            cursor=cursor,
            server_ms=self._account.server_now_ms(),
            complete=cursor.until_ms is None,
            calls=calls,
            seen=len(engagements) + len(poison),
            engagements=engagements,
            poison=poison,
            dismissed=tuple(entry for entry in found if isinstance(entry, Dismissed)),
        )

    def _engagement(self, form: Form, raw: msgspec.Raw) -> EngagementRecord | Poison | Dismissed:
        text = raw_text(raw)
        try:
            row = fields.from_json(bytes(raw), Submission)
        except ValueError as error:
            return Poison(CRM, "form_submissions", "", f"unreadable submission: {error}", text)
        submitted = fields.epoch_ms(row.submittedAt)
        if submitted is None:
            return Poison(CRM, "form_submissions", "", "no readable time of submission", text)
        values = {
            "formName": form.name,
            "formId": str(form.id),
            "formType": form.formType,
            "pageUrl": row.pageUrl,
            "pageTitle": row.pageTitle,
            "submittedAt": str(submitted),
        }
        mapped = self._options.engagement.map(SOURCE, values)
        if mapped is None:
            return Dismissed(CRM, SOURCE, _id_of(form, row, submitted))
        return EngagementRecord(
            crm=CRM,
            source=SOURCE,
            id=_id_of(form, row, submitted),
            person_object=None,
            person_id=None,
            person_email=_email_of(row),
            kind=mapped.kind,
            asset=mapped.asset,
            occurred_at=fields.epoch_seconds(mapped.time),
            is_bot=False,
            deleted=False,
            modified_ms=submitted,
            raw=text,
        )


def _time_of(raw: msgspec.Raw) -> int | None:
    try:
        return fields.epoch_ms(fields.from_json(bytes(raw), Submission).submittedAt)
    except ValueError:
        return None


def _id_of(form: Form, row: Submission, submitted: int) -> str:
    """A submission's own id where HubSpot gives one, else one made of what makes it this submission."""
    if row.conversionId:
        return row.conversionId
    said = fields.to_json(
        sorted([entry.name, fields.text(entry.value)] for entry in row.values or () if entry.name)
    )
    return f"{form.id}:{submitted}:{hashlib.sha256(said.encode()).hexdigest()[:16]}"


def _email_of(row: Submission) -> str | None:
    return next((fields.text(entry.value) for entry in row.values or () if entry.name == "email"), None)
