"""`python -m connectors.sandbox --json`: both CRMs as a process of their own, until stdin closes.

Prints ONE line of JSON: {"salesforce_url", "hubspot_url", "control_url", "control_token", "credentials"}.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from connectors.sandbox.sandbox import Sandbox


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m connectors.sandbox", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the one line as JSON (else as text)")
    parser.add_argument("--seed", type=int, default=7, help="of the population; same seed, same people")
    parser.add_argument("--people", type=int, default=0, help="how many to make; 0 leaves both CRMs empty")
    parser.add_argument("--days", type=int, default=365, help="of behaviour that end now")
    parser.add_argument("--future", type=int, default=0, help="days of behaviour released as time goes by")
    parser.add_argument("--offset", type=float, default=0.0, help="seconds added to the system's clock")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    with Sandbox(offset=arguments.offset, latency=arguments.latency) as sandbox:
        if arguments.people:
            sandbox.populate(arguments.seed, arguments.people, arguments.days, arguments.future)
        told = {
            "salesforce_url": sandbox.salesforce_url,
            "hubspot_url": sandbox.hubspot_url,
            "control_url": sandbox.control_url,
            "control_token": sandbox.control_token,
            "credentials": sandbox.credentials,
        }
        lines = [json.dumps(told)] if arguments.json else [f"{name}: {value}" for name, value in told.items()]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        while sys.stdin.buffer.read(65536):
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
