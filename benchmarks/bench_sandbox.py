"""How fast the simulated CRMs answer a bare client, so that they are no benchmark's bottleneck.

    python -m benchmarks.bench_sandbox [--records 20000] [--markdown]

Each CRM's people are read page by page by a client that drops what it gets, and then the same bytes once more
from a server that does nothing but send them: the ratio is what making the answers costs. Ends with 1 when
fewer than 10,000 records a second came.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

from benchmarks.bench_pull import Server
from benchmarks.sheets import Sheets, ratio
from connectors.sandbox.sandbox import Sandbox

TARGET: Final = 10_000.0
"""Records a second."""
PROPERTIES: Final = "email,firstname,lastname,jobtitle,company,country,hs_lead_status,lifecyclestage"
FIELDS: Final = (
    "Id,IsDeleted,MasterRecordId,FirstName,LastName,Email,Title,Phone,MailingCountry,MailingCity,OwnerId,"
    "HasOptedOutOfEmail,CreatedDate,LastModifiedDate,SystemModstamp"
)
PEOPLE: Final = 2_000
"""Made with a year of their past, to see how long that takes."""

Fetch = Callable[[str], bytes]
Pages = Callable[[Fetch], Iterator[bytes]]


class Reading(NamedTuple):
    """A feed that was read to its end."""

    name: str
    records: int
    seconds: float
    bare: float


def hubspot_pages(fetch: Fetch) -> Iterator[bytes]:
    """The listing of contacts."""
    query = urlencode({"limit": 100, "properties": PROPERTIES})
    after = ""
    while True:
        body = fetch(f"/crm/v3/objects/contacts?{query}{after}")
        yield body
        token = body[-4000:].partition(b'"after":"')[2].partition(b'"')[0].decode()
        if not token:
            return
        after = "&" + urlencode({"after": token})


def salesforce_pages(fetch: Fetch) -> Iterator[bytes]:
    """A query for contacts, and its locators."""
    path = "/services/data/v62.0/query?" + urlencode({"q": f"SELECT {FIELDS} FROM Contact"})
    while path:
        body = fetch(path)
        yield body
        path = body[:500].partition(b'"nextRecordsUrl":"')[2].partition(b'"')[0].decode()


def client(url: str, token: str) -> Fetch:
    """GETs over one connection that stays open."""
    place = urlsplit(url)
    assert place.hostname is not None
    wire = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
    headers = {"Authorization": f"Bearer {token}"}

    def fetch(path: str) -> bytes:
        wire.request("GET", path, headers=headers)
        reply = wire.getresponse()
        body = reply.read()
        if reply.status != 200:
            raise RuntimeError(f"{reply.status} for {path.partition('?')[0]}")
        return body

    return fetch


def bare(bodies: Sequence[bytes]) -> float:
    """Seconds to fetch these from a server that has nothing to do but send them."""
    waiting = iter(bodies)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = next(waiting)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing to say."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        fetch = client(f"http://127.0.0.1:{server.server_port}", "none")
        begun = time.perf_counter()
        for _ in bodies:
            fetch("/")
        seconds = time.perf_counter() - begun
        server.shutdown()
    return seconds


def salesforce_token(told: Mapping[str, Any]) -> str:
    """By client credentials."""
    names = ("client_id", "client_secret")
    form = urlencode({"grant_type": "client_credentials", **{name: told[name] for name in names}})
    with urllib.request.urlopen(f"{told['url']}/services/oauth2/token", form.encode()) as reply:
        return str(json.loads(reply.read())["access_token"])


def reading(name: str, pages: Pages, fetch: Fetch, records: int) -> Reading:
    """Read a feed twice (the first time warms up), then its bytes from the bare server."""
    for _ in pages(fetch):
        pass
    begun = time.perf_counter()
    bodies = list(pages(fetch))
    return Reading(name, records, time.perf_counter() - begun, bare(bodies))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--markdown", action="store_true")
    told = parser.parse_args()
    out = Sheets(markdown=told.markdown)
    out.at(f"{told.records} contacts in each CRM")
    with Server(hubspot=told.records, salesforce=told.records) as server:
        hubspot, salesforce = server.told["hubspot"], server.told["salesforce"]
        found = [
            reading("HubSpot, pages of 100", hubspot_pages,
                    client(hubspot["url"], hubspot["access_token"]), told.records),
            reading("Salesforce, pages of 2,000", salesforce_pages,
                    client(salesforce["url"], salesforce_token(salesforce)), told.records),
        ]  # fmt: skip
    rows = [
        (one.name, f"{one.records / one.seconds:,.0f}", ratio(one.seconds, one.bare), f"{TARGET:,.0f}")
        for one in found
    ]
    header = ("a bare client reads", "records a second", "times as long as the bytes alone", "at least")
    out.table("Reading the simulated CRMs", header, rows)
    begun = time.perf_counter()
    Sandbox().populate(seed=7, people=PEOPLE, days=365)
    out.say(f"{PEOPLE:,} people with a year of their past are made in {time.perf_counter() - begun:.1f} s")
    return any(one.records / one.seconds < TARGET for one in found)


if __name__ == "__main__":
    sys.exit(main())
