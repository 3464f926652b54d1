"""Routing rules of mqlsync.toml, read in the condition language of scoring.toml. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from config.errors import ConfigError, Problem
from config.hours import parse_absence, parse_hours
from config.settings import PoolMember, RoutingRule
from config.toml import Document
from scoring.conditions import ConditionReader
from scoring.fields import DOMAIN_LISTS
from scoring.model import AllOf, Condition, comparisons_of
from scoring.reading import Problems, Table, one_of
from sync.core.owner import Member, Rule, normal_email

NO_FILE: Final = Document("mqlsync.toml", {}, {})


def read_rules(rules: Sequence[RoutingRule], document: Document = NO_FILE) -> list[Rule]:
    """The rules with their conditions understood; `document` gives the lines.

    An empty `when` holds for everybody. Raises ConfigError with every problem at once.
    """
    problems = Problems(document)
    found = []
    for position, rule in enumerate(rules):
        when = _condition(Table(rule.when, ("routing", "rules", position, "when"), problems))
        found.append(Rule(when, rule.pool, rule.company_owner))
    if problems.found:
        raise ConfigError(problems.found)
    return found


def problems_of(rules: Sequence[RoutingRule], document: Document = NO_FILE) -> list[Problem]:
    """What is wrong with the rules."""
    try:
        read_rules(rules, document)
    except ConfigError as error:
        return list(error.problems)
    return []


def _condition(table: Table) -> Condition:
    if not table.values:
        return AllOf(())
    condition = ConditionReader(()).read(table)
    for test in comparisons_of(condition):
        if test.operator == "in_list" and test.value not in DOMAIN_LISTS:
            table.wrong(test.field, f"the list {test.value} is for scoring.toml only", one_of(DOMAIN_LISTS))
    return condition


def member(one: PoolMember) -> Member:
    """A member of a pool with hours and absences understood. Raises HoursFault for those that are not."""
    return Member(
        normal_email(one.email),
        one.weight,
        one.capacity,
        None if one.hours is None else parse_hours(one.hours),
        tuple(parse_absence(text) for text in one.absent),
    )
