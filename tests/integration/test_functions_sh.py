"""functions.sh, run by a real bash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aikore.instances.failures import diagnose

FUNCTIONS = Path(__file__).parents[2] / "functions.sh"
Bash = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for name in ("instance", "models/loras", "instance/app/loras"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def bash(here: Path) -> Bash:
    def run(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(here),
            "INSTANCE_CONF_DIR": str(here / "instance"),
            "MODELS_DIR": str(here / "models"),
            "AIKORE_STAGE_FILE": str(here / "stage"),
            "AIKORE_PIP": "pip",
            "AIKORE_RETRY_PAUSE": "0",
            **variables,
        }
        text = f'set -euo pipefail\nsource "{FUNCTIONS}"\n{script}'
        return subprocess.run(
            ["bash", "-c", text], env=environment, cwd=here, capture_output=True, text=True, timeout=120
        )

    return run


LINK = 'link_models "$INSTANCE_CONF_DIR/app/loras" loras'


def test_the_stage_is_one_line_in_its_file(bash: Bash, here: Path) -> None:
    assert bash('stage "one\ntwo"').returncode == 0
    assert (here / "stage").read_text() == "one two\n"


def test_arguments_are_split_without_being_run(bash: Bash) -> None:
    done = bash("""split_args a "--x 'b c' \\$(id) *"; printf '<%s>' "${a[@]}" """)
    assert done.stdout == "<--x><b c><$(id)><*>"


def test_an_instance_pinned_to_no_gpu_is_cpu(bash: Bash) -> None:
    assert bash("gpu_kind", CUDA_VISIBLE_DEVICES="").stdout == "cpu\n"


def nvidia_smi(here: Path, script: str) -> dict[str, str]:
    """Put a program in the place of NVIDIA's; return the variables by which it is found."""
    (here / "bin").mkdir()
    (here / "bin/nvidia-smi").write_text(f"#!/bin/bash\n{script}\n")
    (here / "bin/nvidia-smi").chmod(0o755)
    return {"PATH": f"{here}/bin:{os.environ['PATH']}", "AIKORE_KFD_NODES": str(here / "none")}


@pytest.mark.parametrize("kind", ["nvidia", "amd", "cpu"])
def test_what_aikore_says_of_the_gpu_is_asked_of_no_tool(bash: Bash, here: Path, kind: str) -> None:
    asked = nvidia_smi(here, f'touch "{here}/asked"; echo "GPU 0: a card"')
    assert bash("gpu_kind", **asked, AIKORE_GPU_KIND=kind).stdout == f"{kind}\n"
    assert not (here / "asked").exists()


def test_a_tool_that_hangs_is_given_up(bash: Bash, here: Path) -> None:
    """One in a driver's call cannot even be killed, so it must not be waited for."""
    hangs = nvidia_smi(here, "trap '' TERM PIPE; sleep 30 >/dev/null")
    began = time.monotonic()
    assert bash("gpu_kind", **hangs, AIKORE_PROBE_SECONDS="0.3").stdout == "cpu\n"
    assert time.monotonic() - began < 5


def test_a_tool_that_writes_on_behind_a_closed_pipe_is_believed(bash: Bash, here: Path) -> None:
    chatters = nvidia_smi(here, 'for ((n = 0; n < 20000; n++)); do echo "GPU $n: a card" || exit 141; done')
    assert bash("gpu_kind", **chatters).stdout == "nvidia\n"
    (here / "bin/nvidia-smi").write_text("#!/bin/sh\necho NVIDIA-SMI has failed\nexit 9\n")
    assert bash("gpu_kind", **{**chatters}).stdout == "cpu\n"


WRONG = [
    {"AIKORE_PIP": "conda"},
    {"AIKORE_PIP": "uv", "UV_HTTP_TIMEOUT": "abc"},
    {"AIKORE_PIP": "uv", "UV_INDEX_STRATEGY": "worst"},
    {"AIKORE_PIP": "uv", "UV_CONFIG_FILE": "/nonexistent"},
    {"AIKORE_PIP": "uv", "AIKORE_CONSTRAINTS": "/nonexistent"},
    {"AIKORE_PIP": "pip", "PIP_TIMEOUT": "abc"},
    {"AIKORE_PIP": "pip", "PIP_PROGRESS_BAR": "worst"},
    {"AIKORE_PIP": "pip", "PIP_CONSTRAINT": "/nonexistent"},
]


@pytest.mark.parametrize("wrong", WRONG, ids=[" ".join(one) for one in WRONG])
def test_a_wrong_setting_of_uv_or_pip_is_recognised(bash: Bash, wrong: dict[str, str]) -> None:
    path = f"{os.environ['PATH']}:{sysconfig.get_path('scripts')}"
    done = bash("use_python_env env; pip_install six", PATH=path, **wrong)
    assert done.returncode == 1
    failure = diagnose((done.stdout + done.stderr).splitlines()[-60:], done.returncode, None)
    assert failure.code == "bad_setting", done


def test_an_empty_folder_becomes_a_link(bash: Bash, here: Path) -> None:
    assert bash(LINK).returncode == 0
    assert (here / "instance/app/loras").resolve() == here / "models/loras"
    assert bash(LINK).returncode == 0


def test_models_move_to_the_shared_folder(bash: Bash, here: Path) -> None:
    (here / "instance/app/loras/sub").mkdir()
    (here / "instance/app/loras/sub/a b.bin").write_bytes(b"model")
    assert bash(LINK).returncode == 0
    assert (here / "models/loras/sub/a b.bin").read_bytes() == b"model"
    assert (here / "instance/app/loras").is_symlink()


def test_an_equal_file_is_kept_once(bash: Bash, here: Path) -> None:
    for folder in ("instance/app/loras", "models/loras"):
        (here / folder / "a.bin").write_bytes(b"same")
    assert bash(LINK).returncode == 0
    assert (here / "models/loras/a.bin").read_bytes() == b"same"


def test_a_different_file_of_the_same_name_keeps_both_and_moves_nothing(bash: Bash, here: Path) -> None:
    own, shared = here / "instance/app/loras", here / "models/loras"
    (own / "a.bin").write_bytes(b"mine")
    (own / "b.bin").write_bytes(b"other")
    (shared / "a.bin").write_bytes(b"yours")
    done = bash(LINK)
    assert done.returncode == 1 and "is not the same" in done.stdout
    assert (own / "a.bin").read_bytes() == b"mine" and (own / "b.bin").exists()
    assert (shared / "a.bin").read_bytes() == b"yours" and not (shared / "b.bin").exists()


def test_a_link_elsewhere_is_left_alone(bash: Bash, here: Path) -> None:
    (here / "nas").mkdir()
    (here / "nas/a.bin").write_bytes(b"model")
    (here / "instance/app/loras").rmdir()
    (here / "instance/app/loras").symlink_to(here / "nas")
    assert bash(LINK).returncode == 1
    assert (here / "nas/a.bin").exists() and list((here / "models/loras").iterdir()) == []


def test_nothing_moves_through_a_link_on_the_way(bash: Bash, here: Path) -> None:
    (here / "instance/app").rename(here / "elsewhere")
    (here / "instance/app").symlink_to(here / "elsewhere")
    (here / "elsewhere/loras/a.bin").write_bytes(b"model")
    assert bash(LINK).returncode == 1
    assert (here / "elsewhere/loras/a.bin").exists()


def test_a_shared_folder_that_leads_back_loses_nothing(bash: Bash, here: Path) -> None:
    (here / "instance/app/loras/sub").mkdir()
    (here / "instance/app/loras/sub/a.bin").write_bytes(b"model")
    (here / "models/loras/sub").symlink_to(here / "instance/app/loras/sub")
    assert bash(LINK).returncode == 1
    assert (here / "instance/app/loras/sub/a.bin").read_bytes() == b"model"


def test_a_full_disk_in_the_middle_loses_nothing(bash: Bash, here: Path) -> None:
    (here / "instance/app/loras/a.bin").write_bytes(b"model")
    broken = 'ln() { return 1; }; cp() { printf half >"${@: -1}"; return 1; }\n'
    assert bash(broken + LINK).returncode == 1
    assert (here / "instance/app/loras/a.bin").read_bytes() == b"model"
    assert list((here / "models/loras").iterdir()) == []
    assert bash(LINK).returncode == 0
    assert (here / "models/loras/a.bin").read_bytes() == b"model"


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=folder, check=True, capture_output=True
    )


@pytest.fixture
def upstream(here: Path) -> Path:
    folder = here / "upstream"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "f").write_text("1")
    git(folder, "add", "f")
    git(folder, "commit", "-qm", "one")
    git(folder, "tag", "v1.0")
    (folder / "f").write_text("2")
    git(folder, "commit", "-qam", "two")
    return folder


def test_a_clone_follows_the_wanted_version(bash: Bash, here: Path, upstream: Path) -> None:
    for ref, content in (("v1.0", "1"), ("main", "2"), ("v1.0", "1"), ("", "2")):
        done = bash(f'git_checkout "{upstream}" "{ref}" app2')
        assert done.returncode == 0, done.stderr
        assert (here / "app2/f").read_text() == content


def test_a_version_that_is_here_needs_no_network(bash: Bash, here: Path, upstream: Path) -> None:
    assert bash(f'git_checkout "{upstream}" main app2').returncode == 0
    upstream.rename(here / "gone")
    for ref, content in (("v1.0", "1"), ("main", "2")):
        assert bash(f'git_checkout "{upstream}" "{ref}" app2').returncode == 0
        assert (here / "app2/f").read_text() == content


def test_own_changes_are_kept_and_told(bash: Bash, here: Path, upstream: Path) -> None:
    bash(f'git_checkout "{upstream}" main app2')
    (here / "app2/f").write_text("mine")
    done = bash(f'git_checkout "{upstream}" v1.0 app2')
    assert done.returncode == 0 and "local changes" in done.stdout
    assert (here / "app2/f").read_text() == "mine"


def test_an_environment_is_reused_and_rebuilt_when_asked(bash: Bash, here: Path) -> None:
    use = "use_python_env; use_python_env; command -v python"
    first = bash(use)
    assert first.stdout.splitlines()[-1] == str(here / "instance/env/bin/python"), first.stderr
    marker = here / "instance/env/marker"
    marker.touch()
    assert bash(use).returncode == 0 and marker.exists()
    assert bash(use, AIKORE_REBUILD="1").returncode == 0 and not marker.exists()


def test_an_environment_behind_a_link_is_never_removed(bash: Bash, here: Path) -> None:
    (here / "shared-env").mkdir()
    (here / "shared-env/keep").touch()
    (here / "instance/env").symlink_to(here / "shared-env")
    assert bash("use_python_env", AIKORE_REBUILD="1").returncode == 1
    assert (here / "shared-env/keep").exists()


def test_an_environment_goes_along_when_its_folder_is_copied(bash: Bash, here: Path) -> None:
    project = here / "instance/tool"
    (project / "hello_tool").mkdir(parents=True)
    (project / "hello_tool/__init__.py").write_text("def main():\n    print(__file__)\n")
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "hello-tool"\nversion = "1"\n[project.scripts]\nhello = "hello_tool:main"\n'
        '[tool.setuptools]\npackages = ["hello_tool"]\n'
    )
    made = bash('use_python_env; pip_install -e "$INSTANCE_CONF_DIR/tool"; hello')
    assert made.returncode == 0, made.stdout + made.stderr
    shutil.copytree(here / "instance", here / "copy", symlinks=True)
    before = {path: path.read_bytes() for path in (here / "instance").rglob("*") if path.is_file()}
    moved = bash("use_python_env; hello; pip --version", INSTANCE_CONF_DIR=str(here / "copy"))
    assert moved.returncode == 0, moved.stdout + moved.stderr
    assert f"{here}/copy/tool/hello_tool/__init__.py" in moved.stdout
    assert f"{here}/copy/env/lib" in moved.stdout
    assert "rebuilding" not in moved.stdout
    assert {path: path.read_bytes() for path in before} == before


def test_an_environment_that_cannot_go_along_is_made_anew(bash: Bash, here: Path) -> None:
    assert bash("use_python_env").returncode == 0
    shutil.copytree(here / "instance", here / "copy", symlinks=True)
    (here / "copy/env/bin/python").unlink()
    again = bash("use_python_env; python -c 'import sys; print(sys.prefix)'", INSTANCE_CONF_DIR=str(here / "copy"))
    assert "rebuilding" in again.stdout
    assert again.stdout.endswith(f"{here}/copy/env\n")


# Other disks --------------------------------------------------------------------------------------------------------

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")


@pytest.fixture
def precious(here: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a folder with a model in it at a place below the instance; return the model."""
    points: list[Path] = []

    def mount(place: str) -> Path:
        model = here / "my nas" / "model"
        model.parent.mkdir(exist_ok=True)
        model.write_text("weights")
        points.append(here / "instance" / place)
        points[-1].mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", str(model.parent), str(points[-1])], check=True)
        return model

    yield mount
    for point in points:
        subprocess.run(["umount", str(point)], check=True)


@as_root
@pytest.mark.parametrize(
    ("place", "script"),
    [
        ("env/my models", "use_python_env"),
        ("env", "use_python_env"),
        ("env.old.1/models", "use_python_env"),
        ("app.part/models", 'git_checkout "$PWD/nowhere" "" "$INSTANCE_CONF_DIR/app"'),
    ],
)
def test_a_rebuild_never_goes_on_into_another_disk(
    bash: Bash, precious: Callable[[str], Path], here: Path, place: str, script: str
) -> None:
    (here / "instance/app/loras").rmdir()
    model = precious(place)
    (here / "instance" / "launch.sh").touch()
    ended = bash(script, AIKORE_REBUILD="1")
    assert ended.returncode == 1
    assert f"something is mounted at {here}/instance/{place}. Unmount it first." in ended.stderr
    assert model.read_text() == "weights"
    assert (here / "instance" / place / "model").exists(), "it is where it was"


@as_root
@pytest.mark.parametrize("place", ["app/loras", "app/loras/nas"])
def test_models_on_another_disk_are_not_moved_to_the_shared_ones(
    bash: Bash, precious: Callable[[str], Path], here: Path, place: str
) -> None:
    model = precious(place)
    (here / "instance/app/loras/own").touch()
    ended = bash(LINK + " || echo refused")
    assert "refused" in ended.stdout
    assert f"mounted at {here}/instance/{place}" in ended.stdout
    assert model.read_text() == "weights"
    assert (here / "instance/app/loras/own").exists()
    assert list((here / "models/loras").iterdir()) == []
