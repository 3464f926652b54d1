"""What people do: journeys made of acts, told in the CRM where each act leaves its trace.

A journey is a list of (act, moment). An act becomes page views, a form submission, mail events, a campaign
member, a task, a meeting … The pricing visits come in bursts of reloads; mail scanners open and click, too.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from connectors.sandbox.people_data import (
    DAY,
    Change,
    Happening,
    Human,
    MailEvent,
    OnDay,
    Row,
    Submission,
    WebEvent,
    When,
)
from connectors.sandbox.people_pools import CAREERS_PAGES, FORMS, MAILINGS, PAGES, PRICING_PAGES, SITE

Journey = list[tuple[str, float]]
"""(act, seconds relative to now)."""

_FORM = {form.key: form for form in FORMS}
_CAMPAIGN = {
    "demo": "demo", "trial": "trial", "newsletter": "newsletter",
    "case_kettle": "case", "case_tundra": "case",
}  # fmt: skip
"""Which Salesforce campaign an act lands in when HubSpot does not see it."""


def journey(rng: random.Random, human: Human, days: float) -> Journey:
    """The acts of a human before now, by plan."""
    recent = min(days, 14.0)
    known = -human.born / DAY
    around: Callable[[float, float], float] = lambda a, b: -rng.uniform(min(a, known), min(b, known)) * DAY  # noqa: E731
    acts: Journey = [("browse", around(0.2, days)) for _ in range(rng.randint(0, 3))]
    acts += [("mail", around(1, days)) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    plan = human.plan
    if plan == "hot":
        acts += _eager(rng, around, recent)
    elif plan == "fast":
        acts += [("demo", around(0.5, min(25, days))), ("pricing", around(1, 20))]
    elif plan == "already":
        acts += [("demo", around(20, 50)), ("trial", around(20, 50)), ("pricing", around(20, 60))]
    elif plan == "warm":
        for act in rng.sample(
            ("case_kettle", "whitepaper", "newsletter", "pricing", "webinar", "fair", "trial"), 3
        ):
            acts.append((act, around(5, 0.7 * days)))
        acts += [("browse", around(1, 60)) for _ in range(3)]
    elif plan == "bookworm":
        acts += [
            (rng.choice(("case_kettle", "case_tundra", "whitepaper")), around(1, 60))
            for _ in range(rng.randint(7, 12))
        ]
    elif plan == "jobseeker":
        acts += [("careers", around(1, 80)) for _ in range(rng.randint(1, 4))]
    elif plan == "unsubscribed":
        acts += [("newsletter", around(0.6 * known, known)), ("unsubscribe", around(1, 0.5 * known))]
    elif plan == "rival":
        acts += [("pricing", around(1, 30)) for _ in range(4)] + [("case_kettle", around(1, 30))]
        acts += [("demo", around(1, 20))] if rng.random() < 0.3 else []
    elif plan in ("customer", "working", "rejected"):
        acts += _sold(rng, around, plan)
    elif plan == "cold" and rng.random() < 0.12:
        acts.append(("called_down", around(30, days)))
    elif plan == "student":
        acts += [("whitepaper", around(1, 100)), ("browse", around(1, 100)), ("webinar", around(1, 100))]
    return acts


def _eager(rng: random.Random, around: Callable[[float, float], float], recent: float) -> Journey:
    acts: Journey = [(act, around(0.3, recent)) for act in ("demo", "trial")]
    acts += [("pricing", around(0.2, recent)) for _ in range(rng.randint(3, 5))]
    acts += [
        ("case_kettle", around(1, recent)),
        ("case_tundra", around(1, recent)),
        ("newsletter", around(3, 60)),
    ]
    acts += [("attend", around(12, 25)), ("attend", around(1, 10))]
    return [*acts, ("browse", around(0.2, recent)), ("browse", around(0.2, recent))]


def _sold(rng: random.Random, around: Callable[[float, float], float], plan: str) -> Journey:
    acts: Journey = [("demo", around(60, 200)), ("pricing", around(60, 200)), ("attend", around(60, 250))]
    acts += [("call", around(20, 180)) for _ in range(rng.randint(1, 2))]
    acts += [("meeting", around(20, 150)), ("mail_logged", around(10, 150))]
    return acts if plan != "rejected" else acts[2:5]


def blossom(rng: random.Random, day: int, hour: float, by_demo: bool) -> tuple[Journey, Journey]:
    """Acts before now and acts on a future day that together make a fitting human an MQL on that day."""
    moment = (day - 1) * DAY + hour * 3600.0
    if by_demo:
        return [("browse", -rng.uniform(2, 30) * DAY)], [("pricing", moment), ("demo", moment + 400.0)]
    before: Journey = [("trial", -rng.uniform(1, 6) * DAY), ("newsletter", -rng.uniform(5, 30) * DAY)]
    before += [("attend", -rng.uniform(6, 12) * DAY), ("attend", -rng.uniform(1, 4) * DAY)]
    before += [("case_kettle", -rng.uniform(1, 6) * DAY)]
    before += [("pricing", -rng.uniform(0.5, 6) * DAY), ("pricing", -rng.uniform(0.5, 6) * DAY)]
    return before, [("pricing", moment), ("case_tundra", moment + 900.0), ("demo", moment + 1500.0)]


class Teller:
    """Turns acts into happenings, and counts what it made."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._serial = 0
        self.told: list[Happening] = []

    def tell(self, human: Human, acts: Journey) -> None:
        """Append the happenings of these acts."""
        for act, wished in sorted(acts, key=lambda pair: pair[1]):
            at = max(wished, human.born + 60.0)
            if act in _FORM:
                self._form(human, act, at)
            elif act in ("browse", "pricing", "careers"):
                self._visit(human, act, at)
            elif act == "mail":
                self._mail(human, at)
            elif act == "attend":
                self._webinar(human, at)
            elif act == "called_down":
                self._member(human, "call_down", "Sent", at, responded=False)
            elif act == "fair":
                self._member(human, "fair", "Responded", at, responded=True)
            else:
                self._sales(human, act, at)

    # -- the web -------------------------------------------------------------------------------------------

    def _visit(self, human: Human, act: str, at: float) -> None:
        if human.hubspot is None:
            return
        rng = self._rng
        if act == "browse":
            pages = [rng.choice(PAGES) for _ in range(rng.randint(1, 3))]
        elif act == "careers":
            pages = [rng.choice(CAREERS_PAGES)] * rng.randint(1, 3)
        else:
            pages = [rng.choice(PRICING_PAGES)] * rng.choice((1, 1, 2, 3, 4))
        for page in pages:
            title = page.strip("/").split("?")[0].replace("-", " ").title() or "Home"
            self.told.append(WebEvent(human.hubspot, at, SITE + page, f"{title} | Lumenstack"))
            at += rng.uniform(2, 240)

    def _form(self, human: Human, act: str, at: float) -> None:
        rng = self._rng
        form = _FORM[act]
        if act == "demo" and rng.random() < 0.25:
            form = _FORM["demo_embed"]
        seen = human.hubspot is not None
        in_salesforce = human.lead is not None or human.contact is not None
        if seen:
            values = {"firstname": human.first, "lastname": human.last, "company": human.employer.name}
            address = human.hs_email or human.email
            if rng.random() < 0.1:
                address = address.upper() if rng.random() < 0.3 else address.title()
            self.told.append(WebEvent(human.hubspot or "", at - 20, SITE + form.page, form.name))
            self.told.append(Submission(form.key, at, address, human.hubspot, values, SITE + form.page))
            if at > 0:
                touched = {"recent_conversion_event_name": form.name, "recent_conversion_date": When(at)}
                self.told.append(Change("hubspot", human.hubspot or "", at + 1, touched, "automation"))
        if act in _CAMPAIGN and in_salesforce and (not seen or rng.random() < 0.2):
            self._member(human, _CAMPAIGN[act], "Responded", at + 90, responded=True)
        if act == "unsubscribe":
            self._unsubscribe(human, at)

    def _unsubscribe(self, human: Human, at: float) -> None:
        human.opted_out = True
        if human.hubspot is None:
            return
        recipient = human.hs_email or human.email
        self.told.append(MailEvent("STATUSCHANGE", at + 1, recipient, 0, detail="UNSUBSCRIBED"))
        if at > 0:
            self.told.append(
                Change("hubspot", human.hubspot, at + 1, {"hs_email_optout": "true"}, "automation")
            )

    # -- mail ----------------------------------------------------------------------------------------------

    def _mail(self, human: Human, at: float) -> None:
        if human.hubspot is None or not (recipient := human.hs_email):
            return
        rng = self._rng
        mailing = rng.randrange(len(MAILINGS))
        add = self.told.append
        add(MailEvent("SENT", at, recipient, mailing))
        if rng.random() < 0.03:
            add(MailEvent("BOUNCE", at + 3, recipient, mailing))
            return
        add(MailEvent("DELIVERED", at + rng.uniform(1, 20), recipient, mailing))
        if rng.random() < 0.08:  # a mail scanner looks into every link within seconds
            add(MailEvent("OPEN", at + 21, recipient, mailing, bot=True))
            add(MailEvent("CLICK", at + 22, recipient, mailing, bot=True, detail=f"{SITE}/pricing"))
        if rng.random() < 0.3:
            opened = at + rng.expovariate(1 / 20_000.0) + 30
            add(MailEvent("OPEN", opened, recipient, mailing))
            if rng.random() < 0.25:
                add(
                    MailEvent("CLICK", opened + rng.uniform(3, 90), recipient, mailing, detail=SITE + "/blog")
                )

    # -- Salesforce and sales ------------------------------------------------------------------------------

    def _key(self, kind: str) -> str:
        self._serial += 1
        return f"{kind}:{self._serial}"

    def _member(self, human: Human, campaign: str, status: str, at: float, *, responded: bool) -> None:
        who = human.contact or human.lead
        field = "ContactId" if human.contact else "LeadId"
        if who is None or f"{campaign}:{who}" in human.notes:
            return
        human.notes.add(f"{campaign}:{who}")
        values = {
            "Status": status,
            "HasResponded": responded,
            "FirstRespondedDate": OnDay(at) if responded else None,
        }
        links = {"CampaignId": f"camp:{campaign}", field: who}
        self.told.append(Row("salesforce", "CampaignMember", self._key("cm"), at, at, values, links))

    def _webinar(self, human: Human, at: float) -> None:
        if human.hubspot is not None:
            self._form(human, "webinar", at - 3 * DAY if at - 3 * DAY > human.born else at)
        attended = self._rng.random() < 0.85 or human.plan == "bloom"
        name = self._rng.choice(("webinar_1", "webinar_2"))
        if f"{name}:{human.contact or human.lead}" in human.notes:
            name = "webinar_1" if name == "webinar_2" else "webinar_2"
        self._member(human, name, "Attended" if attended else "No Show", at, responded=attended)

    def _sales(self, human: Human, act: str, at: float) -> None:
        who = human.contact or human.lead
        if who is not None and (human.hubspot is None or self._rng.random() < 0.6):
            self.told.append(_salesforce_activity(self._rng, human, act, at, self._key("act"), who))
        elif human.hubspot is not None:
            self.told.append(_hubspot_activity(self._rng, human, act, at, self._key("eng"), human.hubspot))


def _salesforce_activity(rng: random.Random, human: Human, act: str, at: float, key: str, who: str) -> Row:
    links = {"WhoId": who, "OwnerId": human.owner or "integration"}
    if act == "meeting":
        values = {
            "Subject": f"Meeting with {human.last}",
            "StartDateTime": When(at),
            "EndDateTime": When(at + 1800),
        }
        return Row("salesforce", "Event", key, at - DAY, at, values, links)
    subject = rng.choice(("Call", "Follow-up call")) if act == "call" else "Email: your question"
    values = {
        "Subject": subject,
        "Status": "Completed",
        "IsClosed": True,
        "TaskSubtype": "Call" if act == "call" else "Email",
        "ActivityDate": OnDay(at),
        "CompletedDateTime": When(at),
    }
    return Row("salesforce", "Task", key, at, at, values, links)


def _hubspot_activity(rng: random.Random, human: Human, act: str, at: float, key: str, contact: str) -> Row:
    owner = {"hubspot_owner_id": human.owner} if human.owner else {}
    if act == "call":
        kind = "calls"
        values = {
            "hs_call_title": f"Call with {human.first}",
            "hs_call_status": "COMPLETED",
            "hs_call_duration": "240000",
        }
    elif act == "meeting":
        kind = "meetings"
        values = {"hs_meeting_title": f"Discovery: {human.employer.name}", "hs_meeting_outcome": "COMPLETED"}
    else:
        kind = "emails"
        direction = "INCOMING_EMAIL" if rng.random() < 0.4 else "EMAIL"
        values = {
            "hs_email_subject": "Re: your question",
            "hs_email_direction": direction,
            "hs_email_status": "SENT",
        }
    return Row("hubspot", kind, key, at, at, {**values, "hs_timestamp": When(at)}, owner, (contact,))
