"""The access token: given, or got for a refresh token. One refresh at a time, however many ask."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from config.settings import HubSpotSettings
from config.world import World
from connectors.errors import AuthFailed, BrokenReply
from connectors.fields import from_json
from connectors.hubspot.replies import CRM, Reply, code_of, failure, problem

EARLY = 60.0  # seconds before its end at which a token is renewed


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float | None = None
    refresh_token: str | None = None


class Tokens:
    """Hands out the token to send. `exchange(client_id, client_secret, refresh_token)` asks HubSpot."""

    def __init__(
        self, settings: HubSpotSettings, world: World, exchange: Callable[[str, str, str], Reply]
    ) -> None:
        self._world = world
        self._exchange = exchange
        self._lock = threading.Lock()
        self._client_id = settings.client_id or ""
        self._client_secret = settings.client_secret
        self._refresh_token = settings.refresh_token.get_secret_value() if settings.refresh_token else ""
        self._token = settings.access_token.get_secret_value() if settings.access_token else ""
        self._ends: float | None = None  # monotonic seconds; None: unknown, used until refused

    def __repr__(self) -> str:
        return "Tokens(…)"

    @property
    def renewable(self) -> bool:
        """Whether a refused token can be replaced."""
        return bool(self._refresh_token)

    def current(self) -> str:
        """A token that is good as far as we know. Raises AuthFailed, Retriable."""
        with self._lock:
            over = self._ends is not None and self._world.monotonic() >= self._ends - EARLY
            if not self._token or (over and self.renewable):
                self._renew()
            return self._token

    def replace(self, refused: str) -> bool:
        """A token was refused: is there another one now? Only the first of many asks for it."""
        with self._lock:
            if self._token != refused:
                return True
            if not self.renewable:
                return False
            self._renew()
            return True

    def _renew(self) -> None:
        if not self.renewable:
            raise AuthFailed("no HubSpot token is configured", crm=CRM, code="NO_TOKEN")
        secret = self._client_secret.get_secret_value() if self._client_secret else ""
        reply = self._exchange(self._client_id, secret, self._refresh_token)
        if reply.status in (400, 401, 403):
            code = code_of(problem(reply)) or str(reply.status)
            raise AuthFailed(
                "HubSpot did not accept the refresh token", crm=CRM, code=code, status=reply.status
            )
        if not reply.ok:
            raise failure(reply, "the token exchange", self._world.now(), None)
        try:
            granted = from_json(reply.body, _Granted)
        except ValueError:
            raise BrokenReply("the token exchange gave no token", crm=CRM, code="broken_reply") from None
        self._token = granted.access_token
        lasts = granted.expires_in
        self._ends = None if lasts is None else self._world.monotonic() + lasts
        self._refresh_token = granted.refresh_token or self._refresh_token
