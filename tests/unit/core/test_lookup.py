"""What somebody may type to mean a person."""

from __future__ import annotations

import pytest

from connectors.records import RecordRef
from sync.core.lookup import Wanted, wanted

LEAD = RecordRef("salesforce", "Lead", "00Q5f00000AbCdEFGH")
SHORT = RecordRef("salesforce", "Contact", "0035f00000AbCdE")
HUB = RecordRef("hubspot", "contacts", "10251")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (" Ann@Example.com ", Wanted(email_key="ann@example.com")),
        ("p_ca5434jniicyuroj", Wanted(person_id="p_ca5434jniicyuroj")),
        (LEAD.id, Wanted(record=LEAD)),
        (SHORT.id, Wanted(record=SHORT)),
        ("10251", Wanted(record=HUB)),
        (f"https://acme.lightning.force.com/lightning/r/Lead/{LEAD.id}/view", Wanted(record=LEAD)),
        (f"https://acme.my.salesforce.com/{SHORT.id}?x=1", Wanted(record=SHORT)),
        ("https://app.hubspot.com/contacts/6239999/contact/10251", Wanted(record=HUB)),
        ("https://app-eu1.hubspot.com/contacts/6239999/record/0-1/10251/?q=1", Wanted(record=HUB)),
        ("https://app.hubspot.com/contacts/6239999/record/0-2/10251", Wanted()),
        ("https://[broken", Wanted()),
        ("006000000000001AAA", Wanted()),
        ("Ann Lee", Wanted()),
        ("", Wanted()),
    ],
)
def test_wanted(typed: str, meant: Wanted) -> None:
    assert wanted(typed) == meant
