"""What could be wrong around us: checks as data, each with what to do about a red line.

A check is one function; the tables LOCAL and OF_CRM are the order in which they run. A CRM that cannot be
signed in to ends the checks of that CRM and of no other. Nothing here writes to a CRM.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from connectors.base import Connector
from connectors.errors import ConnectorError, Retriable
from connectors.records import Crm
from sync.doctor.crms import OF_CRM, both
from sync.doctor.findings import Finding, Level, Patient
from sync.doctor.local import LOCAL
from sync.stages.trouble import judge

NAMES: Final = {"salesforce": "Salesforce", "hubspot": "HubSpot"}


def examine(patient: Patient) -> Iterator[Finding]:
    """Every finding, as it is made: this machine and its files first, then each CRM."""
    for check in LOCAL:
        yield from check(patient)
    for crm in Crm:
        connector = patient.connectors.get(crm)
        if connector is None:
            yield Finding("credentials", Level.NOTE, f"{NAMES[crm]} has no credentials and is off", crm=crm)
        else:
            yield from _examine_crm(patient, connector)
    if len(patient.connectors) == len(Crm):
        yield from both(patient)


def _examine_crm(patient: Patient, connector: Connector) -> Iterator[Finding]:
    crm = connector.crm
    try:
        identity = connector.sign_in()
    except ConnectorError as error:
        yield _trouble("sign_in", error, crm)
        return
    for name, check in OF_CRM:
        try:
            yield from check(patient, connector, identity)
        except ConnectorError as error:
            yield _trouble(name, error, crm)


def _trouble(check: str, error: ConnectorError, crm: str) -> Finding:
    problem = judge(error, crm, check.replace("_", " ")).problem
    remedy = problem.remedy
    if check == "sign_in" and problem.exit_code == 4:
        remedy = _SIGN_IN_REMEDY[crm]
    elif check == "sign_in" and isinstance(error, Retriable):
        remedy = "check the address in the configuration and the way there: proxy, firewall, certificates"
    return Finding(check, Level.ERROR, f"{problem.message} ({problem.code})", remedy, crm, problem.exit_code)


_SIGN_IN_REMEDY: Final = {
    "salesforce": "check MQLSYNC_SALESFORCE__… : login_url (your My Domain URL), client id and secret, or "
    "user name, password and security token; the user needs the permission API Enabled",
    "hubspot": "check MQLSYNC_HUBSPOT__ACCESS_TOKEN: a Service Key or private-app token of this account",
}
