"""The composition root: settings and world → mirror, connectors, models.

The only file that chooses real things.
"""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from config import toml
from config.errors import ConfigError, Problem
from config.paths import MODEL_FILE, MODELS_FOLDER, SETTINGS_FILE
from config.schema import variable_name
from config.settings import RoutingRule, Settings
from config.world import World
from connectors.base import Connector
from connectors.hubspot.connector import HubSpotConnector
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.salesforce.connector import SalesforceConnector
from connectors.throttle import Budget
from scoring.load import load_model
from scoring.model import Model
from sync.context import App
from sync.core.rules import read_rules
from sync.mirror.engine import Mirror
from sync.privacy import keep_erased

LISTS_FOLDER: Final = "lists"
PEOPLE_OBJECTS: Final = (("salesforce", "Lead"), ("salesforce", "Contact"), ("hubspot", "contacts"))


def build(settings: Settings, world: World, config_dir: Path) -> App:
    """The app of one configuration, its mirror brought up to date; nothing is asked of a CRM yet.

    Raises ConfigError for a model file or a routing rule that cannot be used, and the errors of
    `sync.mirror.unusable`.
    """
    collect_less_often()
    models = load_models(config_dir)
    if settings.routing.rules:
        read_rules(settings.routing.rules, _where_rules_stand(settings, config_dir))
    mirror = Mirror(settings.database_url, world)
    mirror.migrate()
    keep_erased(mirror, world, settings.privacy)
    app = App(settings, world, config_dir, mirror, models, mapping_hash(settings))
    app.connectors.update(connectors_of(settings, world, app.budget))
    return app


def _where_rules_stand(settings: Settings, config_dir: Path) -> toml.Document:
    """The document that gives the routing rules their lines: mqlsync.toml, or the variable over it."""
    document = toml.read(config_dir / SETTINGS_FILE)
    table = document.values.get("routing")
    written = table.get("rules") if isinstance(table, dict) else None
    if isinstance(written, list) and written == [_as_written(rule) for rule in settings.routing.rules]:
        return document
    return toml.Document(variable_name(("routing", "rules")), {}, {})


def _as_written(rule: RoutingRule) -> dict[str, Any]:
    return rule.model_dump(exclude_unset=True)


def connectors_of(
    settings: Settings, world: World, budget_of: Callable[[str], Budget]
) -> dict[str, Connector]:
    """A connector for each CRM that has credentials, its daily calls out of `budget_of(crm)`."""
    found: dict[str, Connector] = {}
    options = pull_options(settings)
    if settings.salesforce.enabled:
        budget = budget_of("salesforce")
        found["salesforce"] = SalesforceConnector(settings.salesforce, options, world, budget)
    if settings.hubspot.enabled:
        budget, people = budget_of("hubspot"), settings.writeback.hubspot.person_sources
        found["hubspot"] = HubSpotConnector(settings.hubspot, options, world, budget, people)
    return found


def collect_less_often() -> None:
    """Look for cyclic garbage after 50,000 new containers instead of 700.

    A page of rows is thousands of them, none in a cycle: looking cost a third of the time of reading them.
    """
    gc.set_threshold(50_000, 20, 50)


def pull_options(settings: Settings) -> PullOptions:
    """What is read beside the fields that every connector needs: mapped fields and write-back targets."""
    also: dict[str, tuple[str, ...]] = {}
    status: dict[str, str] = {"Lead": "Status", "contacts": "hs_lead_status"}
    for crm, object_name in PEOPLE_OBJECTS:
        targets = settings.writeback.targets(crm, object_name)
        also[object_name] = tuple(policy.field for _, policy in targets.items())
        if targets.status is not None:
            status[object_name] = targets.status.field
    mapped = {name.partition(".")[2]: fields for name, fields in settings.mapping.fields.items()}
    return PullOptions(
        engagement=EngagementMapper(settings.engagement.rules),
        all_fields=settings.pull.fields == "all",
        mapped=mapped,
        also=also,
        status_field=status,
        overlap=settings.pull.overlap,
        objects=settings.pull.objects,
        refresh_calculated=settings.pull.refresh_calculated,
    )


def load_models(config_dir: Path) -> Sequence[Model]:
    """`scoring.toml`, then `models/*.toml` by name; all problems of all files at once.

    Raises ConfigError also when two files hold the same model and version.
    """
    lists = named_lists(config_dir)
    paths = [config_dir / MODEL_FILE, *sorted((config_dir / MODELS_FOLDER).glob("*.toml"))]
    models: list[Model] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            models.append(load_model(path.read_text(encoding="utf-8"), str(path), lists))
        except ConfigError as error:
            problems += error.problems
        except FileNotFoundError:
            problems.append(Problem("is missing; `mqlsync init` writes one", where=str(path)))
        except (OSError, UnicodeDecodeError) as error:
            problems.append(Problem(f"cannot be read: {error}", where=str(path)))
    seen: dict[tuple[str, int], Model] = {}
    for model in models:
        first = seen.setdefault((model.name, model.version), model)
        if first is not model:
            message = f"model {model.name} version {model.version} is in {first.where} as well"
            problems.append(Problem(message, where=model.where))
    if problems:
        raise ConfigError(problems)
    order = {"live": 0, "shadow": 1, "draft": 2, "retired": 3}
    return sorted(models, key=lambda model: order[model.status])


def named_lists(config_dir: Path) -> Mapping[str, frozenset[str]]:
    """`lists/NAME.txt`: one entry a line, `#` begins a comment."""
    found = {}
    for path in sorted((config_dir / LISTS_FOLDER).glob("*.txt")):
        lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
        found[path.stem] = frozenset(line for line in lines if line)
    return found


def mapping_hash(settings: Settings) -> str:
    """Changes whenever the same people would be written differently: mapping, stages, targets, routing."""
    parts = settings.model_dump(
        mode="json", include={"mapping", "engagement", "stages", "writeback", "routing"}
    )
    for patience in ("quiet_period", "settle_time"):
        parts["writeback"].pop(patience)
    for crm in ("salesforce", "hubspot"):
        if parts["writeback"][crm]["hand_off"] is None:
            parts["writeback"][crm].pop("hand_off")  # off is as if there were no such setting
    for pool in parts["routing"]["pools"].values():
        for one in pool["members"]:
            for availability in ("hours", "absent", "capacity"):
                one.pop(availability)  # a holiday is no reason to ask for approval anew
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
