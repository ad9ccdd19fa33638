"""The likely cause of a failure, from the real last words of real programs."""

from __future__ import annotations

import pytest

from aikore.instances.failures import RULES, diagnose

TEXTS: list[tuple[str, str, str]] = [
    # What it is, the program's own words, and what the cause must name.
    ("bad_setting", "[aikore] AIKORE_PIP must be pip or uv, not 'conda'.", "AIKORE_PIP"),
    ("bad_setting", "[aikore] AIKORE_PIP=uv, but there is no uv. Install it or remove the setting.", "AIKORE_PIP"),
    (
        "bad_setting",
        "error: Failed to parse environment variable `UV_HTTP_TIMEOUT` with invalid value `abc`: invalid digit found "
        "in string; value should be an integer number of seconds",
        "UV_HTTP_TIMEOUT",
    ),
    ("bad_setting", "error: invalid value 'foo' for '--index-strategy <INDEX_STRATEGY>'", "--index-strategy"),
    ("bad_setting", "error: unexpected argument '--no-such' found", "--no-such"),
    ("bad_setting", "error: Failed to parse: /home/a/uv.toml", "/home/a/uv.toml"),
    ("bad_setting", "error: Failed to parse: `x==`", "x=="),
    ("bad_setting", "error: failed to open file `/nonexist`: No such file or directory (os error 2)", "/nonexist"),
    ("bad_setting", "error: failed to read from file `/a/r.txt`: No such file or directory (os error 2)", "/a/r.txt"),
    ("bad_setting", "error: File not found: /a/constraints.txt", "/a/constraints.txt"),
    (
        "bad_setting",
        "An error occurred during configuration: option timeout: invalid floating-point value: 'a'",
        "timeout",
    ),
    (
        "bad_setting",
        "maybe is not a valid value for user option, please specify a boolean value like yes/no, true/false or 1/0 "
        "instead.",
        "user",
    ),
    ("bad_setting", "no such option: --no-such", "--no-such"),
    ("bad_setting", "Configuration file could not be loaded.", "Configuration file"),
    (
        "bad_setting",
        "ERROR: Could not open requirements file: [Errno 2] No such file or directory: '/a/r.txt'",
        "/a/r.txt",
    ),
    ("bad_setting", "ERROR: Could not find an activated virtualenv (required).", "virtualenv"),
    ("display_failed", "[aikore] The desktop's display server ended by SIGSEGV, so the run is over.", "display"),
    ("display_failed", "X connection to :18700 broken (explicit kill or server shutdown).", "display"),
    ("port_in_use", "OSError: [Errno 98] Address already in use", "port"),
    (
        "port_in_use",
        "[Errno 98] error while attempting to bind on address ('127.0.0.1', 8188): address already in use",
        "port",
    ),
    ("port_in_use", "Error: listen EADDRINUSE: address already in use 127.0.0.1:3000", "port"),
    (
        "port_in_use",
        "OSError: Cannot find empty port in range: 7860-7860. You can specify a different port by setting the "
        "GRADIO_SERVER_PORT environment variable or passing the `server_port` parameter to `launch()`.",
        "port",
    ),
    ("port_in_use", "ERROR: the port 8888 is already in use, exiting.", "port"),
    (
        "gpu_memory",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
        "23.68 GiB of which 1.05 GiB is free.",
        "GPU",
    ),
    ("gpu_memory", "torch.cuda.OutOfMemoryError: HIP out of memory. Tried to allocate 64.00 MiB.", "GPU"),
    ("gpu_memory", "RuntimeError: CUDA error: out of memory", "GPU"),
    (
        "gpu_memory",
        "alloc_buffer: allocating 5563.55 MiB on device 0: cudaMalloc failed: out of memory",
        "GPU",
    ),
    ("memory", "MemoryError: Unable to allocate 12.0 GiB for an array with shape (40000, 40000)", "RAM"),
    ("memory", "terminate called after throwing an instance of 'std::bad_alloc'", "RAM"),
    (
        "memory",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you "
        "tried to allocate 34359738368 bytes. Error code 12 (Cannot allocate memory)",
        "RAM",
    ),
    ("memory", "fork: Cannot allocate memory", "RAM"),
    ("no_space", "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk"),
    ("no_space", "fatal: write error: No space left on device", "disk"),
    ("missing_package", "ModuleNotFoundError: No module named 'torchsde'", "torchsde"),
    ("missing_package", "/usr/bin/python3: No module named pip", "pip"),
    (
        "missing_library",
        "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
        "libGL.so.1",
    ),
    (
        "missing_library",
        "ffmpeg: error while loading shared libraries: libavdevice.so.59: cannot open shared object file: No such file",
        "libavdevice.so.59",
    ),
    ("missing_command", "launch.sh: line 7: jupyter-lab: command not found", "jupyter-lab"),
    ("missing_command", "launch.sh: line 3: exec: ollama: not found", "ollama"),
    ("missing_command", "/usr/bin/env: ‘node’: No such file or directory", "node"),
    ("permission", "launch.sh: line 4: ./run.sh: Permission denied", "may not"),
    ("permission", "PermissionError: [Errno 13] Permission denied: '/data/models/x.safetensors'", "may not"),
    (
        "driver_missing",
        "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a "
        "driver from http://www.nvidia.com/Download/index.aspx",
        "driver",
    ),
    ("driver_missing", "Failed to initialize NVML: Driver/library version mismatch", "driver"),
    (
        "driver_too_old",
        "RuntimeError: CUDA error: CUDA driver version is insufficient for CUDA runtime version",
        "too old",
    ),
    (
        "driver_too_old",
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
        "too old",
    ),
    ("gpu_not_supported", "RuntimeError: CUDA error: no kernel image is available for execution on the device", "GPU"),
    ("gpu_not_supported", "RuntimeError: HIP error: invalid device function", "GPU"),
    (
        "gpu_gone",
        "The GPU NVIDIA GeForce RTX 4090 (GPU-8c1e, once GPU 1) is not there. Or edit the instance.",
        "chosen",
    ),
    ("gpu_gone", "GPU 1 (NVIDIA A100) does not answer. GPU is lost. It fell off the bus.", "does not answer"),
    ("gpu_gone", "GPU 7 is not known yet: a driver does not answer. Look at the system's log (dmesg).", "chosen"),
    ("no_gpu", "RuntimeError: No CUDA GPUs are available", "no GPU"),
    ("no_gpu", "AssertionError: Torch not compiled with CUDA enabled", "no GPU"),
    (
        "network",
        "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection "
        "broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f>: Failed to "
        "establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/torch/",
        "network",
    ),
    (
        "network",
        "fatal: unable to access 'https://github.com/comfyanonymous/ComfyUI/': Could not resolve host: github.com",
        "network",
    ),
    (
        "network",
        "curl: (7) Failed to connect to huggingface.co port 443 after 2 ms: Couldn't connect to server",
        "network",
    ),
    (
        "certificate",
        "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local "
        "issuer certificate (_ssl.c:1007)",
        "certificate",
    ),
    ("git_auth", "fatal: could not read Username for 'https://github.com': terminal prompts disabled", "Git"),
    ("git_auth", "git@github.com: Permission denied (publickey).", "Git"),
    ("git_auth", "fatal: Authentication failed for 'https://github.com/somebody/private.git/'", "Git"),
    (
        "download_auth",
        "huggingface_hub.errors.GatedRepoError: 401 Client Error. Access to model black-forest-labs/FLUX.1-dev is "
        "restricted.",
        "licence",
    ),
    ("syntax_error", "launch.sh: line 12: syntax error near unexpected token `fi'", "line 12"),
    ("syntax_error", "launch.sh: line 31: unexpected EOF while looking for matching `\"'", "line 31"),
    ("syntax_error", "launch.sh: line 9: syntax error: unexpected end of file", "line 9"),
    ("system_limit", "Error: ENOSPC: System limit for number of file watchers reached, watch '/app/web'", "limit"),
    ("system_limit", "OSError: [Errno 24] Too many open files: '/data/x'", "limit"),
    (
        "shared_memory",
        "RuntimeError: DataLoader worker (pid 77) is killed by signal: Bus error. It is possible that dataloader's "
        "workers are out of shared memory. Please try to raise your shared memory limit.",
        "/dev/shm",
    ),
    ("managed_python", "error: externally-managed-environment", "pip"),
    ("display_failed", "[aikore] The desktop's display server ended: signal 9", "display server"),
    ("unbound_variable", "launch.sh: line 4: HF_HOME: unbound variable", "HF_HOME"),
]


@pytest.mark.parametrize(("code", "text", "named"), TEXTS, ids=[f"{one[0]}-{at}" for at, one in enumerate(TEXTS)])
def test_the_words_of_a_program_tell_the_cause(code: str, text: str, named: str) -> None:
    failure = diagnose(["Starting server", text, "  at the end of everything"], 1, None, "exit code 1: at the end")
    assert failure.code == code
    assert named in failure.cause
    assert failure.advice.endswith(".")


def test_every_rule_has_a_text_that_it_was_written_for() -> None:
    assert {rule.code for rule in RULES} == {code for code, _, _ in TEXTS}


def test_a_line_that_is_no_failure_tells_nothing() -> None:
    calm = [
        "The port 8888 is already in use, trying another port.",
        "To see the GUI go to: http://127.0.0.1:8188",
        "got prompt",
        "100%|██████████| 20/20 [00:04<00:00]",
    ]
    assert diagnose(calm, 3, None, "exit code 3: 100%").code == "unknown"
    assert diagnose([], 3, None, "exit code 3: x").cause == "exit code 3"


def test_what_was_said_last_wins() -> None:
    lines = ["ModuleNotFoundError: No module named 'xformers'", "no xformers, going on", "MemoryError"]
    assert diagnose(lines, 1, None).code == "memory"
    assert diagnose(lines[::-1], 1, None).code == "missing_package"


def test_pips_last_word_after_a_network_failure_does_not_hide_it() -> None:
    lines = [
        TEXTS[[code for code, _, _ in TEXTS].index("network")][1],
        "ERROR: No matching distribution found for torch",
    ]
    assert diagnose(lines, 1, None).code == "network"
    assert diagnose(lines[1:], 1, None).code == "no_matching_package"


def test_bash_tells_of_a_killed_program_whatever_the_script_ends_with() -> None:
    lines = ["launch.sh: line 5: 12345 Killed                  python main.py", "it did not work"]
    assert diagnose(lines, 1, None).code == "killed"


@pytest.mark.parametrize(
    ("exit_code", "signal", "code"),
    [
        (None, "SIGKILL", "killed"),
        (137, None, "killed"),
        (None, "SIGSEGV", "crashed"),
        (139, None, "crashed"),
        (127, None, "missing_command"),
        (126, None, "permission"),
        (1, None, "unknown"),
        (None, None, "unknown"),
    ],
)
def test_without_words_the_exit_status_tells(exit_code: int | None, signal: str | None, code: str) -> None:
    assert diagnose(["Starting server"], exit_code, signal).code == code


def test_aikores_own_words_count_too() -> None:
    assert diagnose([], None, None, "Port 19000 is used by another program: nc (12)").code == "port_in_use"
    assert diagnose([], None, None, "Preparing failed: the disk is full.").code == "no_space"


def test_odd_texts_are_neither_slow_nor_formatted() -> None:
    odd = ["{0} {} %s: command not found", "a" * 500 + ": command not found"] * 30
    assert diagnose(odd, 127, None).code == "missing_command"
    assert len(diagnose(["x"] * 60, 1, None).lines) == 12


def test_memory_is_named_for_a_kill_only_where_the_kernel_counted_one() -> None:
    lines = ["launch.sh: line 5: 12345 Killed                  python main.py"]
    for tail, code, signal in (
        (lines, 1, None),
        ([], None, "SIGKILL"),
        ([], 137, None),
        (["Permission denied"], None, "SIGKILL"),
    ):
        assert diagnose(tail, code, signal, out_of_memory=True).code == "memory"
    for tail, code, signal in ((lines, 1, None), ([], None, "SIGKILL"), ([], 137, None)):
        failure = diagnose(tail, code, signal)
        assert failure.code == "killed"
        assert "ran out" not in failure.cause
    assert diagnose([], 1, None, out_of_memory=True).code == "unknown", "what ended by itself was not killed"
