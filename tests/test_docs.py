"""README and reference say what the code does: commands, options, settings, variables and exit codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.schema import variables
from config.sources import FILE_SUFFIX, OTHER_VARIABLES
from sync.cli.exits import EXIT_CODES
from sync.cli.main import COMMANDS
from sync.doctor.rights import SCOPES
from sync.reports import EXIT_PRECEDENCE
from tests import reference

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = reference.REFERENCE.read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
TEXTS["config/templates/mqlsync.toml"] = (ROOT / "config" / "templates" / "mqlsync.toml").read_text(
    encoding="utf-8"
)
WITHOUT_CALLS = ("config/templates/mqlsync.toml", "docs/README.md")
TARGET = r"MQLSYNC_WRITEBACK__(SALESFORCE__(LEAD|CONTACT)|HUBSPOT__CONTACTS)__[A-Z_]+?__"
"""What write-back sets on one object: all are told together."""
CALLS = dict(reference.commands())
"""Every command as typed → its definition."""


def spoken(text: str) -> Iterator[tuple[str, str]]:
    """("person explain", "somebody --as-of …") for each call of the command in code."""
    for block in re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL):
        for line in block.strip("`").splitlines():
            found = re.search(r"(?:^|\s|/)mqlsync ([a-z]+)(.*)", line)
            if found:
                yield found[1], found[2]


@pytest.mark.parametrize("page", TEXTS)
def test_every_call_in_the_docs_exists_with_its_options(page: str) -> None:
    checked = 0
    for name, rest in spoken(TEXTS[page]):
        assert name in COMMANDS, f"{page}: mqlsync {name}"
        words = rest.split()
        path = f"mqlsync {name}"
        if path not in CALLS:  # a group: its command follows
            assert words, f"{page}: mqlsync {name} needs a command"
            path += f" {words[0]}"
            assert path in CALLS, f"{page}: {path}"
        known = {option for param in CALLS[path].params for option in param.opts}
        for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest.partition("#")[0]):
            assert option in known | {"--help"}, f"{page}: {path} {option}"
        checked += 1
    assert checked or page in WITHOUT_CALLS, "no call was found: is the pattern still right?"


def test_the_reference_is_what_the_code_says() -> None:
    assert reference.renewed(REFERENCE) == REFERENCE, "run: python -m tests.reference"


def test_the_reference_tells_every_command_and_option() -> None:
    for path, command in CALLS.items():
        assert f"### `{reference.usage(path, command)}`" in REFERENCE
        assert command.help, f"{path} says nothing of itself"
        for param in command.params:
            assert getattr(param, "help", None) or param.name == "help", f"{path} {param.name}"


def test_every_variable_of_the_docs_exists_and_every_variable_is_told() -> None:
    known = set(variables()) | {name + FILE_SUFFIX for name, one in variables().items() if one.secret}
    known |= set(OTHER_VARIABLES)
    for page, text in TEXTS.items():
        for name in re.findall(r"MQLSYNC_[A-Z0-9_]*[A-Z0-9]", text):
            assert name in known, f"{page}: {name}"
    for name in (*variables(), *OTHER_VARIABLES):
        told = re.sub(TARGET, "MQLSYNC_WRITEBACK__SALESFORCE__LEAD__STATUS__", name)
        assert told in REFERENCE


def test_every_exit_code_is_told_and_no_other() -> None:
    table = REFERENCE.partition("<!-- begin exit codes -->")[2].partition("<!-- end exit codes -->")[0]
    told = [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)]
    assert told == sorted(EXIT_CODES)
    order = re.search(r"the first of ([\d, ]+) is the exit code", REFERENCE)
    assert order is not None
    assert tuple(int(code) for code in order[1].split(",")) == EXIT_PRECEDENCE


def test_exit_codes_in_the_code_are_told() -> None:
    """Every number given as an exit code anywhere in sync/ stands in the table."""
    for path in (ROOT / "sync").rglob("*.py"):
        for number in re.findall(r"exit_code=(\d+)", path.read_text(encoding="utf-8")):
            assert int(number) in EXIT_CODES, f"{path.name}: {number}"


def test_every_problem_code_of_the_code_is_told() -> None:
    """What the stages of a run call a problem."""
    codes: set[str] = set()
    for path in [ROOT / "sync" / "pipeline.py", *(ROOT / "sync" / "stages").glob("*.py")]:
        text = path.read_text(encoding="utf-8")
        codes.update(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', text))
        codes.update(re.findall(r'RunProblem\("([A-Z]+)"', text))
    assert {"BOOKS", "DRIFT", "SWEEP_LIMIT", "FIELD_MISSING"} <= codes, "is the pattern still right?"
    assert [code for code in sorted(codes) if f"`{code}`" not in REFERENCE] == []


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_scopes_that_doctor_names_are_those_of_the_page() -> None:
    page = TEXTS["docs/how-to/connect-hubspot.md"]
    for scope in SCOPES.values():
        assert f"`{scope.partition(',')[0]}`" in page


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def test_links_to_a_heading_find_it() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
            other = page.parent / target if target else page
            headings = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slug(one) for one in headings}, f"{page.name}: {target}#{anchor}"


def answer_keys(command: str) -> Any:
    """The keys of the example answer of a command in the reference."""
    block = REFERENCE.partition("```jsonc")[2].partition("```")[0]
    example = block.partition(f"// mqlsync {command} ")[2].partition("\n//")[0]
    return set(re.findall(r'"([a-z_]+)":', example))


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("sync", {"run_id", "outcome", "pull", "match", "score", "write", "books_balance", "problems"}),
        ("people", {"people", "person_id", "emails", "records", "stage", "suppressed", "ambiguous", "mql"}),
        ("person explain", {"hits", "missing", "score", "rule", "points", "first_at", "last_at", "sources"}),
        ("plan", {"digest", "changes", "blocked_by", "intent_id", "before", "after", "policy", "reason"}),
        ("status", {"state", "fresh_seconds", "waiting", "parked", "unsure", "books_balance", "budget"}),
        ("failed list", {"failed", "cause", "crm", "object", "id", "field", "message", "remedy", "since"}),
    ],
)
def test_json_answers_are_told(command: str, keys: set[str]) -> None:
    assert keys | {"schema_version"} <= answer_keys(command)
