"""TLS: an unknown certificate gets no request at all; `ca_file` makes it known, for tokens too."""

from __future__ import annotations

import http.server
import ipaddress
import shutil
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.errors import Retriable
from connectors.hubspot.client import Transport
from connectors.tls import authorities
from tests.world import SimulatedWorld


@dataclass
class Server:
    url: str
    certificate: Path
    seen: list[str] = field(default_factory=list)


def self_signed(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    paths[1].write_bytes(encoded)
    return paths


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    certificate, key = self_signed(tmp_path)
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            seen.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b'{"access_token": "t", "expires_in": 1800}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 (the base class's names)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield Server(f"https://127.0.0.1:{listener.server_address[1]}", certificate, seen)
    listener.shutdown()
    thread.join()
    listener.server_close()


def test_an_unknown_certificate_gets_nothing(server: Server, world: SimulatedWorld) -> None:
    transport = Transport(server.url, None, world)
    with pytest.raises(Retriable) as caught:
        transport.send("GET", "/crm/v3/owners", (), None, "token", "owners")
    assert caught.value.code == "tls"
    with pytest.raises(Retriable) as caught:
        transport.exchange_token("/oauth/2026-03/token", "id", "client-secret", "refresh-secret")
    assert caught.value.code == "tls"
    assert "secret" not in f"{caught.value!r}"
    assert server.seen == []


def test_a_ca_file_makes_it_known(server: Server, world: SimulatedWorld) -> None:
    transport = Transport(server.url, server.certificate, world)
    assert transport.send("GET", "/crm/v3/owners", (), None, "token", "owners").status == 200
    assert (
        transport.exchange_token("/oauth/2026-03/token", "id", "client-secret", "refresh-secret").status
        == 200
    )
    assert server.seen == ["GET /crm/v3/owners", "POST /oauth/2026-03/token"]


def test_without_a_file_the_systems_store_is_trusted(
    server: Server, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
    transport = Transport(server.url, None, world)
    assert transport.send("GET", "/crm/v3/owners", (), None, "token", "owners").status == 200
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    shutil.rmtree(tmp_path, ignore_errors=True)
    assert authorities(None) is True  # a machine without a store: the bundle that comes with requests
    assert authorities(server.certificate) == str(server.certificate)
