"""A raw HTTP client and the official one, both signed in to the sandbox's HubSpot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hubspot
import pytest
import requests

from connectors.sandbox.hubspot import HubSpot
from connectors.sandbox.sandbox import Sandbox


class Api:
    """Plain HTTP; answers are JSON values, `last` is the whole response."""

    def __init__(self, base: str, token: str) -> None:
        self.base = base
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {token}"
        self.last = requests.Response()

    def call(self, method: str, path: str, *, body: Any = None, **params: Any) -> Any:
        url = path if path.startswith("http") else self.base + path
        self.last = self.session.request(method, url, json=body, params=params, timeout=10)
        return self.last.json() if self.last.content and "json" in self.last.headers["Content-Type"] else None

    def get(self, path: str, **params: Any) -> Any:
        return self.call("GET", path, **params)

    def post(self, path: str, body: Any, **params: Any) -> Any:
        return self.call("POST", path, body=body, **params)

    def patch(self, path: str, properties: dict[str, Any], **params: Any) -> Any:
        return self.call("PATCH", path, body={"properties": properties}, **params)

    @property
    def status(self) -> int:
        return self.last.status_code


@pytest.fixture
def half(sandbox: Sandbox) -> HubSpot:
    assert isinstance(sandbox.hubspot, HubSpot)
    return sandbox.hubspot


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[Api]:
    client = Api(sandbox.hubspot_url, sandbox.credentials["hubspot"]["access_token"])
    yield client
    client.session.close()


@pytest.fixture
def official(sandbox: Sandbox) -> hubspot.Client:
    """The official client, which refuses answers that break its models."""
    return hubspot.Client.create(
        access_token=sandbox.credentials["hubspot"]["access_token"],
        host=sandbox.hubspot_url,
        client_side_validation=True,
        retry=False,
    )
