"""One-off resyncs: one person, one object or everything, pulled again, scored, and written where it is due.

For one person the answer says of each field that may be written what stands there, what is wanted, and why
nothing was changed when nothing was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from connectors.errors import ConnectorError, NotOffered, RightMissing
from connectors.records import FeedKind, RecordRef
from sync.context import App, Context, Progress
from sync.core.lookup import wanted
from sync.mirror import cursors, queries, timeline
from sync.mirror.engine import Connection
from sync.mirror.explain import explain_person
from sync.pipeline import SyncRequest, one_off, settle, sync, write
from sync.reports import SCHEMA_VERSION, FeedCounts, RunReport
from sync.stages.pull import pull, refetch
from sync.stages.targets import Place, places
from sync.stages.trouble import judge


class NobodyThere(Exception):
    """Neither the mirror nor a CRM knows `who`. Exit code 7."""

    def __init__(self, who: str) -> None:
        super().__init__(f"no record of {who}")
        self.who = who


class NoSuchFeed(Exception):
    """`object` is none of `known` in that CRM. Exit code 2."""

    def __init__(self, crm: str, object_name: str, known: Sequence[str]) -> None:
        super().__init__(f"{crm} has no {object_name}")
        self.crm = crm
        self.object = object_name
        self.known = tuple(known)


@dataclass(frozen=True, slots=True)
class FieldAnswer:
    """What became of one field that may be written, and why. `state` "" means nothing was ever decided."""

    crm: str
    object: str
    id: str
    field: str
    value: str | None
    wanted: str | None
    state: str
    why: str


@dataclass(slots=True)
class ResyncReport:
    """One person's resync: the run, the score in parts, and every field with its reason."""

    run: RunReport
    person: Mapping[str, Any] | None = None
    fields: list[FieldAnswer] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """That of the run."""
        return self.run.exit_code

    def to_json(self) -> dict[str, Any]:
        """The answer of `resync WHO --json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "run": self.run.to_json(),
            "person": None if self.person is None else dict(self.person),
            "fields": [asdict(answer) for answer in self.fields],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ResyncReport:
        """What `to_json` gave."""
        fields = [FieldAnswer(**answer) for answer in value["fields"]]
        return cls(RunReport.from_json(value["run"]), value["person"], fields)


def resync_person(
    app: App, who: str, progress: Progress | None = None, dry_run: bool = False
) -> ResyncReport:
    """Read one person's records again and do what is due for them. `who`: address, id or URL of a record.

    `dry_run`: nothing is written to a CRM. Raises NobodyThere.
    """
    with one_off(app, "resync", progress) as (ctx, run):
        report = ResyncReport(run)
        refs = known_records(ctx, who) | records_in_crms(ctx, run, who)
        if not refs and not run.problems:
            raise NobodyThere(who)
        read_again(ctx, run, refs)
        for crm in ctx.connectors:
            counts = pull(ctx, crm, on_problem=run.problems.append)
            for name, one in counts.items():
                run.pull.setdefault(crm, {}).setdefault(name, FeedCounts()).add(one)
        settle(ctx, run, SyncRequest(only=frozenset({"match", "score", "decide"})))
        with ctx.mirror.read() as conn:
            people = people_meant(conn, who, refs)
        if not dry_run:
            write(ctx, run, people=people)
        with ctx.mirror.read() as conn:
            if people:
                report.person = explain_person(conn, people[0], ctx.models, now=ctx.run.now)
            report.fields = [answer for person in people for answer in answers(ctx, conn, person)]
    return report


def resync_object(
    app: App,
    crm: str,
    object_name: str | None,
    since_ms: int | None,
    progress: Progress | None = None,
    dry_run: bool = False,
) -> RunReport:
    """Pull one object (or all of a CRM) again, from `since_ms` or from the beginning, then go on as `sync`.

    Raises NoSuchFeed.
    """
    feeds = app.connectors[crm].feeds()
    known = sorted({feed.object for feed in feeds})
    if object_name is not None and object_name not in known:
        raise NoSuchFeed(crm, object_name, known)
    with one_off(app, "resync", progress) as (ctx, run):
        with ctx.mirror.write() as conn:
            for feed in feeds:
                if object_name not in (None, feed.object) or (since_ms is not None and feed.every):
                    continue  # what reads everything again knows no "since"
                if since_ms is None and feed.kind is FeedKind.DELETIONS:
                    cursors.rewind(conn, feed, 0, ctx.run.now)  # a log has no beginning: all that it tells
                elif since_ms is None:
                    cursors.reset(conn, feed=feed.name)
                else:
                    cursors.rewind(conn, feed, since_ms, ctx.run.now)
        only = replace(ctx, connectors={name: c for name, c in ctx.connectors.items() if name == crm})
        if crm in only.connectors:
            run.pull[crm] = pull(only, crm, on_problem=run.problems.append)
        settle(ctx, run, SyncRequest(dry_run=dry_run))
    return run


def resync_all(app: App, progress: Progress | None = None, dry_run: bool = False) -> RunReport:
    """Read everything again, and look for records that silently went."""
    return sync(app, SyncRequest(full=True, dry_run=dry_run), progress)


def known_records(ctx: Context, who: str) -> set[RecordRef]:
    """The records that the mirror has of this person."""
    with ctx.mirror.read() as conn:
        people = queries.find_people(conn, who)
        return {ref for refs in queries.records_of(conn, people).values() for ref in refs}


def records_in_crms(ctx: Context, run: RunReport, who: str) -> set[RecordRef]:
    """The records that the CRMs have of this person: by address, or the record that was named."""
    meant = wanted(who)
    if meant.record is not None:
        return {meant.record} if meant.record.crm in ctx.connectors else set()
    found: set[RecordRef] = set()
    if meant.email_key is None:
        return found
    for crm, connector in ctx.connectors.items():
        try:
            found |= set(connector.find(meant.email_key))
        except ConnectorError as error:
            run.problems.append(judge(error, crm, f"looking for {who}").problem)
    return found


def read_again(ctx: Context, run: RunReport, refs: Iterable[RecordRef]) -> None:
    """Fetch these records by their ids, whatever the cursors say."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for ref in sorted(refs):
        if ref.crm in ctx.connectors:
            grouped.setdefault((ref.crm, ref.object), []).append(ref.id)
    for (crm, object_name), ids in grouped.items():
        try:
            counts = refetch(ctx, crm, object_name, ids)
        except (NotOffered, RightMissing):
            continue
        except ConnectorError as error:
            run.problems.append(judge(error, crm, f"reading {object_name}").problem)
            continue
        for name, one in counts.items():
            run.pull.setdefault(crm, {}).setdefault(name, FeedCounts()).add(one)


def people_meant(conn: Connection, who: str, refs: Iterable[RecordRef]) -> list[str]:
    """Ids of the people that these records are of today."""
    found = dict.fromkeys(queries.find_people(conn, who))
    for ref in sorted(refs):
        found.update(dict.fromkeys(queries.find_people(conn, ref.id)))
    return list(found)


def answers(ctx: Context, conn: Connection, person_id: str) -> list[FieldAnswer]:
    """Every field of the person's records that may be written: its value, and what was decided about it."""
    person = next(iter(queries.people(conn, person_ids=[person_id])), None)
    if person is None:
        return []
    decided: dict[tuple[str, str, str], timeline.Decided] = {}
    for made in timeline.writes(conn, person_id):
        decided.setdefault((made.crm, made.id, made.field), made)  # the newest comes first
    values = timeline.field_values(conn, person_id)
    found = []
    for ref in person.records:
        for place in places(ctx.settings, [ref.crm]):
            if place.object != ref.object:
                continue
            newest = decided.get((ref.crm, ref.id, place.policy.field))
            value = values.get(ref, {}).get(place.policy.field)
            found.append(answer(person, ref, place, value, newest))
    return found


def answer(
    person: queries.PersonView,
    ref: RecordRef,
    place: Place,
    value: str | None,
    write: timeline.Decided | None,
) -> FieldAnswer:
    """One field, in words."""
    name = place.policy.field
    if write is not None:
        why = write.message or write.reason
        return FieldAnswer(ref.crm, ref.object, ref.id, name, value, write.after, write.state, why)
    return FieldAnswer(ref.crm, ref.object, ref.id, name, value, None, "", why_nothing(person, place, value))


def why_nothing(person: queries.PersonView, place: Place, value: str | None) -> str:
    """Why no change of this field was ever decided."""
    if person.ambiguous:
        return "ambiguous: several live records of one CRM share this person; never written until resolved"
    if person.suppressed is not None:
        return f"suppressed: {person.suppressed}"
    if person.entered_at is None:
        return f"not an MQL: the stage is {person.stage}"
    if person.entered_by == "crm":
        return "the CRM called this person an MQL before we first looked; nothing is written"
    if value is not None and value in place.desired().values():
        return "stands there already"
    if place.purpose == "owner":
        return "a person owns this record, or no pool takes it"
    return f"the policy {place.policy.policy} leaves the present value alone"
