"""The instances, and what the house remembers of itself."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "instances",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("name_key", sa.String(320), nullable=False, unique=True),
        sa.Column("slug", sa.String(63), nullable=False, unique=True),
        sa.Column("base_blueprint", sa.String(80), nullable=False),
        sa.Column("gpu_ids", sa.JSON(none_as_null=True)),
        sa.Column("autostart", sa.Boolean, nullable=False),
        sa.Column("persistent_mode", sa.Boolean, nullable=False),
        sa.Column("is_comfyui_active_slot", sa.Boolean, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("pid", sa.Integer),
        sa.Column("port", sa.Integer, nullable=False, unique=True),
        sa.Column("app_port", sa.Integer, unique=True),
        sa.Column("vnc_port", sa.Integer),
        sa.Column("vnc_display", sa.Integer),
        sa.Column("environment", sa.JSON, nullable=False),
        sa.Column("launch_args", sa.Text, nullable=False),
        sa.Column("restart_policy", sa.String(16), nullable=False),
        sa.Column("hostname", sa.String(253), nullable=False),
        sa.Column("script_origin", sa.String(64), nullable=False),
        sa.Column("rebuild_pending", sa.Boolean, nullable=False),
        sa.Column("last_run", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("updated_at", sa.DateTime, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "house",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
