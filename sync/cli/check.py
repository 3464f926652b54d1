"""`doctor`: what is wrong around us, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from config.errors import ConfigError
from sync import doctor
from sync.cli.options import command
from sync.cli.session import Session
from sync.cli.words import crm_name
from sync.doctor import Finding, Level, Patient
from sync.reports import SCHEMA_VERSION

app = typer.Typer(rich_markup_mode=None, add_completion=False)

MARKS = {Level.OK: "ok", Level.NOTE: "note", Level.WARNING: "WARNING", Level.ERROR: "ERROR"}


@command(app, "doctor")
def examine(session: Session) -> int:
    """Check environment, configuration, sign-in, rights, fields, values, owners, clocks and quotas.

    Writes nothing to a CRM. Every red line says how to mend it.
    """
    findings = []
    for finding in _findings(session):
        findings.append(finding)
        if not session.options.json:
            _show(session, finding)
    code = doctor.exit_code(findings)
    counts = {level: sum(one.level is level for one in findings) for level in Level}
    if session.options.json:
        session.out.json(
            {
                "schema_version": SCHEMA_VERSION,
                "ok": code == 0,
                "checks": [finding.to_json() for finding in findings],
            }
        )
    else:
        session.out.line(f"{counts[Level.ERROR]} errors, {counts[Level.WARNING]} warnings")
    return code


def _findings(session: Session) -> Iterator[Finding]:
    """Whatever can be looked at: without a valid configuration only that is."""
    try:
        loaded = session.loaded_quietly()
        with session.app() as opened:
            yield from doctor.examine(
                Patient(
                    settings=opened.settings,
                    config_dir=opened.config_dir,
                    world=session.world,
                    mirror=opened.mirror,
                    connectors=opened.connectors,
                    models=opened.models,
                    environ=session.environ,
                    unknown_variables=loaded.unknown,
                )
            )
    except ConfigError as error:
        for problem in error.problems:
            remedy = "correct that line" if problem.line else "correct it"
            yield Finding("configuration", Level.ERROR, str(problem), remedy, exit_code=2)


def _show(session: Session, finding: Finding) -> None:
    """One line, with its remedy under it; the level is a word, not only a colour."""
    if finding.level is Level.OK and session.options.quiet:
        return
    crm = f"{crm_name(finding.crm)}: " if finding.crm else ""
    style = {Level.NOTE: "note"}.get(finding.level, finding.level.value)
    session.out.line(f"{MARKS[finding.level]:8} {crm}{finding.message}", style)
    if finding.remedy:
        session.out.line(f"         → {finding.remedy}")
