"""The contract on Salesforce, over HTTP on the sandbox, through simple-salesforce."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from config.settings import SalesforceSettings
from connectors.base import Connector
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.salesforce import bulk, soql
from connectors.salesforce.bulk import BULK_ABOVE
from connectors.salesforce.connector import SalesforceConnector
from connectors.throttle import UnlimitedBudget
from tests.contract.on_sandbox import SandboxSubject
from tests.contract.subjects import Subject
from tests.contract.suite import ConnectorContract


class SalesforceSubject(SandboxSubject):
    bulk_above = BULK_ABOVE
    crm = "salesforce"
    people = "Lead"
    status_field = "Status"
    owner_field = "OwnerId"
    status_values = ("Open - Not Contacted", "MQL", "Working - Contacted")
    merge_keeps_survivor = True
    names = {  # noqa: RUF012
        "email": "Email",
        "first_name": "FirstName",
        "last_name": "LastName",
        "job_title": "Title",
        "status": "Status",
    }
    data_path = "/(query|queryAll|sobjects|composite)"
    write_method = "PATCH|POST"
    write_path = "/(sobjects/Lead/|sobjects/Task$|composite)"
    quota = {  # noqa: RUF012
        "kind": "status",
        "status": 403,
        "body": [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}],
    }

    def prepare(self) -> None:
        for number, active in enumerate((True, False)):
            user = {
                "Username": f"rep{number}@example.com",
                "Email": f"rep{number}@example.com",
                "LastName": f"Rep {number}",
                "IsActive": active,
            }
            self.sandbox.create("salesforce", "User", user, author="seed")

    def create(self, **canonical: str | None) -> Any:
        return super().create(**{"last_name": "Somebody", **canonical})

    def native(self, canonical: Any) -> dict[str, str | None]:
        values = super().native(canonical)
        return {"Company": "Acme", **values} if "Email" in values else values

    def connector(self) -> Connector:
        return self.build(self.sandbox.credentials["salesforce"]["client_secret"])

    def forget_credentials(self) -> Connector:
        return self.build("wrong-secret")

    def build(self, secret: str) -> SalesforceConnector:
        settings = SalesforceSettings(
            login_url=self.sandbox.salesforce_url,
            client_id=self.sandbox.credentials["salesforce"]["client_id"],
            client_secret=SecretStr(secret),
        )
        options = PullOptions(engagement=EngagementMapper())
        budget = UnlimitedBudget()
        return SalesforceConnector(settings, options, self.world, budget, bulk_above=self.bulk_above)


class TestSalesforce(ConnectorContract):
    def make(self) -> Subject:
        return SalesforceSubject()


class BulkSubject(SalesforceSubject):
    bulk_above = 0
    data_path = "/(query|queryAll|sobjects|composite|jobs)"


class TestSalesforceByBulk(ConnectorContract):
    """First passes go by a Bulk job as soon as an object does not fit on one page."""

    @pytest.fixture(autouse=True)
    def small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(soql, "PAGE_ROWS", 30)
        monkeypatch.setattr(bulk, "RESULT_ROWS", 150)
        monkeypatch.setattr(bulk, "BATCH_ROWS", 60)

    def make(self) -> Subject:
        return BulkSubject()
