"""`doctor --probe`: one reversible write on a record that somebody named; and who else writes our fields.

The probe writes the field of a test record, shows that a write on what was read before that is refused (where
the CRM can do so) or that the history names us (where it cannot), and puts the value back whatever happens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from config.settings import FieldPolicy
from config.world import World, epoch
from connectors.base import Connector
from connectors.errors import ConnectorError
from connectors.records import Author, Live, Outcome, OutcomeKind, RecordRef, Write
from sync.context import App
from sync.doctor.findings import Finding, Level, Patient
from sync.mirror import audit
from sync.mirror.engine import Connection
from sync.mirror.latest import latest
from sync.pipeline import leased
from sync.stages.targets import OBJECTS, objects_of

LATEST: Final = 25
"""So many records of each object are looked at for other writers: those changed last."""
TICK: Final = 2.0
"""Seconds to wait: the time stamps by which Salesforce tells versions apart are whole seconds."""


class Probe(NamedTuple):
    """The record, the field that is written for a moment, and the value that is written."""

    ref: RecordRef
    field: str
    value: str


class NotProbed(Exception):
    """`why` no probe can be made on that record; nothing was written."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def record_called(text: str) -> RecordRef:
    """`salesforce.Lead.00Q…` → the record. Raises NotProbed."""
    crm, _, rest = text.partition(".")
    name, _, record_id = rest.partition(".")
    if name not in OBJECTS.get(crm, ()) or not record_id.isalnum():
        known = ", ".join(f"{one}.{name}.ID" for one, names in OBJECTS.items() for name in names)
        raise NotProbed(f"{text!r} names no record: one of {known}")
    return RecordRef(crm, name, record_id)


def plan(app: App, ref: RecordRef) -> Probe:
    """What the probe would write. Raises NotProbed, and the connector's errors."""
    connector = app.connectors.get(ref.crm)
    if connector is None:
        raise NotProbed(f"{ref.crm} has no credentials and is off")
    targets = dict(app.settings.writeback.targets(ref.crm, ref.object).items())
    for purpose in ("score", "status"):
        policy: FieldPolicy | None = targets.get(purpose)
        if policy is None:
            continue
        live = _live(connector, ref, policy.field)
        choices = ["1", "2"] if purpose == "score" else [*policy.values.values(), *(policy.from_ or ())]
        value = next((one for one in choices if one and one != live.values.get(policy.field)), None)
        if value is not None:
            return Probe(ref, policy.field, value)
    raise NotProbed(f"no score or status of {ref.crm} {ref.object} is configured in [writeback]")


def run(app: App, probe: Probe) -> Iterator[Finding]:
    """Write, prove, and put the value back; a finding for each. Raises LeaseHeld."""
    connector = app.connectors[probe.ref.crm]
    with leased(app, "probe"):
        before = _live(connector, probe.ref, probe.field)
        with app.mirror.write(durable=True) as conn:
            _keep(conn, probe, before, app.world)
        try:
            yield from _proved(connector, probe, before, app.world)
        except ConnectorError as error:
            yield _red(probe, f"the probe stopped: {error.message}", "see the lines above")
        finally:
            restored = _put_back(connector, probe, before)
        yield restored


def _proved(connector: Connector, probe: Probe, before: Live, world: World) -> Iterator[Finding]:
    outcome = _write(connector, probe, probe.value, before)
    after = _live(connector, probe.ref, probe.field)
    if outcome.kind is not OutcomeKind.ACCEPTED or after.values.get(probe.field) != probe.value:
        said = f"{outcome.kind.value} {outcome.code} {outcome.message}".strip()
        remedy = "give our user or app the right to edit that field, or see which rule of the CRM refuses it"
        yield _red(probe, f"{probe.field} could not be written: {said}", remedy)
        return
    yield _green(probe, f"{probe.field} was written and read back")
    if connector.capabilities.conditional_write:
        yield _stale(connector, probe, before, world)
    if connector.capabilities.field_history:
        newest = next(iter(after.versions.get(probe.field, ())), None)
        if newest is not None and newest.value == probe.value and newest.author is not Author.PERSON:
            yield _green(probe, f"the history tells our write from a person's ({newest.source})")
        else:
            said = "nothing" if newest is None else f"{newest.value} by {newest.author.value}"
            remedy = "without it a person's edit cannot be told from our own: use a token of its own for us"
            yield _red(probe, f"the history shows {said} where we wrote", remedy)


def _stale(connector: Connector, probe: Probe, before: Live, world: World) -> Finding:
    """A write on what was read before our own must be refused: that is what protects people's edits."""
    world.sleep(TICK)
    outcome = _write(connector, probe, before.values.get(probe.field), before)
    if outcome.kind is OutcomeKind.CONFLICT:
        return _green(probe, f"a write on an older version is refused ({outcome.code or 'conflict'})")
    remedy = "do not let mqlsync write there: something between us takes the condition out of the request"
    return _red(probe, f"a write on an older version was {outcome.kind.value}", remedy)


def _put_back(connector: Connector, probe: Probe, before: Live) -> Finding:
    value = before.values.get(probe.field)
    try:
        now = _live(connector, probe.ref, probe.field)
        if now.values.get(probe.field) == probe.value:
            _write(connector, probe, value, now)
            now = _live(connector, probe.ref, probe.field)
        stands = now.values.get(probe.field)
    except ConnectorError as error:
        return _red(probe, f"it is not known what stands there: {error.message}", _by_hand(probe, value))
    if stands == value:
        return _green(probe, f"{probe.field} is {value or 'empty'} again")
    return _red(probe, f"{probe.field} is {stands or 'empty'}", _by_hand(probe, value))


def _by_hand(probe: Probe, value: str | None) -> str:
    return f"set {probe.field} of {probe.ref.object} {probe.ref.id} to {value or 'nothing'} by hand"


def _live(connector: Connector, ref: RecordRef, field: str) -> Live:
    live = connector.read(ref.object, [ref.id], [field])[0]
    if not live.exists:
        raise NotProbed(f"there is no {ref.object} {ref.id} in {ref.crm}")
    return live


def _write(connector: Connector, probe: Probe, value: str | None, base: Live) -> Outcome:
    return connector.write([Write(probe.ref, {probe.field: value}, base.version)])[0]


def _keep(conn: Connection, probe: Probe, before: Live, world: World) -> None:
    """In the audit before anything is sent: the value that must stand there afterwards."""
    ref = probe.ref
    what = {"value": probe.value, "before": before.values.get(probe.field)}
    entry = audit.Entry("probe", f"{ref.crm}.{ref.object}.{ref.id}.{probe.field}", what)
    audit.append(conn, [entry], at=epoch(world.now()), run_id="", actor="operator")


def _green(probe: Probe, message: str) -> Finding:
    return Finding("probe", Level.OK, f"{probe.ref.object} {probe.ref.id}: {message}", crm=probe.ref.crm)


def _red(probe: Probe, message: str, remedy: str) -> Finding:
    said = f"{probe.ref.object} {probe.ref.id}: {message}"
    return Finding("probe", Level.ERROR, said, remedy, probe.ref.crm, 3)


def other_writers(patient: Patient) -> Iterator[Finding]:
    """Fields of ours that another program wrote last, on the records that changed last. Signed in already."""
    for crm, connector in patient.connectors.items():
        for name in objects_of(crm):
            fields = sorted({one.field for _, one in patient.settings.writeback.targets(crm, name).items()})
            try:
                yield from _writers(patient, connector, name, fields)
            except ConnectorError:
                continue  # why it cannot be read has been said by the checks before


def _automated(live: Live, fields: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(field, who) where a program that is not us had the last word, as far as the CRM tells."""
    if not live.versions and live.modified_by is Author.AUTOMATION:
        yield "the record", f"user {live.modified_by_id}"
    for field in fields:
        newest = next(iter(live.versions.get(field, ())), None)
        if newest is not None and newest.author is Author.AUTOMATION:
            yield field, newest.source or "another program"


def _writers(patient: Patient, connector: Connector, name: str, fields: Sequence[str]) -> Iterator[Finding]:
    with patient.mirror.read() as conn:
        ids = latest(conn, connector.crm, name, LATEST)
    if not ids or not fields:
        return
    found: Counter[tuple[str, str]] = Counter()
    step = connector.capabilities.read_batch
    for start in range(0, len(ids), step):
        for live in connector.read(name, ids[start : start + step], fields):
            found.update(_automated(live, fields))
    for (field, source), number in sorted(found.items()):
        message = f"{name}: {source} set {field} last on {number} of the {len(ids)} records changed last"
        remedy = (
            "two programs that set one field undo each other: see whether it sets what [writeback] sets, and "
            "take that field out of one of them"
        )
        yield Finding("other_writers", Level.WARNING, message, remedy, connector.crm)
