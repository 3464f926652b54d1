"""Engagement rules that changed: what the feeds themselves cannot make good.

A feed whose rules changed is read again from its beginning, and each row says what it is by the rules of
today. What no rule names any more is not read again at all, so it is ended here.
"""

from __future__ import annotations

from typing import Final

from connectors.mapping import EngagementMapper
from sync.context import Context
from sync.core.window import shape
from sync.mirror import retired
from sync.mirror.runs import current_round, get_meta, set_meta

BY_TYPE: Final = {"hubspot.web_event": "eventType"}
"""Source → the field whose values the CRM is asked for one by one."""


def end_what_no_rule_takes(ctx: Context, crm: str) -> None:
    """End engagements of sources, and of types of events, that no rule names any more; once per change."""
    rules = [one for one in ctx.settings.engagement.rules if one.source.startswith(crm)]
    now = shape({"rules": [rule.model_dump(mode="json") for rule in rules]})
    with ctx.mirror.read() as conn:
        if get_meta(conn, f"rules:{crm}") == now:
            return
    mapper = EngagementMapper(ctx.settings.engagement.rules)
    with ctx.mirror.write() as conn:
        round_ = current_round(conn)
        retired.end_unused(conn, crm, mapper.uses, round_)
        for source, field in BY_TYPE.items():
            if source.startswith(crm):
                types = mapper.wanted(source, field)
                retired.end_other_types(conn, crm, source, field, types, round_)
        set_meta(conn, f"rules:{crm}", now)
