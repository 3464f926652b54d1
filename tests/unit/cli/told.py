"""The JSON answers of docs/reference.md as shapes, and what an answer has that they do not tell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests import reference

MOMENT = "…Z"
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
POINTS = {"points", "total", "fit", "engagement"}
"""Numbers with up to three decimals; other numbers are whole where the example is."""
NAMED = {
    "pull",
    "salesforce",
    "hubspot",
    "budget",
    "fresh_seconds",
    "rows",
    "lift",
    "classes",
    "crm_accounts",
}
"""Their keys are names of CRMs, objects, tables or classes: each value is like the first of the example."""
ELSEWHERE = {
    "report", "run", "person", "tables", "detail", "score", "mql", "env", "reconciled", "environment",
    "parts", "later", "override", "a", "b", "account",
}  # fmt: skip
"""Told at another place where the example is empty, or for another command."""
OPTIONAL = {
    "account", "file", "rows", "people", "erased", "complete", "tables", "order", "write", "override",
    "would_enter", "dry_run", "digest", "changes", "records", "fast_track",
}  # fmt: skip
"""At the top: only some answers of the command have them."""


def shapes() -> dict[str, Any]:
    """Command, with a flag that changes its answer, → its example."""
    block = reference.REFERENCE.read_text(encoding="utf-8").partition("```jsonc\n")[2].partition("```")[0]
    found: dict[str, Any] = {}
    for part in re.split(r"\n?^// mqlsync ", block, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        example = json.loads(re.sub(r"  // .*$", "", body, flags=re.MULTILINE))
        for name in _names(head):
            found[name] = example
    for example in found.values():
        if example.get("changes") == []:
            example["changes"] = found["plan"]["changes"]
    return found


def _names(head: str) -> Iterator[str]:
    """`failed retry --json (also failed skip)` → both; `audit --verify --json` → with its flag."""
    call = head.partition(" --json")[0]
    flag = next((word for word in call.split() if word.startswith("--")), "")
    command = " ".join(word for word in call.split() if word.islower() and not word.startswith("--"))
    also = re.search(r"\(also ([^)]*)\)", head)
    for name in [command, *(also[1].split(", ") if also else [])]:
        yield f"{name} {flag}".strip()


def faults(answer: Any, example: Any, where: str = "$") -> Iterator[str]:
    """Where an answer is not like its example."""
    if example is None or answer is None:
        return
    if isinstance(example, dict):
        yield from _object_faults(answer, example, where)
    elif isinstance(example, list):
        if not isinstance(answer, list):
            yield f"{where}: {answer!r} is no list"
        elif answer and not example and _last(where) not in ELSEWHERE:
            yield f"{where}: its items are not told"
        for number, one in enumerate(answer if example and isinstance(answer, list) else ()):
            yield from faults(one, example[0], f"{where}[{number}]")
    elif not _scalar_fits(answer, example, _last(where)):
        yield f"{where}: {answer!r} is not like {example!r}"


def _object_faults(answer: Any, example: Mapping[str, Any], where: str) -> Iterator[str]:
    if not isinstance(answer, dict):
        yield f"{where}: {answer!r} is no object"
        return
    name = _last(where)
    if name in NAMED:
        for key, value in answer.items():
            yield from faults(value, next(iter(example.values())), f"{where}.{key}")
        return
    if name in ELSEWHERE and not example:
        return
    for key, value in answer.items():
        if key not in example:
            yield f"{where}.{key} is not told"
        else:
            yield from faults(value, example[key], f"{where}.{key}")
    optional = OPTIONAL if where == "$" else set()
    yield from (f"{where}.{key} is not there" for key in set(example) - set(answer) - optional)


def _last(where: str) -> str:
    """The last name of a path: `hits` of `$.hits[3]`."""
    return where.rpartition(".")[2].partition("[")[0]


def _scalar_fits(answer: Any, example: Any, key: str) -> bool:
    if isinstance(example, bool) or isinstance(answer, bool):
        return isinstance(example, bool) and isinstance(answer, bool)
    if isinstance(example, int | float):
        number = isinstance(answer, int | float)
        if key in POINTS:
            return number and round(answer, 3) == answer
        return number and (isinstance(answer, int) or isinstance(example, float))
    if not isinstance(answer, str):
        return False
    if example == MOMENT:
        return ISO.fullmatch(answer) is not None
    if "|" in example:
        return any(answer.startswith(word.partition(":")[0]) for word in example.split("|"))
    return True
