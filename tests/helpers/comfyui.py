"""A real ComfyUI from the stock blueprint, where AIKORE_TEST_COMFYUI_REPO names a git copy of it.

AIKORE_TEST_COMFYUI_ENV may name a Python environment to reuse; without it everything is installed afresh.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.helpers.server import AiKoreServer

REPO = os.environ.get("AIKORE_TEST_COMFYUI_REPO")


def make_comfyui(server: AiKoreServer) -> None:
    """Make the instance ``comfy``, not yet started."""
    choices = {"COMFYUI_REPO": REPO, "TORCH_SPEC": "torch torchvision", "TORCH_INDEX_URL": ""}
    server.create("Comfy", "ComfyUI", environment={**choices, "COMFYUI_REF": "master"}, gpu_ids=[])
    if env := os.environ.get("AIKORE_TEST_COMFYUI_ENV"):
        _reuse(Path(env), server.home / "instances" / "comfy" / "env")


def _reuse(env: Path, own: Path) -> None:
    """Take over all of an environment but the mark that it belongs to another folder."""
    own.mkdir()
    for entry in env.iterdir():
        if entry.name != ".aikore-path":
            (own / entry.name).symlink_to(entry)
