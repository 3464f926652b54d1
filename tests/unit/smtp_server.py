"""A mail server on loopback: as much of RFC 5321 as smtplib needs, with STARTTLS and AUTH PLAIN."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Mailbox:
    """What arrived: per mail its recipients and text, whether it was encrypted; and who signed in."""

    port: int = 0
    mails: list[tuple[list[str], str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    signed_in: list[str] = field(default_factory=list)


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None, refuse: int = 0) -> Iterator[Mailbox]:
    """Serve; `refuse`: answer every mail with that code."""
    box = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            encrypted, to = False, []
            self.say("220 here")
            while line := self.rfile.readline().decode().strip():
                word = line.split()[0].upper()
                if word in ("EHLO", "HELO"):
                    offers = ["here", *(["STARTTLS"] if tls and not encrypted else []), "AUTH PLAIN"]
                    for offer in offers[:-1]:
                        self.say(f"250-{offer}")
                    self.say(f"250 {offers[-1]}")
                elif word == "STARTTLS" and tls is not None:
                    self.say("220 go on")
                    self.request = tls.wrap_socket(self.request, server_side=True)
                    self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", 0)
                    encrypted = True
                elif word == "AUTH":
                    box.signed_in.append(base64.b64decode(line.split()[2]).decode().replace("\0", "|"))
                    self.say("235 welcome")
                elif word == "RCPT":
                    to.append(line.partition("<")[2].partition(">")[0])
                    self.say("250 fine")
                elif word == "DATA":
                    self.say(f"{refuse} no" if refuse else "354 go on")
                    if not refuse:
                        self.take(to, encrypted)
                elif word == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 fine")

        def take(self, to: list[str], encrypted: bool) -> None:
            lines = []
            while (line := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                lines.append(line)
            box.mails.append((list(to), "\n".join(lines)))
            box.encrypted.append(encrypted)
            self.say("250 taken")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        box.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield box
        server.shutdown()
