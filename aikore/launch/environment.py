"""The environment of a launch script: AiKore's variables and the GPU pinning. Pure."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PASSED_ON = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "TERM",
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS",
    "LD_LIBRARY_PATH", "CUDA_HOME", "ROCM_PATH", "DISPLAY", "XDG_RUNTIME_DIR",
)  # fmt: skip
"""Variables of the manager that programs need; nothing else of it reaches them, no secret above all."""

AMD = "amd"
"""What ids of AMD's GPUs begin with (:class:`aikore.monitor.gpu.Gpu`)."""

PASSED_PREFIXES = ("LC_", "PIP_", "UV_", "HF_", "HUGGINGFACE_", "NVIDIA_", "ROCR_", "HSA_", "OPENBLAS_", "MOZ_")


@dataclass(frozen=True, slots=True)
class Place:
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


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what of the manager's own environment a program gets."""
    passed = {key: value for key, value in environ.items() if key in PASSED_ON or key.startswith(PASSED_PREFIXES)}
    own_tools = sysconfig.get_path("scripts")  # uv; behind everything else, so that no program is shadowed
    return passed | {"PATH": f"{passed.get('PATH', os.defpath)}:{own_tools}"}


def gpu_pinning(gpu_ids: Sequence[str] | None) -> dict[str, str]:
    """Return the variables that pin a program to GPUs: None means all, an empty list CPU only.

    GPUs of AMD are called ``amd0``, ``amd1`` … For those alone only ``ROCR_VISIBLE_DEVICES`` is set: HIP counts inside
    it and takes CUDA's variable for its own.
    """
    order = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    if gpu_ids is None:
        return order
    amd = ",".join(gpu.removeprefix(AMD) for gpu in gpu_ids if gpu.startswith(AMD))
    nvidia = ",".join(gpu for gpu in gpu_ids if not gpu.startswith(AMD))
    if amd and not nvidia:
        return {"ROCR_VISIBLE_DEVICES": amd}
    cuda = {"CUDA_VISIBLE_DEVICES": nvidia, "NVIDIA_VISIBLE_DEVICES": nvidia or "void"}
    return order | cuda | ({"ROCR_VISIBLE_DEVICES": amd} if amd or not nvidia else {})


def launch_environment(
    place: Place,
    own: Mapping[str, str],
    launch_args: str,
    gpu_ids: Sequence[str] | None,
    rebuild: bool,
    environ: Mapping[str, str],
) -> dict[str, str]:
    """Return the whole environment of a launch script. AiKore's own names win over the instance's variables."""
    aikore = {
        "WEBUI_PORT": str(place.port),
        "INSTANCE_NAME": place.name,
        "INSTANCE_CONF_DIR": str(place.folder),
        "INSTANCE_OUTPUT_DIR": str(place.outputs),
        "MODELS_DIR": str(place.models),
        "BLUEPRINT_ID": place.blueprint,
        "SUBFOLDER": place.subfolder,
        "AIKORE_FUNCTIONS": str(place.functions),
        "AIKORE_CACHE_DIR": str(place.cache),
        "AIKORE_STAGE_FILE": str(place.folder / "stage"),
        "LAUNCH_ARGS": launch_args,
        "PYTHONUNBUFFERED": "1",
    }
    if rebuild:
        aikore["AIKORE_REBUILD"] = "1"
    return {**inherited(environ), **gpu_pinning(gpu_ids), **own, **aikore}
