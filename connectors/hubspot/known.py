"""The ids of all contacts, for whom the links are to be read next: a first pass has just brought every one.

Listing them again would take a call for every hundred. They lie in a file, not in memory, and belong to this
process alone: whoever did not read all contacts from the first page to the last has none, and lists them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import Final

KEPT_BYTES: Final = 1 << 20
"""Ids up to this size are kept in memory, more of them in an unnamed temporary file."""


class KnownIds:
    """Filled by one pass over everything, used up by another one."""

    def __init__(self) -> None:
        self._file: SpooledTemporaryFile[str] | None = None
        self._until: int | None = None
        self._count = 0

    def begin(self) -> None:
        """A pass over everything begins; what was known before is not asked for any more."""
        self.forget()
        self._file = SpooledTemporaryFile(KEPT_BYTES, "w+", encoding="utf-8", newline="\n")  # noqa: SIM115

    def add(self, ids: Iterable[str]) -> None:
        """The ids of a page, if a pass over everything is under way."""
        if self._file is None or self._until is not None:
            return
        lines = [f"{record_id}\n" for record_id in ids if record_id.isprintable()]  # one a line
        self._file.write("".join(lines))
        self._count += len(lines)

    def end(self, until_ms: int) -> None:
        """All were read that there were at `until_ms`."""
        if self._file is not None and self._until is None:
            self._until = until_ms

    @property
    def until_ms(self) -> int | None:
        """Up to when they are all; None: they are not known."""
        return self._until

    def batches(self, size: int) -> Iterator[tuple[list[str], bool]]:
        """Them all, so many at a time, each with whether it is the last; at least one. Then none is known."""
        file, left = self._file, self._count
        if file is None:
            return
        file.seek(0)
        try:
            while True:
                found = [line[:-1] for line in islice(file, size)]
                left -= len(found)
                last = left <= 0 or not found
                yield found, last
                if last:
                    return
        finally:
            self.forget()

    def forget(self) -> None:
        """Nothing is known."""
        if self._file is not None:
            self._file.close()
        self._file, self._until, self._count = None, None, 0
