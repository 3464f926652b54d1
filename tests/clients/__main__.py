"""Lets jsforce and @hubspot/api-client work on a sandbox, as `make test-clients` does. Needs Node.js and npm.

The two are installed into `build/clients`, which `make clean` removes, at the versions of package-lock.json
beside this file, and without running what packages would like to run at installation.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from connectors.sandbox.sandbox import Sandbox

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent.parent / "build" / "clients"
SCRIPTS = ("salesforce.mjs", "hubspot.mjs")
FILES = ("package.json", "package-lock.json", "said.mjs", *SCRIPTS)
PATIENCE = 300  # seconds for one script
MORE_CONTACTS = 2_500
"""Contacts beside the population, so that a query has more than a page of them."""


def main() -> int:
    """Install the clients, run each script; 0 when all of them were content."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        sys.stderr.write("Node.js with npm is needed for this, and is not installed\n")
        return 2
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(HERE / name, BUILD / name)
    install = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(install, cwd=BUILD, check=True, stdout=subprocess.DEVNULL)
    return max(run(node, script) for script in SCRIPTS)


def run(node: str, script: str) -> int:
    """One script against a sandbox of its own; 1 when it or the sandbox failed."""
    sys.stdout.write(f"{script}\n")
    sys.stdout.flush()
    with Sandbox() as sandbox:
        sandbox.populate(seed=7, people=400, days=30)
        for number in range(MORE_CONTACTS):
            sandbox.create("salesforce", "Contact", {"LastName": f"Extra {number}"}, author="seed")
        told = {
            "salesforce_url": sandbox.salesforce_url,
            "hubspot_url": sandbox.hubspot_url,
            "credentials": sandbox.credentials,
        }
        environ = {**os.environ, "SANDBOX": json.dumps(told)}
        done = subprocess.run([node, script], cwd=BUILD, env=environ, timeout=PATIENCE, check=False)
        sys.stderr.writelines(f"{problem}\n" for problem in sandbox.errors)
        return 1 if done.returncode or sandbox.errors else 0


if __name__ == "__main__":
    raise SystemExit(main())
