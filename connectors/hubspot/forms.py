"""Form submissions as engagement, form by form, newest first down to where the last pass stopped.

The cursor's notes hold, per form, the time of its newest stored submission (`floors`); while a pass is
under way also the form it is in (`form`) and the newest time seen there (`top`). A form's floor moves
only when the pass has come down to the old one, so a new process goes on without a gap.

Sources: HubSpot's "Get submissions for a form" (limit 50, newest first) and "Get a list of forms" pages;
blog comment forms answer 400 and are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from connectors import fields
from connectors.errors import BrokenReply, NotOffered, RecordRejected
from connectors.hubspot.account import Account, Answer
from connectors.hubspot.reader import Form, FormList, ObjectPage, Submission, raw_text
from connectors.hubspot.replies import CRM
from connectors.hubspot.steps import state_of, state_text
from connectors.options import PullOptions
from connectors.records import Cursor, Dismissed, EngagementRecord, Feed, Page, Poison

SOURCE: Final = "hubspot.form_submission"
OVERLAP: Final = 300  # seconds below the floor that are read again
PAGE: Final = 50
FORMS_PAGE: Final = 100
_NEXT: Final = "\x00"  # sorts right after a form's own id: go on with the form that follows


class Submissions:
    """`hubspot.form_submissions` as pages."""

    def __init__(self, account: Account, options: PullOptions) -> None:
        self._account = account
        self._options = options

    def pages(self, feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        """New submissions of every form. Forms with few of them share a page."""
        cursor = cursor or Cursor()
        before = self._account.calls
        forms = self._forms()
        state = state_of(cursor)
        until = cursor.until_ms if cursor.until_ms is not None else self._account.server_now_ms()
        floors: dict[str, int] = dict(state.get("floors", {}))
        started_in = state.get("form") if cursor.until_ms is not None else None
        waiting: list[tuple[Form, msgspec.Raw]] = []
        for form in forms:
            if started_in is not None and form.id < started_in:
                continue
            here = form.id == started_in
            start, top = (cursor.position, int(state.get("top", 0))) if here else (None, 0)
            for rows, after, newest in self._newest(feed, form, floors, start, top):
                waiting += [(form, raw) for raw in rows]
                notes: dict[str, Any] = {"floors": floors, "form": form.id, "top": newest}
                if after is None:
                    floors[form.id] = max(newest, floors.get(form.id, 0))
                    notes = {"floors": floors, "form": form.id + _NEXT}
                if after is not None or len(waiting) >= PAGE:
                    going_on = Cursor(cursor.since_ms, until, after, state_text(notes))
                    yield self._page(feed, waiting, going_on, self._account.calls - before)
                    before, waiting = self._account.calls, []
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
                return sorted(found, key=lambda form: form.id)
            if str(token) == after:
                raise BrokenReply("the list of forms goes in circles", crm=CRM, code="circle")
            after = str(token)

    def _form_page(self, after: str | None) -> Answer:
        query = [("limit", str(FORMS_PAGE)), *([("after", after)] if after is not None else [])]
        try:
            return self._account.read(FormList, "forms", query=[*query, ("formTypes", "all")])
        except RecordRejected:
            return self._account.read(FormList, "forms", query=query)

    def _newest(
        self, feed: Feed, form: Form, floors: Mapping[str, int], after: str | None, top: int
    ) -> Iterator[tuple[list[msgspec.Raw], str | None, int]]:
        """(rows down to the floor, token of the next page or None at the end, newest time seen)."""
        floor = floors.get(form.id)
        overlap = self._options.overlap.get(feed.name, OVERLAP)
        stop = None if floor is None else floor - overlap * 1000
        while True:
            query = [("limit", str(PAGE)), *([("after", after)] if after is not None else [])]
            try:
                answer = self._account.read(ObjectPage, "submissions", query=query, form=form.id)
            except (NotOffered, RecordRejected):
                return  # a form without submissions of its own, or deleted meanwhile
            times = [_time_of(raw) for raw in answer.value.results]
            top = max([top, *(time for time in times if time is not None)])
            rows = [
                raw
                for raw, time in zip(answer.value.results, times, strict=True)
                if stop is None or time is None or time >= stop
            ]
            known_below = any(time is not None and stop is not None and time < stop for time in times)
            next_after = None if known_below else answer.value.after
            if next_after is not None and next_after == after:
                raise BrokenReply("the submissions of a form go in circles", crm=CRM, code="circle")
            yield rows, next_after, top
            if next_after is None:
                return
            after = next_after

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
            "formId": form.id,
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
        sorted([entry.name, fields.text(entry.value)] for entry in row.values if entry.name)
    )
    return f"{form.id}:{submitted}:{hashlib.sha256(said.encode()).hexdigest()[:16]}"


def _email_of(row: Submission) -> str | None:
    return next((fields.text(entry.value) for entry in row.values if entry.name == "email"), None)
