"""The environment of a launch script: AiKore's variables and the GPU pinning. Pure."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aikore.launch.layout import STAGE_NAME

PASSED_ON = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "TERM",
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS",
    "LD_LIBRARY_PATH", "CUDA_HOME", "ROCM_PATH", "DISPLAY", "XDG_RUNTIME_DIR",
)  # fmt: skip
"""Variables of the manager that programs need; nothing else of it reaches them, no secret above all."""

PINNING = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
"""Variables by which an instance may choose GPUs by itself; AiKore then does not know which."""

PASSED_PREFIXES = ("LC_", "PIP_", "UV_", "HF_", "HUGGINGFACE_", "NVIDIA_", "ROCR_", "HSA_", "OPENBLAS_", "MOZ_")


@dataclass(frozen=True, slots=True)
class LaunchContext:
    """Where an instance lives and listens."""

    name: str
    slug: str
    blueprint: str
    folder: Path
    outputs: Path
    models: Path
    cache: Path
    functions: Path
    port: int
    subfolder: str


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU as a script is told of it. ``visible`` is what its maker's own variable calls it; ``memory`` in bytes."""

    vendor: str
    visible: str
    driver: str = ""
    compute: str = ""
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Devices:
    """The GPUs a program may use: these alone where it is ``pinned``, else all there are.

    ``known`` is False where others may come yet, as while no driver was found. Pinned to none means CPU only.
    """

    devices: tuple[Device, ...] = ()
    pinned: bool = False
    known: bool = True

    def of(self, vendor: str) -> list[Device]:
        return [device for device in self.devices if device.vendor == vendor]


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what of the manager's own environment a program gets."""
    passed = {key: value for key, value in environ.items() if key in PASSED_ON or key.startswith(PASSED_PREFIXES)}
    own_tools = sysconfig.get_path("scripts")  # uv; behind everything else, so that no program is shadowed
    return passed | {"PATH": f"{passed.get('PATH', os.defpath)}:{own_tools}"}


def gpu_pinning(gpus: Devices) -> dict[str, str]:
    """Return the variables that pin a program to GPUs.

    For GPUs of AMD alone only ``ROCR_VISIBLE_DEVICES`` is set: HIP counts inside it and takes CUDA's variable for its
    own.
    """
    order = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    if not gpus.pinned:
        return order
    amd, nvidia = (",".join(device.visible for device in gpus.of(vendor)) for vendor in ("amd", "nvidia"))
    if amd and not nvidia:
        return {"ROCR_VISIBLE_DEVICES": amd}
    cuda = {"CUDA_VISIBLE_DEVICES": nvidia, "NVIDIA_VISIBLE_DEVICES": nvidia or "void"}
    return order | cuda | ({"ROCR_VISIBLE_DEVICES": amd} if amd or not nvidia else {})


def gpu_facts(gpus: Devices) -> dict[str, str]:
    """Return what a script need not find out by itself; nothing where it is not surely known.

    Of several makers' GPUs NVIDIA's are told. Lists have one word for each GPU, ``-`` for what is not known.
    """
    if not gpus.known:
        return {}
    kind = next((vendor for vendor in ("nvidia", "amd") if gpus.of(vendor)), "cpu")
    told = gpus.of(kind)
    return {
        "AIKORE_GPU_KIND": kind,
        "AIKORE_GPU_DRIVER": next((device.driver for device in told), ""),
        "AIKORE_GPU_COMPUTE": " ".join(device.compute or "-" for device in told),
        "AIKORE_GPU_MEMORY": " ".join(str(device.memory or "-") for device in told),
    }


def launch_environment(
    context: LaunchContext,
    own: Mapping[str, str],
    launch_args: str,
    gpus: Devices,
    rebuild: bool,
    environ: Mapping[str, str],
) -> dict[str, str]:
    """Return the whole environment of a launch script.

    AiKore's own names win over the instance's variables; those over what is told of GPUs.
    """
    aikore = {
        "WEBUI_PORT": str(context.port),
        "INSTANCE_NAME": context.name,
        "INSTANCE_CONF_DIR": str(context.folder),
        "INSTANCE_OUTPUT_DIR": str(context.outputs),
        "MODELS_DIR": str(context.models),
        "BLUEPRINT_ID": context.blueprint,
        "SUBFOLDER": context.subfolder,
        "AIKORE_FUNCTIONS": str(context.functions),
        "AIKORE_CACHE_DIR": str(context.cache),
        "AIKORE_STAGE_FILE": str(context.folder / STAGE_NAME),
        "LAUNCH_ARGS": launch_args,
        "PYTHONUNBUFFERED": "1",
    }
    if rebuild:
        aikore["AIKORE_REBUILD"] = "1"
    facts = {} if any(name in own for name in PINNING) else gpu_facts(gpus)
    return {**inherited(environ), **gpu_pinning(gpus), **facts, **own, **aikore}
