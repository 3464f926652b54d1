"""`python -m tests.clients`: jsforce and @hubspot/api-client, run against the sandbox as a process.

Needs Node.js with npm. The packages, pinned in package-lock.json, are installed below build/ by npm's own
configuration; their install scripts are not run. Ends with 1 when a client met something that it did not
expect, with 2 when Node.js is missing or the packages cannot be installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
PROJECT: Final = HERE.parent.parent
BUILD: Final = PROJECT / "build" / "clients"
NEEDED: Final = ("node", "npm")
LOCK: Final = "package-lock.json"
PATIENCE: Final = 300  # seconds for one client


def installed() -> bool:
    """Whether the clients and their packages lie below build/, as the lock says."""
    BUILD.mkdir(parents=True, exist_ok=True)
    done = BUILD / "installed.json"
    current = done.exists() and done.read_bytes() == (HERE / LOCK).read_bytes()
    for source in [*HERE.glob("*.mjs"), *HERE.glob("*.json")]:
        shutil.copy(source, BUILD)
    if not current:
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        if subprocess.run(command, cwd=BUILD, check=False).returncode != 0:
            return False
        shutil.copy(HERE / LOCK, done)
    return True


def run() -> int:
    """Both clients against one sandbox; how many failed."""
    command = [sys.executable, "-m", "connectors.sandbox", "--json", "--people", "30", "--days", "30"]
    failed = 0
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sandbox:
        assert sandbox.stdout is not None
        assert sandbox.stdin is not None
        environ = {**os.environ, "SANDBOX": sandbox.stdout.readline().decode()}
        try:
            for client in sorted(BUILD.glob("*.mjs")):
                done = subprocess.run(
                    ["node", client.name], cwd=BUILD, env=environ, timeout=PATIENCE, check=False
                )
                failed += done.returncode != 0
        finally:
            sandbox.stdin.close()
    return failed


def main() -> int:
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        sys.stderr.write(f"test-clients needs Node.js 20 or newer: {' and '.join(missing)} not found\n")
        return 2
    if not installed():
        sys.stderr.write("test-clients: npm could not install the pinned packages (see above)\n")
        return 2
    failed = run()
    sys.stdout.write("all clients are satisfied\n" if not failed else f"{failed} client(s) failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
