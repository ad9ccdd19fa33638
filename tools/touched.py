"""Names the test files that a change touches; `make quick` runs them beside the unit tests.

The change is all that differs from BASE (the first argument; default: where this branch left main, on main the last
commit), committed or not.
"""

from __future__ import annotations

import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parent.parent
TESTS = ("tests/integration", "tests/e2e")

TOUCHES = {
    "aikore/auth/*": "access attacks older_access apps_behind_login access_page",
    "aikore/blueprints/*": "blueprints comfyui_blueprint script_tool",
    "aikore/config/*": "house access behind_proxies",
    "aikore/database/*": "databases disk_full house odd_paths older_access unlisted",
    "aikore/desktop/*": "desktop desktop_tool",
    "aikore/base/disk.py": "disk_full files deleting opening",
    "aikore/files/*": "files files_tool attacks",
    "aikore/base/events.py": "events",
    "aikore/base/home_identity.py": "copied_house",
    "aikore/instances/*": "instances house stubborn copied_house disorder deleting opening removal unlisted",
    "aikore/instances/warn*": "warnings row_warnings",
    "aikore/launch/*": "keeper keepers_of_a_house killed_keepers living_keepers house stubborn disorder",
    "aikore/launch/desktop*": "desktop",
    "aikore/live.py": "events interface dashboard",
    "aikore/logs/*": "logs_follow log_tool",
    "aikore/main/*": "house copied_house interface",
    "aikore/base/limits.py": "limits",
    "aikore/monitor/*": "monitor gpus history monitoring",
    "aikore/base/privileges.py": "privileges",
    "aikore/base/shipped.py": "package assets",
    "aikore/proxy/*": "proxy route_owner suspended_manager behind_proxies assets gateway",
    "aikore/static/*": "dashboard workbench assets accessibility",
    "aikore/static/gateway/*": "gateway",
    "aikore/static/login/*": "access_page",
    "aikore/static/js/access/*": "access_page",
    "aikore/static/js/house/monitor/*": "monitoring",
    "aikore/static/js/kit/editor/*": "files_tool script_tool",
    "aikore/static/js/tools/desktop/*": "desktop_tool",
    "aikore/static/js/tools/details/*": "details",
    "aikore/static/js/tools/files/*": "files_tool",
    "aikore/static/js/tools/log/*": "log_tool",
    "aikore/static/js/tools/script/*": "script_tool",
    "aikore/static/js/tools/terminal/*": "terminal_tool",
    "aikore/stats/*": "monitor history",
    "aikore/system.py": "house",
    "aikore/terminal/*": "terminal terminal_viewers terminal_tool",
    "blueprints/*": "blueprints comfyui_blueprint comfyui comfyui_page",
    "functions.sh": "functions_sh blueprints comfyui_blueprint",
    "pyproject.toml": "package",
    "tools/*": "package",
}
"""Changed files → the test files (without ``test_``) that show their behaviour."""


def touched(changed: list[str], there: dict[str, str]) -> list[str]:
    """Return the paths of the test files to run; ``there`` maps their names to paths. Changed tests run themselves."""
    wanted = {Path(path).stem.removeprefix("test_") for path in changed if path.startswith(TESTS)}
    for path in changed:
        for pattern, names in TOUCHES.items():
            if fnmatch(path, pattern):
                wanted.update(names.split())
    return sorted(there[name] for name in wanted if name in there)


def known_files() -> dict[str, str]:
    files = [path for folder in TESTS for path in (ROOT / folder).glob("test_*.py")]
    return {path.stem.removeprefix("test_"): str(path.relative_to(ROOT)) for path in files}


def changed_since(base: str) -> list[str]:
    differing = _git("diff", "--name-only", base)
    return [*differing, *_git("ls-files", "--others", "--exclude-standard")]


def default_base() -> str:
    (head,) = _git("rev-parse", "HEAD")
    parted = _git("merge-base", "HEAD", "main")
    return parted[0] if parted and parted[0] != head else "HEAD~1"


def _git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.split("\n")[:-1]


if __name__ == "__main__":
    base = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] else default_base()
    print(*touched(changed_since(base), known_files()))
