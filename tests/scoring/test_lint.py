"""What a model can reach: the counts are checked against plain enumeration."""

from __future__ import annotations

from itertools import combinations

from scoring.lint import lint, reach
from scoring.load import load_model
from tests.scoring.subject import DEFAULT, default_model
from tests.scoring.test_load import SMALL


def test_the_default_model() -> None:
    assert lint(default_model()) == [
        "15 of 256 combinations of the 8 positive rules, each once, without decay, reach total 100;"
        " 13 also meet every minimum",
        "with repeated events up to their caps: 37 of 256; 27 also meet every minimum",
        "the fast track adds 51 combinations, 41 with repeated events",
    ]


def test_against_enumeration() -> None:
    model = default_model()
    positive = [rule for rule in model.rules if rule.points > 0]
    caps = {"high_intent": 70_000, "mid_intent": 40_000}
    for repeated in (False, True):
        total = every = added = 0
        for size in range(len(positive) + 1):
            for chosen in combinations(positive, size):
                sums = {"high_intent": 0, "mid_intent": 0, None: 0}
                for rule in chosen:
                    sums[rule.group] += (rule.max_points if repeated else None) or rule.points
                fit = sums[None]
                engagement = sum(min(cap, sums[name]) for name, cap in caps.items())
                total += fit + engagement >= 100_000
                meets = fit + engagement >= 100_000 and fit >= 15_000 and engagement >= 40_000
                every += meets
                added += not meets and fit >= 15_000 and any(r.id == "demo_request" for r in chosen)
        found = reach(model, repeated=repeated)
        assert (found.total, found.every, found.added) == (total, every, added)


def test_many_rules_are_counted_without_enumerating() -> None:
    rules = "\n".join(f'{{ id = "r{n}", points = 5, event = "demo" }},' for n in range(60))
    model = load_model(SMALL.replace("[0, 70]\nrules = [", f"[0, 70]\nrules = [\n{rules}"), "many.toml")
    found = reach(model, repeated=False)
    assert found.combinations == 2**62
    assert 0 < found.every < found.combinations


def test_warnings() -> None:
    model = load_model(SMALL.replace("total = 40", "total = 400"), "m.toml")
    assert lint(model)[2:] == [
        "event visit is never used",
        "nobody can become an MQL: the threshold is out of reach",
    ]
    assert len(lint(load_model(DEFAULT, "m.toml"))) == 3
