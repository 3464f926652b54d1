"""The CSV of Bulk API 2.0, both ways.

Source: Bulk API 2.0 Developer Guide "Prepare CSV Files", "Get Results for a Query Job". Results quote every
value, an empty one is null, date-times end in `.000Z`, rows end as the job says (LF or CRLF).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from connectors.sandbox.salesforce.schema import NUMBERS, Field

DELIMITERS = {"COMMA": ",", "TAB": "\t", "SEMICOLON": ";", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}
LINE_ENDS = {"LF": "\n", "CRLF": "\r\n"}
LONGEST_CELL = 1 << 24  # characters


class ClientInputError(Exception):
    """The uploaded data is no CSV of the kind that the job announced; the job fails with these words."""


def cell(one: Field) -> Callable[[Any], str]:
    """How a field's value stands in a result."""
    if one.type == "boolean":
        return lambda value: "" if value is None else "true" if value else "false"
    if one.type in NUMBERS:
        return lambda value: "" if value is None else repr(float(value))
    if one.type == "datetime":
        return lambda value: "" if value is None else str(value).replace("+0000", "Z")
    return lambda value: "" if value is None else str(value)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], delimiter: str, line_end: str) -> bytes:
    """A whole result: the header and the rows, everything quoted."""
    text = io.StringIO()
    end = LINE_ENDS[line_end]
    writer = csv.writer(text, delimiter=DELIMITERS[delimiter], lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")


def parse(data: bytes, delimiter: str, line_end: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of an upload. Raises ClientInputError."""
    csv.field_size_limit(LONGEST_CELL)
    try:
        text = data.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=DELIMITERS[delimiter], strict=True))
    except (UnicodeDecodeError, csv.Error) as problem:
        raise ClientInputError(f"ClientInputError : {problem}") from None
    first_line = text.partition("\n")[0]
    if rows and first_line.endswith("\r") != (line_end == "CRLF"):
        message = f"LineEnding is invalid on user data. Current LineEnding setting is {line_end}"
        raise ClientInputError(f"ClientInputError : {message}")
    filled = [row for row in rows if row]
    if not filled:
        raise ClientInputError("InvalidBatch : Field name not found : ")
    header = filled[0]
    for row in filled[1:]:
        if len(row) != len(header):
            message = "The number of columns in a row does not match the header"
            raise ClientInputError(f"InvalidBatch : {message}")
    return header, filled[1:]
