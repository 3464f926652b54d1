"""Each of the failures that other write-backs are known for (W1 to W25) has a test with its number."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
KNOWN = 25


def test_every_known_failure_of_writing_has_a_test() -> None:
    named: set[int] = set()
    for path in TESTS.rglob("*.py"):
        for numbers in re.findall(r"def test_((?:w\d+_)+)", path.read_text(encoding="utf-8")):
            named |= {int(number) for number in re.findall(r"w(\d+)_", numbers)}
    assert sorted(set(range(1, KNOWN + 1)) - named) == []
