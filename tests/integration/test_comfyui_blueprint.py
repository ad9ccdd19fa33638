"""What the ComfyUI blueprint installs on which machine, run by a real bash with a recorder in uv's place."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
RECORDER = """#!/bin/sh
case $1 in
venv) for last; do :; done; exec python3 -m venv --without-pip "$last" ;;
*) echo "$*" >>"$HOME/installed" ;;
esac
"""
GPUS = {
    "cu130": {"GPU": "1"},
    "rocm6.4": {"ROCR_VISIBLE_DEVICES": "0"},
    "cpu": {"GPU": "1", "CUDA_VISIBLE_DEVICES": ""},
}


def program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the blueprint's script for one and the same instance."""
    program(tmp_path / "bin/uv", RECORDER)
    program(tmp_path / "bin/nvidia-smi", '#!/bin/sh\n[ -n "$GPU" ] && echo "GPU 0: a card"\n')
    upstream = tmp_path / "upstream"
    program(upstream / "main.py", "print('runs')\n")
    (upstream / "input").mkdir()
    (upstream / "input/example.png").write_bytes(b"picture")
    (upstream / "requirements.txt").write_text("torch\ntorchsde\ntorchaudio\nnumpy>=1.25.0\n")
    commit = "git init -q && git add . && git -c user.name=a -c user.email=a@b commit -q -m 1"
    subprocess.run(commit, shell=True, cwd=upstream, check=True)
    folders = {"INSTANCE_CONF_DIR": "instance", "INSTANCE_OUTPUT_DIR": "outputs", "MODELS_DIR": "models"}
    for folder in folders.values():
        (tmp_path / folder).mkdir()
    environment = {
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "AIKORE_FUNCTIONS": str(ROOT / "functions.sh"),
        "AIKORE_KFD_NODES": str(tmp_path / "none"),
        "COMFYUI_REPO": str(upstream),
        "WEBUI_PORT": "1",
        **{key: str(tmp_path / folder) for key, folder in folders.items()},
    }
    script = ["bash", str(ROOT / "blueprints/ComfyUI.sh")]

    def run(**variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(script, env=environment | variables, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stdout.endswith("runs\n"), done
        return done

    return run


@pytest.mark.parametrize("build", GPUS)
def test_torch_and_what_belongs_to_it_come_from_one_index(tmp_path: Path, run: Run, build: str) -> None:
    """PyPI's torchaudio refuses PyPI's torch when the two were made for different CUDA versions."""
    run(**GPUS[build])
    torch, requirements, *_ = (tmp_path / "installed").read_text().splitlines()
    assert torch.endswith(f"torch torchvision torchaudio --index-url https://download.pytorch.org/whl/{build}")
    assert "requirements.txt" in requirements
    assert (tmp_path / "instance/requirements.txt").read_text() == "torchsde\nnumpy>=1.25.0\n"


def test_a_new_comfyui_has_the_picture_of_its_first_workflow_and_a_deleted_one_stays_away(
    tmp_path: Path, run: Run
) -> None:
    run()
    picture = tmp_path / "instance/input/example.png"
    assert picture.read_bytes() == b"picture"
    picture.unlink()
    run()
    assert not picture.exists() and picture.parent.is_dir()
