"""Bearer tokens of either CRM: issued, sliding or fixed expiry, refused after `expire_all`."""

from __future__ import annotations

import secrets
from collections.abc import Callable


class Tokens:
    """The tokens one CRM has given out. `lifetime` is a callable so that a switch may change it."""

    def __init__(
        self,
        clock: Callable[[], float],
        lifetime: Callable[[], float],
        *,
        prefix: str = "",
        sliding: bool = False,
    ) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._prefix = prefix
        self._sliding = sliding
        self._expires: dict[str, float] = {}
        self._owner: dict[str, str] = {}

    def issue(self, owner: str = "", *, forever: bool = False) -> str:
        """A new token for `owner` (a user or app id). `forever`: only `expire_all` or `revoke` ends it."""
        token = self._prefix + secrets.token_urlsafe(32)
        self._expires[token] = float("inf") if forever else self._clock() + self._lifetime()
        self._owner[token] = owner
        return token

    def owner(self, token: str) -> str | None:
        """Whose token it is; None when unknown or expired. Using a sliding token lengthens its life."""
        now = self._clock()
        expires = self._expires.get(token)
        if expires is None or expires <= now:
            return None
        if self._sliding and expires != float("inf"):
            self._expires[token] = now + self._lifetime()
        return self._owner[token]

    def known(self, token: str) -> bool:
        """Whether the token was ever issued, dead or alive."""
        return token in self._expires

    def revoke(self, token: str) -> None:
        if token in self._expires:
            self._expires[token] = 0.0

    def expire_all(self) -> None:
        """Everything issued so far is dead."""
        for token in self._expires:
            self._expires[token] = 0.0
