"""HubSpot on loopback.

    half        what the core calls; sign-in, limits and endpoint of a request
    routes      path → endpoint, the limit it counts in, the scope it wants, dated aliases
    portal      the rules that records obey, whoever changes them; links: their associations
    schema      object types and properties; values: what is stored of what is sent
    render      records as JSON; errors: refusals as JSON; calls: what every endpoint asks of a request
    objects, batch, search (filters), associations, catalog, lists    the CRM endpoints
    feeds, forms                                                      what people did
    account, limits                                                   tokens and rate limits

What HubSpot's documentation leaves open is a switch (`Switches.hs_…`).
"""

from connectors.sandbox.hubspot.half import HubSpot

__all__ = ["HubSpot"]
