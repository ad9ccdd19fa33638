"""How people arrange their instances, and how each run went."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("instances", sa.Column("position", sa.Integer, nullable=False, server_default="0"))
    op.add_column("instances", sa.Column("group_name", sa.String(60), nullable=False, server_default=""))
    op.execute("UPDATE instances SET position = id")
    op.create_table(
        "runs",
        sa.Column("instance_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("started_at", sa.DateTime),
        sa.Column("ready_at", sa.DateTime),
        sa.Column("ended_at", sa.DateTime),
        sa.Column("exit_code", sa.Integer),
        sa.Column("exit_signal", sa.String(16)),
        sa.Column("ending", sa.String(16)),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("log_offset", sa.BigInteger),
    )
