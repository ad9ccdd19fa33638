"""What this room takes and gives as JSON."""

from __future__ import annotations

import ipaddress
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

ENVIRONMENT_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,127}$"
NO_NUL = r"^[^\x00]*$"

Text = Annotated[str, StringConstraints(max_length=8192, pattern=NO_NUL)]
EnvironmentName = Annotated[str, StringConstraints(pattern=ENVIRONMENT_NAME)]
Environment = Annotated[dict[EnvironmentName, Text], Field(max_length=200)]
GpuIds = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=80)]], Field(max_length=64)]
BlueprintName = Annotated[str, StringConstraints(min_length=1, max_length=80)]
Networks = Annotated[list[Annotated[str, StringConstraints(max_length=64)]], Field(max_length=50)]
RestartPolicyName = Literal["never", "on-failure"]

RESERVED_VARIABLES = frozenset(
    {
        "WEBUI_PORT", "INSTANCE_NAME", "INSTANCE_CONF_DIR", "INSTANCE_OUTPUT_DIR", "MODELS_DIR", "BLUEPRINT_ID",
        "SUBFOLDER", "LAUNCH_ARGS", "AIKORE_FUNCTIONS", "AIKORE_CACHE_DIR", "AIKORE_STAGE_FILE", "AIKORE_REBUILD",
        "AIKORE_RUN",
    }
)  # fmt: skip
"""Variables that AiKore sets itself; an instance's own value would be silently lost."""


def _no_reserved(environment: dict[str, str] | None) -> dict[str, str] | None:
    for name in environment or ():
        if name in RESERVED_VARIABLES:
            raise ValueError(f"{name} is set by AiKore itself; choose another name")
    return environment


def _clean_networks(networks: list[str] | None) -> list[str] | None:
    """Return networks in their usual form, an address as a network of one."""
    if networks is None:
        return None
    try:
        return [str(ipaddress.ip_network(network.strip(), strict=False)) for network in networks]
    except ValueError as error:
        raise ValueError(f"{error}; write a network like 192.168.1.0/24") from None


class InstanceCreate(BaseModel):
    """A new instance."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=400, description="The shown name, 80 characters at most.")
    base_blueprint: BlueprintName = Field(description="The blueprint it is made from.")
    gpu_ids: GpuIds | None = Field(
        None, description="GPUs it may use, by index, UUID or PCI address; null: all, an empty list: CPU only."
    )
    autostart: bool = False
    persistent_mode: bool = False
    environment: Environment = Field(default_factory=dict)
    launch_args: Text = ""
    restart_policy: RestartPolicyName = "never"
    hostname: str = Field("", max_length=253, description="A host name of its own, e.g. `comfy.example.lan`.")
    open_networks: Networks = Field(
        default_factory=list, description="Networks that need no login for it, e.g. `192.168.1.0/24`."
    )

    group: str = Field("", max_length=400, description="The group it is shown in, 60 characters at most; empty: none.")

    _reserved = field_validator("environment")(_no_reserved)
    _open = field_validator("open_networks")(_clean_networks)


class InstanceChange(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, min_length=1, max_length=400)
    base_blueprint: BlueprintName | None = None
    replace_script: bool | None = Field(
        None, description="With a new blueprint and an edited script: true replaces the script (a copy is kept)."
    )
    gpu_ids: GpuIds | None = None
    autostart: bool | None = None
    persistent_mode: bool | None = None
    environment: Environment | None = None
    launch_args: Text | None = None
    restart_policy: RestartPolicyName | None = None
    hostname: str | None = Field(None, max_length=253)
    open_networks: Networks | None = None
    group: str | None = Field(None, max_length=400, description="The group it is shown in; empty: none.")
    position: int | None = Field(None, ge=0, le=2**31 - 1, description="Instances are listed by position, then by id.")
    is_comfyui_active_slot: Literal[False] | None = Field(None, description="false gives the active slot back.")

    _reserved = field_validator("environment")(_no_reserved)
    _open = field_validator("open_networks")(_clean_networks)


class InstanceCopy(BaseModel):
    """The clone's name."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=400)


class Order(BaseModel):
    """The wanted order of the instances."""

    model_config = ConfigDict(extra="forbid")

    ids: list[int] = Field(max_length=10_000, description="Instances left out follow in the order they have.")


class Urls(BaseModel):
    """Where an instance is reached; null where there is no such way."""

    path: str
    host: str | None
    port: str | None
    desktop: str | None


class FailureView(BaseModel):
    """The likely cause of an error, and what to do about it."""

    code: str = Field(description="Stable name of the cause, for programs; `unknown` when nothing is recognised.")
    cause: str
    advice: str
    lines: list[str] = Field(description="The last lines of the log.")


class Run(BaseModel):
    """How one run of an instance went."""

    number: int
    started_at: datetime | None
    ready_at: datetime | None = Field(description="When it answered for the first time.")
    ended_at: datetime | None
    exit_code: int | None
    exit_signal: str | None
    ending: Literal["finished", "stopped", "failed", "refused", "not_started", "lost"] | None = Field(
        description="How it ended; null while it lives."
    )
    detail: str
    log_offset: int | None = Field(description="Where its log begins.")


class Pin(BaseModel):
    """A GPU that was chosen for an instance."""

    id: str | None = Field(description="Its present index; null while it has none.")
    uuid: str = Field(description="What the choice remembers: its UUID, of AMD its PCI address.")
    name: str
    state: Literal["ok", "lost", "gone", "unknown"] = Field(
        description="`lost`: it does not answer; `gone`: it is not there; `unknown`: drivers have not told yet."
    )
    reason: str = Field(description="What is wrong with it, and what to do.")


class Warnings(BaseModel):
    """Lines of the present run's log that its blueprint warns of."""

    count: int
    text: str = Field(description="The first of them.")
    offset: int = Field(description="Where it begins in the log.")


class Instance(BaseModel):
    """An instance as it now is."""

    id: int
    name: str
    slug: str
    base_blueprint: str
    gpu_ids: list[str] | None = Field(description="Present indexes of its GPUs; of one that is gone, its UUID.")
    gpus: list[Pin] | None = Field(description="The same GPUs, with what is known of each.")
    autostart: bool
    persistent_mode: bool
    is_comfyui_active_slot: bool
    status: Literal["stopped", "starting", "started", "stalled", "stopping", "error"]
    status_detail: str
    exit_code: int | None
    exit_signal: str | None
    failure: FailureView | None = Field(description="Given when the status is `error`.")
    warnings: Warnings | None = Field(description="Given while its log holds lines that its blueprint warns of.")
    pid: int | None
    port: int
    vnc_port: int | None
    vnc_display: int | None
    environment: dict[str, str]
    launch_args: str
    restart_policy: RestartPolicyName
    hostname: str
    open_networks: list[str]
    group: str
    position: int
    url: str
    urls: Urls
    actions: list[str]
    provides: list[str]
    base_path: Literal["strip", "keep"]
    run: int
    restarts: int
    rebuild_pending: bool
    status_since: datetime
    started_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Script(BaseModel):
    """A launch script and its version."""

    content: str
    version: str


class ScriptBlueprint(BaseModel):
    """The present text of the blueprint a launch script was taken from."""

    content: str
    version: str
    edited: bool = Field(description="The launch script was changed since it was taken from its blueprint.")
    renewed: bool = Field(description="The blueprint was changed since then.")


class ScriptSave(BaseModel):
    """A launch script to save."""

    model_config = ConfigDict(extra="forbid")

    content: str = Field(max_length=2**20)


class UnlistedFolder(BaseModel):
    """A folder in `instances/` that belongs to no instance, and what is known of the instance it was."""

    slug: str
    name: str
    base_blueprint: str


class Trashed(BaseModel):
    """A deleted instance."""

    id: str
    name: str
    slug: str
    base_blueprint: str
    deleted_at: datetime
    size: int | None = Field(description="Bytes on disk; null until they were counted.")
