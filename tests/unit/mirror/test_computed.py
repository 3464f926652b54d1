"""Columns that rules compute are computed anew when the rules change."""

from __future__ import annotations

import pytest

from sync.mirror import computed
from sync.mirror.engine import Mirror
from tests.unit.mirror.rows import engagement, person, save, select


def test_newer_rules_compute_the_columns_anew(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    save(
        mirror,
        person("contacts", "1", "a@gmail.com", job_title="CTO"),
        person("contacts", "2", job_title="Cook"),
        person("contacts", "3"),
        engagement("e", asset="https://x.com/A"),
    )
    monkeypatch.setattr(computed, "TITLES", 99)
    monkeypatch.setattr(computed, "ASSETS", 99)
    monkeypatch.setattr(computed, "seniority", {"CTO": 1, "Cook": None, None: None}.get)
    with mirror.write() as conn:
        conn.exec_driver_sql("UPDATE person_record SET seniority = NULL WHERE id = '2'")
        computed.recompute(conn, round_=5)
    assert select(mirror, "SELECT id, seniority, rules_version, changed FROM person_record ORDER BY id") == [
        ("1", 1, 99, 5),
        ("2", None, 99, 1),
        ("3", None, 99, 1),
    ]
    assert select(mirror, "SELECT asset_key, rules_version, changed FROM engagement") == [("x.com/a", 99, 1)]


def test_additional_addresses_as_keys() -> None:
    assert computed.additional_keys('["B@x.com","a@x.com","c@x.com"]', "a@x.com") == '["b@x.com", "c@x.com"]'
    assert computed.additional_keys("[]", None) is None
    assert computed.additional_keys('["no address", null, 7]', None) is None
