"""`doctor`: what is wrong around us, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from config.errors import ConfigError
from sync import probe
from sync.cli.asking import agreed, on_terminal
from sync.cli.errors import UsageFault
from sync.cli.options import command
from sync.cli.session import Session
from sync.cli.words import crm_name
from sync.core.counted import some
from sync.doctor.examination import examine as examined
from sync.doctor.findings import Finding, Level, Patient, exit_code
from sync.reports import SCHEMA_VERSION

app = typer.Typer(rich_markup_mode=None, add_completion=False)

MARKS = {Level.OK: "ok", Level.NOTE: "note", Level.WARNING: "WARNING", Level.ERROR: "ERROR"}


@command(app, "doctor")
def examine(
    session: Session,
    probing: Annotated[
        bool, typer.Option("--probe", help="Write a field of --record for a moment, and put it back.")
    ] = False,
    record: Annotated[
        str | None,
        typer.Option("--record", metavar="CRM.OBJECT.ID", help="A test record, such as salesforce.Lead.00Q…"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before the probe.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only say what the probe would write.")
    ] = False,
) -> int:
    """Check environment, configuration, sign-in, rights, fields, values, owners, clocks, quotas, writers.

    Writes nothing to a CRM but what --probe says. Every red line says how to mend it.
    """
    if probing != (record is not None):
        raise UsageFault("--probe needs a test record, and --record a probe: --probe --record CRM.OBJECT.ID")
    findings = []
    found = _findings(session) if record is None else _probed(session, record, yes=yes, dry_run=dry_run)
    for finding in found:
        findings.append(finding)
        if not session.options.json:
            _show(session, finding)
    code = exit_code(findings)
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
        errors, warnings = counts[Level.ERROR], counts[Level.WARNING]
        session.out.line(f"{some(errors, 'error')}, {some(warnings, 'warning')}")
    return code


def _findings(session: Session) -> Iterator[Finding]:
    """Whatever can be looked at: without a valid configuration only that is."""
    try:
        loaded = session.loaded_quietly()
        with session.app() as opened:
            patient = Patient(
                settings=opened.settings,
                config_dir=opened.config_dir,
                world=session.world,
                mirror=opened.mirror,
                connectors=opened.connectors,
                models=opened.models,
                environ=session.environ,
                unknown_variables=loaded.unknown,
            )
            yield from examined(patient)
            yield from probe.other_writers(patient)
    except ConfigError as error:
        for problem in error.problems:
            remedy = "correct that line" if problem.line else "correct it"
            yield Finding("configuration", Level.ERROR, str(problem), remedy, exit_code=2)


def _probed(session: Session, record: str, *, yes: bool, dry_run: bool) -> Iterator[Finding]:
    """The probe alone; nothing is written before somebody has agreed."""
    try:
        ref = probe.record_called(record)
        with session.app() as opened:
            if ref.crm in opened.connectors:
                opened.connectors[ref.crm].sign_in()
            planned = probe.plan(opened, ref)
            what = f"{planned.field} of {ref.crm} {ref.object} {ref.id} for a moment to {planned.value!r}"
            if dry_run:
                yield Finding("probe", Level.NOTE, f"the probe would set {what}", crm=ref.crm)
                return
            if not yes and not on_terminal():
                raise UsageFault(f"The probe sets {what}, and puts it back. Say --yes to let it.")
            if not yes:
                agreed(f"Set {what}, and put it back?")
            yield from probe.run(opened, planned)
    except probe.NotProbed as problem:
        raise UsageFault(problem.why) from None


def _show(session: Session, finding: Finding) -> None:
    """One line, with its remedy under it; the level is a word, not only a colour."""
    if finding.level is Level.OK and session.options.quiet:
        return
    name = crm_name(finding.crm)
    crm = f"{name}: " if name and not finding.message.startswith(name) else ""
    style = {Level.NOTE: "note"}.get(finding.level, finding.level.value)
    session.out.line(f"{MARKS[finding.level]:8} {crm}{finding.message}", style)
    if finding.remedy:
        session.out.line(f"         → {finding.remedy}")
