"""`model backtest`, `suggest` and `drift` on two simulated CRMs, in words and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.test_on_sandbox import Site, made


@pytest.fixture
def site(tmp_path: Path, database: str) -> Iterator[Site]:
    for site in made(tmp_path, people=40):
        assert site.run("sync", "--dry-run").code == 0
        yield site


def test_the_past_in_words_and_as_json(site: Site) -> None:
    tested = site.json("model", "backtest", "--months", "3", "--horizon", "30d")
    assert {"schema_version", "model", "label", "auc", "lift", "precision", "months", "leaks"} <= set(tested)
    assert (tested["label"], tested["horizon_seconds"], tested["few"]) == ("won", 30 * 86_400, True)
    assert set(tested["lift"]) == {"10", "20"}
    ran = site.run("model", "backtest", "--label", "opportunity")
    assert ran.code == 0
    assert "AUC" in ran.out
    assert "MQL to won" in ran.out
    assert "below 40" in ran.err
    suggested = site.json("model", "suggest")
    assert {"schema_version", "people", "won", "few", "rules", "leaks"} <= set(suggested)
    assert "looks at people" in site.run("model", "suggest", "b2b-default@1").out
    drifted = site.json("model", "drift")
    assert [axis["axis"] for axis in drifted["axes"]] == ["fit", "engagement"]
    assert len(drifted["weeks"]) == 4
    assert "stability index" in site.run("model", "drift", "--since", "2026-01-01").out


def test_what_makes_no_sense(site: Site) -> None:
    for given in (
        ("backtest", "--label", "wan"),
        ("backtest", "--horizon", "soon"),
        ("suggest", "--horizon", "60s"),
        ("drift", "--since", "2099-01-01"),
    ):
        assert site.run("model", *given).code == 2, given
    assert site.run("model", "drift", "b2b-defualt").code == 7
