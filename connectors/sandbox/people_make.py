"""Who exists: owners, employers, humans, and the records that stand for them in either CRM.

Shares (of humans): in both CRMs 50 % (35 % as Lead, 15 % as Contact), Lead only 15 %, Contact only 8 %,
HubSpot only 27 %. Leads are owned by a queue 55 %, by the integration user 15 %, by a rep 30 %; Contacts by a
rep 70 %, else by the integration user; HubSpot contacts by nobody 60 %, by a rep 38 %, by a deactivated
owner 2 %. Some records lack an address, stand twice, or are spelt differently in the other CRM.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Sequence

from connectors.sandbox.people_data import DAY, Employer, Human, OwnerRow
from connectors.sandbox.people_pools import (
    COMPANY_FIRST,
    COMPANY_FORM,
    COMPANY_KIND,
    COMPANY_SECOND,
    COMPETITORS,
    DISPOSABLE,
    FREE_MAIL,
    INDUSTRIES,
    OTHER_TITLES,
    PLACES,
    ROMAN,
    SCHOOLS,
    SENIOR_TITLES,
)

PLANS = (
    # plan, share in percent, senior people only
    ("hot", 4.4, True),
    ("fast", 0.8, True),
    ("already", 0.2, True),
    ("warm", 12.0, False),
    ("bookworm", 1.5, False),
    ("jobseeker", 3.0, False),
    ("unsubscribed", 4.0, False),
    ("student", 4.0, False),
    ("rival", 0.7, True),
    ("customer", 6.0, False),
    ("working", 5.0, False),
    ("rejected", 3.0, False),
    ("junk", 3.0, False),
)
"""What people do with us; everyone else is `cold`."""

REPS = (
    ("amelia.stone", "Amelia", "Stone"),
    ("jonas.weber", "Jonas", "Weber"),
    ("priya.nair", "Priya", "Nair"),
    ("luc.fontaine", "Luc", "Fontaine"),
    ("maria.santos", "María", "Santos"),
    ("tom.becker", "Tom", "Becker"),
    ("aiko.mori", "Aiko", "Mori"),
    ("dana.levy", "Dana", "Levy"),
)
OUR_DOMAIN = "lumenstack.com"


def make_owners() -> list[OwnerRow]:
    """Eight reps and a manager in both CRMs, one in each alone, two who left, queues, the integrator."""
    owners = [
        OwnerRow(f"rep:{name}", f"{name}@{OUR_DOMAIN}", first, last, "rep", True, True, True)
        for name, first, last in REPS
    ]
    return [
        *owners,
        OwnerRow("rep:manager", f"helen.ford@{OUR_DOMAIN}", "Helen", "Ford", "manager", True, True, True),
        OwnerRow("rep:sf_only", f"greg.hale@{OUR_DOMAIN}", "Greg", "Hale", "rep", True, True, False),
        OwnerRow("rep:hs_only", f"nina.holt@{OUR_DOMAIN}", "Nina", "Holt", "rep", True, False, True),
        OwnerRow("left:1", f"paul.gone@{OUR_DOMAIN}", "Paul", "Gone", "rep", False, True, True),
        OwnerRow("left:2", f"rita.gone@{OUR_DOMAIN}", "Rita", "Gone", "rep", False, True, True),
        OwnerRow("queue:inbound", "", "", "Inbound", "queue", True, True, False),
        OwnerRow("queue:enterprise", "", "", "Enterprise", "queue", True, True, False),
        OwnerRow("hsqueue:inbound", "", "Inbound", "queue", "queue", True, False, True),
        OwnerRow(
            "integration", f"marketing.integration@{OUR_DOMAIN}", "Marketing", "Integration", "integration",
            True, True, False,
        ),
    ]  # fmt: skip


def ascii_word(text: str) -> str:
    """A name as it is spelt in an address: `Jürgen` → jurgen, `健太` → kenta."""
    plain = unicodedata.normalize("NFKD", ROMAN.get(text, text).replace("ß", "ss").replace("ł", "l"))
    plain = plain.replace("Ł", "l").replace("ı", "i").encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "", plain) or "x"


def make_employers(rng: random.Random, count: int) -> list[Employer]:
    """Prospects and customers of believable sizes, schools, competitors; domains are unique."""
    weights = [place.weight for place in PLACES]
    employers: list[Employer] = []
    taken: set[str] = set()
    while len(employers) < count:
        place_no = rng.choices(range(len(PLACES)), weights)[0]
        place = PLACES[place_no]
        stem = rng.choice(COMPANY_FIRST) + rng.choice(COMPANY_SECOND)
        kind = rng.choice(COMPANY_KIND)
        ending = rng.choice(place.endings)
        domain = f"{stem.lower()}-{kind.lower()}{ending}"
        if domain in taken:
            domain = f"{stem.lower()}{len(employers)}-{kind.lower()}{ending}"
        taken.add(domain)
        size: int | None = min(60_000, max(1, round(rng.lognormvariate(4.6, 1.3))))
        if rng.random() < 0.08:
            size = None
        employers.append(
            Employer(
                f"co:{len(employers)}",
                f"{stem} {kind}{COMPANY_FORM.get(place.country, '')}",
                domain,
                size,
                rng.choice(INDUSTRIES),
                place_no,
                "customer" if rng.random() < 0.12 else "prospect",
                rng.random() < 0.8,
                rng.random() < 0.85,
            )
        )
    return employers + _special_employers()


def _special_employers() -> list[Employer]:
    schools = [
        Employer(f"school:{n}", name, domain, None, INDUSTRIES[8], 1, "school", False, n == 0)
        for n, (name, domain, _) in enumerate(SCHOOLS)
    ]
    rivals = [
        Employer(f"rival:{n}", name, domain, 180, INDUSTRIES[0], 0, "competitor", True, True)
        for n, (name, domain) in enumerate(COMPETITORS)
    ]
    return [*schools, *rivals]


class HumanMaker:
    """Draws humans one after another; addresses never repeat."""

    def __init__(self, rng: random.Random, employers: Sequence[Employer], days: float) -> None:
        self._rng = rng
        self._days = days
        self._pools = {
            kind: [employer for employer in employers if employer.kind == kind]
            for kind in ("prospect", "customer", "school", "competitor")
        }
        self._fit = [e for e in self._pools["prospect"] if e.size is not None and 50 <= e.size <= 250]
        self._taken: set[str] = set()
        self._senior_plans = {"bloom", *(plan for plan, _, senior in PLANS if senior)}

    def human(self, number: int, plan: str, born: float) -> Human:
        """One human who makes the journey `plan`; not yet in any CRM."""
        rng = self._rng
        employer = self._employer(plan)
        place = PLACES[employer.place]
        first, last = rng.choice(place.first), rng.choice(place.last)
        senior = plan in self._senior_plans or (plan not in ("student", "junk") and rng.random() < 0.18)
        title = rng.choice(SENIOR_TITLES if senior else OTHER_TITLES)
        if plan == "student":
            title = rng.choice(("Student", "PhD candidate", "Research assistant", ""))
        human = Human(
            number,
            first,
            last,
            self._address(first, last, employer, plan),
            title,
            senior,
            employer,
            rng.choice(place.cities),
            plan,
            born,
            phone=f"+{rng.randint(1, 99)} {rng.randint(100, 999)} {rng.randint(1000000, 9999999)}",
        )
        if plan == "junk":
            self._spoil(human)
        return human

    def _employer(self, plan: str) -> Employer:
        rng = self._rng
        if plan == "student":
            return rng.choice(self._pools["school"])
        if plan == "rival":
            return rng.choice(self._pools["competitor"])
        if plan == "customer" and self._pools["customer"]:
            return rng.choice(self._pools["customer"])
        if plan in ("hot", "bloom", "already") and self._fit and rng.random() < 0.9:
            return rng.choice(self._fit)
        return rng.choice(self._pools["prospect"])

    def _address(self, first: str, last: str, employer: Employer, plan: str) -> str:
        rng = self._rng
        given, family = ascii_word(first), ascii_word(last)
        domain = employer.domain
        if plan in ("cold", "unsubscribed") and rng.random() < 0.12:
            domain = rng.choice(FREE_MAIL)
        local = rng.choice((f"{given}.{family}", f"{given[0]}{family}", f"{given}_{family}", given))
        address, again = f"{local}@{domain}", 1
        while address in self._taken:
            again += 1
            address = f"{local}{again}@{domain}"
        self._taken.add(address)
        return address

    def _spoil(self, human: Human) -> None:
        rng = self._rng
        human.first, human.last = rng.choice(
            (("Test", "Test"), ("asdf", "asdf"), ("", "???"), ("Mickey", "Mouse"))
        )
        human.title = rng.choice(("", "asdf", "CEO", "n/a"))
        human.email = f"{rng.choice(('test', 'asdf', 'noreply', 'x'))}{human.number}@{rng.choice(DISPOSABLE)}"


def deal_plans(rng: random.Random, count: int) -> list[str]:
    """A journey for each of `count` people: the shares of PLANS, at least one of each, in random order."""
    plans = [plan for plan, share, _ in PLANS for _ in range(max(1, round(count * share / 100)))][:count]
    plans += ["cold"] * (count - len(plans))
    rng.shuffle(plans)
    return plans


def born_at(rng: random.Random, plan: str, days: float) -> float:
    """When somebody becomes known, in seconds before now; people who matter now have been known a while."""
    earliest = 0.98 * days
    latest = (
        min(20.0, 0.5 * days) if plan in ("hot", "fast", "already", "bloom", "customer", "working") else 0.2
    )
    return -rng.uniform(latest, earliest) * DAY


def place_in_crms(rng: random.Random, human: Human) -> None:
    """Decide which records stand for a human, and who owns them."""
    draw = rng.random()
    known = {"customer": 0.6, "working": 0.5}.get(human.plan, 0.0)
    if rng.random() < known:
        draw = rng.uniform(0.35, 0.5)
    if draw < 0.35 and (human.plan == "student" or (human.plan == "junk" and rng.random() < 0.5)):
        draw = 0.9  # mostly known to marketing alone
    number = human.number
    if draw < 0.35:
        human.lead, human.hubspot = f"lead:{number}", f"hs:{number}"
    elif draw < 0.50:
        human.contact, human.hubspot = f"con:{number}", f"hs:{number}"
    elif draw < 0.65:
        human.lead = f"lead:{number}"
    elif draw < 0.73:
        human.contact = f"con:{number}"
    else:
        human.hubspot = f"hs:{number}"
    human.converted = human.contact is not None and rng.random() < 0.35
    human.owner = f"rep:{rng.choice(REPS)[0]}"
