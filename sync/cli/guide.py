"""The guided `init`: questions first, then both files at once, then a dry run on the user's own CRMs.

Secrets are never asked for: the guide says which variables to set and reads them like every command does.
Until the last question is answered no file of the user's is touched; nothing is ever written to a CRM.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import typer

from config.errors import ConfigError, Problem
from config.load import Loaded, examine
from config.paths import MODEL_FILE, SETTINGS_FILE
from config.secrets import secret_values
from config.templates import template
from config.toml import read_text
from connectors.base import Connector
from connectors.errors import ConnectorError
from connectors.records import Crm, Owner
from connectors.throttle import UnlimitedBudget
from sync.app import connectors_of
from sync.cli import guide_words as words
from sync.cli import starting
from sync.cli.asking import Questions
from sync.cli.errors import Stopped
from sync.cli.exits import ending
from sync.cli.guide_words import PLACES, Place
from sync.cli.handing import carried_out
from sync.cli.report import show_report
from sync.cli.session import Session
from sync.cli.words import crm_name
from sync.core.counted import some
from sync.mirror import queries
from sync.mirror.queries import PersonView
from sync.mirror.requests import Ask
from sync.pipeline import SyncRequest
from sync.redaction import Redactor
from sync.reports import RunReport, exit_code_of

SHOWN_MQLS: Final = 10
SHOWN_USERS: Final = 60


def guide(session: Session, folder: Path, *, force: bool) -> int:
    """Ask, write, and offer the dry run; the exit code of the dry run, or of a sign-in that failed."""
    one = Guide(session, folder, force)
    try:
        one.ask()
    except (Stopped, typer.Abort):
        session.out.line()
        session.out.line("No file was written.")
        raise
    one.write()
    return one.rehearse()


@dataclass(slots=True)
class Guide:
    """One conversation. `text`: mqlsync.toml as it will be; `fresh`: it is ours to write."""

    session: Session
    folder: Path
    force: bool
    text: str = ""
    fresh: bool = True
    signed_in: dict[str, Connector] = field(default_factory=dict)
    to_set_up: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    questions: Questions = field(init=False)

    def __post_init__(self) -> None:
        self.questions = Questions(self.session.out)
        path = self.folder / SETTINGS_FILE
        self.fresh = starting.mine_to_write(path, force=self.force) or starting.untouched(path)
        self.text = template(SETTINGS_FILE) if self.fresh else read_text(path)

    # --- asking ------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Every question but the one about the dry run. Raises ConfigError, Stopped and Abort."""
        self._introduce()
        loaded = _settings(self.session, self)
        with _connected(self.session, loaded) as connectors:
            for crm in Crm:
                if crm in connectors:
                    self._sign_in(loaded, connectors[crm])
            self._missing(connectors)
            if self.fresh:
                for place in PLACES:
                    if place.crm in self.signed_in:
                        self._choose_value(place, self.signed_in[place.crm])
                self._choose_members()
        _settings(self.session, self)  # what was filled in has to be read before it is written anywhere

    def _introduce(self) -> None:
        out = self.session.out
        out.line(f"This sets mqlsync up in {self.folder}. It will")
        out.line("  1. sign in to your CRMs with the credentials that the environment holds, only to look;")
        out.line("  2. ask what makes somebody an MQL there, and who gets them;")
        out.line(f"  3. write {SETTINGS_FILE} and {MODEL_FILE}, commented, without any secret;")
        out.line("  4. make a dry run if you like: it reads and scores, and writes nothing to a CRM.")
        out.line("Enter takes the answer in brackets. Ctrl-C leaves; no file is written before step 3.")
        if not self.fresh:
            out.line()
            out.line(f"{self.folder / SETTINGS_FILE} exists and stays as it is (--force replaces it).")

    def _sign_in(self, loaded: Loaded, connector: Connector) -> None:
        """Sign in and say as whom; a failure is told, and the others go on."""
        out, name = self.session.out, crm_name(connector.crm)
        given = sorted(
            variable for path, variable in loaded.origins.items() if path and path[0] == connector.crm
        )
        out.line()
        out.line(f"{name}: credentials found in {', '.join(given) or SETTINGS_FILE}. Signing in …")
        try:
            identity = connector.sign_in()
        except ConnectorError as error:
            self._told(error)
            return
        who = identity.user_name or identity.user_id or "a token without a user"
        account = f", account {identity.account_id}" if identity.account_id else ""
        out.line(f"{name}: signed in at {identity.origin} as {who}{account}", "ok")
        self.signed_in[connector.crm] = connector

    def _told(self, error: ConnectorError) -> None:
        end = ending(error)
        self.codes.append(end.code)
        for line in end.lines:
            self.session.out.error(line)

    def _missing(self, connectors: dict[str, Connector]) -> None:
        """For a CRM without credentials: is it used, how does one sign in, and what is to be set?"""
        out = self.session.out
        for crm in Crm:
            if crm in connectors:
                continue
            name, roads = crm_name(crm), words.ROADS[crm]
            out.line()
            out.line(f"{name}: the environment holds no credentials. How will mqlsync sign in?")
            options = [f"not at all: leave {name} off", *(road.title for road in roads)]
            chosen = self.questions.choose(name, options, default=0 if connectors else 1, first=0)
            if chosen:
                self.to_set_up.append(crm)
                self._tell_road(roads[chosen - 1])

    def _tell_road(self, road: words.Road) -> None:
        out, name = self.session.out, crm_name(road.crm)
        out.line(f"Set these in the shell that runs mqlsync (docs/how-to/connect-{road.crm}.md says where")
        out.line(f"{name} shows them). Never type a secret into mqlsync:")
        for line in road.lines():
            out.line(f"  {line}")
        if road.secret:
            out.line("A line with `read` waits until you paste the secret and press Enter; nothing is shown,")
            out.line("and the shell does not remember it. Or append _FILE to the name, and name a file.")

    def _choose_value(self, place: Place, connector: Connector) -> None:
        """Which of the values that the CRM really offers stands for an MQL."""
        out, status = self.session.out, words.status_in(self.text, place)
        name = f"{crm_name(place.crm)} {place.object}.{place.field}"
        out.line()
        try:
            offered = connector.offered(place.object, place.field)
        except ConnectorError as error:
            self._told(error)
            return
        if not offered.exists or not offered.values:
            why = "offers no list of values" if offered.exists else "is not shown to our user"
            out.line(f"{name} {why}: {status.mql!r} stays; `mqlsync doctor` says what to do.", "warning")
            return
        best = words.proposed(offered.values, status)
        none = f'none of these: leave "{status.mql}"'
        if status.mql not in offered.values:
            none += ", and nothing is written there until it is offered"
        out.line(f"{name}: which value means that somebody is an MQL?")
        options = [none, *(words.marked(value, status) for value in offered.values)]
        default = 0 if best is None else offered.values.index(best) + 1
        chosen = self.questions.choose("Value", options, default, first=0)
        if chosen == 0:
            return
        value = offered.values[chosen - 1]
        self.text = words.with_mql(self.text, place, value)
        if value in status.replaced:
            out.line(f"Everybody who stands at {value!r} counts as an MQL by the CRM then.", "warning")

    def _choose_members(self) -> None:
        """Who gets the MQLs; nobody by default, and then owners are not decided."""
        out = self.session.out
        owners = [found for one in self.signed_in.values() if (found := self._owners(one)) is not None]
        users = words.shared_users(owners)
        if not owners:
            return
        names = " and ".join(crm_name(crm) for crm in self.signed_in)
        out.line()
        if not users:
            out.line(f"No active user with the same address is in {names}: owners are not decided for now.")
            return
        out.line(f"Who gets new MQLs, in turn? These are active in {names}.")
        shown = users[:SHOWN_USERS]
        if len(users) > len(shown):
            out.line(f"The first {len(shown)} of {len(users):,}; more can be named in {SETTINGS_FILE} later.")
        labels = [f"{user.name} <{user.email}>" if user.name else user.email for user in shown]
        picked = self.questions.pick("Numbers, such as 1,3 [nobody: owners stay as they are]", labels)
        self.text = words.with_members(self.text, [shown[place].email for place in picked])

    def _owners(self, connector: Connector) -> Sequence[Owner] | None:
        try:
            return connector.owners()
        except ConnectorError as error:
            self._told(error)
            return None

    # --- writing -----------------------------------------------------------------------------------

    def write(self) -> None:
        """Both files, as far as they are ours to write."""
        out = self.session.out
        out.line()
        for name in starting.FILES:
            path = self.folder / name
            text = self.text if name == SETTINGS_FILE else template(name)
            blank = name == SETTINGS_FILE and self.fresh and starting.untouched(path)
            if blank and text != template(name):
                starting.write(path, text, keep_old=False)
                out.line(f"wrote {path} (it was still as `init` had made it)")
            elif starting.mine_to_write(path, force=self.force):
                starting.write(path, text)
                out.line(f"wrote {path}")
            else:
                out.line(f"kept  {path} (it exists; --force replaces it)")

    # --- the dry run -------------------------------------------------------------------------------

    def rehearse(self) -> int:
        """Offer the dry run where somebody is signed in; the exit code of the whole command."""
        out, here = self.session.out, starting.option_for(self.folder)
        out.line()
        if not self.signed_in:
            self._set_up_first(here)
            return exit_code_of(self.codes)
        names = " and ".join(crm_name(crm) for crm in self.signed_in)
        out.line(f"The dry run reads {names}, matches and scores; it writes nothing to a CRM.")
        out.line("The first one reads every record, which may take a while; Ctrl-C keeps what was read.")
        if self.questions.agree("Make it now?"):
            self.codes.append(self._dry_run())
            out.line()
        for crm in self.to_set_up:
            out.line(f"{crm_name(crm)} is off until its variables are set.")
        out.line("Next:")
        out.line(f"  mqlsync plan{here}       what would be written, field by field; writes nothing")
        out.line(f"  mqlsync doctor{here}     rights, values and owners: what is missing, how to mend it")
        out.line("  docs/how-to/first-week.md      a safe first week in which sales notice nothing")
        return exit_code_of(self.codes)

    def _set_up_first(self, here: str) -> None:
        out = self.session.out
        out.line("Next:")
        if self.codes:
            out.line("  mend the credentials in the environment, as said above")
        else:
            out.line("  set the variables above")
        out.line(f"  mqlsync init{here}       once more: it goes on with your CRMs' values and the dry run")
        out.line(f"  mqlsync doctor{here}     what is missing, and how to mend it")

    def _dry_run(self) -> int:
        """What `sync --dry-run` does, and who would be an MQL."""
        self.session.options.config_dir = self.folder
        answer = carried_out(self.session, Ask("sync", SyncRequest(dry_run=True).to_json()))
        assert answer is not None  # it was waited for
        report = RunReport.from_json(answer.document)
        show_report(self.session.out, report)
        self.session.out.line()
        self._show_mqls(report)
        return answer.exit_code

    def _show_mqls(self, report: RunReport) -> None:
        """How many people there are, and the first of those that the model makes MQLs."""
        out = self.session.out
        with self.session.app() as opened, opened.mirror.read() as conn:
            live = any(model.status == "live" for model in opened.models)
            name = next((model.name for model in opened.models if model.status == "shadow"), None)
            listed = queries.people(conn, stage="mql", model=None if live else name, decides=live)
            first, count, already = _first(listed)
        if already:
            out.line(f"{some(already, 'MQL')} by the CRMs' own word already: they stay as they are.")
        people = some(report.match.people, "person")
        out.line(f"{people}; {count:,} would be made MQLs" + (":" if count else " as the model stands."))
        if first:
            out.table(("name", "who", "company", "total", "grade"), map(_row, first), ("total",))
        if count > len(first):
            out.line(f"… and {count - len(first):,} more: mqlsync people --stage mql")


def _first(listed: Iterable[PersonView]) -> tuple[list[PersonView], int, int]:
    """The first whom the model makes MQLs, how many there are, and how many the CRMs call that already."""
    first: list[PersonView] = []
    count = already = 0
    for person in listed:
        if person.entered_by == "crm":
            already += 1
            continue
        count += 1
        if len(first) < SHOWN_MQLS:
            first.append(person)
    return first, count, already


def _row(person: PersonView) -> tuple[object, ...]:
    score = person.score or {}
    who = person.emails[0] if person.emails else person.person_id
    return person.name, who, person.company, score.get("total"), score.get("grade")


def _settings(session: Session, one: Guide) -> Loaded:
    """The settings as they would be: of the text that is to be written, else of the file that stays.

    Raises ConfigError; of a text that is in no file yet it names no place.
    """
    with TemporaryDirectory(prefix="mqlsync-") as name:
        beside = Path(name)
        (beside / SETTINGS_FILE).write_text(one.text, encoding="utf-8")
        try:
            loaded = examine(beside if one.fresh else one.folder, session.environ)
        except ConfigError as error:
            raise ConfigError(_placeless(problem, name) for problem in error.problems) from None
    session.out.redactor = Redactor(secret_values(loaded.settings))
    return loaded


def _placeless(problem: Problem, folder: str) -> Problem:
    return replace(problem, where="", line=None) if problem.where.startswith(folder) else problem


@contextmanager
def _connected(session: Session, loaded: Loaded) -> Iterator[dict[str, Connector]]:
    """A connector for each CRM that has credentials; no mirror is opened for the few calls."""
    connectors = connectors_of(loaded.settings, session.world, lambda _: UnlimitedBudget())
    try:
        yield connectors
    finally:
        for connector in connectors.values():
            connector.close()
