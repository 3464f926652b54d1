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
        self._release()
        if self.latency:
            self.stopping.wait(self.latency)
        self._steps.run("before", request)
        fault = self._faults.take(request)
        reply = self._reply(handle, request, fault)
        self._steps.run("after", request)
        status = 0 if reply.how == "drop" else reply.response.status
        query = "&".join(f"{name}={value}" for name, values in request.query.items() for value in values)
        with self._guard:
            self.log.append(
                Logged(request.n, request.at, request.crm, request.method, request.path, status, query)
            )
        return reply

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
                self.errors.append(f"{request.method} {request.path}\n{traceback.format_exc()}")
                return Response.text("sandbox error", 500)
            finally:
                self._store.request = 0
