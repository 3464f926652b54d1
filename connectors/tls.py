"""Whom to trust: the certificate authorities that a connection is checked against."""

from __future__ import annotations

import os
import ssl
from pathlib import Path


def authorities(ca_file: Path | None) -> str | bool:
    """What requests takes as `verify`: the configured file, else the system's store as OpenSSL names it
    (SSL_CERT_FILE and SSL_CERT_DIR included); True, the bundle that comes with requests, where the system
    has none."""
    if ca_file is not None:
        return str(ca_file)
    system = ssl.get_default_verify_paths()  # names only what exists
    if system.cafile is not None:
        return system.cafile
    if system.capath is not None and any(os.scandir(system.capath)):
        return system.capath
    return True
