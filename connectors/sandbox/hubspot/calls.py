"""One call to the API: what was asked for, with the checks that every endpoint makes."""

from __future__ import annotations

import base64
import binascii
import re
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

    def kind(self, name: str) -> ObjectType:
        """The object type that the path names; 400 when there is none such."""
        kind = self.portal.kind(name)
        if kind is None:
            raise error(400, f"Unable to infer object type from: {name}", "VALIDATION_ERROR")
        return kind

    def payload(self) -> Any:
        """The JSON value that was sent; 400 when it is none."""
        try:
            return self.request.json()
        except (ValueError, UnicodeDecodeError) as problem:
            raise bad_json(str(problem)) from None

    def body(self) -> dict[str, Any]:
        """The JSON object that was sent."""
        value = self.payload()
        if not isinstance(value, dict):
            raise bad_json("an object is expected")
        return value

    def limit(self, most: int, default: int = 10, name: str = "limit") -> int:
        """A page size; 400 outside of 1 … most."""
        size = number(self.request.param(name), name, default)
        if not 1 <= size <= most:
            raise error(400, f"The {name} parameter must be between 1 and {most}, was {size}.")
        return size

    def after(self, name: str = "after") -> int:
        """The place that the cursor in a query parameter stands for; 0 for the beginning."""
        return place_of(self.request.param(name))

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
    if text.isascii() and text.isdigit():
        return text
    try:
        plain = base64.urlsafe_b64decode(text.encode()).decode()
    except (binascii.Error, ValueError):
        plain = ""
    if not re.fullmatch(r"c:\d+(\.\d+)?", plain, re.ASCII):
        raise error(400, f"Invalid after value: {text}")
    return plain[2:]


def place_of(text: str) -> int:
    """The number that a cursor stands for; 0 for none."""
    return int(read_cursor(text).partition(".")[0]) if text else 0


# -- pieces of a body --------------------------------------------------------------------------------------


def number(value: Any, name: str, default: int = 0) -> int:
    """A whole number, also written as text; 400 for anything else."""
    if value is None or value == "":
        return default
    if isinstance(value, int | str) and not isinstance(value, bool):
        try:
            return int(value)
        except ValueError:
            pass
    raise error(400, f"Invalid value for {name}: {value!r} is no whole number")


def an_object(value: Any, name: str) -> dict[str, Any]:
    """A JSON object; {} for none, 400 for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_json(f"{name} is an object")
    return value


def objects_in(value: Any, name: str) -> list[dict[str, Any]]:
    """A list of JSON objects; [] for none, 400 for anything else."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise bad_json(f"{name} is a list of objects")
    return value


def texts_in(value: Any, name: str) -> list[str]:
    """A list of texts; [] for none, 400 for anything else."""
    if value is None:
        return []
    if not isinstance(value, list) or any(isinstance(item, dict | list) for item in value):
        raise bad_json(f"{name} is a list of texts")
    return [str(item) for item in value]


def types_in(item: dict[str, Any]) -> set[int]:
    """The association type ids of `types`."""
    return {
        number(spec.get("associationTypeId"), "associationTypeId")
        for spec in objects_in(item.get("types"), "types")
    }


def inputs_of(body: dict[str, Any], most: int) -> list[dict[str, Any]]:
    """`inputs` of a batch body, at most `most` of them."""
    inputs = objects_in(body.get("inputs"), "inputs")
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
