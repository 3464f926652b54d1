"""The commands that need the lease, each as data: what to do, and the JSON document that answers it.

The same function carries them out in the command's own process and in the daemon's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sync import pipeline, privacy, resync
from sync.context import App, Progress
from sync.mirror import undoing
from sync.mirror.requests import Ask
from sync.pipeline import SyncRequest
from sync.reports import SCHEMA_VERSION, RunProblem, RunReport, exit_code_of
from sync.stages.demote import Demotion
from sync.stages.plan import Change, PlanView


class CrmOff(Exception):
    """`crm` has no credentials where the work is done. Exit code 2."""

    def __init__(self, crm: str) -> None:
        super().__init__(f"{crm} is off")
        self.crm = crm


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command prints with --json, and its exit code."""

    document: Mapping[str, Any]
    exit_code: int


def carry_out(app: App, ask: Ask, progress: Progress) -> Answer:
    """Do what is asked, under the lease. Raises what the command in question raises, and CrmOff."""
    crm = ask.arguments.get("crm")
    if crm is not None and crm not in app.connectors:
        raise CrmOff(crm)
    return _KINDS[ask.kind](app, ask.arguments, progress)


def _sync(app: App, arguments: Mapping[str, Any], progress: Progress) -> Answer:
    return _of(pipeline.sync(app, SyncRequest.from_json(arguments), progress))


def _resync_person(app: App, arguments: Mapping[str, Any], progress: Progress) -> Answer:
    report = resync.resync_person(app, arguments["who"], progress, _dry(arguments))
    return Answer(report.to_json(), report.exit_code)


def _resync_object(app: App, arguments: Mapping[str, Any], progress: Progress) -> Answer:
    crm, name, since_ms = arguments["crm"], arguments["object"], arguments["since_ms"]
    return _of(resync.resync_object(app, crm, name, since_ms, progress, _dry(arguments)))


def _resync_all(app: App, arguments: Mapping[str, Any], progress: Progress) -> Answer:
    return _of(resync.resync_all(app, progress, _dry(arguments)))


def _plan(app: App, _: Mapping[str, Any], progress: Progress) -> Answer:
    view = pipeline.plan(app, progress)
    return Answer(view.to_json(), view.exit_code)


def _approve(app: App, arguments: Mapping[str, Any], progress: Progress) -> Answer:
    return _of(pipeline.approve(app, arguments["digest"], progress))


def _apply(app: App, arguments: Mapping[str, Any], progress: Progress) -> Answer:
    return _of(pipeline.apply(app, arguments["digest"], progress))


def _reject(app: App, arguments: Mapping[str, Any], _: Progress) -> Answer:
    digest = arguments["digest"]
    dropped = pipeline.reject(app, digest)
    return Answer({"schema_version": SCHEMA_VERSION, "digest": digest, "dropped": dropped}, 0)


def _undo(app: App, arguments: Mapping[str, Any], progress: Progress) -> Answer:
    run_id, person_id = arguments["run_id"], arguments["person_id"]
    with app.mirror.read() as conn:
        written = undoing.written_by(conn, run_id) if run_id else undoing.written_on(conn, person_id)
    view = pipeline.undo(app, written, arguments["title"], arguments["now"], progress, _dry(arguments))
    return Answer(view.to_json(), exit_code_of(problem.exit_code for problem in view.problems))


def _demote(app: App, arguments: Mapping[str, Any], progress: Progress) -> Answer:
    order = Demotion(
        arguments["person_id"],
        arguments["contacts"],
        arguments["stage"],
        arguments["reason"],
        arguments["ambiguous"],
    )
    view = pipeline.demote(app, order, arguments["now"], progress, _dry(arguments))
    return Answer(view.to_json(), exit_code_of(problem.exit_code for problem in view.problems))


def _reconcile(app: App, arguments: Mapping[str, Any], progress: Progress) -> Answer:
    found = pipeline.reconcile(app, arguments["sample"], progress)
    return Answer(found.to_json(), found.exit_code)


def _erase(app: App, arguments: Mapping[str, Any], progress: Progress) -> Answer:
    done = privacy.erase(app, arguments["order"], progress)
    return Answer({"schema_version": SCHEMA_VERSION, **done}, 0 if done["complete"] else 5)


def _dry(arguments: Mapping[str, Any]) -> bool:
    """Whether nothing is to be kept or written; not said means no."""
    return bool(arguments.get("dry_run", False))


def _of(report: RunReport) -> Answer:
    return Answer(report.to_json(), report.exit_code)


_KINDS: Final[Mapping[str, Callable[[App, Mapping[str, Any], Progress], Answer]]] = {
    "sync": _sync,
    "resync_person": _resync_person,
    "resync_object": _resync_object,
    "resync_all": _resync_all,
    "plan": _plan,
    "approve": _approve,
    "apply": _apply,
    "reject": _reject,
    "undo": _undo,
    "demote": _demote,
    "reconcile": _reconcile,
    "erase": _erase,
}
"""Every kind of request."""


def plan_of(document: Mapping[str, Any]) -> PlanView:
    """The plan that `plan --json` tells of; what was left out of it is not needed to show it."""
    return PlanView(
        digest=document["digest"],
        changes=[Change(**change) for change in document["changes"]],
        blocked_by=document["blocked_by"],
        state=document["state"],
        later=[Change(**change) for change in document["later"]],
        problems=[RunProblem(**problem) for problem in document["problems"]],
    )
