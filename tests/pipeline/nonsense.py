"""Servers that talk nonsense: any part of any reply may be gone, or be something else.

Whatever is said, a pull ends with problems and never with an exception; and when the CRMs speak sense again,
full pulls bring every record back to what it is. `python -m tests.pipeline.nonsense FIRST LAST` tries
seeds by the hundred.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from config.settings import Settings
from connectors.hubspot.connector import HubSpotConnector
from connectors.salesforce.connector import SalesforceConnector
from connectors.sandbox.core import Request, Response
from connectors.sandbox.sandbox import Sandbox
from connectors.throttle import UnlimitedBudget
from sync.app import pull_options
from sync.mirror.engine import Mirror
from tests.pipeline.dialects import Rewrite, speaking
from tests.pipeline.small import Small
from tests.world import SimulatedWorld

CRMS: Final = ("salesforce", "hubspot")
NONSENSE: Final[tuple[Any, ...]] = (
    None, [], {}, "", "x", 0, -1, 1.5, True, False, "NaN", "9" * 30, [None], [1], {"a": 1},
    "2026-13-99T99:99:99Z", 10**30, "\x00", "\ud800", "²",
)  # fmt: skip
RULES: Final = [
    {"source": "hubspot.list_membership", "kind": "joined"},
    {"source": "hubspot.notes", "kind": "note"},
    {"source": "salesforce.lead_history", "kind": "changed"},
]
RECORDS: Final = {
    "person_record": "object, id, email, last_name, job_title, owner_id, created_ms, modified_ms",
    "company_record": "object, id, name, domain, modified_ms",
    "deal_record": "object, id, name, stage, amount, modified_ms",
}


def survives(crm: str, seed: int, sandbox: Sandbox, world: SimulatedWorld, here: Small, other: Small) -> None:
    """Pull nonsense into a mirror, then sense; it must equal the other one, which heard sense alone."""
    chance = random.Random(f"{crm} {seed}")
    with speaking(sandbox, crm, talking_nonsense(chance)):
        for full in (False, False, True):
            here.pull(full=full)
            assert all(problem.exit_code for problem in here.problems)
            world.advance(4000)
    for mirror in (here, here, other):  # a sweep that was cut short goes on with what it was told first
        mirror.pull(full=True)
        assert mirror.problems == []
    for table, columns in RECORDS.items():
        said = f"SELECT {columns} FROM {table} WHERE NOT gone ORDER BY object, id"
        healed, sane = set(here.select(said)), set(other.select(said))
        assert (healed - sane, sane - healed) == (set(), set())


def talking_nonsense(chance: random.Random) -> Rewrite:
    """A CRM of whose replies every twentieth, fifth or second has something wrong in it."""
    share = chance.choice((0.05, 0.2, 0.5))

    def rewrite(_: Request, response: Response) -> Response:
        if chance.random() > share or not response.body:
            return response
        headers = dict(response.headers)
        if "json" in response.content_type:
            body = json.dumps(spoilt(json.loads(response.body), chance)).encode()
            return Response(response.status, body, headers)
        if headers and chance.random() < 0.5:
            headers[chance.choice(list(headers))] = chance.choice(("", "x", "-1", "null", "1e9"))
        return Response(response.status, response.body, headers, response.content_type)

    return rewrite


def spoilt(value: Any, chance: random.Random) -> Any:
    """A JSON value with one part of it gone or replaced; outer ones more often than the many inner ones."""
    places: list[tuple[Any, Any]] = []
    waiting = [value]
    for one in waiting:
        inner = one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ()
        for key, below in inner:
            places.append((one, key))
            waiting.append(below)
    if not places:
        return chance.choice(NONSENSE)
    holder, key = chance.choice(places if chance.random() < 0.5 else places[:12])
    if chance.random() < 0.35:
        del holder[key]
    else:
        holder[key] = chance.choice(NONSENSE)
    return value


def pipeline(crm: str, sandbox: Sandbox, world: SimulatedWorld, mirror: Mirror) -> Small:
    """What pulls one CRM of the sandbox into a mirror."""
    known = sandbox.credentials
    app = {name: known["salesforce"][name] for name in ("client_id", "client_secret")}
    settings = Settings.model_validate(
        {
            "salesforce": {**app, "login_url": sandbox.salesforce_url},
            "hubspot": {"access_token": known["hubspot"]["access_token"], "base_url": sandbox.hubspot_url},
            "engagement": {"rules": RULES},
        }
    )
    options, budget = pull_options(settings), UnlimitedBudget()
    connector: Any = (
        SalesforceConnector(settings.salesforce, options, world, budget, bulk_above=8)
        if crm == "salesforce"
        else HubSpotConnector(settings.hubspot, options, world, budget)
    )
    return Small(mirror, world, {crm: connector}, settings)


def populate(sandbox: Sandbox) -> None:
    """A few people, in pages that are smaller still."""
    sandbox.populate(seed=3, people=12, days=8)
    sandbox.switches.sf_page_size = 7


def main(first: int, last: int) -> None:
    """Try these seeds on both CRMs, each in a fresh mirror; the first that fails ends it."""
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.db"
        made = Mirror(f"sqlite:///{empty}", SimulatedWorld())
        made.migrate()
        made.close()
        for seed in range(first, last):
            for crm in CRMS:
                world = SimulatedWorld()
                mirrors = []
                for name in ("here", "other"):
                    path = shutil.copy(empty, Path(folder) / f"{name}.db")
                    mirrors.append(Mirror(f"sqlite:///{path}", world))
                with Sandbox(clock=world.clock) as sandbox:
                    populate(sandbox)
                    here, other = (pipeline(crm, sandbox, world, mirror) for mirror in mirrors)
                    sys.stdout.write(f"{crm} {seed}\n")
                    survives(crm, seed, sandbox, world, here, other)
                    for one in (here, other):
                        one.connectors[crm].close()
                        one.mirror.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
