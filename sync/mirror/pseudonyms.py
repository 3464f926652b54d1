"""Names that tell nobody anything without this mirror's key: pseudonyms of the audit, marks of the erased.

The key is made when it is first needed and never leaves the mirror, its copies and the file of marks beside
it; nothing prints it. A mirror that took over marks of another one has several keys: new names are made
with the first, old ones are recognised with any.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy.engine import Connection

from sync.mirror.runs import get_meta, set_meta

KEYS: Final = "privacy.keys"
SALT_BYTES: Final = 16


def keys(conn: Connection) -> tuple[bytes, ...]:
    """This mirror's keys, the one in use first; empty while none was needed."""
    return tuple(bytes.fromhex(text) for text in json.loads(get_meta(conn, KEYS) or "[]"))


def key(conn: Connection) -> bytes:
    """The key in use, made now if there is none."""
    known = keys(conn)
    if known:
        return known[0]
    made = secrets.token_bytes(32)
    _save(conn, [made])
    return made


def take_over(conn: Connection, others: Iterable[bytes]) -> None:
    """Recognise names made with other keys too; the key in use stays the one in use."""
    known = list(keys(conn))
    new = [one for one in others if one not in known]
    if new:
        _save(conn, [*known, *new])


def _save(conn: Connection, all_keys: Sequence[bytes]) -> None:
    set_meta(conn, KEYS, json.dumps([one.hex() for one in all_keys]))


def new_salt() -> str:
    """A fresh salt: chance that decides nothing, so that equal words hash differently."""
    return secrets.token_hex(SALT_BYTES)


def pseudonym(with_key: bytes, subject: str) -> str:
    """The name of an audit row's subject."""
    return _keyed(with_key, "audit", subject)


def digest(salt: str, words: str) -> str:
    """What an audit row holds of its words."""
    return hashlib.sha256(f"{salt}\x1f{words}".encode()).hexdigest()


def record_mark(with_key: bytes, crm: str, object_name: str, record_id: str) -> str:
    """The mark of a record. Salesforce shows an id with 15 or 18 characters: the first 15 say it all."""
    known = record_id[:15] if crm == "salesforce" else record_id
    return _keyed(with_key, "record", f"{crm}|{object_name}|{known}")


def address_mark(with_key: bytes, email_key: str) -> str:
    """The mark of a normalised address."""
    return _keyed(with_key, "address", email_key)


def _keyed(with_key: bytes, kind: str, text: str) -> str:
    return hmac.digest(with_key, f"{kind}|{text}".encode("utf-8", "surrogatepass"), "sha256").hex()
