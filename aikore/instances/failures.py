"""The likely cause of a failure, from the last lines of a log and the way the program ended. Pure.

The telling line nearest the end wins: what a program says last is what ended it. The rules are tried in order, so the
special ones stand before the general ones. What no line tells is guessed from the exit status.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

SHOWN_LINES = 12


KILLED = "It was killed from outside (SIGKILL)"
KILLED_ADVICE = (
    "AiKore did not do it, and no sign was seen that memory ran out. Look for who sends SIGKILL (a person, a script, a "
    "supervisor); the system's log (dmesg) may say more."
)
STARVED = (
    "memory",
    "The machine's memory (RAM) ran out, and the system killed it",
    "Stop other instances, use a smaller model, or give the machine or its container more memory or swap. The system's "
    "log (dmesg) names what it killed.",
)
"""Said only where the kernel counted a kill for want of memory just then."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A cause in a few words, what to do about it, and the last lines of the log."""

    code: str
    cause: str
    advice: str
    lines: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"lines": list(self.lines)}


@dataclass(frozen=True, slots=True)
class _Rule:
    """A pattern and what it means. ``{0}`` in the texts is the first group that matched."""

    code: str
    pattern: re.Pattern[str]
    cause: str
    advice: str


def _rule(code: str, pattern: str, cause: str, advice: str) -> _Rule:
    return _Rule(code, re.compile(pattern, re.IGNORECASE), cause, advice)


RULES = (
    _rule(
        "display_failed",
        r"The desktop's display server (?:did not start|ended)|X connection to :\d+ broken|XIO:\s+fatal IO error",
        "The display server of its desktop failed",
        "Start it again. Its last words stand in the log, and more in desktop/server.log of the instance's folder.",
    ),
    _rule(
        "gpu_gone",
        r"^(?:The GPU .+\)|GPU .+?) (?:does not answer|is not there|is not known yet|was divided into MIG slices)",
        "A GPU that was chosen for it is not there or does not answer",
        "What was said names it and what helps. Or edit the instance: choose another GPU, or CPU only.",
    ),
    _rule(
        "syntax_error",
        r"launch\.sh: line (\d+): (?:syntax error|unexpected EOF)",
        "The launch script has a syntax error in line {0}",
        "Correct the script; its editor underlines the place.",
    ),
    _rule(
        "unbound_variable",
        r"launch\.sh: line \d+: (\w+): unbound variable",
        "The launch script uses the variable {0}, which is not set",
        "Set it among the instance's variables, or give it a default in the script: ${{{0}:-}}.",
    ),
    _rule(
        "system_limit",
        r"file watchers reached|inotify (?:instance|watch)\w* limit|Too many open files|\bEMFILE\b",
        "A limit of the system was reached (open files or file watchers)",
        "Raise it on the host: fs.inotify.max_user_watches and max_user_instances, or the limit of open files.",
    ),
    _rule(
        "no_space",
        r"No space left on device|Disk quota exceeded|\bENOSPC\b|the disk is full|Not enough disk:",
        "The disk is full",
        "Free some space (the trash, old outputs, models that are not used) and start it again.",
    ),
    _rule(
        "port_in_use",
        r"Address already in use|\bEADDRINUSE\b|port \d+ is (?:already )?(?:in use(?!, trying)|used by)|"
        r"Cannot find empty port in range",
        "Its port is used by another program",
        "End the program that holds the port. If the app ignores WEBUI_PORT, give it the port in the launch script.",
    ),
    _rule(
        "gpu_memory",
        r"(?:CUDA|HIP) out of memory|(?:CUDA|HIP) error: out of memory|hipErrorOutOfMemory|cudaErrorMemoryAllocation|"
        r"cudaMalloc failed: out of memory|CUBLAS_STATUS_ALLOC_FAILED|torch\.(?:cuda\.)?OutOfMemoryError|"
        r"ErrorOutOfDeviceMemory",
        "The GPU's memory ran out",
        "Stop other instances on this GPU, choose another GPU, or use a smaller model or the app's low-memory option.",
    ),
    _rule(
        "driver_missing",
        r"Found no NVIDIA driver|NVIDIA-SMI has failed|libcuda\.so\.1: cannot open|"
        r"Driver/library version mismatch",
        "The NVIDIA driver is missing or does not answer",
        "Install the driver on the host, restart the machine after an update, and give a container its GPUs.",
    ),
    _rule(
        "driver_too_old",
        r"CUDA driver version is insufficient|NVIDIA driver on your system is too old",
        "The NVIDIA driver is too old for the installed CUDA version",
        "Update the driver on the host, or install packages for an older CUDA version and rebuild the environment.",
    ),
    _rule(
        "gpu_not_supported",
        r"no kernel image is available|hipErrorNoBinaryForGpu|invalid device function|"
        r"is not compatible with the current PyTorch installation",
        "The installed packages do not support this GPU",
        "Install a build of PyTorch that fits this GPU in the launch script, then rebuild the environment.",
    ),
    _rule(
        "no_gpu",
        r"No (?:CUDA|HIP) GPUs are available|no (?:CUDA|ROCm)-capable device is detected|invalid device ordinal|"
        r"Torch not compiled with CUDA enabled|torch\.cuda\.is_available\(\) is False",
        "The program found no GPU that it can use",
        "Choose a GPU for this instance, or start the app in its CPU mode. A CPU build of PyTorch finds none either.",
    ),
    _rule(
        "memory",
        r"\bMemoryError\b|std::bad_alloc|can(?:no|')t allocate memory|Out of memory: Killed process|"
        r"JavaScript heap out of memory|\bOOM[- ]kill",
        "The machine's memory (RAM) ran out",
        "Stop other instances, use a smaller model, or give the machine or its container more memory or swap.",
    ),
    _rule(
        "shared_memory",
        r"insufficient shared memory|out of shared memory|\(core dumped\) Bus error|Bus error +\(core dumped\)|"
        r"killed by signal: Bus error",
        "The shared memory (/dev/shm) ran out",
        "Give the container more of it (--shm-size=8g), or let the app use fewer workers.",
    ),
    _rule(
        "git_auth",
        r"could not read (?:Username|Password) for|Authentication failed for|Permission denied \(publickey|"
        r"terminal prompts disabled|remote: Repository not found|HTTP Basic: Access denied",
        "Git was refused access to a repository",
        "Check the repository's address. A private one needs a token in the address or a key of AiKore's user.",
    ),
    _rule(
        "download_auth",
        r"GatedRepoError|Cannot access gated repo|(?:401|403) Client Error|HTTP Error 40[13]|ERROR 40[13]:",
        "A download was refused: it needs a login or an accepted licence",
        "Accept the model's terms on its page and set your token (such as HF_TOKEN) among the instance's variables.",
    ),
    _rule(
        "certificate",
        r"CERTIFICATE_VERIFY_FAILED|certificate verif(?:y|ication) failed|invalid peer certificate",
        "The certificate of a server could not be checked",
        "Check the machine's clock. Behind a proxy that opens TLS, name its certificate (SSL_CERT_FILE, PIP_CERT).",
    ),
    _rule(
        "network",
        r"Temporary failure in name resolution|Name or service not known|Could not resolve host|\bEAI_AGAIN\b|"
        r"getaddrinfo ENOTFOUND|failed to lookup address|dns error|Network is unreachable|"
        r"Failed to establish a new connection|Failed to connect to \S+ port|ConnectTimeoutError|ReadTimeoutError|"
        r"Max retries exceeded with url|Connection timed out|unable to access 'https?://",
        "The network or a server on it could not be reached",
        "Check the connection, DNS and proxy settings of this machine, then start it again.",
    ),
    _rule(
        "managed_python",
        r"externally-managed-environment",
        "pip was to change the system's own Python, which the system does not allow",
        "Call use_python_env in the launch script before pip_install, so that the instance has its own environment.",
    ),
    _rule(
        "bad_setting",
        r"\b(AIKORE_PIP)=uv, but there is no uv|\b(AIKORE_PIP) must be pip or uv|"
        r"Failed to parse environment variable `(\w+)`|error: invalid value '[^']*' for '(--[\w-]+)|"
        r"error: unexpected argument '([^']{1,100})' found|no such option: (-\S{1,100})|"
        r"error occurred during configuration: option ([\w-]+)|is not a valid value for ([\w-]+) option|"
        r"error: Failed to parse: `?([^`]{1,200})|unknown field `([^`]{1,100})`, expected one of `required-version`|"
        r"(Configuration file) (?:could not be loaded|contains)|Invalid requirement: '?([^':]{1,200})|"
        r"Could not open requirements file: .*'([^']+)'|Could not locate Python interpreter (\S+)|"
        r"error: failed to (?:open|read from) file `([^`]+)`|error: File not found: (\S+)|"
        r"Could not find an activated (virtualenv) \(required\)",
        "A setting of uv or pip is wrong: {0}",
        "Correct it among the instance's variables (UV_…, PIP_…, AIKORE_PIP), in the launch script or in the file "
        "that the log names.",
    ),
    _rule(
        "missing_library",
        r"(?:ImportError|OSError): (lib[\w.+-]+): cannot open shared object|"
        r"error while loading shared libraries: (lib[\w.+-]+)",
        "The system library {0} is missing",
        "Install the system package that has it, or in the container an image with it.",
    ),
    _rule(
        "missing_package",
        r"No module named '?([\w.-]+)|PackageNotFoundError: No package metadata was found for ([\w.-]+)",
        "The Python package {0} is missing",
        "Install it in the launch script (pip_install {0}; the name may differ), or rebuild the environment.",
    ),
    _rule(
        "missing_command",
        r"([\w./+@-]{1,100}): command not found|exec: ([\w./+@-]{1,100}): (?:cannot execute: required file )?not found|"
        r"env: ['‘]?([\w./+@-]{1,100})['’]?: No such file",
        "The command {0} is missing",
        "Install it on this machine, or correct the name in the launch script.",
    ),
    _rule(
        "permission",
        r"Permission denied|\bEACCES\b|Operation not permitted|Read-only file system",
        "Something may not be read, written or run",
        "The line names the file. Give AiKore's user the right to it, or make it executable (chmod +x).",
    ),
)

SHELL_KILLED = re.compile(r"line \d+: +\d+ Killed\b")
"""What bash says of a program that got SIGKILL."""

VAGUE_RULES = (
    _rule(
        "no_matching_package",
        r"No matching distribution found for ([^\s;]{1,100})|No solution found when resolving dependencies",
        "A package could not be found in a version for this Python",
        "Check the name and version in the launch script; some packages lag behind new Python versions.",
    ),
    _Rule("killed", SHELL_KILLED, KILLED, KILLED_ADVICE),
)
"""Asked when no rule knew more: pip says the first after a network failure too."""

UNKNOWN_ADVICE = "The end of its log tells more."

BY_STATUS = {
    "SIGKILL": ("killed", KILLED, KILLED_ADVICE),
    "SIGSEGV": (
        "crashed",
        "The program crashed (invalid memory access)",
        "Look at its last lines. A rebuilt environment or another driver version often helps.",
    ),
    "126": ("permission", "A command could not be run: it is not executable", "Make it executable: chmod +x."),
    "127": ("missing_command", "A command is missing", "Its name stands in the log. Install it or correct the name."),
}
"""What the signal, or the shell's exit code, tells by itself."""
SHELL_CODES = {137: "SIGKILL", 139: "SIGSEGV", 134: "SIGABRT"}


def diagnose(
    tail: Sequence[str], code: int | None, signal: str | None, detail: str = "", out_of_memory: bool = False
) -> Failure:
    """Return the likely cause. ``tail``: the log's last lines; ``detail``: what AiKore itself says about the end.

    ``out_of_memory``: the kernel has just killed something for want of memory.
    """
    shown = tuple(tail[-SHOWN_LINES:])
    status = signal or SHELL_CODES.get(code or 0, str(code))
    if out_of_memory and (status == "SIGKILL" or any(SHELL_KILLED.search(line) for line in tail)):
        return Failure(*STARVED, shown)
    for rules in (RULES, VAGUE_RULES):
        for line in (detail, *reversed(tail)):
            for rule in rules:
                if found := rule.pattern.search(line):
                    return _told(rule, found, shown)
    if known := BY_STATUS.get(status):
        return Failure(*known, shown)
    return Failure("unknown", detail.partition(":")[0] or "It ended by itself", UNKNOWN_ADVICE, shown)


def _told(rule: _Rule, found: re.Match[str], shown: tuple[str, ...]) -> Failure:
    name = next((group for group in found.groups() if group), "")
    return Failure(rule.code, rule.cause.format(name), rule.advice.format(name), shown)
