"""Other layouts of the largest table on PostgreSQL, to see whether one is worth its price."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PARTS: Final = 8
_BY_HASH: Final = [
    "ALTER TABLE engagement RENAME TO plain",
    "CREATE TABLE engagement (LIKE plain INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY HASH ({by})",
    *(
        f"CREATE TABLE engagement_{n} PARTITION OF engagement "
        f"FOR VALUES WITH (MODULUS {PARTS}, REMAINDER {n})"
        for n in range(PARTS)
    ),
    "INSERT INTO engagement SELECT * FROM plain",
    "DROP TABLE plain",
    "ALTER TABLE engagement ADD PRIMARY KEY (crm, source, id{more})",
    "CREATE INDEX engagement_of_person ON engagement (person_id, kind, occurred_at)",
    "CREATE INDEX engagement_by_record ON engagement (crm, person_object, person_record_id)",
    "CREATE INDEX engagement_by_email ON engagement (email_key)",
    "CREATE INDEX ix_engagement_changed ON engagement (changed)",
]
LAYOUTS: Final[Mapping[str, list[str]]] = {
    "as it is": [],
    "without the index by person": ["DROP INDEX engagement_of_person"],
    "the index by person holds all that scoring reads": [
        "CREATE INDEX engagement_whole ON engagement (person_id, kind, occurred_at) "
        "INCLUDE (crm, asset_key, is_bot, deleted, first_seen)",
    ],
    f"{PARTS} partitions by hash of the id": [one.format(by="id", more="") for one in _BY_HASH],
    f"{PARTS} partitions by hash of the person": [
        "UPDATE engagement SET person_id = '' WHERE person_id IS NULL",  # a key holds no NULL
        *(one.format(by="person_id", more=", person_id") for one in _BY_HASH),
    ],
}
"""What is done to a mirror before it is measured. The last one only shows what it would give: with the person
in the key one record could be stored twice, and matching moves rows from partition to partition."""
