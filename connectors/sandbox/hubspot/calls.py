"""One call to the API: what was asked for, with the checks that every endpoint makes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from connectors.sandbox.core import Request
from connectors.sandbox.hubspot.errors import bad_json, error
from connectors.sandbox.hubspot.portal import Portal
from connectors.sandbox.hubspot.render import Renderer
from connectors.sandbox.hubspot.schema_types import ObjectType


@dataclass(slots=True)
class Call:
    """A request on its way through an endpoint. `actor`: the app whose token it carries."""

    request: Request
    portal: Portal
    render: Renderer
    actor: str
    dated: bool = False

    def kind(self, name: str) -> ObjectType:
        """The object type that the path names; 400 when there is none such."""
        kind = self.portal.kind(name)
        if kind is None:
            raise error(400, f"Unable to infer object type from: {name}", "VALIDATION_ERROR")
        return kind

    def body(self) -> dict[str, Any]:
        """The JSON object that was sent."""
        try:
            value = self.request.json()
        except (ValueError, UnicodeDecodeError) as problem:
            raise bad_json(str(problem)) from None
        if not isinstance(value, dict):
            raise bad_json("an object is expected")
        return value

    def limit(self, most: int, default: int = 10, name: str = "limit") -> int:
        """A page size; 400 outside of 1 … most."""
        text = self.request.param(name)
        if not text:
            return default
        try:
            number = int(text)
        except ValueError:
            raise error(400, f"Invalid value for {name}: {text}") from None
        if not 1 <= number <= most:
            raise error(400, f"The {name} parameter must be between 1 and {most}, was {number}.")
        return number

    def flag(self, name: str) -> bool:
        return self.request.param(name).lower() == "true"

    # -- paging --------------------------------------------------------------------------------------------

    def next_page(self, after: str) -> dict[str, Any]:
        """`paging` with an absolute link, as the API gives it."""
        query = [
            (name, value)
            for name, values in self.request.query.items()
            if name != "after"
            for value in values
        ]
        query.append(("after", after))
        link = f"{self.request.base_url}{self.request.path}?{urlencode(query)}"
        return {"next": {"after": after, "link": link}}


def opaque(text: str) -> str:
    """A cursor that nobody should read."""
    return base64.urlsafe_b64encode(f"c:{text}".encode()).decode()


def read_cursor(text: str) -> str:
    """What a cursor says, be it opaque or plain; 400 when it is neither."""
    if text.isdigit():
        return text
    try:
        plain = base64.urlsafe_b64decode(text.encode()).decode()
    except (binascii.Error, ValueError):
        plain = ""
    if not plain.startswith("c:"):
        raise error(400, f"Invalid after value: {text}")
    return plain[2:]


def inputs_of(body: dict[str, Any], most: int) -> list[dict[str, Any]]:
    """`inputs` of a batch body, at most `most` of them."""
    inputs = body.get("inputs")
    if inputs is None:
        return []
    if not isinstance(inputs, list) or not all(isinstance(item, dict) for item in inputs):
        raise bad_json("`inputs` is a list of objects")
    if len(inputs) > most:
        message = (
            f"The maximum number of inputs supported in a batch request is {most}, there were {len(inputs)}."
        )
        raise error(400, message)
    return inputs


def refuse_duplicates(ids: Sequence[str]) -> None:
    """400 when an id stands twice (rudder-transformer quotes this text)."""
    twice = sorted({one for one in ids if ids.count(one) > 1}) if len(set(ids)) != len(ids) else []
    if twice:
        raise error(400, f"Duplicate IDs found in batch input: [{', '.join(twice)}]. IDs must be unique")
