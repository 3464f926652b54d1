"""Who is asking and how much they may: tokens, OAuth, account details, API usage."""

from __future__ import annotations

import secrets
from typing import Any

from connectors.sandbox.core import Core, Request, Response
from connectors.sandbox.hubspot.errors import bad_json, error, unauthorised
from connectors.sandbox.hubspot.limits import Limits
from connectors.sandbox.hubspot.portal import APP_ID, PORTAL_ID
from connectors.sandbox.hubspot.values import iso
from connectors.sandbox.tokens import Tokens

SCOPES = (
    "crm.objects.contacts.read", "crm.objects.contacts.write", "crm.objects.companies.read",
    "crm.objects.deals.read", "crm.objects.leads.read", "crm.objects.owners.read",
    "crm.schemas.contacts.read", "crm.schemas.companies.read", "crm.lists.read", "forms",
    "content", "sales-email-read", "business-intelligence", "oauth",
)  # fmt: skip


class Account:
    """The portal's tokens: one private-app token that does not expire, and OAuth tokens that do."""

    def __init__(self, core: Core, limits: Limits) -> None:
        self._core = core
        self._limits = limits
        self._tokens = Tokens(core.clock, lambda: core.switches.hs_token_lifetime, prefix="pat-na1-")
        self._client = {"client_id": secrets.token_hex(12), "client_secret": secrets.token_hex(24)}
        self._refresh = f"na1-{secrets.token_hex(12)}"
        self.credentials = {
            "access_token": self._tokens.issue(APP_ID, forever=True),
            "refresh_token": self._refresh,
            **self._client,
        }

    def expire_tokens(self) -> None:
        """Every access token issued so far is dead, the private app's own, too."""
        self._tokens.expire_all()

    def new_access_token(self) -> str:
        """A fresh private-app token, as an admin would rotate it."""
        token = self._tokens.issue(APP_ID, forever=True)
        self.credentials["access_token"] = token
        return token

    def app_of(self, request: Request) -> str:
        """The app whose token the request carries; raises 401."""
        token = request.bearer
        app = self._tokens.owner(token)
        if app is None:
            raise unauthorised(self._tokens.known(token))
        return app

    # -- OAuth (docs: OAuth quickstart; OpenAPI: OAuth v1, 2026-03) ---------------------------------------

    def oauth(self, request: Request, what: str) -> Response:
        """POST /oauth/{v1, v3, 2026-03}/token, and /introspect and /revoke below it: forms in the body."""
        form = request.form()
        if any(form.get(name) != value for name, value in self._client.items()):
            raise error(400, "missing or unknown client id or secret", "BAD_CLIENT_ID")
        if what == "/introspect":
            return self._introspect(form.get("token", ""))
        if what == "/revoke":
            return Response(200)
        return self._grant(form)

    def _introspect(self, token: str) -> Response:
        if token == self._refresh:
            shown = {**self._who(token), "token_use": "refresh_token", "active": True}
            return Response.json({**shown, "client_id": self._client["client_id"]})
        app = self._tokens.owner(token)
        if app is None:
            return Response.json({"active": False})
        lifetime = round(self._core.switches.hs_token_lifetime)
        shown = {**self._who(token), "token_use": "access_token", "active": True, "app_id": int(app)}
        return Response.json({**shown, "expires_in": lifetime, "client_id": self._client["client_id"]})

    def _grant(self, form: dict[str, str]) -> Response:
        """refresh_token or authorization_code."""
        grant = form.get("grant_type")
        if grant == "refresh_token" and form.get("refresh_token") != self._refresh:
            raise error(400, "missing or unknown refresh token", "BAD_REFRESH_TOKEN")
        if grant not in ("refresh_token", "authorization_code"):
            raise error(400, f"unknown grant type {grant}", "BAD_GRANT_TYPE")
        answer = {
            "token_type": "bearer",
            "refresh_token": self._refresh,
            "access_token": self._tokens.issue(APP_ID),
            "expires_in": round(self._core.switches.hs_token_lifetime),
        }
        return Response.json(answer)

    def token_info(self, token: str) -> Response:
        """GET /oauth/v1/access-tokens/{token}."""
        app = self._tokens.owner(token)
        if app is None:
            raise error(404, "unknown or expired access token", "INVALID_TOKEN")
        return Response.json({**self._who(token), "app_id": int(app), "expires_in": 1800})

    def refresh_info(self, token: str) -> Response:
        """GET /oauth/v1/refresh-tokens/{token}."""
        if token != self._refresh:
            raise error(404, "unknown refresh token", "INVALID_TOKEN")
        return Response.json({**self._who(token), "client_id": self._client["client_id"]})

    @staticmethod
    def _who(token: str) -> dict[str, Any]:
        return {
            "token": token,
            "token_type": "access",
            "user": "admin@lumenstack.com",
            "hub_domain": "lumenstack.com",
            "hub_id": PORTAL_ID,
            "user_id": 48201,
            "scopes": list(SCOPES),
        }

    def private_app_info(self, request: Request) -> Response:
        """POST /oauth/v2/private-apps/get/access-token-info {tokenKey}."""
        try:
            key = str((request.json() or {}).get("tokenKey", ""))
        except (ValueError, AttributeError):
            raise bad_json("an object with tokenKey is expected") from None
        app = self._tokens.owner(key)
        if app is None:
            raise unauthorised(self._tokens.known(key))
        missing = self._core.switches.hs_missing_scopes
        scopes = [scope for scope in SCOPES if scope not in missing]
        return Response.json({"userId": 48201, "hubId": PORTAL_ID, "appId": int(app), "scopes": scopes})

    # -- account info (OpenAPI: Account Info v3) -------------------------------------------------------------

    def details(self) -> Response:
        """GET /account-info/v3/details."""
        offset = self._core.switches.hs_utc_offset
        sign, hours, minutes = (
            "-" if offset < 0 else "+",
            int(abs(offset) // 3600),
            int(abs(offset) % 3600 // 60),
        )
        answer = {
            "portalId": PORTAL_ID,
            "accountType": "STANDARD",
            "timeZone": "US/Eastern",
            "companyCurrency": "USD",
            "additionalCurrencies": [],
            "utcOffset": f"{sign}{hours:02d}:{minutes:02d}",
            "utcOffsetMilliseconds": round(offset * 1000),
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        }
        return Response.json(answer)

    def usage(self) -> Response:
        """GET /account-info/v3/api-usage/daily/private-apps."""
        now = self._core.clock()
        answer = {
            "name": "private-apps-api-calls-daily",
            "usageLimit": self._core.switches.hs_daily_limit,
            "currentUsage": self._limits.used_today,
            "collectedAt": iso(now),
            "fetchStatus": "SUCCESS",
            "resetsAt": iso(self._limits.resets_at()),
        }
        return Response.json({"results": [answer]})
