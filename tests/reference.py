"""Writes the parts of docs/reference.md that are read off the code: `python -m tests.reference`.

Between `<!-- begin NAME -->` and `<!-- end NAME -->` stands what this module makes; a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo
from typer.main import get_command

from config.accounts import AccountEntry, AccountsFile
from config.schema import key_name, variables
from config.settings import PURPOSES, CrmStages, FieldPolicy, Section, Settings, parse_duration
from connectors.mapping import SOURCES, EngagementMapper
from sync.cli.exits import EXIT_CODES
from sync.cli.main import COMMANDS, app
from sync.mirror.outbox import REMEDIES
from sync.stages.trouble import FAMILIES

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference.md"
SHOWN_AS_VALUES = ("CrmStages", "Condition")
"""Small tables that are written inline."""
GLOBAL = ("--config-dir", "--json", "--quiet", "--verbose", "--help")


def commands() -> Iterator[tuple[str, Any]]:
    """("mqlsync person show", its command) for every command that can be called, in the order of help."""
    root: Any = get_command(app)
    for name in COMMANDS:
        found = root.get_command(None, name)
        inner = getattr(found, "commands", None)
        if inner is None:
            yield f"mqlsync {name}", found
        else:
            for sub, command in inner.items():
                yield f"mqlsync {name} {sub}", command


def usage(path: str, command: Any) -> str:
    """The command with its arguments."""
    arguments = [param.metavar for param in command.params if param.param_type_name == "argument"]
    return " ".join([path, *arguments])


def own_options(command: Any) -> list[Any]:
    """The options that not every command has."""
    options = [param for param in command.params if param.param_type_name == "option"]
    return [param for param in options if not set(param.opts) & set(GLOBAL)]


def option_words(param: Any) -> str:
    """`--dry-run`, `-n` or `--only STAGES`, as typed."""
    words = ", ".join(f"`{word}`" for word in sorted(param.opts, key=len, reverse=True))
    return words if param.is_flag else words[:-1] + f" {param.metavar}`"


def make_commands() -> str:
    """Every command: what it does, its arguments and options."""
    lines: list[str] = []
    for path, command in commands():
        lines += [f"### `{usage(path, command)}`", "", " ".join((command.help or "").split()), ""]
        rows = [(f"`{one.metavar}`", one.help) for one in command.params if one.param_type_name == "argument"]
        rows += [(option_words(one), one.help) for one in own_options(command)]
        if rows:
            lines += ["| | |", "| --- | --- |", *(f"| {words} | {meaning} |" for words, meaning in rows), ""]
    return "\n".join(lines).strip()


def make_exit_codes() -> str:
    """The exit codes."""
    rows = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    return "\n".join(["| Code | Meaning |", "| --- | --- |", *rows])


def make_settings() -> str:
    """Every table of mqlsync.toml with its keys."""
    by_path = {variable.path: variable for variable in variables().values()}
    lines: list[str] = []

    def row(path: tuple[str, ...], field: FieldInfo) -> str:
        variable = by_path.get(path)
        name = f"`{variable.name}`" if variable else ""
        if isinstance(field.default, CrmStages):
            inside = [one for here, one in by_path.items() if here[: len(path)] == path]
            name = ", ".join(f"`{one.name}` (JSON)" for one in inside)
        if variable and variable.secret:
            name += " (or `…_FILE`)"
        if variable and variable.kind in (dict, list):
            name += " (JSON)"
        secret = variable is not None and variable.secret and path != ("database_url",)
        default = "(environment only)" if secret else _default(field)
        return f"| `{path[-1]}` | {name} | {default} | {field.description or ''} |"

    for heading, model, path in _tables(Settings, ()):
        own = [
            row((*path, key_name(name, field)), field)
            for name, field in model.model_fields.items()
            if not _is_table(field)
        ]
        if own:
            about = " ".join((model.__doc__ or "").split())
            lines += [f"### `{heading}`", "", about, "", "| Key | Variable | Default | Meaning |"]
            lines += ["| --- | --- | --- | --- |", *own, ""]
    return "\n".join(lines).strip()


def make_accounts() -> str:
    """The keys of accounts.toml."""
    lines: list[str] = []
    for heading, model in (("Top of the file", AccountsFile), ("`[accounts.NAME]`", AccountEntry)):
        lines += [f"### {heading}", "", " ".join((model.__doc__ or "").split()), ""]
        lines += ["| Key | Default | Meaning |", "| --- | --- | --- |"]
        lines += [
            f"| `{key_name(name, field)}` | {_default(field)} | {field.description or ''} |"
            for name, field in model.model_fields.items()
            if name != "accounts"
        ]
        lines.append("")
    return "\n".join(lines).strip()


def make_policies() -> str:
    """The policy of each purpose when none is named."""
    rows = [f"| `{purpose}` | `{policy}` |" for purpose, policy in PURPOSES.items()]
    return "\n".join(["| Purpose | Policy unless named |", "| --- | --- |", *rows])


def make_sources() -> str:
    """What an engagement rule may look at, per source."""
    rules = EngagementMapper()
    lines = [
        "| Source | Shipped rules | Fields | Asset | Time |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, source in SOURCES.items():
        shipped = "yes" if rules.uses(name) else "no"
        fields = ", ".join(f"`{one}`" for one in source.fields)
        asset, time = (f"`{one}`".replace("|", "\\|") if one else "" for one in (source.asset, source.time))
        lines.append(f"| `{name}` | {shipped} | {fields} | {asset} | {time} |")
    return "\n".join(lines)


def make_families() -> str:
    """What ends a feed or a CRM's part of a run, by the family of its error."""
    rows = [f"| `{one.code}` | {one.remedy} | {one.exit_code} |" for _, one in FAMILIES]
    return "\n".join(["| Class | What to do | Exit |", "| --- | --- | --- |", *rows])


def make_remedies() -> str:
    """What to do about a change that ended badly."""
    rows = [f"| `{cause}` | {remedy} |" for cause, remedy in REMEDIES.items()]
    return "\n".join(["| Class | What to do |", "| --- | --- |", *rows])


def _tables(
    model: type[Section], path: tuple[str, ...]
) -> Iterator[tuple[str, type[Section], tuple[str, ...]]]:
    """(heading, model, path) of a model and the tables in it, depth first."""
    yield (f"[{'.'.join(path)}]" if path else "top of the file"), model, path
    for name, field in model.model_fields.items():
        here = (*path, key_name(name, field))
        for inner, suffix in _models_in(field.annotation):
            if inner.__name__ in SHOWN_AS_VALUES:
                continue
            if suffix == "[]":
                yield f"[[{'.'.join(here)}]]", inner, here
            elif suffix == "{}":
                yield from _tables(inner, (*here, "NAME"))
            elif not _told(inner):
                yield from _tables(inner, here)


_TOLD: set[type[Section]] = set()


def _told(model: type[Section]) -> bool:
    """A model that stands in several places (targets of each object) is told once."""
    once = model.__name__ in ("ObjectTargets", "FieldPolicy")
    seen = model in _TOLD
    if once:
        _TOLD.add(model)
    return once and seen


def _models_in(annotation: Any) -> Iterator[tuple[type[Section], str]]:
    text = str(annotation)
    for kind in _classes(annotation):
        suffix = "[]" if text.startswith("tuple[") else "{}" if text.startswith("dict[") else ""
        yield kind, suffix


def _classes(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _classes(argument)


def _is_table(field: FieldInfo) -> bool:
    return any(
        not suffix and kind.__name__ not in SHOWN_AS_VALUES for kind, suffix in _models_in(field.annotation)
    )


def _default(field: FieldInfo) -> str:
    value = field.default
    if field is FieldPolicy.model_fields["policy"]:
        return "by purpose, see below"
    if field.is_required():
        return "(required)"
    if value is None or value == {} or value == ():
        return ""
    if isinstance(value, CrmStages):
        return "; ".join(f"{crm}: {', '.join(words)}" for crm, words in value)
    if any(isinstance(one, BeforeValidator) and one.func is parse_duration for one in field.metadata):
        return f'`"{_duration(value)}"`'
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(repr(one) for one in value)}]`".replace("'", '"')
    if isinstance(value, str):
        return f'`"{value}"`'
    return f"`{value}`"


def _duration(seconds: int) -> str:
    return f"{seconds // 60}m" if seconds % 60 == 0 else f"{seconds}s"


PARTS: dict[str, Callable[[], str]] = {
    "commands": make_commands,
    "exit codes": make_exit_codes,
    "accounts": make_accounts,
    "settings": make_settings,
    "policies": make_policies,
    "sources": make_sources,
    "families": make_families,
    "remedies": make_remedies,
}


def renewed(text: str) -> str:
    """The reference with every part made anew. Raises LookupError when a part has no place in it."""
    _TOLD.clear()
    for name, make in PARTS.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        if begin not in text or end not in text:
            raise LookupError(f"docs/reference.md has no place for {name}")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{make()}\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    REFERENCE.write_text(renewed(REFERENCE.read_text(encoding="utf-8")), encoding="utf-8")
