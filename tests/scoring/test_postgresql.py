"""Every statement can be put into PostgreSQL's words (running them there is another matter)."""

from __future__ import annotations

import pytest
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from scoring.compile import compile_model
from scoring.load import load_model
from sync.mirror import catalog
from tests.scoring.subject import DEFAULT

MODELS = {
    "default": DEFAULT,
    "custom": DEFAULT.replace(
        "[events]", 'segment = { fields.tier = "gold", company = { contains = "x" } }\n[events]', 1
    ),
}


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()], ids=["sqlite", "postgresql"])
@pytest.mark.parametrize("text", MODELS.values(), ids=MODELS)
def test_statements_compile(dialect: Dialect, text: str) -> None:
    model = load_model(text, "m.toml")
    program = compile_model(model, catalog.people(), catalog.engagements())
    statements = [
        str(step.statement.compile(dialect=dialect)) for stage in program.stages for step in stage.steps
    ]
    assert len(statements) == 1 + 9 + 11 + 1 + 1 + 1
    told_apart = 'COLLATE "C"' in " ".join(statements)
    assert told_apart is (dialect.name == "postgresql")
