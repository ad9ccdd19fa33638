"""The HTTP interface against its own OpenAPI document: no 5xx, no undocumented answer, whatever is sent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aikore.instances.schemas import Instance
from tests.helpers.server import HTTP_APP, AiKoreServer

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
NOT_FUZZED = "/api/system/restart"
"""Replacing the manager under the fuzzer would only measure connection errors; it has a test of its own."""


ANY_INSTANCE = """
[[operations]]
include-path-regex = "^/api/instances/[{]id[}]"
exclude-method = ["DELETE"]
phases.coverage.enabled = false
"""
"""Every edge of what these routes take is tried on an instance that exists."""
ONE_INSTANCE = """
[parameters]
"path.id" = "fuzzed"
"""


def fuzz(server: AiKoreServer, examples: int) -> None:
    """Send what the document allows, and what it does not, to every route, then to one that exists."""
    server.create("fuzzed", "Static")
    run_fuzzer(server, examples, ANY_INSTANCE)
    run_fuzzer(server, examples, ONE_INSTANCE, "--include-path-regex=/api/instances/.*", "--exclude-method=DELETE")


def run_fuzzer(server: AiKoreServer, examples: int, settings: str, *selection: str) -> None:
    (server.home / "schemathesis.toml").write_text(settings)
    program = Path(sys.executable).with_name("schemathesis")
    options = ["--phases=coverage,fuzzing", f"--max-examples={examples}", "--seed=1", f"--checks={CHECKS}"]
    more = [
        *selection,
        f"--exclude-path={NOT_FUZZED}",
        "--no-color",
        "--request-timeout=30",
        "--suppress-health-check=all",
    ]
    done = subprocess.run(
        [program, "run", f"{server.url}/api/openapi.json", *options, *more],
        capture_output=True,
        text=True,
        cwd=server.home,
    )
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2000:]


def test_no_request_makes_a_server_error_or_an_undocumented_answer(aikore: AiKoreServer) -> None:
    fuzz(aikore, examples=4)


@pytest.mark.soak
def test_no_request_of_very_many_makes_a_server_error(aikore: AiKoreServer) -> None:
    fuzz(aikore, examples=300)


def test_an_instance_looks_as_the_document_promises(aikore: AiKoreServer) -> None:
    aikore.blueprint("web", HTTP_APP)
    aikore.create("w", "web")
    aikore.post("w", "start")
    for instance in (aikore.get("w"), aikore.wait_status("w", "started")):
        Instance.model_validate(instance, strict=False)
        assert set(instance) == set(Instance.model_fields)
