"""The daemon's log: lines for a person on a terminal, JSON lines for everything else, on stderr.

Every line passes one handler, whoever wrote it, libraries included. There it loses secrets and personal
data (by value and by shape), control characters and line breaks.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TextIO

from config.world import World, from_epoch
from sync.cli.clean import clean, to_json
from sync.redaction import Redactor

OURS: Final = ("config", "connectors", "scoring", "sync")
PROGRESS_EVERY: Final = 10.0  # seconds between two lines on how far a run is
ACCOUNT: Final[ContextVar[str]] = ContextVar("account", default="")
"""The account that this thread serves, where a process serves several."""
ACCOUNTS_RUN: Final[ContextVar[str]] = ContextVar("run_id", default="")
"""The run of that account that is under way."""

log = logging.getLogger(__name__)


class Lines(logging.Handler):
    """Writes one line a record. `run_id` stands on each: the record's own, else that of the run under way."""

    def __init__(self, stream: TextIO, redactor: Redactor, *, as_json: bool, verbose: bool) -> None:
        super().__init__()
        self._stream = stream
        self._redactor = redactor
        self._as_json = as_json
        self._verbose = verbose
        self.run_id = ""

    def set_run(self, run_id: str) -> None:
        """From now on lines belong to this run."""
        self.run_id = run_id

    def hide(self, redactor: Redactor) -> None:
        """From now on lines pass this redactor."""
        self._redactor = redactor

    def emit(self, record: logging.LogRecord) -> None:
        """Write it; a log that cannot be written is no reason to stop."""
        try:
            self._stream.write(self.line(record) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the library's name)
        """There is nowhere to say it."""

    def line(self, record: logging.LogRecord) -> str:
        """The record as it is written."""
        known = self._known(record)
        if self._as_json:
            return to_json(known, indent=None)
        run = f" {known['account']}" if "account" in known else ""
        run += f" run {known['run_id'][:8]}" if known["run_id"] else ""
        text = f"{known['at']} {known['level']}{run}: {clean(known['message'])}"
        return "\n".join([text, *(f"  {clean(line)}" for line in known.get("trace", "").splitlines())])

    def _known(self, record: logging.LogRecord) -> Mapping[str, Any]:
        known = {
            "at": f"{from_epoch(record.created):%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "run_id": getattr(record, "run_id", ACCOUNTS_RUN.get() or self.run_id),
            "message": self._redactor.all(_message(record)),
        }
        if ACCOUNT.get():
            known["account"] = ACCOUNT.get()
        if self._verbose and record.exc_info and record.exc_info[1] is not None:
            known["trace"] = self._redactor.all("".join(traceback.format_exception(record.exc_info[1])))
        return known


def _message(record: logging.LogRecord) -> str:
    """The text; a record whose arguments do not fit it is a mistake of its author, and still a line."""
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        return str(record.msg)


@contextmanager
def logging_to(
    stream: TextIO, redactor: Redactor, *, as_json: bool, quiet: bool, verbose: bool
) -> Iterator[Lines]:
    """Write everything that is logged to `stream` while the block lasts.

    Ours from info on (`quiet`: warning, `verbose`: debug), libraries' from warning on (`verbose`: info).
    """
    handler = Lines(stream, redactor, as_json=as_json, verbose=verbose)
    level = logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO
    root = logging.getLogger()
    before = {logger: logger.level for logger in (root, *map(logging.getLogger, OURS))}
    root.addHandler(handler)
    root.setLevel(logging.INFO if verbose else logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(capture=True)
    try:
        yield handler
    finally:
        logging.captureWarnings(capture=False)
        root.removeHandler(handler)
        for logger, old in before.items():
            logger.setLevel(old)


class LoggedSteps:
    """Progress as a line every ten seconds."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._last = world.monotonic()

    def step(self, what: str, done: int, total: int | None = None) -> None:
        """Say how far it is, now and then."""
        now = self._world.monotonic()
        if now - self._last >= PROGRESS_EVERY:
            self._last = now
            log.info("%s: %s%s", what, f"{done:,}", "" if total is None else f" of {total:,}")
