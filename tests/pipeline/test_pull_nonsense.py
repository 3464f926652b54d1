"""A few seeds of `tests.pipeline.nonsense`; `make fuzz-pull` tries more."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.sandbox.sandbox import Sandbox
from sync.mirror.engine import Mirror
from tests.databases import mirror_url
from tests.pipeline.nonsense import CRMS, pipeline, populate, survives
from tests.world import SimulatedWorld

SEEDS = {"salesforce": (7, 56), "hubspot": (8, 16)}


@pytest.mark.sqlite("what is tested is how replies are read")
@pytest.mark.parametrize(("crm", "seed"), [(crm, seed) for crm in CRMS for seed in SEEDS[crm]])
def test_no_nonsense_ends_a_pull_or_stays(
    sandbox: Sandbox, world: SimulatedWorld, tmp_path: Path, crm: str, seed: int
) -> None:
    populate(sandbox)
    made = []
    for name in ("here", "other"):
        folder = tmp_path / name
        folder.mkdir()
        made.append(pipeline(crm, sandbox, world, Mirror(mirror_url(folder), world)))
    survives(crm, seed, sandbox, world, *made)
    for one in made:
        one.connectors[crm].close()
        one.mirror.close()
