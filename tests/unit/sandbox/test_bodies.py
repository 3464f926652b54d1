"""Bodies of any shape are answered, never crashed on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox.rest import VERSION, Rest

scalars = st.sampled_from([None, True, False, 0, -1, 1e300, "", "x", "Lead", "00Q5g0000010001EAA", [], {}])
shapes = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["id", "Id", "attributes", "type", "Status", "OwnerId", "LastName", "MQL_Date__c", "x"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)
PATHS = [
    ("POST", "/sobjects/Lead"),
    ("PATCH", "/sobjects/Lead/{lead}"),
    ("PATCH", "/sobjects/Contact/External_Id__c/1"),
    ("POST", "/composite"),
    ("POST", "/composite/batch"),
    ("POST", "/composite/sobjects"),
    ("PATCH", "/composite/sobjects"),
    ("POST", "/composite/sobjects/Lead"),
    ("PATCH", "/composite/sobjects/Contact/External_Id__c"),
]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Rest, str]]:
    with Sandbox() as sandbox:
        rest = Rest(sandbox)
        yield rest, rest.lead()
        assert sandbox.errors == []


def framed(path: str, shape: Any) -> Any:
    """Half of the time the shape sits where the endpoint looks for it."""
    if path == "/composite":
        part = {"method": "PATCH", "url": f"/services/data/{VERSION}/sobjects/Lead/1", "body": shape}
        return {"compositeRequest": shape if isinstance(shape, list) else [part, shape]}
    if path.endswith("batch"):
        return {
            "batchRequests": [
                {"method": "POST", "url": f"{VERSION}/sobjects/Lead", "richInput": shape},
                shape,
            ]
        }
    if path == "/composite/sobjects/Lead":
        return {"ids": shape, "fields": ["Id"]}
    if path.startswith("/composite"):
        return {"allOrNone": True, "records": shape if isinstance(shape, list) else [shape]}
    return {"LastName": shape, "Company": "C", "Status": shape}


@settings(max_examples=300, deadline=None)
@given(where=st.sampled_from(PATHS), shape=shapes, inside=st.booleans())
def test_any_body_is_answered(
    served: tuple[Rest, str], where: tuple[str, str], shape: Any, inside: bool
) -> None:
    rest, lead = served
    method, path = where
    body = framed(path, shape) if inside else shape
    answer = rest.call(method, path.format(lead=lead), json=body)
    assert answer.status_code < 500, (method, path, body, rest.sandbox.errors[-1:])
