"""Which values of the settings are secret, for redaction."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr

from config.settings import Settings

SHORTEST: Final = 4  # characters; what is shorter is no secret and stands in every other word


def secret_values(settings: Settings) -> frozenset[str]:
    """Every secret that these settings hold, and the password of the database."""
    found = {*_secrets(settings), *url_passwords(settings.database_url)}
    return frozenset(value for value in found if len(value) >= SHORTEST)


def url_passwords(url: str) -> frozenset[str]:
    """The password in the URL of a database, as it stands there and as it is meant."""
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    return frozenset({password, unquote(password)} if password else ())


def _secrets(model: BaseModel) -> list[str]:
    found = []
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, SecretStr):
            found.append(value.get_secret_value())
        elif isinstance(value, BaseModel):
            found += _secrets(value)
    return found
