"""Every known mistake can still be made, and a few of them are made and found; `make mutants` makes all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.mutations import MUTATIONS, Change, Mutation
from tests.mutants.run import Fate, Lab, stale

ROOT = Path(__file__).resolve().parents[2]

QUICK = {
    "no reading back": "tests/unit/core/test_writes_readback.py",
    "addresses by case": "tests/unit/core/test_identity.py",
}
"""Mistakes whose tests take no time."""


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_each_mistake_can_be_made(mutation: Mutation) -> None:
    assert stale(ROOT, mutation) == ""
    for name in mutation.tests:
        assert (ROOT / name.partition("::")[0]).is_file()


def test_mistakes_are_found_and_a_harmless_change_is_not() -> None:
    by_name = {mutation.name: mutation for mutation in MUTATIONS}
    with Lab(ROOT) as lab:
        for name, test in QUICK.items():
            mistake = by_name[name]
            found = lab.try_out(Mutation(name, mistake.changes, (test,)))
            assert found.fate is Fate.KILLED, found
            assert found.told.startswith(test)
        comment = Change("sync/core/identity.py", "def is_ambiguous(", "# harmless\ndef is_ambiguous(")
        harmless = Mutation("harmless", (comment,), ("tests/unit/core/test_identity.py",))
        assert lab.try_out(harmless).fate is Fate.SURVIVED
        gone = Change("sync/core/identity.py", "nothing like this", "")
        assert lab.try_out(Mutation("gone", (gone,), harmless.tests)).fate is Fate.STALE
