"""Everything that is done around a half's `handle`: request log, steps, faults, latency, errors."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import NamedTuple

from connectors.sandbox.core import Answer, Request, Response
from connectors.sandbox.faults import Fault, Faults, Steps
from connectors.sandbox.server import Reply
from connectors.sandbox.store import Store


class Logged(NamedTuple):
    """One request of the log. `status` 0: the connection was dropped without an answer."""

    n: int
    at: float
    crm: str
    method: str
    path: str
    status: int
    query: str
    body: str
    """What a writing request said (at most 100,000 characters); "" for reads."""


MAX_LOGGED = 100_000
_READS = ("/query", "/search", "/batch/read", "/token")  # endings of POST paths that change nothing


class Dispatcher:
    """One for both CRMs. `answer(half, request)` is what a `Server` calls."""

    def __init__(
        self, store: Store, faults: Faults, steps: Steps, release: Callable[[], object], latency: float
    ) -> None:
        self.log: list[Logged] = []
        self.errors: list[str] = []
        self.latency = latency
        self.stopping = threading.Event()
        self._store = store
        self._faults = faults
        self._steps = steps
        self._release = release
        self._guard = threading.Lock()
        self._count = 0

    def answer(self, handle: Callable[[Request], Response], request: Request) -> Reply:
        """Steps before, fault or effect, steps after, then the answer as the fault delivers it."""
        with self._guard:
            self._count += 1
            request.n = self._count
        if self.latency:
            self.stopping.wait(self.latency)
        try:
            self._release()
            self._steps.run("before", request)
            reply = self._reply(handle, request, self._faults.take(request))
            self._steps.run("after", request)
        except Exception:  # noqa: BLE001 (a step or scheduled action of a test failed: say so, not silence)
            reply = Reply(self._failed(request))
        self._note(request, reply)
        return reply

    def _note(self, request: Request, reply: Reply) -> None:
        status = 0 if reply.how == "drop" else reply.response.status
        query = "&".join(f"{name}={value}" for name, values in request.query.items() for value in values)
        body = ""
        if request.method != "GET" and not request.path.endswith(_READS):
            body = request.body[:MAX_LOGGED].decode("utf-8", "replace")
        logged = Logged(request.n, request.at, request.crm, request.method, request.path, status, query, body)
        with self._guard:
            self.log.append(logged)

    def _reply(self, handle: Callable[[Request], Response], request: Request, fault: Fault | None) -> Reply:
        if fault is None:
            return Reply(self._handle(handle, request))
        if fault.kind == "hang":
            self.stopping.wait(fault.seconds if fault.seconds > 1 else 60.0)
            return Reply(Response(0), "drop")
        if fault.spares_effect:
            return Reply(Response(0), "drop") if fault.kind == "drop_before" else Reply(fault.response())
        response = self._handle(handle, request)
        if fault.kind == "drop_after":
            return Reply(response, "drop")
        if fault.kind == "delay":
            self.stopping.wait(fault.seconds)
            return Reply(response)
        if fault.kind in ("cut", "drip"):
            return Reply(response, fault.kind, fault.seconds)
        return Reply(fault.response())

    def _handle(self, handle: Callable[[Request], Response], request: Request) -> Response:
        with self._store.lock:
            self._store.request = request.n
            try:
                return handle(request)
            except Answer as answer:
                return answer.response
            except Exception:  # noqa: BLE001 (a bug of the sandbox must not look like a lost connection)
                return self._failed(request)
            finally:
                self._store.request = 0

    def _failed(self, request: Request) -> Response:
        self.errors.append(f"{request.method} {request.path}\n{traceback.format_exc()}")
        return Response.text("sandbox error", 500)
