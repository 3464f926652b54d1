"""The first schema, one function a table."""

# ruff: noqa: E501 (as Alembic wrote it)

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table."""
    approval()
    audit()
    budget()
    company_record()
    deal_record()
    email_domain()
    engagement()
    feed_cursor()
    intent()
    lease()
    link()
    match_key()
    meta()
    model_version()
    owner()
    parked_record()
    pause()
    person()
    person_alias()
    person_former()
    person_member()
    person_record()
    plan()
    plan_item()
    run()
    score()
    score_hit()
    spell()
    spell_reading()
    sweep_id()
    tombstone()
    turn()
    verified_value()


def approval() -> None:
    op.create_table(
        "approval",
        sa.Column("model_hash", sa.String(), nullable=False),
        sa.Column("mapping_hash", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model_hash", "mapping_hash"),
    )


def audit() -> None:
    op.create_table(
        "audit",
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("n"),
    )


def budget() -> None:
    op.create_table(
        "budget",
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=True),
        sa.Column("limit", sa.BigInteger(), nullable=True),
        sa.Column("ours", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("heard_at", sa.BigInteger(), nullable=False),
        sa.Column("spent_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("crm"),
    )


def company_record() -> None:
    op.create_table(
        "company_record",
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("domain", sa.String(), nullable=True),
        sa.Column("company_size", sa.BigInteger(), nullable=True),
        sa.Column("industry", sa.String(), nullable=True),
        sa.Column("country", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=True),
        sa.Column("city", sa.String(), nullable=True),
        sa.Column("owner_id", sa.String(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=True),
        sa.Column("modified_ms", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("crm", "object", "id"),
    )
    with op.batch_alter_table("company_record", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_company_record_changed"), ["changed"], unique=False)


def deal_record() -> None:
    op.create_table(
        "deal_record",
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("stage", sa.String(), nullable=True),
        sa.Column("is_closed", sa.Boolean(), nullable=False),
        sa.Column("is_won", sa.Boolean(), nullable=False),
        sa.Column("amount", sa.Float(), nullable=True),
        sa.Column("company_id", sa.String(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.Column("modified_ms", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("crm", "object", "id"),
    )
    with op.batch_alter_table("deal_record", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deal_record_changed"), ["changed"], unique=False)


def email_domain() -> None:
    op.create_table(
        "email_domain",
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("student", sa.Boolean(), nullable=False),
        sa.Column("free_mail", sa.Boolean(), nullable=False),
        sa.Column("disposable", sa.Boolean(), nullable=False),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("domain"),
    )


def engagement() -> None:
    op.create_table(
        "engagement",
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("person_object", sa.String(), nullable=True),
        sa.Column("person_record_id", sa.String(), nullable=True),
        sa.Column("person_email", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.BigInteger(), nullable=True),
        sa.Column("is_bot", sa.Boolean(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("modified_ms", sa.BigInteger(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("asset_key", sa.Text(), nullable=True),
        sa.Column("email_key", sa.String(), nullable=True),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("crm", "source", "id"),
    )
    with op.batch_alter_table("engagement", schema=None) as batch_op:
        batch_op.create_index("engagement_by_email", ["email_key"], unique=False)
        batch_op.create_index(
            "engagement_by_record", ["crm", "person_object", "person_record_id"], unique=False
        )
        batch_op.create_index("engagement_of_person", ["person_id", "kind", "occurred_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_engagement_changed"), ["changed"], unique=False)


def feed_cursor() -> None:
    op.create_table(
        "feed_cursor",
        sa.Column("feed", sa.String(), nullable=False),
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("completed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("feed"),
    )


def intent() -> None:
    op.create_table(
        "intent",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("spell_id", sa.String(), nullable=True),
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("base_value", sa.Text(), nullable=True),
        sa.Column("desired_value", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=True),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("base_version", sa.String(), nullable=True),
        sa.Column("base_ms", sa.BigInteger(), nullable=True),
        sa.Column("verified_version", sa.String(), nullable=True),
        sa.Column("verified_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("plan_digest", sa.String(), nullable=True),
        sa.Column("model_hash", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("sent_ms", sa.BigInteger(), nullable=True),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_run", sa.String(), nullable=True),
        sa.Column("parent_id", sa.String(), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued','awaiting_approval','quiet','sent','unsure','verified','conflict','parked','superseded')",
            name="intent_state",
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("intent", schema=None) as batch_op:
        batch_op.create_index("intent_by_record", ["crm", "object", "record_id"], unique=False)
        batch_op.create_index("intent_by_state", ["state"], unique=False)
        batch_op.create_index(batch_op.f("ix_intent_ended_run"), ["ended_run"], unique=False)
        batch_op.create_index(batch_op.f("ix_intent_person_id"), ["person_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_intent_plan_digest"), ["plan_digest"], unique=False)
        batch_op.create_index(batch_op.f("ix_intent_run_id"), ["run_id"], unique=False)


def lease() -> None:
    op.create_table(
        "lease",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def link() -> None:
    op.create_table(
        "link",
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("from_object", sa.String(), nullable=False),
        sa.Column("from_id", sa.String(), nullable=False),
        sa.Column("to_object", sa.String(), nullable=False),
        sa.Column("to_id", sa.String(), nullable=False),
        sa.Column("types", sa.String(), nullable=False),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("crm", "from_object", "from_id", "to_object", "to_id"),
    )
    with op.batch_alter_table("link", schema=None) as batch_op:
        batch_op.create_index("link_to", ["crm", "to_object", "to_id"], unique=False)


def match_key() -> None:
    op.create_table(
        "match_key",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("additional", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", "crm", "object", "id"),
    )
    with op.batch_alter_table("match_key", schema=None) as batch_op:
        batch_op.create_index("key_of_record", ["crm", "object", "id"], unique=False)


def meta() -> None:
    op.create_table(
        "meta",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )


def model_version() -> None:
    op.create_table(
        "model_version",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "version"),
    )


def owner() -> None:
    op.create_table(
        "owner",
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("email_key", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("crm", "id"),
    )
    with op.batch_alter_table("owner", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_owner_email_key"), ["email_key"], unique=False)


def parked_record() -> None:
    op.create_table(
        "parked_record",
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("crm", "object", "id"),
    )


def pause() -> None:
    op.create_table(
        "pause",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope"),
    )


def person() -> None:
    op.create_table(
        "person",
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("founding_crm", sa.String(), nullable=False),
        sa.Column("founding_object", sa.String(), nullable=False),
        sa.Column("founding_id", sa.String(), nullable=False),
        sa.Column("ambiguous", sa.Boolean(), nullable=False),
        sa.Column("ambiguous_why", sa.String(), nullable=True),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("emails", sa.Text(), nullable=False),
        sa.Column("email_domain", sa.String(), nullable=True),
        sa.Column("first_name", sa.String(), nullable=True),
        sa.Column("last_name", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("company", sa.String(), nullable=True),
        sa.Column("company_size", sa.BigInteger(), nullable=True),
        sa.Column("industry", sa.String(), nullable=True),
        sa.Column("country", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=True),
        sa.Column("city", sa.String(), nullable=True),
        sa.Column("lead_source", sa.String(), nullable=True),
        sa.Column("job_title", sa.String(), nullable=True),
        sa.Column("seniority", sa.Integer(), nullable=True),
        sa.Column("student_domain", sa.Boolean(), nullable=False),
        sa.Column("free_mail", sa.Boolean(), nullable=False),
        sa.Column("disposable", sa.Boolean(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("crm_stage", sa.String(), nullable=False),
        sa.Column("crm_mql", sa.Boolean(), nullable=False),
        sa.Column("rejected_reason", sa.String(), nullable=True),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("touched", sa.Boolean(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("person_id"),
    )
    with op.batch_alter_table("person", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_person_due_at"), ["due_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_person_touched"), ["touched"], unique=False)
        batch_op.create_index(
            "person_ambiguous",
            ["person_id"],
            unique=False,
            sqlite_where=sa.text("ambiguous"),
            postgresql_where=sa.text("ambiguous"),
        )


def person_alias() -> None:
    op.create_table(
        "person_alias",
        sa.Column("alias", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("alias"),
    )
    with op.batch_alter_table("person_alias", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_person_alias_person_id"), ["person_id"], unique=False)


def person_former() -> None:
    op.create_table(
        "person_former",
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("survives", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("crm", "object", "id"),
    )
    with op.batch_alter_table("person_former", schema=None) as batch_op:
        batch_op.create_index("former_of", ["person_id"], unique=False)


def person_member() -> None:
    op.create_table(
        "person_member",
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("crm", "object", "id"),
    )
    with op.batch_alter_table("person_member", schema=None) as batch_op:
        batch_op.create_index("member_of", ["person_id"], unique=False)


def person_record() -> None:
    op.create_table(
        "person_record",
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("additional_emails", sa.Text(), nullable=True),
        sa.Column("first_name", sa.String(), nullable=True),
        sa.Column("last_name", sa.String(), nullable=True),
        sa.Column("job_title", sa.String(), nullable=True),
        sa.Column("company_name", sa.String(), nullable=True),
        sa.Column("company_id", sa.String(), nullable=True),
        sa.Column("company_size", sa.BigInteger(), nullable=True),
        sa.Column("industry", sa.String(), nullable=True),
        sa.Column("country", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=True),
        sa.Column("city", sa.String(), nullable=True),
        sa.Column("lead_source", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=True),
        sa.Column("lifecycle", sa.String(), nullable=True),
        sa.Column("owner_id", sa.String(), nullable=True),
        sa.Column("opted_out", sa.Boolean(), nullable=True),
        sa.Column("record_type", sa.String(), nullable=True),
        sa.Column("sf_lead_id", sa.String(), nullable=True),
        sa.Column("sf_contact_id", sa.String(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=True),
        sa.Column("modified_ms", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("email_key", sa.String(), nullable=True),
        sa.Column("additional_keys", sa.Text(), nullable=True),
        sa.Column("email_domain", sa.String(), nullable=True),
        sa.Column("seniority", sa.Integer(), nullable=True),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.Column("founder_id", sa.String(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("crm", "object", "id"),
    )
    with op.batch_alter_table("person_record", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_person_record_changed"), ["changed"], unique=False)
        batch_op.create_index(batch_op.f("ix_person_record_company_id"), ["company_id"], unique=False)


def plan() -> None:
    op.create_table(
        "plan",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("blocked_by", sa.Text(), nullable=False),
        sa.Column("model_hash", sa.String(), nullable=False),
        sa.Column("mapping_hash", sa.String(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("digest"),
    )


def plan_item() -> None:
    op.create_table(
        "plan_item",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("intent_id", sa.String(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("digest", "intent_id"),
    )
    with op.batch_alter_table("plan_item", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_plan_item_intent_id"), ["intent_id"], unique=False)


def run() -> None:
    op.create_table(
        "run",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("report", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_run_started_at"), ["started_at"], unique=False)


def score() -> None:
    op.create_table(
        "score",
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("model_hash", sa.String(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("fit", sa.BigInteger(), nullable=False),
        sa.Column("engagement", sa.BigInteger(), nullable=False),
        sa.Column("grade", sa.String(), nullable=False),
        sa.Column("suppressed", sa.String(), nullable=True),
        sa.Column("shown", sa.Boolean(), nullable=False),
        sa.Column("eligible", sa.Boolean(), nullable=False),
        sa.Column("over_enter", sa.Boolean(), nullable=False),
        sa.Column("fast_track", sa.String(), nullable=True),
        sa.Column("under_leave", sa.Boolean(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "model"),
    )


def score_hit() -> None:
    op.create_table(
        "score_hit",
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("axis", sa.String(), nullable=False),
        sa.Column("group", sa.String(), nullable=True),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=True),
        sa.Column("last_at", sa.BigInteger(), nullable=True),
        sa.Column("sources", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "model", "rule"),
    )


def spell() -> None:
    op.create_table(
        "spell",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("model_hash", sa.String(), nullable=False),
        sa.Column("entered_at", sa.BigInteger(), nullable=False),
        sa.Column("entered_by", sa.String(), nullable=False),
        sa.Column("left_at", sa.BigInteger(), nullable=True),
        sa.Column("left_why", sa.String(), nullable=True),
        sa.Column("snapshot", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("spell", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_spell_person_id"), ["person_id"], unique=False)
        batch_op.create_index(
            "one_open_spell",
            ["model", "person_id"],
            unique=True,
            sqlite_where=sa.text("left_at IS NULL"),
            postgresql_where=sa.text("left_at IS NULL"),
        )


def spell_reading() -> None:
    op.create_table(
        "spell_reading",
        sa.Column("spell_id", sa.String(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("below", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("spell_id", "day"),
    )


def sweep_id() -> None:
    op.create_table(
        "sweep_id",
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("crm", "object", "id"),
    )


def tombstone() -> None:
    op.create_table(
        "tombstone",
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_object", sa.String(), nullable=True),
        sa.Column("to_id", sa.String(), nullable=True),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("crm", "object", "id"),
    )
    with op.batch_alter_table("tombstone", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tombstone_changed"), ["changed"], unique=False)
        batch_op.create_index("tombstone_to", ["crm", "to_object", "to_id"], unique=False)


def turn() -> None:
    op.create_table(
        "turn",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("pool", sa.String(), nullable=False),
        sa.Column("roster", sa.String(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("turn", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_turn_person_id"), ["person_id"], unique=False)
        batch_op.create_index("turn_of_pool", ["pool", "state"], unique=False)


def verified_value() -> None:
    op.create_table(
        "verified_value",
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("intent_id", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("crm", "object", "record_id", "field"),
    )
