"""Rows of a Bulk API 2.0 result (CSV) as the rows that a REST query would have given. Pure.

In CSV everything is text: "" is null, integers may be `50.0`, date-times end in `Z` where REST writes
`+0000`, a parent's field is a column `Campaign.Name` where REST nests objects. A described type says what
each is. Text stays as it is: "NA", leading blanks, newlines, NUL. A row that cannot be read is poison, the
others go on; a result whose shape is wrong is not believed (BrokenReply).

Source: Bulk API 2.0 Developer Guide, "Get Results for a Query Job".
"""

from __future__ import annotations

import csv
import functools
import io
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, Final

import msgspec

from connectors.errors import BrokenReply
from connectors.salesforce.http import CRM
from connectors.salesforce.reader import Row

LONGEST_CELL: Final = 1 << 24
"""Characters. The csv module stops at 131,072; a long text area may hold more once it is quoted."""

Convert = Callable[[str], Any]

AT_ONCE: Final = 100
"""Lines that are read together: as many as a processor has near it."""

_encoded: Final = msgspec.json.Encoder().encode
_encoded_lines: Final = msgspec.json.Encoder().encode_lines

_BOOLEANS: Final = {"true": True, "false": False}


def _integer(text: str) -> int:
    return int(text) if "." not in text and "E" not in text else int(float(text))


@functools.lru_cache(maxsize=4096)
def _datetime(text: str) -> str:
    return f"{text[:-1]}+0000" if text.endswith("Z") else text


CONVERTERS: Final[Mapping[str, Convert]] = {
    "boolean": _BOOLEANS.__getitem__,
    "int": _integer,
    "long": _integer,
    "double": float,
    "currency": float,
    "percent": float,
    "datetime": _datetime,
}
"""Described type → how its text becomes what JSON would have held; types that are not here are text."""


class Columns:
    """Where each wanted path stands in a result, and how its values are read."""

    def __init__(self, header: Sequence[str], types: Mapping[str, str]) -> None:
        """`types`: described type by wanted path. Raises BrokenReply when a path is not in the header."""
        places = {name.lower(): place for place, name in enumerate(header)}
        self.width = len(header)
        self._names: list[str] = []
        self._own: list[tuple[int, Convert | None]] = []
        self._nested: list[tuple[int, list[str], Convert | None]] = []
        for path, type_name in types.items():
            place = places.get(path.lower())
            if place is None:
                raise BrokenReply(f"the result has no column {path}", crm=CRM, code="NOT_A_RESULT")
            convert = CONVERTERS.get(type_name)
            if "." in path:
                self._nested.append((place, path.split("."), convert))
            else:
                self._names.append(path)
                self._own.append((place, convert))

    def rows(self, lines: Sequence[Sequence[str]]) -> list[Row]:
        """Lines, at least one, as rows; column by column, which costs half of what line by line does.

        Raises BrokenReply for a line of another width.
        """
        if any(len(values) != self.width for values in lines):
            raise BrokenReply("a row has another width than the header", crm=CRM, code="NOT_A_RESULT")
        try:
            found = self._fields(lines)
            texts = _encoded_lines(found).decode().split("\n")  # JSON has no line feed inside
        except (KeyError, ValueError, OverflowError):  # one of them is odd: which?
            return [self._alone(values) for values in lines]
        return [Row(fields, text) for fields, text in zip(found, texts, strict=False)]

    def _alone(self, values: Sequence[str]) -> Row:
        try:
            (fields,) = self._fields([values])
            return Row(fields, _encoded(fields).decode())
        except UnicodeEncodeError:
            return self._unreadable(values, "the row is not UTF-8")
        except (KeyError, ValueError, OverflowError):
            return self._unreadable(values, "a value is not of its field's type")

    def _fields(self, lines: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
        """The fields of each line, as JSON would have held them."""
        by_place = list(zip(*lines, strict=True))
        columns: list[Sequence[Any]] = []
        for place, read in self._own:
            texts = by_place[place]
            if read is None:
                columns.append([text or None for text in texts])
            else:
                columns.append([read(text) if text else None for text in texts])
        found = [dict(zip(self._names, values, strict=True)) for values in zip(*columns, strict=True)]
        for place, steps, read in self._nested:
            for fields, text in zip(found, by_place[place], strict=True):
                if text:
                    _put(fields, steps, text if read is None else read(text))
                else:
                    fields.setdefault(steps[0], None)
        return found

    def _unreadable(self, values: Sequence[str], problem: str) -> Row:
        """A row to be parked: its text, and its id if that can be read."""
        own = zip(self._names, self._own, strict=True)
        known = {name: values[place] for name, (place, _) in own if name == "Id" and values[place].isascii()}
        raw = msgspec.json.encode([value.encode("utf-8", "backslashreplace").decode() for value in values])
        return Row(known, raw.decode(), problem)


def _put(fields: dict[str, Any], steps: Sequence[str], value: Any) -> None:
    """Set `fields[a][b]…`, the way REST nests parents."""
    inner = fields
    for step in steps[:-1]:
        below = inner.get(step)
        if below is None:
            below = inner[step] = {}
        inner = below
    inner[steps[-1]] = value


def read_rows(data: IO[bytes], types: Mapping[str, str]) -> Iterator[Row]:
    """The rows of one result, in the file's order; `types` as for `Columns`.

    Raises BrokenReply for what is no such CSV.
    """
    csv.field_size_limit(LONGEST_CELL)
    text = io.TextIOWrapper(data, encoding="utf-8", errors="surrogateescape", newline="")
    try:
        lines = csv.reader(text, strict=True)  # strict: a quote that is never closed is an error
        header = next(lines, None)
        if header is None:
            return
        columns = Columns(header, types)
        while found := list(itertools.islice(lines, AT_ONCE)):
            if written := [values for values in found if values]:
                yield from columns.rows(written)
    except csv.Error as error:
        raise BrokenReply("the result is no CSV", crm=CRM, code="NOT_A_RESULT") from error
    finally:
        text.detach()
