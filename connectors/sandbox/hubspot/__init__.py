"""HubSpot on loopback."""

from connectors.sandbox.hubspot.half import HubSpot

__all__ = ["HubSpot"]
