"""The contract on HubSpot, over HTTP on the sandbox, through hubspot-api-client."""

from __future__ import annotations

from pydantic import SecretStr

from config.settings import HubSpotSettings
from connectors.base import Connector
from connectors.hubspot.connector import HubSpotConnector
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.throttle import UnlimitedBudget
from tests.contract.on_sandbox import SandboxSubject
from tests.contract.subjects import Subject
from tests.contract.suite import ConnectorContract


class HubSpotSubject(SandboxSubject):
    crm = "hubspot"
    people = "contacts"
    status_field = "hs_lead_status"
    owner_field = "hubspot_owner_id"
    status_values = ("NEW", "OPEN", "IN_PROGRESS")
    merge_keeps_survivor = False
    names = {  # noqa: RUF012
        "email": "email",
        "first_name": "firstname",
        "last_name": "lastname",
        "job_title": "jobtitle",
        "status": "hs_lead_status",
    }
    data_path = "/crm/(v3|objects)"
    write_method = "POST"
    write_path = "/contacts/batch/update|/objects/(.*/)?tasks$"
    quota = {  # noqa: RUF012
        "kind": "status",
        "status": 429,
        "body": {
            "status": "error",
            "message": "You have reached your daily limit.",
            "errorType": "RATE_LIMIT",
            "policyName": "DAILY",
        },
    }

    def __init__(self, api_version: str) -> None:
        self.api_version = api_version
        super().__init__()

    def prepare(self) -> None:
        owners = self.sandbox.hubspot.owners  # type: ignore[attr-defined]
        for number, active in enumerate((True, False)):
            owners.add(f"rep{number}@example.com", "Rep", str(number), active=active)

    def connector(self) -> Connector:
        return self.build(self.sandbox.credentials["hubspot"]["refresh_token"])

    def forget_credentials(self) -> Connector:
        return self.build("wrong-secret")

    def build(self, secret: str) -> HubSpotConnector:
        credentials = self.sandbox.credentials["hubspot"]
        settings = HubSpotSettings(
            base_url=self.sandbox.hubspot_url,
            client_id=credentials["client_id"],
            client_secret=SecretStr(credentials["client_secret"]),
            refresh_token=SecretStr(secret),
            api_version=self.api_version,
        )
        options = PullOptions(engagement=EngagementMapper())
        return HubSpotConnector(settings, options, self.world, UnlimitedBudget())


class TestHubSpot(ConnectorContract):
    def make(self) -> Subject:
        return HubSpotSubject("v3")


class TestHubSpotByDatedPaths(ConnectorContract):
    def make(self) -> Subject:
        return HubSpotSubject("2026-03")
