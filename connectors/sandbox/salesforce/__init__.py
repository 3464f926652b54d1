"""Salesforce on loopback."""

from connectors.sandbox.salesforce.half import Salesforce

__all__ = ["Salesforce"]
