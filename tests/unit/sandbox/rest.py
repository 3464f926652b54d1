"""A bare REST client of the sandbox, and the adapter that lets simple-salesforce speak plain http to it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter

from connectors.sandbox.sandbox import Sandbox

VERSION = "v62.0"


class Rest:
    """Signed in by client credentials; answers are the raw responses."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.root = sandbox.salesforce_url
        self.base = f"{self.root}/services/data/{VERSION}"
        self.session = requests.Session()
        self.session.trust_env = False
        self.sign_in()

    def token(self, **form: str) -> requests.Response:
        return self.session.post(f"{self.root}/services/oauth2/token", data=form, timeout=10)

    def sign_in(self) -> None:
        known = self.sandbox.credentials["salesforce"]
        answer = self.token(
            grant_type="client_credentials",
            client_id=known["client_id"],
            client_secret=known["client_secret"],
        )
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        url = (
            path
            if path.startswith("http")
            else self.root + path
            if path.startswith("/services")
            else self.base + path
        )
        return self.session.request(method, url, timeout=10, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.call("GET", path, **more)

    def post(self, path: str, body: Any, **more: Any) -> requests.Response:
        return self.call("POST", path, json=body, **more)

    def patch(self, path: str, body: Any, **headers: str) -> requests.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("PATCH", path, json=body, headers=names)

    def query(self, soql: str, resource: str = "query") -> dict[str, Any]:
        answer = self.get(f"/{resource}", params={"q": soql})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def refused(self, soql: str) -> dict[str, str]:
        """The error of a query that must fail."""
        answer = self.get("/query", params={"q": soql})
        assert answer.status_code == 400
        return dict(answer.json()[0])

    def names(self, soql: str) -> list[str]:
        """LastName of every row."""
        return [row["LastName"] for row in self.query(soql)["records"]]

    def lead(self, **values: Any) -> str:
        """A lead made as the seed makes it, without rules; returns its id."""
        return self.sandbox.salesforce.create("Lead", {"LastName": "Lead", "Company": "Acme", **values})


class LoopbackAdapter(HTTPAdapter):
    """Sends every https request as http to the sandbox, whatever host it names."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._host = urlsplit(url).netloc

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        request.url = urlunsplit(("http", self._host, *parts[2:]))
        request.headers["Host"] = self._host
        more["timeout"] = 10
        return super().send(request, *args, **more)
