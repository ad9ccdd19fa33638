"""The studio's database begins, empty but for its version."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    pass
