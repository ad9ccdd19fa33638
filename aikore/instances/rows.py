"""The tables of this room."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from aikore.base.times import utcnow
from aikore.database.engine import Base


class InstanceRow(Base):
    """What is remembered of an instance. ``status`` and ``pid`` are the last ones seen; ``run.json`` knows better."""

    __tablename__ = "instances"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 — SQLAlchemy's own form

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    name_key: Mapped[str] = mapped_column(String(320), unique=True)
    slug: Mapped[str] = mapped_column(String(63), unique=True)
    base_blueprint: Mapped[str] = mapped_column(String(80))
    gpu_ids: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    autostart: Mapped[bool] = mapped_column(default=False)
    persistent_mode: Mapped[bool] = mapped_column(default=False)
    is_comfyui_active_slot: Mapped[bool] = mapped_column(default=False)
    status: Mapped[str] = mapped_column(String(16), default="stopped")
    pid: Mapped[int | None]
    port: Mapped[int] = mapped_column(unique=True)
    app_port: Mapped[int | None] = mapped_column(unique=True)
    vnc_port: Mapped[int | None]
    vnc_display: Mapped[int | None]
    environment: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    launch_args: Mapped[str] = mapped_column(Text, default="")
    restart_policy: Mapped[str] = mapped_column(String(16), default="never")
    hostname: Mapped[str] = mapped_column(String(253), default="")
    open_networks: Mapped[list[str]] = mapped_column(JSON, default=list)
    script_origin: Mapped[str] = mapped_column(String(64), default="")
    rebuild_pending: Mapped[bool] = mapped_column(default=False)
    last_run: Mapped[int] = mapped_column(default=0)
    position: Mapped[int] = mapped_column(default=0)
    group: Mapped[str] = mapped_column("group_name", String(60), default="")
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(default=utcnow)


class RunRow(Base):
    """How one run of an instance went. ``ending`` is None while it lives (:class:`aikore.instances.runs.Ending`)."""

    __tablename__ = "runs"

    instance_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    started_at: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    exit_code: Mapped[int | None]
    exit_signal: Mapped[str | None] = mapped_column(String(16))
    ending: Mapped[str | None] = mapped_column(String(16))
    detail: Mapped[str] = mapped_column(Text, default="")
    log_offset: Mapped[int | None] = mapped_column(BigInteger)


class HouseRow(Base):
    """A small memory of the house itself."""

    __tablename__ = "house"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
