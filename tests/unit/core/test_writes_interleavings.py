"""All interleavings of a small world: one field, a worker that may crash, people, automation, a bad net.

The worker below does what `sync.stages.writer` does, letter by letter, and asks the same functions. Every
run with at most `DEPTH` unusual events is played; the CRM's own ledger is the judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from connectors.records import Author, FieldVersion, Live, RecordRef
from sync.core.authors import OurWrite
from sync.core.cases import REPAIR, Known, SetField, Target
from sync.core.readback import Fate, Sent, judge_read_back
from sync.core.writes import decide

DEPTH = 3
SETTLE_MS = 120_000
TICK_MS = 1_500  # the worker never acts within the second of a change: that is its same-second wait
START = 1_000_000
DESIRED = "MQL"


class Script:
    """Chooses among options: as scripted, then the first one. Remembers how many there were each time."""

    def __init__(self, choices: tuple[int, ...]) -> None:
        self.choices = choices
        self.asked: list[int] = []

    def choose(self, options: int) -> int:
        at = len(self.asked)
        self.asked.append(options)
        return self.choices[at] if at < len(self.choices) else 0


def all_scripts(play: Callable[[Script], None], depth: int) -> Iterator[tuple[int, ...]]:
    """Every script with at most `depth` choices that are not the first option; plays each."""
    todo: list[tuple[int, ...]] = [()]
    while todo:
        script = Script(todo.pop())
        play(script)
        yield script.choices
        if sum(choice != 0 for choice in script.choices) == depth:
            continue
        for at in range(len(script.choices), len(script.asked)):
            prefix = script.choices + (0,) * (at - len(script.choices))
            todo += [(*prefix, choice) for choice in range(1, script.asked[at])]


@dataclass
class Crm:
    """The CRM: the ledger of one field, and the requests still under way."""

    guarded: bool
    history: bool
    now: int = START
    ledger: list[FieldVersion] = field(
        default_factory=lambda: [FieldVersion("NEW", START - 999_999, Author.AUTOMATION, "API:0")]
    )
    delayed: list[tuple[str | None, str, int]] = field(default_factory=list)

    @property
    def version(self) -> str:
        return str(self.ledger[-1].at_ms)

    def put(self, value: str | None, author: Author) -> None:
        self.now += TICK_MS
        source = {Author.US: "API:7", Author.PERSON: "CRM_UI:userId:1"}.get(author, "AUTOMATION_PLATFORM:1")
        self.ledger.append(FieldVersion(value, self.now, author, source))

    def request(self, value: str | None, base: str) -> bool:
        """A write arrives; whether it had its effect."""
        if self.guarded and base != self.version:
            return False
        self.put(value, Author.US)
        return True

    def arrive(self, *, only_late: bool = False) -> None:
        """Requests that were delayed arrive; at the latest when the settle time is over."""
        due = [one for one in self.delayed if not only_late or self.now >= one[2] + SETTLE_MS - 10_000]
        self.delayed = [one for one in self.delayed if one not in due]
        for value, base, _ in due:
            self.request(value, base)

    def read(self) -> Live:
        newest = self.ledger[-1]
        # HubSpot cannot tell us from another program; Salesforce tells by user, where it tells at all
        seen = [
            version if self.guarded or version.author is not Author.US
            else FieldVersion(version.value, version.at_ms, Author.AUTOMATION, version.source)
            for version in reversed(self.ledger)
        ]  # fmt: skip
        return Live(
            RecordRef("salesforce" if self.guarded else "hubspot", "x", "1"),
            True,
            values={"f": newest.value},
            version=self.version,
            modified_ms=newest.at_ms,
            created_ms=0,
            modified_by=newest.author if self.guarded else Author.UNKNOWN,
            versions={"f": tuple(seen)} if self.history else {},
            has_history={"f": self.history},
            server_ms=self.now,
        )


@dataclass
class Intent:
    desired: str | None
    policy: str
    state: str = "queued"
    base: Live | None = None
    sent_ms: int = 0
    unanswered: bool = False
    rounds: int = 0
    seen: str | None = "NEW"


class Crash(Exception):
    """The worker dies; its outbox does not."""


class Game:
    """One run of the small world."""

    def __init__(self, crm: Crm, script: Script) -> None:
        self.crm = crm
        self.script = script
        self.intents = [Intent(DESIRED, "last_supplied")]
        self.past: list[OurWrite] = []

    def play(self) -> None:
        for _ in range(60):
            intent = self.intents[-1]
            if intent.state == "waiting":
                self.crm.now += SETTLE_MS
                self.crm.arrive(only_late=True)
                intent.state = "sent"
            try:
                if intent.state == "sent":
                    self.verify(intent, accepted=False)
                elif intent.state == "queued":
                    self.attempt(intent)
                else:
                    return
            except Crash:
                continue
        raise AssertionError("the worker never came to an end")

    def gap(self) -> None:
        """Between two letters anything may happen."""
        events: list[Callable[[], None]] = [
            lambda: None,
            lambda: self.crm.put("P", Author.PERSON),
            lambda: self.crm.put(None, Author.PERSON),
            lambda: self.crm.put("A", Author.AUTOMATION),
            self.crash,
        ]
        if self.crm.delayed:
            events.append(self.crm.arrive)
        events[self.script.choose(len(events))]()
        self.crm.now += TICK_MS

    def crash(self) -> None:
        raise Crash

    def target(self, intent: Intent) -> Target:
        return Target(self.crm.read().ref.crm, "x", "status", "f", intent.policy, frozenset({"NEW"}))

    def known(self, intent: Intent) -> Known:
        return Known(seen=intent.seen, ours=tuple(self.past))

    def attempt(self, intent: Intent) -> None:
        self.gap()
        live = self.crm.read()  # R
        self.gap()
        decision = decide(self.target(intent), live, intent.desired, self.known(intent))  # D
        if not isinstance(decision, SetField):
            intent.state = f"left: {decision.why}"
            return
        intent.state, intent.base, intent.sent_ms = "sent", live, self.crm.now  # T
        self.gap()
        answer = self.send(intent, live)  # W
        if answer == "conflict" and not intent.unanswered:
            intent.state = "queued"
            return
        intent.unanswered = intent.unanswered or answer != "accepted"
        self.gap()
        self.verify(intent, accepted=answer == "accepted")

    def send(self, intent: Intent, live: Live) -> str:
        network = self.script.choose(4)
        if network == 1:
            return "unknown"  # the request is lost
        if network == 2:
            self.crm.delayed.append((intent.desired, live.version, self.crm.now))
            return "unknown"
        done = self.crm.request(intent.desired, live.version)
        if network == 3:
            return "unknown"  # the answer is lost
        return "accepted" if done else "conflict"

    def verify(self, intent: Intent, *, accepted: bool) -> None:
        base = intent.base
        assert base is not None
        live = self.crm.read()  # V
        versions = base.versions.get("f", ())
        sent = Sent(
            desired=intent.desired,
            base_value=base.values["f"],
            base_version=base.version,
            base_ms=max((one.at_ms for one in versions), default=base.modified_ms),
            sent_ms=intent.sent_ms,
            accepted=accepted,
        )
        verdict = judge_read_back(
            self.target(intent),
            sent,
            live,
            self.known(intent),
            guarded=self.crm.guarded,
            settle_ms=SETTLE_MS,
        )
        if verdict.claimed_ms is not None:
            self.past.append(OurWrite(intent.desired, intent.sent_ms, verdict.claimed_ms, verdict.claimed_ms))
        if verdict.fate is Fate.REPAIR:
            intent.state = "repaired" if intent.rounds < 2 else "alert"
            if intent.rounds < 2:
                repair = Intent(verdict.value, REPAIR, rounds=intent.rounds + 1, seen=intent.desired)
                self.intents.append(repair)
        elif verdict.fate in (Fate.SEND_AGAIN, Fate.DECIDE_AGAIN):
            intent.state, intent.unanswered = "queued", verdict.fate is Fate.SEND_AGAIN
        elif verdict.fate is Fate.WAIT:
            intent.state = "waiting"
        else:
            intent.state = verdict.fate.value


def judge_salesforce(game: Game) -> None:
    """No edit is ever covered, and at most one write of ours has an effect."""
    authors = [version.author for version in game.crm.ledger[1:]]
    assert authors.count(Author.US) <= 1
    if Author.US in authors:
        assert authors.index(Author.US) == 0, "ours came after somebody's edit"


def judge_hubspot(game: Game) -> None:
    """At rest no person's edit is covered by us, or somebody was alerted."""
    ledger = game.crm.ledger
    if ledger[-1].author is Author.US and game.intents[-1].state != "alert":
        last = max((n for n, one in enumerate(ledger) if one.author is not Author.US), default=0)
        if ledger[last].author is Author.PERSON:
            assert ledger[-1].value == ledger[last].value, "our value stands over a person's edit"


@pytest.mark.parametrize(
    ("guarded", "history", "depth"),
    [(True, False, DEPTH), (True, True, DEPTH), (False, True, DEPTH)],
    ids=["salesforce without history", "salesforce with history", "hubspot"],
)
def test_every_interleaving(guarded: bool, history: bool, depth: int) -> None:
    games: list[Game] = []

    def play(script: Script) -> None:
        game = Game(Crm(guarded, history), script)
        game.play()
        games[:] = [game]

    count = 0
    for choices in all_scripts(play, depth):
        game = games[0]
        count += 1
        told = [(one.value, one.author.value) for one in game.crm.ledger], [one.state for one in game.intents]
        try:
            assert all(one.state not in ("queued", "sent", "waiting") for one in game.intents), told
            (judge_salesforce if guarded else judge_hubspot)(game)
            if game.intents[-1].state == "verified" and game.intents[-1].policy != REPAIR:
                assert any(one.author is Author.US for one in game.crm.ledger), told
            if not choices:
                assert (told[1], len(told[0])) == (["verified"], 2)
        except AssertionError as error:
            raise AssertionError(f"{error}\nchoices {choices}\n{told}") from error
    assert count > 1_000
