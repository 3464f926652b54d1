"""Makes `.venv` with the locked dependencies and the `mqlsync` command in it. Standard library only.

    python3 .ci/bootstrap.py [--dev]      --dev: what the tests need besides

Safe to run again: when the lock, the project file and the interpreter are those of the last run, it does
nothing. Every package is checked against its hash in `requirements.lock` (with --dev in
`requirements-dev.lock`); nothing is installed outside the folder, except that a Debian without
python3-venv, run as root, gets that package.
"""

from __future__ import annotations

import configparser
import hashlib
import html
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETUP_LOCK = ROOT / ".ci" / "setup.lock"
LOCKS = {False: ROOT / "requirements.lock", True: ROOT / "requirements-dev.lock"}
VENV = ROOT / ".venv"
OLDEST = (3, 11)


def main() -> int:
    if sys.version_info < OLDEST:
        print(f"mqlsync needs Python 3.11 or newer; this is {sys.version.split()[0]}.", file=sys.stderr)
        print("Name another one: make setup PYTHON=python3.12", file=sys.stderr)
        return 2
    dev = "--dev" in sys.argv[1:]
    if any(is_made(lock) for lock in {LOCKS[dev], LOCKS[True]}):
        return 0
    print(f"Setting up {VENV} (locked dependencies, nothing global) ...", flush=True)
    install(VENV, make_venv(VENV), LOCKS[dev])
    (VENV / ".mqlsync-setup").write_text(fingerprint(LOCKS[dev]))
    return 0


def is_made(lock: Path) -> bool:
    """Whether the last set-up was made from this very lock, project file and interpreter."""
    stamp = VENV / ".mqlsync-setup"
    made = (VENV / "bin" / "mqlsync").exists() and stamp.exists()
    return made and stamp.read_text() == fingerprint(lock)


def fingerprint(lock: Path) -> str:
    """What the set-up was made from."""
    parts = [path.read_bytes() for path in (lock, SETUP_LOCK, ROOT / "pyproject.toml", Path(__file__))]
    return hashlib.sha256(b"\0".join([*parts, sys.version.encode(), str(ROOT).encode()])).hexdigest()


def make_venv(venv: Path) -> Path:
    """The interpreter of a venv that has pip, by the first road that works on this machine."""
    python = venv / "bin" / "python"
    if python.exists() and works([python, "-m", "pip", "--version"]):
        return python
    shutil.rmtree(venv, ignore_errors=True)
    if not hidden("ensurepip") and works([sys.executable, "-m", "venv", venv]):
        return python
    shutil.rmtree(venv, ignore_errors=True)
    if not works([sys.executable, "-m", "venv", "--without-pip", venv]):
        debian_packages()
        run([sys.executable, "-m", "venv", venv])
        return python
    if pip_from_host(python) or pip_from_index(python):
        return python
    debian_packages()
    run([sys.executable, "-m", "venv", "--clear", venv])
    return python


def hidden(module: str) -> bool:
    """A test of the other roads hides a module by naming it here."""
    return module in os.environ.get("MQLSYNC_SETUP_WITHOUT", "").split(",")


def pip_from_host(python: Path) -> bool:
    """Let the pip of the machine, if it has one, put the locked pip into the venv."""
    if hidden("pip") or not works([sys.executable, "-m", "pip", "--version"]):
        return False
    command = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--require-hashes"]
    return works([*command, "-r", SETUP_LOCK])


def pip_from_index(python: Path) -> bool:
    """Fetch the locked pip wheel from the index that pip's own configuration names, and run it."""
    index = os.environ.get("PIP_INDEX_URL") or configured_index()
    if not index:
        return False
    text = SETUP_LOCK.read_text()
    entry = re.search(r"^pip==(\S+)((?:\s*\\\s*--hash=sha256:\S+)+)", text, re.MULTILINE)
    if entry is None:
        raise SystemExit(f"{SETUP_LOCK} names no pip")
    hashes = set(re.findall(r"sha256:(\w+)", entry[2]))
    page_url = index.rstrip("/") + "/pip/"
    page = fetch(page_url).decode()
    for link in re.findall(r'href="([^"]+)"', page):
        url = urllib.parse.urljoin(page_url, html.unescape(link))
        name = urllib.parse.urlsplit(url).path.rsplit("/", 1)[-1]
        if name != f"pip-{entry[1]}-py3-none-any.whl":
            continue
        wheel = python.parent.parent / name
        wheel.write_bytes(fetch(url))
        if hashlib.sha256(wheel.read_bytes()).hexdigest() not in hashes:
            raise SystemExit(f"{name} is not the wheel that .ci/setup.lock names; nothing was installed")
        return works([python, wheel / "pip", "install", "-q", "--no-index", wheel])
    return False


def configured_index() -> str:
    """`index-url` of pip's configuration files, or nothing."""
    files = ["/etc/pip.conf", "~/.config/pip/pip.conf", "~/.pip/pip.conf", os.environ.get("PIP_CONFIG_FILE")]
    parser = configparser.ConfigParser()
    parser.read([Path(name).expanduser() for name in files if name], encoding="utf-8")
    return parser.get("global", "index-url", fallback="")


def fetch(url: str) -> bytes:
    if urllib.parse.urlsplit(url).scheme not in ("https", "http", "file"):
        raise SystemExit(f"not fetched: {url}")
    with urllib.request.urlopen(url, timeout=60) as reply:
        data: bytes = reply.read()
        return data


def debian_packages() -> None:
    """The last road: Debian's own package, which only root may install."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        run(["apt-get", "update", "-qq"])
        run(["apt-get", "install", "-y", "-qq", "python3-venv", "python3-pip"])
        return
    raise SystemExit(
        "This Python cannot make a virtual environment with pip in it.\n"
        "On Debian and Ubuntu: sudo apt-get install python3-venv   then run the same command again."
    )


def install(venv: Path, python: Path, lock: Path) -> None:
    """The locked packages, by uv where it can be had and by plain pip where not; then the project itself."""
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--require-hashes"]
    uv = venv / "bin" / "uv"
    environ = {**os.environ, "VIRTUAL_ENV": str(venv)}
    if "PIP_INDEX_URL" in os.environ:
        environ.setdefault("UV_DEFAULT_INDEX", os.environ["PIP_INDEX_URL"])
    fast = [uv, "pip", "install", "-q", "--require-hashes", "-r", lock]
    by_uv = not hidden("uv") and works([*pip, "-r", SETUP_LOCK]) and works(fast, environ)
    if not by_uv:
        run([*pip, "-r", SETUP_LOCK])
        run([*pip, "-r", lock])
    run([*pip[:-1], "--no-deps", "--no-build-isolation", "--no-index", "-e", ROOT])


def works(command: list[str | Path], environ: dict[str, str] | None = None) -> bool:
    """Run quietly; whether it ended well."""
    done = subprocess.run([str(part) for part in command], env=environ, capture_output=True, check=False)
    return done.returncode == 0


def run(command: list[str | Path]) -> None:
    """Run, and stop the set-up with what was said when it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(str(part) for part in command)}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
