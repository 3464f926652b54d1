"""A seeded population of two CRMs: the same seed gives the same people, records and behaviour, always.

`generate` makes plain data (people_data.py) and knows no store; `populate` lays it under a sandbox's clock.
About 5 % of the people are Marketing Qualified Leads under the shipped scoring model when `days` is a year, a
few of them by a demo request alone; each future day brings a few more. Roughly, per 2,000 people: 1,540
HubSpot contacts, 1,650 Leads and Contacts, 9,700 page views, 5,600 mail events, 1,850 form submissions.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from connectors.sandbox.people_acts import Journey, Teller, blossom, journey
from connectors.sandbox.people_data import DAY, Happening, Human, Population
from connectors.sandbox.people_load import Loader
from connectors.sandbox.people_make import (
    HumanMaker,
    born_at,
    deal_plans,
    make_employers,
    make_owners,
    place_in_crms,
)
from connectors.sandbox.people_records import Clerk, campaign_rows, company_rows

if TYPE_CHECKING:
    from connectors.sandbox.sandbox import Sandbox

BLOSSOMS_PER_DAY = 0.0015
"""New MQLs on a future day, as a share of the people (at least one)."""
ARRIVALS_PER_DAY = 0.001
"""New people on a future day, as a share of the people."""


def generate(seed: int = 7, people: int = 2000, days: float = 365, future: float = 0) -> Population:
    """`people` humans with `days` of past and `future` further days of behaviour."""
    rng = random.Random(seed)  # noqa: S311 (repeatable scenery, no secret)
    owners = make_owners()
    employers = make_employers(rng, max(6, people // 4))
    maker = HumanMaker(rng, employers, days)
    clerk, teller = Clerk(rng), Teller(rng)
    records: list[Happening] = [*company_rows(rng, employers, days), *campaign_rows(days)]
    humans: list[Human] = []
    blossoms = _blossoms(people, int(future))
    plans = ["bloom"] * len(blossoms) + deal_plans(rng, people - len(blossoms))
    for number, plan in enumerate(plans):
        human = maker.human(number, plan, born_at(rng, plan, days))
        place_in_crms(rng, human)
        clerk.choose_hubspot_address(human)
        acts, later = journey(rng, human, days), _later(rng, human, future)
        if plan == "bloom":
            day, by_demo = blossoms[number]
            before, after = blossom(rng, day, rng.uniform(0.5, 20), by_demo)
            acts, later = acts + _within(before, human.born), later + after
        teller.tell(human, acts)
        records += clerk.write(human)
        teller.tell(human, later)
        humans.append(human)
    _arrivals(rng, maker, clerk, teller, records, humans, int(future))
    happenings = [*records, *teller.told, *clerk.edits]
    return _sort(Population(owners, employers, humans, [], []), happenings)


def _blossoms(people: int, future: int) -> list[tuple[int, bool]]:
    """(day, by demo alone) of everyone who becomes an MQL later: one in three by a demo alone."""
    per_day = max(1, round(people * BLOSSOMS_PER_DAY))
    wanted = [
        (day + 1, (day * per_day + which) % 3 == 2) for day in range(future) for which in range(per_day)
    ]
    return wanted[: people // 5]


def _within(acts: Journey, born: float) -> Journey:
    return [(act, max(at, born + 3600.0)) for act, at in acts]


def _later(rng: random.Random, human: Human, future: float) -> Journey:
    """Everyday behaviour after now."""
    acts: Journey = []
    if future and human.plan in ("cold", "warm", "bookworm", "customer"):
        if rng.random() < min(0.9, 0.02 * future):
            acts.append(("browse", rng.uniform(0, future) * DAY))
        if rng.random() < min(0.9, 0.015 * future):
            acts.append(("mail", rng.uniform(0, future) * DAY))
        if human.plan == "warm" and rng.random() < min(0.5, 0.004 * future):
            acts.append((rng.choice(("unsubscribe", "careers", "whitepaper")), rng.uniform(0, future) * DAY))
    return acts


def _arrivals(
    rng: random.Random,
    maker: HumanMaker,
    clerk: Clerk,
    teller: Teller,
    records: list[Happening],
    humans: list[Human],
    future: int,
) -> None:
    """New people who turn up after now, each with a first visit."""
    first = len(humans)
    per_day = max(1, round(first * ARRIVALS_PER_DAY))
    for number in range(first, first + per_day * future):
        day = (number - first) // per_day
        human = maker.human(number, "cold", (day + rng.random()) * DAY)
        place_in_crms(rng, human)
        clerk.choose_hubspot_address(human)
        records += clerk.write(human)
        teller.tell(
            human, [("browse", human.born + 60), (rng.choice(("newsletter", "whitepaper")), human.born + 900)]
        )
        humans.append(human)


def _sort(population: Population, happenings: list[Happening]) -> Population:
    """Records that others name come first among those before now; the rest goes by time."""
    moments = [(happening.at, number, happening) for number, happening in enumerate(happenings)]
    population.past = [happening for at, _, happening in moments if at <= 0]
    population.future = [happening for _, _, happening in sorted(m for m in moments if m[0] > 0)]
    return population


def populate(
    sandbox: Sandbox, seed: int = 7, people: int = 2000, days: float = 365, future: float = 0
) -> Population:
    """Fill both CRMs; what lies in the future is released as the sandbox's clock moves."""
    population = generate(seed, people, days, future)
    with sandbox.store.lock:
        Loader(sandbox).load(population)
    return population
