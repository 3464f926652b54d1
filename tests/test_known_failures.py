"""Each of the failures that others are known for, in pulling (P1 to P25) and writing back (W1 to W25), has a
test with its number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
KNOWN = 25


@pytest.mark.parametrize("letter", ["p", "w"])
def test_every_known_failure_has_a_test(letter: str) -> None:
    named: set[int] = set()
    for path in TESTS.rglob("*.py"):
        for numbers in re.findall(r"def test_((?:[pw]\d+_)+)", path.read_text(encoding="utf-8")):
            named |= {int(number) for number in re.findall(rf"{letter}(\d+)_", numbers)}
    assert sorted(set(range(1, KNOWN + 1)) - named) == []
