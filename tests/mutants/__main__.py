"""`python -m tests.mutants` (`make mutants`): make each mistake in a copy; a test must find it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.mutants.mutations import MUTATIONS
from tests.mutants.run import Fate, Lab


def say(text: str) -> None:
    """A line of the table."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """A table; 1 when a mistake was not found or can no longer be made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="mistakes with this in their name")
    options = parser.parse_args()
    chosen = [mutation for mutation in MUTATIONS if options.only in mutation.name]
    failed = 0
    with Lab(Path(__file__).resolve().parents[2]) as lab:
        unharmed = lab.look_at_unharmed([path for mutation in chosen for path in mutation.tests])
        for name in unharmed:
            say(f"fails without any mistake, and is left out: {name}")
        say(f"{'mistake':<50} found by\n{'-' * 50} {'-' * 50}")
        for mutation in chosen:
            found = lab.try_out(mutation)
            failed += found.fate is not Fate.KILLED
            say(f"{mutation.name:<50} {found.told}")
    say(f"{len(chosen) - failed} of {len(chosen)} found")
    return 1 if failed or unharmed else 0


if __name__ == "__main__":
    sys.exit(main())
