"""What people did: form submissions, e-mail events, page views. Each feed has its own paging.

Form submissions v1: limit 50, newest first, some forms answer 400 (`blog_comment`). E-mail events v1: at most
1,000, newest first, start and end included, `offset`/`hasMore`; late arrivals by a switch. Events v3: newest
first, opaque cursor, 20 by default. Sources: the legacy form-integrations, email- and event-analytics guides;
property names of `e_visited_page` as public dbt models of that feed use them.
"""

from __future__ import annotations

import hashlib
import zlib
from bisect import bisect_left, insort
from collections.abc import Mapping
from typing import Any

from connectors.sandbox.core import Response
from connectors.sandbox.hubspot.calls import Call, number, opaque, read_cursor
from connectors.sandbox.hubspot.errors import error, not_found
from connectors.sandbox.hubspot.portal import PORTAL_ID, Portal
from connectors.sandbox.hubspot.values import parse_moment
from connectors.sandbox.store import Record

SUBMISSION_LIMIT = 50
EMAIL_EVENT_LIMIT = 1_000
EVENT_LIMIT_DEFAULT = 20

Item = tuple[int, int, dict[str, Any]]
"""(epoch milliseconds, serial number, what is shown)."""


def _order(item: Item) -> tuple[int, int]:
    return item[0], item[1]


class Feeds:
    """All feeds of one portal."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._serial = 0
        self._submissions: dict[str, list[Item]] = {}
        self._forms: dict[str, str] = {}
        self._mail: list[Item] = []
        self._visits: list[Item] = []
        self._visits_of: dict[str, list[Item]] = {}
        self._campaigns: dict[int, dict[str, Any]] = {}
        portal.on_erase.append(self._forget)

    def _forget(self, record: Record) -> None:
        """Nothing is left of a contact that was erased under the GDPR."""
        if record.object != "contacts":
            return
        gone = {record.id, *(record.values.get("hs_merged_object_ids") or "").split(";")}
        email = record.values.get("email")
        self._visits = [item for item in self._visits if item[2]["contact"] not in gone]
        for contact in gone:
            self._visits_of.pop(contact, None)
        self._mail = [item for item in self._mail if item[2]["recipient"].lower() != email]
        for form_id, items in self._submissions.items():
            kept = [item for item in items if item[2]["values"][0]["value"].lower() != email]
            self._submissions[form_id] = kept

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    def counts(self) -> dict[str, int]:
        """How many items each feed holds."""
        submissions = sum(map(len, self._submissions.values()))
        return {
            "form_submissions": submissions,
            "email_events": len(self._mail),
            "web_events": len(self._visits),
        }

    # -- filling -------------------------------------------------------------------------------------------

    def add_form(self, form_id: str, form_type: str) -> None:
        """Make a form known to the submissions feed."""
        self._forms[form_id] = form_type
        self._submissions.setdefault(form_id, [])

    def add_submission(
        self, form_id: str, at: float, email: str, values: Mapping[str, Any], page_url: str = ""
    ) -> str:
        """Somebody sent a form; returns the conversion id."""
        serial = self._next()
        conversion = _uuid("submission", serial)
        fields = {"email": email, **values}
        shown = {
            "conversionId": conversion,
            "submittedAt": round(at * 1000),
            "values": [
                {"name": name, "value": str(value), "objectTypeId": "0-1"}
                for name, value in fields.items()
                if value is not None
            ],
            "pageUrl": page_url,
        }
        item: Item = (round(at * 1000), serial, shown)
        _put(self._submissions[form_id], item)
        return conversion

    def add_campaign(self, campaign_id: int, app_id: int, name: str, subject: str) -> None:
        """Make an e-mail campaign known; events name it by id."""
        self._campaigns[campaign_id] = {
            "id": campaign_id,
            "appId": app_id,
            "appName": "Batch",
            "contentId": campaign_id + 900_000_000,
            "name": name,
            "subject": subject,
            "type": "BATCH_EMAIL",
            "counters": {},
        }

    def add_email_event(
        self, kind: str, at: float, recipient: str, campaign_id: int, *, bot: bool = False, **extra: Any
    ) -> str:
        """Something happened to an e-mail; `extra`: further fields of the event. Returns its id."""
        serial = self._next()
        campaign = self._campaigns.get(campaign_id, {})
        created = round(at * 1000)
        shown: dict[str, Any] = {
            "id": _uuid("mail", serial),
            "type": kind,
            "created": created,
            "recipient": recipient,
            "portalId": PORTAL_ID,
            "appId": campaign.get("appId", 113),
            "appName": campaign.get("appName", "Batch"),
            "emailCampaignId": campaign_id,
            "emailCampaignGroupId": campaign_id + 500_000,
            **extra,
        }
        if kind == "SENT":
            shown["subject"] = campaign.get("subject", "")
        if kind in ("OPEN", "CLICK"):
            shown |= {
                "filteredEvent": bot,
                "deviceType": "COMPUTER",
                "browser": {"name": "Firefox", "family": "Firefox"},
            }
        _put(self._mail, (created, serial, shown))
        return str(shown["id"])

    def add_visit(self, contact_id: str, at: float, url: str, title: str) -> str:
        """A contact looked at a page; returns the event's id."""
        serial = self._next()
        moment = round(at * 1000)
        properties = {
            "hs_url": url,
            "hs_title": title,
            "hs_referrer": "",
            "hs_page_id": str(zlib.crc32(url.encode())),
        }
        shown = {"id": _uuid("visit", serial), "contact": contact_id, "at": at, "properties": properties}
        item = (moment, serial, shown)
        _put(self._visits, item)
        _put(self._visits_of.setdefault(contact_id, []), item)
        self._portal.page_views[contact_id] = self._portal.page_views.get(contact_id, 0) + 1
        return str(shown["id"])

    # -- answering -----------------------------------------------------------------------------------------

    def list_submissions(self, call: Call, form_id: str) -> Response:
        """GET /form-integrations/v1/submissions/forms/{guid}."""
        if form_id not in self._forms:
            raise not_found(f"Form {form_id} does not exist")
        if self._forms[form_id] == "blog_comment":
            raise error(400, f"Form {form_id} is of type blog_comment and has no submissions to list")
        limit = call.limit(SUBMISSION_LIMIT, 20)
        items = self._submissions[form_id]
        end = len(items)
        if after := call.request.param("after"):
            end = bisect_left(items, _position(after), key=_order)
        page = items[max(0, end - limit) : end][::-1]
        body: dict[str, Any] = {"results": [shown for _, _, shown in page]}
        if end > limit:
            body["paging"] = call.next_page(opaque(f"{page[-1][0]}.{page[-1][1]}"))
        return Response.json(body)

    def list_email_events(self, call: Call) -> Response:
        """GET /email/public/v1/events."""
        limit = call.limit(EMAIL_EVENT_LIMIT, 10)
        request = call.request
        first = number(request.param("startTimestamp"), "startTimestamp")
        last = number(request.param("endTimestamp"), "endTimestamp", 1 << 60)
        lag = self._portal.switches.hs_email_event_lag
        seen = round((self._portal.core.clock() - lag) * 1000)
        end = bisect_left(self._mail, (min(last, seen) + 1, 0), key=_order)
        if offset := request.param("offset"):
            end = min(end, bisect_left(self._mail, _position(offset), key=_order))
        kind, recipient = request.param("eventType"), request.param("recipient").lower()
        campaign = request.param("campaignId")
        found: list[Item] = []
        more = False
        for place in range(end - 1, -1, -1):
            item = self._mail[place]
            if item[0] < first:
                break
            event = item[2]
            if (kind and event["type"] != kind) or (recipient and event["recipient"].lower() != recipient):
                continue
            if campaign and str(event["emailCampaignId"]) != campaign:
                continue
            if len(found) == limit:
                more = True
                break
            found.append(item)
        body: dict[str, Any] = {"hasMore": more, "events": [event for _, _, event in found]}
        if found:
            body["offset"] = opaque(f"{found[-1][0]}.{found[-1][1]}")
        return Response.json(body)

    def read_email_event(self, _: Call, created: str, event_id: str) -> Response:
        """GET /email/public/v1/events/{created}/{id}."""
        wanted = int(created) if created.isdigit() else -1
        found = next((e for at, _, e in self._mail if at == wanted and e["id"] == event_id), None)
        if found is None:
            raise not_found()
        return Response.json(found)

    def list_campaigns(self, call: Call) -> Response:
        """GET /email/public/v1/campaigns: ids only; names come one by one."""
        limit = call.limit(1_000, 10)
        after = call.after("offset")
        ids = [number for number in sorted(self._campaigns) if number > after]
        page = ids[:limit]
        campaigns = [
            {"id": n, "appId": self._campaigns[n]["appId"], "appName": "Batch", "lastUpdatedTime": 0}
            for n in page
        ]
        body: dict[str, Any] = {"hasMore": len(ids) > limit, "campaigns": campaigns}
        if page:
            body["offset"] = opaque(str(page[-1]))
        return Response.json(body)

    def read_campaign(self, call: Call, campaign_id: str) -> Response:
        """GET /email/public/v1/campaigns/{id}?appId=."""
        campaign = self._campaigns.get(int(campaign_id)) if campaign_id.isdigit() else None
        app = call.request.param("appId")
        if campaign is None or (app and app != str(campaign["appId"])):
            raise not_found()
        return Response.json(campaign)

    def list_events(self, call: Call) -> Response:
        """GET /events/v3/events: by event type, or by object."""
        request = call.request
        kind, object_id = request.param("eventType"), request.param("objectId")
        if not kind and not object_id:
            raise error(400, "Either eventType or objectType and objectId must be specified")
        if kind and kind != "e_visited_page":
            return Response.json({"results": []})
        limit = min(call.limit(1 << 31, EVENT_LIMIT_DEFAULT), self._portal.switches.hs_events_page_limit)
        ascending = request.param("sort") == "occurredAt"
        items = self._items_of(call, object_id)
        low = _moment(request.param("occurredAfter"), 0)
        high = _moment(request.param("occurredBefore"), 1 << 60)
        start, end = bisect_left(items, (low, 0), key=_order), bisect_left(items, (high + 1, 0), key=_order)
        end = min(end, bisect_left(items, (round(self._portal.core.clock() * 1000) + 1, 0), key=_order))
        if after := request.param("after"):
            place = _position(after)
            if ascending:
                start = max(start, bisect_left(items, (place[0], place[1] + 1), key=_order))
            else:
                end = min(end, bisect_left(items, place, key=_order))
        page = (
            items[start : min(end, start + limit)]
            if ascending
            else items[max(start, end - limit) : end][::-1]
        )
        body: dict[str, Any] = {"results": [self._event(call, shown) for _, _, shown in page]}
        if end - start > limit:
            body["paging"] = call.next_page(opaque(f"{page[-1][0]}.{page[-1][1]}"))
        return Response.json(body)

    def _items_of(self, call: Call, object_id: str) -> list[Item]:
        """All visits, or those of one contact and of those merged into it."""
        if not object_id:
            return self._visits
        if call.kind(call.request.param("objectType") or "contact").plural != "contacts":
            return []
        record = call.portal.find(call.kind("contacts"), object_id)
        if record is None:
            return []
        merged = (record.values.get("hs_merged_object_ids") or "").split(";")
        lists = [self._visits_of.get(one, []) for one in {record.id, object_id, *merged} if one]
        return lists[0] if len(lists) == 1 else sorted((item for part in lists for item in part), key=_order)

    def _event(self, call: Call, shown: Mapping[str, Any]) -> dict[str, Any]:
        record = call.portal.find(call.kind("contacts"), shown["contact"])
        return {
            "objectType": "CONTACT",
            "objectId": record.id if record is not None else shown["contact"],
            "eventType": "e_visited_page",
            "occurredAt": call.render.time(shown["at"]),
            "id": shown["id"],
            "properties": shown["properties"],
        }

    def list_event_types(self, _: Call) -> Response:
        """GET /events/v3/events/event-types."""
        return Response.json({"eventTypes": ["e_visited_page", "e_form_submission_v2", "e_call_logged"]})


def _uuid(feed: str, serial: int) -> str:
    """An id that looks random and is the same in every run."""
    text = hashlib.md5(f"{feed}:{serial}".encode(), usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _put(items: list[Item], item: Item) -> None:
    """Keep a feed in order; most items come last."""
    if not items or _order(items[-1]) < _order(item):
        items.append(item)
    else:
        insort(items, item, key=_order)


def _position(cursor: str) -> tuple[int, int]:
    """The place in a feed that a cursor stands for."""
    moment, _, serial = read_cursor(cursor).partition(".")
    return int(moment), int(serial or 0)


def _moment(text: str, default: int) -> int:
    if not text:
        return default
    moment = parse_moment(text)
    if moment is None:
        raise error(400, f"Invalid time: {text}")
    return round(moment * 1000)
