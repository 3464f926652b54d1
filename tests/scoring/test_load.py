"""Model files: the shipped one, what is hashed, and everything that can be wrong, with its exact message."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import pytest

from config.errors import ConfigError
from scoring.load import load_model
from scoring.model import HalfLife, Limit, Minimums, StepDecay
from tests.scoring.subject import DAY, DEFAULT, default_model

SMALL = """\
name = "m"
version = 1
status = "live"
applies_to = ["lead"]
[events]
demo = { kind = "demo_requested", same_if_within = "24h" }
visit = { kind = "page_view", asset = "*/pricing*" }
[fit]
rules = [
  { id = "boss", points = 15, when = { job_title = { seniority_at_least = "director" } } },
]
[engagement.groups.high]
limit = [0, 70]
rules = [
  { id = "demo", points = 25, event = "demo", decay = { half_life = "60d" } },
]
[grade]
fit = { A = 15, B = 0 }
engagement = { 1 = 25, 2 = 0 }
[mql]
enter = { total = 40 }
"""


def problems(text: str) -> list[str]:
    """The messages of a file, without its name."""
    with pytest.raises(ConfigError) as caught:
        load_model(text, "m.toml")
    return [str(problem).removeprefix("m.toml") for problem in caught.value.problems]


def test_the_shipped_model() -> None:
    model = default_model()
    assert (model.name, model.version, model.status) == ("b2b-default", 1, "live")
    assert model.review_by == date(2027, 2, 28)
    assert [rule.id for rule in model.rules] == [
        "director_or_higher",
        "size_50_250",
        "student_email",
        "demo_request",
        "pricing_3plus",
        "trial_started",
        "case_study",
        "webinar",
        "newsletter",
        "careers_visit",
        "unsubscribed",
    ]
    assert [rule.points // 1000 for rule in model.rules] == [15, 10, -50, 25, 15, 30, 10, 10, 5, -20, -25]
    assert model.fit.limit == Limit(-100_000, 50_000)
    webinar, demo = model.rule("webinar"), model.rule("demo_request")
    assert webinar is not None
    assert demo is not None
    assert webinar.decay == StepDecay(25_000, 30 * DAY)
    assert demo.decay == HalfLife(60 * DAY)
    assert model.mql.enter == Minimums(100_000, 15_000, 40_000)
    assert (model.grade.fit_below, model.grade.engagement_below) == ("D", "4")
    assert model.checks.mql_to_sql == (0.1, 0.3)


def test_the_template_is_the_file_that_ships() -> None:
    assert Path("config/templates/scoring.toml").read_text(encoding="utf-8") == DEFAULT
    assert all(len(line) <= 140 for line in DEFAULT.splitlines())


def test_the_hash_covers_what_scores() -> None:
    same = (
        SMALL.replace('"live"', '"draft"'),
        SMALL.replace("[grade]", "# a comment\n[grade]"),
        SMALL.replace("[events]", "review_by = 2030-01-01\n[events]"),
        SMALL + '[checks]\nmql_to_sql = ["1%", "2%"]\n',
    )
    different = (
        SMALL.replace("25", "26"),
        SMALL.replace('"60d"', '"61d"'),
        SMALL.replace("version = 1", "version = 2"),
    )
    hashed = load_model(SMALL, "m.toml").hash
    assert {load_model(text, "m.toml").hash for text in same} == {hashed}
    assert len({load_model(text, "m.toml").hash for text in different} | {hashed}) == 4


def test_lists_have_a_hash_of_their_own() -> None:
    one = load_model(DEFAULT, "m.toml", {"competitors": ["rival.test"], "unused": ["x"]})
    two = load_model(DEFAULT, "m.toml", {"competitors": ["RIVAL.test ", ""], "unused": ["y"]})
    three = load_model(DEFAULT, "m.toml", {"competitors": ["other.test"]})
    assert one.lists == {"competitors": {"rival.test"}}
    assert one.lists_hash == two.lists_hash != three.lists_hash
    assert one.hash == three.hash


def test_all_problems_at_once_in_order_of_their_lines() -> None:
    text = SMALL.replace("version = 1", "version = 0").replace("demo_requested", "demo requested")
    text = text.replace('event = "demo"', 'evnt = "demo"')
    found = problems(text)
    assert [line.split(":")[1] for line in found] == ["2", "6", "15", "15"]


BROKEN = tomllib.loads(Path("tests/scoring/broken_models.toml").read_text(encoding="utf-8"))["case"]


@pytest.mark.parametrize("case", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file(case: dict[str, str]) -> None:
    assert case["old"] in SMALL
    found = problems(SMALL.replace(case["old"], case["new"], 1))
    assert case["message"] in found, "\n".join(found)


def test_there_are_many_of_them() -> None:
    assert len({case["message"] for case in BROKEN}) >= 120


def test_the_small_model_is_right() -> None:
    assert load_model(SMALL, "m.toml").rule("demo") is not None


def test_too_many_events() -> None:
    events = "\n".join(f'e{n} = {{ kind = "k" }}' for n in range(61))
    assert ":5: events: has 63 events; expected at most 60" in problems(
        SMALL.replace("[events]", f"[events]\n{events}")
    )


def test_too_many_fast_tracks() -> None:
    tracks = ", ".join(f'{{ id = "t{n}", event = "demo" }}' for n in range(61))
    text = SMALL + f"fast_track = [{tracks}]\n"
    assert problems(text) == [":22: mql.fast_track: has 61 fast tracks; expected at most 60"]
