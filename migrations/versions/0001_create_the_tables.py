"""Create the tables.

Revision ID: 0001
Revises:
Create Date: 2026-11-20 23:39:41.389344
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

import app_runner.db.types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "access_token",
        sa.Column(
            "name", app_runner.db.types.CleanText(255, exact=False), nullable=False
        ),
        sa.Column(
            "owner", app_runner.db.types.CleanText(255, exact=True), nullable=False
        ),
        sa.Column("kind", app_runner.db.types.CleanText(20, exact=True), nullable=False),
        sa.Column("scopes", app_runner.db.types.Json(), nullable=False),
        sa.Column(
            "digest", app_runner.db.types.CleanText(64, exact=True), nullable=False
        ),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("created_at", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column("expires_at", app_runner.db.types.UtcDateTime(), nullable=True),
        sa.Column("revoked_at", app_runner.db.types.UtcDateTime(), nullable=True),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.ForeignKeyConstraint(
            ["parent_id"],
            ["access_token.id"],
            name=op.f("fk_access_token_parent_id_access_token"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_access_token_digest")),
    )
    with op.batch_alter_table("access_token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_access_token_owner"), ["owner"])
        batch_op.create_index(batch_op.f("ix_access_token_parent_id"), ["parent_id"])

    op.create_table(
        "audit_event",
        sa.Column("happened_at", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column(
            "action", app_runner.db.types.CleanText(64, exact=True), nullable=False
        ),
        sa.Column(
            "actor", app_runner.db.types.CleanText(255, exact=False), nullable=True
        ),
        sa.Column(
            "target", app_runner.db.types.CleanText(500, exact=False), nullable=False
        ),
        sa.Column(
            "address", app_runner.db.types.CleanText(64, exact=False), nullable=False
        ),
        sa.Column(
            "request_id", app_runner.db.types.CleanText(64, exact=False), nullable=False
        ),
        sa.Column("details", app_runner.db.types.Json(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
    )
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_event_action"), ["action"])
        batch_op.create_index(batch_op.f("ix_audit_event_happened_at"), ["happened_at"])

    op.create_table(
        "catalogue",
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column(
            "fingerprint", app_runner.db.types.CleanText(64, exact=True), nullable=False
        ),
        sa.Column("changed_at", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalogue")),
    )
    op.create_table(
        "data_blob",
        sa.Column(
            "value",
            sa.LargeBinary()
            .with_variant(mysql.LONGBLOB(), "mariadb")
            .with_variant(mysql.LONGBLOB(), "mysql"),
            nullable=False,
        ),
        sa.Column(
            "plugin_id", app_runner.db.types.CleanText(255, exact=True), nullable=False
        ),
        sa.Column("key", app_runner.db.types.CleanText(255, exact=True), nullable=False),
        sa.Column("changed_at", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_blob")),
        sa.UniqueConstraint("plugin_id", "key", name=op.f("uq_data_blob_plugin_id")),
    )
    op.create_table(
        "plugin_state",
        sa.Column("value", app_runner.db.types.Json(), nullable=False),
        sa.Column(
            "plugin_id", app_runner.db.types.CleanText(255, exact=True), nullable=False
        ),
        sa.Column("key", app_runner.db.types.CleanText(255, exact=True), nullable=False),
        sa.Column("changed_at", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plugin_state")),
        sa.UniqueConstraint("plugin_id", "key", name=op.f("uq_plugin_state_plugin_id")),
    )
    op.create_table(
        "task",
        sa.Column(
            "task_name", app_runner.db.types.CleanText(500, exact=False), nullable=False
        ),
        sa.Column(
            "plugin", app_runner.db.types.CleanText(255, exact=True), nullable=True
        ),
        sa.Column("owner", app_runner.db.types.CleanText(255, exact=True), nullable=True),
        sa.Column("started_at", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column("finished_at", app_runner.db.types.UtcDateTime(), nullable=True),
        sa.Column(
            "parameters", app_runner.db.types.CleanText(None, exact=False), nullable=False
        ),
        sa.Column("data", app_runner.db.types.Json(), nullable=False),
        sa.Column("multi_step", sa.Boolean(), nullable=False),
        sa.Column("current_step", sa.Integer(), nullable=False),
        sa.Column("progress_value", sa.Double(), nullable=True),
        sa.Column("progress_start", sa.Double(), nullable=False),
        sa.Column("progress_target", sa.Double(), nullable=False),
        sa.Column(
            "progress_unit",
            app_runner.db.types.CleanText(100, exact=False),
            nullable=False,
        ),
        sa.Column(
            "task_status", app_runner.db.types.CleanText(20, exact=True), nullable=True
        ),
        sa.Column(
            "task_log", app_runner.db.types.CleanText(None, exact=False), nullable=False
        ),
        sa.Column("state", app_runner.db.types.CleanText(20, exact=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column(
            "lease_key", app_runner.db.types.CleanText(64, exact=True), nullable=True
        ),
        sa.Column("lease_expires_at", app_runner.db.types.UtcDateTime(), nullable=True),
        sa.Column(
            "message", app_runner.db.types.CleanText(None, exact=False), nullable=True
        ),
        sa.Column(
            "cancel_requested_at", app_runner.db.types.UtcDateTime(), nullable=True
        ),
        sa.Column("origin", app_runner.db.types.Json(), nullable=True),
        sa.Column(
            "submit_key", app_runner.db.types.CleanText(64, exact=True), nullable=True
        ),
        sa.Column(
            "submit_digest", app_runner.db.types.CleanText(64, exact=True), nullable=True
        ),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
        sa.UniqueConstraint("submit_key", name=op.f("uq_task_submit_key")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("task", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_task_finished_at"), ["finished_at"], unique=False
        )
        batch_op.create_index("ix_task_started", ["started_at", "id"], unique=False)
        for column, name in (
            ("owner", "ix_task_owner_started"),
            ("plugin", "ix_task_plugin_started"),
            ("task_status", "ix_task_status_started"),
        ):
            batch_op.create_index(name, [column, "started_at", "id"], unique=False)
        batch_op.create_index(
            "ix_task_state_lease", ["state", "lease_expires_at"], unique=False
        )

    op.create_table(
        "virtual_plugin",
        sa.Column(
            "parent_id", app_runner.db.types.CleanText(255, exact=True), nullable=False
        ),
        sa.Column("name", app_runner.db.types.CleanText(255, exact=True), nullable=False),
        sa.Column(
            "version", app_runner.db.types.CleanText(255, exact=True), nullable=False
        ),
        sa.Column(
            "description",
            app_runner.db.types.CleanText(None, exact=False),
            nullable=False,
        ),
        sa.Column(
            "tags", app_runner.db.types.CleanText(None, exact=False), nullable=False
        ),
        sa.Column("href", app_runner.db.types.CleanText(700, exact=True), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_virtual_plugin")),
    )
    with op.batch_alter_table("virtual_plugin", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_virtual_plugin_href"), ["href"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_virtual_plugin_parent_id"), ["parent_id"], unique=False
        )

    op.create_table(
        "retention",
        sa.Column("due_at", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column("deleted_task_id", sa.Integer(), nullable=False),
        sa.Column("deleted_file_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention")),
    )

    op.create_table(
        "schedule",
        sa.Column("owner", app_runner.db.types.CleanText(255, exact=True), nullable=True),
        sa.Column("scopes", app_runner.db.types.Json(), nullable=False),
        sa.Column(
            "plugin", app_runner.db.types.CleanText(255, exact=True), nullable=False
        ),
        sa.Column(
            "entry_point",
            app_runner.db.types.CleanText(None, exact=False),
            nullable=False,
        ),
        sa.Column(
            "base_url", app_runner.db.types.CleanText(None, exact=False), nullable=False
        ),
        sa.Column("parameters", app_runner.db.types.Json(), nullable=False),
        sa.Column(
            "cron", app_runner.db.types.CleanText(255, exact=False), nullable=False
        ),
        sa.Column("created_at", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column("next_run_at", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column("tried_at", app_runner.db.types.UtcDateTime(), nullable=True),
        sa.Column("last_run_at", app_runner.db.types.UtcDateTime(), nullable=True),
        sa.Column("last_task_id", sa.Integer(), nullable=True),
        sa.Column(
            "problem", app_runner.db.types.CleanText(None, exact=False), nullable=True
        ),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("schedule", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_schedule_next_run_at"), ["next_run_at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_schedule_owner"), ["owner"], unique=False)

    op.create_table(
        "task_log_chunk",
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("first_line", sa.Integer(), nullable=False),
        sa.Column("line_count", sa.Integer(), nullable=False),
        sa.Column(
            "content", app_runner.db.types.CleanText(None, exact=False), nullable=False
        ),
        sa.Column("written_at", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["task.id"],
            name=op.f("fk_task_log_chunk_task_id_task"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_log_chunk")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("task_log_chunk", schema=None) as batch_op:
        batch_op.create_index(
            "ix_task_log_chunk_line", ["task_id", "attempt", "first_line"], unique=False
        )
        batch_op.create_index("ix_task_log_chunk_task", ["task_id", "id"], unique=False)

    op.create_table(
        "message",
        sa.Column(
            "publication_key",
            app_runner.db.types.CleanText(64, exact=True),
            nullable=False,
        ),
        sa.Column("task_id", sa.Integer(), nullable=True),
        sa.Column(
            "name", app_runner.db.types.CleanText(500, exact=False), nullable=False
        ),
        sa.Column(
            "queue", app_runner.db.types.CleanText(255, exact=True), nullable=False
        ),
        sa.Column(
            "content", app_runner.db.types.CleanText(None, exact=False), nullable=False
        ),
        sa.Column("state", app_runner.db.types.CleanText(20, exact=True), nullable=False),
        sa.Column("due_at", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column(
            "lease_key", app_runner.db.types.CleanText(64, exact=True), nullable=True
        ),
        sa.Column(
            "worker", app_runner.db.types.CleanText(255, exact=False), nullable=False
        ),
        sa.Column("begun_at", app_runner.db.types.UtcDateTime(), nullable=True),
        sa.Column("history", app_runner.db.types.Json(), nullable=False),
        sa.Column("created_at", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint("publication_key", name=op.f("uq_message_publication_key")),
    )
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.create_index("ix_message_state_due", ["state", "due_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_message_task_id"), ["task_id"], unique=False)

    op.create_table(
        "worker_sign",
        sa.Column("name", app_runner.db.types.CleanText(255, exact=True), nullable=False),
        sa.Column("seen_at", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column("answered_at", app_runner.db.types.UtcDateTime(), nullable=True),
        sa.Column("deaf_since", app_runner.db.types.UtcDateTime(), nullable=True),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker_sign")),
        sa.UniqueConstraint("name", name=op.f("uq_worker_sign_name")),
    )
    op.create_table(
        "duty",
        sa.Column("name", app_runner.db.types.CleanText(100, exact=True), nullable=False),
        sa.Column(
            "holder", app_runner.db.types.CleanText(255, exact=False), nullable=False
        ),
        sa.Column("until", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column("notes", app_runner.db.types.Json(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty")),
        sa.UniqueConstraint("name", name=op.f("uq_duty_name")),
    )

    op.create_table(
        "task_attempt",
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "publication_key",
            app_runner.db.types.CleanText(64, exact=True),
            nullable=True,
        ),
        sa.Column(
            "lease_key", app_runner.db.types.CleanText(64, exact=True), nullable=False
        ),
        sa.Column(
            "worker", app_runner.db.types.CleanText(255, exact=False), nullable=False
        ),
        sa.Column("started_at", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column("finished_at", app_runner.db.types.UtcDateTime(), nullable=True),
        sa.Column(
            "outcome", app_runner.db.types.CleanText(255, exact=False), nullable=True
        ),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["task.id"],
            name=op.f("fk_task_attempt_task_id_task"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_attempt")),
        sa.UniqueConstraint("task_id", "number", name=op.f("uq_task_attempt_task_id")),
    )
    op.create_table(
        "task_file",
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column(
            "security_tag", app_runner.db.types.CleanText(64, exact=True), nullable=False
        ),
        sa.Column(
            "storage_provider",
            app_runner.db.types.CleanText(64, exact=True),
            nullable=False,
        ),
        sa.Column(
            "file_name", app_runner.db.types.CleanText(500, exact=False), nullable=False
        ),
        sa.Column(
            "file_storage_data",
            app_runner.db.types.CleanText(None, exact=False),
            nullable=False,
        ),
        sa.Column(
            "file_type", app_runner.db.types.CleanText(255, exact=False), nullable=False
        ),
        sa.Column(
            "mimetype", app_runner.db.types.CleanText(255, exact=False), nullable=True
        ),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("created_at", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["task.id"],
            name=op.f("fk_task_file_task_id_task"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_file")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("task_file", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_task_file_task_id"), ["task_id"], unique=False
        )

    op.create_table(
        "task_link",
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column(
            "type", app_runner.db.types.CleanText(255, exact=False), nullable=False
        ),
        sa.Column(
            "href", app_runner.db.types.CleanText(None, exact=False), nullable=False
        ),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["task.id"],
            name=op.f("fk_task_link_task_id_task"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_link")),
    )
    with op.batch_alter_table("task_link", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_task_link_task_id"), ["task_id"], unique=False
        )

    op.create_table(
        "task_step",
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "step_id", app_runner.db.types.CleanText(500, exact=False), nullable=False
        ),
        sa.Column(
            "href", app_runner.db.types.CleanText(None, exact=False), nullable=False
        ),
        sa.Column(
            "ui_href", app_runner.db.types.CleanText(None, exact=False), nullable=False
        ),
        sa.Column("cleared", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["task.id"],
            name=op.f("fk_task_step_task_id_task"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_step")),
        sa.UniqueConstraint("task_id", "number", name=op.f("uq_task_step_task_id")),
    )
    op.create_table(
        "task_subscription",
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column(
            "webhook_href",
            app_runner.db.types.CleanText(None, exact=False),
            nullable=False,
        ),
        sa.Column(
            "task_href", app_runner.db.types.CleanText(None, exact=False), nullable=False
        ),
        sa.Column(
            "event_type", app_runner.db.types.CleanText(20, exact=True), nullable=True
        ),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["task.id"],
            name=op.f("fk_task_subscription_task_id_task"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_subscription")),
    )
    with op.batch_alter_table("task_subscription", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_task_subscription_task_id"), ["task_id"], unique=False
        )

    op.create_table(
        "webhook_delivery",
        sa.Column("task_id", sa.Integer(), nullable=True),
        sa.Column(
            "message_id", app_runner.db.types.CleanText(64, exact=True), nullable=False
        ),
        sa.Column(
            "webhook_href",
            app_runner.db.types.CleanText(None, exact=False),
            nullable=False,
        ),
        sa.Column(
            "task_href", app_runner.db.types.CleanText(None, exact=False), nullable=False
        ),
        sa.Column(
            "event_type", app_runner.db.types.CleanText(20, exact=True), nullable=False
        ),
        sa.Column(
            "body", app_runner.db.types.CleanText(None, exact=False), nullable=False
        ),
        sa.Column(
            "receiver", app_runner.db.types.CleanText(255, exact=True), nullable=False
        ),
        sa.Column("created_at", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column("due_at", app_runner.db.types.UtcDateTime(), nullable=True),
        sa.Column("begun", sa.Integer(), nullable=False),
        sa.Column("tries", app_runner.db.types.Json(), nullable=False),
        sa.Column("finished_at", app_runner.db.types.UtcDateTime(), nullable=True),
        sa.Column(
            "outcome", app_runner.db.types.CleanText(20, exact=True), nullable=True
        ),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["task.id"],
            name=op.f("fk_webhook_delivery_task_id_task"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_delivery")),
    )
    with op.batch_alter_table("webhook_delivery", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_webhook_delivery_due_at"), ["due_at"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_webhook_delivery_task_id"), ["task_id"], unique=False
        )
    op.create_table(
        "upload",
        sa.Column(
            "security_tag", app_runner.db.types.CleanText(64, exact=True), nullable=False
        ),
        sa.Column("owner", app_runner.db.types.CleanText(255, exact=True), nullable=True),
        sa.Column(
            "file_name", app_runner.db.types.CleanText(500, exact=False), nullable=False
        ),
        sa.Column(
            "mimetype", app_runner.db.types.CleanText(255, exact=False), nullable=True
        ),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column(
            "storage_provider",
            app_runner.db.types.CleanText(64, exact=True),
            nullable=False,
        ),
        sa.Column(
            "file_storage_data",
            app_runner.db.types.CleanText(None, exact=False),
            nullable=False,
        ),
        sa.Column("created_at", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column("expires_at", app_runner.db.types.UtcDateTime(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("upload", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_upload_expires_at"), ["expires_at"])
        batch_op.create_index(batch_op.f("ix_upload_owner"), ["owner"])

    op.create_table(
        "upload_part",
        sa.Column("upload_id", sa.Integer(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column(
            "file_storage_data",
            app_runner.db.types.CleanText(None, exact=False),
            nullable=False,
        ),
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"],
            ["upload.id"],
            name=op.f("fk_upload_part_upload_id_upload"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload_part")),
        sa.UniqueConstraint("upload_id", "start", name=op.f("uq_upload_part_upload_id")),
        sqlite_autoincrement=True,
    )


def downgrade():
    # Each takes its indexes along; those of foreign keys cannot go first on MariaDB.
    for name in (
        "upload_part",
        "upload",
        "webhook_delivery",
        "task_subscription",
        "task_step",
        "task_link",
        "task_file",
        "task_log_chunk",
        "schedule",
        "retention",
        "task_attempt",
        "message",
        "duty",
        "worker_sign",
        "virtual_plugin",
        "task",
        "plugin_state",
        "data_blob",
        "catalogue",
        "audit_event",
        "access_token",
    ):
        op.drop_table(name)
